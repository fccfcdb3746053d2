//! Writes and removals of an attribute or sub-attribute that a path names without a filter.

use scim_model::internal::canonical_value;
use scim_model::{AttributePath, ClearText, ScimError, ScimType};
use serde_json::{Map, Value};

use super::paths::without_sub;
use super::state::State;
use crate::error::{invalid_path, quoted};
use crate::mutability::{is_read_only, refuse_missing, refuse_read_only, refuse_required};
use crate::operation::Write;

impl State<'_> {
    pub(super) fn write_attribute(
        &mut self,
        write: Write,
        found: &AttributePath,
        value: Value,
    ) -> Result<(), ScimError> {
        refuse_read_only(found)?;
        if found.attribute.is_secret() {
            return self.write_secret(found, value);
        }
        self.report
            .record_requested(found, found.sub.as_ref(), Some(&value));
        match (&found.sub, found.attribute.multi_valued) {
            (None, true) => self.write_values(write, found, value),
            (None, false) => self.write_single(write, found, value),
            (Some(sub), true) => self.write_sub_of_all(write, found, sub, value),
            (Some(sub), false) => {
                let named = Map::from_iter([(sub.name.clone(), value)]);
                self.merge_single(write, &without_sub(found), named)
            }
        }
    }

    pub(super) fn remove_attribute(
        &mut self,
        found: &AttributePath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        refuse_read_only(found)?;
        self.report.record_requested(found, found.sub.as_ref(), None);
        match (&found.sub, found.attribute.multi_valued, value) {
            (None, true, Some(value)) => self.remove_listed(found, value),
            (None, _, _) => self.unassign(found),
            (Some(sub), true, value) => {
                let listed = self.listed_of_sub(found, sub, value)?;
                let list = self.document.open_list(found);
                let all = self.document.values(list).all(&mut self.budget)?;
                self.remove_sub_of_values(list, &all, sub, listed.as_deref())
            }
            (Some(sub), false, value) => {
                let listed = self.listed_of_sub(found, sub, value)?;
                self.remove_sub(&without_sub(found), sub, listed.as_deref())
            }
        }
    }

    /// Removes all values of an attribute.
    pub(super) fn unassign(&mut self, found: &AttributePath) -> Result<(), ScimError> {
        if found.attribute.is_secret() {
            refuse_required(found, &found.attribute)?;
            self.report.record_secret(found, None);
            return Ok(());
        }
        if found.attribute.multi_valued {
            return self.remove_all_values(found);
        }
        self.remove_single(found)
    }

    /// Returns whether a readOnly attribute in an object of attributes is ignored. A client may repeat the stored
    /// value; ignoring another value is a tolerance.
    pub(super) fn is_ignored(&mut self, found: &AttributePath, value: &Value) -> Result<bool, ScimError> {
        if !is_read_only(found) {
            return Ok(false);
        }
        let repeats_stored = found.sub.is_none() && self.document.get(found) == Some(value);
        if repeats_stored || self.tolerances.read_only_in_value() {
            return Ok(true);
        }
        Err(ScimError::at(ScimType::Mutability, found, "is readOnly"))
    }

    /// Refuses an unknown attribute in a value, unless the policy ignores it.
    pub(super) fn refuse_unknown(&mut self, name: &str) -> Result<(), ScimError> {
        if self.tolerances.unknown_in_value() {
            return Ok(());
        }
        let type_ = &self.resource_type.name;
        Err(invalid_path(format!(
            "{} is not an attribute of {type_}",
            quoted(name)
        )))
    }

    /// Checks a secret, and keeps it out of the document.
    fn write_secret(&mut self, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let value = self.tolerances.array_for_single(&found.attribute, value);
        let value = canonical_value(&found.attribute, found, value, self.tolerances.current())?;
        refuse_missing(found, &found.attribute, value.as_ref())?;
        let text = match value {
            Some(Value::String(text)) => Some(ClearText::new(text)),
            _ => None,
        };
        self.report.record_secret(found, text);
        Ok(())
    }
}
