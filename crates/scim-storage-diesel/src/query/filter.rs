//! Conditions as SQL, with the result that [`Condition::matches`] has.
//!
//! An attribute is read, in this order, from its column, from its rows in `attribute_value` or
//! `membership`, or from the normal form in `resource_normal`. What a reference shows, as
//! `manager.displayName`, is read from the resource that it points at. `r` is the resource, `n` its
//! normal form, `x` a resource that it points at.
//!
//! A missing value makes a test `NULL`. `AND`, `OR` and `WHERE` treat that as false; the one place
//! where it would show is a negation, hence `IS NOT TRUE`.

pub(crate) mod columns;
pub(crate) mod lookups;
pub(crate) mod normal_form;
pub(crate) mod references;

use std::cell::Cell;

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Test};
use scim_model::schema::AttributePath;
use scim_model::store::TenantId;

use crate::admission::Deadline;
use crate::schema_map::layout::Layout;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql};

use lookups::look_ups;
use normal_form::{Json, path_members};
use references::shown_by_reference;

/// Turns the conditions of one query on one resource type into SQL.
pub(crate) struct Compiler<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: TenantId,
    /// Those of all types, for what references point at.
    layouts: &'a Layouts,
    pub(crate) layout: &'a Layout,
    /// What stands before the endpoint in `meta.location` and `$ref`.
    pub(crate) base_url: &'a str,
    /// Of a scan on SQLite.
    deadline: Option<Deadline>,
    pub(crate) needs_normal: Cell<bool>,
    scans_column: Cell<bool>,
    /// Subqueries stay subqueries: PostgreSQL would make joins of them, and with a hundred of those
    /// plan for minutes.
    many_subqueries: Cell<bool>,
    /// SQLite finds the few resources by a column: memberships are to be looked up for each of them, where it
    /// would else list those of all in a group first.
    is_by_column: Cell<bool>,
}

