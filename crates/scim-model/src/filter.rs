//! Filters that have met a schema, and the normal form that they are evaluated on.

pub mod condition;
mod evaluate;
pub mod normal;
mod resolve;
