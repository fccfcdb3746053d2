//! What the operations of SCIM do, for any resource type, without knowing of HTTP.
//!
//! Every operation takes the tenant, computes with what it read, and writes over the version it read:
//! nothing is locked while it thinks, and a write that lost a race is done again.

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
use members::check_not_itself;
use precondition::{Preconditions, Unmet};
use retry::Turns;
use secrets::{Hashed, Hasher};
pub use tolerances::ToleranceCounts;

/// The operations, on a store.
pub struct Service {
    registry: Arc<SchemaRegistry>,
    store: Arc<dyn ResourceStore>,
    settings: Settings,
    cursor_keys: CursorKeys,
    turns: Turns,
    /// `None` when secrets are dropped.
    hasher: Option<Hasher>,
    tolerances: Arc<ToleranceCounts>,
}

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clients see in front of `/Users`, without a trailing slash.
    pub base_url: Arc<str>,
    /// How strictly requests are read.
    pub policy: Policy,
    /// Resources on a page when a request does not say.
    pub default_page_size: u32,
    /// Most resources on a page.
    pub max_page_size: u32,
    /// Whether a user of whom nobody said so is stored and shown as `active`; filters count him as
    /// active in any case.
    pub active_by_default: bool,
    /// Whether a PATCH of a group shows the group, with all its members.
    pub patch_shows_groups: bool,
    /// Whether a filter may stand in a URL; else it has to come in the body of a POST to `/.search`
    /// (RFC 7644 section 7.5.2, A-45).
    pub filters_in_urls: bool,
    /// Whether secrets such as `password` are stored, as argon2id; else they are dropped.
    pub hash_secrets: bool,
    /// Keys of paging cursors: the first one seals, all of them open.
    pub cursor_keys: Vec<[u8; 32]>,
    /// How long a paging cursor can be used; `None` is for ever.
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

/// A resource as it goes to the client.
#[derive(Debug)]
pub struct Shown {
    /// `ETag`
    pub etag: String,
    /// Whether other resources can change what is shown, as a user's groups and manager do.
    pub is_derived: bool,
    /// `meta.location`
    pub location: String,
    /// JSON text; `None` where only success is reported.
    pub body: Option<Body>,
}

/// Why an operation has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong.
    #[error("{0}")]
    Scim(#[from] ScimError),
    /// The tenant has no such resource of this type.
    #[error("not found")]
    NotFound,
    /// The client has this representation.
    #[error("not modified")]
    NotModified {
        /// Its tag.
        etag: String,
        /// Its location.
        location: String,
    },
    /// The resource has another version than the client demands.
    #[error("precondition failed")]
    PreconditionFailed,
    /// Others changed the resource each time that it was tried.
    #[error("contended")]
    Contended,
    /// Too many wait, for the store or to have a secret hashed.
    #[error("overloaded")]
    Overloaded,
    /// The store's answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Error {
        Error::Scim(error.into())
    }
}

impl Service {
    /// Operations on the resource types of a registry.
    pub fn new(registry: Arc<SchemaRegistry>, store: Arc<dyn ResourceStore>, settings: Settings) -> Service {
        Service {
            registry,
            store,
            cursor_keys: CursorKeys::new(&settings.cursor_keys, settings.cursor_lifetime),
            turns: Turns::new(),
            hasher: settings.hash_secrets.then(Hasher::new),
            tolerances: Arc::default(),
            settings,
        }
    }

    /// All resource types and schemas.
    pub fn registry(&self) -> &SchemaRegistry {
        &self.registry
    }

    /// What was chosen at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The number of PATCH operations that needed each tolerance.
    pub fn tolerances(&self) -> &Arc<ToleranceCounts> {
        &self.tolerances
    }

