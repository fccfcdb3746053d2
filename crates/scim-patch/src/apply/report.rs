//! The results of a PATCH other than the document.

use std::sync::Arc;

use scim_model::schema::Returned;
use scim_model::{Attribute, AttributePath, ClearText, SentSecrets};
use serde_json::Value;
use uuid::Uuid;

use super::paths::{with_sub, without_sub};
use crate::member::parse_id;
use crate::object::value_named;

/// The secrets, the attributes to return, and the operation that last wrote each attribute.
#[derive(Default)]
pub(super) struct Report {
    /// Secrets that were set, or with `None` removed.
    pub(super) secrets: SentSecrets,
    /// Attributes and sub-attributes with `returned` = `request` that operations named.
    pub(super) requested: Vec<AttributePath>,
    /// Members with the `type` that the client sent for them.
    pub(super) member_types: Vec<(Uuid, String)>,
    /// Attributes that were written, each with the number of the last operation that did so.
    written: Vec<(AttributePath, usize)>,
    /// Number of the current operation.
    operation: usize,
}

impl Report {
    pub(super) fn begin_operation(&mut self, number: usize) {
        self.operation = number;
    }

    /// Records a secret, which is in no document.
    pub(super) fn record_secret(&mut self, found: &AttributePath, text: Option<ClearText>) {
        self.secrets.insert(found.to_string(), text);
    }

    /// Records the `type` that the client sent for a member, unless no resource can have its id.
    pub(super) fn record_member_type(&mut self, id: &Value, type_: &str) {
        if let Some(id) = id.as_str().and_then(parse_id) {
            self.member_types.push((id, type_.to_owned()));
        }
    }

    pub(super) fn record_write(&mut self, found: &AttributePath) {
        let is_same = |it: &&mut (AttributePath, usize)| {
            Arc::ptr_eq(&it.0.attribute, &found.attribute) && it.0.extension == found.extension
        };
        match self.written.iter_mut().find(is_same) {
            Some((_, number)) => *number = self.operation,
            None => self.written.push((without_sub(found), self.operation)),
        }
    }

    /// Returns the number of the operation that last wrote the attribute with this path, or the attribute that holds
    /// the sub-attribute with this path.
    pub(super) fn last_operation_on(&self, path: &str) -> Option<usize> {
        let by = self.written.iter().find(|(found, _)| {
            let rest = path.strip_prefix(&found.to_string());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        by.map(|(_, number)| *number)
    }

    /// Records the attribute and sub-attributes with `returned` = `request` that an operation names in its path, or in
    /// its value (RFC 7643 section 7).
    pub(super) fn record_requested(
        &mut self,
        found: &AttributePath,
        sub: Option<&Arc<Attribute>>,
        value: Option<&Value>,
    ) {
        let attribute = &found.attribute;
        let is_on_request = |it: &Attribute| it.returned == Returned::Request;
        if is_on_request(attribute) {
            self.request(without_sub(found));
        }
        let elements = match value {
            Some(Value::Array(elements)) => &elements[..],
            value => value.map_or(&[][..], std::slice::from_ref),
        };
        for part in attribute.sub_attributes.iter().filter(|it| is_on_request(it)) {
            let is_named = match sub {
                Some(sub) => Arc::ptr_eq(sub, part),
                None => elements
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|it| value_named(it, &part.name).is_some()),
            };
            if is_named {
                self.request(with_sub(found, part));
            }
        }
    }

    fn request(&mut self, path: AttributePath) {
        if !self.requested.contains(&path) {
            self.requested.push(path);
        }
    }
}
