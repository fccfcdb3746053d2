//! The setting in which conditions and sort orders of one resource type become SQL.

use std::cell::Cell;

use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::internal::key;
use scim_model::schema::AttributePath;
use uuid::Uuid;

use crate::deadline::Deadline;
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::{Dialect, Sql, sql};

/// In the SQL, `r` is the resource, `n` its row in `resource_normal`, `m` a membership and `x` another resource
/// that a membership or a reference leads to.
pub(crate) struct Context<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) layout: &'a Layout,
    /// The part of `meta.location` and `$ref` before the endpoint.
    pub(crate) base_url: &'a str,
    /// SQLite checks it for every row that a scan examines.
    pub(crate) deadline: Option<Deadline>,
    /// Subqueries stay subqueries: PostgreSQL would turn each into a join and plan for minutes.
    pub(crate) keeps_subqueries: bool,
    /// SQLite reaches the few resources by a column and then looks up the memberships of each. Otherwise it would
    /// first list the memberships of all resources.
    pub(crate) checks_members_of_each: bool,
    /// Set when the compiled SQL reads `n.normal`.
    pub(crate) reads_normal: Cell<bool>,
    /// Set when the compiled SQL examines every key of a column.
    pub(crate) examines_column: Cell<bool>,
}

impl Context<'_> {
    /// A test by a subquery, in the form that suits the planner.
    pub(crate) fn subquery(&self, test: Sql) -> Sql {
        match self.keeps_subqueries {
            true => sql!("({test}) IS TRUE"; test),
            false => test,
        }
    }

    /// The `id` of a table's resource as clients see it.
    pub(crate) fn id_text(&self, table: &'static str) -> Sql {
        let table = Sql::text(table);
        match self.scope.dialect {
            Dialect::Sqlite => sql!(
                "lower(substr(hex({table}.id), 1, 8) || '-' || substr(hex({table}.id), 9, 4) || '-' ||
                 substr(hex({table}.id), 13, 4) || '-' || substr(hex({table}.id), 17, 4) || '-' ||
                 substr(hex({table}.id), 21, 12))";
                table
            ),
            Dialect::Postgres => sql!("(encode({table}.id, 'hex')::uuid::text COLLATE \"C\")"; table),
        }
    }

    /// The URI prefix of the resources of a type: everything before the id, as a comparison key.
    pub(crate) fn uri_prefix(&self, endpoint: &str) -> String {
        key::exact(&format!("{}{endpoint}/", self.base_url)).into_owned()
    }

    pub(crate) fn location_prefix(&self) -> String {
        self.uri_prefix(&self.layout.resource_type.endpoint)
    }

    /// The id in a `meta.location` of this type.
    pub(crate) fn id_at_location(&self, location: &str) -> Option<Uuid> {
        location
            .strip_prefix(&self.location_prefix())
            .and_then(canonical_id)
    }

    /// `meta.version` as clients see it.
    pub(crate) fn version_text(&self) -> Sql {
        Sql::text(match self.scope.dialect {
            Dialect::Sqlite => "('W/\"' || CAST(r.version AS TEXT) || '\"')",
            Dialect::Postgres => "('W/\"' || CAST(r.version AS TEXT) || '\"') COLLATE \"C\"",
        })
    }
}

/// The id that a text spells exactly as responses do; other spellings are not equal.
pub(crate) fn canonical_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|it| it.to_string() == text)
}

/// The test that a table's resource has an id, which may be that of no resource.
pub(crate) fn has_id(table: &'static str, id: Option<Uuid>) -> Sql {
    match id {
        Some(id) => sql!("{table}.id = {id}"; table = Sql::text(table), id),
        None => always(false),
    }
}

/// The operator and the operand of a test that compares keys.
pub(crate) fn comparison(test: &Test) -> Option<(Sql, &str)> {
    let (operator, operand) = match test {
        Test::Eq(Operand::Key(key)) => ("=", key),
        Test::Gt(key) => (">", key),
        Test::Ge(key) => (">=", key),
        Test::Lt(key) => ("<", key),
        Test::Le(key) => ("<=", key),
        _ => return None,
    };
    Some((Sql::text(operator), operand))
}

pub(crate) fn always(answer: bool) -> Sql {
    Sql::text(if answer { "TRUE" } else { "FALSE" })
}

/// A missing value makes a test `NULL`, which a negation must treat as false.
pub(crate) fn negated(test: Sql) -> Sql {
    sql!("({test}) IS NOT TRUE"; test)
}

pub(crate) fn all(tests: impl Iterator<Item = Sql>) -> Sql {
    balanced(tests.collect(), " AND ").unwrap_or_else(|| always(true))
}

pub(crate) fn any(tests: impl Iterator<Item = Sql>) -> Sql {
    balanced(tests.collect(), " OR ").unwrap_or_else(|| always(false))
}

/// Joins the tests as a balanced tree: SQLite refuses expressions that are nested deeper than 1,000.
fn balanced(mut tests: Vec<Sql>, connective: &'static str) -> Option<Sql> {
    if tests.len() < 2 {
        return tests.pop();
    }
    let right = balanced(tests.split_off(tests.len() / 2), connective)?;
    let left = balanced(tests, connective)?;
    Some(sql!("({left}{connective}{right})"; left, connective = Sql::text(connective), right))
}

/// The condition on one value of a multi-valued attribute; `test` compiles each of its tests.
pub(crate) fn element(condition: &ElementCondition, test: &impl Fn(&AttributePath, &Test) -> Sql) -> Sql {
    match condition {
        ElementCondition::Always(answer) => always(*answer),
        ElementCondition::Attribute(path, it) => test(path, it),
        ElementCondition::And(operands) => all(operands.iter().map(|it| element(it, test))),
        ElementCondition::Or(operands) => any(operands.iter().map(|it| element(it, test))),
        ElementCondition::Not(operand) => negated(element(operand, test)),
    }
}

/// The result of a test on a text that is known without the database.
pub(crate) fn passes(text: &str, test: &Test) -> bool {
    match test {
        Test::Present => !text.is_empty(),
        Test::Eq(Operand::Key(key)) => text == key,
        Test::Eq(Operand::Bool(_)) => false,
        Test::Co(part) => text.contains(part.as_str()),
        Test::Sw(part) => text.starts_with(part.as_str()),
        Test::Ew(part) => text.ends_with(part.as_str()),
        Test::Gt(key) => text > key.as_str(),
        Test::Ge(key) => text >= key.as_str(),
        Test::Lt(key) => text < key.as_str(),
        Test::Le(key) => text <= key.as_str(),
    }
}
