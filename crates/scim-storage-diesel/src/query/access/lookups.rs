//! Index lookups that lead to the few resources that can match a condition.
//!
//! For a single equality, a database chooses the index by itself. For an `or` of tests on several tables it does not,
//! and would walk all resources.

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::AttributePath;

use crate::query::source::{Meta, Source};
use crate::schema_map::layout::Layout;

/// Equality tests, each served by an index: every resource that matches the condition passes at least one.
#[derive(Debug)]
pub(crate) struct Lookups<'a> {
    /// Empty when no resource can match.
    pub(crate) tests: Vec<Lookup<'a>>,
    /// There is one test, and the compiled condition itself requires it, so the planner sees it.
    pub(crate) is_required: bool,
    /// Every resource that passes one of the tests matches the condition.
    pub(crate) is_exact: bool,
}

/// One equality test.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) path: &'a AttributePath,
    pub(crate) key: &'a str,
    place: Place,
}

/// Where the index of a lookup is; places that usually find fewer resources come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Column,
    IndexRows,
    Membership,
}

impl<'a> Lookups<'a> {
    /// The cheapest lookups for the condition; `None` when it takes a scan or a range.
    pub(crate) fn of(condition: &'a Condition, layout: &Layout) -> Option<Lookups<'a>> {
        of_tree(Tree::Whole(condition), false, layout)
    }

    /// Whether the condition itself requires a value of a column.
    pub(crate) fn is_required_column(&self) -> bool {
        self.is_required && self.tests.iter().all(|it| it.place == Place::Column)
    }

    fn none() -> Lookups<'a> {
        Lookups {
            tests: Vec::new(),
            is_required: false,
            is_exact: true,
        }
    }

    fn only(test: Lookup<'a>) -> Lookups<'a> {
        Lookups {
            tests: vec![test],
            is_required: true,
            is_exact: true,
        }
    }

    /// The most expensive place, and the number of lookups.
    fn cost(&self) -> (Option<Place>, usize) {
        (self.tests.iter().map(|it| it.place).max(), self.tests.len())
    }

    fn not_required(self) -> Lookups<'a> {
        Lookups {
            is_required: false,
            ..self
        }
    }
}

/// A condition on resources or on single values; both have the same shape.
#[derive(Clone, Copy)]
enum Tree<'a> {
    Whole(&'a Condition),
    Element(&'a ElementCondition),
}

/// The lookups of the condition, or of its negation.
fn of_tree<'a>(tree: Tree<'a>, is_negated: bool, layout: &Layout) -> Option<Lookups<'a>> {
    use ElementCondition as Element;
    let (operands, is_and): (Vec<Tree>, bool) = match tree {
        Tree::Whole(Condition::Always(answer)) | Tree::Element(Element::Always(answer)) => {
            return (*answer == is_negated).then(Lookups::none);
        }
        Tree::Whole(Condition::Not(operand)) => {
            return of_tree(Tree::Whole(operand), !is_negated, layout).map(Lookups::not_required);
        }
        Tree::Element(Element::Not(operand)) => {
            return of_tree(Tree::Element(operand), !is_negated, layout).map(Lookups::not_required);
        }
        // No index entry says that a resource has no matching value.
        Tree::Whole(Condition::Element(..)) if is_negated => return None,
        Tree::Whole(Condition::Element(_, condition)) => {
            return of_tree(Tree::Element(condition), false, layout);
        }
        Tree::Whole(Condition::Attribute(path, test)) => {
            let place = place(path, layout).filter(|_| !is_negated)?;
            return Some(Lookups::only(lookup(path, test, place)?));
        }
        Tree::Element(Element::Attribute(path, test)) => {
            // Columns hold no values of multi-valued attributes.
            let place = place(path, layout).filter(|it| !is_negated && *it != Place::Column)?;
            return Some(Lookups::only(lookup(path, test, place)?));
        }
        Tree::Whole(Condition::And(operands)) => (operands.iter().map(Tree::Whole).collect(), true),
        Tree::Whole(Condition::Or(operands)) => (operands.iter().map(Tree::Whole).collect(), false),
        Tree::Element(Element::And(operands)) => (operands.iter().map(Tree::Element).collect(), true),
        Tree::Element(Element::Or(operands)) => (operands.iter().map(Tree::Element).collect(), false),
    };
    let mut each = operands.into_iter().map(|it| of_tree(it, is_negated, layout));
    // By De Morgan's laws, a negated `or` is an `and`: its cheapest operand is enough.
    if is_and != is_negated {
        let cheapest = each.flatten().min_by_key(Lookups::cost)?;
        return Some(Lookups {
            is_exact: false,
            ..cheapest
        });
    }
    each.try_fold(Lookups::none(), |mut all, it| {
        let it = it?;
        all.tests.extend(it.tests);
        all.is_exact &= it.is_exact;
        Some(all)
    })
}

fn lookup<'a>(path: &'a AttributePath, test: &'a Test, place: Place) -> Option<Lookup<'a>> {
    let Test::Eq(Operand::Key(key)) = test else {
        return None;
    };
    Some(Lookup { path, key, place })
}

/// Where equality of the attribute is looked up.
fn place(path: &AttributePath, layout: &Layout) -> Option<Place> {
    match Source::of(path, layout) {
        Source::Id | Source::Meta(Meta::Location) | Source::Column(_) => Some(Place::Column),
        Source::IndexRows(_) => Some(Place::IndexRows),
        Source::Membership { is_id: true } => Some(Place::Membership),
        _ => None,
    }
}
