//! The RFCs rule by rule, as a client sees them through a socket. The ids above the tests are those
//! of docs/conformance/requirements.tsv, from which `cargo xtask conformance` generates
//! docs/CONFORMANCE.md.

mod client;
mod other_rfcs;
mod rfc6750;
mod rfc7643;
mod rfc7644_create;
mod rfc7644_delete;
mod rfc7644_discovery;
mod rfc7644_errors;
mod rfc7644_etag;
mod rfc7644_filter;
mod rfc7644_list;
mod rfc7644_patch;
mod rfc7644_put;
mod rfc7644_read;
mod rfc7644_search;
mod rfc9865;
mod secrets;
mod tenants;
