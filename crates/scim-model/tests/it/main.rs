//! Tests of the public API.

mod schema;
