//! Tests of the public API.

mod document;
mod json;
mod key;
mod schema;
