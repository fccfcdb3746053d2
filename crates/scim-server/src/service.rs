//! The SCIM operations for any resource type, independent of HTTP.
//!
//! Every operation takes the tenant. An update reads the resource, computes the new version without holding a lock, and
//! writes it on the condition that the stored version is still the one it read. A write that loses a race is retried.

pub mod cursor;
mod members;
mod patch;
pub mod precondition;
mod retry;
mod search;
mod secrets;
mod tolerances;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use scim_model::change::AttributeChanges;
use scim_model::internal::{Body, Presenter, Projection, location};
use scim_model::store::{
    Include, MembersChange, MembersStep, NewResource, ResourceStore, StoreError, Stored, TenantId, Update,
    Updated,
};
use scim_model::{Document, Policy, ResourceType, SchemaRegistry, ScimError, json};
use scim_patch::PatchError;
use uuid::Uuid;

use cursor::CursorKeys;
use members::check_not_own_member;
use precondition::{Preconditions, Unmet};
use retry::RetryLocks;
use secrets::{HashedSecrets, Hasher};
pub use tolerances::ToleranceCounts;

/// The SCIM operations on a store.
pub struct Service {
    registry: Arc<SchemaRegistry>,
    store: Arc<dyn ResourceStore>,
    settings: Settings,
    cursor_keys: CursorKeys,
    retry_locks: RetryLocks,
    /// `None` when secrets are dropped.
    hasher: Option<Hasher>,
    tolerances: Arc<ToleranceCounts>,
}

/// The settings that an operator can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public URL in front of `/Users`, without a trailing slash.
    pub base_url: Arc<str>,
    /// The strictness with which requests are read.
    pub policy: Policy,
    /// The number of resources on a page when the request has no `count`.
    pub default_page_size: u32,
    /// The maximum number of resources on a page.
    pub max_page_size: u32,
    /// Whether a user without `active` is stored and shown as active. Filters treat such a user as active in any
    /// case.
    pub active_by_default: bool,
    /// Whether the response to a PATCH of a group contains the group with all its members.
    pub patch_shows_groups: bool,
    /// Whether URLs may contain a filter. Otherwise clients have to send it in the body of a POST to `/.search`
    /// (RFC 7644 section 7.5.2, A-45).
    pub filters_in_urls: bool,
    /// Whether secrets such as `password` are stored as argon2id hashes; otherwise they are dropped.
    pub hash_secrets: bool,
    /// The keys of paging cursors. The first key encrypts, and every key decrypts.
    pub cursor_keys: Vec<[u8; 32]>,
    /// The lifetime of a paging cursor; `None` means unlimited.
    pub cursor_lifetime: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            base_url: "http://127.0.0.1:8080/scim/v2".into(),
            policy: Policy { lenient: true },
            default_page_size: 100,
            max_page_size: 200,
            active_by_default: false,
            patch_shows_groups: false,
            filters_in_urls: true,
            hash_secrets: false,
            cursor_keys: vec![[0; 32]],
            cursor_lifetime: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

/// The representation of a resource for a client.
#[derive(Debug)]
pub struct Representation {
    /// `ETag`
    pub etag: String,
    /// Whether changes of other resources can change the representation, as a user's groups and manager do.
    pub is_derived: bool,
    /// `meta.location`
    pub location: String,
    /// The JSON text; `None` when the response reports only success.
    pub body: Option<Body>,
}

/// The reason why an operation failed, or has no representation to return.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is invalid.
    #[error("{0}")]
    Scim(#[from] ScimError),
    /// No resource of this type has the id in the tenant.
    #[error("not found")]
    NotFound,
    /// The client already has the current representation.
    #[error("not modified")]
    NotModified {
        /// The entity tag of the representation.
        etag: String,
        /// The location of the resource.
        location: String,
    },
    /// The version of the resource does not meet the preconditions of the request.
    #[error("precondition failed")]
    PreconditionFailed,
    /// Other requests changed the resource during each attempt.
    #[error("contended")]
    Contended,
    /// Too many requests wait for the store or for a secret to be hashed.
    #[error("overloaded")]
    Overloaded,
    /// The store returned an error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Error {
        Error::Scim(error.into())
    }
}

