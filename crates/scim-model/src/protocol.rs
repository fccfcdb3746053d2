//! The messages of RFC 7644.

pub mod discovery;
mod envelope;
mod error_body;
mod patch_op;
mod search;

pub use error_body::{ERROR_URN, error_body};
pub use patch_op::{MAX_OPERATIONS, Op, PATCH_OP_URN, RawOperation, patch_operations};
pub use search::{
    LIST_RESPONSE_URN, ListResponse, SEARCH_REQUEST_URN, SearchRequest, SortOrder, saturating_integer,
};
