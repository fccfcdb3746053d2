//! SCIM filters and paths (RFC 7644 sections 3.4.2.2, 3.5.2 and 3.10): text in, tree out.
//!
//! This crate knows nothing of users, schemas, SQL or HTTP.

// Without pest's std feature its derive writes `alloc::`. That feature would probe the
// stack at each rule; the depth is checked beforehand instead.
extern crate alloc;

pub mod ast;
mod display;
mod error;
mod explain;
mod options;
mod parser;
#[cfg(feature = "serde")]
mod serde_text;

pub use ast::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, Operands, PatchPath, ValFilter, ValuePath,
};
pub use error::ParseError;
pub use options::{Leniency, LeniencyKind, Mode, Options, Parsed};
