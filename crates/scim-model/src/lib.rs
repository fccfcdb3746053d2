//! What SCIM means (RFC 7643, RFC 7644).
//!
#![doc = include_str!("../README.md")]

pub mod change;
pub mod document;
pub mod error;
pub mod filter;
pub mod json;
pub mod protocol;
pub mod representation;
pub mod schema;
pub mod secret;
pub mod store;
pub mod value;

pub use document::{Document, Sent};
pub use error::{ErrorKind, ScimError, ScimType};
pub use filter::{self as condition, self as normal, Condition, ElementCondition, Subject};
pub use protocol::{discovery, error_body, message};
pub use representation::body::{Body, Pieces};
pub use representation::projection::Projection;
pub use representation::{Presenter, Representation, represent};
pub use schema::error::SchemaError;
pub use schema::registry::SchemaRegistry;
pub use schema::{Attribute, AttributePath, AttributeType, ResourceType, Schema};
pub use secret::{ClearText, SecretHash, SecretHashes, SentSecrets};
pub use value::{self as validate, Policy, canonical_element, canonical_value, key};
