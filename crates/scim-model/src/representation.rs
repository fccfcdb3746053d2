//! Resources as a client reads them.

mod attribute_name;
pub(crate) mod body;
mod etag;
mod location;
pub(crate) mod pieces;
mod presenter;
pub(crate) mod projection;
pub(crate) mod reference;

pub use etag::etag;
pub use location::location;
pub use presenter::Presenter;
