//! The events that end a command which would otherwise keep running.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::signals;

/// The time that a command has after a signal, when nothing reads its output.
const GRACE: Duration = Duration::from_secs(1);

/// Returns a channel that gets a message at SIGINT or SIGTERM, and when the reader of the standard output closes it. The
/// process ends soon after a signal in any case.
///
/// # Errors
/// The operating system does not allow a thread or a handler for the signals.
pub fn on_signal_or_closed_output() -> io::Result<Receiver<()>> {
    let (sender, stop) = channel();
    watch_signals(sender.clone())?;
    #[cfg(unix)]
    watch_output(sender)?;
    Ok(stop)
}

fn watch_signals(sender: Sender<()>) -> io::Result<()> {
    signals::on_termination(move || {
        // Without a receiver, the command has ended already.
        let _ = sender.send(());
        thread::sleep(GRACE);
        std::process::exit(0);
    })
}

/// A command that waits writes nothing, so it would not notice from an error that its reader is gone.
#[cfg(unix)]
fn watch_output(sender: Sender<()>) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    thread::Builder::new().name("output".to_owned()).spawn(move || {
        let output = io::stdout();
        // Errors and hang-ups are reported without being asked for. A file or a terminal that stays open never has one.
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Err(Errno::INTR) | Ok(0) => {}
                // Without `poll`, the next write notices it.
                Err(_) => return,
                Ok(_) => {
                    let _ = sender.send(());
                    return;
                }
            }
        }
    })?;
    Ok(())
}
