//! The values of a multi-valued attribute while operations change them.
//!
//! A group may have 100,000 members and a request 1,000 operations. So values are looked up by their
//! `value` in an index that lives as long as the request, removed ones leave a gap until the end, and
//! what has to look at every value is counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::key::{self, Key};
use scim_model::{Attribute, AttributePath, AttributeType, ScimError, ScimType};
use serde_json::{Map, Value};

use crate::error::{is_immutable, refuse_immutable};

/// Looks at single values that one request may cost, so that no hostile one keeps a server busy: 50
/// filters over 100,000 members that no index serves are about half a second.
const MAX_WORK: usize = 5_000_000;

/// What a request has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Work(usize);

impl Work {
    /// # Errors
    /// 413 when the request has cost too much.
    pub(crate) fn spend(&mut self, looks: usize) -> Result<(), ScimError> {
        self.0 = self.0.saturating_add(looks);
        if self.0 > MAX_WORK {
            return Err(ScimError::too_large(
                "the operations look at too many values: send fewer at once, or name values by `value eq`",
            ));
        }
        Ok(())
    }
}

/// The values of one attribute. Positions stay valid while values come and go.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) attribute: AttributePath,
    /// `null` where a value was removed; no value is `null` itself.
    elements: Vec<Value>,
    removed: usize,
    index: Option<Index>,
}

impl Values {
    pub(crate) fn new(attribute: AttributePath, elements: Vec<Value>) -> Values {
        Values {
            attribute,
            elements,
            removed: 0,
            index: None,
        }
    }

