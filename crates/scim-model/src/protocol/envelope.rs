//! Reading of the messages of RFC 7644: `schemas`, and members by their names in any case.

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType};
use crate::tolerance::Tolerances;

pub(super) fn syntax(detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

pub(super) fn message(body: &Value) -> Result<&Map<String, Value>, ScimError> {
    body.as_object()
        .ok_or_else(|| syntax("the body must be a JSON object"))
}

/// Checks that a message names its URN (RFC 7644 section 3.1).
pub(super) fn check_schemas(
    body: &Map<String, Value>,
    urn: &str,
    tolerances: &Tolerances,
) -> Result<(), ScimError> {
    let names_urn = match member(body, "schemas") {
        None => tolerances.is_lenient(),
        Some(Value::Array(urns)) => urns
            .iter()
            .filter_map(Value::as_str)
            .any(|it| it.eq_ignore_ascii_case(urn)),
        Some(_) => false,
    };
    if names_urn {
        Ok(())
    } else {
        Err(syntax(&format!("`schemas` must be an array that names `{urn}`")))
    }
}

/// Returns a member by its name in any case; `null` counts as absent.
pub(super) fn member<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.iter()
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .filter(|it| !it.is_null())
}
