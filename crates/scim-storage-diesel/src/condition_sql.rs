//! Conditions and sort keys as SQL, with the result that [`Condition::matches`] has.
//!
//! An attribute is read, in this order, from its column, from its rows in `attribute_value` or
//! `membership`, or from the normal form in `resource_normal`. What a reference shows, as
//! `manager.displayName`, is read from the resource that it points at. `r` is the resource, `n` its
//! normal form, `x` a resource that it points at.
//!
//! A missing value makes a test `NULL`. `AND`, `OR` and `WHERE` treat that as false; the one place
//! where it would show is a negation, hence `IS NOT TRUE`.

use std::cell::Cell;

use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::{Attribute, AttributePath, AttributeType};
use scim_model::store::TenantId;
use scim_model::{Condition, key};
use uuid::Uuid;

use crate::index_key::{EXACT, SHORTENED_ABOVE, after_prefix, index_key};
use crate::layout::{Column, Layout, is_secret_attribute, milliseconds};
use crate::layouts::Layouts;
use crate::sql::{Dialect, Sql};

/// Turns the conditions of one query on one resource type into SQL.
pub(crate) struct Compiler<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: TenantId,
    /// Those of all types, for what references point at.
    layouts: &'a Layouts,
    pub(crate) layout: &'a Layout,
    /// What stands before the endpoint in `meta.location` and `$ref`.
    pub(crate) base_url: &'a str,
    needs_normal: Cell<bool>,
    scans_column: Cell<bool>,
    /// Subqueries stay subqueries: PostgreSQL would make joins of them, and with a hundred of those
    /// plan for minutes.
    many_subqueries: Cell<bool>,
}

/// A condition of more tests than this may have many subqueries.
const FEW_TESTS: usize = 8;

/// What resources are sorted by.
#[derive(Clone, Debug)]
pub(crate) struct SortKey {
    pub(crate) sql: Sql,
    pub(crate) kind: SortKind,
}

