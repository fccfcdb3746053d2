//! Tests of what an answer shows of other resources: `members`, `groups`, and what stands beside the id in
//! a reference such as `manager`.

use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::key;
use scim_model::schema::{Attribute, AttributePath};

use super::columns::{canonical_id, holds};
use super::normal_form::{Json, path_members};
use super::{Compiler, always, balanced, negated};
use crate::sql::{Dialect, Sql};

impl Compiler<'_> {
    /// A test of what an answer adds to the id in a reference such as `manager`.
    pub(crate) fn shown_reference(&self, path: &AttributePath, shown: Shown, test: &Test) -> Sql {
        let types = self.pointed_at(path);
        let test = match shown {
            Shown::Uri => self.uri(&types, test),
            Shown::Name => self.label(test),
        };
        let sql = Sql::new("EXISTS (SELECT 1").sql(self.resource_pointed_at(path, &types));
        self.subquery(sql.text(" AND ").sql(test).text(")"))
    }

    /// What is sorted by, of that; `None` when there is no type that it could point at.
    pub(crate) fn shown_sort_key(&self, path: &AttributePath, shown: Shown) -> Option<Sql> {
        let types = self.pointed_at(path);
        if types.is_empty() {
            return None;
        }
        let key = match shown {
            Shown::Uri => {
                let mut prefix = Sql::new("CASE x.kind");
                for (kind, endpoint) in &types {
                    prefix = prefix.text(" WHEN ").int(*kind).text(" THEN ");
                    prefix = prefix.string(self.prefix_at(endpoint));
                }
                prefix.text(" END || ").sql(self.id_text("x"))
            }
            Shown::Name => Sql::new(
                "CASE WHEN x.display_key <> '' THEN x.display_key WHEN x.kind = 1 THEN x.unique_key END",
            ),
        };
        let sql = Sql::new("(SELECT ").sql(key);
        Some(sql.sql(self.resource_pointed_at(path, &types)).text(")"))
    }

    /// Number and endpoint of the types that a reference can point at.
    fn pointed_at(&self, path: &AttributePath) -> Vec<(i64, &str)> {
        let names = path.attribute.sub_attribute("$ref").into_iter();
        names
            .flat_map(|it| &it.reference_types)
            .filter_map(|name| self.layouts.named(name))
            .map(|it| (it.kind, &*it.resource_type.endpoint))
            .collect()
    }

    /// From the resource `x` that a reference points at, if it exists and is of one of the types.
    fn resource_pointed_at(&self, path: &AttributePath, types: &[(i64, &str)]) -> Sql {
        self.needs_normal.set(true);
        let id = Json::at("n.normal", path_members(path)).member("value");
        let of_type = types.iter().map(|(kind, _)| Sql::new("x.kind = ").int(*kind));
        Sql::new(" FROM resource x WHERE x.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND x.id = ")
            .sql(self.id_in(self.json_text(&id)))
            .text(" AND ")
            .sql(balanced(of_type.collect(), " OR "))
    }

    /// The id that a text spells with hyphens, as bytes; `NULL` for any other text.
    fn id_in(&self, text: Sql) -> Sql {
        let (is_id, bytes, end) = match self.dialect {
            // What has other characters than hexadecimal digits is `NULL` to `unhex`, and what has more
            // hyphens is shorter than any id.
            Dialect::Sqlite => (
                " GLOB '????????-????-????-????-????????????' THEN unhex(replace(",
                text.clone(),
                ", '-', '')) END",
            ),
            // A hyphenated UUID and nothing else: of other texts `decode` makes an error.
            Dialect::Postgres => (
                " ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN decode(replace(",
                text.clone(),
                ", '-', ''), 'hex') END",
            ),
        };
        Sql::new("CASE WHEN ").sql(text).text(is_id).sql(bytes).text(end)
    }

    /// A test of the URI of `x`, which is of one of the types: number and endpoint of each.
    fn uri(&self, types: &[(i64, &str)], test: &Test) -> Sql {
        if *test == Test::Present {
            return always(true);
        }
        let test_at = |endpoint: &str| {
            let prefix = self.prefix_at(endpoint);
            match test {
                Test::Eq(Operand::Key(text)) => {
                    let id = text.strip_prefix(&prefix).and_then(canonical_id)?;
                    Some(Sql::new("x.id = ").id(id))
                }
                test => {
                    let text = Sql::new("(")
                        .string(prefix)
                        .text(" || ")
                        .sql(self.id_text("x"))
                        .text(")");
                    Some(self.text_test(text, test))
                }
            }
        };
        match types {
            [(_, endpoint)] => test_at(endpoint).unwrap_or_else(|| always(false)),
            types => by_kind(types.iter().map(|(kind, endpoint)| (*kind, test_at(endpoint)))),
        }
    }

    /// A test of the name of `x`: of its `displayName`, else its `userName`, as their keys.
    fn label(&self, test: &Test) -> Sql {
        let whole = || {
            let named = |name: &str| self.json_text(&Json::at("w.normal", vec![name.to_owned()]));
            let text = Sql::new("coalesce(nullif(")
                .sql(named("displayName"))
                .text(", ''), ")
                .sql(named("userName"))
                .text(")");
            Sql::new("EXISTS (SELECT 1 FROM resource_normal w WHERE w.tenant_id = ")
                .int(self.tenant.0)
                .text(" AND w.pk = x.pk AND ")
                .sql(self.text_test(text, test))
                .text(")")
        };
        let test_of = |name| self.index_key_test(name, test, whole);
        Sql::new("CASE WHEN x.display_key <> '' THEN ")
            .sql(test_of("x.display_key"))
            .text(" WHEN x.kind = 1 THEN ")
            .sql(test_of("x.unique_key"))
            .text(" END")
    }

    // members and groups

    /// The rows of an attribute that is kept as memberships.
    pub(crate) fn membership(&self, path: &AttributePath) -> Option<Membership<'_>> {
        if path.extension.is_some() {
            return None;
        }
        let resource_type = &self.layout.resource_type;
        match path.attribute.name.as_str() {
            "members" if resource_type.has_members() => Some(Membership {
                compiler: self,
                this: "m.group_pk",
                other: "m.member_pk",
                is_group: false,
            }),
            "groups" if resource_type.has_groups() => Some(Membership {
                compiler: self,
                this: "m.member_pk",
                other: "m.group_pk",
                is_group: true,
            }),
            _ => None,
        }
    }
}

