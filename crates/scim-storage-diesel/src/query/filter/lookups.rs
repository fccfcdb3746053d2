//! Which few resources can fulfil a condition, where indexes know: those that pass one of some tests of
//! equality. Databases see that of a single test; of an `or` of tests on several tables they do not, and
//! walk all resources.

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::AttributePath;

use super::columns::canonical_id;
use super::references::shown_by_reference;
use super::{Compiler, always};
use crate::query::sort::of_meta;
use crate::schema_map::index_key::index_key;
use crate::schema_map::layout::{Column, Layout, is_membership};
use crate::sql::Sql;

/// Tests of which whatever fulfils a condition passes one at least, and an index serves each.
#[derive(Debug)]
pub(crate) struct LookUps<'a> {
    tests: Vec<LookUp<'a>>,
    /// The condition's own SQL requires the only one of them.
    in_sight: bool,
    /// What passes one fulfils the condition.
    is_all: bool,
}

#[derive(Debug)]
struct LookUp<'a> {
    path: &'a AttributePath,
    key: &'a str,
    found: Found,
}

/// Where the index is; what mostly finds fewer resources is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// On a column of the resource.
    Column,
    Value,
    Membership,
}

/// The condition's look-ups, the cheapest where it leaves a choice; `None` where it takes a scan. There are
/// none where nothing can fulfil it.
pub(crate) fn look_ups<'a>(condition: &'a Condition, layout: &Layout) -> Option<LookUps<'a>> {
    of(Tree::Whole(condition), false, layout)
}

impl LookUps<'_> {
    fn only(test: LookUp<'_>, in_sight: bool) -> LookUps<'_> {
        LookUps {
            tests: vec![test],
            in_sight,
            is_all: true,
        }
    }

    /// A column that the condition requires leads to all that can fulfil it.
    pub(crate) fn are_of_columns(&self) -> bool {
        self.in_sight && self.tests.iter().all(|it| it.found == Found::Column)
    }

    /// The worst, and how many.
    fn cost(&self) -> (Option<Found>, usize) {
        (self.tests.iter().map(|it| it.found).max(), self.tests.len())
    }
}

/// Conditions on resources and on single values, which have the same form.
#[derive(Clone, Copy)]
enum Tree<'a> {
    Whole(&'a Condition),
    Element(&'a ElementCondition),
}

/// The look-ups of what the condition, or its negation, holds for.
fn of<'a>(tree: Tree<'a>, negated: bool, layout: &Layout) -> Option<LookUps<'a>> {
    use ElementCondition as Element;
    let (operands, is_and): (Vec<Tree>, bool) = match tree {
        Tree::Whole(Condition::Always(answer)) | Tree::Element(Element::Always(answer)) => {
            return (*answer == negated).then(|| LookUps {
                tests: Vec::new(),
                in_sight: false,
                is_all: true,
            });
        }
        Tree::Whole(Condition::Not(operand)) => return hidden(of(Tree::Whole(operand), !negated, layout)),
        Tree::Element(Element::Not(operand)) => return hidden(of(Tree::Element(operand), !negated, layout)),
        // That no value fulfils it is no reason for one that does not.
        Tree::Whole(Condition::Element(..)) if negated => return None,
        Tree::Whole(Condition::Element(_, condition)) => return of(Tree::Element(condition), false, layout),
        Tree::Whole(Condition::Attribute(path, test)) => {
            let found = found(path, layout).filter(|_| !negated)?;
            return Some(LookUps::only(look_up(path, test, found)?, true));
        }
        Tree::Element(Element::Attribute(path, test)) => {
            // Columns hold no values of several.
            let found = found(path, layout).filter(|it| !negated && *it != Found::Column)?;
            return Some(LookUps::only(look_up(path, test, found)?, true));
        }
        Tree::Whole(Condition::And(operands)) => (operands.iter().map(Tree::Whole).collect(), true),
        Tree::Whole(Condition::Or(operands)) => (operands.iter().map(Tree::Whole).collect(), false),
        Tree::Element(Element::And(operands)) => (operands.iter().map(Tree::Element).collect(), true),
        Tree::Element(Element::Or(operands)) => (operands.iter().map(Tree::Element).collect(), false),
    };
    let mut each = operands.into_iter().map(|it| of(it, negated, layout));
    if is_and != negated {
        let cheapest = each.flatten().min_by_key(LookUps::cost)?;
        return Some(LookUps {
            is_all: false,
            ..cheapest
        });
    }
    let none = LookUps {
        tests: Vec::new(),
        in_sight: false,
        is_all: true,
    };
    each.try_fold(none, |mut all, it| {
        let it = it?;
        all.tests.extend(it.tests);
        all.is_all &= it.is_all;
        Some(all)
    })
}

