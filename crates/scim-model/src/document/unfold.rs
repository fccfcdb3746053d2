//! Bodies whose keys name attributes together with the URN of their schema.
//!
//! RFC 7643 section 3.3 defines one kind of key with a URN: that of an extension, as the key of an object. Applivery
//! and Laravel's clients put core attributes into an object under the URN of the core schema (trace
//! `applivery/core-urn-container`); ConnId writes an extension attribute as one key (trace
//! `syncope/dot-after-extension-urn`). A lenient policy converts both to the form of the RFC. A key with a known URN
//! is never ignored as an unknown attribute: its value would be lost in a response that reports success.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, shortened};
use crate::notation::{after_urn, schema_named};
use crate::schema::{ResourceType, Schema, attribute_named};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::canonical::wrong_type;

/// Returns the body with each attribute in the place that RFC 7643 defines.
///
/// # Errors
/// `invalidSyntax` for a key with the URN of a schema that lacks the attribute, and for two different values of one
/// attribute; `invalidValue` for a core schema that is not an object.
pub(super) fn unfold(
    resource_type: &ResourceType,
    body: Value,
    tolerances: &Tolerances,
) -> Result<Value, ScimError> {
    let Value::Object(members) = body else {
        return Ok(body);
    };
    if !tolerances.is_lenient() || !needs_unfolding(resource_type, &members) {
        return Ok(Value::Object(members));
    }
    let mut unfolded = Map::new();
    let mut waiting: VecDeque<(String, Value)> = members.into_iter().collect();
    while let Some((name, value)) = waiting.pop_front() {
        let Some((schema, rest)) = after_urn(resource_type, &name) else {
            put(&mut unfolded, &[&name], value)?;
            continue;
        };
        let is_core = schema.id == resource_type.schema.id;
        match (rest.is_empty(), value) {
            (true, Value::Object(inner)) if is_core => {
                tolerances.allow(Tolerance::CoreUrnContainer);
                let with_urn = put_members(resource_type, schema, inner, &mut unfolded, tolerances)?;
                waiting.extend(with_urn);
            }
            (true, Value::Null) if is_core => {}
            (true, other) if is_core => return Err(wrong_type(&schema.id, "an object", &other)),
            (true, Value::Object(inner)) => {
                put(&mut unfolded, &[&schema.id], Value::Object(Map::new()))?;
                let with_urn = put_members(resource_type, schema, inner, &mut unfolded, tolerances)?;
                waiting.extend(with_urn);
            }
            (true, other) => put(&mut unfolded, &[&name], other)?,
            (false, value) => {
                let path = attribute_path(resource_type, schema, &rest[1..], tolerances);
                let path = path.ok_or_else(|| {
                    let problem = "is not an attribute of this resource type";
                    ScimError::at(ScimType::InvalidSyntax, shortened(&name), problem)
                })?;
                tolerances.allow(match rest.starts_with('.') {
                    true => Tolerance::DotAfterUrn,
                    false => Tolerance::QualifiedKey,
                });
                put(&mut unfolded, &path, value)?;
            }
        }
    }
    Ok(Value::Object(unfolded))
}

/// Moves the members of an object under the URN of a schema to the place that RFC 7643 defines, and returns the
/// members whose names begin with another URN. An unknown name stays in the object, where it is an unknown attribute
/// like any other.
fn put_members(
    resource_type: &ResourceType,
    schema: &Schema,
    members: Map<String, Value>,
    unfolded: &mut Map<String, Value>,
    tolerances: &Tolerances,
) -> Result<Vec<(String, Value)>, ScimError> {
    let mut with_urn = Vec::new();
    for (name, value) in members {
        if schema_named(resource_type, &name).is_some() {
            if schema.id != resource_type.schema.id {
                tolerances.allow(Tolerance::QualifiedKey);
            }
            with_urn.push((name, value));
            continue;
        }
        match attribute_path(resource_type, schema, &name, tolerances) {
            Some(path) => {
                if name.contains('.') {
                    tolerances.allow(Tolerance::PathAsKey);
                }
                put(unfolded, &path, value)?;
            }
            None if schema.id == resource_type.schema.id => put(unfolded, &[&name], value)?,
            None => put(unfolded, &[&schema.id, &name], value)?,
        }
    }
    Ok(with_urn)
}

/// Whether any key is in another place than RFC 7643 defines.
fn needs_unfolding(resource_type: &ResourceType, body: &Map<String, Value>) -> bool {
    body.iter()
        .any(|(name, value)| match after_urn(resource_type, name) {
            None => false,
            Some((schema, "")) if schema.id != resource_type.schema.id => {
                let is_plain = |it: &String| attribute_named(&schema.attributes, it).is_some();
                let inner = value.as_object();
                inner.is_some_and(|it| !it.keys().all(is_plain))
            }
            Some(_) => true,
        })
}

/// Returns the keys from the root of the resource to an attribute or sub-attribute of a schema; `None` if the schema has
/// no such attribute.
fn attribute_path<'a>(
    resource_type: &'a ResourceType,
    schema: &'a Schema,
    path: &str,
    tolerances: &Tolerances,
) -> Option<Vec<&'a str>> {
    let is_core = schema.id == resource_type.schema.id;
    let (name, sub) = path
        .split_once('.')
        .map_or((path, None), |(name, sub)| (name, Some(sub)));
    let attribute = match is_core {
        true => resource_type.core_attribute(name),
        false => attribute_named(&schema.attributes, name),
    }?;
    let mut keys = Vec::new();
    if !is_core {
        keys.push(&*schema.id);
    }
    keys.push(attribute.name.as_str());
    match sub {
        Some(sub) if attribute.has_simple_values() && sub.eq_ignore_ascii_case("value") => {
            tolerances.allow(Tolerance::ValueOfSimple);
        }
        Some(sub) => {
            let simple = sub
                .rsplit_once('.')
                .filter(|(_, last)| last.eq_ignore_ascii_case("value"))
                .and_then(|(name, _)| attribute.sub_attribute(name))
                .filter(|it| it.has_simple_values() && tolerances.allow(Tolerance::ValueOfSimple));
            keys.push(&simple.or_else(|| attribute.sub_attribute(sub))?.name);
        }
        None => {}
    }
    Some(keys)
}

/// Adds a value. The members of two objects at one place are joined.
fn put(members: &mut Map<String, Value>, keys: &[&str], value: Value) -> Result<(), ScimError> {
    let Some((key, rest)) = keys.split_first() else {
        return Ok(());
    };
    let spelled = members.keys().find(|it| it.eq_ignore_ascii_case(key)).cloned();
    let value = match rest {
        [] => value,
        rest => {
            let mut inner = Map::new();
            put(&mut inner, rest, value)?;
            Value::Object(inner)
        }
    };
    match spelled.and_then(|it| members.get_mut(&it)) {
        None => _ = members.insert((*key).to_owned(), value),
        Some(existing) if *existing == value => {}
        Some(Value::Object(existing)) => {
            let Value::Object(value) = value else {
                return Err(given_twice(key));
            };
            for (name, value) in value {
                put(existing, &[&name], value)?;
            }
        }
        Some(_) => return Err(given_twice(key)),
    }
    Ok(())
}

fn given_twice(key: &str) -> ScimError {
    ScimError::at(
        ScimType::InvalidSyntax,
        shortened(key),
        "has two different values in the body",
    )
}
