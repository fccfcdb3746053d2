//! A multi-tenant SCIM 2.0 server: the operations ([`service`]), HTTP around them ([`http`]), and
//! what the binary needs to be configured and managed.
//!
//! This crate knows neither SQL nor what a schema means.

pub mod cli;
pub mod config;
pub mod delivery;
pub mod http;
pub mod service;
pub mod token;
pub mod upkeep;

use std::sync::Arc;

use scim_model::{SchemaError, SchemaRegistry};

/// The schemas and resource types to serve: the built-in ones and an operator's documents.
///
/// # Errors
/// The first document that cannot be served.
pub fn registry(documents: &[(String, String)]) -> Result<Arc<SchemaRegistry>, SchemaError> {
    Ok(Arc::new(SchemaRegistry::load(documents)?))
}
