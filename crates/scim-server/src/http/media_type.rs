//! The media types of SCIM messages (RFC 7644 section 3.1, A-21).

/// The media type of every response. Its charset is UTF-8 by definition.
pub(super) const SCIM_JSON: &str = "application/scim+json";

/// The media types of requests, as the value of `Accept` and `Accept-Patch` headers.
pub(super) const ACCEPTED: &str = "application/scim+json, application/json";
