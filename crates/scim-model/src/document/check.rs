//! Rules for a whole document: required attributes, `primary`, and its size.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use super::{Document, MAX_DOCUMENT};
use crate::error::{Place, ScimError, Sub, invalid};
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::value::canonical::check_primary;
use crate::value::reference::reference_id;

impl Document {
    /// Whether everything that must have a value has one, `primary` is true once at most, and the
    /// whole is not too large.
    ///
    /// # Errors
    /// `invalidValue` with the path of the attribute; 413 when it is too large.
    pub fn check(&self, resource_type: &ResourceType) -> Result<(), ScimError> {
        self.check_all(resource_type, None, |_| false)
    }

    /// The same for the result of a PATCH, whose values [`canonical_value`](crate::canonical_value) has seen. What was missing
    /// before is no fault of the PATCH: an attribute that a schema has come to require must not keep a
    /// user from being deactivated.
    ///
    /// # Errors
    /// As [`Document::check`].
    pub fn check_patched(&self, resource_type: &ResourceType, before: &Document) -> Result<(), ScimError> {
        let had_none = |extension: &Schema| !before.has_extension(&extension.id);
        self.check_all(resource_type, Some(before), had_none)
    }

    /// `may_lack` tells which required extensions need no values in the document.
    pub(crate) fn check_all(
        &self,
        resource_type: &ResourceType,
        before: Option<&Document>,
        may_lack: impl Fn(&Schema) -> bool,
    ) -> Result<(), ScimError> {
        let check = |schema, extension, values, before| {
            let values = Values { values, before };
            check_schema(schema, extension, &values, resource_type)
        };
        check(&resource_type.schema, None, &self.0, before.map(|it| &it.0))?;
        for (extension, required) in &resource_type.extensions {
            let urn = &*extension.id;
            match extension_values(self, urn) {
                Some(values) => {
                    let before = before.and_then(|it| extension_values(it, urn));
                    check(extension, Some(urn), values, before)?;
                }
                None if *required && !may_lack(extension) => {
                    return Err(invalid(
                        &extension.id,
                        "is required: every resource of this type has the extension",
                    ));
                }
                None => {}
            }
        }
        // Members of groups are rows of their own, even while they stand in the document.
        let counted = |name: &str| name != "members" || !resource_type.has_members();
        let counted = self.0.iter().filter(|(name, _)| counted(name));
        let size: usize = counted.map(|(name, value)| name.len() + size(value)).sum();
        if size > MAX_DOCUMENT {
            return Err(ScimError::too_large(format!(
                "the resource would be larger than {MAX_DOCUMENT} bytes"
            )));
        }
        Ok(())
    }

    pub(crate) fn has_extension(&self, urn: &str) -> bool {
        extension_values(self, urn).is_some()
    }
}

fn extension_values<'a>(document: &'a Document, urn: &str) -> Option<&'a Map<String, Value>> {
    let values = document.0.get(urn)?.as_object()?;
    (!values.is_empty()).then_some(values)
}

/// The values of one schema's attributes, and those of the same resource before a PATCH.
struct Values<'a> {
    values: &'a Map<String, Value>,
    before: Option<&'a Map<String, Value>>,
}

impl Values<'_> {
    /// Whether it was there, and without this attribute.
    fn lacked(&self, name: &str) -> bool {
        self.before.is_some_and(|it| !has_value(it.get(name)))
    }
}

fn check_schema(
    schema: &Schema,
    extension: Option<&str>,
    values: &Values<'_>,
    resource_type: &ResourceType,
) -> Result<(), ScimError> {
    for attribute in &schema.attributes {
        let path = Place {
            extension,
            attribute: &attribute.name,
        };
        let value = values.values.get(&attribute.name);
        let elsewhere = resource_type.has_members() && attribute.name == "members";
        check_required(
            attribute,
            &path,
            value,
            elsewhere || values.lacked(&attribute.name),
        )?;
        let Some(value) = value else { continue };
        let before = values.before.and_then(|it| it.get(&attribute.name));
        match value {
            Value::Array(elements) => {
                check_primary(attribute, &path, elements)?;
                check_elements(attribute, &path, elements, before)?;
            }
            Value::Object(members) => {
                let before = before.and_then(Value::as_object);
                let values = Values {
                    values: members,
                    before,
                };
                check_sub_attributes(attribute, &path, &values)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A value that was as incomplete before is no new one; `primary` moves from one to another.
fn check_elements(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    elements: &[Value],
    before: Option<&Value>,
) -> Result<(), ScimError> {
    if !attribute.sub_attributes.iter().any(|it| it.required) {
        return Ok(());
    }
    let mut known: Option<HashSet<String>> = None;
    for members in elements.iter().filter_map(Value::as_object) {
        let values = Values {
            values: members,
            before: None,
        };
        let Err(error) = check_sub_attributes(attribute, path, &values) else {
            continue;
        };
        let known = known.get_or_insert_with(|| {
            let before = before.and_then(Value::as_array).into_iter().flatten();
            before.map(text_but_primary).collect()
        });
        if !known.contains(&text_but_primary(&Value::Object(members.clone()))) {
            return Err(error);
        }
    }
    Ok(())
}

fn text_but_primary(element: &Value) -> String {
    let mut element = element.clone();
    if let Value::Object(members) = &mut element {
        members.shift_remove("primary");
    }
    element.to_string()
}

fn check_sub_attributes(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    values: &Values<'_>,
) -> Result<(), ScimError> {
    for sub in attribute.sub_attributes.iter().filter(|it| it.required) {
        // `value` may stand in the URI.
        let derived = sub.name == "value" && reference_id(values.values).is_some();
        let excused = derived || values.lacked(&sub.name);
        check_required(sub, &Sub(path, &sub.name), values.values.get(&sub.name), excused)?;
    }
    Ok(())
}

/// RFC 7643 section 7, errata 8280 and 8281: a required attribute has a value after each write.
/// What clients cannot write, and secrets, which are in no document, cannot be asked for here.
fn check_required(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Option<&Value>,
    excused: bool,
) -> Result<(), ScimError> {
    let asked = attribute.required && attribute.mutability != Mutability::ReadOnly && !attribute.is_secret();
    if !asked || has_value(value) || excused {
        return Ok(());
    }
    Err(invalid(path, "is required and must not be empty"))
}

fn has_value(value: Option<&Value>) -> bool {
    value.is_some_and(|it| !it.is_null() && it.as_str() != Some(""))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|it| size(it) + 1).sum(),
        Value::Object(members) => members.iter().map(|(name, it)| name.len() + size(it) + 4).sum(),
    }
}
