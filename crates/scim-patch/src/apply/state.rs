//! The document while operations change it.

use std::sync::Arc;

use scim_model::schema::Returned;
use scim_model::{Attribute, AttributePath, Document, Policy, ResourceType, ScimError, SentSecrets};
use serde_json::{Map, Value};

use crate::apply::values::{Values, Work};
use crate::error::{is_immutable, missing, refuse_immutable, refuse_required};
use crate::quirks::{Tolerances, attribute_of};

/// A copy of the document; the original stays as it is, so an error leaves nothing behind.
pub(crate) struct Working<'a> {
    pub(crate) resource_type: &'a ResourceType,
    pub(crate) policy: Policy,
    pub(crate) tolerances: Tolerances,
    pub(crate) work: Work,
    /// Attributes and sub-attributes with `returned` = `request` that operations named.
    pub(crate) requested: Vec<AttributePath>,
    /// Secrets that were set, or with `None` removed.
    pub(crate) secrets: SentSecrets,
    /// Attributes that were written, each with the number of the last operation that did.
    pub(crate) written: Vec<(AttributePath, usize)>,
    /// Number of the operation at work.
    pub(crate) number: usize,
    values: Map<String, Value>,
    /// Multi-valued attributes that operations have asked for, taken out of `values`.
    lists: Vec<Values>,
}

