//! Bodies of POST requests, and the reading of a body that POST and PUT share.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::unfold::unfold;
use super::{Document, Sent, core_attribute, extension_index};
use crate::error::{Place, ScimError, ScimType, invalid};
use crate::schema::{Attribute, AttributePath, Mutability, ResourceType, Returned, Schema};
use crate::secret::{ClearText, SentSecrets};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::canonical::{canonical_value, check_unknown, is_stored_user_name, wrong_type};
use crate::value::policy::Policy;
use crate::value::reference::member_id;

impl Document {
    /// Reads the body of a POST into canonical form (RFC 7644 section 3.3). readOnly attributes are ignored,
    /// and everything else is checked.
    ///
    /// # Errors
    /// `invalidSyntax` for a body that is not a resource of this type, `invalidValue` for a value that does
    /// not fit its attribute or is missing; the error has the full path of the attribute.
    pub fn for_create(resource_type: &ResourceType, body: Value, policy: Policy) -> Result<Sent, ScimError> {
        let tolerances = Tolerances::new(policy);
        let body = unfold(resource_type, body, &tolerances)?;
        let sent = read(resource_type, None, body, &tolerances)?;
        check_secrets(resource_type, &sent, true)?;
        // Secrets are not in the document, and may be all that an extension has.
        let has_secret = |extension: &Schema| sent.has_secret_of(&extension.id);
        sent.document.check_all(resource_type, None, has_secret)?;
        Ok(sent)
    }
}

impl Sent {
    pub(super) fn has_secret_of(&self, extension: &str) -> bool {
        let is_within = |path: &str| path.strip_prefix(extension).is_some_and(|it| it.starts_with(':'));
        let mut secrets = self.secrets.iter();
        secrets.any(|(path, secret)| is_within(path) && secret.is_some())
    }
}

/// Reads a body as attributes of the type, in place of `current` if it replaces a resource. Required attributes are not
/// checked yet.
pub(super) fn read(
    resource_type: &ResourceType,
    current: Option<&Document>,
    body: Value,
    tolerances: &Tolerances,
) -> Result<Sent, ScimError> {
    let Value::Object(body) = body else {
        return Err(ScimError::new(
            ScimType::InvalidSyntax,
            "the body must be a JSON object",
        ));
    };
    check_schemas(resource_type, &body, tolerances)?;
    let mut sent = Sent {
        document: Document::default(),
        members: None,
        member_types: Vec::new(),
        secrets: SentSecrets::new(),
        requested: Vec::new(),
        tolerances: Vec::new(),
    };
    let mut core = Found::replacing(current.map(|it| &it.0));
    let mut extensions: Vec<(usize, Map<String, Value>)> = Vec::new();
    for (name, value) in body {
        if name.eq_ignore_ascii_case("schemas") {
            // Checked above. A document's `schemas` is derived from its values.
        } else if let Some((index, attribute)) = core_attribute(resource_type, &name) {
            core.take(
                &mut sent,
                Place {
                    extension: None,
                    attribute: &attribute.name,
                },
                index,
                attribute,
                value,
                tolerances,
            )?;
        } else if let Some(index) = extension_index(resource_type, &name) {
            let urn = &resource_type.extensions[index].0.id;
            match value {
                Value::Null => {}
                Value::Object(members) => extensions.push((index, members)),
                other => return Err(wrong_type(urn, "an object", &other)),
            }
        } else {
            check_unknown(tolerances, &name)?;
        }
    }
    sent.document.0 = core.in_order();
    extensions.sort_by_key(|(index, _)| *index);
    for (index, members) in extensions {
        let schema = &resource_type.extensions[index].0;
        let current = current.and_then(|it| it.extension(&schema.id));
        let values = read_extension(schema, current, members, &mut sent, tolerances)?;
        if !values.is_empty() {
            sent.document
                .0
                .insert(schema.id.to_string(), Value::Object(values));
        }
    }
    if resource_type.has_members() {
        take_members(&mut sent)?;
    }
    sent.tolerances = tolerances.take();
    Ok(sent)
}

fn read_extension(
    schema: &Arc<Schema>,
    current: Option<&Map<String, Value>>,
    members: Map<String, Value>,
    sent: &mut Sent,
    tolerances: &Tolerances,
) -> Result<Map<String, Value>, ScimError> {
    let mut found = Found::replacing(current);
    for (name, value) in members {
        let attribute = schema
            .attributes
            .iter()
            .enumerate()
            .find(|(_, it)| it.name.eq_ignore_ascii_case(&name));
        let place = Place {
            extension: Some(&schema.id),
            attribute: &name,
        };
        match attribute {
            Some((index, attribute)) => {
                let place = Place {
                    attribute: &attribute.name,
                    ..place
                };
                found.take(sent, place, index, attribute, value, tolerances)?;
            }
            None => check_unknown(tolerances, &place)?,
        }
    }
    Ok(found.in_order())
}

/// Values, each with the position of its attribute in the schema.
struct Found<'a> {
    values: Vec<(usize, String, Value)>,
    /// The stored values that are replaced.
    current: Option<&'a Map<String, Value>>,
}

