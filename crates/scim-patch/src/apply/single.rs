//! Writes and removals of attributes with a single value.

use std::sync::Arc;

use scim_model::internal::{canonical_value, is_stored_user_name};
use scim_model::{Attribute, AttributePath, AttributeType, ScimError};
use serde_json::{Map, Value};

use super::complex::merge;
use super::paths::with_sub;
use super::state::State;
use super::sub_values::{count, remove_from};
use crate::mutability::{is_immutable, refuse_immutable, refuse_missing, refuse_required};
use crate::operation::Write;

impl State<'_> {
    /// Writes a value; of a complex one, the named sub-attributes.
    pub(super) fn write_single(
        &mut self,
        write: Write,
        found: &AttributePath,
        value: Value,
    ) -> Result<(), ScimError> {
        let attribute = &found.attribute;
        let value = self.tolerances.array_for_single(attribute, value);
        if self.tolerances.empty_reference(attribute, &value) {
            return self.assign(found, None);
        }
        if is_stored_user_name(attribute, self.document.get(found), &value) {
            return self.assign(found, Some(value));
        }
        self.tolerances.text_for_complex(attribute, &value);
        match self.tolerances.boolean_text(attribute, value) {
            Value::Object(named) if attribute.type_ == AttributeType::Complex => {
                self.merge_single(write, found, named)
            }
            value => {
                let value = canonical_value(attribute, found, value, self.tolerances.current())?;
                self.assign(found, value)
            }
        }
    }

    /// Changes the named sub-attributes of a complex value.
    pub(super) fn merge_single(
        &mut self,
        write: Write,
        found: &AttributePath,
        named: Map<String, Value>,
    ) -> Result<(), ScimError> {
        let existing = match self.document.get(found) {
            Some(Value::Object(existing)) => existing.clone(),
            _ => Map::new(),
        };
        if write == Write::Add {
            self.budget.spend(count(&existing))?;
        }
        let merged = merge(write, found, existing, named, &mut self.tolerances)?;
        self.assign(found, (!merged.is_empty()).then_some(Value::Object(merged)))
    }

    /// Removes the value, for a `remove` without a sub-attribute.
    pub(super) fn remove_single(&mut self, found: &AttributePath) -> Result<(), ScimError> {
        refuse_required(found, &found.attribute)?;
        refuse_immutable(found, &found.attribute, self.document.get(found), None)?;
        self.report.record_write(found);
        self.document.clear(found);
        Ok(())
    }

    /// Removes a sub-attribute, or the listed values of it. The complex value goes with its last sub-attribute.
    pub(super) fn remove_sub(
        &mut self,
        found: &AttributePath,
        sub: &Arc<Attribute>,
        listed: Option<&[Value]>,
    ) -> Result<(), ScimError> {
        let path = with_sub(found, sub);
        if listed.is_none() {
            refuse_required(&path, sub)?;
        }
        let Some(Value::Object(existing)) = self.document.get(found) else {
            return Ok(());
        };
        self.budget
            .spend(count(existing) + listed.map_or(0, <[Value]>::len))?;
        let rest = remove_from(&path, sub, existing, listed)?;
        if rest.is_empty() {
            return self.remove_single(found);
        }
        self.assign(found, Some(Value::Object(rest)))
    }

    fn assign(&mut self, found: &AttributePath, value: Option<Value>) -> Result<(), ScimError> {
        let attribute = &found.attribute;
        let existing = self.document.get(found);
        refuse_immutable(found, attribute, existing, value.as_ref())?;
        refuse_missing(found, attribute, value.as_ref())?;
        let keeps_spelling = is_immutable(attribute) && existing.is_some();
        self.report.record_write(found);
        match value {
            None => self.document.clear(found),
            Some(_) if keeps_spelling => {}
            Some(value) => self.document.set(found, value),
        }
        Ok(())
    }
}
