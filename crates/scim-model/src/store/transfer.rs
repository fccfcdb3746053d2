//! The port to all data of a tenant, for its export and its import.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::connection::ConnectionId;
use super::error::StoreError;
use super::query::Stored;
use super::resource::NewResource;
use super::tenant::TenantId;
use crate::change::{Actor, Change, ChangePosition};
use crate::schema::ResourceType;
use crate::secret::SecretHash;

/// The export and the import of a tenant's resources and of its journal.
///
/// **Invariants.** An export is the state of one moment. A batch of an import is stored as a whole or not at all.
pub trait Transfer: Send + Sync {
    /// Passes the data of a tenant on, one record after the other, without collecting it: first the
    /// [`Exported::Start`], then the resources of each type in order of creation, groups last, then the journal if it is
    /// wanted. `take` returns whether to continue.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn export(
        &self,
        tenant: TenantId,
        wanted: ExportParts,
        take: &mut dyn FnMut(Exported) -> bool,
    ) -> Result<(), StoreError>;

    /// Stores a batch of resources, unless they exist already, and returns the outcome for each. With `is_trial`, nothing is
    /// stored, and a resource is compared with the stored ones only.
    ///
    /// # Errors
    /// `Conflict` if the value of a unique attribute is taken, `UnknownMembers` if a member does not exist: then nothing
    /// of the batch is stored.
    fn import(
        &self,
        tenant: TenantId,
        resources: &[ImportedResource],
        is_trial: bool,
    ) -> Result<Vec<ImportOutcome>, StoreError>;

    /// Adds members to a group that an import has created before them.
    ///
    /// # Errors
    /// `UnknownMembers` if a member does not exist.
    fn import_members(&self, tenant: TenantId, members: &ImportedMembers) -> Result<(), StoreError>;

    /// Returns the SHA-256 of each token of a tenant, by the id of the token.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn token_hashes(&self, tenant: TenantId) -> Result<HashMap<Uuid, [u8; 32]>, StoreError>;

    /// Gives the connection [`Connection::DEFAULT`](super::Connection::DEFAULT) of a tenant the id that it has in the journal
    /// of another store. Returns whether it was done: not if the connection has credentials, or if the id is taken.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn adopt_default_connection(&self, tenant: TenantId, id: ConnectionId) -> Result<bool, StoreError>;

    /// Prepares the store for the entries of an imported journal, which ends at `end`: new entries of all tenants get
    /// greater numbers. `dropped` is the last entry that the journal does not have any more.
    ///
    /// # Errors
    /// `Conflict` on `position` if the tenant has an entry after `end`.
    fn start_imported_journal(
        &self,
        tenant: TenantId,
        dropped: Option<ChangePosition>,
        end: ChangePosition,
    ) -> Result<(), StoreError>;

    /// Stores entries of a journal at their positions. Entries that are there already stay.
    ///
    /// # Errors
    /// `Conflict` on `position` if another entry has the number: then nothing is stored.
    fn import_changes(&self, tenant: TenantId, changes: &[Change]) -> Result<(), StoreError>;
}

/// The parts of an export that are left out unless they are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportParts {
    /// Hashes of secrets such as `password`.
    pub secrets: bool,
    /// The journal.
    pub changes: bool,
}

/// A record of an export.
#[derive(Clone, Debug)]
pub enum Exported {
    /// The first record.
    Start {
        /// The end of the journal at the moment of the export.
        position: ChangePosition,
        /// The last entry that the journal does not have any more.
        dropped: Option<ChangePosition>,
        /// The number of resources.
        resources: u64,
    },
    /// A resource, a group with all of its members.
    Resource {
        /// The resource, without the groups that it is in.
        stored: Stored,
        /// Paths and hashes of its secrets.
        secrets: Vec<(String, SecretHash)>,
    },
    /// An entry of the journal.
    Change(Box<Change>),
}

/// A resource to import.
#[derive(Clone, Debug)]
pub struct ImportedResource {
    /// The resource. Its time and its originator are those of the import.
    pub new: NewResource,
    /// The version to store.
    pub version: i64,
    /// `meta.created`
    pub created: DateTime<Utc>,
    /// `meta.lastModified`
    pub last_modified: DateTime<Utc>,
    /// Whether the journal records the creation. An imported journal contains it already.
    pub is_recorded: bool,
}

/// The outcome for an imported resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was stored, or in a trial would be.
    Created,
    /// The tenant has it with the same attributes.
    Same {
        /// The id under which it is stored.
        id: Uuid,
        /// The members that the stored group lacks.
        missing: Vec<Uuid>,
    },
    /// The tenant has another resource with this id, or with this value of a unique attribute.
    Differs {
        /// `id`, or the unique attribute.
        attribute: String,
    },
}

/// Members for a group that an import has created.
#[derive(Clone, Debug)]
pub struct ImportedMembers {
    /// Type of the group.
    pub resource_type: Arc<ResourceType>,
    /// Id of the group.
    pub group: Uuid,
    /// Ids of the members, in order of joining.
    pub members: Vec<Uuid>,
    /// The time of the import.
    pub now: DateTime<Utc>,
    /// The originator, for the journal to record; `None` if the journal is imported too. The group then keeps its version.
    pub recorded: Option<Actor>,
    /// `meta.lastModified` to keep; `None` for the time of the import.
    pub last_modified: Option<DateTime<Utc>>,
}
