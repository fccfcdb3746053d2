//! The messages of RFC 7644.

pub mod discovery;
mod envelope;
mod error_body;
mod patch_op;
mod search;

pub use error_body::error_body;
pub use patch_op::{Op, PATCH_OP_URN, RawOperation, patch_operations};
pub use search::{ListResponse, SearchRequest, SortOrder, saturating_integer};
