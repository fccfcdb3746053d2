//! The port to resources.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::directory::TenantId;
use super::error::StoreError;
use super::query::{Include, Page, Query, Reference, Stored};
use crate::change::{AttributeChanges, MembersChange};
use crate::document::Document;
use crate::schema::ResourceType;
use crate::secret::{SecretHash, SecretHashes};

/// Durable, tenant-scoped storage of resources. Methods block; the server runs them on a pool.
///
/// **Invariants.** A call never reads or writes another tenant's rows. A write that returned `Ok`
/// survives a crash. A write is seen whole or not at all, and by every read that starts after it
/// returned. Every write appends its changes to the journal, in the same transaction.
pub trait ResourceStore: Send + Sync {
    /// Stores a new resource with version 1 and its members.
    ///
    /// # Errors
    /// `Conflict` when a unique attribute is taken, `UnknownMembers` when a member does not exist.
    fn create(&self, tenant: TenantId, new: &NewResource) -> Result<(), StoreError>;

    /// `None` when the tenant has no such resource of this type.
    ///
    /// # Errors
    /// `Unavailable`.
    fn get(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        include: Include,
    ) -> Result<Option<Stored>, StoreError>;

    /// The resources that match, in order, and how many there are in all.
    ///
    /// # Errors
    /// `Unavailable`, `TooExpensive`, `TooManyScans`, `TooManyMembers`.
    fn list(&self, tenant: TenantId, query: &Query) -> Result<Page, StoreError>;

    /// Changes a resource. Nothing is written, and version and modification time stay, when
    /// neither document nor members nor secrets really change.
    ///
    /// `None` when the tenant has no such resource of this type.
    ///
    /// # Errors
    /// `Stale` when `expected_version` is not the stored one, `Conflict`, `UnknownMembers`.
    fn update(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError>;

    /// Deletes a resource, its memberships in groups (their versions move on), its own members and
    /// its secrets.
    /// `false` when there was none.
    ///
    /// # Errors
    /// `Stale` when `expected_version` is given and is not the stored one.
    fn delete(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        expected_version: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// The type and display name of those ids that exist, in any order: for references such as
    /// `manager` that are shown with the name of what they point at.
    ///
    /// # Errors
    /// `Unavailable`.
    fn references(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Reference>, StoreError>;

    /// The hash of a secret, a PHC string; `path` is its attribute's, for example `password`. For
    /// whoever verifies logins; no SCIM operation reads it. `None` when the tenant has no such
    /// resource of this type, or that has no such secret.
    ///
    /// # Errors
    /// `Unavailable`.
    fn secret(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        path: &str,
    ) -> Result<Option<SecretHash>, StoreError>;
}

/// A resource to create.
#[derive(Clone, Debug)]
pub struct NewResource {
    /// Its type.
    pub resource_type: Arc<ResourceType>,
    /// Chosen by the server, UUIDv7.
    pub id: Uuid,
    /// Creation time; milliseconds are kept.
    pub now: DateTime<Utc>,
    /// Its attributes.
    pub document: Document,
    /// Ids of its members, for types with a `members` attribute.
    pub members: Vec<Uuid>,
    /// Its secrets.
    pub secrets: SecretHashes,
}

/// A change of a resource that was read before, or of its members alone.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its type.
    pub resource_type: Arc<ResourceType>,
    /// Which.
    pub id: Uuid,
    /// The version the change was computed from, or that the client demands; `None` for a change
    /// of members that holds for any version.
    pub expected_version: Option<i64>,
    /// Time of the change.
    pub now: DateTime<Utc>,
    /// The new attributes; `None` when they stay.
    pub document: Option<Document>,
    /// The change of members.
    pub members: MembersChange,
    /// The secrets that change; others stay.
    pub secrets: SecretHashes,
    /// The changes that the journal records, if anything is written.
    pub changes: AttributeChanges,
}

/// What an update led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The version now.
    pub version: i64,
    /// `meta.lastModified` now.
    pub last_modified: DateTime<Utc>,
    /// Whether anything was written.
    pub changed: bool,
}
