//! Storage of SCIM resources in SQLite or PostgreSQL.
//!
#![doc = include_str!("../README.md")]

mod admission;
mod columns;
mod connection;
mod counts;
mod credentials;
mod deadline;
mod delivery_attempt;
mod directory;
mod error;
mod idempotency;
mod journal;
mod leases;
pub mod maintenance;
mod open;
mod open_error;
mod operator_keys;
mod options;
mod query;
mod registration;
mod resource;
mod schema;
mod schema_map;
mod set_streams;
mod shares;
mod sql;
mod store;
mod transfer;
mod waits;
mod webhooks;

pub use open_error::OpenError;
pub use options::{Pooler, StoreOptions, Synchronous};
pub use query::Explained;
pub use store::DieselStore;
