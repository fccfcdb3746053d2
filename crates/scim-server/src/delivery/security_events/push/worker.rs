//! The worker: the part of a server process that pushes. It leases streams, so that several servers share them, and each
//! leased stream has a thread, so that a slow receiver delays no other.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scim_model::store::{SetDelivery, SetStreamStatus, StoreError};
use uuid::Uuid;

use super::sender::{Round, round};
use crate::clock;
use crate::delivery::lease::{LEASE, LeaseClock, RENEWAL};
use crate::delivery::security_events::stream::StreamParts;

/// The pause between two looks at the streams, and the longest one of a stream that has nothing to send.
const LOOK: Duration = Duration::from_secs(1);

/// A running worker. Dropping this value stops it: requests under way end, and so do the leases.
pub struct PushWorker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    parts: StreamParts,
    id: Uuid,
    stops: AtomicBool,
    state: Mutex<State>,
    /// Notified when the worker stops.
    stopped: Condvar,
}

struct State {
    lease: LeaseClock,
    leased: Vec<Uuid>,
}

impl PushWorker {
    /// Starts a worker with an id, which no other one has at the same time. It continues with the leases that it had, and
    /// only looks for streams until one exists.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(id: Uuid, parts: StreamParts) -> io::Result<PushWorker> {
        let shared = Arc::new(Shared {
            parts,
            id,
            stops: AtomicBool::new(false),
            state: Mutex::new(State {
                lease: LeaseClock::ended(),
                leased: Vec::new(),
            }),
            stopped: Condvar::new(),
        });
        let of_thread = shared.clone();
        let thread = thread::Builder::new()
            .name("set-push".to_owned())
            .spawn(move || run(&of_thread))?;
        Ok(PushWorker {
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for PushWorker {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        self.shared.stopped.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// No code panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    /// Waits, unless the worker stops.
    fn sleep(&self, time: Duration) {
        let state = self.state();
        if !self.stops() {
            let _ = self.stopped.wait_timeout(state, time);
        }
    }

    /// The lease of a stream; an ended one if the worker does not have it or stops.
    fn lease_of(&self, stream: Uuid) -> LeaseClock {
        let state = self.state();
        match state.leased.contains(&stream) && !self.stops() {
            true => state.lease,
            false => LeaseClock::ended(),
        }
    }
}

fn run(shared: &Arc<Shared>) {
    let mut threads: HashMap<Uuid, JoinHandle<()>> = HashMap::new();
    let mut renewed: Option<Instant> = None;
    let mut is_failing = false;
    while !shared.stops() {
        match renew(shared, &mut renewed) {
            Ok(()) if is_failing => {
                log::info!("security event tokens are pushed again");
                is_failing = false;
            }
            Ok(()) => {}
            Err(error) => {
                if !is_failing {
                    log::warn!("security event tokens wait, because the database failed: {error:?}");
                }
                is_failing = true;
            }
        }
        threads.retain(|_, it| !it.is_finished());
        let leased = shared.state().leased.clone();
        for stream in leased {
            threads.entry(stream).or_insert_with(|| {
                let shared = shared.clone();
                thread::spawn(move || serve(&shared, stream))
            });
        }
        shared.sleep(LOOK);
    }
    for thread in threads.into_values() {
        let _ = thread.join();
    }
    if let Err(error) = shared.parts.store.release_set_streams(shared.id) {
        log::debug!("leases of streams end later: {error:?}");
    }
}

/// Renews the leases, or takes some if there are streams without a worker.
fn renew(shared: &Shared, renewed: &mut Option<Instant>) -> Result<(), StoreError> {
    if renewed.is_some_and(|it| it.elapsed() < RENEWAL) {
        return Ok(());
    }
    let streams = shared.parts.store.set_streams()?;
    shared.parts.security_events.set_has_streams(!streams.is_empty());
    let is_pushed = |it: &scim_model::store::SetStream| {
        matches!(it.settings.delivery, SetDelivery::Push { .. })
            && it.state.status != SetStreamStatus::Disabled
    };
    if !streams.iter().any(is_pushed) {
        shared.state().leased.clear();
        return Ok(());
    }
    let asked = Instant::now();
    let leased = shared.parts.store.lease_set_streams(shared.id, LEASE)?;
    let mut state = shared.state();
    state.lease = LeaseClock::asked_for(asked);
    state.leased = leased;
    drop(state);
    *renewed = Some(asked);
    Ok(())
}

/// Sends the tokens of a stream until the lease is lost or the worker stops.
fn serve(shared: &Shared, stream: Uuid) {
    let lease = || shared.lease_of(stream);
    let Ok(waiter) = shared.parts.feed.waiter() else {
        return;
    };
    while lease().time_for_request(Instant::now()).is_some() {
        match round(&shared.parts, shared.id, stream, &lease) {
            Ok(Round::Again) => {}
            Ok(Round::Idle(visible_up_to)) => {
                waiter.wait(visible_up_to, LOOK);
            }
            Ok(Round::Until(time)) => {
                let left = (time - clock::now()).to_std().unwrap_or_default();
                shared.sleep(left.min(LOOK));
            }
            Ok(Round::Ended) => return,
            Err(error) => {
                log::debug!("the stream {stream} waits, because the database failed: {error:?}");
                shared.sleep(LOOK);
            }
        }
    }
}
