//! Filters resolved against a schema, and the normal form on which they are evaluated.

pub(crate) mod condition;
mod evaluate;
mod normal;
mod operand;
mod resolve;
mod sort;
mod tree;

pub use condition::{Condition, ElementCondition, Operand, Test};
pub use normal::Subject;
pub use sort::{resolve_sort_by, sort_key};
