//! Tests of scim-filter through its public API.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod errors;
mod laws;
mod limits;
mod properties;
#[cfg(feature = "serde")]
mod serde_text;
mod text;
mod tree;
mod vectors;
