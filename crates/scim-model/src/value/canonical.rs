//! Values against their attribute: types, canonical form, sizes, `required` and `primary`
//! (RFC 7643 sections 2.2 to 2.5 and 7).
//!
//! The schema decides; no rule here knows an attribute's name, but for the sub-attributes whose
//! meaning RFC 7643 section 2.4 fixes: `value`, `$ref`, `type` and `primary`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::document::Document;
use crate::error::{Place, ScimError, ScimType, Sub, invalid, shortened};
use crate::schema::{Attribute, AttributeType, Format, Mutability, ResourceType, Schema, Uniqueness};
use crate::value::text;
use crate::value::{Policy, key};

/// Bytes of a string or reference.
pub const MAX_STRING: usize = 8 * 1024;
/// Bytes of a value that has to be unique.
pub const MAX_UNIQUE: usize = 1024;
/// Bytes of the base64 text of a binary value.
pub const MAX_BINARY: usize = 64 * 1024;
/// Bytes of all attributes of a resource together, members of groups not counted.
pub const MAX_DOCUMENT: usize = 1024 * 1024;

/// A value of an attribute or sub-attribute in the form that is stored and returned; `None` when it
/// is unassigned: `null`, `[]`, an object without values.
///
/// For a multi-valued attribute `value` is the whole array. `path` stands in messages, for example
/// an [`crate::AttributePath`]. readOnly sub-attributes are left out, names get the schema's
/// spelling, a dateTime without a zone becomes UTC; everything else is kept as it came.
///
/// # Errors
/// `invalidValue` for a value of another type or size, or two primary values; `invalidSyntax` for an
/// unknown sub-attribute under a strict policy.
pub fn canonical_value(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Value,
    policy: Policy,
) -> Result<Option<Value>, ScimError> {
    if !attribute.multi_valued {
        return canonical_element(attribute, path, value, policy);
    }
    let elements = match value {
        Value::Null => return Ok(None),
        Value::Array(elements) => elements,
        // OneLogin sends one e-mail address as an object, not in an array.
        Value::Object(ref members) if policy.lenient && !members.is_empty() => vec![value],
        Value::String(_) if policy.lenient => vec![value],
        other => return Err(wrong_type(path, "an array", &other)),
    };
    let mut canonical = Vec::with_capacity(elements.len());
    for element in elements {
        let says_something = element
            .as_object()
            .is_some_and(|it| it.values().any(|value| !value.is_null()));
        let element = canonical_element(attribute, path, element, policy)?;
        if let (None, true) = (&element, says_something) {
            // A member with nothing but a `display`: what counts is missing (7643-4.2-05).
            if let Some(missing) = attribute.sub_attributes.iter().find(|it| it.required) {
                return Err(invalid(&Sub(path, &missing.name), "is required"));
            }
        }
        canonical.extend(element);
    }
    drop_repeated(path, &mut canonical, policy)?;
    check_primary(attribute, path, &canonical)?;
    Ok((!canonical.is_empty()).then_some(Value::Array(canonical)))
}

/// One value: of a multi-valued attribute, one element of the array; else as [`canonical_value`].
///
/// # Errors
/// As [`canonical_value`].
pub fn canonical_element(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Value,
    policy: Policy,
) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    match (attribute.type_, &value) {
        (AttributeType::Complex, _) => return canonical_object(attribute, path, value, policy),
        (AttributeType::Boolean, Value::Bool(_)) => {}
        (AttributeType::Boolean, Value::String(text)) if policy.lenient => {
            return boolean_text(text)
                .map(|it| Some(Value::Bool(it)))
                .ok_or_else(|| invalid(path, "must be true or false"));
        }
        (AttributeType::Integer, Value::Number(number)) => {
            let lexeme = number.as_str();
            if lexeme.contains(['.', 'e', 'E']) {
                return Err(invalid(path, "must be an integer without fraction and exponent"));
            }
            if key::number(lexeme).is_none() {
                return Err(invalid(path, "must not have more than 1,000 digits"));
            }
        }
        (AttributeType::Decimal, Value::Number(number)) => {
            if key::number(number.as_str()).is_none() {
                return Err(invalid(
                    path,
                    "must be zero, or from 10^-1001 to below 10^1000, with at most 1,000 significant digits",
                ));
            }
        }
        (AttributeType::DateTime, Value::String(text)) => {
            let instant = key::date_time(text)
                .ok_or_else(|| invalid(path, "must be a date and time such as `2024-03-10T12:00:00Z`"))?;
            // What names its zone comes back as it was sent: clients compare. Without one it is UTC,
            // which readers that insist on a zone must be told.
            if !has_zone(text) {
                return Ok(Some(Value::String(instant)));
            }
        }
        (AttributeType::String | AttributeType::Reference | AttributeType::Binary, Value::String(text)) => {
            check_text(attribute, path, text, policy)?;
        }
        _ => return Err(wrong_type(path, expected(attribute.type_), &value)),
    }
    Ok(Some(value))
}

fn has_zone(date_time: &str) -> bool {
    let time = date_time.split_once(['T', 't']).map_or("", |(_, time)| time);
    time.contains(['Z', 'z', '+', '-'])
}

