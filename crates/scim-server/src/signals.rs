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
            let caught = termination();
            let failed = caught
                .as_ref()
                .err()
                .map(|error| io::Error::other(error.to_string()));
            // The caller waits for it.
            let _ = ready.send(failed);
            if let Ok(signal) = caught {
                signal.await;
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

/// Returns a future that completes at SIGTERM or SIGINT.
///
/// # Errors
/// The operating system does not allow a handler for the signals.
#[cfg(unix)]
pub fn termination() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use std::future::poll_fn;
    use std::task::Poll;

    use actix_web::rt::signal::unix::{SignalKind, signal};

    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(poll_fn(move |context| {
        let came = term.poll_recv(context).is_ready() || int.poll_recv(context).is_ready();
        if came { Poll::Ready(()) } else { Poll::Pending }
    }))
}

/// Returns a future that completes at Ctrl-C.
#[cfg(not(unix))]
pub fn termination() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = actix_web::rt::signal::ctrl_c().await;
    })
}
