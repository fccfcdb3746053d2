//! The service: its settings, and what all operations share.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use scim_model::internal::{Body, Presenter, Projection, location};
use scim_model::store::{Include, Reference, ResourceKey, ResourceStore, Stored, TenantId, Update, Updated};
use scim_model::{AttributePath, ResourceType, SchemaRegistry};
use uuid::Uuid;

use super::client_settings::ClientSettings;
use super::content::Content;
use super::cursor::CursorKeys;
use super::error::Error;
use super::hasher::Hasher;
use super::requester::Request;
use super::retry::RetryLocks;
use super::tolerances::ToleranceCounts;
use crate::clock;
use crate::sealing::SealingKey as CursorKey;

/// The SCIM operations on a store.
pub struct Service {
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) store: Arc<dyn ResourceStore>,
    pub(super) settings: Settings,
    default_client_settings: Arc<ClientSettings>,
    pub(super) cursor_keys: CursorKeys,
    pub(super) retry_locks: RetryLocks,
    /// `None` when secrets are dropped.
    pub(super) hasher: Option<Hasher>,
    pub(super) tolerances: Arc<ToleranceCounts>,
}

/// The settings that an operator can choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public URL in front of `/Users`, without a trailing slash.
    pub base_url: Arc<str>,
    /// The page that describes how to set up a client: `documentationUri` of ServiceProviderConfig.
    pub documentation_uri: Option<Arc<str>>,
    /// The client settings that apply where a connection sets nothing.
    pub client: ClientSettings,
    /// The number of resources on a page when the request has no `count`.
    pub default_page_size: u32,
    /// The maximum number of resources on a page.
    pub max_page_size: u32,
    /// Whether secrets such as `password` are stored as argon2id hashes; otherwise they are dropped.
    pub hash_secrets: bool,
    /// The keys of paging cursors. The first key encrypts, and every key decrypts. Without a key, each service makes a
    /// random one.
    pub cursor_keys: Vec<CursorKey>,
    /// The lifetime of a paging cursor; `None` means unlimited.
    pub cursor_lifetime: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            base_url: "http://127.0.0.1:8080/scim/v2".into(),
            documentation_uri: None,
            client: ClientSettings::default(),
            default_page_size: 100,
            max_page_size: 200,
            hash_secrets: false,
            cursor_keys: Vec::new(),
            cursor_lifetime: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

/// The representation of a resource for a client.
#[derive(Debug)]
pub struct Representation {
    /// `ETag`
    pub etag: String,
    /// Whether changes of other resources, such as a user's groups and manager, can change the representation.
    pub is_derived: bool,
    /// `meta.location`
    pub location: String,
    /// The JSON text; `None` when the response reports only success.
    pub body: Option<Content>,
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
            default_client_settings: Arc::new(settings.client.clone()),
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

    /// Returns the client settings that apply where a connection sets nothing.
    pub fn default_client_settings(&self) -> &Arc<ClientSettings> {
        &self.default_client_settings
    }

    /// Returns the number of PATCH operations that needed each tolerance.
    pub fn tolerances(&self) -> &Arc<ToleranceCounts> {
        &self.tolerances
    }

    /// Returns the number of writes that were tried again, because another one changed the resource first.
    pub fn lost_races(&self) -> &Arc<AtomicU64> {
        self.retry_locks.lost()
    }

    /// Reads from the store, to find out whether it responds.
    ///
    /// # Errors
    /// `Store`, `Overloaded`
    pub fn check_store(&self) -> Result<(), Error> {
        if let Some(resource_type) = self.registry.resource_types.first() {
            // The cheapest query: an index lookup of an id that no resource has.
            self.store
                .get(TenantId(0), resource_type, Uuid::nil(), Include::default())?;
        }
        Ok(())
    }

