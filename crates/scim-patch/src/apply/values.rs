//! The values of one multi-valued attribute while operations change them.
//!
//! A group may have 100,000 members and a request 1,000 operations. Values are therefore found by an index that lives
//! as long as the request, a removed value leaves a gap until the end, and each value that is examined despite the
//! index counts against the [`Budget`].

use scim_model::condition::ElementCondition;
use scim_model::internal::key::{self, Key};
use scim_model::{AttributePath, AttributeType, ScimError, ScimType};
use serde_json::{Map, Value};

use super::budget::Budget;
use super::index::{Index, demanded_keys, indexed_attribute, key_of};
use crate::mutability::{is_immutable, refuse_immutable};
use crate::object::in_schema_order;

/// The values of one attribute. A position stays valid while values are added and removed.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) attribute: AttributePath,
    /// `null` where a value was removed; a value itself is never `null`.
    elements: Vec<Value>,
    removed: usize,
    /// Built when the first value is looked up.
    index: Option<Index>,
}

impl Values {
    pub(super) fn new(attribute: AttributePath, elements: Vec<Value>) -> Values {
        Values {
            attribute,
            elements,
            removed: 0,
            index: None,
        }
    }

    /// Returns the array for a document; `None` without values.
    pub(super) fn into_value(mut self) -> Option<Value> {
        if self.removed > 0 {
            self.elements.retain(|it| !it.is_null());
        }
        (!self.elements.is_empty()).then_some(Value::Array(self.elements))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.elements.len() == self.removed
    }

