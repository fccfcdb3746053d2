//! Values in the canonical form of their attribute (RFC 7643 sections 2.2 to 2.5 and 7).
//!
//! The schema decides. The only names that a rule here knows are those of the sub-attributes with a meaning in
//! RFC 7643 section 2.4: `value`, `$ref`, `type` and `primary`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::error::{ScimError, ScimType, Sub, invalid, shortened};
use crate::schema::{Attribute, AttributeType, Format, Mutability};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::format::check_text;
use crate::value::key;
use crate::value::policy::Policy;
use crate::value::reference::reference_id;

/// Converts a value of an attribute or sub-attribute to the form that is stored and returned; `None` when it is
/// unassigned: `null`, `[]`, or an object without values.
///
/// For a multi-valued attribute `value` is the whole array. Errors name `path`, for example an
/// [`crate::AttributePath`]. readOnly sub-attributes are left out, names get the schema's spelling, and a
/// dateTime without a zone becomes UTC; everything else stays as it was sent.
///
/// # Errors
/// `invalidValue` for a value of the wrong type or size, and for two primary values; `invalidSyntax` for an
/// unknown sub-attribute under a strict policy.
pub fn canonical_value(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Value,
    tolerances: &Tolerances,
) -> Result<Option<Value>, ScimError> {
    if !attribute.multi_valued {
        return canonical_element(attribute, path, value, tolerances);
    }
    let elements = match value {
        Value::Null => return Ok(None),
        Value::Array(elements) => elements,
        // OneLogin sends one e-mail address as an object, not in an array.
        Value::Object(ref members) if !members.is_empty() && tolerances.allow(Tolerance::SingleForArray) => {
            vec![value]
        }
        Value::String(_) if tolerances.allow(Tolerance::SingleForArray) => vec![value],
        other => return Err(wrong_type(path, "an array", &other)),
    };
    let mut canonical = Vec::with_capacity(elements.len());
    for element in elements {
        let is_assigned = element
            .as_object()
            .is_some_and(|it| it.values().any(|value| !value.is_null()));
        let element = canonical_element(attribute, path, element, tolerances)?;
        if let (None, true) = (&element, is_assigned) {
            // For example a member of a group with `display` alone (7643-4.2-05).
            if let Some(missing) = attribute.sub_attributes.iter().find(|it| it.required) {
                return Err(invalid(&Sub(path, &missing.name), "is required"));
            }
        }
        canonical.extend(element);
    }
    drop_repeated(path, &mut canonical, tolerances.policy())?;
    check_primary(attribute, path, &canonical)?;
    Ok((!canonical.is_empty()).then_some(Value::Array(canonical)))
}

/// Converts one value: for a multi-valued attribute an element of the array, and otherwise like [`canonical_value`].
///
/// # Errors
/// The errors of [`canonical_value`].
pub fn canonical_element(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    value: Value,
    tolerances: &Tolerances,
) -> Result<Option<Value>, ScimError> {
    let value = value_of_simple(attribute, value, tolerances);
    if value.is_null() {
        // RFC 7643 section 2.5 makes `null` and absence one state of an attribute. Its values have no such state.
        if attribute.multi_valued && !tolerances.allow(Tolerance::NullElement) {
            return Err(invalid(path, "must not have null among its values"));
        }
        return Ok(None);
    }
    match (attribute.type_, &value) {
        (AttributeType::Complex, _) => return canonical_object(attribute, path, value, tolerances),
        (AttributeType::Boolean, Value::Bool(_)) => {}
        (AttributeType::Boolean, Value::String(text)) if tolerances.is_lenient() => {
            let boolean = boolean_text(text).ok_or_else(|| invalid(path, "must be true or false"))?;
            tolerances.allow(Tolerance::BooleanText);
            return Ok(Some(Value::Bool(boolean)));
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
        (AttributeType::Integer | AttributeType::Decimal, Value::String(text)) => {
            let number =
                number_text(attribute.type_, text).filter(|_| tolerances.allow(Tolerance::NumberText));
            let Some(number) = number else {
                return Err(wrong_type(path, expected(attribute.type_), &value));
            };
            return canonical_element(attribute, path, Value::Number(number), tolerances);
        }
        (AttributeType::DateTime, Value::String(text)) => {
            let instant = key::date_time(text)
                .ok_or_else(|| invalid(path, "must be a date and time such as `2024-03-10T12:00:00Z`"))?;
            // A value with a zone is returned as it was sent, because clients compare. One without a zone is
            // UTC, and says so for readers that require a zone.
            if !has_zone(text) {
                return Ok(Some(Value::String(instant)));
            }
        }
        (AttributeType::String | AttributeType::Reference | AttributeType::Binary, Value::String(text)) => {
            check_text(attribute, path, text, tolerances.policy())?;
        }
        _ => return Err(wrong_type(path, expected(attribute.type_), &value)),
    }
    Ok(Some(value))
}

/// Returns whether a value repeats a stored user name, which is accepted without a check. A name that was stored
/// before a rule existed would otherwise prevent a client from deactivating the user with the rest of the resource.
pub fn is_stored_user_name(attribute: &Attribute, stored: Option<&Value>, value: &Value) -> bool {
    attribute.format == Some(Format::UserName) && stored == Some(value)
}

fn has_zone(date_time: &str) -> bool {
    let time = date_time.split_once(['T', 't']).map_or("", |(_, time)| time);
    time.contains(['Z', 'z', '+', '-'])
}

/// Reads a boolean from a string in any case: Entra sends `"False"`.
pub fn boolean_text(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads a number from a string, as Entra sends those of custom extensions. The text has to be unambiguous: digits
/// without superfluous zeros, with an optional minus, and for a decimal with an optional fraction.
pub fn number_text(type_: AttributeType, text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) if type_ == AttributeType::Decimal => (whole, Some(fraction)),
        _ => (unsigned, None),
    };
    let are_digits = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let is_clean =
        are_digits(whole) && fraction.is_none_or(are_digits) && (whole == "0" || !whole.starts_with('0'));
    if is_clean { text.parse().ok() } else { None }
}

