//! Writes and removals of attributes with several values.

use std::sync::Arc;

use scim_model::internal::drop_repeated;
use scim_model::{Attribute, AttributePath, ScimError, ScimType};
use serde_json::{Map, Value, json};

use super::budget::Budget;
use super::complex::{canonical, canonical_member, merge};
use super::paths::{with_sub, without_sub};
use super::state::State;
use super::sub_values::{count, remove_from};
use super::values::{Values, refuse_two_primaries};
use crate::member::{id_to_remove, is_members_of, take_other_type};
use crate::mutability::{is_immutable, missing, refuse_immutable, refuse_required};
use crate::object::value_named;
use crate::operation::Write;
use crate::quirks;

/// The cost of changing one value, as a number of examined values.
const MERGE: usize = 10;

impl State<'_> {
    /// Writes a value or an array of values. `add` keeps the existing values, and `replace` does not.
    pub(super) fn write_values(
        &mut self,
        write: Write,
        found: &AttributePath,
        value: Value,
    ) -> Result<(), ScimError> {
        let given = match value {
            Value::Null => Vec::new(),
            Value::Array(elements) => elements,
            // RFC 7644 section 3.5.2.1 adds "a new value"; it counts as an array of one.
            single => vec![single],
        };
        let mut elements = Vec::with_capacity(given.len());
        for element in given {
            elements.extend(self.canonical_element(found, element)?);
        }
        if elements.is_empty() && found.attribute.required {
            return Err(missing(found));
        }
        if !is_members_of(self.resource_type, found) {
            drop_repeated(found, &mut elements, self.policy)?;
        }
        refuse_two_primaries(found, &elements)?;
        let list = self.document.open_list(found);
        self.change_values(list, |values, budget| {
            if write == Write::Replace {
                values.clear();
            }
            let own = values.end();
            let written = elements.into_iter().map(|it| values.add(it, own, budget));
            let written = written.collect::<Result<Vec<_>, _>>()?;
            values.settle_primary(&written, budget)
        })
    }

    /// Writes one sub-attribute of every value, as the path `emails.type` demands.
    pub(super) fn write_sub_of_all(
        &mut self,
        write: Write,
        found: &AttributePath,
        sub: &Arc<Attribute>,
        value: Value,
    ) -> Result<(), ScimError> {
        let list = self.document.open_list(found);
        let all = self.document.values(list).all(&mut self.budget)?;
        let is_null = value.is_null();
        let named = Map::from_iter([(sub.name.clone(), value)]);
        if !all.is_empty() {
            return self.merge_values(write, list, &all, &named);
        }
        if is_null {
            return Ok(());
        }
        // RFC 7644 section 3.5.2.3: a target that does not exist is added.
        self.write_values(Write::Add, &without_sub(found), Value::Object(named))
    }

    /// Changes the named sub-attributes of some values.
    pub(super) fn merge_values(
        &mut self,
        write: Write,
        list: usize,
        selected: &[usize],
        named: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        self.budget.spend(selected.len().saturating_mul(MERGE))?;
        let found = self.document.values(list).attribute.clone();
        let mut named = named.clone();
        let other_type = is_members_of(self.resource_type, &found)
            .then(|| take_other_type(&found, &mut named, &self.tolerances))
            .flatten();
        let mut merged = Vec::with_capacity(selected.len());
        for &position in selected {
            let Value::Object(existing) = self.document.values(list).get(position) else {
                let problem = "has no sub-attributes";
                return Err(ScimError::at(ScimType::InvalidValue, &found, problem));
            };
            if let Some(type_) = &other_type {
                self.report.record_member_type(&existing["value"], type_);
            }
            let existing = existing.clone();
            if write == Write::Add {
                self.budget.spend(count(&existing))?;
            }
            merged.push(merge(
                write,
                &found,
                existing,
                named.clone(),
                &mut self.tolerances,
            )?);
        }
        self.change_values(list, |values, budget| {
            for (&position, value) in selected.iter().zip(merged) {
                values.set(position, Value::Object(value));
            }
            // A value that was primary before stays primary unless the operation names `primary`.
            if named.keys().any(|name| name.eq_ignore_ascii_case("primary")) {
                values.settle_primary(selected, budget)?;
            }
            Ok(())
        })
    }

    /// Replaces some values by one value.
    pub(super) fn replace_values(
        &mut self,
        list: usize,
        selected: &[usize],
        element: &Value,
    ) -> Result<(), ScimError> {
        self.change_values(list, |values, budget| {
            for &position in selected {
                values.set(position, element.clone());
            }
            values.settle_primary(selected, budget)
        })
    }

    /// Removes some values.
    pub(super) fn remove_values(&mut self, list: usize, selected: &[usize]) -> Result<(), ScimError> {
        self.change_values(list, |values, budget| {
            budget.spend(selected.len())?;
            selected.iter().for_each(|&it| values.remove(it));
            refuse_emptied(values, selected)
        })
    }

    /// Removes one sub-attribute of some values, or the listed values of it.
    pub(super) fn remove_sub_of_values(
        &mut self,
        list: usize,
        selected: &[usize],
        sub: &Arc<Attribute>,
        listed: Option<&[Value]>,
    ) -> Result<(), ScimError> {
        self.change_values(list, |values, budget| {
            budget.spend(selected.len())?;
            let path = with_sub(&values.attribute, sub);
            if listed.is_none() {
                refuse_required(&path, sub)?;
            }
            for &position in selected {
                let Value::Object(existing) = values.get(position) else {
                    continue;
                };
                budget.spend(count(existing) + listed.map_or(0, <[Value]>::len))?;
                let rest = remove_from(&path, sub, existing, listed)?;
                values.set(position, Value::Object(rest));
            }
            refuse_emptied(values, selected)
        })
    }

    /// Removes all values.
    pub(super) fn remove_all_values(&mut self, found: &AttributePath) -> Result<(), ScimError> {
        refuse_required(found, &found.attribute)?;
        let list = self.document.open_list(found);
        self.change_values(list, |values, _| {
            values.clear();
            Ok(())
        })
    }

    /// Removes the values that the `value` of a `remove` lists. RFC 7644 section 3.5.2.2 does not define such a
    /// `value`; since it would be wrong to remove all values instead, a strict policy refuses the operation.
    pub(super) fn remove_listed(&mut self, found: &AttributePath, value: &Value) -> Result<(), ScimError> {
        let listed = self.tolerances.listed_values(self.resource_type, found, value)?;
        let are_members = is_members_of(self.resource_type, found);
        let list = self.document.open_list(found);
        let mut selected = Vec::new();
        for mut listed in listed {
            if are_members && let Some(id) = id_to_remove(&listed) {
                listed = json!({ "value": id.to_string() });
            }
            let values = self.document.values(list);
            let candidates = match quirks::listed_value(&listed) {
                Some(value) => values.with_value(value, &mut self.budget)?,
                None => values.all(&mut self.budget)?,
            };
            let names = |&it: &usize| quirks::names_stored(&found.attribute, &listed, values.get(it));
            selected.extend(candidates.into_iter().filter(names));
        }
        selected.sort_unstable();
        selected.dedup();
        self.remove_values(list, &selected)
    }

    /// Returns one element of the attribute in canonical form; `None` when it has no value.
    pub(super) fn canonical_element(
        &mut self,
        found: &AttributePath,
        element: Value,
    ) -> Result<Option<Value>, ScimError> {
        if is_members_of(self.resource_type, found) {
            let member = canonical_member(found, &element, &mut self.tolerances)?;
            let sent = element.as_object().and_then(|it| value_named(it, "type"));
            if let (Some(member), Some(Value::String(type_))) = (&member, sent) {
                self.report.record_member_type(&member["value"], type_);
            }
            return Ok(member);
        }
        canonical(found, element, &mut self.tolerances)
    }

    /// Changes values, and checks what the attribute demands of the result.
    fn change_values(
        &mut self,
        list: usize,
        change: impl FnOnce(&mut Values, &mut Budget) -> Result<(), ScimError>,
    ) -> Result<(), ScimError> {
        let values = self.document.values(list);
        let found = values.attribute.clone();
        let had_values = !values.is_empty();
        let frozen = (had_values && is_immutable(&found.attribute)).then(|| values.to_vec());
        change(values, &mut self.budget)?;
        if let Some(frozen) = frozen {
            let (old, new) = (Value::Array(frozen.clone()), Value::Array(values.to_vec()));
            refuse_immutable(&found, &found.attribute, Some(&old), Some(&new))?;
            // The same values, perhaps in another spelling or order: the stored ones stay.
            *values = Values::new(found.clone(), frozen);
        }
        if found.attribute.required && had_values && values.is_empty() {
            return Err(missing(&found));
        }
        self.report.record_write(&found);
        Ok(())
    }
}

fn refuse_emptied(values: &Values, removed_from: &[usize]) -> Result<(), ScimError> {
    if !removed_from.is_empty() && values.is_empty() {
        refuse_required(&values.attribute, &values.attribute.attribute)?;
    }
    Ok(())
}