fn hidden(look_ups: Option<LookUps>) -> Option<LookUps> {
    look_ups.map(|it| LookUps {
        in_sight: false,
        ..it
    })
}

fn look_up<'a>(path: &'a AttributePath, test: &'a Test, found: Found) -> Option<LookUp<'a>> {
    let Test::Eq(Operand::Key(key)) = test else {
        return None;
    };
    Some(LookUp { path, key, found })
}

/// Where equality of the attribute is looked up.
fn found(path: &AttributePath, layout: &Layout) -> Option<Found> {
    if is_membership(&layout.resource_type, path) {
        return is_member_id(layout, path).then_some(Found::Membership);
    }
    if is_id(path) || is_location(path) {
        return Some(Found::Column);
    }
    if shown_by_reference(path).is_some() {
        return None;
    }
    let value = layout.indexed_path(path).map(|_| Found::Value);
    layout.column(path).map(|_| Found::Column).or(value)
}

pub(crate) fn is_member_id(layout: &Layout, path: &AttributePath) -> bool {
    is_membership(&layout.resource_type, path)
        && path
            .sub
            .as_ref()
            .is_some_and(|it| ["value", "$ref"].contains(&it.name.as_str()))
}

fn is_id(path: &AttributePath) -> bool {
    path.extension.is_none() && path.attribute.name == "id"
}

fn is_location(path: &AttributePath) -> bool {
    of_meta(path) == Some("location")
}

/// How a statement comes to the few resources.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By an index on the tenant and what the condition requires of a column.
    Column,
    /// By their `pk`, which the condition requires to be in a list.
    Pk,
    /// By their `pk`, which this requires to be in a list.
    List {
        sql: Sql,
        /// It says all that the condition says. PostgreSQL takes an `or` of subqueries for costly, and with
        /// many it would walk all resources after all.
        is_all: bool,
    },
}

impl Compiler<'_> {
    /// How to come to the resources that fulfil the condition; to be asked after it was compiled.
    pub(crate) fn way(&self, condition: &Condition) -> Option<Way> {
        let look_ups = look_ups(condition, self.layout)?;
        if look_ups.are_of_columns() {
            return Some(Way::Column);
        }
        if look_ups.in_sight && !self.many_subqueries.get() {
            return Some(Way::Pk);
        }
        let is_all = look_ups.is_all;
        let mut tests = look_ups.tests.iter();
        let Some(first) = tests.next() else {
            let sql = always(false);
            return Some(Way::List { sql, is_all });
        };
        let mut list = Sql::new("r.pk IN (").sql(self.found_by(first));
        for test in tests {
            list = list.text(" UNION ").sql(self.found_by(test));
        }
        let sql = list.text(")");
        Some(Way::List { sql, is_all })
    }

    /// The select of the `pk` of what passes a test.
    fn found_by(&self, LookUp { path, key, .. }: &LookUp) -> Sql {
        let test = Test::Eq(Operand::Key((*key).to_owned()));
        if let Some(membership) = self.membership(path) {
            let condition = ElementCondition::Attribute((*path).clone(), test);
            return membership.select(&condition);
        }
        let id = match (is_id(path), is_location(path)) {
            (true, _) => Some(canonical_id(key)),
            (_, true) => Some(self.located(key)),
            _ => None,
        };
        let column = match (id, self.layout.column(path)) {
            (Some(Some(id)), _) => Sql::new("c.id = ").id(id),
            (Some(None), _) => always(false),
            (None, Some(column)) => Sql::new(match column {
                Column::Unique => "c.unique_key = ",
                Column::External => "c.external_key = ",
                Column::Display => "c.display_key = ",
                Column::Family => "c.family_key = ",
                Column::Active => "c.active = ",
            })
            .string(index_key(key)),
            (None, None) => {
                let number = self.layout.indexed_path(path).unwrap_or_default();
                return self.values(number, Sql::new("v.key = ").string(index_key(key)));
            }
        };
        Sql::new("SELECT c.pk FROM resource c WHERE c.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND c.kind = ")
            .int(self.layout.kind)
            .text(" AND ")
            .sql(column)
    }
}
