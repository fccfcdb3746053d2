//! Rules for a whole document: required attributes, `primary`, and the size.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use super::{Document, MAX_DOCUMENT, is_kept_elsewhere};
use crate::error::{Place, ScimError, Sub, invalid};
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::value::canonical::check_primary;
use crate::value::reference::reference_id;

impl Document {
    /// Checks that required attributes have values, that `primary` is true for one value at most, and that the
    /// whole is not larger than 1 MiB.
    ///
    /// # Errors
    /// `invalidValue` with the path of the attribute; [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
    pub fn check(&self, resource_type: &ResourceType) -> Result<(), ScimError> {
        self.check_all(resource_type, None, |_| false)
    }

    /// Checks the result of a PATCH in the same way, except that a value which was missing in `before` may still be
    /// missing: it must be possible to deactivate a user who lacks an attribute that a schema has required only since
    /// then. The values have passed `canonical_value`.
    ///
    /// # Errors
    /// The errors of [`Document::check`].
    #[doc(hidden)] // Only scim-patch calls it.
    pub fn check_patched(&self, resource_type: &ResourceType, before: &Document) -> Result<(), ScimError> {
        let had_none = |extension: &Schema| !before.has_extension(&extension.id);
        self.check_all(resource_type, Some(before), had_none)
    }

    /// Checks everything; `may_lack` decides which required extensions need no values in the document.
    pub(super) fn check_all(
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
            match self.extension(urn) {
                Some(values) => {
                    let before = before.and_then(|it| it.extension(urn));
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
        // The store keeps members of groups as rows, even while the document contains them.
        let own = self
            .0
            .iter()
            .filter(|(name, _)| !is_kept_elsewhere(resource_type, name));
        let size: usize = own.map(|(name, value)| name.len() + size(value)).sum();
        if size > MAX_DOCUMENT {
            return Err(ScimError::too_large(format!(
                "the resource would be larger than {MAX_DOCUMENT} bytes"
            )));
        }
        Ok(())
    }
}

/// The values of one schema's attributes, and those of the same resource before a PATCH.
struct Values<'a> {
    values: &'a Map<String, Value>,
    before: Option<&'a Map<String, Value>>,
}

impl Values<'_> {
    /// Whether the resource existed before, without this attribute.
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
        let excused = is_kept_elsewhere(resource_type, &attribute.name) || values.lacked(&attribute.name);
        check_required(attribute, &path, value, excused)?;
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

/// Checks each value of a multi-valued attribute. An incomplete value is accepted if it was there before,
/// whatever its `primary`, which a PATCH moves from one value to another.
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
            before.map(text_without_primary).collect()
        });
        if !known.contains(&text_without_primary(&Value::Object(members.clone()))) {
            return Err(error);
        }
    }
    Ok(())
}

fn text_without_primary(element: &Value) -> String {
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
        // The URI may contain the `value`.
        let derived = sub.name == "value" && reference_id(values.values).is_some();
        let excused = derived || values.lacked(&sub.name);
        check_required(sub, &Sub(path, &sub.name), values.values.get(&sub.name), excused)?;
    }
    Ok(())
}

/// RFC 7643 section 7, errata 8280 and 8281: a required attribute has a value after each write. Attributes
/// that clients cannot write, and secrets, which are in no document, are not checked here.
fn check_required(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Option<&Value>,
    excused: bool,
) -> Result<(), ScimError> {
    let checked =
        attribute.required && attribute.mutability != Mutability::ReadOnly && !attribute.is_secret();
    if !checked || has_value(value) || excused {
        return Ok(());
    }
    Err(invalid(path, "is required and must not be empty"))
}

fn has_value(value: Option<&Value>) -> bool {
    value.is_some_and(|it| !it.is_null() && it.as_str() != Some(""))
}

/// The approximate length of a value's JSON text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|it| size(it) + 1).sum(),
        Value::Object(members) => members.iter().map(|(name, it)| name.len() + size(it) + 4).sum(),
    }
}
