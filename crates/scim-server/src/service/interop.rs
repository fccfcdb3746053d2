//! The rules of the SCIM interoperability profile (draft-zollner-scim-interop-profile) that go beyond the strict reading
//! of the RFCs. They apply to clients with `leniency=interop`.

use std::sync::Arc;

use scim_filter::PatchPath;
use scim_model::internal::{Op, PATCH_OP_URN};
use scim_model::schema::{Mutability, attribute_named};
use scim_model::{Attribute, AttributePath, ResourceType, ScimError, ScimType};
use scim_patch::Operation;
use serde_json::{Map, Value};

/// Checks that the body of a POST or PUT names only schemas of the resource type. Its unknown attributes are refused by
/// the strict reading.
///
/// # Errors
/// `invalidSyntax`, with the URN.
pub(super) fn check_schemas(resource_type: &ResourceType, body: &Value) -> Result<(), ScimError> {
    let unknown = named_schemas(body).find(|urn| resource_type.schema_of(urn).is_none());
    unknown.map_or(Ok(()), |urn| Err(no_schema(resource_type, urn)))
}

/// Checks that the body of a PATCH names only the schema of the message.
///
/// # Errors
/// `invalidSyntax`, with the URN.
pub(super) fn check_message_schemas(body: &Value) -> Result<(), ScimError> {
    match named_schemas(body).find(|urn| !urn.eq_ignore_ascii_case(PATCH_OP_URN)) {
        Some(urn) => Err(invalid(format!(
            "`schemas` names `{urn}`, but may name only `{PATCH_OP_URN}` in a PATCH"
        ))),
        None => Ok(()),
    }
}

fn named_schemas(body: &Value) -> impl Iterator<Item = &str> {
    let members = body.as_object().into_iter().flatten();
    let schemas = members.filter(|(name, _)| name.eq_ignore_ascii_case("schemas"));
    let urns = schemas.filter_map(|(_, value)| value.as_array()).flatten();
    urns.filter_map(Value::as_str)
}

/// Checks the operations of a PATCH. A `replace` of a complex attribute removes each sub-attribute that it does not name,
/// because in the profile nothing of the old value stays.
///
/// # Errors
/// `invalidSyntax` for an operation without `path`, for a `path` that names no attribute, and for a `value` with an
/// attribute that does not exist.
pub(super) fn check_operations(
    resource_type: &ResourceType,
    operations: &mut [Operation],
) -> Result<(), ScimError> {
    for operation in operations {
        check_operation(resource_type, operation).map_err(|mut error| {
            error.detail = format!("operation {}: {}", operation.number, error.detail);
            error
        })?;
    }
    Ok(())
}

fn check_operation(resource_type: &ResourceType, operation: &mut Operation) -> Result<(), ScimError> {
    let Some(text) = operation.path.as_ref().filter(|it| !it.trim().is_empty()) else {
        return Err(invalid("`path` is required".to_owned()));
    };
    if let Some(schema) = resource_type.extension_of(text) {
        return check_names(&schema.attributes, text, operation.value.as_ref());
    }
    if text.eq_ignore_ascii_case("schemas") {
        return check_listed_schemas(resource_type, operation.value.as_ref());
    }
    // A text that is not a path gets its error when it is applied.
    let Ok(path) = PatchPath::parse(text) else {
        return Ok(());
    };
    let Some(found) = find(resource_type, &path) else {
        return Err(invalid(format!(
            "`{text}` is not an attribute of `{}`",
            resource_type.name
        )));
    };
    check_names(&found.leaf().sub_attributes, text, operation.value.as_ref())?;
    let is_whole = matches!(path, PatchPath::Attr(_)) && found.sub.is_none();
    if operation.op == Op::Replace
        && is_whole
        && !found.attribute.multi_valued
        && let Some(Value::Object(named)) = &mut operation.value
    {
        remove_unnamed(&found.attribute.sub_attributes, named);
    }
    Ok(())
}

