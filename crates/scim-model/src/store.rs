//! The port: what the server asks of a store of SCIM resources, and of the directory of tenants.

#[cfg(feature = "testing")]
pub mod conformance;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::change::{AttributeChanges, Change, ChangePosition};
use crate::document::Document;
use crate::filter::condition::Condition;
use crate::schema::{AttributePath, ResourceType};
use crate::secret::{SecretHash, SecretHashes};

pub use crate::change::{MembersChange, MembersStep};

/// A tenant, as the directory knows it. Every call on resources names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub i64);

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

/// Which derived attributes are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// `Group.members`
    pub members: bool,
    /// `User.groups`
    pub groups: bool,
}

/// A resource as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Name of its resource type.
    pub resource_type: Arc<str>,
    /// `id`
    pub id: Uuid,
    /// Counts from 1; every change adds one.
    pub version: i64,
    /// `meta.created`
    pub created: DateTime<Utc>,
    /// `meta.lastModified`
    pub last_modified: DateTime<Utc>,
    /// JSON text of the object `{"schemas":[…],…}`: `schemas` first, then the document's
    /// attributes ([`Document::to_stored_json`]). Not parsed unless somebody needs a part of it.
    pub document: String,
    /// In order of joining; `None` when not asked for, or when the type has no members.
    pub members: Option<Vec<Reference>>,
    /// The groups it is a direct member of, in order of joining; `None` when not asked for.
    pub groups: Option<Vec<Reference>>,
}

/// A resource that another one points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub id: Uuid,
    /// Name of its resource type.
    pub resource_type: Arc<str>,
    /// Its `displayName`, else its `userName`.
    pub display: Option<String>,
}

/// A list request.
#[derive(Clone, Debug)]
pub struct Query {
    /// The types to search, each with the filter resolved for it; without an order of its own, listed
    /// type by type.
    pub targets: Vec<(Arc<ResourceType>, Condition)>,
    /// One order over all types; without it, order of creation within each type.
    pub sort: Option<Sort>,
    /// Which part.
    pub page: PageRequest,
    /// Which derived attributes.
    pub include: Include,
    /// What stands before the endpoint in `meta.location` and `$ref`, without a trailing slash:
    /// filters can ask for them.
    pub base_url: Arc<str>,
}

/// `sortBy` and `sortOrder`: by the attribute's key, of multi-valued ones the primary value's,
/// else the first's; without a value last; ties in order of creation, of whatever type. Descending is the exact
/// reverse. Where no target has such an attribute, one comes after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// By what, one for each of the query's targets; `None` where the type has no such attribute.
    pub paths: Vec<Option<AttributePath>>,
    /// `sortOrder=descending`
    pub descending: bool,
}

/// Which part of a result is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// RFC 7644 section 3.4.2.4.
    Index {
        /// 1-based.
        start_index: u64,
        /// At most so many; 0 asks for the total alone.
        count: u32,
    },
    /// RFC 9865: from a position on.
    Cursor {
        /// `None` is the beginning.
        from: Option<Position>,
        /// At most so many.
        count: u32,
    },
}

/// A place between two resources of an ordered result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index of the target.
    pub target: u16,
    /// Sort key of the resource; `None` without sort, or when it has no value.
    pub key: Option<String>,
    /// Creation order of the resource.
    pub row: i64,
    /// Read away from the end: the page before the position, in the usual order.
    pub backwards: bool,
}

