//! Reading of the messages of RFC 7644: `schemas`, and members by their names in any case.

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType};
use crate::tolerance::{Tolerance, Tolerances};

pub(super) fn syntax(detail: &str) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

pub(super) fn message(body: &Value) -> Result<&Map<String, Value>, ScimError> {
    body.as_object()
        .ok_or_else(|| syntax("the body must be a JSON object"))
}

/// Checks that a message names its URN (RFC 7644 section 3.1). Clients leave `schemas` out (JumpCloud), or send it
/// empty (WSO2, trace `wso2/patch-schemas-empty-array`). `other` decides whether an array of other URNs is accepted,
/// which depends on the message.
///
/// # Errors
/// `invalidSyntax`
pub(super) fn check_schemas(
    body: &Map<String, Value>,
    urn: &str,
    other: impl Fn(&[Value]) -> bool,
    tolerances: &Tolerances,
) -> Result<(), ScimError> {
    let schemas = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas"));
    let is_urn = |it: &Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case(urn));
    let is_accepted = match schemas.map(|(_, value)| value) {
        None => tolerances.allow(Tolerance::MissingSchemas),
        Some(Value::Null) => tolerances.allow(Tolerance::EmptySchemas),
        Some(Value::Array(urns)) if urns.is_empty() => tolerances.allow(Tolerance::EmptySchemas),
        Some(Value::Array(urns)) => urns.iter().any(is_urn) || other(urns),
        Some(_) => false,
    };
    if is_accepted {
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
