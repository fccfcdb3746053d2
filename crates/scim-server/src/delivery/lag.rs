//! The progress of the endpoints that events are delivered to, for the metrics.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_model::change::ChangePosition;
use scim_model::store::{
    ChangeFeed, FeedStart, FeedTenants, JournalError, SetDelivery, SetStreamStatus, SetStreams, StoreError,
    TenantId, Webhooks,
};
use uuid::Uuid;

use super::event::EventId;
use crate::clock;

/// The pause between two looks.
const INTERVAL: Duration = Duration::from_secs(10);

/// The most endpoints that are looked at.
const MOST_ENDPOINTS: usize = 500;

/// The progress of an endpoint that is enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointLag {
    /// `webhook` or `set_stream`.
    pub kind: &'static str,
    /// Identifies the endpoint.
    pub id: Uuid,
    /// The age of the oldest entry of the journal that was not looked at for the endpoint yet, or 0.
    pub seconds: u64,
    /// The entries of the journal, of all tenants, that were not looked at for the endpoint yet.
    pub changes: u64,
    /// The time since which every request has failed, or 0.
    pub failing_seconds: u64,
}

/// A thread that looks at the endpoints. Dropping this value stops the thread and waits for its end.
pub struct LagWatch {
    found: Arc<Mutex<Vec<EndpointLag>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LagWatch {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start<S: Webhooks + SetStreams + ChangeFeed + 'static>(store: Arc<S>) -> io::Result<LagWatch> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = channel();
        let shared = found.clone();
        let watch = move || {
            loop {
                // Without an answer of the store, nothing is known.
                let lags = lags(&*store, clock::now()).unwrap_or_default();
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = lags;
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("delivery-lag".to_owned());
        Ok(LagWatch {
            found,
            stop: Some(stop),
            thread: Some(thread.spawn(watch)?),
        })
    }

    /// Returns the progress of the endpoints at the last look.
    pub fn endpoints(&self) -> impl Fn() -> Vec<EndpointLag> + Send + Sync + 'static + use<> {
        let found = self.found.clone();
        move || found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LagWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the progress of the enabled endpoints of webhooks, and of the enabled streams that the server sends. The
/// position of a stream whose receiver polls says nothing about its lag.
///
/// # Errors
/// The store failed.
pub fn lags<S: Webhooks + SetStreams + ChangeFeed + ?Sized>(
    store: &S,
    now: DateTime<Utc>,
) -> Result<Vec<EndpointLag>, StoreError> {
    let mut found = Vec::new();
    let age = |time: DateTime<Utc>| u64::try_from((now - time).num_seconds()).unwrap_or(0);
    let head = store.visible_up_to()?;
    let mut add =
        |kind, id, tenants: Option<&Vec<TenantId>>, position: ChangePosition, failing: Option<_>| {
            let tenants = tenants.map_or(FeedTenants::All, |it| FeedTenants::Only(it.clone()));
            let oldest = match position.sequence < head {
                true => first_after(store, &tenants, position)?,
                false => None,
            };
            found.push(EndpointLag {
                kind,
                id,
                seconds: oldest.map_or(0, age),
                changes: match oldest {
                    Some(_) => u64::try_from(head - position.sequence).unwrap_or(0),
                    None => 0,
                },
                failing_seconds: failing.map_or(0, age),
            });
            Ok::<(), StoreError>(())
        };
    for it in store
        .webhooks()?
        .into_iter()
        .filter(|it| it.disabled.is_none())
        .take(MOST_ENDPOINTS)
    {
        let Ok(position) = it.position.parse::<EventId>() else {
            continue;
        };
        let failing = it.health.failing_since;
        add(
            "webhook",
            it.id,
            it.settings.tenants.as_ref(),
            position.position,
            failing,
        )?;
    }
    for it in store.set_streams()?.into_iter().take(MOST_ENDPOINTS) {
        let is_pushed = matches!(it.settings.delivery, SetDelivery::Push { .. });
        if is_pushed && it.state.status == SetStreamStatus::Enabled {
            let failing = it.health.failing_since;
            add(
                "set_stream",
                it.id,
                it.settings.tenants.as_ref(),
                it.position,
                failing,
            )?;
        }
    }
    Ok(found)
}

/// Returns the time of the first entry after a position. An endpoint that has missed entries counts from its position.
fn first_after<S: ChangeFeed + ?Sized>(
    store: &S,
    tenants: &FeedTenants,
    position: ChangePosition,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    match store.entries(tenants, FeedStart::After(position), 1) {
        Ok(read) => Ok(read.entries.first().map(|it| it.change.at)),
        Err(JournalError::Store(error)) => Err(error),
        Err(_) => Ok(DateTime::from_timestamp_millis(position.at)),
    }
}
