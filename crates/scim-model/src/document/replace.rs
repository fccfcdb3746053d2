//! Bodies of PUT requests (RFC 7644 section 3.5.1).

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::create::{check_secrets, read};
use super::retain::{Hidden, changes_immutable, is_hidden, is_immutable, keep_in_elements, sort_by_schema};
use super::unfold::unfold;
use super::{Document, Sent, core_attribute, is_described, with_default};
use crate::error::{Place, ScimError, Sub};
use crate::schema::{Attribute, ResourceType, Schema};
use crate::tolerance::Tolerances;
use crate::value::key;
use crate::value::policy::Policy;

impl Document {
    /// Reads the body of a PUT into canonical form (RFC 7644 section 3.5.1), to replace `current`. Attributes
    /// that the body leaves out are cleared, except those with a default (`active`), immutable ones, those
    /// that are never returned, and data that no schema describes.
    ///
    /// # Errors
    /// The errors of [`Document::for_create`], and `mutability` when an immutable attribute would change.
    pub fn for_replace(
        resource_type: &ResourceType,
        current: &Document,
        body: Value,
        policy: Policy,
    ) -> Result<Sent, ScimError> {
        let tolerances = Tolerances::new(policy);
        let body = unfold(resource_type, body, &tolerances)?;
        let names = |name: &str| {
            let members = body.as_object();
            members.is_some_and(|it| it.keys().any(|key| key.eq_ignore_ascii_case(name)))
        };
        let left_out: Vec<_> = with_default(resource_type)
            .filter(|it| !names(&it.name))
            .cloned()
            .collect();
        let original = if has_hidden(resource_type) {
            body.clone()
        } else {
            Value::Null
        };
        let mut sent = read(resource_type, Some(current), body, &tolerances)?;
        for attribute in left_out {
            if let Some(value) = current.0.get(&attribute.name) {
                sent.document.0.insert(attribute.name.clone(), value.clone());
            }
        }
        keep_in_elements(resource_type, current, &mut sent.document, Hidden::Kept)?;
        keep_values(resource_type, current, &original, &mut sent.document)?;
        keep_undescribed(resource_type, current, &mut sent.document);
        if resource_type.has_members() {
            sent.members.get_or_insert_default();
        }
        check_secrets(resource_type, &sent, false)?;
        // Secrets are kept although they are in no document, so an extension that has had no values may hold
        // secrets.
        let may_hold_secrets = |extension: &Schema| {
            let holds_secrets = extension.attributes.iter().any(|it| it.is_secret());
            sent.has_secret_of(&extension.id) || (holds_secrets && !current.has_extension(&extension.id))
        };
        sent.document.check_all(resource_type, None, may_hold_secrets)?;
        Ok(sent)
    }
}

/// Keeps immutable and hidden attributes.
///
/// RFC 7644 section 3.5.1: an immutable attribute that has a value keeps it; another value in the body is an
/// error. A client cannot repeat a value that it is never shown, so that value stays unless the body names
/// the attribute.
///
/// An object that the body leaves out, such as an extension or a complex value, therefore loses only the
/// values that need not be kept. If any are kept, the object stays together with its required values, because
/// a replacement cannot make an object invalid that it cannot remove.
///
/// `body` is the body as it was sent, or anything if the type has no hidden attributes.
fn keep_values(
    resource_type: &ResourceType,
    current: &Document,
    body: &Value,
    new: &mut Document,
) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let object = |document: &Document| match extension {
            None => Some(document.0.clone()),
            Some(urn) => document.0.get(&**urn).and_then(Value::as_object).cloned(),
        };
        let concerned = |it: &&Arc<Attribute>| may_stay(it) || it.sub_attributes.iter().any(may_stay);
        if !schema.attributes.iter().any(|it| concerned(&it)) {
            continue;
        }
        let Some(old) = object(current) else { continue };
        let named = object(new);
        let left_out = named.is_none();
        let mut kept = named.unwrap_or_default();
        for attribute in schema.attributes.iter().filter(concerned) {
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            let Some(old) = old.get(&attribute.name) else {
                continue;
            };
            let stays = is_immutable(attribute) || (is_hidden(attribute) && !is_named(&place, None, body));
            if stays && !kept.contains_key(&attribute.name) {
                kept.insert(attribute.name.clone(), old.clone());
                continue;
            }
            if let (Value::Object(old), false) = (old, attribute.multi_valued) {
                keep_parts(attribute, &place, old, body, &mut kept)?;
            }
            if let (true, Some(new)) = (is_immutable(attribute), kept.get_mut(&attribute.name)) {
                keep_unchanged(attribute, &place, old, new)?;
            }
        }
        let Some(urn) = extension else {
            new.0 = kept;
            continue;
        };
        if kept.is_empty() {
            continue;
        }
        if left_out {
            keep_required(&schema.attributes, &old, &mut kept);
        }
        sort_by_schema(&schema.attributes, &mut kept);
        new.0.insert(urn.to_string(), Value::Object(kept));
    }
    Ok(())
}

