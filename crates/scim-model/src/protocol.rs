//! Messages of the protocol that are no resources (RFC 7644).

pub mod discovery;
pub mod message;