/// Takes the value out of `{"value": …}`, which clients send for each value of a simple multi-valued attribute too.
fn value_of_simple(attribute: &Attribute, value: Value, tolerances: &Tolerances) -> Value {
    let Value::Object(mut members) = value else {
        return value;
    };
    if attribute.has_simple_values() {
        let name = members
            .keys()
            .find(|it| it.eq_ignore_ascii_case("value"))
            .cloned();
        if let Some(name) = name.filter(|_| tolerances.allow(Tolerance::ValueOfSimple)) {
            return members.shift_remove(&name).unwrap_or_default();
        }
    }
    Value::Object(members)
}

/// Checks that `primary` is true for one value at most (RFC 7643 section 2.4).
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

/// An error that names the type and not the value, which may be a secret.
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
    tolerances: &Tolerances,
) -> Result<Option<Value>, ScimError> {
    let members = match value {
        Value::Object(members) => members,
        // `"manager": "26118915"` means `{"value": "26118915"}`, and `""` means no manager.
        Value::String(text)
            if attribute.sub_attribute("value").is_some() && tolerances.allow(Tolerance::TextForComplex) =>
        {
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
            check_unknown(tolerances, &Sub(path, &name))?;
            continue;
        };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = canonical_value(sub, &Sub(path, &sub.name), value, tolerances)? {
            found.push((index, sub, value));
        }
    }
    // In the order of the schema, so that equal values are equal text (7643-2.3.8-01).
    found.sort_by_key(|(index, ..)| *index);
    let mut canonical: Map<String, Value> = found
        .into_iter()
        .map(|(_, sub, value)| (sub.name.clone(), value))
        .collect();
    if is_empty_reference(attribute, &canonical) && tolerances.allow(Tolerance::EmptyReference) {
        return Ok(None);
    }
    if attribute.is_shown_reference() {
        // A response builds `$ref` from the id.
        let id = reference_id(&canonical).map(str::to_owned);
        canonical.shift_remove("$ref");
        if let Some(id) = id {
            canonical.insert("value".to_owned(), Value::String(id));
        }
    }
    Ok((!canonical.is_empty()).then_some(Value::Object(canonical)))
}

/// Returns whether a value is an empty reference: the text in its `value` is empty, or it has only a `$ref`, whose
/// text is empty. A member of a group is not: it is refused, because it has to have a `value`.
///
/// AWS's identity sync sends `"manager": {"value": ""}` for a user without manager (trace
/// `aws-idp-scim-sync/empty-manager-on-create`). A `$ref` in the same object belongs to the cleared reference.
fn is_empty_reference(attribute: &Attribute, reference: &Map<String, Value>) -> bool {
    let is_optional = || attribute.sub_attribute("value").is_some_and(|it| !it.required);
    let refers = attribute.is_shown_reference() || (attribute.is_reference_set() && is_optional());
    let id = reference.get("value").or_else(|| reference.get("$ref"));
    refers && id.is_some_and(|it| it.as_str() == Some(""))
}

/// Ignores an unknown attribute, or refuses it under a strict policy.
pub(crate) fn check_unknown(tolerances: &Tolerances, path: &dyn fmt::Display) -> Result<(), ScimError> {
    if tolerances.allow(Tolerance::UnknownIgnored) {
        return Ok(());
    }
    let path = shortened(&path.to_string());
    let problem = "is not an attribute of this resource type";
    Err(ScimError::at(ScimType::InvalidSyntax, path, problem))
}

/// Drops repeated values. RFC 7643 section 2.4: no two values of one attribute have the same `type` and
/// `value`. Of two that do, the one that contains all sub-attributes of the other stays. If neither does, both
/// stay, unless a strict policy refuses them.
///
/// # Errors
/// `invalidValue` under a strict policy, for two values that differ in another sub-attribute.
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
        if places.iter().any(|&it| contains_all(&kept[it], &element)) {
            continue;
        }
        if let Some(&place) = places.iter().find(|&&it| contains_all(&element, &kept[it])) {
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

fn contains_all(element: &Value, of: &Value) -> bool {
    let of = of.as_object().into_iter().flatten();
    of.into_iter()
        .all(|(name, value)| element.get(name) == Some(value))
}
