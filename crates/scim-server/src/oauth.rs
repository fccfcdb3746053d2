//! OAuth 2.0 client credentials: clients that prove their identity by a secret (RFC 6749), by an assertion that they sign
//! themselves, or by an assertion of an external issuer (RFC 7521, RFC 7523), and the access tokens that they get.
//!
//! This module knows no HTTP server. The time and the source of keys are arguments.

pub mod assertion;
pub mod attempts;
mod authentication;
pub mod claims;
pub mod endpoint;
pub mod error;
mod fault;
pub mod key_cache;
pub mod key_fetch;
pub mod key_set;
pub mod metadata;
mod outcome;
pub mod refresher;
mod refusal_log;
pub mod registration;
pub mod request;
pub mod scope;
pub mod secret;
pub mod settings;
mod strict_json;
pub mod trial;
pub mod verification;

pub use crate::jose::{Algorithm, USUAL_ALGORITHMS};
pub use endpoint::TokenEndpoint;
pub use error::{ErrorCode, OAuthError};
pub use fault::Fault;
pub use settings::OAuthSettings;
