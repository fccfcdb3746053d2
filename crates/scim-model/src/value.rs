//! Single values: canonical form and comparison keys.

pub(crate) mod canonical;
mod format;
pub mod key;
pub(crate) mod policy;
pub(crate) mod reference;
mod text;

pub use canonical::{
    boolean_text, canonical_element, canonical_value, drop_repeated, is_stored_user_name, number_text,
};
pub use policy::Policy;
pub use reference::{member_id, reference_id};
