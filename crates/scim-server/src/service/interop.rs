//! The rules of the SCIM interoperability profile (draft-zollner-scim-interop-profile) that go beyond the strict reading
//! of the RFCs. They apply to clients with `leniency=interop`.

use scim_filter::PatchPath;
use scim_model::internal::Op;
use scim_model::{AttributeType, ResourceType, ScimError, ScimType};
use scim_patch::Operation;
use serde_json::Value;

/// Checks that the body of a POST or PUT names only schemas of the resource type. Its unknown attributes are refused by
/// the strict reading.
///
/// # Errors
/// `invalidSyntax`, with the URN.
pub(super) fn check_schemas(resource_type: &ResourceType, body: &Value) -> Result<(), ScimError> {
    let members = body.as_object().into_iter().flatten();
    let schemas = members.filter(|(name, _)| name.eq_ignore_ascii_case("schemas"));
    let named = schemas.filter_map(|(_, value)| value.as_array()).flatten();
    for urn in named.filter_map(Value::as_str) {
        if resource_type.schema_of(urn).is_none() {
            return Err(invalid(format!(
                "`schemas` names `{urn}`, which `{}` does not have",
                resource_type.name
            )));
        }
    }
    Ok(())
}

/// Checks the operations of a PATCH. A `replace` of a complex attribute becomes a removal and the `replace`, because in the
/// profile nothing of the old value stays.
///
/// # Errors
/// `invalidSyntax` for an operation without `path`, and for a `path` that names no attribute.
pub(super) fn check_operations(
    resource_type: &ResourceType,
    operations: Vec<Operation>,
) -> Result<Vec<Operation>, ScimError> {
    let mut checked = Vec::with_capacity(operations.len());
    for operation in operations {
        let number = operation.number;
        let Some(text) = &operation.path else {
            return Err(invalid(format!("operation {number}: `path` is required")));
        };
        // A URN of an extension is a path, and a text that is no path gets its error when it is applied.
        if let (None, Ok(path)) = (resource_type.extension_of(text), PatchPath::parse(text)) {
            let attribute = match &path {
                PatchPath::Attr(path) => path,
                PatchPath::Value { value_path, .. } => &value_path.path,
            };
            let Some(found) = resource_type.resolve(attribute) else {
                return Err(invalid(format!(
                    "operation {number}: `{text}` is not an attribute of `{}`",
                    resource_type.name
                )));
            };
            let is_whole = matches!(path, PatchPath::Attr(_)) && found.sub.is_none();
            let is_complex = found.attribute.type_ == AttributeType::Complex && !found.attribute.multi_valued;
            if operation.op == Op::Replace && is_whole && is_complex {
                checked.push(Operation::new(number, Op::Remove, Some(text), None));
            }
        }
        checked.push(operation);
    }
    Ok(checked)
}

fn invalid(detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}
