//! What a condition costs: which tests an index serves, and which need each resource to be looked at.

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::AttributePath;

use super::filter::lookups::{is_member_id, look_ups};
use crate::schema_map::index_key::EXACT;
use crate::schema_map::layout::{Column, Layout, is_membership};

/// The attributes for which each resource would have to be looked at, as paths, each once: those that
/// no index serves. Empty when an index leads to the few that match, or holds exactly what is asked for,
/// and the order is that of an index, or of few.
pub(crate) fn scanned_attributes(
    condition: &Condition,
    sort: Option<&AttributePath>,
    layout: &Layout,
) -> Vec<String> {
    if *condition == Condition::Always(false) || is_selective(condition, layout) {
        return Vec::new();
    }
    let mut attributes = Vec::new();
    if !is_served(condition, layout) {
        let tests = tests(condition);
        let without_index = tests.iter().filter(|(path, test)| !serves(layout, path, test));
        attributes.extend(without_index.map(|(path, _)| path.to_string()));
        if attributes.is_empty() {
            // Each has an index, but together they need to be looked at.
            attributes.extend(tests.iter().map(|(path, _)| path.to_string()));
        }
    }
    if let Some(path) = sort {
        // In the order of an index every resource comes by; with a filter, all that match are sorted.
        if *condition != Condition::Always(true) || !is_in_order(path, layout) {
            attributes.push(path.to_string());
        }
    }
    attributes.sort();
    attributes.dedup();
    attributes
}

/// Of what is no scan: whether no more is read than a page and the way to it, whatever the values are: one
/// resource found by a unique key, or all of them in the order of an index.
pub(crate) fn is_at_hand(condition: &Condition, layout: &Layout) -> bool {
    match condition {
        Condition::Always(_) => true,
        Condition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            let sub = path.sub.as_ref().map(|it| it.name.as_str());
            let name = path.attribute.name.as_str();
            let is_id =
                path.extension.is_none() && matches!((name, sub), ("id", None) | ("meta", Some("location")));
            is_id || layout.unique.as_ref() == Some(path)
        }
        _ => false,
    }
}

/// All that a query looks at or sorts by, as paths, each once.
pub(crate) fn attributes(condition: &Condition, sort: Option<&AttributePath>) -> Vec<String> {
    let tested = tests(condition).into_iter().map(|(path, _)| path);
    let mut attributes: Vec<String> = tested.chain(sort).map(ToString::to_string).collect();
    attributes.sort();
    attributes.dedup();
    attributes
}

/// Whether one index holds exactly what matches.
fn is_served(condition: &Condition, layout: &Layout) -> bool {
    match condition {
        Condition::Always(_) => true,
        Condition::Attribute(path, test) => serves(layout, path, test),
        _ => false,
    }
}

/// Whether an index finds what passes the test, and nothing else.
fn serves(layout: &Layout, path: &AttributePath, test: &Test) -> bool {
    if path.extension.is_none() {
        match (
            path.attribute.name.as_str(),
            path.sub.as_ref().map(|it| it.name.as_str()),
        ) {
            ("id", None) | ("meta", Some("location")) => return matches!(test, Test::Eq(_) | Test::Present),
            // One time or one name for all is no search.
            ("meta", Some("created" | "lastModified" | "resourceType") | None) => return true,
            ("meta", _) => return *test == Test::Present,
            _ => {}
        }
    }
    if is_member_id(layout, path) && matches!(test, Test::Eq(_)) {
        return true;
    }
    let has_index = layout.column(path).is_some() || layout.indexed_path(path).is_some();
    has_index
        && match test {
            Test::Present | Test::Eq(_) => true,
            Test::Co(_) | Test::Ew(_) => false,
            Test::Sw(operand) | Test::Gt(operand) | Test::Ge(operand) => operand.len() <= EXACT,
            Test::Lt(operand) | Test::Le(operand) => operand.len() <= EXACT,
        }
}

/// Whether an index is in the order of the attribute.
fn is_in_order(path: &AttributePath, layout: &Layout) -> bool {
    if path.extension.is_none() {
        let sub = path.sub.as_ref().map(|it| it.name.as_str());
        match path.attribute.name.as_str() {
            "id" => return true,
            // All have the same type, and locations are in the order of the ids.
            "meta" => {
                return matches!(
                    sub,
                    Some("created" | "lastModified" | "resourceType" | "location")
                );
            }
            _ => {}
        }
    }
    layout.column(path).is_some_and(|it| it != Column::Active)
}

/// All tests of a condition, those inside brackets included.
fn tests(condition: &Condition) -> Vec<(&AttributePath, &Test)> {
    match condition {
        Condition::Always(_) => Vec::new(),
        Condition::Attribute(path, test) => vec![(path, test)],
        Condition::Element(path, condition) => {
            let tests = tests_of_element(condition);
            // `emails[…]` where nothing is tested asks whether there is one.
            if tests.is_empty() {
                vec![(path, &Test::Present)]
            } else {
                tests
            }
        }
        Condition::And(operands) | Condition::Or(operands) => operands.iter().flat_map(tests).collect(),
        Condition::Not(operand) => tests(operand),
    }
}

fn tests_of_element(condition: &ElementCondition) -> Vec<(&AttributePath, &Test)> {
    match condition {
        ElementCondition::Always(_) => Vec::new(),
        ElementCondition::Attribute(path, test) => vec![(path, test)],
        ElementCondition::And(operands) | ElementCondition::Or(operands) => {
            operands.iter().flat_map(tests_of_element).collect()
        }
        ElementCondition::Not(operand) => tests_of_element(operand),
    }
}

/// Whether an index leads to the few resources that can fulfil the condition: then it is cheaper to
/// sort those than to walk all in order. SQLite cannot know.
pub(crate) fn is_selective(condition: &Condition, layout: &Layout) -> bool {
    look_ups(condition, layout).is_some()
}

/// Whether the condition is a test of equality of a value that hardly two resources have, as clients look a
/// resource up before they create it: `userName eq "…"`, `emails[type eq "work" and value eq "…"]`. There
/// are few texts of such statements, and no better plan for one value than for another: so they are worth
/// keeping.
pub(crate) fn is_look_up(condition: &Condition, layout: &Layout) -> bool {
    let is_short = match condition {
        Condition::Attribute(path, Test::Eq(Operand::Key(_))) => !is_member_id(layout, path),
        Condition::Element(path, ElementCondition::And(operands)) => {
            let is_equality = |it: &_| matches!(it, ElementCondition::Attribute(_, Test::Eq(_)));
            !is_membership(&layout.resource_type, path)
                && operands.len() == 2
                && operands.iter().all(is_equality)
        }
        _ => false,
    };
    is_short && is_selective(condition, layout)
}
