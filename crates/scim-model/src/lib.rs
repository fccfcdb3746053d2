//! What SCIM means (RFC 7643, RFC 7644).
//!
#![doc = include_str!("../README.md")]

pub mod body;
pub mod condition;
pub mod discovery;
pub mod document;
pub mod error;
pub mod json;
pub mod key;
pub mod message;
pub mod normal;
mod precis;
pub mod project;
pub mod representation;
pub mod schema;
pub mod schema_load;
pub mod secret;
pub mod store;
pub mod validate;

pub use body::{Body, Pieces};
pub use condition::{Condition, ElementCondition};
pub use document::{Document, Policy, Sent};
pub use error::{ScimError, ScimType};
pub use normal::Subject;
pub use project::Projection;
pub use representation::{Presenter, Representation, represent};
pub use schema::{Attribute, AttributePath, AttributeType, ResourceType, Schema, SchemaRegistry};
pub use schema_load::SchemaError;
pub use secret::{ClearText, SecretHash, SecretHashes, SentSecrets};
pub use validate::{canonical_element, canonical_value};
