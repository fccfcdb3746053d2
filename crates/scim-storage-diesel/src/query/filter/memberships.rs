//! Tests of a group's `members` and a user's `groups`, which are rows of `membership`.

use scim_model::condition::{ElementCondition, Test};
use scim_model::internal::key;
use scim_model::schema::{Attribute, AttributePath};

use super::references::{Type, test_by_type};
use crate::query::context::{Context, always, element, passes};
use crate::sql::{Dialect, Sql, sql};

const USERS: Type = (1, "/Users");
const GROUPS: Type = (2, "/Groups");

/// The memberships of a resource: `m` is a membership, `x` the resource at its other end.
pub(crate) struct Memberships<'a> {
    context: &'a Context<'a>,
    /// The column of `m` that points at `r`.
    this: &'static str,
    /// The column of `m` that points at `x`.
    other: &'static str,
    /// Whether `x` is the group.
    is_group: bool,
}

impl Context<'_> {
    /// The memberships behind `members` or `groups`.
    pub(crate) fn memberships(&self, path: &AttributePath) -> Memberships<'_> {
        let is_group = path.attribute.name == "groups";
        let (this, other) = match is_group {
            true => ("m.member_pk", "m.group_pk"),
            false => ("m.group_pk", "m.member_pk"),
        };
        Memberships {
            context: self,
            this,
            other,
            is_group,
        }
    }
}

impl Memberships<'_> {
    /// A test that one of the memberships of `r` matches the condition.
    pub(crate) fn any(&self, condition: &ElementCondition) -> Sql {
        let (tenant, this) = (self.context.scope.tenant, Sql::text(self.this));
        if *condition == ElementCondition::Always(true) {
            return sql!(
                "EXISTS (SELECT 1 FROM membership m WHERE m.tenant_id = {tenant} AND {this} = r.pk)";
                tenant, this
            );
        }
        let names_one = names_one(condition);
        if names_one && !self.context.checks_members_of_each {
            return sql!("r.pk IN ({pks})"; pks = self.pks(condition));
        }
        let mut condition = self.condition(condition);
        // A group may have more members than a tenant has groups.
        if let Some(deadline) = self.context.deadline {
            condition = sql!("{in_time} AND {condition}"; in_time = deadline.check(), condition);
        }
        let other = Sql::text(self.other);
        if self.context.scope.dialect == Dialect::Postgres && !names_one {
            // While its statistics are old, PostgreSQL would compare all memberships with all resources. A subquery with a
            // limit is evaluated for one membership at a time, and its results are kept for the same `x`.
            return sql!(
                "EXISTS (SELECT 1 FROM membership m CROSS JOIN LATERAL
                    (SELECT {condition} AS matches FROM resource x
                     WHERE x.tenant_id = {tenant} AND x.pk = {other} LIMIT 1) x
                  WHERE m.tenant_id = {tenant} AND {this} = r.pk AND x.matches)";
                condition, tenant, other, this
            );
        }
        // SQLite would examine all resources of the tenant as `x` for each `r`, when an index has all the columns that
        // the condition reads. A `CROSS JOIN` begins with the memberships, and no index of names serves `IS TRUE`.
        if !names_one {
            condition = sql!("({condition}) IS TRUE"; condition);
        }
        let and_then = Sql::text(if names_one { "," } else { "CROSS JOIN" });
        sql!(
            "EXISTS (SELECT 1 FROM membership m {and_then} resource x
              WHERE m.tenant_id = {tenant} AND {this} = r.pk
                AND x.tenant_id = {tenant} AND x.pk = {other} AND {condition})";
            and_then, tenant, this, other, condition
        )
    }

    /// Selects the `pk` of every resource with a membership that matches the condition.
    pub(crate) fn pks(&self, condition: &ElementCondition) -> Sql {
        sql!(
            "SELECT {this} FROM membership m JOIN resource x ON x.tenant_id = {tenant} AND x.pk = {other}
             WHERE m.tenant_id = {tenant} AND {condition}";
            this = Sql::text(self.this), tenant = self.context.scope.tenant, other = Sql::text(self.other),
            condition = self.condition(condition)
        )
    }

    fn condition(&self, condition: &ElementCondition) -> Sql {
        element(condition, &|path, test| match &path.sub {
            Some(sub) => self.sub_attribute_test(sub, test),
            None => always(*test == Test::Present),
        })
    }

    fn sub_attribute_test(&self, sub: &Attribute, test: &Test) -> Sql {
        match (sub.name.as_str(), self.is_group) {
            ("value", _) => self.context.id_test("x", test),
            ("$ref", true) => self.context.uri_test(&[GROUPS], test),
            ("$ref", false) => self.context.uri_test(&[USERS, GROUPS], test),
            ("type", true) => always(passes(&key::text(sub, "direct"), test)),
            ("type", false) => test_by_type([(USERS.0, "User"), (GROUPS.0, "Group")].map(|(kind, name)| {
                let passes = passes(&key::text(sub, name), test);
                (kind, passes.then(|| always(true)))
            })),
            ("display", _) => self.context.name_test(test),
            _ => always(false),
        }
    }
}

/// Whether the condition holds for at most one resource, found by its id.
fn names_one(condition: &ElementCondition) -> bool {
    match condition {
        ElementCondition::Attribute(path, Test::Eq(_)) => path
            .sub
            .as_ref()
            .is_some_and(|it| ["value", "$ref"].contains(&it.name.as_str())),
        ElementCondition::And(operands) => operands.iter().any(names_one),
        ElementCondition::Or(operands) => operands.iter().all(names_one),
        _ => false,
    }
}
