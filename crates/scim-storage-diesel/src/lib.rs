//! Storage of SCIM resources in SQLite or PostgreSQL.
//!
//! One adapter for both databases: the SQL is written once, and says where they differ. Every
//! condition and every sort order becomes SQL; nothing is filtered in memory. This crate knows
//! nothing of HTTP.
//!
//! **Invariants.** A call never reads or writes another tenant's rows. What was acknowledged is
//! durable.

mod admission;
mod connection;
mod counts;
mod directory;
mod error;
mod journal;
mod query;
mod read;
mod schema_map;
mod sql;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use scim_model::change::{AttributeChanges, Change, ChangePosition};
use scim_model::store::{
    ChangeJournal, Directory, Include, JournalError, NewResource, NewToken, Page, Query, Reference,
    ResourceStore, StoreError, Stored, Tenant, TenantId, Token, Update, Updated,
};
use scim_model::{ResourceType, SchemaRegistry, SecretHash};
use uuid::Uuid;

pub use admission::ScanCount;

use admission::{Deadline, Scans};
use connection::postgres::presence;
use connection::{migrations, postgres, sqlite};
use error::Failure;
use query::page::{self as list, Listing};
use schema_map::layouts::Layouts;
use sql::{Conn, Dialect};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Every resource type that calls will name.
    pub resource_types: Vec<Arc<ResourceType>>,
    /// `Group.displayName` is unique in a tenant, as Microsoft Entra demands.
    pub unique_group_names: bool,
    /// SQLite: connections that read.
    pub readers: u32,
    /// SQLite: what an acknowledged write survives.
    pub synchronous: Synchronous,
    /// PostgreSQL: connections.
    pub connections: u32,
    /// PostgreSQL: what stands between.
    pub pooler: Pooler,
    /// Queries that no index serves and that run at once; fewer than there are readers or connections,
    /// so that some are left for the others.
    pub max_scans: u32,
    /// How long such a query may take.
    pub scan_timeout: Duration,
    /// So many members may the groups of one page have together, unless it has a single group: they are in memory
    /// while they are sent.
    pub max_page_members: u32,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        let cores = std::thread::available_parallelism().map_or(4, |it| u32::try_from(it.get()).unwrap_or(4));
        StoreOptions {
            resource_types: SchemaRegistry::builtin().resource_types,
            unique_group_names: true,
            readers: (2 * cores).clamp(4, 16),
            synchronous: Synchronous::Full,
            connections: (2 * cores + 4).min(16),
            pooler: Pooler::None,
            max_scans: (cores / 2).clamp(2, 4),
            scan_timeout: Duration::from_secs(10),
            max_page_members: 1_000_000,
        }
    }
}

/// What a write that SQLite has acknowledged survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Loss of power.
    Full,
    /// A crash of the process; the last writes may be lost with the power.
    Normal,
}

/// What stands between this store and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or a pooler that gives each client a connection for as long as it stays.
    None,
    /// A pooler that gives each transaction another connection, such as PgBouncer with
    /// `pool_mode = transaction`.
    Transaction,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL, here without what may be a password, names no database that this store knows.
    #[error("`{0}` is no database: expected `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
    Url(String),
    /// There is no such file, and none was to be created.
    #[error("there is no database `{}`", .0.display())]
    Missing(PathBuf),
    /// The database has an older version's schema, or none, and was to stay as it is.
    #[error("the database has not this version's schema")]
    Outdated,
    /// The database has a migration that this version does not know.
    #[error("the database was made by a newer version: this one does not know its migration `{0}`")]
    Newer(String),
    /// Another server has the file.
    #[error("`{}` is in use by another server", .0.display())]
    InUse(PathBuf),
    /// The file has a second name, by which it could be opened past the lock.
    #[error("`{}` has another name, a hard link to the same file: remove one, or copy the file instead", .0.display())]
    HardLinked(PathBuf),
    /// A file cannot be opened or created.
    #[error("`{}` cannot be opened: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server cannot be reached, or refuses.
    #[error("the database cannot be reached: {0}")]
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// The connection could leave this machine unencrypted, and nobody has said that it may; what to do.
    #[error("the connection to the database might not be encrypted: {0}")]
    Plaintext(String),
    /// An attribute has become unique, by its schema or by a setting, and two resources of one tenant
    /// have the same value.
    #[error("`{0}` cannot become unique: two resources of one tenant have the same value")]
    NotUnique(String),
    /// PostgreSQL: the database cannot hold all characters.
    #[error("the database's encoding is `{0}`: one with ENCODING 'UTF8' is needed")]
    Encoding(String),
    /// PostgreSQL: servers run on the database whose schemas or settings make other index entries.
    #[error(
        "other servers run on this database with other schemas or settings (`--schemas`, `--group-names`): stop them \
         first, or start this one with theirs"
    )]
    OthersRun,
    /// The schema of the database cannot be brought up to date.
    #[error("the database cannot be prepared: {0}")]
    Preparation(Box<dyn std::error::Error + Send + Sync>),
}

