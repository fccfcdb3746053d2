//! SCIM filters and paths (RFC 7644 sections 3.4.2.2, 3.5.2 and 3.10): text in, tree out.
//!
//! This crate knows nothing of users, schemas, SQL or HTTP.

pub mod ast;

pub use ast::{
    AttrExp, AttrPath, CompareOp, CompValue, Filter, Number, Operands, PatchPath, ValFilter, ValuePath,
};
