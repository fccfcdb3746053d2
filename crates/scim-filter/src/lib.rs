//! SCIM filters and paths (RFC 7644): text in, tree out, and back.
//!
#![doc = include_str!("../README.md")]

// Without pest's `std` feature its derive macro writes `alloc::`. That feature would probe the stack at each
// rule; here the depth is checked before pest runs.
extern crate alloc;

pub mod ast;
mod brackets;
mod display;
mod error;
mod grammar;
mod hint;
mod options;
mod parser;
#[cfg(feature = "serde")]
mod serde_text;
mod tree;

pub use ast::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, Operands, PatchPath, ValFilter, ValuePath,
};
pub use error::ParseError;
pub use options::{Leniency, LeniencyKind, Mode, Options, Parsed};
