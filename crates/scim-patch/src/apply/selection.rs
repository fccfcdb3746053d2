//! `remove` (RFC 7644 section 3.5.2.2).

use std::sync::Arc;

use scim_model::{Attribute, AttributePath, Schema, ScimError};
use serde_json::{Value, json};

use crate::apply::state::{Working, with_sub, without_sub};
use crate::error::{invalid_value, mutability, refuse_immutable, refuse_read_only, refuse_required};
use crate::plan::{is_members, named_id};
use crate::quirks;
use crate::target::Target;

impl Working<'_> {
    pub(crate) fn remove(&mut self, target: Target, value: Option<&Value>) -> Result<(), ScimError> {
        let value = value.filter(|it| !it.is_null());
        match target {
            Target::Extension(schema) => self.remove_extension_data(&schema),
            Target::Schemas => self.remove_schemas(value),
            Target::Attribute(found) => {
                refuse_read_only(&found)?;
                self.note_requested(&found, found.sub.as_ref(), None);
                match (&found.sub, found.attribute.multi_valued, value) {
                    (None, true, Some(value)) => self.remove_listed(&found, value),
                    (None, _, _) => self.unassign(&found),
                    (Some(sub), true, _) => {
                        let list = self.list(&found);
                        let (values, work, _) = self.parts(list);
                        let all = values.all(work)?;
                        self.remove_selected(list, &all, Some(&sub.clone()))
                    }
                    (Some(sub), false, _) => self.remove_sub(&without_sub(&found), sub),
                }
            }
            Target::Values {
                attribute,
                condition,
                sub: None,
                ..
            } if attribute.extension.is_none() && attribute.attribute.name == "schemas" => {
                let is_named = |urn: &str| condition.matches_json(&urn.into());
                if is_named(&self.resource_type.schema.id) {
                    return Err(self.without_core_schema());
                }
                let mut gone = self.extensions();
                gone.retain(|it| is_named(it));
                self.remove_extensions(&gone)
            }
            Target::Values {
                attribute,
                condition,
                sub,
                ..
            } => {
                refuse_read_only(&attribute)?;
                if let Some(sub) = &sub {
                    refuse_read_only(&with_sub(&attribute, sub))?;
                }
                self.note_requested(&attribute, sub.as_ref(), None);
                if value.is_some() {
                    self.tolerances.value_beside_filter();
                }
                // No match is no error: it is not there, as wished.
                if attribute.attribute.multi_valued {
                    let list = self.list(&attribute);
                    let (values, work, _) = self.parts(list);
                    let selected = values.select(&condition, work)?;
                    return self.remove_selected(list, &selected, sub.as_ref());
                }
                match (self.get(&attribute), &sub) {
                    (Some(existing), Some(sub)) if condition.matches_json(existing) => {
                        self.remove_sub(&attribute, sub)
                    }
                    (Some(existing), None) if condition.matches_json(existing) => self.unassign(&attribute),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A sub-attribute of a single complex value; the value goes with its last one.
    fn remove_sub(&mut self, found: &AttributePath, sub: &Arc<Attribute>) -> Result<(), ScimError> {
        let path = with_sub(found, sub);
        let Some(Value::Object(members)) = self.get(found) else {
            return refuse_required(&path, sub);
        };
        refuse_required(&path, sub)?;
        refuse_immutable(&path, sub, members.get(&sub.name), None)?;
        let mut members = members.clone();
        members.shift_remove(&sub.name);
        if members.is_empty() {
            return self.unassign(found);
        }
        self.set(found, Some(Value::Object(members)))
    }

    /// The RFC knows no `value` here: to empty the attribute would be the worst answer, so a strict
    /// policy refuses it. Clients mean the values that they list.
    fn remove_listed(&mut self, found: &AttributePath, value: &Value) -> Result<(), ScimError> {
        let Some(listed) = self.tolerances.values_to_remove(&found.attribute, value) else {
            return Err(remove_with_value(found));
        };
        let policy = self.policy;
        let is_group = self.resource_type.has_members();
        let list = self.list(found);
        let (values, work, _) = self.parts(list);
        let mut selected = Vec::new();
        for mut listed in listed {
            if is_group
                && is_members(found)
                && let Some(id) = named_id(&listed, policy)
            {
                listed = json!({ "value": id });
            }
            let candidates = match quirks::listed_value(&listed) {
                Some(value) => values.with_value(value, work)?,
                None => values.all(work)?,
            };
            let named = candidates
                .into_iter()
                .filter(|&it| quirks::names_value(&found.attribute, &listed, values.get(it)));
            selected.extend(named);
        }
        selected.sort_unstable();
        selected.dedup();
        self.remove_selected(list, &selected, None)
    }

    /// Removes values, or one sub-attribute of each.
    pub(crate) fn remove_selected(
        &mut self,
        list: usize,
        selected: &[usize],
        sub: Option<&Arc<Attribute>>,
    ) -> Result<(), ScimError> {
        let before = self.before(list);
        let (values, work, _) = self.parts(list);
        work.spend(selected.len())?;
        let found = values.attribute.clone();
        if let Some(sub) = sub {
            let path = with_sub(&found, sub);
            refuse_required(&path, sub)?;
            for &position in selected {
                let Value::Object(members) = values.get(position) else {
                    continue;
                };
                refuse_immutable(&path, sub, members.get(&sub.name), None)?;
                let mut members = members.clone();
                members.shift_remove(&sub.name);
                values.set(position, Value::Object(members));
            }
        } else {
            selected.iter().for_each(|&it| values.remove(it));
        }
        if !selected.is_empty() && values.is_empty() {
            refuse_required(&found, &found.attribute)?;
        }
        self.done(list, before)
    }

    /// All attributes of an extension.
    pub(crate) fn remove_extension_data(&mut self, schema: &Arc<Schema>) -> Result<(), ScimError> {
        let mut extensions = self.resource_type.extensions.iter();
        if extensions.any(|(it, required)| it.id == schema.id && *required) {
            return Err(mutability(format!(
                "`{}` is required and cannot be removed",
                schema.id
            )));
        }
        for secret in schema.attributes.iter().filter(|it| it.is_secret()) {
            self.unassign(&AttributePath {
                extension: Some(schema.id.clone()),
                attribute: secret.clone(),
                sub: None,
            })?;
        }
        let Some(members) = self.extension(&schema.id) else {
            return Ok(());
        };
        for attribute in &schema.attributes {
            let path = format_args!("{}:{}", schema.id, attribute.name);
            refuse_immutable(&path, attribute, members.get(&attribute.name), None)?;
        }
        self.remove_extension(&schema.id);
        Ok(())
    }

    pub(crate) fn remove_extensions(&mut self, urns: &[Arc<str>]) -> Result<(), ScimError> {
        for urn in urns {
            if let Some(schema) = self.resource_type.extension_of(urn).cloned() {
                self.remove_extension_data(&schema)?;
            }
        }
        Ok(())
    }

    /// `schemas` follows from the data: to take a URN away is to take its data away.
    fn remove_schemas(&mut self, value: Option<&Value>) -> Result<(), ScimError> {
        let elements = match value {
            None => return Err(mutability("`schemas` is required and cannot be removed")),
            Some(Value::Array(elements)) => &elements[..],
            Some(single) => std::slice::from_ref(single),
        };
        let mut gone = Vec::new();
        for urn in elements.iter().filter_map(Value::as_str) {
            if urn.eq_ignore_ascii_case(&self.resource_type.schema.id) {
                return Err(self.without_core_schema());
            }
            gone.extend(self.resource_type.extension_of(urn).map(|it| it.id.clone()));
        }
        self.remove_extensions(&gone)
    }
}

pub(crate) fn remove_with_value(attribute: &AttributePath) -> ScimError {
    invalid_value(format!(
        "a remove of `{attribute}` has no `value`: name the values in the path's filter"
    ))
}
