//! Tests of what columns and index rows hold, of `id` and of `meta`.

use scim_model::condition::{Operand, Test};
use scim_model::key;
use scim_model::schema::AttributePath;
use uuid::Uuid;

use super::normal_form::{Json, path_members};
use super::{Compiler, always};
use crate::schema_map::index_key::{EXACT, SHORTENED_ABOVE, after_prefix, index_key};
use crate::schema_map::layout::{Column, milliseconds};
use crate::sql::{Dialect, Sql};

impl Compiler<'_> {
    pub(crate) fn column(&self, column: Column, path: &AttributePath, test: &Test) -> Sql {
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

    pub(crate) fn indexed(&self, number: i64, path: &AttributePath, test: &Test) -> Sql {
        let test_of_key = match test {
            Test::Eq(Operand::Bool(operand)) => Sql::new("v.key = ").string(operand.to_string()),
            test => self.index_key_test("v.key", test, || self.whole("v.pk", path, test)),
        };
        let sql = Sql::new("r.pk IN (").sql(self.values(number, test_of_key));
        self.subquery(sql.text(")"))
    }

    /// The select of the `pk` of what has a value, of the attribute with the number, that passes the test.
    pub(crate) fn values(&self, number: i64, test_of_key: Sql) -> Sql {
        Sql::new("SELECT v.pk FROM attribute_value v WHERE v.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND v.path = ")
            .int(number)
            .text(" AND ")
            .sql(test_of_key)
    }

    /// A test of an index key; `whole` tests the whole key where the index key does not suffice.
    pub(crate) fn index_key_test(&self, name: &'static str, test: &Test, whole: impl FnOnce() -> Sql) -> Sql {
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

    pub(crate) fn id(&self, table: &'static str, test: &Test) -> Sql {
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
    pub(crate) fn id_text(&self, table: &'static str) -> Sql {
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

    pub(crate) fn meta(&self, sub: &str, test: &Test) -> Sql {
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
                Test::Eq(Operand::Key(text)) => match self.located(text) {
                    Some(id) => Sql::new("r.id = ").id(id),
                    None => always(false),
                },
                test => self.text_test(self.location_text(), test),
            },
            "resourceType" => always(holds(&self.layout.resource_type.name, test)),
            _ => always(false),
        }
    }

    pub(crate) fn version_text(&self) -> Sql {
        match self.dialect {
            Dialect::Sqlite => Sql::new("('W/\"' || CAST(r.version AS TEXT) || '\"')"),
            Dialect::Postgres => Sql::new("('W/\"' || CAST(r.version AS TEXT) || '\"') COLLATE \"C\""),
        }
    }

    /// The id of what is at a location.
    pub(crate) fn located(&self, text: &str) -> Option<Uuid> {
        text.strip_prefix(&self.location_prefix()).and_then(canonical_id)
    }

    fn location_prefix(&self) -> String {
        self.prefix_at(&self.layout.resource_type.endpoint)
    }

    /// What stands before the id in the URIs of a type.
    pub(crate) fn prefix_at(&self, endpoint: &str) -> String {
        key::exact(&format!("{}{endpoint}/", self.base_url)).into_owned()
    }

    fn location_text(&self) -> Sql {
        Sql::new("(")
            .string(self.location_prefix())
            .text(" || ")
            .sql(self.id_text("r"))
            .text(")")
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
pub(crate) fn canonical_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|it| it.to_string() == text)
}

/// `5` of `W/"5"`.
fn version(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("W/\"")?.strip_suffix('"')?;
    digits.parse().ok().filter(|it: &i64| it.to_string() == digits)
}

/// The test of a text that is known beforehand.
pub(crate) fn holds(text: &str, test: &Test) -> bool {
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