/// What stands in front of anything that may belong to a password.
fn without_secrets(url: &str) -> String {
    match url.find([':', '@', '=', '?']) {
        Some(end) => format!("{}…", &url[..=end]),
        None => url.to_owned(),
    }
}

impl OpenError {
    fn file(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        OpenError::File {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    fn connection(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        OpenError::Connection(source.into())
    }
}

impl From<diesel::result::Error> for OpenError {
    fn from(error: diesel::result::Error) -> OpenError {
        Failure::Database(error).into()
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> OpenError {
        match failure.into() {
            StoreError::Conflict { attribute } => OpenError::NotUnique(attribute),
            StoreError::Unavailable(source) => OpenError::Preparation(source),
            other => OpenError::Preparation(other.into()),
        }
    }
}

/// Resources, tenants and tokens in SQLite or PostgreSQL.
pub struct DieselStore {
    database: Database,
    layouts: Arc<Layouts>,
    scans: Scans,
    max_page_members: u32,
}

enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl DieselStore {
    /// Opens the database of a server: `sqlite:PATH`, whose file is created if there is none, for its
    /// owner's eyes only, or `postgres://…`. Brings its schema up to date.
    ///
    /// # Errors
    /// A SQLite file is open in another server; the database cannot be reached or prepared.
    pub fn open(url: &str, options: &StoreOptions) -> Result<DieselStore, OpenError> {
        DieselStore::open_as(url, options, Opening::Server)
    }

    /// Opens the directory of tenants and tokens, also while a server runs on the same database: for
    /// the command line. Resources stay as they are, whatever the server's schemas are.
    ///
    /// # Errors
    /// The database cannot be reached or prepared.
    pub fn open_directory(url: &str, pooler: Pooler) -> Result<DieselDirectory, OpenError> {
        DieselDirectory::open(url, pooler, Opening::Directory)
    }

    /// The same without creating anything: a mistyped path makes no database, and a look at an old one
    /// does not migrate it.
    ///
    /// # Errors
    /// `Missing`, `Outdated`, and as for [`DieselStore::open_directory`].
    pub fn open_existing(url: &str, pooler: Pooler) -> Result<DieselDirectory, OpenError> {
        DieselDirectory::open(url, pooler, Opening::Existing)
    }

    fn open_as(url: &str, options: &StoreOptions, opening: Opening) -> Result<DieselStore, OpenError> {
        let is_server = opening == Opening::Server;
        let prepare = |conn: &mut Conn| {
            if opening == Opening::Existing {
                migrations::check(conn)?;
                return Ok(Layouts::default());
            }
            migrations::run(conn, |conn| {
                if is_server && conn.dialect() == Dialect::Postgres && options.pooler == Pooler::None {
                    presence::announce(conn)?;
                }
                let layouts = Layouts::register(conn, &options.resource_types, options.unique_group_names)?;
                // Last, for it keeps writers waiting.
                if is_server {
                    counts::place(conn)?;
                }
                Ok(layouts)
            })
        };
        let shapes = |layouts: &Layouts| is_server.then(|| layouts.shapes());
        let (database, layouts) = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                return Err(OpenError::Url(url.to_owned()));
            }
            let (sqlite, layouts) = sqlite::Sqlite::open(Path::new(path), options, opening, prepare)?;
            (Database::Sqlite(sqlite), layouts)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let (postgres, layouts) = postgres::Postgres::open(url, options, prepare, shapes)?;
            (Database::Postgres(postgres), layouts)
        } else {
            return Err(OpenError::Url(without_secrets(url)));
        };
        Ok(DieselStore {
            database,
            layouts: Arc::new(layouts),
            scans: Scans::new(options.max_scans, options.scan_timeout),
            max_page_members: options.max_page_members,
        })
    }

    /// The statements that a list request becomes, and how the database would run them: for whoever
    /// wonders why a filter is slow. Where members are asked for, the groups are looked for, without a limit.
    ///
    /// # Errors
    /// As for [`ResourceStore::list`].
    pub fn explain(&self, tenant: TenantId, query: &Query) -> Result<Vec<Explained>, StoreError> {
        let scanned = list::scanned(&self.layouts, query)?;
        let deadline = (!scanned.is_empty()).then(Deadline::never);
        let listing = self.listing(tenant, query, deadline)?;
        self.read(|conn| listing.explain(conn))
    }

    /// How many queries no index served since the store was opened, by attribute.
    pub fn scan_counts(&self) -> Vec<ScanCount> {
        self.scans.counts()
    }

    /// Deletes counters of resources of which none are left, which each list would read for ever: at most so
    /// many that nobody has to wait. Whether there may be more.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    pub fn delete_empty_counts(&self) -> Result<bool, StoreError> {
        let empty = self.read(counts::empty_blocks)?;
        if empty.is_empty() {
            return Ok(false);
        }
        let deleted = self.write(move |conn| counts::delete_empty(conn, &empty))?;
        Ok(deleted == counts::EMPTY_AT_ONCE)
    }