/// How the key of a position is compared with a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKind {
    Text,
    Number,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        tenant: TenantId,
        layouts: &'a Layouts,
        layout: &'a Layout,
        base_url: &'a str,
    ) -> Compiler<'a> {
        Compiler {
            dialect,
            tenant,
            layouts,
            layout,
            base_url,
            needs_normal: Cell::new(false),
            scans_column: Cell::new(false),
            many_subqueries: Cell::new(false),
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

    // Columns

    fn column(&self, column: Column, path: &AttributePath, test: &Test) -> Sql {
        let name = match column {
            Column::Active => return boolean_column("r.active", test),
            Column::Unique => "r.unique_key",
            Column::External => "r.external_key",
            Column::Display => "r.display_key",
            Column::Family => "r.family_key",
        };
        if matches!(test, Test::Co(_) | Test::Ew(_)) {
            self.scans_column.set(true);
        }
        self.index_key_test(name, test, || self.whole("r.pk", path, test))
    }

    fn indexed(&self, number: i64, path: &AttributePath, test: &Test) -> Sql {
        let test_of_key = match test {
            Test::Eq(Operand::Bool(operand)) => Sql::new("v.key = ").string(operand.to_string()),
            test => self.index_key_test("v.key", test, || self.whole("v.pk", path, test)),
        };
        let sql = Sql::new("r.pk IN (SELECT v.pk FROM attribute_value v WHERE v.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND v.path = ")
            .int(number)
            .text(" AND ")
            .sql(test_of_key)
            .text(")");
        self.subquery(sql)
    }

    /// A test of an index key; `whole` tests the whole key where the index key does not suffice.
    fn index_key_test(&self, name: &'static str, test: &Test, whole: impl FnOnce() -> Sql) -> Sql {
        let operand = match test {
            Test::Eq(Operand::Key(key)) => {
                return Sql::new(name).text(" = ").string(index_key(key));
            }
            Test::Eq(Operand::Bool(_)) => return always(false),
            Test::Present => return Sql::new(name).text(" <> ''"),
            Test::Co(_) | Test::Ew(_) => {
                return Sql::new("CASE WHEN octet_length(")
                    .text(name)
                    .text(") > ")
                    .int(SHORTENED_ABOVE)
                    .text(" THEN ")
                    .sql(whole())
                    .text(" ELSE ")
                    .sql(self.text_test(Sql::new(name), test))
                    .text(" END");
            }
            Test::Sw(operand) | Test::Gt(operand) | Test::Ge(operand) => operand,
            Test::Lt(operand) | Test::Le(operand) => operand,
        };
        if operand.len() > EXACT {
            return whole();
        }
        let Test::Sw(prefix) = test else {
            return self.text_test(Sql::new(name), test);
        };
        let range = Sql::new("(").text(name).text(" >= ").string(prefix);
        match after_prefix(prefix) {
            Some(end) => range.text(" AND ").text(name).text(" < ").string(end).text(")"),
            None => range.text(")"),
        }
    }

    /// The test on the normal form, for a resource whose index key is not its whole key.
    fn whole(&self, pk: &'static str, path: &AttributePath, test: &Test) -> Sql {
        let value = Json::at("w.normal", path_members(path));
        Sql::new("EXISTS (SELECT 1 FROM resource_normal w WHERE w.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND w.pk = ")
            .text(pk)
            .text(" AND ")
            .sql(self.json_path_test(&value, path, test))
            .text(")")
    }

    // id and meta

    fn id(&self, table: &'static str, test: &Test) -> Sql {
        match test {
            Test::Present => always(true),
            Test::Eq(Operand::Key(text)) => match canonical_id(text) {
                Some(id) => Sql::new(table).text(".id = ").id(id),
                None => always(false),
            },
            test => self.text_test(self.id_text(table), test),
        }
    }

    /// `id` as clients see it.
    fn id_text(&self, table: &'static str) -> Sql {
        match self.dialect {
            Dialect::Sqlite => {
                let part = |start, length| format!("substr(hex({table}.id), {start}, {length})");
                let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
                Sql::default().built(format!("lower({})", parts.join(" || '-' || ")))
            }
            Dialect::Postgres => {
                Sql::default().built(format!("(encode({table}.id, 'hex')::uuid::text COLLATE \"C\")"))
            }
        }
    }

    fn meta(&self, sub: &str, test: &Test) -> Sql {
        match sub {
            "created" => instant("r.created", test),
            "lastModified" => instant("r.modified", test),
            "version" => match test {
                Test::Present => always(true),
                Test::Eq(Operand::Key(text)) => match version(text) {
                    Some(version) => Sql::new("r.version = ").int(version),
                    None => always(false),
                },
                test => self.text_test(self.version_text(), test),
            },
            "location" => match test {
                Test::Present => always(true),
                Test::Eq(Operand::Key(text)) => {
                    match text.strip_prefix(&self.location_prefix()).and_then(canonical_id) {
                        Some(id) => Sql::new("r.id = ").id(id),
                        None => always(false),
                    }
                }
                test => self.text_test(self.location_text(), test),
            },
            "resourceType" => always(holds(&self.layout.resource_type.name, test)),
            _ => always(false),
        }
    }

    fn version_text(&self) -> Sql {
        match self.dialect {
            Dialect::Sqlite => Sql::new("('W/\"' || CAST(r.version AS TEXT) || '\"')"),
            Dialect::Postgres => Sql::new("('W/\"' || CAST(r.version AS TEXT) || '\"') COLLATE \"C\""),
        }
    }

    fn location_prefix(&self) -> String {
        self.prefix_at(&self.layout.resource_type.endpoint)
    }

    /// What stands before the id in the URIs of a type.
    fn prefix_at(&self, endpoint: &str) -> String {
        key::exact(&format!("{}{endpoint}/", self.base_url)).into_owned()
    }

    fn location_text(&self) -> Sql {
        Sql::new("(")
            .string(self.location_prefix())
            .text(" || ")
            .sql(self.id_text("r"))
            .text(")")
    }

    // What other resources show of a resource

    /// A test of what an answer adds to the id in a reference such as `manager`.
    fn shown_reference(&self, path: &AttributePath, shown: Shown, test: &Test) -> Sql {
        let types = self.pointed_at(path);
        let test = match shown {
            Shown::Uri => self.uri(&types, test),
            Shown::Name => self.label(test),
        };
        let sql = Sql::new("EXISTS (SELECT 1").sql(self.resource_pointed_at(path, &types));
        self.subquery(sql.text(" AND ").sql(test).text(")"))
    }

    /// What is sorted by, of that; `None` when there is no type that it could point at.
    fn shown_sort_key(&self, path: &AttributePath, shown: Shown) -> Option<Sql> {
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
    fn membership(&self, path: &AttributePath) -> Option<Membership<'_>> {
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

    // The normal form

    fn normal(&self, path: &AttributePath, test: &Test) -> Sql {
        self.needs_normal.set(true);
        self.json_path_test(&Json::at("n.normal", path_members(path)), path, test)
    }

    fn json_path_test(&self, value: &Json, path: &AttributePath, test: &Test) -> Sql {
        match &path.sub {
            None => self.json_test(value, &path.attribute, test),
            Some(sub) if path.attribute.multi_valued => self.each(value, &path.attribute, "e", |item| {
                self.json_test(&item.member(&sub.name), sub, test)
            }),
            Some(sub) => self.json_test(&value.member(&sub.name), sub, test),
        }
    }

    /// A test of all values that an attribute has in an object.
    fn json_test(&self, value: &Json, attribute: &Attribute, test: &Test) -> Sql {
        if !attribute.multi_valued {
            return self.single_json_test(value, attribute, test);
        }
        let alias = if value.base.starts_with("e.") { "f" } else { "e" };
        self.each(value, attribute, alias, |item| {
            self.single_json_test(item, attribute, test)
        })
    }

    fn single_json_test(&self, value: &Json, attribute: &Attribute, test: &Test) -> Sql {
        match (attribute.type_, test) {
            (AttributeType::Complex, Test::Present) => {
                let subs = attribute
                    .sub_attributes
                    .iter()
                    .filter(|it| !is_secret_attribute(it));
                let tests: Vec<Sql> = subs
                    .map(|sub| self.json_test(&value.member(&sub.name), sub, test))
                    .collect();
                balanced(tests, " OR ")
            }
            (AttributeType::Complex, _) => always(false),
            (AttributeType::Boolean, Test::Present) => self.json_text(value).text(" IS NOT NULL"),
            (AttributeType::Boolean, Test::Eq(Operand::Bool(operand))) => match self.dialect {
                Dialect::Sqlite => self.json_text(value).text(" = ").bool(*operand),
                Dialect::Postgres => self.json_text(value).text(" = ").string(operand.to_string()),
            },
            (AttributeType::Boolean, _) => always(false),
            (_, test) => self.text_test(self.json_text(value), test),
        }
    }

    /// That one of the values passes; they are an array where the attribute is multi-valued.
    fn each(
        &self,
        value: &Json,
        attribute: &Attribute,
        alias: &'static str,
        test: impl FnOnce(&Json) -> Sql,
    ) -> Sql {
        let base = if alias == "e" { "e.value" } else { "f.value" };
        let item = Json {
            base,
            members: Vec::new(),
            is_item: attribute.type_ != AttributeType::Complex,
        };
        let values = match self.dialect {
            Dialect::Sqlite => Sql::new("EXISTS (SELECT 1 FROM jsonb_each(")
                .text(value.base)
                .text(", ")
                .string(sqlite_path(&value.members))
                .text(") AS ")
                .text(alias),
            Dialect::Postgres => {
                let array =
                    Sql::new("EXISTS (SELECT 1 FROM jsonb_array_elements(").sql(self.json_value(value));
                array.text(") AS ").text(alias).text(" (value)")
            }
        };
        self.subquery(values.text(" WHERE ").sql(test(&item)).text(")"))
    }

    /// A value inside a JSON value, as text; booleans are numbers on SQLite.
    fn json_text(&self, value: &Json) -> Sql {
        match self.dialect {
            Dialect::Sqlite if value.is_item => Sql::new(value.base),
            Dialect::Sqlite => Sql::new("json_extract(")
                .text(value.base)
                .text(", ")
                .string(sqlite_path(&value.members))
                .text(")"),
            Dialect::Postgres if value.members.is_empty() => {
                Sql::new("(").text(value.base).text(" #>> '{}') COLLATE \"C\"")
            }
            Dialect::Postgres => {
                let (last, holders) = value.members.split_last().expect("it was not empty");
                let mut sql = Sql::new("(").text(value.base);
                for name in holders {
                    sql = sql.text(" -> ").string(name);
                }
                sql.text(" ->> ").string(last).text(") COLLATE \"C\"")
            }
        }
    }

    /// A value inside a JSON value as JSON, on PostgreSQL.
    fn json_value(&self, value: &Json) -> Sql {
        let mut sql = Sql::new(value.base);
        for name in &value.members {
            sql = sql.text(" -> ").string(name);
        }
        sql
    }

    fn text_test(&self, text: Sql, test: &Test) -> Sql {
        let sqlite = self.dialect == Dialect::Sqlite;
        match test {
            Test::Present => text.text(" <> ''"),
            Test::Eq(Operand::Key(key)) => text.text(" = ").string(key),
            Test::Eq(Operand::Bool(_)) => always(false),
            Test::Co(part) => {
                let find = if sqlite { "instr(" } else { "strpos(" };
                Sql::new(find).sql(text).text(", ").string(part).text(") > 0")
            }
            Test::Sw(part) if sqlite => Sql::new("substr(")
                .sql(text)
                .text(", 1, ")
                .int(characters(part))
                .text(") = ")
                .string(part),
            Test::Sw(part) => Sql::new("starts_with(")
                .sql(text)
                .text(", ")
                .string(part)
                .text(")"),
            // Every text ends with nothing.
            Test::Ew(part) if part.is_empty() => text.text(" >= ''"),
            Test::Ew(part) if sqlite => Sql::new("substr(")
                .sql(text)
                .text(", ")
                .int(-characters(part))
                .text(") = ")
                .string(part),
            Test::Ew(part) => Sql::new("right(")
                .sql(text)
                .text(", CAST(")
                .int(characters(part))
                .text(" AS INTEGER)) = ")
                .string(part),
            Test::Gt(key) => text.text(" > ").string(key),
            Test::Ge(key) => text.text(" >= ").string(key),
            Test::Lt(key) => text.text(" < ").string(key),
            Test::Le(key) => text.text(" <= ").string(key),
        }
    }

    // Sorting

    /// What `r` is sorted by (RFC 7644 section 3.4.2.3, A-72); `None` when all have the same key.
    pub(crate) fn sort_key(&self, path: &AttributePath) -> Option<SortKey> {
        let text = |sql| {
            Some(SortKey {
                sql,
                kind: SortKind::Text,
            })
        };
        let number = |name| {
            Some(SortKey {
                sql: Sql::new(name),
                kind: SortKind::Number,
            })
        };
        if path.extension.is_none() {
            match (
                path.attribute.name.as_str(),
                path.sub.as_ref().map(|it| it.name.as_str()),
            ) {
                // Where one location is before another, so is the id.
                ("id", None) | ("meta", Some("location")) => return text(self.id_text("r")),
                ("meta", Some("created")) => return number("r.created"),
                ("meta", Some("lastModified")) => return number("r.modified"),
                ("meta", Some("version")) => return text(self.version_text()),
                ("meta", _) => return None,
                _ => {}
            }
        }
        if let Some(shown) = shown_by_reference(path) {
            return self.shown_sort_key(path, shown).and_then(text);
        }
        text(match self.layout.column(path) {
            Some(Column::Unique) => Sql::new("r.unique_key"),
            Some(Column::External) => Sql::new("r.external_key"),
            Some(Column::Display) => Sql::new("r.display_key"),
            Some(Column::Family) => Sql::new("r.family_key"),
            Some(Column::Active) => {
                Sql::new("CASE WHEN r.active THEN 'true' WHEN NOT r.active THEN 'false' END")
            }
            None => self.normal_sort_key(path),
        })
    }

    fn normal_sort_key(&self, path: &AttributePath) -> Sql {
        self.needs_normal.set(true);
        let attribute = Json::at("n.normal", path_members(path));
        if !path.attribute.multi_valued {
            let value = match &path.sub {
                Some(sub) => attribute.member(&sub.name),
                None => attribute,
            };
            return self.first_text(&value, path.leaf());
        }
        let Some(sub) = &path.sub else {
            return self.first_text(&attribute, path.leaf());
        };
        // The primary value, else the first.
        let item = Json {
            base: "e.value",
            members: Vec::new(),
            is_item: false,
        };
        let primary = self.json_text(&item.member("primary"));
        let sql = Sql::new("(SELECT ").sql(self.first_text(&item.member(&sub.name), sub));
        match self.dialect {
            Dialect::Sqlite => sql
                .text(" FROM jsonb_each(n.normal, ")
                .string(sqlite_path(&attribute.members))
                .text(") AS e ORDER BY coalesce(")
                .sql(primary)
                .text(" = 1, FALSE) DESC, e.key LIMIT 1)"),
            Dialect::Postgres => sql
                .text(" FROM jsonb_array_elements(")
                .sql(self.json_value(&attribute))
                .text(") WITH ORDINALITY AS e (value, position) ORDER BY coalesce(")
                .sql(primary)
                .text(" = 'true', FALSE) DESC, e.position LIMIT 1)"),
        }
    }

    /// The only value as text, or the first one.
    fn first_text(&self, value: &Json, attribute: &Attribute) -> Sql {
        let text = match (self.dialect, attribute.multi_valued) {
            (_, false) => self.json_text(value),
            (Dialect::Sqlite, true) => Sql::new("json_extract(")
                .text(value.base)
                .text(", ")
                .string(format!("{}[0]", sqlite_path(&value.members)))
                .text(")"),
            (Dialect::Postgres, true) => Sql::new("(")
                .sql(self.json_value(value))
                .text(" ->> 0) COLLATE \"C\""),
        };
        if attribute.type_ == AttributeType::Boolean && self.dialect == Dialect::Sqlite {
            return Sql::new("CASE ")
                .sql(text)
                .text(" WHEN 1 THEN 'true' WHEN 0 THEN 'false' END");
        }
        text
    }
}

/// A `Group`'s members or a `User`'s groups: `m` is the membership, `x` the resource at its other end.
struct Membership<'a> {
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
    fn any(&self, condition: &ElementCondition) -> Sql {
        let tenant = self.compiler.tenant.0;
        if *condition == ElementCondition::Always(true) {
            return Sql::new("EXISTS (SELECT 1 FROM membership m WHERE m.tenant_id = ")
                .int(tenant)
                .text(" AND ")
                .text(self.this)
                .text(" = r.pk)");
        }
        let test = self.condition(condition);
        let joined = |sql: Sql| {
            sql.text(" FROM membership m JOIN resource x ON x.tenant_id = ")
                .int(tenant)
                .text(" AND x.pk = ")
                .text(self.other)
                .text(" WHERE m.tenant_id = ")
                .int(tenant)
                .text(" AND ")
        };
        if names_one(condition) {
            return joined(Sql::new("r.pk IN (SELECT ").text(self.this))
                .sql(test)
                .text(")");
        }
        joined(Sql::new("EXISTS (SELECT 1"))
            .text(self.this)
            .text(" = r.pk AND ")
            .sql(test)
            .text(")")
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
enum Shown {
    Uri,
    Name,
}

/// What the path names of that, if it does.
fn shown_by_reference(path: &AttributePath) -> Option<Shown> {
    let sub = path
        .sub
        .as_ref()
        .filter(|_| path.attribute.is_shown_reference())?;
    match sub.name.as_str() {
        "$ref" => Some(Shown::Uri),
        "displayName" => Some(Shown::Name),
        _ => None,
    }
}

/// Whether an index leads to the few resources that can fulfil the condition: then it is cheaper to
/// sort those than to walk all in order. SQLite cannot know.
pub(crate) fn is_selective(condition: &Condition, layout: &Layout) -> bool {
    match condition {
        Condition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            let is_id = path.extension.is_none() && ["id", "meta"].contains(&path.attribute.name.as_str());
            is_id
                || layout.column(path).is_some()
                || layout.indexed_path(path).is_some()
                || is_member_id(path)
        }
        Condition::Element(_, condition) => element_is_selective(condition, layout),
        Condition::And(operands) => operands.iter().any(|it| is_selective(it, layout)),
        Condition::Or(operands) => operands.iter().all(|it| is_selective(it, layout)),
        _ => false,
    }
}

fn element_is_selective(condition: &ElementCondition, layout: &Layout) -> bool {
    match condition {
        ElementCondition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            layout.indexed_path(path).is_some() || is_member_id(path)
        }
        ElementCondition::And(operands) => operands.iter().any(|it| element_is_selective(it, layout)),
        _ => false,
    }
}

