//! Conditions on normal forms, and on values of a document.

use std::borrow::Cow;

use serde_json::Value;

use super::{Condition, ElementCondition, Operand, Test};
use crate::key;
use crate::normal::{Subject, holder};
use crate::schema::{Attribute, AttributePath};

impl Condition {
    /// Whether the resource fulfils the condition. Time grows with the size of the condition times
    /// the size of the resource.
    pub fn matches(&self, subject: &Subject) -> bool {
        match self {
            Condition::Always(answer) => *answer,
            Condition::Attribute(path, test) => {
                attribute_values(path, subject)
                    .iter()
                    .any(|value| match &path.sub {
                        None => test.holds(value),
                        Some(sub) => value
                            .get(&sub.name)
                            .is_some_and(|it| values(it).iter().any(|it| test.holds(it))),
                    })
            }
            Condition::Element(path, condition) => attribute_values(path, subject)
                .iter()
                .any(|value| condition.matches(value)),
            Condition::And(conditions) => conditions.iter().all(|it| it.matches(subject)),
            Condition::Or(conditions) => conditions.iter().any(|it| it.matches(subject)),
            Condition::Not(condition) => !condition.matches(subject),
        }
    }
}

impl ElementCondition {
    /// Whether one value, in normal form, fulfils the condition.
    pub fn matches(&self, element: &Value) -> bool {
        self.holds(element, |_, value| Some(Cow::Borrowed(value)))
    }

    /// Whether one value of a [`Document`](crate::Document) fulfils the condition, for example an
    /// element of its `emails`. Names are spelled as in the schema, values are as the client sees
    /// them.
    pub fn matches_json(&self, element: &Value) -> bool {
        self.holds(element, |attribute, value| {
            key::of(attribute, value).map(Cow::Owned)
        })
    }

    fn holds(&self, element: &Value, key: KeyOf) -> bool {
        match self {
            ElementCondition::Always(answer) => *answer,
            ElementCondition::Attribute(path, test) => {
                let value = match &path.sub {
                    Some(sub) => element.get(&sub.name).unwrap_or(&Value::Null),
                    None => element,
                };
                values(value)
                    .iter()
                    .any(|it| key(path.leaf(), it).is_some_and(|key| test.holds(&key)))
            }
            ElementCondition::And(conditions) => conditions.iter().all(|it| it.holds(element, key)),
            ElementCondition::Or(conditions) => conditions.iter().any(|it| it.holds(element, key)),
            ElementCondition::Not(condition) => !condition.holds(element, key),
        }
    }
}

/// How the values at hand become keys.
type KeyOf = for<'a> fn(&Attribute, &'a Value) -> Option<Cow<'a, Value>>;

impl Test {
    /// Whether a key passes the test.
    pub(super) fn holds(&self, key: &Value) -> bool {
        match (self, key) {
            (Test::Present, _) => is_present(key),
            (Test::Eq(Operand::Bool(operand)), Value::Bool(key)) => key == operand,
            (Test::Eq(Operand::Key(operand)), Value::String(key)) => key == operand,
            (Test::Co(operand), Value::String(key)) => key.contains(operand),
            (Test::Sw(operand), Value::String(key)) => key.starts_with(operand),
            (Test::Ew(operand), Value::String(key)) => key.ends_with(operand),
            (Test::Gt(operand), Value::String(key)) => key > operand,
            (Test::Ge(operand), Value::String(key)) => key >= operand,
            (Test::Lt(operand), Value::String(key)) => key < operand,
            (Test::Le(operand), Value::String(key)) => key <= operand,
            _ => false,
        }
    }
}

/// RFC 7644 table 3: "a non-empty or non-null value, or […] a non-empty node".
fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
    }
}

fn attribute_values<'a>(path: &AttributePath, subject: &'a Subject) -> &'a [Value] {
    let value = holder(path, subject.normal_form()).and_then(|it| it.get(&path.attribute.name));
    value.map_or(&[], values)
}

/// The values of a multi-valued attribute, or the one of another.
fn values(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        single => std::slice::from_ref(single),
    }
}
