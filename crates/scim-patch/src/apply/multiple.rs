//! `add` and `replace` (RFC 7644 sections 3.5.2.1 and 3.5.2.3).
//!
//! They differ in one place: what becomes of the other values of a multi-valued attribute.

use std::sync::Arc;

use scim_filter::ValFilter;
use scim_model::condition::ElementCondition;
use scim_model::schema::Mutability;
use scim_model::validate::{drop_repeated, member_id, reference_id};
use scim_model::{
    Attribute, AttributePath, AttributeType, ClearText, Policy, Schema, ScimError, canonical_element,
    canonical_value,
};
use serde_json::{Map, Value, json};

use crate::apply::state::{Working, with_sub, without_sub};
use crate::apply::values::{in_schema_order, refuse_two_primaries};
use crate::error::{
    invalid_value, is_immutable, missing, mutability, no_target, quoted, refuse_immutable, refuse_read_only,
};
use crate::plan::{is_members, named_id, no_id};
use crate::quirks::Tolerances;
use crate::target::Target;

/// Looks that the change of one value is worth.
const MERGE: usize = 10;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Write {
    Add,
    Replace,
}

impl Working<'_> {
    pub(crate) fn write(
        &mut self,
        write: Write,
        target: Target,
        path: &str,
        value: Value,
    ) -> Result<(), ScimError> {
        match target {
            Target::Extension(schema) => self.write_extension(write, &schema, value),
            Target::Schemas => self.write_schemas(write, &value),
            Target::Attribute(found) => {
                refuse_read_only(&found)?;
                if found.attribute.is_secret() {
                    return self.write_secret(&found, value);
                }
                self.note_requested(&found, found.sub.as_ref(), Some(&value));
                match (&found.sub, found.attribute.multi_valued) {
                    (None, true) => self.write_values(write, &found, value),
                    (None, false) => self.write_single(&found, value),
                    (Some(sub), true) => self.write_sub_of_all(&found, &sub.clone(), value),
                    (Some(sub), false) => {
                        let value = Map::from_iter([(sub.name.clone(), value)]);
                        self.merge_single(&without_sub(&found), value)
                    }
                }
            }
            // What follows from the data cannot be written value by value.
            Target::Values { attribute, .. }
                if attribute.extension.is_none() && attribute.attribute.name == "schemas" =>
            {
                Err(mutability(
                    "`schemas` follows from the attributes that have values",
                ))
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
                self.note_requested(&attribute, sub.as_ref(), Some(&value));
                let selection = Selection {
                    attribute: &attribute,
                    filter: &filter,
                    condition: &condition,
                    sub: sub.as_ref(),
                    path,
                };
                if attribute.attribute.multi_valued {
                    self.write_selected(&selection, value)
                } else {
                    self.write_if_selected(&selection, value)
                }
            }
        }
    }

    /// The attributes of an extension that are named; the others stay.
    fn write_extension(&mut self, write: Write, schema: &Arc<Schema>, value: Value) -> Result<(), ScimError> {
        let members = match value {
            Value::Null => return self.remove_extension_data(schema),
            Value::Object(members) => members,
            _ => {
                return Err(invalid_value(format!(
                    "`{}` must be an object of its attributes",
                    schema.id
                )));
            }
        };
        for (name, value) in members {
            let attribute = schema
                .attributes
                .iter()
                .find(|it| it.name.eq_ignore_ascii_case(&name));
            let Some(attribute) = attribute else {
                self.unknown(&format!("{}:{name}", schema.id))?;
                continue;
            };
            let found = AttributePath {
                extension: Some(schema.id.clone()),
                attribute: attribute.clone(),
                sub: None,
            };
            if !self.is_skipped(&found, &value)? {
                self.write(write, Target::Attribute(found), &name, value)?;
            }
        }
        Ok(())
    }

    /// A secret is checked and kept out of the document.
    fn write_secret(&mut self, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let value = self.tolerances.array_for_single(&found.attribute, value);
        let text = match canonical_value(&found.attribute, found, value, self.policy)? {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        if found.attribute.required && text.as_deref().is_none_or(str::is_empty) {
            return Err(missing(found));
        }
        self.secrets.insert(found.to_string(), text.map(ClearText::new));
        Ok(())
    }

    /// A single-valued attribute gets the value; of a complex one the sub-attributes that are named.
    fn write_single(&mut self, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let attribute = &found.attribute;
        let value = self.tolerances.array_for_single(attribute, value);
        if self.tolerances.empty_reference(attribute, &value) {
            return self.set(found, None);
        }
        self.tolerances.text_for_complex(attribute, &value);
        match self.tolerances.boolean_text(attribute, value) {
            Value::Object(members) if attribute.type_ == AttributeType::Complex => {
                self.merge_single(found, members)
            }
            value => {
                let value = canonical_value(attribute, found, value, self.policy)?;
                self.set(found, value)
            }
        }
    }

    fn merge_single(&mut self, found: &AttributePath, members: Map<String, Value>) -> Result<(), ScimError> {
        let existing = match self.get(found) {
            Some(Value::Object(existing)) => existing.clone(),
            _ => Map::new(),
        };
        let merged = merge(found, existing, members, self.policy, &mut self.tolerances)?;
        self.set(found, (!merged.is_empty()).then_some(Value::Object(merged)))
    }

    /// The one place where `add` and `replace` differ: `add` keeps the values that are there.
    fn write_values(&mut self, write: Write, found: &AttributePath, value: Value) -> Result<(), ScimError> {
        let given = match value {
            Value::Null => Vec::new(),
            Value::Array(elements) => elements,
            // RFC 7644 section 3.5.2.1: "a new value is added"; one stands for a list of one.
            single => vec![single],
        };
        let is_member = self.resource_type.has_members() && is_members(found);
        let mut elements = Vec::with_capacity(given.len());
        for element in given {
            elements.extend(element_of(
                found,
                element,
                is_member,
                self.policy,
                &mut self.tolerances,
            )?);
        }
        if elements.is_empty() && found.attribute.required {
            return Err(missing(found));
        }
        if !is_member {
            drop_repeated(found, &mut elements, self.policy)?;
        }
        refuse_two_primaries(found, &elements)?;
        let list = self.list(found);
        let before = self.before(list);
        let (values, work, _) = self.parts(list);
        if write == Write::Replace {
            values.clear();
        }
        let mut touched = Vec::with_capacity(elements.len());
        let own = values.end();
        for element in elements {
            touched.push(values.add(element, own, work)?);
        }
        values.settle_primary(&touched, work)?;
        self.done(list, before)
    }

    /// A sub-attribute of every value, `emails.type`.
    fn write_sub_of_all(
        &mut self,
        found: &AttributePath,
        sub: &Arc<Attribute>,
        value: Value,
    ) -> Result<(), ScimError> {
        let list = self.list(found);
        let (values, work, _) = self.parts(list);
        let all = values.all(work)?;
        let value = Map::from_iter([(sub.name.clone(), value)]);
        if !all.is_empty() {
            return self.merge_into(list, &all, &value);
        }
        if value.values().all(Value::is_null) {
            return Ok(());
        }
        // RFC 7644 section 3.5.2.3: what does not exist is added.
        self.write_values(Write::Add, &without_sub(found), Value::Object(value))
    }

    /// Values of a multi-valued attribute that fulfil a filter, or a sub-attribute of each.
    fn write_selected(&mut self, selection: &Selection<'_>, value: Value) -> Result<(), ScimError> {
        let is_member = self.resource_type.has_members() && is_members(selection.attribute);
        let attribute = selection.attribute;
        let policy = self.policy;
        let list = self.list(attribute);
        let (values, work, tolerances) = self.parts(list);
        let selected = values.select(selection.condition, work)?;
        if selected.is_empty() {
            return self.create_selected(selection, value);
        }
        if let Some(sub) = selection.sub {
            return self.merge_into(list, &selected, &Map::from_iter([(sub.name.clone(), value)]));
        }
        match tolerances.array_for_single(&attribute.attribute, value) {
            // Merged, so that the `type` that selected the value stays.
            Value::Object(members) if attribute.attribute.type_ == AttributeType::Complex => {
                self.merge_into(list, &selected, &members)
            }
            // `type` stays here, too, when a plain string stands for the value.
            Value::String(text) if policy.lenient && attribute.attribute.sub_attribute("value").is_some() => {
                let value = Value::String(text);
                tolerances.text_for_complex(&attribute.attribute, &value);
                self.merge_into(list, &selected, &Map::from_iter([("value".to_owned(), value)]))
            }
            // Nothing in place of the values.
            Value::Null => self.remove_selected(list, &selected, None),
            Value::Array(elements) if elements.is_empty() => self.remove_selected(list, &selected, None),
            value => {
                let Some(element) = element_of(attribute, value, is_member, policy, tolerances)? else {
                    return self.remove_selected(list, &selected, None);
                };
                let before = self.before(list);
                let (values, work, _) = self.parts(list);
                for &position in &selected {
                    values.set(position, element.clone());
                }
                values.settle_primary(&selected, work)?;
                self.done(list, before)
            }
        }
    }

    /// A filter on a single complex value, `name[familyName eq "Jensen"].givenName`.
    fn write_if_selected(&mut self, selection: &Selection<'_>, value: Value) -> Result<(), ScimError> {
        let attribute = selection.attribute;
        match self.get(attribute) {
            Some(existing) if selection.condition.matches_json(existing) => match selection.sub {
                Some(sub) => self.merge_single(attribute, Map::from_iter([(sub.name.clone(), value)])),
                None => self.write_single(attribute, value),
            },
            // There is one value, and it is another one.
            Some(_) => Err(no_target(selection.path)),
            None => self.create_selected(selection, value),
        }
    }

    /// The filter matched nothing: an error by the RFC, a value to create for Entra.
    fn create_selected(&mut self, selection: &Selection<'_>, value: Value) -> Result<(), ScimError> {
        let attribute = selection.attribute;
        let Some(mut element) = self.tolerances.value_from_filter(selection.filter) else {
            return Err(no_target(selection.path));
        };
        let written = selection.sub.unwrap_or(&attribute.attribute);
        let value = self.tolerances.array_for_single(written, value);
        if value.is_null() {
            return Ok(());
        }
        if attribute.attribute.type_ != AttributeType::Complex {
            return self.write_values(Write::Add, attribute, value);
        }
        match (selection.sub, value) {
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

    fn merge_into(
        &mut self,
        list: usize,
        selected: &[usize],
        members: &Map<String, Value>,
    ) -> Result<(), ScimError> {
        let policy = self.policy;
        let before = self.before(list);
        let (values, work, tolerances) = self.parts(list);
        work.spend(selected.len().saturating_mul(MERGE))?;
        let found = values.attribute.clone();
        for &position in selected {
            let Value::Object(existing) = values.get(position) else {
                return Err(invalid_value(format!("`{found}` has no sub-attributes")));
            };
            let merged = merge(&found, existing.clone(), members.clone(), policy, tolerances)?;
            values.set(position, Value::Object(merged));
        }
        // A value that was primary before and is not spoken of stays what it is.
        if members.keys().any(|name| name.eq_ignore_ascii_case("primary")) {
            values.settle_primary(selected, work)?;
        }
        self.done(list, before)
    }

    // `schemas` follows from the data: to take a URN away is to take its data away.

    fn write_schemas(&mut self, write: Write, value: &Value) -> Result<(), ScimError> {
        let elements = match value {
            Value::Array(elements) => &elements[..],
            single => std::slice::from_ref(single),
        };
        let mut named = Vec::new();
        for element in elements {
            let schema = element.as_str().and_then(|it| self.resource_type.schema_of(it));
            let schema = schema.ok_or_else(|| {
                let element = quoted(element.as_str().unwrap_or("a value that is no string"));
                invalid_value(format!("`schemas`: {element} is no schema of this resource type"))
            })?;
            named.push(schema.id.clone());
        }
        if write == Write::Add {
            return Ok(());
        }
        if !named.contains(&self.resource_type.schema.id) {
            return Err(self.without_core_schema());
        }
        let mut gone = self.extensions();
        gone.retain(|it| !named.contains(it));
        self.remove_extensions(&gone)
    }

    pub(crate) fn without_core_schema(&self) -> ScimError {
        mutability(format!("`schemas` must name `{}`", self.resource_type.schema.id))
    }
}

/// Values of an attribute that fulfil a filter.
struct Selection<'a> {
    attribute: &'a AttributePath,
    filter: &'a ValFilter,
    condition: &'a ElementCondition,
    sub: Option<&'a Arc<Attribute>>,
    /// As it came, for messages.
    path: &'a str,
}

/// One complex value with the sub-attributes that are named changed; the others stay as they are
/// (RFC 7644 section 3.5.2.3, A-40), and `null` clears one.
fn merge(
    found: &AttributePath,
    mut existing: Map<String, Value>,
    members: Map<String, Value>,
    policy: Policy,
    tolerances: &mut Tolerances,
) -> Result<Map<String, Value>, ScimError> {
    let attribute = &*found.attribute;
    let new_reference = attribute.is_shown_reference() && names_reference_by_uri(&members);
    for (name, value) in members {
        let Some(sub) = attribute.sub_attribute(&name) else {
            if !tolerances.unknown_in_value() {
                return Err(invalid_value(format!(
                    "`{found}` has no sub-attribute {}",
                    quoted(&name)
                )));
            }
            continue;
        };
        if sub.mutability == Mutability::ReadOnly {
            continue; // Shown, not stored (7643-2.4-05).
        }
        let path = with_sub(found, sub);
        let value = match sub.multi_valued {
            true => value,
            false => tolerances.array_for_single(sub, value),
        };
        let value = tolerances.boolean_text(sub, value);
        let value = canonical_value(sub, &path, value, policy)?;
        refuse_immutable(&path, sub, existing.get(&sub.name), value.as_ref())?;
        let is_empty = |it: &Value| it.as_str() == Some("");
        if sub.required && value.as_ref().is_none_or(is_empty) {
            return Err(missing(&path));
        }
        if is_immutable(sub) && existing.contains_key(&sub.name) {
            continue; // The same, perhaps in other words: the words stay what they were.
        }
        match value {
            Some(value) => existing.insert(sub.name.clone(), value),
            None => existing.shift_remove(&sub.name),
        };
    }
    if attribute.is_shown_reference() {
        // Only the id is stored; a `$ref` alone names another one.
        if new_reference {
            existing.shift_remove("value");
        }
        let id = reference_id(&existing).map(str::to_owned);
        existing.shift_remove("$ref");
        if let Some(id) = id {
            existing.insert("value".to_owned(), Value::String(id));
        }
        let merged = Value::Object(existing);
        if tolerances.empty_reference(attribute, &merged) {
            return Ok(Map::new());
        }
        if let Value::Object(merged) = merged {
            return Ok(in_schema_order(attribute, merged));
        }
        return Ok(Map::new());
    }
    Ok(in_schema_order(attribute, existing))
}

fn names_reference_by_uri(members: &Map<String, Value>) -> bool {
    let says = |name: &str| {
        members
            .iter()
            .any(|(it, value)| it.eq_ignore_ascii_case(name) && !value.is_null())
    };
    says("$ref") && !says("value")
}

/// One value of a multi-valued attribute in canonical form.
fn element_of(
    found: &AttributePath,
    element: Value,
    is_member: bool,
    policy: Policy,
    tolerances: &mut Tolerances,
) -> Result<Option<Value>, ScimError> {
    let attribute = &*found.attribute;
    tolerances.text_for_complex(attribute, &element);
    let element = tolerances.boolean_text(attribute, element);
    if !is_member || element.is_null() {
        return canonical_element(attribute, found, element, policy);
    }
    // A member is its id; `type`, `$ref` and `display` are the server's.
    let id = json!({ "value": named_id(&element, policy).ok_or_else(|| no_id(found))? });
    // An id in capitals is the same id; what is no id at all, the store will not know.
    Ok(Some(match member_id(found, &id) {
        Ok(uuid) => json!({ "value": uuid.to_string() }),
        Err(_) => id,
    }))
}

/// Sets a member by its name in any case.
fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    let spelled = members.keys().find(|it| it.eq_ignore_ascii_case(name)).cloned();
    members.insert(spelled.unwrap_or_else(|| name.to_owned()), value);
}
