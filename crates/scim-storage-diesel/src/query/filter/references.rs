//! Tests of the data that a response shows of a referenced resource, such as a `manager`.

use scim_model::condition::{Operand, Test};
use scim_model::schema::AttributePath;

use super::json::Json;
use crate::query::context::{Context, always, any, canonical_id};
use crate::query::source::Shown;
use crate::sql::{Dialect, Sql, sql};

/// The name of `x` as its key: its `displayName`.
const NAME_KEY: &str = "nullif(x.display_key, '')";

/// The number and the endpoint of a resource type.
pub(crate) type Type<'a> = (i64, &'a str);

impl Context<'_> {
    /// A test of the URI or the name of the referenced resource.
    pub(crate) fn reference_test(&self, path: &AttributePath, shown: Shown, test: &Test) -> Sql {
        let types = self.referenced_types(path);
        let test = match shown {
            Shown::Uri => self.uri_test(&types, test),
            Shown::Name => self.name_test(test),
        };
        let referenced = self.referenced(path, &types);
        let exists =
            sql!("EXISTS (SELECT 1 FROM resource x WHERE {referenced} AND {test})"; referenced, test);
        match self.scope.dialect {
            Dialect::Sqlite => exists,
            // Before the first ANALYZE, PostgreSQL would compare all pairs of resources in a join.
            Dialect::Postgres => sql!("({exists}) IS TRUE"; exists),
        }
    }

    /// The sort key that the referenced resource gives; `None` when no served type can be referenced.
    pub(crate) fn reference_sort_key(&self, path: &AttributePath, shown: Shown) -> Option<Sql> {
        let types = self.referenced_types(path);
        if types.is_empty() {
            return None;
        }
        let key = match shown {
            Shown::Name => Sql::text(NAME_KEY),
            Shown::Uri => {
                let prefixes = types.iter().map(|(kind, endpoint)| {
                    let prefix = self.uri_prefix(endpoint);
                    sql!("WHEN {kind} THEN {prefix}"; kind = *kind, prefix)
                });
                sql!(
                    "CASE x.kind {prefixes} END || {id}";
                    prefixes = Sql::join(prefixes, " "), id = self.id_text("x")
                )
            }
        };
        let referenced = self.referenced(path, &types);
        Some(sql!("(SELECT {key} FROM resource x WHERE {referenced})"; key, referenced))
    }

    /// The types that a reference can point at.
    fn referenced_types(&self, path: &AttributePath) -> Vec<Type<'_>> {
        let reference = path.attribute.sub_attribute("$ref").into_iter();
        reference
            .flat_map(|it| &it.reference_types)
            .filter_map(|name| self.scope.layouts.named(name))
            .map(|it| (it.kind, &*it.resource_type.endpoint))
            .collect()
    }

    /// The condition that `x` is the referenced resource and has one of the types.
    fn referenced(&self, path: &AttributePath, types: &[Type]) -> Sql {
        self.reads_normal.set(true);
        let id = self.json_text(&Json::at("n.normal", path).member("value"));
        let types = types
            .iter()
            .map(|(kind, _)| sql!("x.kind = {kind}"; kind = *kind));
        // Without `IS TRUE`, PostgreSQL might walk the index of the type before the first ANALYZE.
        sql!(
            "x.tenant_id = {tenant} AND x.id = {id} AND ({types}) IS TRUE";
            tenant = self.scope.tenant, id = self.id_bytes(id), types = any(types)
        )
    }

    /// The bytes of the id that a text spells with hyphens; `NULL` for any other text.
    fn id_bytes(&self, text: Sql) -> Sql {
        match self.scope.dialect {
            // `unhex` returns `NULL` for other characters, and for a text that is too short without its hyphens.
            Dialect::Sqlite => sql!(
                "CASE WHEN {text} GLOB '????????-????-????-????-????????????'
                      THEN unhex(replace({text}, '-', '')) END";
                text
            ),
            // `decode` fails for anything but hexadecimal digits.
            Dialect::Postgres => sql!(
                "CASE WHEN {text} ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
                      THEN decode(replace({text}, '-', ''), 'hex') END";
                text
            ),
        }
    }

    /// A test of the URI of `x`, which has one of the types.
    pub(crate) fn uri_test(&self, types: &[Type], test: &Test) -> Sql {
        if *test == Test::Present {
            return always(true);
        }
        let test_at = |endpoint: &str| {
            let prefix = self.uri_prefix(endpoint);
            match test {
                Test::Eq(Operand::Key(text)) => {
                    let id = text.strip_prefix(&prefix).and_then(canonical_id)?;
                    Some(sql!("x.id = {id}"; id))
                }
                test => {
                    let uri = sql!("({prefix} || {id})"; prefix, id = self.id_text("x"));
                    Some(self.text_test(uri, test))
                }
            }
        };
        match types {
            [(_, endpoint)] => test_at(endpoint).unwrap_or_else(|| always(false)),
            types => test_by_type(types.iter().map(|(kind, endpoint)| (*kind, test_at(endpoint)))),
        }
    }

    /// A test of the name of `x`, compared as a key.
    pub(crate) fn name_test(&self, test: &Test) -> Sql {
        let whole_key_test = || {
            let name = self.json_text(&Json::named("w.normal", "displayName"));
            sql!(
                "EXISTS (SELECT 1 FROM resource_normal w
                  WHERE w.tenant_id = {tenant} AND w.pk = x.pk AND {test})";
                tenant = self.scope.tenant, test = self.text_test(name, test)
            )
        };
        let test = self.index_key_test("x.display_key", test, whole_key_test);
        sql!("(x.display_key <> '' AND {test})"; test)
    }
}

/// The test for each type that `x` may have; `None` where no resource of the type passes.
pub(crate) fn test_by_type(tests: impl IntoIterator<Item = (i64, Option<Sql>)>) -> Sql {
    let tests = tests
        .into_iter()
        .filter_map(|(kind, test)| Some(sql!("((x.kind = {kind}) IS TRUE AND {test})"; kind, test = test?)));
    any(tests)
}