/// A part of a result.
#[derive(Clone, Debug)]
pub struct Page {
    /// Number of all matches.
    pub total: u64,
    /// The part, in order.
    pub resources: Vec<Stored>,
    /// Where the next page starts, in cursor mode, if there is one.
    pub next: Option<Position>,
    /// Where the page before ends, in cursor mode, if there is one.
    pub previous: Option<Position>,
}

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique attribute is already taken in this tenant.
    #[error("`{attribute}` is already taken")]
    Conflict {
        /// Path of the attribute.
        attribute: String,
    },
    /// The stored version is not the expected one.
    #[error("the resource has changed")]
    Stale,
    /// These members exist in this tenant neither as User nor as Group.
    #[error("unknown members")]
    UnknownMembers(Vec<Uuid>),
    /// The query needs a scan beyond its limits.
    #[error("the query is too expensive")]
    TooExpensive {
        /// The attribute that no index serves.
        attribute: String,
    },
    /// The query needs a scan, and as many run as may; the same call may succeed later.
    #[error("too many scans at once")]
    TooManyScans {
        /// The attribute that no index serves.
        attribute: String,
    },
    /// The groups of a page have more members together than one answer takes.
    #[error("the page has more than {most} members")]
    TooManyMembers {
        /// So many would be taken.
        most: u64,
    },
    /// Too much to do just now; the same call may succeed later.
    #[error("the store is busy")]
    Busy,
    /// The source is for the log, never for the client.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Tenants and their bearer tokens. Secrets never come here: only their SHA-256.
pub trait Directory: Send + Sync {
    /// Creates a tenant.
    ///
    /// # Errors
    /// `Conflict` on `name` when there is one of that name.
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError>;

    /// All tenants, by name; not those that are being deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Deletes a tenant with everything it owns; `false` when there is none. All access ends at once and
    /// the name is free again; the rest goes in steps that others can write between. When the last step
    /// is not reached, nobody sees what is left, and the next call goes on, as
    /// [`Directory::continue_deletion`] does.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_tenant(&self, name: &str) -> Result<bool, StoreError>;

    /// Takes one step of a deletion that was interrupted: of a tenant that had this name, or of any.
    /// `false` when there is none.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError>;

    /// Stores a token.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_token(&self, token: &NewToken) -> Result<(), StoreError>;

    /// The tokens of a tenant, or all.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tokens(&self, tenant: Option<TenantId>) -> Result<Vec<Token>, StoreError>;

    /// Revokes a token; `false` when there is none of that id.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// The token of a hash, revoked and expired ones included.
    ///
    /// # Errors
    /// `Unavailable`.
    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError>;
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// For calls.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
}

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Names the token without being secret.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// It may only read: a write is answered `403` (RFC 6750 section 3.1, insufficient_scope).
    pub read_only: bool,
    /// What it is for.
    pub note: String,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names the token without being secret.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// It may only read: a write is answered `403` (RFC 6750 section 3.1, insufficient_scope).
    pub read_only: bool,
    /// What it is for.
    pub note: String,
}

/// The journal: the log of all changes of a tenant's resources, written by the [`ResourceStore`].
///
/// **Invariant.** The journal is complete, and gaps are detectable: entries are only ever dropped from
/// its beginning, and a reader that continues from the last position it has seen gets each later change
/// once, or an error.
pub trait ChangeJournal: Send + Sync {
    /// The changes after a position, oldest first; [`ChangePosition::default`] is before the oldest entry
    /// that retention has left. A change is returned only when no earlier one can appear any more.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn changes(
        &self,
        tenant: TenantId,
        after: ChangePosition,
        limit: u32,
    ) -> Result<Vec<Change>, JournalError>;

    /// Drops at most `limit` changes that are older than a time, from the beginning of the journal, and
    /// returns their number. When it is less than `limit`, no more can be dropped now, or another process
    /// is dropping them.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn prune_changes(&self, tenant: TenantId, before: DateTime<Utc>, limit: u32)
    -> Result<usize, StoreError>;
}

/// The reason why a journal cannot be read from a position.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Retention has dropped entries after the position: a reader that stopped there has missed them.
    #[error("entries after the position `{0}` have been dropped")]
    Dropped(ChangePosition),
    /// The tenant's journal has no such entry. The position belongs to another tenant, or a backup that
    /// is older than the entry was restored.
    #[error("`{0}` is not a position of this journal")]
    Unknown(ChangePosition),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
