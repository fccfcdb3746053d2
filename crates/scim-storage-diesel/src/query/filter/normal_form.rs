//! Tests of values in the normal form.

use scim_model::condition::{Operand, Test};
use scim_model::schema::{Attribute, AttributePath, AttributeType};

use super::{Compiler, always, balanced};
use crate::sql::{Dialect, Sql};

impl Compiler<'_> {
    pub(crate) fn normal(&self, path: &AttributePath, test: &Test) -> Sql {
        self.needs_normal.set(true);
        self.json_path_test(&Json::at("n.normal", path_members(path)), path, test)
    }

    pub(crate) fn json_path_test(&self, value: &Json, path: &AttributePath, test: &Test) -> Sql {
        match &path.sub {
            None => self.json_test(value, &path.attribute, test),
            Some(sub) if path.attribute.multi_valued => self.each(value, &path.attribute, "e", |item| {
                self.json_test(&item.member(&sub.name), sub, test)
            }),
            Some(sub) => self.json_test(&value.member(&sub.name), sub, test),
        }
    }

    /// A test of all values that an attribute has in an object.
    pub(crate) fn json_test(&self, value: &Json, attribute: &Attribute, test: &Test) -> Sql {
        if !attribute.multi_valued {
            return self.single_json_test(value, attribute, test);
        }
        let alias = if value.base.starts_with("e.") { "f" } else { "e" };
        self.each(value, attribute, alias, |item| {
            self.single_json_test(item, attribute, test)
        })
    }

    pub(crate) fn single_json_test(&self, value: &Json, attribute: &Attribute, test: &Test) -> Sql {
        match (attribute.type_, test) {
            (AttributeType::Complex, Test::Present) => {
                let subs = attribute.sub_attributes.iter().filter(|it| !it.is_never_read());
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
    pub(crate) fn each(
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
    pub(crate) fn json_text(&self, value: &Json) -> Sql {
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
    pub(crate) fn json_value(&self, value: &Json) -> Sql {
        let mut sql = Sql::new(value.base);
        for name in &value.members {
            sql = sql.text(" -> ").string(name);
        }
        sql
    }

    pub(crate) fn text_test(&self, text: Sql, test: &Test) -> Sql {
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
}

/// A value inside a JSON value that SQL can name.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    pub(crate) base: &'static str,
    pub(crate) members: Vec<String>,
    /// It is an element of an array of simple values.
    pub(crate) is_item: bool,
}

impl Json {
    pub(crate) fn at(base: &'static str, members: Vec<String>) -> Json {
        Json {
            base,
            members,
            is_item: false,
        }
    }

    pub(crate) fn member(&self, name: &str) -> Json {
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
pub(crate) fn path_members(path: &AttributePath) -> Vec<String> {
    let extension = path.extension.as_deref().map(str::to_owned);
    extension
        .into_iter()
        .chain([path.attribute.name.clone()])
        .collect()
}

pub(crate) fn sqlite_path(members: &[String]) -> String {
    let mut path = "$".to_owned();
    for name in members {
        path.push_str(&format!(".\"{name}\""));
    }
    path
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).expect("filters are short")
}
