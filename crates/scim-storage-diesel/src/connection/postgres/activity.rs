//! Measures how long a connection has been waiting for a response of PostgreSQL.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::{Instrumentation, InstrumentationEvent, get_default_instrumentation};
use diesel::pg::PgConnection;

/// The activity of one connection, which another thread can read.
#[derive(Debug)]
pub(super) struct Activity {
    /// The number of the pool that the connection belongs to.
    pub(super) generation: u64,
    /// When the running statement began, in milliseconds of [`clock`]; 0 while no statement runs.
    since: AtomicU64,
}

impl Activity {
    pub(super) fn new(generation: u64) -> Arc<Activity> {
        Arc::new(Activity {
            generation,
            since: AtomicU64::new(0),
        })
    }

    /// Records the statements of a connection. The connection holds the activity until it is closed.
    pub(super) fn observe(self: &Arc<Activity>, conn: &mut PgConnection) {
        let activity = self.clone();
        // Keeps the default instrumentation that the program may have set.
        let mut other = get_default_instrumentation();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            match event {
                InstrumentationEvent::StartQuery { .. } => activity.since.store(clock(), Ordering::Relaxed),
                InstrumentationEvent::FinishQuery { .. } => activity.end(),
                _ => {}
            }
            other.on_connection_event(event);
        });
    }

    /// Records that no statement runs.
    pub(super) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Whether a statement has been running for longer than `limit`.
    pub(super) fn is_silent(&self, limit: Duration) -> bool {
        match self.since.load(Ordering::Relaxed) {
            0 => false,
            since => u128::from(clock().saturating_sub(since)) > limit.as_millis(),
        }
    }
}

/// Milliseconds since the first call in this process, which returns 1.
fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis()).map_or(u64::MAX, |it| it.saturating_add(1))
}
