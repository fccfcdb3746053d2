//! Storage of SCIM resources in SQLite or PostgreSQL.
//!
//! One adapter serves both databases: each statement is written once, and names the fragments in which the databases
//! differ. Every condition and every sort order becomes SQL; nothing is filtered in memory. This crate knows nothing
//! about HTTP.
//!
//! **Invariants.** A call never reads or writes another tenant's rows. An acknowledged write is durable.

mod admission;
mod columns;
mod connection;
mod counts;
mod deadline;
mod directory;
mod error;
mod journal;
mod open;
mod open_error;
mod options;
mod query;
mod registration;
mod resource;
mod schema;
mod schema_map;
mod sql;
mod store;

pub use open_error::OpenError;
pub use options::{Pooler, StoreOptions, Synchronous};
pub use query::Explained;
pub use store::DieselStore;
