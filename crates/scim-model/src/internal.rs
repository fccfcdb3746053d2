//! Items for the other crates of this repository. They change without notice, and are not part of the documented API.

pub use crate::json::{MAX_DEPTH, write_value};
pub use crate::notation::{check_keys, check_keys_at, find_attribute, schema_named, standard_notation};
pub use crate::protocol::{
    ListResponse, Op, PATCH_OP_URN, RawOperation, SearchRequest, SortOrder, discovery, error_body,
    patch_operations, saturating_integer,
};
pub use crate::representation::body::Body;
pub use crate::representation::pieces::{Piece, Pieces};
pub use crate::representation::projection::Projection;
pub use crate::representation::{Presenter, etag, location};
pub use crate::schema::{RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN, attribute_named};
pub use crate::value::{
    boolean_text, canonical_element, canonical_value, drop_repeated, is_stored_user_name, key, member_id,
    number_text, reference_id,
};
