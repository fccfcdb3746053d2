//! Single values: their canonical form, and the keys that they are compared by.

pub mod canonical;
pub mod key;
mod text;
