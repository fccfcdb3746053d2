//! List requests as SQL: conditions, sort orders, pages, and the access path of each.

pub(crate) mod access;
pub(crate) mod filter;
pub(crate) mod page;
pub(crate) mod sort;