    /// Returns the version that the store has to compare. The resource is read first only if the preconditions need it.
    pub(super) fn expected_version(&self, request: &Request, id: Uuid) -> Result<Option<i64>, Error> {
        if let Some(expected) = request.preconditions.version_for_store() {
            return Ok(expected);
        }
        let version = self.read(request, id, Include::default())?.version;
        request
            .preconditions
            .check_write(version)
            .map_err(|_| Error::PreconditionFailed)?;
        Ok(Some(version))
    }

    /// Returns the representation of a stored resource. `sent` are the attributes with `returned` = `request` that
    /// the client wrote.
    pub(super) fn represent(
        &self,
        request: &Request,
        stored: Stored,
        sent: Vec<AttributePath>,
    ) -> Result<Representation, Error> {
        let tenant = request.tenant();
        let projection = match sent.is_empty() {
            true => Cow::Borrowed(request.projection),
            false => Cow::Owned(request.projection.clone().with_sent(sent)),
        };
        let mut presenter = self.presenter(&projection);
        let ids = presenter.reference_ids(&stored);
        let references = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.references(tenant, &ids)?
        };
        // An id without a resource counts too, because the client may have seen the name of a resource that was
        // deleted since.
        let is_derived = !ids.is_empty() || presenter.shows_groups(&stored);
        let location = location(&self.settings.base_url, request.resource_type, stored.id);
        let mut body = Body::default();
        let etag = presenter.write(&mut body, stored, &references)?;
        Ok(Representation {
            etag,
            is_derived,
            location,
            body: Some(Content::of_resource(tenant, body)),
        })
    }

    pub(super) fn presenter<'a>(&'a self, projection: &'a Projection) -> Presenter<'a> {
        Presenter::new(&self.registry, &self.settings.base_url, projection)
    }

    /// Returns the resources that others refer to, and whose names are part of their representation.
    pub(super) fn references(
        &self,
        tenant: TenantId,
        presenter: &mut Presenter,
        resources: &[Stored],
    ) -> Result<Vec<Reference>, Error> {
        let mut ids: Vec<Uuid> = resources
            .iter()
            .flat_map(|it| presenter.reference_ids(it))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.store.references(tenant, &ids)?)
    }

    /// Returns a resource to be shown. The first members of a large group come with it; the others are read while the
    /// client takes the response.
    pub(super) fn read_to_show(&self, request: &Request, id: Uuid) -> Result<Stored, Error> {
        let include = include(request.resource_type, request.projection);
        if !include.members {
            return self.read(request, id, include);
        }
        let key = ResourceKey {
            resource_type: request.resource_type.name.clone(),
            id,
        };
        let next = self.store.next_resources(request.tenant(), &[key], include)?;
        next.resources.into_iter().next().ok_or(Error::NotFound)
    }

    pub(super) fn read(&self, request: &Request, id: Uuid, include: Include) -> Result<Stored, Error> {
        self.store
            .get(request.tenant(), request.resource_type, id, include)?
            .ok_or(Error::NotFound)
    }

    pub(super) fn write(&self, request: &Request, update: &Update) -> Result<Updated, Error> {
        self.store
            .update(request.tenant(), update)?
            .ok_or(Error::NotFound)
    }
}

/// Returns the derived attributes that the response needs. They are not read otherwise, because a group may have many
/// members.
pub(super) fn include(resource_type: &ResourceType, projection: &Projection) -> Include {
    Include {
        members: resource_type.has_members() && projection.wants(resource_type, "members"),
        groups: resource_type.has_groups() && projection.wants(resource_type, "groups"),
    }
}

/// Parses an id, which is a UUID in lower case with hyphens. No resource has any other id (A-74, 7643-3.1-09).
pub(super) fn parse_id(text: &str) -> Result<Uuid, Error> {
    let id = Uuid::try_parse(text).map_err(|_| Error::NotFound)?;
    let mut buffer = Uuid::encode_buffer();
    if id.hyphenated().encode_lower(&mut buffer) == text {
        Ok(id)
    } else {
        Err(Error::NotFound)
    }
}

/// Returns the current time in milliseconds, the precision of stored and shown times.
pub(super) fn now() -> DateTime<Utc> {
    clock::now().trunc_subsecs(3)
}