fn is_member_id(path: &AttributePath) -> bool {
    path.extension.is_none()
        && ["members", "groups"].contains(&path.attribute.name.as_str())
        && path
            .sub
            .as_ref()
            .is_some_and(|it| ["value", "$ref"].contains(&it.name.as_str()))
}

/// A value inside a JSON value that SQL can name.
#[derive(Clone, Debug)]
struct Json {
    base: &'static str,
    members: Vec<String>,
    /// It is an element of an array of simple values.
    is_item: bool,
}

impl Json {
    fn at(base: &'static str, members: Vec<String>) -> Json {
        Json {
            base,
            members,
            is_item: false,
        }
    }

    fn member(&self, name: &str) -> Json {
        let mut members = self.members.clone();
        members.push(name.to_owned());
        Json {
            members,
            is_item: false,
            ..*self
        }
    }
}

/// The way to the attribute, without the sub-attribute.
fn path_members(path: &AttributePath) -> Vec<String> {
    let extension = path.extension.as_deref().map(str::to_owned);
    extension
        .into_iter()
        .chain([path.attribute.name.clone()])
        .collect()
}

fn sqlite_path(members: &[String]) -> String {
    let mut path = "$".to_owned();
    for name in members {
        path.push_str(&format!(".\"{name}\""));
    }
    path
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

fn boolean_column(name: &'static str, test: &Test) -> Sql {
    match test {
        Test::Present => Sql::new(name).text(" IS NOT NULL"),
        Test::Eq(Operand::Bool(operand)) => Sql::new(name).text(" = ").bool(*operand),
        _ => always(false),
    }
}

/// A test of a time in milliseconds.
fn instant(name: &'static str, test: &Test) -> Sql {
    let (operator, text) = match test {
        Test::Present => return always(true),
        Test::Eq(Operand::Key(text)) => (" = ", text),
        Test::Gt(text) => (" > ", text),
        Test::Ge(text) => (" >= ", text),
        Test::Lt(text) => (" < ", text),
        Test::Le(text) => (" <= ", text),
        _ => return always(false),
    };
    match milliseconds(text) {
        Some(time) => Sql::new(name).text(operator).int(time),
        None => always(false),
    }
}

/// `id` as it is spelled in answers; no other spelling is equal.
fn canonical_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|it| it.to_string() == text)
}

/// `5` of `W/"5"`.
fn version(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("W/\"")?.strip_suffix('"')?;
    digits.parse().ok().filter(|it: &i64| it.to_string() == digits)
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).expect("filters are short")
}

/// The test of a text that is known beforehand.
fn holds(text: &str, test: &Test) -> bool {
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