impl Service {
    /// Creates a service for the resource types of a registry.
    pub fn new(registry: Arc<SchemaRegistry>, store: Arc<dyn ResourceStore>, settings: Settings) -> Service {
        Service {
            registry,
            store,
            cursor_keys: CursorKeys::new(&settings.cursor_keys, settings.cursor_lifetime),
            retry_locks: RetryLocks::new(),
            hasher: settings.hash_secrets.then(Hasher::new),
            tolerances: Arc::default(),
            settings,
        }
    }

    /// Returns all resource types and schemas.
    pub fn registry(&self) -> &SchemaRegistry {
        &self.registry
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the number of PATCH operations that needed each tolerance.
    pub fn tolerances(&self) -> &Arc<ToleranceCounts> {
        &self.tolerances
    }

    /// Returns a resource by id (RFC 7644 section 3.4.1).
    ///
    /// # Errors
    /// `NotFound`, `NotModified`, `PreconditionFailed`.
    pub fn get(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        projection: &Projection,
        preconditions: &Preconditions,
    ) -> Result<Representation, Error> {
        let id = parse_id(id)?;
        let stored = self.read(tenant, resource_type, id, include(resource_type, projection))?;
        let version = stored.version;
        let representation = self.represent(tenant, resource_type, stored, projection)?;
        let derived_etag = representation.is_derived.then_some(&*representation.etag);
        match preconditions.check_read(version, derived_etag) {
            Ok(()) => Ok(representation),
            Err(Unmet::NotModified) => Err(Error::NotModified {
                etag: representation.etag,
                location: representation.location,
            }),
            Err(Unmet::Failed) => Err(Error::PreconditionFailed),
        }
    }

    /// Creates a resource from the body of a POST (RFC 7644 section 3.3).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn create(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        body: &[u8],
        projection: &Projection,
    ) -> Result<Representation, Error> {
        let mut sent = Document::for_create(resource_type, json::parse(body)?, self.settings.policy)?;
        if self.settings.active_by_default {
            sent.document.fill_defaults(resource_type);
        }
        let members = sent.members.unwrap_or_default();
        self.check_member_types(tenant, &sent.member_types)?;
        let references = self.members(tenant, &members)?;
        let secrets = HashedSecrets::default().hash_sent(self, &sent.secrets)?;
        let new = NewResource {
            resource_type: resource_type.clone(),
            id: Uuid::now_v7(),
            now: now(),
            document: sent.document,
            members,
            secrets,
        };
        self.store.create(tenant, &new)?;
        let stored = Stored {
            resource_type: resource_type.name.clone(),
            id: new.id,
            version: 1,
            created: new.now,
            last_modified: new.now,
            document: new.document.to_stored_json(resource_type),
            members: resource_type.has_members().then_some(references),
            // A resource that did not exist before is not a member of any group.
            groups: resource_type.has_groups().then(Vec::new),
        };
        self.represent(
            tenant,
            resource_type,
            stored,
            &projection.clone().with_sent(sent.requested),
        )
    }