/// The boolean in a string of any case: Entra sends `"False"`.
pub fn boolean_text(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The id that a reference names: its `value`, else the last segment of its `$ref`.
///
/// URIs that differ in what stands before the id, the version of the API for one, name the same
/// resource (7643-2.4-06).
pub fn reference_id(value: &Map<String, Value>) -> Option<&str> {
    let text = |name| {
        value
            .get(name)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    text("value").or_else(|| text("$ref").and_then(last_segment))
}

/// The id of one member of a group in canonical form.
///
/// # Errors
/// `invalidValue` when it names none, or one that no resource can have.
pub fn member_id(path: &dyn fmt::Display, member: &Value) -> Result<Uuid, ScimError> {
    let id = member.as_object().and_then(reference_id);
    let id = id.ok_or_else(|| invalid(&Sub(path, "value"), "is required: the id of a resource"))?;
    // Only the spelling with hyphens: braces and `urn:uuid:` would be other names of the resource.
    let uuid = if id.len() == 36 {
        Uuid::try_parse(id).ok()
    } else {
        None
    };
    uuid.ok_or_else(|| {
        invalid(
            path,
            format_args!("names no resource: there is none with the id `{}`", shortened(id)),
        )
    })
}

impl Document {
    /// Whether everything that must have a value has one, `primary` is true once at most, and the
    /// whole is not too large.
    ///
    /// # Errors
    /// `invalidValue` with the path of the attribute; 413 when it is too large.
    pub fn check(&self, resource_type: &ResourceType) -> Result<(), ScimError> {
        self.check_all(resource_type, None, |_| false)
    }

    /// The same for the result of a PATCH, whose values [`canonical_value`] has seen. What was missing
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
            return Err(ScimError::status(
                413,
                format!("the resource would be larger than {MAX_DOCUMENT} bytes"),
            ));
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

/// RFC 7643 section 2.4: `primary` is true for one value at most.
pub(crate) fn check_primary(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    elements: &[Value],
) -> Result<(), ScimError> {
    let has_primary = || {
        attribute
            .sub_attribute("primary")
            .is_some_and(|it| it.type_ == AttributeType::Boolean)
    };
    let is_primary = |it: &&Value| it.get("primary") == Some(&Value::Bool(true));
    if elements.iter().filter(is_primary).nth(1).is_some() && has_primary() {
        return Err(invalid(
            &Sub(path, "primary"),
            "must be true for one value at most",
        ));
    }
    Ok(())
}

/// Says the type and not the value: it may be a secret.
pub(crate) fn wrong_type(path: &dyn fmt::Display, expected: &str, value: &Value) -> ScimError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    invalid(path, format_args!("must be {expected}, not {found}"))
}

fn expected(type_: AttributeType) -> &'static str {
    match type_ {
        AttributeType::String => "a string",
        AttributeType::Boolean => "true or false",
        AttributeType::Decimal => "a number",
        AttributeType::Integer => "an integer",
        AttributeType::DateTime => "a date and time in a string",
        AttributeType::Reference => "a URI in a string",
        AttributeType::Binary => "base64 in a string",
        AttributeType::Complex => "an object",
    }
}

fn canonical_object(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Value,
    policy: Policy,
) -> Result<Option<Value>, ScimError> {
    let members = match value {
        Value::Object(members) => members,
        // `"manager": "26118915"` stands for `{"value": "26118915"}`, and `""` for nobody.
        Value::String(text) if policy.lenient && attribute.sub_attribute("value").is_some() => {
            if text.is_empty() {
                return Ok(None);
            }
            Map::from_iter([("value".to_owned(), Value::String(text))])
        }
        other => return Err(wrong_type(path, expected(AttributeType::Complex), &other)),
    };
    let mut found: Vec<(usize, &Arc<Attribute>, Value)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let sub = attribute
            .sub_attributes
            .iter()
            .enumerate()
            .find(|(_, it)| it.name.eq_ignore_ascii_case(&name));
        let Some((index, sub)) = sub else {
            check_unknown(policy, &Sub(path, &name))?;
            continue;
        };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = canonical_value(sub, &Sub(path, &sub.name), value, policy)? {
            found.push((index, sub, value));
        }
    }
    // In the order of the schema, so that equal values are equal text (7643-2.3.8-01).
    found.sort_by_key(|(index, ..)| *index);
    let mut canonical: Map<String, Value> = found
        .into_iter()
        .map(|(_, sub, value)| (sub.name.clone(), value))
        .collect();
    if attribute.is_shown_reference() {
        // `$ref` is made from the id when it is shown.
        let id = reference_id(&canonical).map(str::to_owned);
        canonical.shift_remove("$ref");
        if let Some(id) = id {
            canonical.insert("value".to_owned(), Value::String(id));
        }
    }
    Ok((!canonical.is_empty()).then_some(Value::Object(canonical)))
}

