//! An attribute path with another sub-attribute, or without one.

use std::sync::Arc;

use scim_model::{Attribute, AttributePath, Schema};

pub(super) fn without_sub(found: &AttributePath) -> AttributePath {
    AttributePath {
        sub: None,
        ..found.clone()
    }
}

pub(super) fn with_sub(found: &AttributePath, sub: &Arc<Attribute>) -> AttributePath {
    AttributePath {
        sub: Some(sub.clone()),
        ..found.clone()
    }
}

pub(super) fn of_extension(schema: &Schema, attribute: &Arc<Attribute>) -> AttributePath {
    AttributePath {
        extension: Some(schema.id.clone()),
        attribute: attribute.clone(),
        sub: None,
    }
}
