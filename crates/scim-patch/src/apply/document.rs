//! The document while operations change it. It applies no rules; the operations above it do.

use std::sync::Arc;

use scim_model::{AttributePath, Document, ResourceType};
use serde_json::{Map, Value};

use super::paths::without_sub;
use super::values::Values;

/// A copy of a document. A multi-valued attribute is converted into [`Values`] when the first operation needs it, and
/// converted back in the end. The document of the caller does not change, so an error has no effect on it.
pub(super) struct OpenDocument<'a> {
    resource_type: &'a ResourceType,
    attributes: Map<String, Value>,
    /// The converted multi-valued attributes, which are not in `attributes`.
    lists: Vec<Values>,
}

impl<'a> OpenDocument<'a> {
    pub(super) fn new(resource_type: &'a ResourceType, document: &Document) -> OpenDocument<'a> {
        OpenDocument {
            resource_type,
            attributes: document.values().clone(),
            lists: Vec::new(),
        }
    }

    pub(super) fn close(mut self) -> Document {
        self.close_lists();
        Document::from_values(self.attributes)
    }

    /// Returns the value of a single-valued attribute.
    pub(super) fn get(&self, found: &AttributePath) -> Option<&Value> {
        let holder = match &found.extension {
            None => &self.attributes,
            Some(urn) => self.attributes.get(&**urn)?.as_object()?,
        };
        holder.get(&found.attribute.name)
    }

    pub(super) fn set(&mut self, found: &AttributePath, value: Value) {
        let name = found.attribute.name.clone();
        let Some(urn) = &found.extension else {
            self.attributes.insert(name, value);
            return;
        };
        let holder = self
            .attributes
            .entry(&**urn)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(holder) = holder else { return };
        holder.insert(name, value);
        // Attributes are in the order of the schema, so that equal documents have equal JSON text.
        if let Some(schema) = self.resource_type.extension_of(urn) {
            let place = |name: &String| schema.attributes.iter().position(|it| it.name == *name);
            if !holder.keys().map(place).is_sorted() {
                let mut entries: Vec<_> = std::mem::take(holder).into_iter().collect();
                entries.sort_by_key(|(name, _)| place(name));
                holder.extend(entries);
            }
        }
    }

    /// Removes an attribute, and the extension that has no other one.
    pub(super) fn clear(&mut self, found: &AttributePath) {
        self.take(found);
        let Some(urn) = &found.extension else { return };
        let holder = self.attributes.get(&**urn).and_then(Value::as_object);
        if holder.is_some_and(Map::is_empty) {
            self.attributes.shift_remove(&**urn);
        }
    }

    /// Opens the values of a multi-valued attribute, and returns their number for [`Self::values`].
    pub(super) fn open_list(&mut self, found: &AttributePath) -> usize {
        let open = self.lists.iter().position(|it| {
            Arc::ptr_eq(&it.attribute.attribute, &found.attribute)
                && it.attribute.extension == found.extension
        });
        open.unwrap_or_else(|| {
            let elements = match self.take(found) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(elements)) => elements,
                Some(single) => vec![single],
            };
            self.lists.push(Values::new(without_sub(found), elements));
            self.lists.len() - 1
        })
    }

    pub(super) fn values(&mut self, list: usize) -> &mut Values {
        &mut self.lists[list]
    }

    /// Returns the URNs of the extensions that have values.
    pub(super) fn extensions(&mut self) -> Vec<Arc<str>> {
        self.close_lists();
        let extensions = self.resource_type.extensions.iter().map(|(it, _)| &it.id);
        extensions
            .filter(|it| self.attributes.contains_key(&***it))
            .cloned()
            .collect()
    }

    /// Returns all attributes of an extension.
    pub(super) fn extension(&mut self, urn: &str) -> Option<&Map<String, Value>> {
        self.close_lists();
        self.attributes.get(urn)?.as_object()
    }

    pub(super) fn remove_extension(&mut self, urn: &str) {
        self.attributes.shift_remove(urn);
    }

    fn close_lists(&mut self) {
        for list in std::mem::take(&mut self.lists) {
            let found = list.attribute.clone();
            match list.into_value() {
                Some(value) => self.set(&found, value),
                None => self.clear(&found),
            }
        }
    }

    fn take(&mut self, found: &AttributePath) -> Option<Value> {
        let holder = match &found.extension {
            None => &mut self.attributes,
            Some(urn) => self.attributes.get_mut(&**urn)?.as_object_mut()?,
        };
        holder.shift_remove(&found.attribute.name)
    }
}
