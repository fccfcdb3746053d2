//! Schemas, resources and filters of SCIM, and the ports to storage (RFC 7643, RFC 7644).
//!
#![doc = include_str!("../README.md")]

pub mod change;
pub mod document;
mod error;
mod filter;
#[doc(hidden)]
pub mod internal;
pub mod json;
mod notation;
mod protocol;
mod representation;
pub mod schema;
pub mod secret;
pub mod store;
mod tolerance;
mod value;

pub mod condition {
    //! Filters that were resolved against a schema, the resources that they test, and sort orders.

    pub use crate::filter::{Condition, ElementCondition, Operand, Subject, Test, resolve_sort_by, sort_key};
}

pub use condition::{Condition, ElementCondition, Subject};
pub use document::{Document, Sent};
pub use error::{ErrorKind, ScimError, ScimType};
pub use schema::error::SchemaError;
pub use schema::registry::SchemaRegistry;
pub use schema::{Attribute, AttributePath, AttributeType, ResourceType, Schema};
pub use secret::{ClearText, SecretHash, SecretHashes, SentSecrets};
pub use tolerance::{Tolerance, Tolerances};
pub use value::Policy;
