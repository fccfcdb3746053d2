//! The things that all parts of an import know.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_model::SchemaRegistry;
use scim_model::change::Actor;
use scim_model::store::{Directory, ResourceStore, StoreError, TenantId, Transfer};

use crate::cli::arguments::ImportArgs;

/// The ports that an import needs.
pub trait ImportStore: Directory + Transfer + ResourceStore {}

impl<T: Directory + Transfer + ResourceStore> ImportStore for T {}

/// The id that no tenant has: a trial with a tenant that does not exist compares with none.
pub(super) const NO_TENANT: TenantId = TenantId(0);

/// The setting of an import.
pub(super) struct Setting<'a> {
    pub(super) store: &'a dyn ImportStore,
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) arguments: &'a ImportArgs,
    pub(super) tenant: TenantId,
    pub(super) now: DateTime<Utc>,
    /// The originator that the journal records.
    pub(super) actor: Actor,
}

/// The pause before another attempt while other processes write, and the number of attempts.
const PAUSE: Duration = Duration::from_millis(200);
const ATTEMPTS: u32 = 150;

/// Repeats a call while other processes write.
pub(super) fn patiently<T>(call: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..ATTEMPTS {
        match call() {
            Err(StoreError::Busy) => thread::sleep(PAUSE),
            result => return result,
        }
    }
    call()
}
