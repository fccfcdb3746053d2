//! The thread that refreshes the keys of issuers in the background.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::key_cache::KeyCache;

/// The pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);

/// A thread that refreshes keys when they are due. Dropping this value stops the thread, after a fetch that has begun.
pub struct Refresher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Refresher {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(keys: Arc<KeyCache>) -> io::Result<Refresher> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    keys.refresh_due();
                }
            })?;
        Ok(Refresher {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
