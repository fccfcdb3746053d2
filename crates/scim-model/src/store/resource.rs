//! The port to resources.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;
use super::query::{Include, NextResources, Page, Query, Reference, ResourceKey, RestOfMembers, Stored};
use super::tenant::TenantId;
use crate::change::{Actor, AttributeChanges, MembersChange};
use crate::document::Document;
use crate::schema::ResourceType;
use crate::secret::{SecretHash, SecretHashes};

/// Durable storage of the resources of tenants. The methods block; the server calls them on a thread pool.
///
/// **Invariants.** A call never reads or writes data of another tenant. A write that returned `Ok`
/// survives a crash. A write is visible as a whole or not at all, and visible to every read that starts
/// after the write has returned. Every write appends its changes to the journal, in the same transaction.
pub trait ResourceStore: Send + Sync {
    /// Stores a new resource, with version 1, and its members.
    ///
    /// # Errors
    /// `Conflict` if the value of a unique attribute is taken, `UnknownMembers` if a member does not exist.
    fn create(&self, tenant: TenantId, new: &NewResource) -> Result<(), StoreError>;

    /// Stores a resource that was deleted again, with its id and its members. Its version is the one after
    /// `last_version`, so that an entity tag never means two states.
    ///
    /// # Errors
    /// Those of [`ResourceStore::create`]; `Stale` if a resource with the id exists.
    fn create_again(&self, tenant: TenantId, new: &NewResource, last_version: i64) -> Result<(), StoreError>;

    /// Returns a resource, or `None` if the tenant does not have it under this type.
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

    /// Returns one page of the resources that match a query, and the number of all that match. A store limits the
    /// memory for a page: it returns the first resources, and the keys of the others. It may also limit the groups
    /// of a user here and in [`ResourceStore::next_resources`], to no fewer than 1,000.
    ///
    /// # Errors
    /// `Unavailable`, `TooExpensive`, `TooManyScans`, `TooManyMembers`.
    fn list(&self, tenant: TenantId, query: &Query) -> Result<Page, StoreError>;

    /// Returns the first of the resources with these keys, as many as the store reads at once, in the state that they
    /// have now. A group with many members may come with the first of them.
    ///
    /// # Errors
    /// `Unavailable`.
    fn next_resources(
        &self,
        tenant: TenantId,
        keys: &[ResourceKey],
        include: Include,
    ) -> Result<NextResources, StoreError>;

    /// Returns the next members of a group in order of joining, as many as the store reads at once, and those that
    /// follow. Members that have left the group since are missing.
    ///
    /// # Errors
    /// `Unavailable`.
    fn next_members(
        &self,
        tenant: TenantId,
        rest: RestOfMembers,
    ) -> Result<(Vec<Reference>, Option<RestOfMembers>), StoreError>;

    /// Changes a resource. If the document, the members and the secrets stay the same, nothing is written,
    /// and the version and the modification time stay too.
    ///
    /// Returns `None` if the tenant does not have the resource under this type.
    ///
    /// # Errors
    /// `Stale` if `expected_version` differs from the stored version, `Conflict`, `UnknownMembers`.
    fn update(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError>;

    /// Changes a resource like [`ResourceStore::update`], and records that it was restored.
    ///
    /// # Errors
    /// The errors of [`ResourceStore::update`].
    fn restore(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError>;

    /// Deletes a resource with its secrets, its members and its memberships in groups, whose versions
    /// increase. Returns whether the resource existed under this type.
    ///
    /// # Errors
    /// `Stale` if the expected version is given and differs from the stored version.
    fn delete(&self, tenant: TenantId, deletion: &Deletion) -> Result<bool, StoreError>;

    /// Returns the type and the display name of each id that exists, in any order. A reference such as
    /// `manager` is shown with the name of the resource that it refers to.
    ///
    /// # Errors
    /// `Unavailable`.
    fn references(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Reference>, StoreError>;

    /// Returns the hash of a secret as a PHC string; `path` is the path of its attribute, for example
    /// `password`. The hash serves applications that verify logins; no SCIM operation reads it. `None`
    /// means that the resource or the secret does not exist.
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
    /// Type of the resource.
    pub resource_type: Arc<ResourceType>,
    /// Id of the resource: a UUIDv7 that the server has chosen.
    pub id: Uuid,
    /// Time of creation, stored with milliseconds.
    pub now: DateTime<Utc>,
    /// The originator, for the journal to record.
    pub actor: Actor,
    /// Attributes of the resource.
    pub document: Document,
    /// Ids of the members, for types with a `members` attribute.
    pub members: Vec<Uuid>,
    /// Secrets of the resource, by path.
    pub secrets: SecretHashes,
}

/// An update of a resource that was read before, or of its members alone.
#[derive(Clone, Debug)]
pub struct Update {
    /// Type of the resource.
    pub resource_type: Arc<ResourceType>,
    /// Id of the resource.
    pub id: Uuid,
    /// The version that the update was computed from, or that the client requires. `None` is for a change
    /// of members that is right for any version.
    pub expected_version: Option<i64>,
    /// Time of the update.
    pub now: DateTime<Utc>,
    /// The originator, for the journal to record.
    pub actor: Actor,
    /// The new attributes; `None` leaves them as they are.
    pub document: Option<Document>,
    /// The change of the members.
    pub members: MembersChange,
    /// The secrets that change, by path; others stay.
    pub secrets: SecretHashes,
    /// The changes for the journal to record, if anything is written. The store adds the members that it has
    /// effectively added and removed.
    pub changes: AttributeChanges,
}

/// A deletion of a resource.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Type of the resource.
    pub resource_type: Arc<ResourceType>,
    /// Id of the resource.
    pub id: Uuid,
    /// The version that the client requires; `None` is any.
    pub expected_version: Option<i64>,
    /// Time of the deletion.
    pub now: DateTime<Utc>,
    /// The originator, for the journal to record.
    pub actor: Actor,
}

/// The result of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The version after the update.
    pub version: i64,
    /// `meta.lastModified` after the update.
    pub last_modified: DateTime<Utc>,
    /// Whether anything was written.
    pub changed: bool,
}
