//! The signals that end the process.

use std::io;
use std::sync::mpsc::channel;
use std::thread;

/// Starts a thread that waits for SIGTERM or SIGINT and then calls `act`.
///
/// # Errors
/// The operating system does not allow a thread or a handler for the signals.
pub fn on_termination(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (ready, is_ready) = channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let caught = Termination::catch();
            let failed = caught
                .as_ref()
                .err()
                .map(|error| io::Error::other(error.to_string()));
            // The caller waits for it.
            let _ = ready.send(failed);
            if let Ok(mut signals) = caught {
                signals.next().await;
                act();
            }
        });
    })?;
    match is_ready.recv() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(io::Error::other("cannot catch signals")),
    }
}

/// The signals with which operators ask a server to read files again: SIGHUP. They no longer end the process.
#[cfg(unix)]
pub struct Hangups(actix_web::rt::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    /// Catches the signal from now on.
    ///
    /// # Errors
    /// The operating system does not allow a handler for the signal.
    pub fn catch() -> io::Result<Hangups> {
        use actix_web::rt::signal::unix::{SignalKind, signal};

        Ok(Hangups(signal(SignalKind::hangup())?))
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        // The stream of signals never ends.
        let _ = self.0.recv().await;
    }
}

/// A system without SIGHUP.
#[cfg(not(unix))]
pub struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn catch() -> io::Result<Hangups> {
        Ok(Hangups)
    }

    /// Waits forever.
    pub async fn next(&mut self) {
        std::future::pending().await
    }
}

/// SIGTERM and SIGINT, which are caught as long as this exists.
#[cfg(unix)]
pub struct Termination {
    term: actix_web::rt::signal::unix::Signal,
    int: actix_web::rt::signal::unix::Signal,
}

#[cfg(unix)]
impl Termination {
    /// Begins to catch the signals.
    ///
    /// # Errors
    /// The operating system does not allow a handler for the signals.
    pub fn catch() -> io::Result<Termination> {
        use actix_web::rt::signal::unix::{SignalKind, signal};

        Ok(Termination {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    /// Completes at the next signal.
    pub async fn next(&mut self) {
        use std::future::poll_fn;
        use std::task::Poll;

        poll_fn(|context| {
            let came = self.term.poll_recv(context).is_ready() || self.int.poll_recv(context).is_ready();
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub struct Termination;

#[cfg(not(unix))]
impl Termination {
    /// Does nothing: Ctrl-C is caught when [`Termination::next`] is called.
    ///
    /// # Errors
    /// None.
    pub fn catch() -> io::Result<Termination> {
        Ok(Termination)
    }

    /// Completes at the next Ctrl-C.
    pub async fn next(&mut self) {
        let _ = actix_web::rt::signal::ctrl_c().await;
    }
}
