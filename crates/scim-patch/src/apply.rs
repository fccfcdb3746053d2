//! `add`, `remove` and `replace` on a document (RFC 7644 sections 3.5.2.1 to 3.5.2.3).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use scim_filter::ValFilter;
use scim_model::condition::ElementCondition;
use scim_model::message::Op;
use scim_model::schema::Mutability;
use scim_model::validate::reference_id;
use scim_model::{
    Attribute, AttributePath, AttributeType, Document, Policy, ResourceType, Schema, ScimError, ScimType,
    canonical_element, canonical_value,
};
use serde_json::{Map, Value};

use crate::change::{Change, is_reference_set};
use crate::error::{PatchError, invalid_path, invalid_value, mutability, no_target};
use crate::operation::Operation;
use crate::plan::remove_with_value;
use crate::quirks::{self, Leniency};
use crate::target::Target;

/// What a PATCH led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The document now; the one that was given if nothing changed.
    pub document: Document,
    /// The difference; empty if nothing changed.
    pub change: Change,
    /// Tolerances that were needed, each once for an operation.
    pub leniencies: Vec<Leniency>,
}

/// Applies operations in order, each to the result of the one before. On an error nothing of them
/// has happened: the document is not touched, the outcome is a new one.
///
/// # Errors
/// The first operation that cannot be applied, or what is wrong with the result: `noTarget`,
/// `invalidPath`, `invalidFilter`, `mutability`, `invalidValue` where RFC 7644 section 3.5.2 has
/// them.
pub fn apply(
    resource_type: &ResourceType,
    document: &Document,
    operations: &[Operation],
    policy: Policy,
) -> Result<Outcome, PatchError> {
    let mut working = Working {
        resource_type,
        policy,
        values: document.0.clone(),
        leniencies: Vec::new(),
        secrets: false,
    };
    for operation in operations {
        let before = working.leniencies.len();
        working
            .operation(operation)
            .map_err(|error| operation.fail(error))?;
        let mut of_this = working.leniencies.split_off(before);
        of_this.sort_unstable();
        of_this.dedup();
        working.leniencies.append(&mut of_this);
    }
    let after = Document(working.values);
    after.check(resource_type).map_err(PatchError::whole)?;
    let change = Change::between(resource_type, document, &after);
    let document = if change.is_empty() {
        document.clone()
    } else {
        after
    };
    Ok(Outcome {
        document,
        change,
        leniencies: working.leniencies,
    })
}

/// The document while operations change it.
struct Working<'a> {
    resource_type: &'a ResourceType,
    policy: Policy,
    values: Map<String, Value>,
    leniencies: Vec<Leniency>,
    /// A secret was set; it is not kept.
    secrets: bool,
}

/// `add` and `replace`, which share most.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Add,
    Replace,
}