    /// Returns the position that the next new value gets.
    pub(super) fn end(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn clear(&mut self) {
        self.elements.clear();
        self.removed = 0;
        self.index = None;
    }

    pub(super) fn to_vec(&self) -> Vec<Value> {
        self.elements.iter().filter(|it| !it.is_null()).cloned().collect()
    }

    pub(super) fn get(&self, position: usize) -> &Value {
        &self.elements[position]
    }

    /// Returns the positions of all values, in order.
    pub(super) fn all(&self, budget: &mut Budget) -> Result<Vec<usize>, ScimError> {
        budget.spend(self.elements.len())?;
        Ok(self.positions().collect())
    }

    /// Returns the positions of the values that satisfy a condition, in order.
    pub(super) fn select(
        &mut self,
        condition: &ElementCondition,
        budget: &mut Budget,
    ) -> Result<Vec<usize>, ScimError> {
        let mut keys = Vec::new();
        let mut selected = Vec::new();
        if demanded_keys(condition, &mut keys) {
            for key in keys {
                self.find(key, &mut selected, budget)?;
            }
            selected.sort_unstable();
            selected.dedup();
        } else {
            selected.extend(self.positions());
        }
        budget.spend(selected.len() * tests_in(condition))?;
        selected.retain(|&it| condition.matches_json(&self.elements[it]));
        Ok(selected)
    }

    /// Returns the positions of the values whose `value` has the same key, in order. A simple value is compared itself.
    pub(super) fn with_value(&mut self, value: &Value, budget: &mut Budget) -> Result<Vec<usize>, ScimError> {
        let attribute = self.attribute.attribute.clone();
        let Some(key) = indexed_attribute(&attribute).and_then(|it| key::of(it, value)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        match &key {
            Key::Text(text) => self.find(text, &mut found, budget)?,
            Key::Bool(_) => found = self.all(budget)?,
        }
        found.retain(|&it| key_of(&attribute, &self.elements[it]).as_ref() == Some(&key));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Adds a value unless it exists, and returns its position (RFC 7644 section 3.5.2.1).
    ///
    /// Values are the same when `value` and `type` are equal (7643-2.4-09); references are the same when `value` is
    /// equal. The existing value then takes over the other sub-attributes of the given one. Values without `value`
    /// are the same when they are equal as a whole. So are two values of the same operation, which have positions
    /// from `own` on: neither takes over anything from the other.
    pub(super) fn add(&mut self, given: Value, own: usize, budget: &mut Budget) -> Result<usize, ScimError> {
        let mut found = Vec::new();
        match key_of(&self.attribute.attribute, &given) {
            Some(Key::Text(key)) => self.find(&key, &mut found, budget)?,
            _ => self.find(&given.to_string(), &mut found, budget)?,
        }
        let by_value_alone = self.attribute.attribute.is_reference_set();
        found.retain(|&position| {
            let it = &self.elements[position];
            match given.get("value") {
                Some(value) if position < own => {
                    it.get("value") == Some(value) && (by_value_alone || it.get("type") == given.get("type"))
                }
                _ => *it == given,
            }
        });
        let equal = found.iter().filter(|&&it| self.elements[it] == given).min();
        match (equal.or(found.iter().min()).copied(), given) {
            (None, given) => {
                let position = self.elements.len();
                self.elements.push(given);
                self.add_to_index(position);
                Ok(position)
            }
            (Some(position), Value::Object(given)) => {
                self.take_over(position, given)?;
                Ok(position)
            }
            (Some(position), _) => Ok(position),
        }
    }

    fn take_over(&mut self, position: usize, given: Map<String, Value>) -> Result<(), ScimError> {
        let Value::Object(existing) = &mut self.elements[position] else {
            return Ok(());
        };
        let attribute = &self.attribute.attribute;
        for (name, value) in given {
            if let Some(sub) = attribute.sub_attribute(&name) {
                let path = format_args!("{}.{name}", self.attribute);
                refuse_immutable(&path, sub, existing.get(&name), Some(&value))?;
                if is_immutable(sub) && existing.contains_key(&name) {
                    continue; // The same value, perhaps in another spelling: the stored spelling stays.
                }
            }
            existing.insert(name, value);
        }
        *existing = in_schema_order(attribute, std::mem::take(existing));
        Ok(())
    }

    /// Replaces a value. An object without members removes it.
    pub(super) fn set(&mut self, position: usize, value: Value) {
        if value.as_object().is_some_and(Map::is_empty) {
            return self.remove(position);
        }
        self.elements[position] = value;
        self.add_to_index(position);
    }

    pub(super) fn remove(&mut self, position: usize) {
        self.elements[position] = Value::Null;
        self.removed += 1;
    }

    /// Makes a new primary value the only one (RFC 7644 section 3.5.2).
    ///
    /// # Errors
    /// `invalidValue` when more than one of the `written` values is primary.
    pub(super) fn settle_primary(&mut self, written: &[usize], budget: &mut Budget) -> Result<(), ScimError> {
        if !has_primary(&self.attribute) {
            return Ok(());
        }
        let mut primaries = written
            .iter()
            .copied()
            .filter(|&it| is_primary(&self.elements[it]));
        let Some(primary) = primaries.next() else {
            return Ok(());
        };
        if primaries.any(|it| it != primary) {
            return Err(two_primaries(&self.attribute));
        }
        budget.spend(self.elements.len())?;
        for (position, value) in self.elements.iter_mut().enumerate() {
            if position != primary && is_primary(value) {
                value["primary"] = Value::Bool(false);
            }
        }
        Ok(())
    }

    fn positions(&self) -> impl Iterator<Item = usize> {
        let elements = self.elements.iter().enumerate();
        elements
            .filter(|(_, it)| !it.is_null())
            .map(|(position, _)| position)
    }

    /// Appends the positions that may hold a value with the term.
    fn find(&mut self, term: &str, found: &mut Vec<usize>, budget: &mut Budget) -> Result<(), ScimError> {
        if self.index.is_none() {
            budget.spend(self.elements.len())?;
            self.index = Some(Index::default());
            for position in 0..self.elements.len() {
                self.add_to_index(position);
            }
        }
        if let Some(index) = &self.index {
            let before = found.len();
            found.extend(index.positions(term).filter(|&it| !self.elements[it].is_null()));
            budget.spend(found.len() - before)?;
        }
        Ok(())
    }

    /// Adds a value to the index, if the index has been built.
    fn add_to_index(&mut self, position: usize) {
        let Some(index) = &mut self.index else { return };
        let element = &self.elements[position];
        if element.is_null() {
            return;
        }
        match key_of(&self.attribute.attribute, element) {
            Some(Key::Text(key)) => index.insert(&key, position),
            _ => index.insert(&element.to_string(), position),
        }
    }
}

/// Returns the number of tests that the evaluation of a condition may take.
fn tests_in(condition: &ElementCondition) -> usize {
    match condition {
        ElementCondition::Always(_) | ElementCondition::Attribute(..) => 1,
        ElementCondition::And(operands) | ElementCondition::Or(operands) => {
            operands.iter().map(tests_in).sum()
        }
        ElementCondition::Not(operand) => tests_in(operand),
    }
}

/// Refuses more than one primary value in one operation.
pub(super) fn refuse_two_primaries(found: &AttributePath, values: &[Value]) -> Result<(), ScimError> {
    if has_primary(found) && values.iter().filter(|it| is_primary(it)).nth(1).is_some() {
        return Err(two_primaries(found));
    }
    Ok(())
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

fn two_primaries(found: &AttributePath) -> ScimError {
    let path = format_args!("{found}.primary");
    ScimError::at(ScimType::InvalidValue, path, "must be true for one value at most")
}