    /// As it stands in a document; `None` without values.
    pub(crate) fn into_value(mut self) -> Option<Value> {
        if self.removed > 0 {
            self.elements.retain(|it| !it.is_null());
        }
        (!self.elements.is_empty()).then_some(Value::Array(self.elements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements.len() == self.removed
    }

    /// Behind the last position.
    pub(crate) fn end(&self) -> usize {
        self.elements.len()
    }

    pub(crate) fn clear(&mut self) {
        self.elements.clear();
        self.removed = 0;
        self.index = None;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.elements.iter().enumerate().filter(|(_, it)| !it.is_null())
    }

    pub(crate) fn get(&self, position: usize) -> &Value {
        &self.elements[position]
    }

    /// All positions, in order.
    pub(crate) fn all(&self, work: &mut Work) -> Result<Vec<usize>, ScimError> {
        work.spend(self.elements.len())?;
        Ok(self.iter().map(|(position, _)| position).collect())
    }

    /// Positions of the values that fulfil a condition, in order.
    pub(crate) fn select(
        &mut self,
        condition: &ElementCondition,
        work: &mut Work,
    ) -> Result<Vec<usize>, ScimError> {
        let mut keys = Vec::new();
        let candidates = if named_values(condition, &mut keys) {
            let mut found = Vec::new();
            for key in keys {
                self.candidates(Hashed::Value(key), &mut found, work)?;
            }
            found.sort_unstable();
            found.dedup();
            found
        } else {
            self.iter().map(|(position, _)| position).collect()
        };
        work.spend(candidates.len() * terms(condition))?;
        let mut selected = candidates;
        selected.retain(|&it| condition.matches_json(&self.elements[it]));
        Ok(selected)
    }

    /// Positions of the values whose `value` (or that themselves, if simple) have this one's key.
    pub(crate) fn with_value(&mut self, value: &Value, work: &mut Work) -> Result<Vec<usize>, ScimError> {
        let attribute = value_attribute(&self.attribute);
        let Some(Key::Text(key)) = attribute.and_then(|it| key::of(it, value)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        self.candidates(Hashed::Value(&key), &mut found, work)?;
        let same = |it: &Value| matches!(value_key(&self.attribute, it), Some(Key::Text(it)) if it == key);
        found.retain(|&it| same(&self.elements[it]));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Adds a value that is not there yet, and says where it stands now (RFC 7644 section 3.5.2.1: a
    /// value that exists already is no change).
    ///
    /// Two values are the same when their `value` and `type` are (7643-2.4-09), references when their
    /// `value` is; then what the given one says besides is taken over. Values without `value` are the
    /// same when they are equal, and so are those of one operation, which stand from `own` on: of them
    /// none takes over from another.
    pub(crate) fn add(&mut self, given: Value, own: usize, work: &mut Work) -> Result<usize, ScimError> {
        let mut found = Vec::new();
        let by_value_alone = self.attribute.attribute.is_reference_set();
        match value_key(&self.attribute, &given) {
            Some(Key::Text(key)) => self.candidates(Hashed::Value(&key), &mut found, work)?,
            _ => self.candidates(Hashed::Whole(&given.to_string()), &mut found, work)?,
        }
        let same = |position: usize| {
            let it = &self.elements[position];
            match given.get("value") {
                Some(value) if position < own => {
                    it.get("value") == Some(value) && (by_value_alone || it.get("type") == given.get("type"))
                }
                _ => *it == given,
            }
        };
        found.retain(|&it| same(it));
        let equal = found
            .iter()
            .copied()
            .filter(|&it| self.elements[it] == given)
            .min();
        let existing = equal.or_else(|| found.into_iter().min());
        match (existing, given) {
            (None, given) => {
                self.elements.push(given);
                self.enter(self.elements.len() - 1);
                Ok(self.elements.len() - 1)
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
        for (name, value) in given {
            if let Some(sub) = self.attribute.attribute.sub_attribute(&name) {
                let path = format_args!("{}.{name}", self.attribute);
                refuse_immutable(&path, sub, existing.get(&name), Some(&value))?;
                if is_immutable(sub) && existing.contains_key(&name) {
                    continue; // The words stay what they were.
                }
            }
            existing.insert(name, value);
        }
        let existing = in_schema_order(&self.attribute.attribute, std::mem::take(existing));
        self.elements[position] = Value::Object(existing);
        Ok(())
    }

    /// Puts a value in place of another; one without anything in it is removed.
    pub(crate) fn set(&mut self, position: usize, value: Value) {
        if value.as_object().is_some_and(Map::is_empty) {
            return self.remove(position);
        }
        self.elements[position] = value;
        self.enter(position);
    }

    pub(crate) fn remove(&mut self, position: usize) {
        self.elements[position] = Value::Null;
        self.removed += 1;
    }

    /// RFC 7644 section 3.5.2: a value that becomes primary takes it from the others. Among those
    /// that were `touched` at most one may be primary.
    pub(crate) fn settle_primary(&mut self, touched: &[usize], work: &mut Work) -> Result<(), ScimError> {
        if !has_primary(&self.attribute) {
            return Ok(());
        }
        let mut primaries = touched
            .iter()
            .copied()
            .filter(|&it| is_primary(&self.elements[it]));
        let Some(primary) = primaries.next() else {
            return Ok(());
        };
        if primaries.any(|it| it != primary) {
            return Err(two_primaries(&self.attribute));
        }
        work.spend(self.elements.len())?;
        for (position, value) in self.elements.iter_mut().enumerate() {
            if position != primary && is_primary(value) {
                value["primary"] = Value::Bool(false);
            }
        }
        Ok(())
    }

    /// Positions that may hold such a value. The index says where to look, not what is there.
    fn candidates(
        &mut self,
        hashed: Hashed,
        found: &mut Vec<usize>,
        work: &mut Work,
    ) -> Result<(), ScimError> {
        if self.index.is_none() {
            work.spend(self.elements.len())?;
            self.index = Some(Index::default());
            for position in 0..self.elements.len() {
                self.enter(position);
            }
        }
        if let Some(index) = &self.index {
            let before = found.len();
            found.extend(index.positions(hashed).filter(|&it| !self.elements[it].is_null()));
            work.spend(found.len() - before)?;
        }
        Ok(())
    }

    fn enter(&mut self, position: usize) {
        let Some(index) = &mut self.index else { return };
        let element = &self.elements[position];
        if element.is_null() {
            return;
        }
        match value_key(&self.attribute, element) {
            Some(Key::Text(key)) => index.enter(Hashed::Value(&key), position),
            _ => index.enter(Hashed::Whole(&element.to_string()), position),
        }
    }
}

/// Positions by the hash of the comparison key of `value`, or of the whole value where there is none.
/// A value that changed stands under its old hash too.
#[derive(Debug, Default)]
struct Index {
    hasher: RandomState,
    /// The newest entry of a hash.
    newest: HashMap<u64, usize>,
    /// A position, and the entry before it of the same hash.
    entries: Vec<(usize, Option<usize>)>,
}

/// What is looked up.
#[derive(Clone, Copy, Hash)]
enum Hashed<'a> {
    Value(&'a str),
    Whole(&'a str),
}

impl Index {
    fn enter(&mut self, hashed: Hashed, position: usize) {
        let before = self
            .newest
            .insert(self.hasher.hash_one(hashed), self.entries.len());
        self.entries.push((position, before));
    }

    fn positions(&self, hashed: Hashed) -> impl Iterator<Item = usize> {
        let mut next = self.newest.get(&self.hasher.hash_one(hashed)).copied();
        std::iter::from_fn(move || {
            let (position, before) = self.entries[next?];
            next = before;
            Some(position)
        })
    }
}

/// The attribute whose key is indexed: the sub-attribute `value`, or a simple attribute itself.
fn value_attribute(found: &AttributePath) -> Option<&Attribute> {
    if found.attribute.type_ == AttributeType::Complex {
        found.attribute.sub_attribute("value").map(|it| &**it)
    } else {
        Some(&found.attribute)
    }
}

fn value_key<'a>(found: &AttributePath, element: &'a Value) -> Option<Key<'a>> {
    let attribute = value_attribute(found)?;
    let value = match found.attribute.type_ {
        AttributeType::Complex => element.get("value")?,
        _ => element,
    };
    key::of(attribute, value)
}

/// Whether a value must have one of the keys as its `value` to fulfil the condition.
fn named_values<'a>(condition: &'a ElementCondition, keys: &mut Vec<&'a str>) -> bool {
    match condition {
        ElementCondition::Attribute(path, Test::Eq(Operand::Key(key))) => {
            let is_value = path.sub.as_ref().is_none_or(|it| it.name == "value");
            if is_value {
                keys.push(key);
            }
            is_value
        }
        ElementCondition::Or(operands) => operands.iter().all(|it| named_values(it, keys)),
        ElementCondition::And(operands) => operands.iter().any(|it| {
            let before = keys.len();
            let named = named_values(it, keys);
            if !named {
                keys.truncate(before);
            }
            named
        }),
        _ => false,
    }
}

/// Number of tests in a condition.
fn terms(condition: &ElementCondition) -> usize {
    match condition {
        ElementCondition::Always(_) | ElementCondition::Attribute(..) => 1,
        ElementCondition::And(operands) | ElementCondition::Or(operands) => operands.iter().map(terms).sum(),
        ElementCondition::Not(operand) => terms(operand),
    }
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

/// one operation may bring one primary value.
pub(crate) fn refuse_two_primaries(found: &AttributePath, values: &[Value]) -> Result<(), ScimError> {
    if has_primary(found) && values.iter().filter(|it| is_primary(it)).nth(1).is_some() {
        return Err(two_primaries(found));
    }
    Ok(())
}

fn two_primaries(found: &AttributePath) -> ScimError {
    let path = format_args!("{found}.primary");
    ScimError::at(ScimType::InvalidValue, path, "must be true for one value at most")
}

/// Equal values are equal text: sub-attributes stand in the order of the schema.
pub(crate) fn in_schema_order(attribute: &Attribute, mut members: Map<String, Value>) -> Map<String, Value> {
    let place = |name: &String| attribute.sub_attributes.iter().position(|it| it.name == *name);
    if members.keys().map(place).is_sorted() {
        return members;
    }
    let mut ordered = Map::with_capacity(members.len());
    for sub in &attribute.sub_attributes {
        if let Some((name, value)) = members.shift_remove_entry(&sub.name) {
            ordered.insert(name, value);
        }
    }
    ordered.extend(members);
    ordered
}