impl Working<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Operation { op, path, value, .. } = operation;
        let Some(path) = path else {
            return match (op, value) {
                (Op::Remove, _) => Err(ScimError::new(
                    ScimType::NoTarget,
                    "a remove needs a `path` that says what to remove",
                )),
                (Op::Add, Some(Value::Object(value))) => self.members(Write::Add, value),
                (Op::Replace, Some(Value::Object(value))) => self.members(Write::Replace, value),
                (_, Some(_)) => Err(invalid_value(
                    "without `path` the `value` must be an object of attributes",
                )),
                (_, None) => Err(invalid_value("the operation needs a `value`")),
            };
        };
        let target = Target::find(self.resource_type, path, self.policy)?;
        match op {
            Op::Remove => self.remove(target, value.as_ref()),
            Op::Add => self.write(Write::Add, target, path, given(value, path)?),
            Op::Replace => self.write(Write::Replace, target, path, given(value, path)?),
        }
    }

    /// A value without path: each member is an attribute (RFC 7644 sections 3.5.2.1 and 3.5.2.3).
    fn members(&mut self, write: Write, value: &Map<String, Value>) -> Result<(), ScimError> {
        for (name, value) in value {
            if name.eq_ignore_ascii_case("schemas") {
                continue; // Follows from the data.
            }
            let target = match Target::find(self.resource_type, name, self.policy) {
                Ok(target) => target,
                Err(error) if error.scim_type == Some(ScimType::InvalidPath) => {
                    self.unknown(&format!("`{name}`"))?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match &target {
                Target::Attribute(found) | Target::Values { attribute: found, .. } => {
                    let is_path = found.sub.is_some() || matches!(target, Target::Values { .. });
                    if is_path && !self.policy.lenient {
                        return Err(invalid_path(format!("`{name}` is no name of an attribute")));
                    }
                    if is_path {
                        self.leniencies.push(Leniency::PathAsKey);
                    }
                    if is_read_only(found) {
                        // Okta renames a group with `{"id": "…", "displayName": "New"}`.
                        if !self.policy.lenient {
                            return Err(mutability(format!("`{found}` is readOnly")));
                        }
                        self.leniencies.push(Leniency::ReadOnlyIgnored);
                        continue;
                    }
                }
                Target::Extension(_) | Target::Schemas => {}
            }
            self.write(write, target, name, value.clone())?;
        }
        Ok(())
    }

    fn unknown(&mut self, what: &str) -> Result<(), ScimError> {
        if !self.policy.lenient {
            return Err(invalid_path(format!(
                "{what} is no attribute of {}",
                self.resource_type.name
            )));
        }
        self.leniencies.push(Leniency::UnknownIgnored);
        Ok(())
    }

    // Writing.

    fn write(&mut self, write: Write, target: Target, path: &str, value: Value) -> Result<(), ScimError> {
        match target {
            Target::Extension(schema) => self.write_extension(write, &schema, value),
            Target::Schemas => self.write_schemas(write, &value),
            Target::Attribute(found) => {
                refuse_read_only(&found)?;
                if found.attribute.is_secret() {
                    return self.write_secret(&found, value);
                }
                match (&found.sub, found.attribute.multi_valued) {
                    (None, true) => self.write_values(write, &found, value),
                    (None, false) => self.write_single(&found, value),
                    (Some(sub), true) => self.write_sub_of_all(&found, &sub.clone(), path, value),
                    (Some(sub), false) => {
                        let value = Map::from_iter([(sub.name.clone(), value)]);
                        self.merge_single(&without_sub(&found), value)
                    }
                }
            }
            Target::Values {
                attribute,
                filter,
                condition,
                sub,
            } => {
                refuse_read_only(&attribute)?;
                if let Some(sub) = &sub {
                    refuse_read_only(&with_sub(&attribute, sub))?;
                }
                let selection = Selection {
                    attribute: &attribute,
                    filter: &filter,
                    condition: &condition,
                };
                self.write_selected(&selection, sub.as_ref(), path, value)
            }
        }
    }

    fn write_extension(&mut self, write: Write, schema: &Arc<Schema>, value: Value) -> Result<(), ScimError> {
        match value {
            Value::Null => self.remove_extension(schema),
            Value::Object(members) => {
                for (name, value) in members {
                    let attribute = schema
                        .attributes
                        .iter()
                        .find(|it| it.name.eq_ignore_ascii_case(&name));
                    let Some(attribute) = attribute else {
                        self.unknown(&format!("`{}:{name}`", schema.id))?;
                        continue;
                    };
                    let found = AttributePath {
                        extension: Some(schema.id.clone()),
                        attribute: attribute.clone(),
                        sub: None,
                    };
                    if is_read_only(&found) {
                        if !self.policy.lenient {
                            return Err(mutability(format!("`{found}` is readOnly")));
                        }
                        self.leniencies.push(Leniency::ReadOnlyIgnored);
                        continue;
                    }
                    self.write(write, Target::Attribute(found), &name, value)?;
                }
                Ok(())
            }
            _ => Err(invalid_value(format!(
                "`{}` must be an object of its attributes",
                schema.id
            ))),
        }
    }

    /// A secret is checked and forgotten.
    fn write_secret(&mut self, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let value = quirks_of_single(self, &found.attribute, value);
        canonical_value(&found.attribute, found, value, self.policy)?;
        self.secrets = true;
        Ok(())
    }

    fn write_single(&mut self, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let attribute = &found.attribute;
        let value = quirks_of_single(self, attribute, value);
        if self.policy.lenient && quirks::is_empty_reference(attribute, &value) {
            self.leniencies.push(Leniency::EmptyReference);
            return self.set(found, None);
        }
        match value {
            Value::Object(members) if attribute.type_ == AttributeType::Complex => {
                self.merge_single(found, members)
            }
            value => {
                let value = canonical_value(attribute, found, value, self.policy)?;
                self.set(found, value)
            }
        }
    }

    /// Sub-attributes that are not named stay as they are (RFC 7644 section 3.5.2.3, A-40).
    fn merge_single(&mut self, found: &AttributePath, members: Map<String, Value>) -> Result<(), ScimError> {
        let existing = match self.get(found) {
            Some(Value::Object(existing)) => existing.clone(),
            _ => Map::new(),
        };
        let merged = self.merge(found, existing, members)?;
        self.set(found, (!merged.is_empty()).then_some(Value::Object(merged)))
    }

    fn write_values(&mut self, write: Write, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let given = match value {
            Value::Null => Vec::new(),
            Value::Array(elements) => elements,
            // A single value where the attribute has several.
            single => vec![single],
        };
        let given: Vec<Value> = given.into_iter().filter(|it| !it.is_null()).collect();
        let mut elements = Vec::with_capacity(given.len());
        for element in given {
            elements.extend(self.element(found, element)?);
        }
        if elements.is_empty() && found.attribute.required {
            return Err(invalid_value(format!(
                "`{found}` is required and must have a value"
            )));
        }
        refuse_two_primaries(found, elements.iter())?;
        let mut values = match (write, self.get(found)) {
            (Write::Add, Some(Value::Array(existing))) => existing.clone(),
            _ => Vec::new(),
        };
        let touched = add_values(found, &mut values, elements);
        settle_primary(found, &mut values, &touched)?;
        self.set(found, (!values.is_empty()).then_some(Value::Array(values)))
    }

    /// A sub-attribute of every value, `emails.type`.
    fn write_sub_of_all(
        &mut self,
        found: &AttributePath,
        sub: &Arc<Attribute>,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        let attribute = without_sub(found);
        let mut values = self.values_of(&attribute);
        if values.is_empty() && !value.is_null() {
            if !self.policy.lenient {
                return Err(no_target(path));
            }
            self.leniencies.push(Leniency::CreatedFromFilter);
            let value = Map::from_iter([(sub.name.clone(), value)]);
            return self.write_values(Write::Add, &attribute, Value::Object(value));
        }
        let all: Vec<usize> = (0..values.len()).collect();
        self.merge_into(
            &attribute,
            &mut values,
            &all,
            &Map::from_iter([(sub.name.clone(), value)]),
        )?;
        self.set(&attribute, (!values.is_empty()).then_some(Value::Array(values)))
    }

    fn write_selected(
        &mut self,
        selection: &Selection<'_>,
        sub: Option<&Arc<Attribute>>,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        let attribute = selection.attribute;
        let mut values = self.values_of(attribute);
        let selected = selection.matches(&values);
        if selected.is_empty() {
            return self.create_selected(selection, sub, path, value);
        }
        let value = match sub {
            Some(sub) => Value::Object(Map::from_iter([(sub.name.clone(), value)])),
            None => self.unwrapped(attribute, value),
        };
        match value {
            // Nothing in place of the values.
            Value::Null => return self.remove_selected(attribute, values, &selected, None),
            Value::Array(elements) if elements.is_empty() => {
                return self.remove_selected(attribute, values, &selected, None);
            }
            Value::Object(members) if attribute.attribute.type_ == AttributeType::Complex => {
                self.merge_into(attribute, &mut values, &selected, &members)?;
            }
            value => {
                let Some(element) = self.element(attribute, value)? else {
                    return self.remove_selected(attribute, values, &selected, None);
                };
                for &index in &selected {
                    values[index] = element.clone();
                }
                settle_primary(attribute, &mut values, &selected)?;
            }
        }
        self.set_values(attribute, values)
    }

    /// The filter matched nothing: an error by the RFC, a value to create for Entra.
    fn create_selected(
        &mut self,
        selection: &Selection<'_>,
        sub: Option<&Arc<Attribute>>,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        let attribute = selection.attribute;
        let from_filter = self
            .policy
            .lenient
            .then(|| quirks::value_from_filter(selection.filter))
            .flatten();
        let Some(mut element) = from_filter else {
            return Err(no_target(path));
        };
        if !attribute.attribute.multi_valued && self.get(attribute).is_some() {
            return Err(no_target(path));
        }
        self.leniencies.push(Leniency::CreatedFromFilter);
        if attribute.attribute.type_ != AttributeType::Complex {
            let value = self.unwrapped(attribute, value);
            return self.write_values(Write::Add, attribute, value);
        }
        match (sub, self.unwrapped(attribute, value)) {
            (_, Value::Null) => return Ok(()),
            (Some(sub), value) => put(&mut element, &sub.name, value),
            (None, Value::Object(members)) => {
                for (name, value) in members {
                    put(&mut element, &name, value);
                }
            }
            (None, value) => put(&mut element, "value", value),
        }
        if attribute.attribute.multi_valued {
            self.write_values(Write::Add, attribute, Value::Object(element))
        } else {
            self.merge_single(attribute, element)
        }
    }

    fn unwrapped(&mut self, attribute: &AttributePath, value: Value) -> Value {
        match value {
            Value::Array(elements) if self.policy.lenient && elements.len() == 1 => {
                self.leniencies.push(Leniency::ArrayForSingle);
                quirks::unwrap_single(&attribute.attribute, Value::Array(elements))
            }
            value => value,
        }
    }

    fn merge_into(
        &mut self,
        attribute: &AttributePath,
        values: &mut Vec<Value>,
        selected: &[usize],
        members: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        let sets_primary = members
            .iter()
            .any(|(name, it)| name.eq_ignore_ascii_case("primary") && !it.is_null());
        for &index in selected {
            let existing = match &values[index] {
                Value::Object(existing) => existing.clone(),
                _ => Map::new(),
            };
            values[index] = Value::Object(self.merge(attribute, existing, members.clone())?);
        }
        if sets_primary {
            settle_primary(attribute, values, selected)?;
        }
        // An element that lost all it had is unassigned.
        values.retain(|it| it.as_object().is_none_or(|it| !it.is_empty()));
        Ok(())
    }

    /// One complex value with given sub-attributes changed; `null` clears one.
    fn merge(
        &mut self,
        attribute: &AttributePath,
        mut existing: Map<String, Value>,
        members: Map<String, Value>,
    ) -> Result<Map<String, Value>, ScimError> {
        let names_reference = attribute.attribute.is_shown_reference() && {
            let own = |name: &str| {
                members
                    .iter()
                    .any(|(it, value)| it.eq_ignore_ascii_case(name) && !value.is_null())
            };
            own("$ref") && !own("value")
        };
        for (name, value) in members {
            let Some(sub) = attribute.attribute.sub_attribute(&name).cloned() else {
                if !self.policy.lenient {
                    return Err(invalid_value(format!(
                        "`{attribute}` has no sub-attribute `{name}`"
                    )));
                }
                self.leniencies.push(Leniency::UnknownIgnored);
                continue;
            };
            let path = with_sub(attribute, &sub);
            if sub.mutability == Mutability::ReadOnly {
                continue; // Shown, not stored (7643-2.4-05).
            }
            let value = if sub.multi_valued {
                value
            } else {
                quirks_of_single(self, &sub, value)
            };
            let value = canonical_value(&sub, &path, value, self.policy)?;
            refuse_immutable(&path, &sub, existing.get(&sub.name), value.as_ref())?;
            match value {
                Some(value) => {
                    existing.insert(sub.name.clone(), value);
                }
                None if sub.required => {
                    return Err(invalid_value(format!(
                        "`{path}` is required and must have a value"
                    )));
                }
                None => {
                    existing.shift_remove(&sub.name);
                }
            }
        }
        if attribute.attribute.is_shown_reference() {
            if names_reference {
                existing.shift_remove("value");
            }
            let id = reference_id(&existing).map(str::to_owned);
            existing.shift_remove("$ref");
            if let Some(id) = id {
                existing.insert("value".to_owned(), Value::String(id));
            }
        }
        Ok(in_schema_order(&attribute.attribute.sub_attributes, existing))
    }

    /// One value of a multi-valued attribute in canonical form.
    fn element(&mut self, found: &AttributePath, element: Value) -> Result<Option<Value>, ScimError> {
        let attribute = &found.attribute;
        if self.policy.lenient && element.is_string() && attribute.type_ == AttributeType::Complex {
            self.leniencies.push(Leniency::TextForComplex);
        }
        if self.policy.lenient
            && let Value::Object(members) = &element
        {
            self.note_boolean_text(attribute, members);
        }
        if is_members(found) {
            // A member is its id; type, `$ref` and display are the server's.
            let id = match &element {
                Value::Object(members) => reference_id(members),
                Value::String(id) if self.policy.lenient => Some(id.as_str()),
                _ => None,
            };
            let id = id
                .ok_or_else(|| invalid_value(format!("`{found}.value` is required: the id of a resource")))?;
            return Ok(Some(Value::Object(Map::from_iter([(
                "value".to_owned(),
                Value::String(id.to_owned()),
            )]))));
        }
        canonical_element(attribute, found, element, self.policy)
    }

    fn note_boolean_text(&mut self, attribute: &Attribute, members: &Map<String, Value>) {
        let is_text = |(name, value): (&String, &Value)| {
            value.is_string()
                && attribute
                    .sub_attribute(name)
                    .is_some_and(|it| it.type_ == AttributeType::Boolean)
        };
        if members.iter().any(is_text) {
            self.leniencies.push(Leniency::BooleanText);
        }
    }

    // Removing.

    fn remove(&mut self, target: Target, value: Option<&Value>) -> Result<(), ScimError> {
        let value = value.filter(|it| !it.is_null());
        match target {
            Target::Extension(schema) => self.remove_extension(&schema),
            Target::Schemas => self.remove_schemas(value),
            Target::Attribute(found) => {
                refuse_read_only(&found)?;
                match &found.sub {
                    None if found.attribute.multi_valued => match value {
                        None => self.remove_attribute(&found),
                        Some(_) if !self.policy.lenient => Err(remove_with_value(&found)),
                        Some(value) => self.remove_listed(&found, value),
                    },
                    None => {
                        if value.is_some() {
                            self.leniencies.push(Leniency::RemoveValueIgnored);
                        }
                        self.remove_attribute(&found)
                    }
                    Some(sub) => {
                        let attribute = without_sub(&found);
                        let values = self.values_of(&attribute);
                        let all: Vec<usize> = (0..values.len()).collect();
                        self.remove_selected(&attribute, values, &all, Some(&sub.clone()))
                    }
                }
            }
            Target::Values {
                attribute,
                condition,
                sub,
                ..
            } if attribute.extension.is_none() && attribute.attribute.name == "schemas" && sub.is_none() => {
                let urns = self.schema_urns();
                let gone: Vec<Value> = urns
                    .into_iter()
                    .map(Value::String)
                    .filter(|it| condition.matches_json(it))
                    .collect();
                self.remove_schemas(Some(&Value::Array(gone)))
            }
            Target::Values {
                attribute,
                filter,
                condition,
                sub,
            } => {
                refuse_read_only(&attribute)?;
                if let Some(sub) = &sub {
                    refuse_read_only(&with_sub(&attribute, sub))?;
                }
                if value.is_some() && self.policy.lenient {
                    self.leniencies.push(Leniency::RemoveValueIgnored);
                }
                let values = self.values_of(&attribute);
                let selection = Selection {
                    attribute: &attribute,
                    filter: &filter,
                    condition: &condition,
                };
                let selected = selection.matches(&values);
                // None is no error: it is not there, as wished.
                self.remove_selected(&attribute, values, &selected, sub.as_ref())
            }
        }
    }

    fn remove_attribute(&mut self, found: &AttributePath) -> Result<(), ScimError> {
        refuse_required(found, &found.attribute)?;
        refuse_immutable(found, &found.attribute, self.get(found), None)?;
        self.unassign(found);
        Ok(())
    }

    fn remove_listed(&mut self, found: &AttributePath, value: &Value) -> Result<(), ScimError> {
        let (listed, leniency) = quirks::values_to_remove(&found.attribute, value);
        self.leniencies.push(leniency);
        let values = self.values_of(found);
        let selected: Vec<usize> = (0..values.len())
            .filter(|&index| {
                listed
                    .iter()
                    .any(|it| quirks::names_value(&found.attribute, it, &values[index]))
            })
            .collect();
        self.remove_selected(found, values, &selected, None)
    }

    /// Removes values, or one sub-attribute of each.
    fn remove_selected(
        &mut self,
        attribute: &AttributePath,
        mut values: Vec<Value>,
        selected: &[usize],
        sub: Option<&Arc<Attribute>>,
    ) -> Result<(), ScimError> {
        if let Some(sub) = sub {
            let path = with_sub(attribute, sub);
            refuse_required(&path, sub)?;
            for &index in selected {
                let Value::Object(members) = &mut values[index] else {
                    continue;
                };
                refuse_immutable(&path, sub, members.get(&sub.name), None)?;
                members.shift_remove(&sub.name);
            }
            values.retain(|it| it.as_object().is_none_or(|it| !it.is_empty()));
        } else if !selected.is_empty() {
            let mut index = 0;
            let mut selected = selected.iter().peekable();
            values.retain(|_| {
                let goes = selected.next_if(|&&it| it == index).is_some();
                index += 1;
                !goes
            });
        }
        if values.is_empty() {
            if self.get(attribute).is_some() {
                refuse_required(attribute, &attribute.attribute)?;
                self.unassign(attribute);
            }
            return Ok(());
        }
        self.set_values(attribute, values)
    }

    fn remove_extension(&mut self, schema: &Arc<Schema>) -> Result<(), ScimError> {
        let Some(Value::Object(members)) = self.values.get(&*schema.id) else {
            return Ok(());
        };
        if self
            .resource_type
            .extensions
            .iter()
            .any(|(it, required)| it.id == schema.id && *required)
        {
            return Err(mutability(format!("`{}` is required", schema.id)));
        }
        for attribute in &schema.attributes {
            if attribute.mutability == Mutability::Immutable && members.contains_key(&attribute.name) {
                return Err(mutability(format!(
                    "`{}:{}` is immutable",
                    schema.id, attribute.name
                )));
            }
        }
        self.values.shift_remove(&*schema.id);
        Ok(())
    }

    // `schemas`, which follows from the data: to take a URN away is to take its data away.

    fn schema_urns(&self) -> Vec<String> {
        let extensions = self.resource_type.extensions.iter().map(|(it, _)| it);
        let present = extensions.filter(|it| self.values.contains_key(&*it.id));
        [&self.resource_type.schema]
            .into_iter()
            .chain(present)
            .map(|it| it.id.to_string())
            .collect()
    }

    fn write_schemas(&mut self, write: Write, value: &Value) -> Result<(), ScimError> {
        let elements = match value {
            Value::Array(elements) => &elements[..],
            single => std::slice::from_ref(single),
        };
        let mut named = Vec::new();
        for element in elements {
            let schema = element.as_str().and_then(|it| self.resource_type.schema_of(it));
            let schema = schema.ok_or_else(|| {
                invalid_value(format!("`schemas`: {element} is no schema of this resource type"))
            })?;
            named.push(schema.id.clone());
        }
        if write == Write::Replace {
            let urns = self.schema_urns().into_iter();
            let gone: Vec<Value> = urns
                .filter(|it| !named.iter().any(|named| **named == **it))
                .map(Value::String)
                .collect();
            self.remove_schemas(Some(&Value::Array(gone)))?;
        }
        Ok(())
    }

    fn remove_schemas(&mut self, value: Option<&Value>) -> Result<(), ScimError> {
        let Some(value) = value else {
            return Err(mutability("`schemas` is required"));
        };
        let elements = match value {
            Value::Array(elements) => &elements[..],
            single => std::slice::from_ref(single),
        };
        for urn in elements.iter().filter_map(Value::as_str) {
            if urn.eq_ignore_ascii_case(&self.resource_type.schema.id) {
                return Err(mutability(format!(
                    "`schemas` must name `{}`",
                    self.resource_type.schema.id
                )));
            }
            if let Some(schema) = self.resource_type.extension_of(urn).cloned() {
                self.remove_extension(&schema)?;
            }
        }
        Ok(())
    }

    // The document's values.

    fn get(&self, found: &AttributePath) -> Option<&Value> {
        let holder = match &found.extension {
            None => &self.values,
            Some(urn) => self.values.get(&**urn)?.as_object()?,
        };
        holder.get(&found.attribute.name)
    }

    /// The values of a multi-valued attribute, or the one of another.
    fn values_of(&self, found: &AttributePath) -> Vec<Value> {
        match self.get(found) {
            None => Vec::new(),
            Some(Value::Array(values)) => values.clone(),
            Some(single) => vec![single.clone()],
        }
    }

    fn set_values(&mut self, found: &AttributePath, mut values: Vec<Value>) -> Result<(), ScimError> {
        if found.attribute.multi_valued {
            self.set(found, (!values.is_empty()).then_some(Value::Array(values)))
        } else {
            self.set(found, values.pop())
        }
    }

    fn set(&mut self, found: &AttributePath, value: Option<Value>) -> Result<(), ScimError> {
        refuse_immutable(found, &found.attribute, self.get(found), value.as_ref())?;
        let Some(value) = value else {
            if found.attribute.required {
                return Err(invalid_value(format!(
                    "`{found}` is required and must have a value"
                )));
            }
            self.unassign(found);
            return Ok(());
        };
        match &found.extension {
            None => {
                self.values.insert(found.attribute.name.clone(), value);
            }
            Some(urn) => {
                let holder = self
                    .values
                    .entry(&**urn)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(holder) = holder {
                    holder.insert(found.attribute.name.clone(), value);
                    if let Some(schema) = self.resource_type.extension_of(urn) {
                        *holder = in_schema_order(&schema.attributes, std::mem::take(holder));
                    }
                }
            }
        }
        Ok(())
    }

    fn unassign(&mut self, found: &AttributePath) {
        match &found.extension {
            None => {
                self.values.shift_remove(&found.attribute.name);
            }
            Some(urn) => {
                if let Some(Value::Object(holder)) = self.values.get_mut(&**urn) {
                    holder.shift_remove(&found.attribute.name);
                    if holder.is_empty() {
                        self.values.shift_remove(&**urn);
                    }
                }
            }
        }
    }
}

/// Values of an attribute that fulfil a filter.
struct Selection<'a> {
    attribute: &'a AttributePath,
    filter: &'a ValFilter,
    condition: &'a ElementCondition,
}

