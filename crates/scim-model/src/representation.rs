//! Resources as a client reads them.

pub mod body;
pub(crate) mod presenter;
pub mod projection;

pub use presenter::*;
