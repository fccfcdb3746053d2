//! What values of multi-valued attributes keep while they stay.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Document, is_kept_elsewhere};
use crate::error::{Place, ScimError, ScimType};
use crate::schema::{Attribute, AttributeType, Mutability, ResourceType, Returned};
use crate::value::key;

/// Whether what is never shown stays in values of multi-valued attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unseen {
    Kept,
    AsSent,
}

impl Document {
    /// The result of a PATCH, with what values of multi-valued attributes cannot lose while they stay.
    ///
    /// These values come and go as a whole. But one with the `value` and the `type` of one in `before`
    /// is that one (7643-2.4-09): its immutable sub-attributes are what they were, and what no schema
    /// describes stays in it.
    ///
    /// # Errors
    /// `mutability` when an immutable sub-attribute of a value that stays would change.
    pub fn keep_in_elements(
        &mut self,
        resource_type: &ResourceType,
        before: &Document,
    ) -> Result<(), ScimError> {
        keep_in_elements(resource_type, before, self, Unseen::AsSent)
    }
}

pub(super) fn keep_in_elements(
    resource_type: &ResourceType,
    current: &Document,
    new: &mut Document,
    unseen: Unseen,
) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let old = match extension {
            None => Some(&current.0),
            Some(urn) => current.0.get(&**urn).and_then(Value::as_object),
        };
        let new = match extension {
            None => Some(&mut new.0),
            Some(urn) => new.0.get_mut(&**urn).and_then(Value::as_object_mut),
        };
        let (Some(old), Some(new)) = (old, new) else {
            continue;
        };
        for attribute in schema.attributes.iter().filter(|it| it.multi_valued) {
            if extension.is_none() && is_kept_elsewhere(resource_type, &attribute.name) {
                continue;
            }
            let (Some(Value::Array(old)), Some(Value::Array(new))) =
                (old.get(&attribute.name), new.get_mut(&attribute.name))
            else {
                continue;
            };
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            if attribute.type_ == AttributeType::Complex && old != new {
                keep_in_list(attribute, &place, old, new, unseen)?;
            }
        }
    }
    Ok(())
}

fn keep_in_list(
    attribute: &Attribute,
    place: &Place<'_>,
    old: &[Value],
    new: &mut [Value],
    unseen: Unseen,
) -> Result<(), ScimError> {
    let stays = |name: &str| match attribute.sub_attributes.iter().find(|it| it.name == name) {
        None => true,
        Some(sub) => is_immutable(sub) || (unseen == Unseen::Kept && is_unseen(sub)),
    };
    let old = old.iter().filter_map(Value::as_object);
    let mut old_by_identity: HashMap<_, Vec<&Map<String, Value>>> = HashMap::new();
    for element in old.filter(|it| it.keys().any(|name| stays(name))) {
        if let Some(identity) = identity(attribute, element) {
            old_by_identity.entry(identity).or_default().push(element);
        }
    }
    if old_by_identity.is_empty() {
        return Ok(());
    }
    let immutable: Vec<_> = attribute
        .sub_attributes
        .iter()
        .filter(|it| is_immutable(it))
        .collect();
    let contradiction = |old: &Map<String, Value>, new: &Map<String, Value>, may_be_left_out: bool| {
        immutable
            .iter()
            .copied()
            .find(|sub| match (old.get(&sub.name), new.get(&sub.name)) {
                (Some(old), Some(new)) => !key::same(sub, old, new),
                (None, None) => false,
                _ => !may_be_left_out,
            })
    };
    // Where several have one identity, first what repeats one of them, then what says less or more.
    let mut paired = vec![false; new.len()];
    for may_be_left_out in [false, true] {
        for (element, paired) in new.iter_mut().zip(&mut paired) {
            let Value::Object(element) = element else { continue };
            let olds = identity(attribute, element).and_then(|it| old_by_identity.get_mut(&it));
            let Some(olds) = olds.filter(|it| !*paired && !it.is_empty()) else {
                continue;
            };
            let agrees = |old: &&Map<String, Value>| contradiction(old, element, may_be_left_out).is_none();
            let Some(index) = olds.iter().position(agrees) else {
                if let (true, Some(sub)) = (may_be_left_out, contradiction(olds[0], element, true)) {
                    return Err(changes_immutable(&format_args!("{place}.{}", sub.name)));
                }
                continue;
            };
            *paired = true;
            for (name, value) in olds.remove(index).iter().filter(|(name, _)| stays(name)) {
                if immutable.iter().any(|it| it.name == *name) {
                    element.insert(name.clone(), value.clone());
                } else {
                    element.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            sort_by_schema(&attribute.sub_attributes, element);
        }
    }
    Ok(())
}

/// What tells one value of a multi-valued attribute from the others: `value` and `type`.
fn identity(attribute: &Attribute, element: &Map<String, Value>) -> Option<(Value, Option<Value>)> {
    let key = |name: &str| {
        let value = element.get(name)?;
        Some(Value::from(key::of(attribute.sub_attribute(name)?, value)?))
    };
    Some((key("value")?, key("type")))
}

/// Equal values are equal text.
pub(super) fn sort_by_schema(attributes: &[Arc<Attribute>], values: &mut Map<String, Value>) {
    let place = |name: &String| attributes.iter().position(|it| it.name == *name);
    let mut entries: Vec<_> = std::mem::take(values).into_iter().collect();
    entries.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    values.extend(entries);
}

pub(super) fn is_immutable(attribute: &Arc<Attribute>) -> bool {
    attribute.mutability == Mutability::Immutable
}

/// Whether it is in the document and never in an answer.
pub(super) fn is_unseen(attribute: &Arc<Attribute>) -> bool {
    attribute.returned == Returned::Never && !attribute.is_secret()
}

pub(super) fn changes_immutable(path: &dyn std::fmt::Display) -> ScimError {
    ScimError::at(ScimType::Mutability, path, "is immutable and already has a value")
}
