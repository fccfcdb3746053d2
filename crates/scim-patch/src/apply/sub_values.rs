//! The values of multi-valued sub-attributes, which are simple.

use std::collections::HashSet;
use std::sync::Arc;

use scim_model::internal::key;
use scim_model::{Attribute, AttributePath, ScimError};
use serde_json::{Map, Value};

use super::paths::with_sub;
use super::state::State;
use crate::mutability::{refuse_immutable, refuse_required};
use crate::quirks;

impl State<'_> {
    /// Returns the values that the `value` of a `remove` lists for a multi-valued sub-attribute; `None` when the whole
    /// sub-attribute is removed.
    pub(super) fn listed_of_sub(
        &mut self,
        found: &AttributePath,
        sub: &Arc<Attribute>,
        value: Option<&Value>,
    ) -> Result<Option<Vec<Value>>, ScimError> {
        let Some(value) = value.filter(|_| sub.multi_valued) else {
            return Ok(None);
        };
        let path = with_sub(found, sub);
        let listed = self.tolerances.listed_values(self.resource_type, &path, value)?;
        Ok(Some(listed))
    }
}

/// Returns the number of values of sub-attributes in a complex value, for the budget.
pub(super) fn count(complex: &Map<String, Value>) -> usize {
    complex.values().filter_map(Value::as_array).map(Vec::len).sum()
}

/// Returns the existing values and the given ones that are not among them; `None` without any.
pub(super) fn with_added(existing: Option<&Value>, given: Option<Value>) -> Option<Value> {
    let mut values = existing.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut seen: HashSet<String> = values.iter().map(Value::to_string).collect();
    if let Some(Value::Array(given)) = given {
        values.extend(given.into_iter().filter(|it| seen.insert(it.to_string())));
    }
    (!values.is_empty()).then_some(Value::Array(values))
}

/// Returns a complex value without a sub-attribute, or without the listed values of it.
///
/// # Errors
/// `mutability` if the sub-attribute is required or immutable and would lose its value.
pub(super) fn remove_from(
    path: &AttributePath,
    sub: &Attribute,
    existing: &Map<String, Value>,
    listed: Option<&[Value]>,
) -> Result<Map<String, Value>, ScimError> {
    let old = existing.get(&sub.name);
    let new = old
        .zip(listed)
        .and_then(|(old, listed)| without_listed(sub, old, listed));
    if old.is_some() && new.is_none() {
        refuse_required(path, sub)?;
    }
    refuse_immutable(path, sub, old, new.as_ref())?;
    let mut rest = existing.clone();
    match new {
        Some(new) => rest.insert(sub.name.clone(), new),
        None => rest.shift_remove(&sub.name),
    };
    Ok(rest)
}

/// Returns the existing values that are not listed, or `None` if all are.
fn without_listed(sub: &Attribute, existing: &Value, listed: &[Value]) -> Option<Value> {
    let key = |it: &Value| key::of(sub, it).map(|it| Value::from(it).to_string());
    let listed: HashSet<String> = listed
        .iter()
        .filter_map(quirks::listed_value)
        .filter_map(key)
        .collect();
    let values = existing.as_array().into_iter().flatten();
    let rest: Vec<Value> = values
        .filter(|it| key(it).is_none_or(|it| !listed.contains(&it)))
        .cloned()
        .collect();
    (!rest.is_empty()).then_some(Value::Array(rest))
}
