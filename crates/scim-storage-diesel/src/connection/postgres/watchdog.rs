//! The thread that looks for connections on which PostgreSQL is silent.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::connections::Connections;
use super::presence::Presence;
use crate::open_error::OpenError;

/// The thread that watches the connections. It ends when this value is dropped.
pub(super) struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the connections of the pool and of the presence. The thread never waits for PostgreSQL.
    pub(super) fn start(
        connections: Arc<Connections>,
        presence: Option<Arc<Presence>>,
    ) -> Result<Watchdog, OpenError> {
        let (stop, stopped) = channel();
        let interval = (connections.silence_limit() / 20).min(Duration::from_millis(500));
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    connections.replace_if_silent();
                    let Some(presence) = &presence else { continue };
                    presence.restart_if_silent(connections.silence_limit());
                    // PostgreSQL answers on the new connection of the presence and not on the old one. The idle
                    // connections of the pool have probably failed in the same way.
                    if presence.has_recovered() {
                        connections.replace();
                    }
                }
            })
            .map_err(OpenError::connection)?;
        Ok(Watchdog {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread has no result.
            let _ = thread.join();
        }
    }
}