    /// A resource by id (RFC 7644 section 3.4.1).
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
    ) -> Result<Shown, Error> {
        let id = parse_id(id)?;
        let stored = self.read(tenant, resource_type, id, include(resource_type, projection))?;
        let version = stored.version;
        let shown = self.show(tenant, resource_type, stored, projection)?;
        let derived_etag = shown.is_derived.then_some(&*shown.etag);
        match preconditions.check_read(version, derived_etag) {
            Ok(()) => Ok(shown),
            Err(Unmet::NotModified) => Err(Error::NotModified {
                etag: shown.etag,
                location: shown.location,
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
    ) -> Result<Shown, Error> {
        let mut sent = Document::for_create(resource_type, json::parse(body)?, self.settings.policy)?;
        if self.settings.active_by_default {
            sent.document.fill_defaults(resource_type);
        }
        let members = sent.members.unwrap_or_default();
        self.check_member_types(tenant, &sent.member_types)?;
        let references = self.members(tenant, &members)?;
        let secrets = Hashed::default().of(self, &sent.secrets)?;
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
            // Nobody could make a member of what did not exist.
            groups: resource_type.has_groups().then(Vec::new),
        };
        self.show(
            tenant,
            resource_type,
            stored,
            &projection.clone().with_sent(sent.requested),
        )
    }

    /// Replaces a resource by the body of a PUT (RFC 7644 section 3.5.1).
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
    ) -> Result<Shown, Error> {
        let body = json::parse(body)?;
        let id = parse_id(id)?;
        let mut hashed = Hashed::default();
        self.turns.retry(id, preconditions, || {
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
                    check_not_itself(id, members.iter())?;
                    self.check_member_types(tenant, &sent.member_types)?;
                    MembersChange::Steps(vec![MembersStep::ReplaceAll(members)])
                }
                None => MembersChange::None,
            };
            let secrets = hashed.of(self, &sent.secrets)?;
            let secrets = self.without_idle(tenant, resource_type, id, secrets)?;
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
            self.show(
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
        self.turns.retry(id, preconditions, || {
            let expected = self.expected_version(tenant, resource_type, id, preconditions)?;
            if self.store.delete(tenant, resource_type, id, expected, now())? {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
    }

    /// The version that the store is to demand; it is read first only if the preconditions need it.
    fn expected_version(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        preconditions: &Preconditions,
    ) -> Result<Option<i64>, Error> {
        if let Some(expected) = preconditions.delegable() {
            return Ok(expected);
        }
        let version = self.read(tenant, resource_type, id, Include::default())?.version;
        preconditions
            .check_write(version)
            .map_err(|_| Error::PreconditionFailed)?;
        Ok(Some(version))
    }

    /// A resource as the client asked to see it.
    fn show(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        stored: Stored,
        projection: &Projection,
    ) -> Result<Shown, Error> {
        let mut presenter = Presenter::new(&self.registry, &self.settings.base_url, projection);
        let ids = presenter.reference_ids(&stored);
        let references = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.references(tenant, &ids)?
        };
        // An id that nothing has counts too: the client may have seen what had it.
        let is_derived = !ids.is_empty() || presenter.shows_groups(&stored);
        let location = location(&self.settings.base_url, resource_type, stored.id);
        let mut body = Body::default();
        let etag = presenter.write(&mut body, stored, &references)?;
        Ok(Shown {
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

/// The derived attributes that the answer needs; a group's members may be many.
fn include(resource_type: &ResourceType, projection: &Projection) -> Include {
    Include {
        members: resource_type.has_members() && projection.wants(resource_type, "members"),
        groups: resource_type.has_groups() && projection.wants(resource_type, "groups"),
    }
}

/// Ids are UUIDs in their usual spelling; anything else is the id of nothing (A-74, 7643-3.1-09).
fn parse_id(text: &str) -> Result<Uuid, Error> {
    let id = Uuid::try_parse(text).map_err(|_| Error::NotFound)?;
    let mut buffer = Uuid::encode_buffer();
    if id.hyphenated().encode_lower(&mut buffer) == text {
        Ok(id)
    } else {
        Err(Error::NotFound)
    }
}

/// Milliseconds are what is stored and shown.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
