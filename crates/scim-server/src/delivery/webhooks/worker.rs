//! The worker: the part of a server process that delivers. It leases endpoints, so that several servers share them.

mod content;
mod coordinator;
mod endpoint;
mod parts;
mod places;
mod reading;

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

pub(super) use self::content::find;
use self::coordinator::{Coordinator, Notice};
pub use self::parts::{ENDPOINT_STATES, WorkerParts};

/// A running worker. Dropping this value stops it: requests under way get some seconds to end, the progress is stored,
/// and the leases end.
pub struct WebhookWorker {
    notices: Sender<Notice>,
    thread: Option<JoinHandle<()>>,
}

impl WebhookWorker {
    /// Starts a worker. Without endpoints, it only looks for new ones.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(parts: WorkerParts) -> io::Result<WebhookWorker> {
        let (notices, receiver) = channel();
        let coordinator = Coordinator::new(parts, notices.clone(), receiver);
        let thread = thread::Builder::new()
            .name("webhooks".to_owned())
            .spawn(move || coordinator.run())?;
        Ok(WebhookWorker {
            notices,
            thread: Some(thread),
        })
    }
}

impl Drop for WebhookWorker {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.notices.send(Notice::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
