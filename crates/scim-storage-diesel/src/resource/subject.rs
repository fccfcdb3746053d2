//! The resource that a write is about.

use scim_model::store::{StoreError, TenantId};
use uuid::Uuid;

use crate::error::Failure;
use crate::schema_map::layout::Layout;

/// An existing resource with its row.
pub(crate) struct Subject<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) layout: &'a Layout,
    pub(crate) id: Uuid,
    pub(crate) pk: i64,
}

/// The error for a value of the type's unique attribute that is taken.
pub(crate) fn conflict(layout: &Layout) -> Failure {
    let unique = layout.unique.as_ref();
    let attribute = unique.map_or_else(|| "id".to_owned(), ToString::to_string);
    StoreError::Conflict { attribute }.into()
}
