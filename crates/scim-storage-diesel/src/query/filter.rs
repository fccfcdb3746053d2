//! Conditions as SQL, with the same result as [`Condition::matches`].
//!
//! A missing value makes a test `NULL`. `AND`, `OR` and `WHERE` treat that as false. Its negation would be `NULL` too
//! instead of true, so a negation is written as `IS NOT TRUE`.

pub(crate) mod candidates;
mod columns;
pub(crate) mod json;
mod memberships;
mod references;

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Test};
use scim_model::schema::AttributePath;

use super::context::{Context, all, always, any, element, negated};
use super::source::Source;
use crate::sql::{Sql, sql};
use json::Json;

impl Context<'_> {
    /// The whole condition on `r`.
    pub(crate) fn filter(&self, condition: &Condition) -> Sql {
        match condition {
            Condition::Always(answer) => always(*answer),
            Condition::Attribute(path, test) => self.attribute_test(path, test),
            Condition::Element(path, condition) => self.element_test(path, condition),
            Condition::And(operands) => all(operands.iter().map(|it| self.filter(it))),
            Condition::Or(operands) => any(operands.iter().map(|it| self.filter(it))),
            Condition::Not(operand) => negated(self.filter(operand)),
        }
    }

    fn attribute_test(&self, path: &AttributePath, test: &Test) -> Sql {
        match Source::of(path, self.layout) {
            Source::Id => self.id_test("r", test),
            Source::Meta(meta) => self.meta_test(meta, test),
            Source::Membership { .. } => {
                let condition = match &path.sub {
                    None => ElementCondition::Always(*test == Test::Present),
                    Some(_) => ElementCondition::Attribute(path.clone(), test.clone()),
                };
                self.subquery(self.memberships(path).any(&condition))
            }
            Source::Reference(shown) => self.reference_test(path, shown, test),
            Source::Column(column) => self.column_test(column, path, test),
            Source::IndexRows(number) => self.index_row_test(number, path, test),
            Source::NormalForm => self.normal_test(path, test),
        }
    }

    /// A test that one value of a multi-valued attribute matches the condition.
    fn element_test(&self, path: &AttributePath, condition: &ElementCondition) -> Sql {
        if let Source::Membership { .. } = Source::of(path, self.layout) {
            return self.subquery(self.memberships(path).any(condition));
        }
        self.reads_normal.set(true);
        let any = self.any_item(&Json::at("n.normal", path), &path.attribute, "e", |item| {
            element(condition, &|path, test| match &path.sub {
                Some(sub) => self.json_test(&item.member(&sub.name), sub, test),
                None => self.single_json_test(item, &path.attribute, test),
            })
        });
        // The index reduces the number of resources; the values in the normal form decide.
        match self.required_index_row(condition) {
            Some(has_row) => sql!("{has_row} AND {any}"; has_row, any),
            None => any,
        }
    }

    /// A test that an index serves and that every matching value passes.
    fn required_index_row(&self, condition: &ElementCondition) -> Option<Sql> {
        match condition {
            ElementCondition::Attribute(path, test) => {
                let number = self.layout.indexed_path(path)?;
                Some(self.index_row_test(number, path, test))
            }
            ElementCondition::And(operands) => {
                let is_equality =
                    |it: &&ElementCondition| matches!(it, ElementCondition::Attribute(_, Test::Eq(_)));
                let equalities = operands.iter().filter(is_equality);
                let others = operands.iter().filter(|it| !is_equality(it));
                equalities
                    .chain(others)
                    .find_map(|it| self.required_index_row(it))
            }
            _ => None,
        }
    }
}
