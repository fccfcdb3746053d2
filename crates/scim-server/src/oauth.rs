//! OAuth 2.0 client authentication: signed assertions of clients and of external issuers (RFC 7521, RFC 7523).
//!
//! This module knows no HTTP server. The time and the source of keys are arguments.

pub mod assertion;
pub mod claims;
mod fault;
mod jose;
pub mod key_cache;
pub mod key_fetch;
pub mod key_set;
mod strict_json;
pub mod verification;

pub use fault::Fault;
pub use jose::{Algorithm, USUAL_ALGORITHMS};
