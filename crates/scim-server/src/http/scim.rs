//! The SCIM surface: resources and discovery (RFC 7644).

pub mod body;
pub mod discovery;
pub(super) mod documents;
pub mod etag;
pub mod params;
pub mod resources;