    /// `None` when the time is over; `deadline` is asked when there is a connection.
    fn list_within(
        &self,
        tenant: TenantId,
        query: &Query,
        deadline: impl Fn() -> Option<Deadline>,
    ) -> Result<Option<Page>, StoreError> {
        self.read(|conn| {
            let deadline = deadline();
            match self.listing(tenant, query, deadline)?.read(conn) {
                Err(failure) if failure.is_a_statement_s() && deadline.is_some_and(Deadline::is_over) => {
                    Ok(None)
                }
                result => result.map(Some),
            }
        })
    }

    fn listing<'a>(
        &'a self,
        tenant: TenantId,
        query: &'a Query,
        deadline: Option<Deadline>,
    ) -> Result<Listing<'a>, Failure> {
        let most = self.max_page_members;
        Listing::new(self.dialect(), &self.layouts, tenant, query, deadline, most)
    }

    fn dialect(&self) -> Dialect {
        match self.database {
            Database::Sqlite(_) => Dialect::Sqlite,
            Database::Postgres(_) => Dialect::Postgres,
        }
    }

    fn read<T>(&self, work: impl Fn(&mut Conn) -> Result<T, Failure>) -> Result<T, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.read(work),
            Database::Postgres(postgres) => postgres.read(work),
        }
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.write(work),
            Database::Postgres(postgres) => postgres.write(work),
        }
    }
}

/// A statement and its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The text with the bound values written in, for people only.
    pub sql: String,
    /// The database's own words, line by line.
    pub plan: Vec<String>,
}

impl ResourceStore for DieselStore {
    fn create(&self, tenant: TenantId, new: &NewResource) -> Result<(), StoreError> {
        let layout = self.layouts.of(&new.resource_type)?.clone();
        let changes =
            AttributeChanges::of_creation(&new.resource_type, &new.document, &new.members, &new.secrets);
        let creation = write::Creation {
            derived: layout.derive(&new.document),
            detail: changes.to_stored(),
            layout,
            id: new.id,
            now: new.now,
            members: new.members.clone(),
            secrets: new.secrets.clone(),
        };
        self.write(move |conn| write::create(conn, tenant, &creation))
    }

    fn get(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        let layout = self.layouts.of(resource_type)?;
        self.read(|conn| read::get(conn, &self.layouts, tenant, layout, id, include))
    }

    fn list(&self, tenant: TenantId, query: &Query) -> Result<Page, StoreError> {
        let mut scanned = list::scanned(&self.layouts, query)?;
        if scanned.is_empty() {
            let is_at_hand = list::is_at_hand(self.dialect(), &self.layouts, query)?;
            let deadline = || (!is_at_hand).then(|| self.scans.without_turn());
            if let Some(page) = self.list_within(tenant, query, deadline)? {
                return Ok(page);
            }
            scanned = list::looked_at(query);
        }
        let turn = self.scans.begin(tenant, &scanned)?;
        let page = self.list_within(tenant, query, || Some(turn.deadline))?;
        page.ok_or_else(|| self.scans.too_long(&scanned))
    }

