//! Tests of columns and index rows, of `id` and of `meta`.

use chrono::DateTime;
use scim_model::condition::{Operand, Test};
use scim_model::schema::AttributePath;

use super::json::Json;
use crate::query::context::{Context, always, canonical_id, comparison, has_id, passes};
use crate::query::source::Meta;
use crate::schema_map::index_key::{EXACT, SHORTENED_ABOVE, after_prefix, index_key};
use crate::schema_map::layout::Column;
use crate::sql::{Sql, sql};

impl Context<'_> {
    pub(crate) fn column_test(&self, column: Column, path: &AttributePath, test: &Test) -> Sql {
        let name = column.of_resource();
        if column == Column::Active {
            return boolean_test(name, test);
        }
        if matches!(test, Test::Co(_) | Test::Ew(_)) {
            self.examines_column.set(true);
        }
        self.index_key_test(name, test, || self.whole_key_test("r.pk", path, test))
    }

    /// A test of the rows in `attribute_value`.
    pub(crate) fn index_row_test(&self, number: i64, path: &AttributePath, test: &Test) -> Sql {
        let key_test = match test {
            Test::Eq(Operand::Bool(operand)) => sql!("v.key = {key}"; key = operand.to_string()),
            test => self.index_key_test("v.key", test, || self.whole_key_test("v.pk", path, test)),
        };
        let pks = self.pks_with_value(number, key_test);
        self.subquery(sql!("r.pk IN ({pks})"; pks))
    }

    /// Selects the `pk` of every resource with a value, of the attribute with this number, that passes the test.
    pub(crate) fn pks_with_value(&self, number: i64, key_test: Sql) -> Sql {
        sql!(
            "SELECT v.pk FROM attribute_value v
             WHERE v.tenant_id = {tenant} AND v.path = {number} AND {key_test}";
            tenant = self.scope.tenant, number, key_test
        )
    }

    /// A test of an index key; `whole_key_test` tests the whole key where the index key may be shortened.
    pub(crate) fn index_key_test(
        &self,
        column: &'static str,
        test: &Test,
        whole_key_test: impl FnOnce() -> Sql,
    ) -> Sql {
        let name = Sql::text(column);
        let operand = match test {
            Test::Eq(Operand::Key(key)) => return sql!("{name} = {key}"; name, key = index_key(key)),
            Test::Eq(Operand::Bool(_)) => return always(false),
            Test::Present => return sql!("{name} <> ''"; name),
            Test::Co(_) | Test::Ew(_) => {
                return sql!(
                    "CASE WHEN octet_length({name}) > {limit} THEN {whole} ELSE {short} END";
                    short = self.text_test(name.clone(), test), name, limit = SHORTENED_ABOVE,
                    whole = whole_key_test()
                );
            }
            Test::Sw(operand) | Test::Gt(operand) | Test::Ge(operand) => operand,
            Test::Lt(operand) | Test::Le(operand) => operand,
        };
        if operand.len() > EXACT {
            return whole_key_test();
        }
        let Test::Sw(prefix) = test else {
            return self.text_test(name, test);
        };
        match after_prefix(prefix) {
            Some(end) => sql!("({name} >= {prefix} AND {name} < {end})"; name, prefix, end),
            None => sql!("({name} >= {prefix})"; name, prefix),
        }
    }

    /// The test on the normal form, for a resource whose index key is shortened.
    fn whole_key_test(&self, pk: &'static str, path: &AttributePath, test: &Test) -> Sql {
        sql!(
            "EXISTS (SELECT 1 FROM resource_normal w WHERE w.tenant_id = {tenant} AND w.pk = {pk} AND {test})";
            tenant = self.scope.tenant, pk = Sql::text(pk),
            test = self.json_path_test(&Json::at("w.normal", path), path, test)
        )
    }

    pub(crate) fn id_test(&self, table: &'static str, test: &Test) -> Sql {
        match test {
            Test::Present => always(true),
            Test::Eq(Operand::Key(text)) => has_id(table, canonical_id(text)),
            test => self.text_test(self.id_text(table), test),
        }
    }

    pub(crate) fn meta_test(&self, meta: Meta, test: &Test) -> Sql {
        match (meta, test) {
            (Meta::Whole | Meta::Version | Meta::Location, Test::Present) => always(true),
            (Meta::Created, test) => instant_test("r.created", test),
            (Meta::LastModified, test) => instant_test("r.modified", test),
            (Meta::Version, Test::Eq(Operand::Key(text))) => match version(text) {
                Some(version) => sql!("r.version = {version}"; version),
                None => always(false),
            },
            (Meta::Version, test) => self.text_test(self.version_text(), test),
            (Meta::Location, Test::Eq(Operand::Key(text))) => has_id("r", self.id_at_location(text)),
            (Meta::Location, test) => self.text_test(self.location_text(), test),
            (Meta::ResourceType, test) => always(passes(&self.layout.resource_type.name, test)),
            (Meta::Whole | Meta::Unknown, _) => always(false),
        }
    }

    fn location_text(&self) -> Sql {
        sql!("({prefix} || {id})"; prefix = self.location_prefix(), id = self.id_text("r"))
    }
}

fn boolean_test(column: &'static str, test: &Test) -> Sql {
    let name = Sql::text(column);
    match test {
        Test::Present => sql!("{name} IS NOT NULL"; name),
        Test::Eq(Operand::Bool(operand)) => sql!("{name} = {operand}"; name, operand = *operand),
        _ => always(false),
    }
}

/// A test of a time in milliseconds.
fn instant_test(column: &'static str, test: &Test) -> Sql {
    if *test == Test::Present {
        return always(true);
    }
    // Operands are instants, as keys.
    let compared = comparison(test).and_then(|(operator, key)| {
        let time = DateTime::parse_from_rfc3339(key).ok()?.to_utc();
        Some(sql!("{column} {operator} {time}"; column = Sql::text(column), operator, time))
    });
    compared.unwrap_or_else(|| always(false))
}

/// `5` of `W/"5"`.
fn version(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("W/\"")?.strip_suffix('"')?;
    digits.parse().ok().filter(|it: &i64| it.to_string() == digits)
}
