//! PATCH of SCIM resources as a pure function (RFC 7644 section 3.5.2).
//!
#![doc = include_str!("../README.md")]

mod apply;
mod change;
mod error;
mod operation;
mod plan;
mod quirks;
mod target;

pub use apply::{Outcome, apply};
pub use change::{AttributeChange, Change, ChangeKind, steps_to_json};
pub use error::PatchError;
pub use operation::Operation;
pub use plan::{MembersPlan, Plan, plan};
pub use quirks::Leniency;
pub use scim_model::message::Op;
