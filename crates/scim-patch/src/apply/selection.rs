//! Writes and removals of the values that a filter in the path selects.

use scim_model::condition::ElementCondition;
use scim_model::{AttributeType, ScimError};
use serde_json::{Map, Value};

use super::paths::with_sub;
use super::state::State;
use crate::error::{invalid_path, no_target, quoted};
use crate::member::{is_members_of, without_other_type};
use crate::mutability::refuse_read_only;
use crate::object::set_named;
use crate::operation::Write;
use crate::target::Selection;

impl State<'_> {
    /// Writes the selected values. `path` is for messages.
    pub(super) fn write_selection(
        &mut self,
        write: Write,
        selection: &Selection,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        refuse_read_only_selection(selection)?;
        let is_complex = selection.attribute.attribute.type_ == AttributeType::Complex;
        if selection.has_bare_word && selection.sub.is_none() && is_complex && value.is_string() {
            // Each is accepted alone. Together they are more likely a path that was cut off: `emails[type eq work].value`.
            let message = format!(
                "path {}: name a sub-attribute, or put the value in the filter in quotes",
                quoted(path)
            );
            return Err(invalid_path(message));
        }
        self.report
            .record_requested(&selection.attribute, selection.sub.as_ref(), Some(&value));
        if selection.attribute.attribute.multi_valued {
            self.write_selected(write, selection, path, value)
        } else {
            self.write_if_selected(write, selection, path, value)
        }
    }

    /// Removes the selected values. A filter may match nothing, because then the values that the client wants to remove
    /// do not exist.
    pub(super) fn remove_selection(
        &mut self,
        selection: &Selection,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        refuse_read_only_selection(selection)?;
        let attribute = &selection.attribute;
        self.report
            .record_requested(attribute, selection.sub.as_ref(), None);
        let listed = match &selection.sub {
            Some(sub) => self.listed_of_sub(attribute, sub, value)?,
            None => None,
        };
        if value.is_some() && listed.is_none() {
            self.tolerances.value_with_filter();
        }
        if attribute.attribute.multi_valued {
            let list = self.document.open_list(attribute);
            let selected = self.select_to_remove(list, selection)?;
            return match &selection.sub {
                Some(sub) => self.remove_sub_of_values(list, &selected, sub, listed.as_deref()),
                None => self.remove_values(list, &selected),
            };
        }
        let existing = self.document.get(attribute);
        if !existing.is_some_and(|it| selection.condition.matches_json(it)) {
            return Ok(());
        }
        match &selection.sub {
            Some(sub) => self.remove_sub(attribute, sub, listed.as_deref()),
            None => self.remove_single(attribute),
        }
    }

    /// Selects values to remove. A member that the filter names by its `value` is selected whatever word the filter
    /// compares with its `type`.
    fn select_to_remove(&mut self, list: usize, selection: &Selection) -> Result<Vec<usize>, ScimError> {
        let found = &selection.attribute;
        let other_type = is_members_of(self.resource_type, found)
            .then(|| without_other_type(found, &selection.filter, &self.tolerances))
            .flatten()
            .filter(|_| selection.sub.is_none());
        let values = self.document.values(list);
        let Some((rest, word)) = other_type else {
            return values.select(&selection.condition, &mut self.budget);
        };
        let condition = ElementCondition::resolve(&rest, found, self.tolerances.current())?;
        let selected = values.select(&condition, &mut self.budget)?;
        for &position in &selected {
            self.report
                .record_member_type(&values.get(position)["value"], &word);
        }
        Ok(selected)
    }

    fn write_selected(
        &mut self,
        write: Write,
        selection: &Selection,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        let found = &selection.attribute;
        let attribute = &found.attribute;
        let list = self.document.open_list(found);
        let values = self.document.values(list);
        let selected = values.select(&selection.condition, &mut self.budget)?;
        if selected.is_empty() {
            return self.create_selected(selection, path, value);
        }
        if let Some(sub) = &selection.sub {
            let named = Map::from_iter([(sub.name.clone(), value)]);
            return self.merge_values(write, list, &selected, &named);
        }
        let value = self.tolerances.array_for_single(attribute, value);
        match self.tolerances.text_for_selected(attribute, value) {
            // Merged rather than replaced, so that the `type` that selected the value stays.
            Value::Object(named) if attribute.type_ == AttributeType::Complex => {
                self.merge_values(write, list, &selected, &named)
            }
            // Nothing takes the place of the selected values.
            Value::Null => self.remove_values(list, &selected),
            Value::Array(elements) if elements.is_empty() => self.remove_values(list, &selected),
            value => match self.canonical_element(found, value)? {
                None => self.remove_values(list, &selected),
                Some(element) => self.replace_values(list, &selected, &element),
            },
        }
    }

    /// Writes a single complex value if it fulfils the filter, as in `name[familyName eq "Jensen"].givenName`.
    fn write_if_selected(
        &mut self,
        write: Write,
        selection: &Selection,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        let attribute = &selection.attribute;
        match self.document.get(attribute) {
            Some(existing) if selection.condition.matches_json(existing) => match &selection.sub {
                Some(sub) => self.merge_single(write, attribute, Map::from_iter([(sub.name.clone(), value)])),
                None => self.write_single(write, attribute, value),
            },
            // The one value of the attribute is another one, and there is no place for a second.
            Some(_) => Err(no_target(path)),
            None => self.create_selected(selection, path, value),
        }
    }

    /// Creates a value, because the filter matches none. By RFC 7644 section 3.5.2.3 this is an error.
    fn create_selected(&mut self, selection: &Selection, path: &str, value: Value) -> Result<(), ScimError> {
        let attribute = &selection.attribute;
        let Some(mut element) = self
            .tolerances
            .value_from_filter(&attribute.attribute, &selection.filter)
        else {
            return Err(no_target(path));
        };
        let written = selection.sub.as_ref().unwrap_or(&attribute.attribute);
        let value = self.tolerances.array_for_single(written, value);
        if value.is_null() {
            return Ok(());
        }
        if attribute.attribute.type_ != AttributeType::Complex {
            return self.write_values(Write::Add, attribute, value);
        }
        match (&selection.sub, value) {
            (Some(sub), value) => set_named(&mut element, &sub.name, value),
            (None, Value::Object(named)) => {
                for (name, value) in named {
                    set_named(&mut element, &name, value);
                }
            }
            (None, value) => set_named(&mut element, "value", value),
        }
        if attribute.attribute.multi_valued {
            self.write_values(Write::Add, attribute, Value::Object(element))
        } else {
            self.merge_single(Write::Add, attribute, element)
        }
    }
}

fn refuse_read_only_selection(selection: &Selection) -> Result<(), ScimError> {
    refuse_read_only(&selection.attribute)?;
    match &selection.sub {
        Some(sub) => refuse_read_only(&with_sub(&selection.attribute, sub)),
        None => Ok(()),
    }
}
