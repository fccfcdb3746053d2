//! The store, and its implementation of `ResourceStore`. The other ports are implemented in the files that are named
//! after them.

use std::sync::Arc;

use scim_model::change::{AttributeChanges, Operation};
use scim_model::store::{
    ConnectionFigures, Deletion, Include, NewResource, NextResources, Page, Query, Reference, ResourceKey,
    ResourceStore, RestOfMembers, ScanCount, StoreError, Stored, TenantId, Update, Updated,
};
use scim_model::{ResourceType, SecretHash};
use uuid::Uuid;

use crate::admission::ScanAdmission;
use crate::connection::Database;
use crate::counts;
use crate::deadline::Deadline;
use crate::open::open;
use crate::open_error::OpenError;
use crate::options::{Opening, Pooler, StoreOptions};
use crate::query::Explained;
use crate::query::access::Plan;
use crate::query::page::Listing;
use crate::resource::create::{self, Creation, Meta};
use crate::resource::delete::{self, Removal};
use crate::resource::subject::Origin;
use crate::resource::update::{self, Replacement};
use crate::schema_map::layout::{Layouts, Scope};

/// Resources, tenants and tokens in SQLite or PostgreSQL.
pub struct DieselStore {
    pub(crate) database: Database,
    pub(crate) layouts: Arc<Layouts>,
    scans: ScanAdmission,
    max_page_members: u32,
}

impl DieselStore {
    /// Opens the database of a server and migrates it: `sqlite:PATH`, whose file is created, readable by its owner
    /// only, if it does not exist, or `postgres://…`.
    ///
    /// # Errors
    /// Another server has opened the SQLite file, or the database cannot be reached or prepared.
    pub fn open(url: &str, options: &StoreOptions) -> Result<DieselStore, OpenError> {
        DieselStore::open_as(url, options, Opening::Server)
    }

    /// Opens a database for commands that manage tenants and credentials or read the journal, even while a server
    /// runs on it. No resource type is served, and index entries of resources stay as they are.
    ///
    /// # Errors
    /// The database cannot be reached or prepared.
    pub fn open_directory(url: &str, pooler: Pooler) -> Result<DieselStore, OpenError> {
        DieselStore::open_as(url, &StoreOptions::directory(pooler), Opening::Directory)
    }

    /// Like [`DieselStore::open_directory`], but creates and migrates nothing, so that a mistyped path leaves no new
    /// database.
    ///
    /// # Errors
    /// `Missing`, `Outdated`, and those of [`DieselStore::open_directory`].
    pub fn open_existing(url: &str, pooler: Pooler) -> Result<DieselStore, OpenError> {
        DieselStore::open_as(url, &StoreOptions::directory(pooler), Opening::Existing)
    }

    /// Opens an existing database for the import and export of resources, even while servers run on it. Nothing that
    /// is derived from stored resources is computed again.
    ///
    /// # Errors
    /// `OtherSettings` when the servers on the database use other resource types or rules; and those of
    /// [`DieselStore::open_existing`].
    pub fn open_for_transfer(url: &str, options: &StoreOptions) -> Result<DieselStore, OpenError> {
        DieselStore::open_as(url, options, Opening::Transfer)
    }

    fn open_as(url: &str, options: &StoreOptions, opening: Opening) -> Result<DieselStore, OpenError> {
        let (database, layouts) = open(url, options, opening)?;
        Ok(DieselStore {
            database,
            layouts,
            scans: ScanAdmission::new(options.max_scans, options.scan_timeout),
            max_page_members: options.max_page_members,
        })
    }

    /// Returns the statements of a list request with the database's plan of each, to find out why a filter is slow.
    /// Where members are asked for, the groups of the page are read, without a time limit.
    ///
    /// # Errors
    /// The errors of [`ResourceStore::list`].
    pub fn explain(&self, tenant: TenantId, query: &Query) -> Result<Vec<Explained>, StoreError> {
        let plan = Plan::of(query, &self.layouts)?;
        let deadline = (!plan.scanned().is_empty()).then(Deadline::never);
        let listing = Listing::new(self.scope(tenant), &plan, deadline, self.max_page_members);
        self.database.read_for(tenant, |conn| listing.explain(conn))
    }

    /// Returns the number of queries without an index since the store was opened, by attribute.
    pub fn scan_counts(&self) -> Vec<ScanCount> {
        self.scans.counts()
    }

    /// Returns the use of the connections to the database.
    pub fn connection_figures(&self) -> ConnectionFigures {
        self.database.figures()
    }

    /// Returns whether an acknowledged write survives a crash of the database: `false` for a PostgreSQL server with
    /// `fsync` or `synchronous_commit` switched off.
    pub fn is_durable(&self) -> bool {
        self.database.is_durable()
    }