impl Selection<'_> {
    fn matches(&self, values: &[Value]) -> Vec<usize> {
        let matching = values
            .iter()
            .enumerate()
            .filter(|(_, it)| self.condition.matches_json(it));
        matching.map(|(index, _)| index).collect()
    }
}

fn given(value: &Option<Value>, path: &str) -> Result<Value, ScimError> {
    value
        .clone()
        .ok_or_else(|| invalid_value(format!("path {path:?}: the operation needs a `value`")))
}

/// What clients send for a value of a single attribute.
fn quirks_of_single(working: &mut Working<'_>, attribute: &Attribute, value: Value) -> Value {
    if !working.policy.lenient {
        return value;
    }
    let value = match value {
        Value::Array(elements) if elements.len() == 1 => {
            working.leniencies.push(Leniency::ArrayForSingle);
            quirks::unwrap_single(attribute, Value::Array(elements))
        }
        value => value,
    };
    match (&value, attribute.type_) {
        (Value::String(_), AttributeType::Boolean) => working.leniencies.push(Leniency::BooleanText),
        (Value::String(_), AttributeType::Complex) => working.leniencies.push(Leniency::TextForComplex),
        _ => {}
    }
    value
}

/// Appends values that are not there yet, and says where the given ones stand now (RFC 7644
/// section 3.5.2.1: a value that exists already is no change).
///
/// Two values are the same when their `value` and `type` are (7643-2.4-09); then what the given one
/// says besides is taken over. References are the same when their `value` is. Values without
/// `value` are the same when they are equal.
fn add_values(found: &AttributePath, values: &mut Vec<Value>, given: Vec<Value>) -> Vec<usize> {
    let by_value_alone = is_reference_set(&found.attribute);
    let identity = |it: &Value| -> Option<(String, String)> {
        let value = it.get("value")?;
        let type_ = it
            .get("type")
            .filter(|_| !by_value_alone)
            .map(ToString::to_string);
        Some((value.to_string(), type_.unwrap_or_default()))
    };
    let mut known: HashMap<(String, String), usize> = values
        .iter()
        .enumerate()
        .filter_map(|(index, it)| Some((identity(it)?, index)))
        .collect();
    let mut touched = Vec::with_capacity(given.len());
    for element in given {
        let identity = identity(&element);
        let existing = match &identity {
            Some(identity) => known.get(identity).copied(),
            None => values.iter().position(|it| *it == element),
        };
        match existing {
            Some(index) => {
                if !by_value_alone
                    && let (Value::Object(there), Value::Object(given)) = (&mut values[index], element)
                {
                    there.extend(given);
                }
                touched.push(index);
            }
            None => {
                touched.push(values.len());
                if let Some(identity) = identity {
                    known.insert(identity, values.len());
                }
                values.push(element);
            }
        }
    }
    touched
}

fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

fn has_primary(found: &AttributePath) -> bool {
    found
        .attribute
        .sub_attribute("primary")
        .is_some_and(|it| it.type_ == AttributeType::Boolean)
}

/// RFC 7644 section 3.5.2: a value that becomes primary takes it from the others.
fn settle_primary(found: &AttributePath, values: &mut [Value], touched: &[usize]) -> Result<(), ScimError> {
    if !has_primary(found) {
        return Ok(());
    }
    let mut primaries = touched
        .iter()
        .copied()
        .filter(|&index| is_primary(&values[index]));
    let Some(primary) = primaries.next() else {
        return Ok(());
    };
    if primaries.any(|it| it != primary) {
        return Err(two_primaries(found));
    }
    for (index, value) in values.iter_mut().enumerate() {
        if index != primary && is_primary(value) {
            value["primary"] = Value::Bool(false);
        }
    }
    Ok(())
}

fn refuse_two_primaries<'a>(
    found: &AttributePath,
    values: impl Iterator<Item = &'a Value>,
) -> Result<(), ScimError> {
    if has_primary(found) && values.filter(|it| is_primary(it)).nth(1).is_some() {
        return Err(two_primaries(found));
    }
    Ok(())
}

fn two_primaries(found: &AttributePath) -> ScimError {
    invalid_value(format!("`{found}.primary` must be true for one value at most"))
}

