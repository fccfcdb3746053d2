//! PATCH of SCIM resources (RFC 7644 section 3.5.2) as a pure function.
//!
//! This crate knows no clock, no database and no HTTP: a document and operations go in, a new document and a
//! description of the change come out.
//!
#![doc = include_str!("../README.md")]

mod apply;
mod error;
mod member;
mod mutability;
mod object;
mod operation;
mod plan;
mod quirks;
mod target;
mod tolerance;

pub use apply::{Outcome, apply};
pub use error::PatchError;
pub use operation::Operation;
pub use plan::{MembersPlan, Plan, plan};
#[doc(inline)]
pub use scim_model::Tolerance;
#[doc(inline)]
pub use scim_model::internal::Op;
