//! Messages of the protocol that are no resources (RFC 7644).

pub mod discovery;
mod error_body;
pub mod message;

pub use error_body::error_body;
