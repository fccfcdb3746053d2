//! An index on the values of a multi-valued attribute.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::internal::key::{self, Key};
use scim_model::{Attribute, AttributeType};
use serde_json::Value;

/// Positions of values by the hash of a term: the comparison key of `value` or of a simple value itself, or the JSON text
/// of a value that has no such key.
///
/// Entries are never removed: a value that changed is also found under its earlier term. A caller compares the values
/// at the positions with the value that it looks for.
#[derive(Debug, Default)]
pub(super) struct Index {
    hasher: RandomState,
    /// The newest entry of a hash.
    newest: HashMap<u64, usize>,
    /// A position, and the next older entry with the same hash.
    entries: Vec<(usize, Option<usize>)>,
}

impl Index {
    pub(super) fn insert(&mut self, term: &str, position: usize) {
        let hash = self.hasher.hash_one(term);
        let older = self.newest.insert(hash, self.entries.len());
        self.entries.push((position, older));
    }

    /// Returns the positions that may hold a value with the term, the newest entry first.
    pub(super) fn positions(&self, term: &str) -> impl Iterator<Item = usize> + use<'_> {
        let mut next = self.newest.get(&self.hasher.hash_one(term)).copied();
        std::iter::from_fn(move || {
            let (position, older) = self.entries[next?];
            next = older;
            Some(position)
        })
    }
}

/// Returns the attribute whose key is indexed: the sub-attribute `value`, or a simple attribute itself.
pub(super) fn indexed_attribute(attribute: &Attribute) -> Option<&Attribute> {
    match attribute.type_ {
        AttributeType::Complex => attribute.sub_attribute("value").map(|it| &**it),
        _ => Some(attribute),
    }
}

/// Returns the key of a value of the attribute.
pub(super) fn key_of<'a>(attribute: &Attribute, element: &'a Value) -> Option<Key<'a>> {
    let value = match attribute.type_ {
        AttributeType::Complex => element.get("value")?,
        _ => element,
    };
    key::of(indexed_attribute(attribute)?, value)
}

/// Collects keys such that every value that satisfies the condition has one of them. Returns false when the condition
/// does not demand any key; the content of `keys` is then unspecified.
pub(super) fn demanded_keys<'a>(condition: &'a ElementCondition, keys: &mut Vec<&'a str>) -> bool {
    match condition {
        ElementCondition::Attribute(path, Test::Eq(Operand::Key(key))) => {
            let is_value = path.sub.as_ref().is_none_or(|it| it.name == "value");
            if is_value {
                keys.push(key);
            }
            is_value
        }
        ElementCondition::Or(operands) => operands.iter().all(|it| demanded_keys(it, keys)),
        ElementCondition::And(operands) => operands.iter().any(|it| {
            let before = keys.len();
            let demands = demanded_keys(it, keys);
            if !demands {
                keys.truncate(before);
            }
            demands
        }),
        _ => false,
    }
}
