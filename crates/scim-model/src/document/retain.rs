//! Retention in multi-valued attributes: a value that stays keeps its immutable sub-attributes, and data
//! that the client cannot see.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Document, is_kept_elsewhere};
use crate::error::{Place, ScimError, ScimType, Sub};
use crate::schema::{Attribute, AttributeType, Mutability, ResourceType, Returned};
use crate::value::key;

/// Whether sub-attributes that are never returned stay in values of multi-valued attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Kept,
    AsSent,
}

impl Document {
    /// Retains, in the result of a PATCH, the parts of multi-valued attributes' values that a client cannot
    /// remove.
    ///
    /// A value is added and removed as a whole. A value with the same `value` and `type` as one in `before`
    /// is the same value (7643-2.4-09): its immutable sub-attributes keep their values, and data that no
    /// schema describes stays in it.
    ///
    /// # Errors
    /// `mutability` when an immutable sub-attribute of a value that stays would change.
    #[doc(hidden)] // Only scim-patch calls it.
    pub fn keep_in_elements(
        &mut self,
        resource_type: &ResourceType,
        before: &Document,
    ) -> Result<(), ScimError> {
        keep_in_elements(resource_type, before, self, Hidden::AsSent)
    }
}

pub(super) fn keep_in_elements(
    resource_type: &ResourceType,
    current: &Document,
    new: &mut Document,
    hidden: Hidden,
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
                keep_in_list(attribute, &place, old, new, hidden)?;
            }
        }
    }
    Ok(())
}

type Element = Map<String, Value>;

/// Pairs each new value with an old one of the same identity, and copies what stays.
fn keep_in_list(
    attribute: &Attribute,
    place: &Place<'_>,
    old: &[Value],
    new: &mut [Value],
    hidden: Hidden,
) -> Result<(), ScimError> {
    let stays = |name: &str| match attribute.sub_attributes.iter().find(|it| it.name == name) {
        None => true,
        Some(sub) => is_immutable(sub) || (hidden == Hidden::Kept && is_hidden(sub)),
    };
    let old = old.iter().filter_map(Value::as_object);
    let mut old_by_identity: HashMap<_, Vec<&Element>> = HashMap::new();
    for element in old.filter(|it| it.keys().any(|name| stays(name))) {
        if let Some(identity) = identity(attribute, element) {
            old_by_identity.entry(identity).or_default().push(element);
        }
    }
    if old_by_identity.is_empty() {
        return Ok(());
    }
    let immutable = attribute.sub_attributes.iter().filter(|it| is_immutable(it));
    let immutable: Vec<&Arc<Attribute>> = immutable.collect();
    // Several values may have one identity. A value that repeats an old one exactly is paired before a value
    // that leaves out or adds an immutable sub-attribute.
    let mut paired = vec![false; new.len()];
    for agreement in [Agreement::Exact, Agreement::Compatible] {
        for (element, paired) in new.iter_mut().zip(&mut paired) {
            let Value::Object(element) = element else { continue };
            let olds = identity(attribute, element).and_then(|it| old_by_identity.get_mut(&it));
            let Some(olds) = olds.filter(|it| !*paired && !it.is_empty()) else {
                continue;
            };
            let contradiction = |old: &Element| agreement.contradiction(&immutable, old, element);
            let Some(index) = olds.iter().position(|it| contradiction(it).is_none()) else {
                if let (Agreement::Compatible, Some(sub)) = (agreement, contradiction(olds[0])) {
                    return Err(changes_immutable(&Sub(place, &sub.name)));
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

/// The degree of agreement between the immutable sub-attributes of two values.
#[derive(Clone, Copy)]
enum Agreement {
    /// Both have the same ones, with the same values.
    Exact,
    /// The ones that both have are the same.
    Compatible,
}

impl Agreement {
    /// The first immutable sub-attribute that disagrees.
    fn contradiction<'a>(
        self,
        immutable: &[&'a Arc<Attribute>],
        old: &Element,
        new: &Element,
    ) -> Option<&'a Arc<Attribute>> {
        let disagrees = |sub: &&Arc<Attribute>| match (old.get(&sub.name), new.get(&sub.name)) {
            (Some(old), Some(new)) => !key::same(sub, old, new),
            (None, None) => false,
            _ => matches!(self, Agreement::Exact),
        };
        immutable.iter().copied().find(disagrees)
    }
}

/// The keys of `value` and `type`, which identify a value of a multi-valued attribute.
fn identity(attribute: &Attribute, element: &Element) -> Option<(Value, Option<Value>)> {
    let key = |name: &str| {
        let value = element.get(name)?;
        Some(Value::from(key::of(attribute.sub_attribute(name)?, value)?))
    };
    Some((key("value")?, key("type")))
}

/// Restores the order of the schema, so that equal values are equal text.
pub(super) fn sort_by_schema(attributes: &[Arc<Attribute>], values: &mut Map<String, Value>) {
    let place = |name: &String| attributes.iter().position(|it| it.name == *name);
    let mut entries: Vec<_> = std::mem::take(values).into_iter().collect();
    entries.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    values.extend(entries);
}

pub(super) fn is_immutable(attribute: &Arc<Attribute>) -> bool {
    attribute.mutability == Mutability::Immutable
}

/// Whether the attribute is in the document and never in a response.
pub(super) fn is_hidden(attribute: &Arc<Attribute>) -> bool {
    attribute.returned == Returned::Never && !attribute.is_secret()
}

pub(super) fn changes_immutable(path: &dyn fmt::Display) -> ScimError {
    ScimError::at(ScimType::Mutability, path, "is immutable and already has a value")
}
