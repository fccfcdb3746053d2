//! Assertions of clients and issuers, checked without an HTTP server. The comment of a test names the rule it shows.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.
#![allow(unreachable_pub)] // The modules of a test binary have no users outside it.

mod assertions;
mod endpoint;
mod issuer;
mod keys;