/// Keeps immutable and hidden sub-attributes of a single complex value.
fn keep_parts(
    attribute: &Attribute,
    place: &Place<'_>,
    old: &Map<String, Value>,
    body: &Value,
    kept: &mut Map<String, Value>,
) -> Result<(), ScimError> {
    let stays = |it: &&Arc<Attribute>| {
        let is_kept = is_immutable(it) || (is_hidden(it) && !is_named(place, Some(&it.name), body));
        is_kept && old.contains_key(&it.name)
    };
    let staying: Vec<_> = attribute.sub_attributes.iter().filter(stays).collect();
    if staying.is_empty() {
        return Ok(());
    }
    let left_out = !kept.contains_key(&attribute.name);
    let value = kept
        .entry(attribute.name.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(value) = value else {
        return Ok(());
    };
    for sub in staying {
        let old = &old[&sub.name];
        let value = value.entry(sub.name.clone()).or_insert_with(|| old.clone());
        if is_immutable(sub) {
            keep_unchanged(sub, &Sub(place, &sub.name), old, value)?;
        }
    }
    if left_out {
        keep_required(&attribute.sub_attributes, old, value);
    }
    sort_by_schema(&attribute.sub_attributes, value);
    Ok(())
}

fn keep_required(attributes: &[Arc<Attribute>], old: &Map<String, Value>, kept: &mut Map<String, Value>) {
    for attribute in attributes.iter().filter(|it| it.required) {
        if let Some(old) = old.get(&attribute.name) {
            kept.entry(attribute.name.clone()).or_insert_with(|| old.clone());
        }
    }
}

/// Whether a replacement that leaves out the attribute may keep it.
fn may_stay(attribute: &Arc<Attribute>) -> bool {
    is_immutable(attribute) || is_hidden(attribute)
}

fn has_hidden(resource_type: &ResourceType) -> bool {
    let mut attributes = resource_type.parts().flat_map(|(_, schema)| &schema.attributes);
    attributes.any(|it| is_hidden(it) || it.sub_attributes.iter().any(is_hidden))
}

/// Whether a body names the attribute, or a sub-attribute of it: with a value, with `null`, or by a value
/// other than an object where the object that holds it should be.
fn is_named(place: &Place<'_>, sub: Option<&str>, body: &Value) -> bool {
    let names = place.extension.into_iter().chain([place.attribute]).chain(sub);
    let mut value = body;
    for name in names {
        let Value::Object(members) = value else {
            return true;
        };
        match members.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)) {
            Some((_, named)) => value = named,
            None => return false,
        }
    }
    true
}

/// Checks that an immutable value is the same, and keeps its old spelling.
fn keep_unchanged(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    old: &Value,
    new: &mut Value,
) -> Result<(), ScimError> {
    if !key::same(attribute, old, new) {
        return Err(changes_immutable(path));
    }
    new.clone_from(old);
    Ok(())
}

/// Keeps the data of extensions, attributes and sub-attributes that were removed from the schemas, in case
/// they come back. Within a complex value the data stays as long as the value.
fn keep_undescribed(resource_type: &ResourceType, current: &Document, new: &mut Document) {
    for (name, value) in &current.0 {
        if !is_described(resource_type, name) {
            new.0.insert(name.clone(), value.clone());
            continue;
        }
        if let Some((_, attribute)) = core_attribute(resource_type, name) {
            keep_undescribed_parts(attribute, value, new.0.get_mut(name));
            continue;
        }
        let Some(schema) = resource_type.extension_of(name) else {
            continue;
        };
        for (name_within, value) in value.as_object().into_iter().flatten() {
            if let Some(attribute) = schema.attributes.iter().find(|it| it.name == *name_within) {
                let new = new.0.get_mut(name).and_then(|it| it.get_mut(name_within));
                keep_undescribed_parts(attribute, value, new);
                continue;
            }
            let extension = new
                .0
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(extension) = extension {
                extension.insert(name_within.clone(), value.clone());
            }
        }
    }
}

fn keep_undescribed_parts(attribute: &Attribute, old: &Value, new: Option<&mut Value>) {
    let (Value::Object(old), Some(Value::Object(new))) = (old, new) else {
        return;
    };
    for (name, value) in old {
        if attribute.sub_attributes.iter().all(|it| it.name != *name) {
            new.insert(name.clone(), value.clone());
        }
    }
}