fn is_read_only(found: &AttributePath) -> bool {
    found.attribute.mutability == Mutability::ReadOnly || found.leaf().mutability == Mutability::ReadOnly
}

fn refuse_read_only(found: &AttributePath) -> Result<(), ScimError> {
    if is_read_only(found) {
        return Err(mutability(format!("`{found}` is readOnly")));
    }
    Ok(())
}

/// RFC 7644 section 3.5.2.2: removing a required attribute is an error of mutability.
fn refuse_required(path: &dyn fmt::Display, attribute: &Attribute) -> Result<(), ScimError> {
    if attribute.required {
        return Err(mutability(format!("`{path}` is required and cannot be removed")));
    }
    Ok(())
}

/// An immutable attribute may get its first value, and be given the same again.
fn refuse_immutable(
    path: &dyn fmt::Display,
    attribute: &Attribute,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<(), ScimError> {
    if attribute.mutability == Mutability::Immutable && old.is_some() && old != new {
        return Err(mutability(format!("`{path}` is immutable and has a value")));
    }
    Ok(())
}

fn is_members(found: &AttributePath) -> bool {
    found.extension.is_none() && found.attribute.name == "members" && is_reference_set(&found.attribute)
}

fn without_sub(found: &AttributePath) -> AttributePath {
    AttributePath {
        sub: None,
        ..found.clone()
    }
}

fn with_sub(found: &AttributePath, sub: &Arc<Attribute>) -> AttributePath {
    AttributePath {
        sub: Some(sub.clone()),
        ..found.clone()
    }
}

/// Sets a member by its name in any case.
fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    let spelled = members.keys().find(|it| it.eq_ignore_ascii_case(name)).cloned();
    members.insert(spelled.unwrap_or_else(|| name.to_owned()), value);
}

/// Equal values are equal text: members stand in the order of the schema.
fn in_schema_order(attributes: &[Arc<Attribute>], mut members: Map<String, Value>) -> Map<String, Value> {
    let in_order = members
        .keys()
        .map(|name| attributes.iter().position(|it| it.name == *name))
        .is_sorted();
    if in_order {
        return members;
    }
    let mut ordered = Map::with_capacity(members.len());
    for attribute in attributes {
        if let Some((name, value)) = members.shift_remove_entry(&attribute.name) {
            ordered.insert(name, value);
        }
    }
    ordered.extend(members);
    ordered
}
