//! The things that all parts of an import know.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_model::SchemaRegistry;
use scim_model::change::Actor;
use scim_model::store::{Credentials, Directory, ResourceStore, StoreError, TenantId, Transfer};

use crate::cli::CommandError;
use crate::cli::arguments::ImportArgs;
use crate::management::{ManagementError, tenants};

/// The ports that an import needs.
pub trait ImportStore: Credentials + Directory + Transfer + ResourceStore {}

impl<T: Credentials + Directory + Transfer + ResourceStore> ImportStore for T {}

/// The id that no tenant has. Nothing is compared with the resources of a tenant that does not exist.
pub(super) const NO_TENANT: TenantId = TenantId(0);

/// The setting of an import.
pub(super) struct Setting<'a> {
    pub(super) store: &'a dyn ImportStore,
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) arguments: &'a ImportArgs,
    pub(super) tenant: Target<'a>,
    pub(super) now: DateTime<Utc>,
    /// The originator that the journal records.
    pub(super) actor: Actor,
}

impl Setting<'_> {
    /// Returns the tenant to store something in, and creates it if it does not exist. A trial creates nothing.
    pub(super) fn tenant_to_fill(&self) -> Result<TenantId, CommandError> {
        match self.arguments.dry_run {
            true => Ok(self.tenant.id()),
            false => self.tenant.create(),
        }
    }
}

/// The tenant of an import. It is created when the first line is stored, so that an input that is refused as a whole
/// leaves no empty tenant.
pub(super) struct Target<'a> {
    store: &'a dyn ImportStore,
    name: &'a str,
    now: DateTime<Utc>,
    id: Cell<TenantId>,
}

impl<'a> Target<'a> {
    pub(super) fn find(
        store: &'a dyn ImportStore,
        name: &'a str,
        now: DateTime<Utc>,
    ) -> Result<Target<'a>, CommandError> {
        let id = match tenants::find(store, name) {
            Ok(tenant) => tenant.id,
            Err(ManagementError::NoTenant(_)) => NO_TENANT,
            Err(error) => return Err(error.into()),
        };
        Ok(Target {
            store,
            name,
            now,
            id: Cell::new(id),
        })
    }

    /// Returns the tenant, or [`NO_TENANT`] as long as it does not exist.
    pub(super) fn id(&self) -> TenantId {
        self.id.get()
    }

    fn create(&self) -> Result<TenantId, CommandError> {
        if self.id() == NO_TENANT {
            tenants::create(self.store, self.name, self.now)?;
            self.id.set(tenants::find(self.store, self.name)?.id);
        }
        Ok(self.id())
    }
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