    /// Replaces a resource with the body of a PUT (RFC 7644 section 3.5.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn replace(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        body: &[u8],
        projection: &Projection,
        preconditions: &Preconditions,
    ) -> Result<Representation, Error> {
        let body = json::parse(body)?;
        let id = parse_id(id)?;
        let mut hashed = HashedSecrets::default();
        self.retry_locks.retry(id, preconditions, || {
            let current = self.read(tenant, resource_type, id, Include::default())?;
            let document = Document::from_stored_json(&current.document)?;
            let mut sent =
                Document::for_replace(resource_type, &document, body.clone(), self.settings.policy)?;
            if self.settings.active_by_default {
                sent.document.fill_defaults(resource_type);
            }
            preconditions
                .check_write(current.version)
                .map_err(|_| Error::PreconditionFailed)?;
            let members = match sent.members {
                Some(members) => {
                    check_not_own_member(id, members.iter())?;
                    self.check_member_types(tenant, &sent.member_types)?;
                    MembersChange::Steps(vec![MembersStep::ReplaceAll(members)])
                }
                None => MembersChange::None,
            };
            let secrets = hashed.hash_sent(self, &sent.secrets)?;
            let secrets = self.drop_noop_removals(tenant, resource_type, id, secrets)?;
            let update = Update {
                resource_type: resource_type.clone(),
                id,
                expected_version: Some(current.version),
                now: now(),
                changes: AttributeChanges::between(resource_type, &document, &sent.document)
                    .with(&members, &secrets),
                document: Some(sent.document),
                members,
                secrets,
            };
            self.write(tenant, &update)?;
            let stored = self.read(tenant, resource_type, id, include(resource_type, projection))?;
            self.represent(
                tenant,
                resource_type,
                stored,
                &projection.clone().with_sent(sent.requested),
            )
        })
    }

    /// Deletes a resource (RFC 7644 section 3.6).
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`.
    pub fn delete(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        preconditions: &Preconditions,
    ) -> Result<(), Error> {
        let id = parse_id(id)?;
        self.retry_locks.retry(id, preconditions, || {
            let expected = self.expected_version(tenant, resource_type, id, preconditions)?;
            if self.store.delete(tenant, resource_type, id, expected, now())? {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
    }

    /// Returns the version that the store has to compare. The resource is read first only if the preconditions need it.
    fn expected_version(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        preconditions: &Preconditions,
    ) -> Result<Option<i64>, Error> {
        if let Some(expected) = preconditions.version_for_store() {
            return Ok(expected);
        }
        let version = self.read(tenant, resource_type, id, Include::default())?.version;
        preconditions
            .check_write(version)
            .map_err(|_| Error::PreconditionFailed)?;
        Ok(Some(version))
    }

    /// Returns the representation of a stored resource for a projection.
    fn represent(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        stored: Stored,
        projection: &Projection,
    ) -> Result<Representation, Error> {
        let mut presenter = Presenter::new(&self.registry, &self.settings.base_url, projection);
        let ids = presenter.reference_ids(&stored);
        let references = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.references(tenant, &ids)?
        };
        // An id without a resource counts too, because the client may have seen a resource that has been deleted since.
        let is_derived = !ids.is_empty() || presenter.shows_groups(&stored);
        let location = location(&self.settings.base_url, resource_type, stored.id);
        let mut body = Body::default();
        let etag = presenter.write(&mut body, stored, &references)?;
        Ok(Representation {
            etag,
            is_derived,
            location,
            body: Some(body),
        })
    }

    fn read(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        include: Include,
    ) -> Result<Stored, Error> {
        self.store
            .get(tenant, resource_type, id, include)?
            .ok_or(Error::NotFound)
    }

    fn write(&self, tenant: TenantId, update: &Update) -> Result<Updated, Error> {
        self.store.update(tenant, update)?.ok_or(Error::NotFound)
    }
}

/// Returns the derived attributes that the response needs. They are not read otherwise, because a group may have many
/// members.
fn include(resource_type: &ResourceType, projection: &Projection) -> Include {
    Include {
        members: resource_type.has_members() && projection.wants(resource_type, "members"),
        groups: resource_type.has_groups() && projection.wants(resource_type, "groups"),
    }
}

/// Parses an id, which is a UUID in lower case with hyphens. No resource has any other id (A-74, 7643-3.1-09).
fn parse_id(text: &str) -> Result<Uuid, Error> {
    let id = Uuid::try_parse(text).map_err(|_| Error::NotFound)?;
    let mut buffer = Uuid::encode_buffer();
    if id.hyphenated().encode_lower(&mut buffer) == text {
        Ok(id)
    } else {
        Err(Error::NotFound)
    }
}

/// Returns the current time in milliseconds, the precision of stored and shown times.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
