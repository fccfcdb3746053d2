//! Resources as a client reads them.

pub(crate) mod body;
pub(crate) mod presenter;
pub(crate) mod projection;

pub use presenter::*;
