//! What clients send beyond the RFC, one function each. Under a strict policy none of them is called.
//!
//! The traces named here are replayed as golden exchanges by the server's tests.

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, ValFilter};
use scim_model::schema::attribute_named;
use scim_model::{Attribute, AttributePath, AttributeType, ResourceType};
use serde_json::{Map, Value};

/// A tolerance that a PATCH needed, for the server to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leniency {
    /// A boolean came as `"True"` or `"False"`.
    BooleanText,
    /// A key of a value without path was a path, for example `name.givenName`.
    PathAsKey,
    /// A value was created because a filter matched none.
    CreatedFromFilter,
    /// A remove named the values to remove in `value`.
    RemoveByValue,
    /// The values to remove stood in an object under the attribute's name.
    RemoveNested,
    /// A filter came with a `value` that a remove has no use for.
    RemoveValueIgnored,
    /// A plain string stood for a complex attribute.
    TextForComplex,
    /// An object with an empty `value` cleared an attribute.
    EmptyReference,
    /// A single value came in an array.
    ArrayForSingle,
    /// A value without path spoke of readOnly attributes.
    ReadOnlyIgnored,
    /// A value spoke of unknown attributes.
    UnknownIgnored,
    /// A reference of an extension was named without its URN.
    UnqualifiedReference,
}

impl Leniency {
    /// A name for metrics, in the style of Prometheus labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Leniency::BooleanText => "boolean_text",
            Leniency::PathAsKey => "path_as_key",
            Leniency::CreatedFromFilter => "created_from_filter",
            Leniency::RemoveByValue => "remove_by_value",
            Leniency::RemoveNested => "remove_nested",
            Leniency::RemoveValueIgnored => "remove_value_ignored",
            Leniency::TextForComplex => "text_for_complex",
            Leniency::EmptyReference => "empty_reference",
            Leniency::ArrayForSingle => "array_for_single",
            Leniency::ReadOnlyIgnored => "read_only_ignored",
            Leniency::UnknownIgnored => "unknown_ignored",
            Leniency::UnqualifiedReference => "unqualified_reference",
        }
    }
}

/// Entra sends `emails[type eq "work"].value` for users without a work address and expects one to
/// be there afterwards, also for `Replace` (A-38; traces entra/add-missing-values,
/// entra/replace-missing-email, entra/roles-primary-true-string). The value is made of the terms of
/// a filter that only joins equalities by `and`; any other filter does not say what to create.
pub(crate) fn value_from_filter(filter: &ValFilter) -> Option<Map<String, Value>> {
    let terms = match filter {
        ValFilter::And(terms) => &**terms,
        single => std::slice::from_ref(single),
    };
    let mut value = Map::new();
    for term in terms {
        let ValFilter::Attr(AttrExp::Compare(path, CompareOp::Eq, operand)) = term else {
            return None;
        };
        let operand = match operand {
            CompValue::String(text) => Value::String(text.clone()),
            CompValue::Bool(it) => Value::Bool(*it),
            CompValue::Number(number) => serde_json::from_str(number.as_str()).ok()?,
            CompValue::Null => return None,
        };
        if value.keys().any(|it| it.eq_ignore_ascii_case(&path.name)) {
            return None;
        }
        value.insert(path.name.clone(), operand);
    }
    Some(value)
}

/// Entra without the flag aadOptscim062020, JumpCloud, ssosync, rauthy and older authentik remove
/// members by a list in `value` (A-39; traces entra/members-remove-several-value-array,
/// entra/members-batch-20, authentik/older-remove-by-value). The RFC knows no such value and would
/// empty the group.
///
/// Salesforce puts the list into an object under the attribute's name (trace
/// fixtures/salesforce-remove-members-object).
pub(crate) fn values_to_remove(attribute: &Attribute, value: &Value) -> (Vec<Value>, Leniency) {
    if let Value::Object(members) = value {
        let nested = members
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&attribute.name));
        if let Some((_, nested)) = nested.filter(|(name, _)| attribute.sub_attribute(name).is_none()) {
            return (listed(nested), Leniency::RemoveNested);
        }
    }
    (listed(value), Leniency::RemoveByValue)
}

fn listed(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.iter().filter(|it| !it.is_null()).cloned().collect(),
        single => vec![single.clone()],
    }
}

/// Whether a listed value names this one: by its `value` if it has one, else by all it says; the
/// nulls in it say nothing (Entra sends `"$ref": null`).
pub(crate) fn names_value(attribute: &Attribute, listed: &Value, stored: &Value) -> bool {
    match listed {
        Value::Object(listed) => {
            let member = |name: &str| {
                listed
                    .iter()
                    .find(|(it, _)| it.eq_ignore_ascii_case(name))
                    .map(|it| it.1)
            };
            let said = |name: &str| member(name).filter(|it| !it.is_null());
            if let Some(value) = said("value") {
                // The same address may stand there as work and as home.
                let same_type = said("type").is_none_or(|it| {
                    attribute.sub_attribute("$ref").is_some()
                        || stored.get("type").is_none_or(|stored| stored == it)
                });
                return stored.get("value") == Some(value) && same_type;
            }
            let mut said_any = false;
            let all = attribute.sub_attributes.iter().all(|sub| match said(&sub.name) {
                None => true,
                Some(value) => {
                    said_any = true;
                    stored.get(&sub.name) == Some(value)
                }
            });
            all && said_any
        }
        simple if attribute.type_ == AttributeType::Complex => stored.get("value") == Some(simple),
        simple => stored == simple,
    }
}

/// Older Entra and others wrap the value of a single attribute: `[{"value": "x"}]`, `["x"]`.
pub(crate) fn unwrap_single(attribute: &Attribute, value: Value) -> Value {
    let Value::Array(mut elements) = value else {
        return value;
    };
    if elements.len() != 1 {
        return Value::Array(elements);
    }
    let element = elements.remove(0);
    match element {
        Value::Object(mut members) if attribute.type_ != AttributeType::Complex => {
            members.shift_remove("value").unwrap_or(Value::Object(members))
        }
        other => other,
    }
}

/// The validator of Microsoft clears a manager with `{"value": ""}` (trace
/// entra-validator/manager-string-and-empty-string).
pub(crate) fn is_empty_reference(attribute: &Attribute, value: &Value) -> bool {
    attribute.is_shown_reference()
        && match value {
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members
                .iter()
                .any(|(name, it)| name.eq_ignore_ascii_case("value") && it.as_str() == Some("")),
            _ => false,
        }
}

/// Older Entra jobs name the manager without the URN of the extension, `"path": "manager"`. It is
/// taken for what it means if exactly one extension has a reference of that name; every other
/// attribute of an extension needs its URN.
pub(crate) fn unqualified_reference(resource_type: &ResourceType, path: &AttrPath) -> Option<AttributePath> {
    if path.urn.is_some() {
        return None;
    }
    let mut found = resource_type.extensions.iter().filter_map(|(schema, _)| {
        let attribute = attribute_named(&schema.attributes, &path.name)?;
        let sub = match &path.sub {
            None => None,
            Some(name) => Some(attribute.sub_attribute(name)?.clone()),
        };
        attribute.is_shown_reference().then(|| AttributePath {
            extension: Some(schema.id.clone()),
            attribute: attribute.clone(),
            sub,
        })
    });
    let only = found.next()?;
    found.next().is_none().then_some(only)
}
