//! Which conditions an index serves.

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::AttributePath;

use crate::layout::{Layout, is_membership};

/// Whether an index leads to the few resources that can fulfil the condition: then it is cheaper to
/// sort those than to walk all in order. SQLite cannot know.
pub(crate) fn is_selective(condition: &Condition, layout: &Layout) -> bool {
    match condition {
        Condition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            let is_id = path.extension.is_none() && ["id", "meta"].contains(&path.attribute.name.as_str());
            is_id
                || layout.column(path).is_some()
                || layout.indexed_path(path).is_some()
                || is_member_id(layout, path)
        }
        Condition::Element(_, condition) => element_is_selective(condition, layout),
        Condition::And(operands) => operands.iter().any(|it| is_selective(it, layout)),
        Condition::Or(operands) => operands.iter().all(|it| is_selective(it, layout)),
        _ => false,
    }
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

fn element_is_selective(condition: &ElementCondition, layout: &Layout) -> bool {
    match condition {
        ElementCondition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            layout.indexed_path(path).is_some() || is_member_id(layout, path)
        }
        ElementCondition::And(operands) => operands.iter().any(|it| element_is_selective(it, layout)),
        _ => false,
    }
}

fn is_member_id(layout: &Layout, path: &AttributePath) -> bool {
    is_membership(&layout.resource_type, path)
        && path
            .sub
            .as_ref()
            .is_some_and(|it| ["value", "$ref"].contains(&it.name.as_str()))
}