/// A condition of more tests than this may have many subqueries.
const FEW_TESTS: usize = 8;

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        tenant: TenantId,
        layouts: &'a Layouts,
        layout: &'a Layout,
        base_url: &'a str,
        deadline: Option<Deadline>,
    ) -> Compiler<'a> {
        Compiler {
            dialect,
            tenant,
            layouts,
            layout,
            base_url,
            deadline,
            needs_normal: Cell::new(false),
            scans_column: Cell::new(false),
            many_subqueries: Cell::new(false),
            is_by_column: Cell::new(false),
        }
    }

    /// Whether something that was compiled reads `n.normal`.
    pub(crate) fn needs_normal(&self) -> bool {
        self.needs_normal.get()
    }

    /// Whether a condition that was compiled looks at every key of a column.
    pub(crate) fn scans_column(&self) -> bool {
        self.scans_column.get()
    }

    /// The whole condition on `r`.
    pub(crate) fn compile(&self, condition: &Condition) -> Sql {
        let has_many_tests = condition.attributes().len() > FEW_TESTS;
        self.many_subqueries
            .set(has_many_tests && self.dialect == Dialect::Postgres);
        let are_of_columns = || look_ups(condition, self.layout).is_some_and(|it| it.are_of_columns());
        self.is_by_column
            .set(self.dialect == Dialect::Sqlite && are_of_columns());
        self.condition(condition)
    }

    fn subquery(&self, sql: Sql) -> Sql {
        if self.many_subqueries.get() {
            return Sql::new("(").sql(sql).text(") IS TRUE");
        }
        sql
    }

    fn condition(&self, condition: &Condition) -> Sql {
        match condition {
            Condition::Always(answer) => always(*answer),
            Condition::Attribute(path, test) => self.attribute(path, test),
            Condition::Element(path, condition) => self.element(path, condition),
            Condition::And(operands) => {
                balanced(operands.iter().map(|it| self.condition(it)).collect(), " AND ")
            }
            Condition::Or(operands) => {
                balanced(operands.iter().map(|it| self.condition(it)).collect(), " OR ")
            }
            Condition::Not(operand) => negated(self.condition(operand)),
        }
    }

    fn attribute(&self, path: &AttributePath, test: &Test) -> Sql {
        if path.extension.is_none() {
            match (
                path.attribute.name.as_str(),
                path.sub.as_ref().map(|it| it.name.as_str()),
            ) {
                ("id", None) => return self.id("r", test),
                ("meta", Some(sub)) => return self.meta(sub, test),
                ("meta", None) => return always(*test == Test::Present),
                _ => {}
            }
            if let Some(membership) = self.membership(path) {
                let condition = match &path.sub {
                    None => ElementCondition::Always(*test == Test::Present),
                    Some(_) => ElementCondition::Attribute(path.clone(), test.clone()),
                };
                return self.subquery(membership.any(&condition));
            }
        }
        if let Some(shown) = shown_by_reference(path) {
            return self.shown_reference(path, shown, test);
        }
        if let Some(column) = self.layout.column(path) {
            return self.column(column, path, test);
        }
        if let Some(number) = self.layout.indexed_path(path) {
            return self.indexed(number, path, test);
        }
        self.normal(path, test)
    }

    fn element(&self, path: &AttributePath, condition: &ElementCondition) -> Sql {
        if let Some(membership) = self.membership(path) {
            return self.subquery(membership.any(condition));
        }
        self.needs_normal.set(true);
        let each = self.each(
            &Json::at("n.normal", path_members(path)),
            &path.attribute,
            "e",
            |item| self.element_condition(item, condition),
        );
        // The index says which resources can match at all; the element decides.
        match self.candidates(condition) {
            Some(candidates) => candidates.text(" AND ").sql(each),
            None => each,
        }
    }

    /// A test in the condition that every matching element passes and an index serves.
    fn candidates(&self, condition: &ElementCondition) -> Option<Sql> {
        match condition {
            ElementCondition::Attribute(path, test) => {
                let number = self.layout.indexed_path(path)?;
                Some(self.indexed(number, path, test))
            }
            ElementCondition::And(operands) => {
                let is_equality =
                    |it: &&ElementCondition| matches!(it, ElementCondition::Attribute(_, Test::Eq(_)));
                let equalities = operands.iter().filter(is_equality);
                let others = operands.iter().filter(|it| !is_equality(it));
                equalities.chain(others).find_map(|it| self.candidates(it))
            }
            _ => None,
        }
    }

    fn element_condition(&self, item: &Json, condition: &ElementCondition) -> Sql {
        match condition {
            ElementCondition::Always(answer) => always(*answer),
            ElementCondition::Attribute(path, test) => match &path.sub {
                Some(sub) => self.json_test(&item.member(&sub.name), sub, test),
                None => self.single_json_test(item, &path.attribute, test),
            },
            ElementCondition::And(operands) => balanced(
                operands
                    .iter()
                    .map(|it| self.element_condition(item, it))
                    .collect(),
                " AND ",
            ),
            ElementCondition::Or(operands) => balanced(
                operands
                    .iter()
                    .map(|it| self.element_condition(item, it))
                    .collect(),
                " OR ",
            ),
            ElementCondition::Not(operand) => negated(self.element_condition(item, operand)),
        }
    }
}

fn always(answer: bool) -> Sql {
    Sql::new(if answer { "TRUE" } else { "FALSE" })
}

fn negated(sql: Sql) -> Sql {
    Sql::new("(").sql(sql).text(") IS NOT TRUE")
}

/// Joins the parts as a tree of little depth: SQLite refuses expressions deeper than 1,000.
fn balanced(mut parts: Vec<Sql>, operator: &'static str) -> Sql {
    match parts.len() {
        0 => always(operator == " AND "),
        1 => parts.remove(0),
        count => {
            let right = parts.split_off(count / 2);
            Sql::new("(")
                .sql(balanced(parts, operator))
                .text(operator)
                .sql(balanced(right, operator))
                .text(")")
        }
    }
}
