//! Evaluation of conditions on normal forms, and on values of a document.

use serde_json::Value;

use super::condition::{Condition, ElementCondition, Operand, Test};
use crate::filter::normal::{Subject, holder};
use crate::schema::{Attribute, AttributePath};
use crate::value::key::{self, Key};

impl Condition {
    /// Whether the resource satisfies the condition. Takes time proportional to the size of the condition times the
    /// size of the resource.
    pub fn matches(&self, subject: &Subject) -> bool {
        match self {
            Condition::Always(answer) => *answer,
            Condition::Attribute(path, test) => attribute_values(path, subject)
                .iter()
                .any(|it| passes(it, path, test, normal_key)),
            Condition::Element(path, condition) => attribute_values(path, subject)
                .iter()
                .any(|it| condition.matches(it)),
            Condition::And(operands) => operands.iter().all(|it| it.matches(subject)),
            Condition::Or(operands) => operands.iter().any(|it| it.matches(subject)),
            Condition::Not(operand) => !operand.matches(subject),
        }
    }
}

impl ElementCondition {
    /// Whether one value, in normal form, satisfies the condition.
    pub fn matches(&self, element: &Value) -> bool {
        self.holds(element, normal_key)
    }

    /// Whether one value of a [`Document`](crate::Document), for example an element of its `emails`, satisfies
    /// the condition. Names are spelled as in the schema, and values are as the client sees them.
    pub fn matches_json(&self, element: &Value) -> bool {
        self.holds(element, key::of)
    }

    fn holds(&self, element: &Value, key_of: KeyOf) -> bool {
        match self {
            ElementCondition::Always(answer) => *answer,
            ElementCondition::Attribute(path, test) => passes(element, path, test, key_of),
            ElementCondition::And(operands) => operands.iter().all(|it| it.holds(element, key_of)),
            ElementCondition::Or(operands) => operands.iter().any(|it| it.holds(element, key_of)),
            ElementCondition::Not(operand) => !operand.holds(element, key_of),
        }
    }
}

/// The conversion of values to keys.
type KeyOf = for<'a> fn(&Attribute, &'a Value) -> Option<Key<'a>>;

/// Takes a value of a normal form, which is a key already.
fn normal_key<'a>(_: &Attribute, value: &'a Value) -> Option<Key<'a>> {
    match value {
        Value::Bool(it) => Some(Key::Bool(*it)),
        Value::String(it) => Some(Key::Text(it.into())),
        _ => None,
    }
}

/// Whether one value of the path's attribute, or one of its sub-attribute's values, passes the test.
fn passes(value: &Value, path: &AttributePath, test: &Test, key_of: KeyOf) -> bool {
    let value = match &path.sub {
        Some(sub) => value.get(&sub.name).unwrap_or(&Value::Null),
        None => value,
    };
    values(value).iter().any(|value| match test {
        Test::Present => is_present(value),
        test => key_of(path.leaf(), value).is_some_and(|key| test.holds(&key)),
    })
}

impl Test {
    /// Whether a key passes the test.
    pub(super) fn holds(&self, key: &Key) -> bool {
        match (self, key) {
            (Test::Eq(Operand::Bool(operand)), Key::Bool(key)) => key == operand,
            (_, Key::Bool(_)) => *self == Test::Present,
            (Test::Present, Key::Text(key)) => !key.is_empty(),
            (Test::Eq(Operand::Key(operand)), Key::Text(key)) => key == operand,
            (Test::Eq(Operand::Bool(_)), Key::Text(_)) => false,
            (Test::Co(operand), Key::Text(key)) => key.contains(operand),
            (Test::Sw(operand), Key::Text(key)) => key.starts_with(operand),
            (Test::Ew(operand), Key::Text(key)) => key.ends_with(operand),
            (Test::Gt(operand), Key::Text(key)) => **key > **operand,
            (Test::Ge(operand), Key::Text(key)) => **key >= **operand,
            (Test::Lt(operand), Key::Text(key)) => **key < **operand,
            (Test::Le(operand), Key::Text(key)) => **key <= **operand,
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

/// The values of a multi-valued attribute, or the single value of another.
fn values(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        single => std::slice::from_ref(single),
    }
}