    fn update(&self, tenant: TenantId, update: &Update) -> Result<Option<Updated>, StoreError> {
        let layout = self.layouts.of(&update.resource_type)?.clone();
        let replacement = write::Replacement {
            derived: update.document.as_ref().map(|it| layout.derive(it)),
            layout,
            id: update.id,
            expected_version: update.expected_version,
            now: update.now,
            members: update.members.clone(),
            secrets: update.secrets.clone(),
            detail: update.changes.to_stored(),
        };
        self.write(move |conn| write::update(conn, tenant, &replacement))
    }

    fn delete(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        expected_version: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let layout = self.layouts.of(resource_type)?.clone();
        self.write(move |conn| write::delete(conn, tenant, &layout, id, expected_version, now))
    }

    fn references(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Reference>, StoreError> {
        self.read(|conn| read::references(conn, &self.layouts, tenant, ids))
    }

    fn secret(
        &self,
        tenant: TenantId,
        resource_type: &ResourceType,
        id: Uuid,
        path: &str,
    ) -> Result<Option<SecretHash>, StoreError> {
        let layout = self.layouts.of(resource_type)?;
        self.read(|conn| read::secret(conn, tenant, layout, id, path))
    }
}

impl Directory for DieselStore {
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError> {
        let name = name.to_owned();
        self.write(move |conn| directory::create_tenant(conn, &name, now))
    }

    fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.read(directory::tenants)
    }

    fn delete_tenant(&self, name: &str) -> Result<bool, StoreError> {
        let owned = name.to_owned();
        let hidden = self.write(move |conn| directory::hide_tenant(conn, &owned))?;
        let mut found = hidden.is_some();
        loop {
            let began = Instant::now();
            match self.continue_deletion(Some(name)) {
                Ok(true) => found = true,
                Ok(false) => return Ok(found),
                // Others go first: what is hidden has time.
                Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
            // SQLite lets in whoever asks while the file is free, not who asked first.
            std::thread::sleep(began.elapsed().clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        }
    }

    fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError> {
        let hidden = self.read(|conn| directory::hidden_tenant(conn, name))?;
        if let Some(tenant) = hidden {
            self.write(move |conn| directory::delete_some(conn, tenant))?;
        }
        Ok(hidden.is_some())
    }

    fn create_token(&self, token: &NewToken) -> Result<(), StoreError> {
        let token = token.clone();
        self.write(move |conn| directory::create_token(conn, &token))
    }

    fn tokens(&self, tenant: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
        self.read(|conn| directory::tokens(conn, tenant))
    }

    fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(move |conn| directory::revoke_token(conn, id, now))
    }

    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.read(|conn| directory::token_by_hash(conn, *sha256))
    }
}

/// Between two steps of a deletion.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// A server, the only one of a SQLite file.
    Server,
    /// The command line, on a database that need not be there yet.
    Directory,
    /// The command line, on one that must be.
    Existing,
}

impl ChangeJournal for DieselStore {
    /// On PostgreSQL a change is returned once every transaction that wrote an earlier one has ended.
    fn changes(
        &self,
        tenant: TenantId,
        after: ChangePosition,
        limit: u32,
    ) -> Result<Vec<Change>, JournalError> {
        self.read(|conn| journal::read(conn, tenant, after, limit))?
    }

    fn prune_changes(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.write(move |conn| journal::prune(conn, tenant, before, limit))
    }
}

/// Tenants, tokens and changes alone, beside a running server.
pub struct DieselDirectory(DieselStore);

impl DieselDirectory {
    fn open(url: &str, pooler: Pooler, opening: Opening) -> Result<DieselDirectory, OpenError> {
        let options = StoreOptions {
            resource_types: Vec::new(),
            readers: 1,
            connections: 1,
            pooler,
            ..StoreOptions::default()
        };
        DieselStore::open_as(url, &options, opening).map(DieselDirectory)
    }
}

impl ChangeJournal for DieselDirectory {
    fn changes(
        &self,
        tenant: TenantId,
        after: ChangePosition,
        limit: u32,
    ) -> Result<Vec<Change>, JournalError> {
        self.0.changes(tenant, after, limit)
    }

    fn prune_changes(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.0.prune_changes(tenant, before, limit)
    }
}

impl std::ops::Deref for DieselDirectory {
    type Target = dyn Directory;

    fn deref(&self) -> &(dyn Directory + 'static) {
        &self.0
    }
}