    /// Deletes counters that have reached zero, which every list request would still read. One call deletes only a
    /// few, so that no writer waits long, and returns whether there may be more.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    pub fn delete_empty_counts(&self) -> Result<bool, StoreError> {
        let empty = self.database.read(counts::empty_blocks)?;
        if empty.is_empty() {
            return Ok(false);
        }
        let deleted = self
            .database
            .write(move |conn| counts::delete_empty(conn, &empty))?;
        Ok(deleted == counts::EMPTY_AT_ONCE)
    }

    /// Reads a page; `None` after the deadline. `deadline` is called when a connection is free.
    fn list_until(
        &self,
        tenant: TenantId,
        plan: &Plan,
        deadline: impl Fn() -> Option<Deadline>,
    ) -> Result<Option<Page>, StoreError> {
        self.database.read_for(tenant, |conn| {
            let deadline = deadline();
            let listing = Listing::new(self.scope(tenant), plan, deadline, self.max_page_members);
            match listing.read(conn) {
                Err(failure) if failure.is_statement_error() && deadline.is_some_and(Deadline::is_over) => {
                    Ok(None)
                }
                result => result.map(Some),
            }
        })
    }

    fn replace(
        &self,
        tenant: TenantId,
        update: &Update,
        operation: Operation,
    ) -> Result<Option<Updated>, StoreError> {
        let layout = self.layouts.of(&update.resource_type)?.clone();
        let replacement = Replacement {
            operation,
            derived: update.document.as_ref().map(|it| layout.derive(it)),
            layout,
            id: update.id,
            expected_version: update.expected_version,
            origin: Origin::new(update.now, &update.actor),
            members: update.members.clone(),
            secrets: update.secrets.clone(),
            changes: update.changes.clone(),
        };
        self.database
            .write_for(tenant, move |conn| update::update(conn, tenant, &replacement))
    }

    fn creation(&self, new: &NewResource, meta: Meta) -> Result<Creation, StoreError> {
        let layout = self.layouts.of(&new.resource_type)?.clone();
        let changes =
            AttributeChanges::of_creation(&new.resource_type, &new.document, &new.members, &new.secrets);
        Ok(Creation {
            derived: layout.derive(&new.document),
            detail: Some(changes.to_stored()),
            meta,
            layout,
            id: new.id,
            origin: Origin::new(new.now, &new.actor),
            members: new.members.clone(),
            secrets: new.secrets.clone(),
        })
    }

    pub(crate) fn scope(&self, tenant: TenantId) -> Scope<'_> {
        Scope {
            dialect: self.database.dialect(),
            tenant,
            layouts: &self.layouts,
        }
    }
}

impl ResourceStore for DieselStore {
    fn create(&self, tenant: TenantId, new: &NewResource) -> Result<(), StoreError> {
        let creation = self.creation(new, Meta::new(new.now))?;
        self.database
            .write_for(tenant, move |conn| create::create(conn, tenant, &creation))
    }

    fn create_again(&self, tenant: TenantId, new: &NewResource, last_version: i64) -> Result<(), StoreError> {
        let meta = Meta {
            version: last_version + 1,
            ..Meta::new(new.now)
        };
        let creation = self.creation(new, meta)?;
        self.database.write_for(tenant, move |conn| {
            if create::is_stored(conn, tenant, creation.id)? {
                return Err(StoreError::Stale.into());
            }
            create::create(conn, tenant, &creation)
        })
    }

    fn get(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        let layout = self.layouts.of(resource_type)?;
        self.database
            .read_for(tenant, |conn| self.scope(tenant).get(conn, layout, id, include))
    }

    fn list(&self, tenant: TenantId, query: &Query) -> Result<Page, StoreError> {
        let plan = Plan::of(query, &self.layouts)?;
        let mut examined = plan.scanned();
        if examined.is_empty() {
            let is_bounded = plan.is_bounded(self.database.dialect());
            let deadline = || (!is_bounded).then(|| self.scans.index_deadline());
            if let Some(page) = self.list_until(tenant, &plan, deadline)? {
                return Ok(page);
            }
            // An index served the query, but led to too many resources.
            examined = plan.examined();
        }
        let permit = self.scans.admit(tenant, &examined)?;
        let page = self.list_until(tenant, &plan, || Some(permit.deadline))?;
        page.ok_or_else(|| self.scans.too_long(&examined))
    }

    fn next_resources(
        &self,
        tenant: TenantId,
        keys: &[ResourceKey],
        include: Include,
    ) -> Result<NextResources, StoreError> {
        self.database.read_for(tenant, |conn| {
            self.scope(tenant).next_resources(conn, keys, include)
        })
    }

    fn next_members(
        &self,
        tenant: TenantId,
        rest: RestOfMembers,
    ) -> Result<(Vec<Reference>, Option<RestOfMembers>), StoreError> {
        self.database
            .read_for(tenant, |conn| self.scope(tenant).next_members(conn, rest))
    }

    fn update(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError> {
        self.replace(tenant, update, Operation::Update)
    }

    fn restore(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError> {
        self.replace(tenant, update, Operation::Restored)
    }

    fn delete(&self, tenant: TenantId, deletion: &Deletion) -> Result<bool, StoreError> {
        let removal = Removal {
            layout: self.layouts.of(&deletion.resource_type)?.clone(),
            id: deletion.id,
            expected_version: deletion.expected_version,
            origin: Origin::new(deletion.now, &deletion.actor),
        };
        self.database
            .write_for(tenant, move |conn| delete::delete(conn, tenant, &removal))
    }

    fn references(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Reference>, StoreError> {
        self.database
            .read_for(tenant, |conn| self.scope(tenant).references(conn, ids))
    }

    fn secret(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        path: &str,
    ) -> Result<Option<SecretHash>, StoreError> {
        let layout = self.layouts.of(resource_type)?;
        self.database
            .read_for(tenant, |conn| self.scope(tenant).secret(conn, layout, id, path))
    }
}