/// Unknown attributes are ignored, or under a strict policy refused.
pub(crate) fn check_unknown(policy: Policy, path: &dyn fmt::Display) -> Result<(), ScimError> {
    if policy.lenient {
        return Ok(());
    }
    let detail = format!(
        "`{}` is no attribute of this resource type",
        shortened(&path.to_string())
    );
    Err(ScimError::new(ScimType::InvalidSyntax, detail))
}

/// RFC 7643 section 2.4: no two values of one attribute have the same `type` and `value`. Of two that do,
/// where one says all that the other says, that one stays. Two that say different things are no mistake
/// that can be mended: both stay, or a strict policy refuses them.
///
/// # Errors
/// `invalidValue` for the latter.
pub fn drop_repeated(
    path: &dyn fmt::Display,
    elements: &mut Vec<Value>,
    policy: Policy,
) -> Result<(), ScimError> {
    if elements.len() < 2 {
        return Ok(());
    }
    let mut seen: HashMap<(String, String), Vec<usize>> = HashMap::new();
    let mut kept: Vec<Value> = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        let text = |name| element.get(name).and_then(Value::as_str);
        let Some(value) = text("value") else {
            kept.push(element);
            continue;
        };
        let pair = (text("type").unwrap_or_default().to_owned(), value.to_owned());
        let places = seen.entry(pair).or_default();
        if places.iter().any(|&it| says_all(&kept[it], &element)) {
            continue;
        }
        if let Some(&place) = places.iter().find(|&&it| says_all(&element, &kept[it])) {
            kept[place] = element;
            continue;
        }
        if !policy.lenient && !places.is_empty() {
            return Err(invalid(
                path,
                "must not have two values with the same `value` and `type` that differ otherwise",
            ));
        }
        places.push(kept.len());
        kept.push(element);
    }
    *elements = kept;
    Ok(())
}

fn says_all(element: &Value, of: &Value) -> bool {
    let of = of.as_object().into_iter().flatten();
    of.into_iter()
        .all(|(name, value)| element.get(name) == Some(value))
}

fn check_text(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    text: &str,
    policy: Policy,
) -> Result<(), ScimError> {
    let limit = match attribute.type_ {
        AttributeType::Binary => MAX_BINARY,
        _ if attribute.uniqueness != Uniqueness::None => MAX_UNIQUE,
        _ => MAX_STRING,
    };
    if text.len() > limit {
        return Err(invalid(
            path,
            format_args!("must not be longer than {limit} bytes"),
        ));
    }
    match attribute.type_ {
        AttributeType::Binary if BASE64.decode(text).is_err() => {
            return Err(invalid(path, "must be base64 (RFC 4648 section 4)"));
        }
        AttributeType::Reference => check_uri(path, text, policy)?,
        _ => {}
    }
    match attribute.format {
        // Identity providers send what they have; only a strict policy insists.
        Some(Format::Country) if !policy.lenient && !is_country_code(text) => Err(invalid(
            path,
            "must be a two-letter country code of ISO 3166-1, such as `US`",
        )),
        Some(Format::Certificate) if !policy.lenient && !is_der_sequence(text) => {
            Err(invalid(path, "must be one DER certificate in base64"))
        }
        Some(Format::UserName) if !policy.lenient => check_user_name(path, text),
        _ => Ok(()),
    }
}

fn check_user_name(path: &dyn fmt::Display, text: &str) -> Result<(), ScimError> {
    match text::disallowed(text) {
        None => Ok(()),
        Some(found) => Err(invalid(
            path,
            format_args!(
                "must not hold U+{:04X}: letters, digits and visible ASCII characters are allowed (RFC 8265 section 3.3)",
                u32::from(found)
            ),
        )),
    }
}

/// The characters of RFC 3986, and letters of other scripts from clients that do not escape them.
fn check_uri(path: &dyn fmt::Display, text: &str, policy: Policy) -> Result<(), ScimError> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
            || (policy.lenient && c.is_alphanumeric())
    };
    let escapes_are_whole = || {
        text.match_indices('%').all(|(at, _)| {
            text.as_bytes()
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        })
    };
    if text.chars().all(allowed) && (policy.lenient || escapes_are_whole()) {
        return Ok(());
    }
    Err(invalid(
        path,
        "must be a URI, absolute or relative, without spaces (RFC 3986)",
    ))
}

/// Padded or not (7643-2.3.6-02).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether the octets are one DER SEQUENCE, from the first to the last, as every certificate is.
fn is_der_sequence(base64: &str) -> bool {
    let Ok(octets) = BASE64.decode(base64) else {
        return false;
    };
    let [0x30, length, rest @ ..] = octets.as_slice() else {
        return false;
    };
    let (length, content) = match usize::from(*length) {
        short @ 0..0x80 => (short, rest),
        long => {
            let Some((digits, content)) = rest
                .split_at_checked(long & 0x7f)
                .filter(|(it, _)| (1..=4).contains(&it.len()))
            else {
                return false;
            };
            (
                digits
                    .iter()
                    .fold(0, |length, &digit| length << 8 | usize::from(digit)),
                content,
            )
        }
    };
    length == content.len()
}

fn last_segment(uri: &str) -> Option<&str> {
    let path = uri
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    path.rsplit('/').next().filter(|it| !it.is_empty())
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