impl<'a> Working<'a> {
    pub(crate) fn new(resource_type: &'a ResourceType, document: &Document, policy: Policy) -> Working<'a> {
        Working {
            resource_type,
            policy,
            tolerances: Tolerances::new(policy),
            work: Work::default(),
            requested: Vec::new(),
            secrets: SentSecrets::new(),
            written: Vec::new(),
            number: 0,
            values: document.0.clone(),
            lists: Vec::new(),
        }
    }

    pub(crate) fn into_document(mut self) -> Document {
        self.close_lists();
        Document(self.values)
    }

    /// The value of a single-valued attribute.
    pub(crate) fn get(&self, found: &AttributePath) -> Option<&Value> {
        let holder = match &found.extension {
            None => &self.values,
            Some(urn) => self.values.get(&**urn)?.as_object()?,
        };
        holder.get(&found.attribute.name)
    }

    /// Assigns or unassigns a single-valued attribute.
    ///
    /// # Errors
    /// `mutability` for a value that is immutable, `invalidValue` for no value where one is required.
    pub(crate) fn set(&mut self, found: &AttributePath, value: Option<Value>) -> Result<(), ScimError> {
        let attribute = &found.attribute;
        refuse_immutable(found, attribute, self.get(found), value.as_ref())?;
        let is_empty = |it: &Value| it.as_str() == Some("");
        if attribute.required && value.as_ref().is_none_or(is_empty) {
            return Err(missing(found));
        }
        self.note_written(found);
        match value {
            None => self.clear(found),
            // Other words for the same: the words stay what they were.
            Some(_) if is_immutable(attribute) && self.get(found).is_some() => {}
            Some(value) => self.put(found, value),
        }
        Ok(())
    }

    /// Unassigns an attribute, as a `remove` does.
    ///
    /// # Errors
    /// `mutability` when it is required or immutable.
    pub(crate) fn unassign(&mut self, found: &AttributePath) -> Result<(), ScimError> {
        refuse_required(found, &found.attribute)?;
        if found.attribute.is_secret() {
            self.secrets.insert(found.to_string(), None);
            return Ok(());
        }
        if found.attribute.multi_valued {
            let list = self.list(found);
            let before = self.before(list);
            self.lists[list].clear();
            return self.done(list, before);
        }
        refuse_immutable(found, &found.attribute, self.get(found), None)?;
        self.note_written(found);
        self.clear(found);
        Ok(())
    }

    /// The values of a multi-valued attribute, by their place among the lists.
    pub(crate) fn list(&mut self, found: &AttributePath) -> usize {
        let open = self.lists.iter().position(|it| {
            Arc::ptr_eq(&it.attribute.attribute, &found.attribute)
                && it.attribute.extension == found.extension
        });
        open.unwrap_or_else(|| {
            let elements = match self.clear_value(found) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(elements)) => elements,
                Some(single) => vec![single],
            };
            self.lists.push(Values::new(without_sub(found), elements));
            self.lists.len() - 1
        })
    }

    /// A list together with what else a change of it needs.
    pub(crate) fn parts(&mut self, list: usize) -> (&mut Values, &mut Work, &mut Tolerances) {
        (&mut self.lists[list], &mut self.work, &mut self.tolerances)
    }

    /// What a list held before an operation, where that matters.
    pub(crate) fn before(&self, list: usize) -> Before {
        let list = &self.lists[list];
        Before {
            had_values: !list.is_empty(),
            frozen: is_immutable(&list.attribute.attribute)
                .then(|| list.iter().map(|(_, it)| it.clone()).collect()),
        }
    }

    /// # Errors
    /// `mutability` when an immutable attribute changed, `invalidValue` when a required one was
    /// emptied.
    pub(crate) fn done(&mut self, list: usize, before: Before) -> Result<(), ScimError> {
        let found = self.lists[list].attribute.clone();
        if let Some(frozen) = before.frozen.filter(|_| before.had_values) {
            let now: Vec<Value> = self.lists[list].iter().map(|(_, it)| it.clone()).collect();
            let (old, new) = (Value::Array(frozen), Value::Array(now));
            refuse_immutable(&found, &found.attribute, Some(&old), Some(&new))?;
            if let Value::Array(frozen) = old {
                self.lists[list] = Values::new(found.clone(), frozen);
            }
        }
        if found.attribute.required && before.had_values && self.lists[list].is_empty() {
            return Err(missing(&found));
        }
        self.note_written(&found);
        Ok(())
    }

    /// URNs of the extensions that have values.
    pub(crate) fn extensions(&mut self) -> Vec<Arc<str>> {
        self.close_lists();
        let extensions = self.resource_type.extensions.iter().map(|(it, _)| &it.id);
        extensions
            .filter(|it| self.values.contains_key(&***it))
            .cloned()
            .collect()
    }

    /// All attributes of an extension.
    pub(crate) fn extension(&mut self, urn: &str) -> Option<&Map<String, Value>> {
        self.close_lists();
        self.values.get(urn)?.as_object()
    }

    pub(crate) fn remove_extension(&mut self, urn: &str) {
        self.values.shift_remove(urn);
    }

    fn close_lists(&mut self) {
        for list in std::mem::take(&mut self.lists) {
            let found = list.attribute.clone();
            match list.into_value() {
                Some(value) => self.put(&found, value),
                None => self.clear(&found),
            }
        }
    }

    fn put(&mut self, found: &AttributePath, value: Value) {
        let name = found.attribute.name.clone();
        let Some(urn) = &found.extension else {
            self.values.insert(name, value);
            return;
        };
        let holder = self
            .values
            .entry(&**urn)
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(holder) = holder else { return };
        holder.insert(name, value);
        // Equal values are equal text: attributes stand in the order of the schema.
        if let Some(schema) = self.resource_type.extension_of(urn) {
            let place = |name: &String| schema.attributes.iter().position(|it| it.name == *name);
            if !holder.keys().map(place).is_sorted() {
                let mut entries: Vec<_> = std::mem::take(holder).into_iter().collect();
                entries.sort_by_key(|(name, _)| place(name));
                holder.extend(entries);
            }
        }
    }

    /// An extension goes with its last attribute.
    fn clear(&mut self, found: &AttributePath) {
        self.clear_value(found);
        if let Some(urn) = &found.extension
            && self
                .values
                .get(&**urn)
                .and_then(Value::as_object)
                .is_some_and(Map::is_empty)
        {
            self.values.shift_remove(&**urn);
        }
    }

    fn clear_value(&mut self, found: &AttributePath) -> Option<Value> {
        let holder = match &found.extension {
            None => &mut self.values,
            Some(urn) => self.values.get_mut(&**urn)?.as_object_mut()?,
        };
        holder.shift_remove(&found.attribute.name)
    }

    /// Notes what of an attribute with `returned` = `request`, or of such a sub-attribute, an operation
    /// names (RFC 7643 section 7).
    pub(crate) fn note_requested(
        &mut self,
        found: &AttributePath,
        sub: Option<&Arc<Attribute>>,
        value: Option<&Value>,
    ) {
        let attribute = &found.attribute;
        let on_request = |it: &Attribute| it.returned == Returned::Request;
        if on_request(attribute) {
            self.note_request(without_sub(found));
        }
        let elements = match value {
            Some(Value::Array(elements)) => &elements[..],
            value => value.map_or(&[][..], std::slice::from_ref),
        };
        for part in attribute.sub_attributes.iter().filter(|it| on_request(it)) {
            let is_named = match sub {
                Some(sub) => Arc::ptr_eq(sub, part),
                None => elements
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|it| attribute_of(it, &part.name).is_some()),
            };
            if is_named {
                self.note_request(with_sub(found, part));
            }
        }
    }

    fn note_request(&mut self, path: AttributePath) {
        if !self.requested.contains(&path) {
            self.requested.push(path);
        }
    }

    fn note_written(&mut self, found: &AttributePath) {
        let same = |it: &&mut (AttributePath, usize)| {
            Arc::ptr_eq(&it.0.attribute, &found.attribute) && it.0.extension == found.extension
        };
        match self.written.iter_mut().find(same) {
            Some((_, number)) => *number = self.number,
            None => self.written.push((without_sub(found), self.number)),
        }
    }
}

/// What a list held before an operation.
pub(crate) struct Before {
    had_values: bool,
    /// The values themselves, of an immutable attribute.
    frozen: Option<Vec<Value>>,
}

pub(crate) fn without_sub(found: &AttributePath) -> AttributePath {
    AttributePath {
        sub: None,
        ..found.clone()
    }
}

pub(crate) fn with_sub(found: &AttributePath, sub: &Arc<Attribute>) -> AttributePath {
    AttributePath {
        sub: Some(sub.clone()),
        ..found.clone()
    }
}