/// A `Group`'s members or a `User`'s groups: `m` is the membership, `x` the resource at its other end.
pub(crate) struct Membership<'a> {
    compiler: &'a Compiler<'a>,
    /// The end at `r`.
    this: &'static str,
    /// The end at `x`.
    other: &'static str,
    /// `x` is the group.
    is_group: bool,
}

impl Membership<'_> {
    /// That a member, or a group, fulfils the condition.
    pub(crate) fn any(&self, condition: &ElementCondition) -> Sql {
        let tenant = self.compiler.tenant.0;
        if *condition == ElementCondition::Always(true) {
            return Sql::new("EXISTS (SELECT 1 FROM membership m WHERE m.tenant_id = ")
                .int(tenant)
                .text(" AND ")
                .text(self.this)
                .text(" = r.pk)");
        }
        if names_one(condition) && !self.compiler.is_by_column.get() {
            return Sql::new("r.pk IN (").sql(self.select(condition)).text(")");
        }
        let mut of_this = self
            .joined(Sql::new("EXISTS (SELECT 1"))
            .text(self.this)
            .text(" = r.pk AND ");
        // A group may have more members than a tenant has groups.
        if let Some(deadline) = self.compiler.deadline {
            of_this = of_this.sql(deadline.check()).text(" AND ");
        }
        of_this.sql(self.condition(condition)).text(")")
    }

    /// The select of the `pk` of what has a member, or a group, that fulfils the condition.
    pub(crate) fn select(&self, condition: &ElementCondition) -> Sql {
        self.joined(Sql::new("SELECT ").text(self.this))
            .sql(self.condition(condition))
    }

    /// From the memberships of the tenant with `x`, where a condition follows.
    fn joined(&self, select: Sql) -> Sql {
        let tenant = self.compiler.tenant.0;
        select
            .text(" FROM membership m JOIN resource x ON x.tenant_id = ")
            .int(tenant)
            .text(" AND x.pk = ")
            .text(self.other)
            .text(" WHERE m.tenant_id = ")
            .int(tenant)
            .text(" AND ")
    }

    fn condition(&self, condition: &ElementCondition) -> Sql {
        let all = |operands: &[ElementCondition], operator| {
            balanced(operands.iter().map(|it| self.condition(it)).collect(), operator)
        };
        match condition {
            ElementCondition::Always(answer) => always(*answer),
            ElementCondition::Attribute(path, test) => match &path.sub {
                Some(sub) => self.sub_attribute(sub, test),
                None => always(*test == Test::Present),
            },
            ElementCondition::And(operands) => all(operands, " AND "),
            ElementCondition::Or(operands) => all(operands, " OR "),
            ElementCondition::Not(operand) => negated(self.condition(operand)),
        }
    }

    fn sub_attribute(&self, sub: &Attribute, test: &Test) -> Sql {
        match sub.name.as_str() {
            "value" => self.compiler.id("x", test),
            "$ref" if self.is_group => self.compiler.uri(&[GROUPS], test),
            "$ref" => self.compiler.uri(&[USERS, GROUPS], test),
            "type" if self.is_group => always(holds(&key::text(sub, "direct"), test)),
            "type" => by_kind([(USERS.0, "User"), (GROUPS.0, "Group")].map(|(kind, name)| {
                let passes = holds(&key::text(sub, name), test);
                (kind, passes.then(|| always(true)))
            })),
            "display" => self.compiler.label(test),
            _ => always(false),
        }
    }
}

/// Whether the condition holds for one resource at most, found by its id.
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

/// Number and endpoint of the built-in types.
const USERS: (i64, &str) = (1, "/Users");
const GROUPS: (i64, &str) = (2, "/Groups");

/// One test for each type of `x`; `None` where no resource of the type passes.
fn by_kind(tests: impl IntoIterator<Item = (i64, Option<Sql>)>) -> Sql {
    let tests = tests.into_iter().filter_map(|(kind, test)| {
        let of_kind = Sql::new("(x.kind = ").int(kind);
        Some(of_kind.text(" AND ").sql(test?).text(")"))
    });
    balanced(tests.collect(), " OR ")
}

/// What an answer adds to the id in a reference.
#[derive(Clone, Copy)]
pub(crate) enum Shown {
    Uri,
    Name,
}

/// What the path names of that, if it does.
pub(crate) fn shown_by_reference(path: &AttributePath) -> Option<Shown> {
    let sub = path
        .sub
        .as_ref()
        .filter(|_| path.attribute.is_shown_reference())?;
    match sub.name.as_str() {
        "$ref" => Some(Shown::Uri),
        "displayName" if path.attribute.shows_name() => Some(Shown::Name),
        _ => None,
    }
}
