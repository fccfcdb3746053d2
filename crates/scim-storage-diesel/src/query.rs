//! List requests as SQL.
//!
//! [`access`] decides how the resources of each type are reached. [`filter`] and [`sort`] produce SQL within a
//! [`context`], and [`page`] assembles the statements of a page.

pub(crate) mod access;
pub(crate) mod context;
pub(crate) mod filter;
pub(crate) mod page;
pub(crate) mod sort;
pub(crate) mod source;

/// A statement and the database's plan of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The text with the bound values written into it, for people and tests. The store itself executes the text with
    /// bound values.
    pub sql: String,
    /// The plan as the database prints it, line by line.
    pub plan: Vec<String>,
}
