//! The options of a store.

use std::sync::Arc;
use std::time::Duration;

use scim_model::{ResourceType, SchemaRegistry};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Every resource type that calls will name.
    pub resource_types: Vec<Arc<ResourceType>>,
    /// Whether `Group.displayName` is unique in a tenant, as Microsoft Entra demands.
    pub unique_group_names: bool,
    /// On SQLite, the number of connections for reading.
    pub readers: u32,
    /// On SQLite, the failures that an acknowledged write survives.
    pub synchronous: Synchronous,
    /// On PostgreSQL, the number of connections.
    pub connections: u32,
    /// The pooler between this store and PostgreSQL.
    pub pooler: Pooler,
    /// The longest time that PostgreSQL may take to answer a statement. After that the connections are replaced,
    /// because some network failures leave connections open but dead. PostgreSQL itself ends each statement after 20
    /// seconds, or after `scan_timeout`. A limit that exceeds both never affects a statement that PostgreSQL is still
    /// working on.
    pub silence_limit: Duration,
    /// The most queries without an index that run at the same time. It should be less than the number of readers or
    /// connections, so that some are left for other requests.
    pub max_scans: u32,
    /// The time limit of a query without an index.
    pub scan_timeout: Duration,
    /// The most members that the groups of one page may have together, unless it has a single group. The members are
    /// in memory while they are sent.
    pub max_page_members: u32,
}

impl StoreOptions {
    /// For the command line, which reads and writes little.
    pub(crate) fn directory(pooler: Pooler) -> StoreOptions {
        StoreOptions {
            resource_types: Vec::new(),
            readers: 1,
            connections: 1,
            pooler,
            ..StoreOptions::default()
        }
    }
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
            silence_limit: Duration::from_secs(22),
            max_scans: (cores / 2).clamp(2, 4),
            scan_timeout: Duration::from_secs(10),
            max_page_members: 1_000_000,
        }
    }
}

/// The failures that an acknowledged write to SQLite survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// Loss of power.
    Full,
    /// A crash of the process. The last writes may be lost with the power.
    Normal,
}

/// The connection pooler between this store and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// No pooler, or one that gives each client a connection for as long as it stays.
    None,
    /// A pooler that may give each transaction another connection, such as PgBouncer with `pool_mode = transaction`.
    Transaction,
}

/// The purpose for which a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A server, the only one of a SQLite file.
    Server,
    /// The command line, on a database that is created and migrated if necessary.
    Directory,
    /// The command line, on a database that must exist and be up to date.
    Existing,
    /// The command line, which reads and writes resources of an existing database as servers do.
    Transfer,
    /// The command line, on an existing database that no server may use at the same time.
    Offline,
}