impl<'a> Found<'a> {
    fn replacing(current: Option<&'a Map<String, Value>>) -> Found<'a> {
        Found {
            values: Vec::new(),
            current,
        }
    }

    fn take(
        &mut self,
        sent: &mut Sent,
        place: Place<'_>,
        index: usize,
        attribute: &Arc<Attribute>,
        value: Value,
        tolerances: &Tolerances,
    ) -> Result<(), ScimError> {
        // RFC 7644 sections 3.3 and 3.5.1: readOnly attributes are ignored.
        if attribute.mutability == Mutability::ReadOnly {
            return Ok(());
        }
        let stored = self.current.and_then(|it| it.get(&attribute.name));
        let value = match is_stored_user_name(attribute, stored, &value) {
            true => Some(value),
            false => canonical_value(attribute, &place, value, tolerances)?,
        };
        if attribute.is_secret() {
            sent.secrets.insert(place.to_string(), clear_text(value));
            return Ok(());
        }
        let Some(value) = value else {
            return Ok(());
        };
        note_requested(&mut sent.requested, place.extension, attribute, &value);
        self.values.push((index, attribute.name.clone(), value));
        Ok(())
    }

    fn in_order(mut self) -> Map<String, Value> {
        self.values.sort_by_key(|(index, ..)| *index);
        self.values
            .into_iter()
            .map(|(_, name, value)| (name, value))
            .collect()
    }
}

fn note_requested(
    requested: &mut Vec<AttributePath>,
    extension: Option<&str>,
    attribute: &Arc<Attribute>,
    value: &Value,
) {
    let path = |sub| AttributePath {
        extension: extension.map(Into::into),
        attribute: attribute.clone(),
        sub,
    };
    if attribute.returned == Returned::Request {
        requested.push(path(None));
    }
    for sub in attribute
        .sub_attributes
        .iter()
        .filter(|it| it.returned == Returned::Request)
    {
        let has_sub = |it: &Value| it.get(&sub.name).is_some();
        if has_sub(value)
            || value
                .as_array()
                .is_some_and(|elements| elements.iter().any(has_sub))
        {
            requested.push(path(Some(sub.clone())));
        }
    }
}

/// RFC 7643 sections 3 and 3.3: `schemas` names at least the core schema.
///
/// Older clients name `urn:scim:schemas:core:1.0` or nothing (Google, OneLogin), and WSO2 sends an empty list. The
/// lenient policy accepts that if the document fits. It still refuses a list of known schemas without the core
/// schema.
fn check_schemas(
    resource_type: &ResourceType,
    body: &Map<String, Value>,
    tolerances: &Tolerances,
) -> Result<(), ScimError> {
    let core = &resource_type.schema.id;
    let refused = |problem: &str| {
        Err(ScimError::new(
            ScimType::InvalidSyntax,
            format!("`schemas` {problem}: it must be an array that names `{core}`"),
        ))
    };
    let schemas = body
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("schemas"))
        .map(|(_, value)| value);
    let urns = match schemas {
        None if tolerances.allow(Tolerance::MissingSchemas) => return Ok(()),
        None => return refused("is missing"),
        Some(value) if is_empty(value) && tolerances.allow(Tolerance::EmptySchemas) => return Ok(()),
        Some(Value::Array(urns)) if urns.is_empty() => return refused("is empty"),
        Some(Value::Array(urns)) => urns,
        Some(_) => return refused("is not an array"),
    };
    let mut names_core = false;
    let mut names_known = false;
    for urn in urns {
        let Value::String(urn) = urn else {
            return refused("has an element that is not a string");
        };
        names_core |= urn.eq_ignore_ascii_case(core);
        names_known |= extension_index(resource_type, urn).is_some()
            || urn.starts_with("urn:ietf:params:scim:schemas:core:2.0:");
    }
    if names_core || (!names_known && tolerances.allow(Tolerance::OtherSchemas)) {
        Ok(())
    } else {
        refused("does not name the core schema")
    }
}

/// RFC 7643 section 2.5: `null` and an empty array are one state.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn take_members(sent: &mut Sent) -> Result<(), ScimError> {
    let Some(Value::Array(members)) = sent.document.0.shift_remove("members") else {
        return Ok(());
    };
    let mut ids = Vec::with_capacity(members.len());
    let mut seen = HashSet::with_capacity(members.len());
    for member in &members {
        let id = member_id(&"members", member)?;
        if let Some(type_) = member.get("type").and_then(Value::as_str) {
            sent.member_types.push((id, type_.to_owned()));
        }
        if seen.insert(id) {
            ids.push(id);
        }
    }
    sent.members = Some(ids);
    Ok(())
}

/// The value of a secret attribute, which is a string.
fn clear_text(value: Option<Value>) -> Option<ClearText> {
    match value {
        Some(Value::String(text)) => Some(ClearText::new(text)),
        _ => None,
    }
}

/// Checks for required secrets. [`Document::check`] cannot, because they are in no document.
pub(super) fn check_secrets(
    resource_type: &ResourceType,
    sent: &Sent,
    is_new: bool,
) -> Result<(), ScimError> {
    for (extension, schema) in resource_type.parts() {
        let is_present = |urn: &Arc<str>| sent.document.has_extension(urn) || sent.has_secret_of(urn);
        let is_expected = is_new && extension.is_none_or(is_present);
        let required = schema
            .attributes
            .iter()
            .filter(|it| it.required && it.is_secret());
        for attribute in required {
            let place = Place {
                extension: extension.map(|it| &**it),
                attribute: &attribute.name,
            };
            let is_missing = match sent.secrets.get(&place.to_string()) {
                Some(value) => value.as_ref().is_none_or(ClearText::is_empty),
                None => is_expected,
            };
            if is_missing {
                return Err(invalid(&place, "is required and must not be empty"));
            }
        }
    }
    Ok(())
}
