//! List requests as SQL.
//!
//! [`access`] decides how the resources of each type are reached. [`context`] is the setting in which [`filter`] and
//! [`sort`] produce SQL, and [`page`] puts the statements of a page together.

pub(crate) mod access;
pub(crate) mod context;
pub(crate) mod filter;
pub(crate) mod page;
pub(crate) mod sort;
pub(crate) mod source;

/// A statement and the database's plan of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The text with the bound values written into it, for people only.
    pub sql: String,
    /// The database's own words, line by line.
    pub plan: Vec<String>,
}
