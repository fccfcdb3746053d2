//! Items that the sibling crates share. They change without notice, and are not part of the documented API.

pub use crate::json::{MAX_DEPTH, write_value};
pub use crate::protocol::{discovery, error_body, message};
pub use crate::representation::body::{Body, Pieces};
pub use crate::representation::projection::Projection;
pub use crate::representation::{Presenter, Representation, etag, location, represent};
pub use crate::schema::{RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN, attribute_named};
pub use crate::value::{
    boolean_text, canonical_element, canonical_value, drop_repeated, key, member_id, reference_id,
};
