//! The worker: the part of a server process that pushes. It leases streams, so that several servers share them, and each
//! leased stream has a thread, so that a slow receiver delays no other.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scim_model::store::{Leases, SetDelivery, SetStream, SetStreamStatus, StoreError};
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
    /// The streams that are served.
    leased: Vec<Uuid>,
    /// Streams that are leased and not served any more. Their leases end when their threads have ended.
    leaving: Vec<Uuid>,
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
                leaving: Vec::new(),
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
        if let Err(error) = release(shared, &threads) {
            log::debug!("leases of streams end later: {error:?}");
        }
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
    if let Err(error) = shared.parts.store.release_set_streams(shared.id, None) {
        log::debug!("leases of streams end later: {error:?}");
    }
}

/// Renews the leases, or takes some if there are streams without a worker.
fn renew(shared: &Shared, renewed: &mut Option<Instant>) -> Result<(), StoreError> {
    if renewed.is_some_and(|it| it.elapsed() < RENEWAL) {
        return Ok(());
    }
    let streams = shared.parts.store.set_streams()?;
    shared.parts.security_events.saw(&streams);
    if !streams.iter().any(is_pushed) && shared.state().is_idle() {
        return Ok(());
    }
    let asked = Instant::now();
    let leases = shared.parts.store.lease_set_streams(shared.id, LEASE)?;
    // A stream may have been created, paused or disabled in between.
    let streams = shared.parts.store.set_streams()?;
    let is_served = |id: &Uuid| streams.iter().any(|it| it.id == *id && is_pushed(it));
    let mut state = shared.state();
    state.lease = LeaseClock::asked_for(asked);
    state.take(&leases, is_served);
    drop(state);
    *renewed = Some(asked);
    Ok(())
}

fn is_pushed(stream: &SetStream) -> bool {
    matches!(stream.settings.delivery, SetDelivery::Push { .. })
        && stream.state.status != SetStreamStatus::Disabled
}

impl State {
    fn is_idle(&self) -> bool {
        self.leased.is_empty() && self.leaving.is_empty()
    }

    /// Decides which of the leased streams are served. Those above the share of this worker are for other servers.
    fn take(&mut self, leases: &Leases, is_served: impl Fn(&Uuid) -> bool) {
        let leaving = |id: &Uuid| self.leaving.contains(id) || !is_served(id);
        let (leaving, mut served): (Vec<Uuid>, Vec<Uuid>) = leases.ids.iter().copied().partition(leaving);
        // The order is the same each time, so that a stream does not move without need.
        served.sort();
        let extra = served.split_off(served.len().min(leases.share));
        self.leaving = leaving;
        self.leaving.extend(extra);
        self.leased = served;
    }
}

/// Ends the leases of streams that are not served any more and that no request is under way for.
fn release(shared: &Shared, threads: &HashMap<Uuid, JoinHandle<()>>) -> Result<(), StoreError> {
    let leaving = shared.state().leaving.clone();
    let ended: Vec<Uuid> = leaving
        .into_iter()
        .filter(|it| !threads.contains_key(it))
        .collect();
    if ended.is_empty() {
        return Ok(());
    }
    shared.parts.store.release_set_streams(shared.id, Some(&ended))?;
    shared.state().leaving.retain(|it| !ended.contains(it));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_above_the_share_leaves_and_is_not_taken_back() {
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let mut state = State {
            lease: LeaseClock::ended(),
            leased: Vec::new(),
            leaving: Vec::new(),
        };
        let leases = |ids: &[Uuid], share| Leases {
            ids: ids.to_vec(),
            share,
        };
        state.take(&leases(&ids, 4), |_| true);
        assert_eq!((&state.leased[..], &state.leaving[..]), (&ids[..], &[][..]));
        state.take(&leases(&ids, 3), |_| true);
        assert_eq!((&state.leased[..], &state.leaving[..]), (&ids[..3], &ids[3..]));
        // Its lease has not ended yet, and the other server has stopped.
        state.take(&leases(&ids, 4), |_| true);
        assert_eq!((&state.leased[..], &state.leaving[..]), (&ids[..3], &ids[3..]));
        // The lease has ended, and another stream is disabled.
        state.take(&leases(&ids[..3], 3), |it| *it != ids[0]);
        assert_eq!((&state.leased[..], &state.leaving[..]), (&ids[1..3], &ids[..1]));
        assert!(!state.is_idle());
    }
}
