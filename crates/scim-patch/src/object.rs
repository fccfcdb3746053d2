//! JSON objects whose names are compared without letter case (RFC 7643 section 2.1).

use scim_model::Attribute;
use serde_json::{Map, Value};

/// Returns the value of an object under a name in any letter case.
pub(crate) fn value_named<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Sets the value of an object under a name in any letter case; an existing name keeps its spelling.
pub(crate) fn set_named(object: &mut Map<String, Value>, name: &str, value: Value) {
    let spelled = object.keys().find(|it| it.eq_ignore_ascii_case(name)).cloned();
    object.insert(spelled.unwrap_or_else(|| name.to_owned()), value);
}

/// Sorts sub-attributes in the order of the schema, so that equal values have equal JSON text.
pub(crate) fn in_schema_order(attribute: &Attribute, mut members: Map<String, Value>) -> Map<String, Value> {
    let place = |name: &String| attribute.sub_attributes.iter().position(|it| it.name == *name);
    if members.keys().map(place).is_sorted() {
        return members;
    }
    let mut ordered = Map::with_capacity(members.len());
    for sub in &attribute.sub_attributes {
        if let Some((name, value)) = members.shift_remove_entry(&sub.name) {
            ordered.insert(name, value);
        }
    }
    ordered.extend(members);
    ordered
}