/// Finds the attribute or the sub-attribute that a path names. The filter in a path is checked when it is applied.
fn find(resource_type: &ResourceType, path: &PatchPath) -> Option<AttributePath> {
    match path {
        PatchPath::Attr(path) => resource_type.resolve(path),
        PatchPath::Value { value_path, sub } => {
            let mut found = resource_type.resolve(&value_path.path)?;
            if let Some(name) = sub {
                found.sub = Some(attribute_named(&found.attribute.sub_attributes, name)?.clone());
            }
            Some(found)
        }
    }
}

/// Checks that a value, or each value of an array, has only attributes that exist. A value whose type is not that of
/// the attribute gets its error when it is applied.
fn check_names(attributes: &[Arc<Attribute>], path: &str, value: Option<&Value>) -> Result<(), ScimError> {
    match value {
        Some(Value::Array(values)) => values
            .iter()
            .try_for_each(|value| check_names(attributes, path, Some(value))),
        Some(Value::Object(named)) if !attributes.is_empty() => named.iter().try_for_each(|(name, value)| {
            let attribute = attribute_named(attributes, name)
                .ok_or_else(|| invalid(format!("`{path}` has no attribute `{name}`")))?;
            check_names(&attribute.sub_attributes, name, Some(value))
        }),
        _ => Ok(()),
    }
}

fn check_listed_schemas(resource_type: &ResourceType, value: Option<&Value>) -> Result<(), ScimError> {
    let urns = match value {
        Some(Value::Array(urns)) => urns.iter(),
        Some(urn) => std::slice::from_ref(urn).iter(),
        None => return Ok(()),
    };
    let mut urns = urns.filter_map(Value::as_str);
    let unknown = urns.find(|urn| resource_type.schema_of(urn).is_none());
    unknown.map_or(Ok(()), |urn| Err(no_schema(resource_type, urn)))
}

fn remove_unnamed(attributes: &[Arc<Attribute>], named: &mut Map<String, Value>) {
    let writable = attributes
        .iter()
        .filter(|it| it.mutability != Mutability::ReadOnly);
    for attribute in writable {
        if !named.keys().any(|it| it.eq_ignore_ascii_case(&attribute.name)) {
            named.insert(attribute.name.clone(), Value::Null);
        }
    }
}

fn no_schema(resource_type: &ResourceType, urn: &str) -> ScimError {
    let name = &resource_type.name;
    invalid(format!("`schemas` names `{urn}`, which `{name}` does not have"))
}

fn invalid(detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

#[cfg(test)]
mod tests {
    use scim_model::SchemaRegistry;
    use scim_model::internal::Op;
    use serde_json::json;

    use super::*;

    /// idp-106
    #[test]
    fn a_replace_of_a_complex_attribute_removes_what_it_does_not_name() {
        let registry = SchemaRegistry::builtin();
        let user = registry.resource_type("User").expect("it is built in");
        let checked = |op: Op, path: &str, value: Value| {
            let mut operations = [Operation::new(1, op, Some(path), Some(value))];
            check_operations(user, &mut operations).expect("it keeps the rules");
            operations[0].value.clone().expect("it had a value")
        };
        let name = checked(Op::Replace, "name", json!({ "GIVENNAME": "Z" }));
        let expected = json!({
            "GIVENNAME": "Z", "formatted": null, "familyName": null, "middleName": null,
            "honorificPrefix": null, "honorificSuffix": null,
        });
        assert_eq!(name, expected);
        let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
        let value = checked(Op::Replace, manager, json!({ "value": "1" }));
        assert_eq!(
            value,
            json!({ "value": "1", "$ref": null }),
            "`displayName` is readOnly"
        );
        for (op, path, value) in [
            (Op::Add, "name", json!({ "givenName": "Z" })),
            (Op::Replace, "name.givenName", json!("Z")),
            (Op::Replace, "emails", json!([{ "value": "a@example.com" }])),
            (
                Op::Replace,
                "emails[type eq \"work\"]",
                json!({ "value": "a@example.com" }),
            ),
        ] {
            assert_eq!(checked(op, path, value.clone()), value, "{path}");
        }
    }
}
