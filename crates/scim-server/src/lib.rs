//! A multi-tenant SCIM 2.0 server: the operations ([`service`]), the HTTP interface to them ([`http`]), and the
//! configuration and command line of the binary.
//!
//! This crate contains no SQL and no schema semantics.

pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod egress;
pub mod http;
pub mod jose;
pub mod logging;
pub mod management;
pub mod oauth;
mod private_file;
pub mod sealing;
pub mod service;
pub mod signals;
pub mod systemd;
pub mod telemetry;
pub mod token;
pub mod upkeep;

use std::sync::Arc;

use scim_model::{SchemaError, SchemaRegistry};

/// Returns the schemas and resource types to serve: the built-in ones and those of the operator's documents.
///
/// # Errors
/// Returns the error of the first invalid document.
pub fn registry(documents: &[(String, String)]) -> Result<Arc<SchemaRegistry>, SchemaError> {
    Ok(Arc::new(SchemaRegistry::load(documents)?))
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
