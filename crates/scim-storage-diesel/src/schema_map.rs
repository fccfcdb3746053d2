//! The mapping of resource types to tables: which attribute has a column, an index row or a unique row.

pub(crate) mod derive;
pub(crate) mod index_key;
pub(crate) mod layout;
