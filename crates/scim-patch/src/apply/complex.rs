//! One complex value, or one element of a multi-valued attribute, in canonical form.

use scim_model::internal::{canonical_element, canonical_value, member_id, reference_id};
use scim_model::schema::Mutability;
use scim_model::{AttributePath, ScimError, ScimType};
use serde_json::{Map, Value, json};

use super::paths::with_sub;
use super::sub_values::with_added;
use crate::error::quoted;
use crate::member::{id_to_add, refuse_null};
use crate::mutability::{is_immutable, refuse_immutable, refuse_missing};
use crate::object::in_schema_order;
use crate::operation::Write;
use crate::tolerance::Tolerances;

/// Changes the named sub-attributes of a complex value. The others stay (RFC 7644 section 3.5.2.3, A-40), and `null`
/// removes one. An `add` keeps the values of a multi-valued sub-attribute.
pub(super) fn merge(
    write: Write,
    found: &AttributePath,
    mut existing: Map<String, Value>,
    named: Map<String, Value>,
    tolerances: &mut Tolerances,
) -> Result<Map<String, Value>, ScimError> {
    let attribute = &*found.attribute;
    let names_another_resource = attribute.is_shown_reference() && has_uri_only(&named);
    for (name, value) in named {
        let Some(sub) = attribute.sub_attribute(&name) else {
            if !tolerances.unknown_in_value() {
                let problem = format_args!("has no sub-attribute {}", quoted(&name));
                return Err(ScimError::at(ScimType::InvalidValue, found, problem));
            }
            continue;
        };
        if sub.mutability == Mutability::ReadOnly {
            continue; // Shown, but not stored (7643-2.4-05).
        }
        let path = with_sub(found, sub);
        let value = if sub.multi_valued {
            value
        } else {
            tolerances.array_for_single(sub, value)
        };
        let value = tolerances.boolean_text(sub, value);
        let value = canonical_value(sub, &path, value, tolerances.current())?;
        // RFC 7644 section 3.5.2.1: values are added to a multi-valued attribute.
        let value = match write {
            Write::Add if sub.multi_valued => with_added(existing.get(&sub.name), value),
            _ => value,
        };
        refuse_immutable(&path, sub, existing.get(&sub.name), value.as_ref())?;
        refuse_missing(&path, sub, value.as_ref())?;
        if is_immutable(sub) && existing.contains_key(&sub.name) {
            continue; // The same value, perhaps in another spelling: the stored spelling stays.
        }
        match value {
            Some(value) => existing.insert(sub.name.clone(), value),
            None => existing.shift_remove(&sub.name),
        };
    }
    if attribute.is_shown_reference() {
        existing = as_stored_reference(existing, names_another_resource, tolerances);
    }
    Ok(in_schema_order(attribute, existing))
}

/// Reduces a reference to its id, because `$ref` is made from the id when it is shown. A `$ref` alone names
/// another resource than the stored `value` does.
fn as_stored_reference(
    mut reference: Map<String, Value>,
    names_another_resource: bool,
    tolerances: &mut Tolerances,
) -> Map<String, Value> {
    if names_another_resource {
        reference.shift_remove("value");
    }
    let id = reference_id(&reference).map(str::to_owned);
    let uri = reference.shift_remove("$ref");
    if id.is_none() && uri.is_some_and(|it| it.as_str() == Some("")) {
        tolerances.empty_uri();
    }
    if let Some(id) = id {
        reference.insert("value".to_owned(), Value::String(id));
    }
    if tolerances.empty_merged_reference(&reference) {
        return Map::new();
    }
    reference
}

fn has_uri_only(named: &Map<String, Value>) -> bool {
    let has = |name: &str| {
        named
            .iter()
            .any(|(it, value)| it.eq_ignore_ascii_case(name) && !value.is_null())
    };
    has("$ref") && !has("value")
}

/// Returns one element of a multi-valued attribute in canonical form; `None` when it has no value.
pub(super) fn canonical(
    found: &AttributePath,
    element: Value,
    tolerances: &mut Tolerances,
) -> Result<Option<Value>, ScimError> {
    let attribute = &*found.attribute;
    tolerances.text_for_complex(attribute, &element);
    tolerances.unknown_in_element(attribute, &element);
    let element = tolerances.boolean_text(attribute, element);
    canonical_element(attribute, found, element, tolerances.current())
}

/// Returns one element of `members`, which is stored by its id alone: `type`, `$ref` and `display` come from the store
///
pub(super) fn canonical_member(
    found: &AttributePath,
    element: &Value,
    tolerances: &mut Tolerances,
) -> Result<Option<Value>, ScimError> {
    if element.is_null() {
        refuse_null(found, tolerances)?;
        return Ok(None);
    }
    let member = json!({ "value": id_to_add(found, element, tolerances)? });
    // An id in capitals is the same id. A text that is no id stays, and the store refuses it.
    let id = member_id(found, &member).ok();
    Ok(Some(id.map_or(member, |id| json!({ "value": id.to_string() }))))
}
