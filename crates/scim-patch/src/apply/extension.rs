//! Removal of a whole extension, and writes and removals of `schemas`.
//!
//! `schemas` follows from the attributes that have values. Removing the URN of an extension from it removes
//! the attributes of the extension.

use std::fmt;
use std::sync::Arc;

use scim_model::condition::ElementCondition;
use scim_model::{Schema, ScimError, ScimType};
use serde_json::Value;

use super::paths::of_extension;
use super::state::State;
use crate::error::{invalid_value, quoted};
use crate::mutability::refuse_immutable;
use crate::operation::Write;

impl State<'_> {
    /// Removes all attributes of an extension.
    pub(super) fn remove_extension(&mut self, schema: &Schema) -> Result<(), ScimError> {
        let mut extensions = self.resource_type.extensions.iter();
        if extensions.any(|(it, is_required)| it.id == schema.id && *is_required) {
            let problem = "is required and cannot be removed";
            return Err(ScimError::at(ScimType::Mutability, &schema.id, problem));
        }
        for secret in schema.attributes.iter().filter(|it| it.is_secret()) {
            self.unassign(&of_extension(schema, secret))?;
        }
        let Some(existing) = self.document.extension(&schema.id) else {
            return Ok(());
        };
        for attribute in &schema.attributes {
            let path = format_args!("{}:{}", schema.id, attribute.name);
            refuse_immutable(&path, attribute, existing.get(&attribute.name), None)?;
        }
        self.document.remove_extension(&schema.id);
        Ok(())
    }

    pub(super) fn write_schemas(&mut self, write: Write, value: &Value) -> Result<(), ScimError> {
        let mut named = Vec::new();
        for element in elements_of(value) {
            let schema = element.as_str().and_then(|it| self.resource_type.schema_of(it));
            let schema = schema.ok_or_else(|| {
                let element = quoted(element.as_str().unwrap_or("a value that is not a string"));
                invalid_value(format!(
                    "`schemas`: {element} is not a schema of this resource type"
                ))
            })?;
            named.push(schema.id.clone());
        }
        if write == Write::Add {
            return Ok(());
        }
        if !named.contains(&self.resource_type.schema.id) {
            return Err(self.without_core_schema());
        }
        let mut removed = self.document.extensions();
        removed.retain(|it| !named.contains(it));
        self.remove_extensions(&removed)
    }

    pub(super) fn remove_schemas(&mut self, value: Option<&Value>) -> Result<(), ScimError> {
        let Some(value) = value else {
            return Err(of_schemas("is required and cannot be removed"));
        };
        let mut removed = Vec::new();
        for urn in elements_of(value).iter().filter_map(Value::as_str) {
            if urn.eq_ignore_ascii_case(&self.resource_type.schema.id) {
                return Err(self.without_core_schema());
            }
            removed.extend(self.resource_type.extension_of(urn).map(|it| it.id.clone()));
        }
        self.remove_extensions(&removed)
    }

    /// Removes the extensions whose URNs match a filter, as in `schemas[value eq "urn:…"]`.
    pub(super) fn remove_selected_schemas(&mut self, condition: &ElementCondition) -> Result<(), ScimError> {
        let is_selected = |urn: &str| condition.matches_json(&urn.into());
        if is_selected(&self.resource_type.schema.id) {
            return Err(self.without_core_schema());
        }
        let mut removed = self.document.extensions();
        removed.retain(|it| is_selected(it));
        self.remove_extensions(&removed)
    }

    fn remove_extensions(&mut self, urns: &[Arc<str>]) -> Result<(), ScimError> {
        for urn in urns {
            if let Some(schema) = self.resource_type.extension_of(urn) {
                self.remove_extension(schema)?;
            }
        }
        Ok(())
    }

    fn without_core_schema(&self) -> ScimError {
        of_schemas(format_args!("must name `{}`", self.resource_type.schema.id))
    }
}

/// An error of `mutability` of the attribute `schemas`.
fn of_schemas(problem: impl fmt::Display) -> ScimError {
    ScimError::at(ScimType::Mutability, "schemas", problem)
}

fn elements_of(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        single => std::slice::from_ref(single),
    }
}
