//! Tests of the public API.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.

mod change;
mod condition;
mod condition_laws;
mod credentials;
mod discovery;
mod document;
mod document_laws;
mod filter_eval;
mod json;
mod key;
mod message;
mod project;
mod representation;
mod schema;
