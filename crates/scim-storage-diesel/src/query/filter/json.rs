//! Tests of values in the normal form, which is JSON.

use scim_model::condition::{Operand, Test};
use scim_model::schema::{Attribute, AttributePath, AttributeType};

use crate::query::context::{Context, always, any, comparison};
use crate::sql::{Dialect, Sql, sql};

/// A value inside a JSON value that SQL can name.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    base: &'static str,
    members: Vec<String>,
    /// An element of an array of simple values, rather than a member of an object.
    is_item: bool,
}

impl Json {
    /// The attribute of a path, without its sub-attribute, in a normal form.
    pub(crate) fn at(normal: &'static str, path: &AttributePath) -> Json {
        let root = Json::item(normal, false);
        match &path.extension {
            Some(extension) => root.member(extension).member(&path.attribute.name),
            None => root.member(&path.attribute.name),
        }
    }

    /// A top-level attribute of a normal form.
    pub(crate) fn named(normal: &'static str, name: &str) -> Json {
        Json::item(normal, false).member(name)
    }

    /// The value of a table function such as `jsonb_each`.
    pub(crate) fn item(base: &'static str, is_item: bool) -> Json {
        Json {
            base,
            members: Vec::new(),
            is_item,
        }
    }

    pub(crate) fn member(&self, name: &str) -> Json {
        let mut members = self.members.clone();
        members.push(name.to_owned());
        Json {
            base: self.base,
            members,
            is_item: false,
        }
    }

    fn base(&self) -> Sql {
        Sql::text(self.base)
    }

    /// The path in SQLite's notation.
    fn sqlite_path(&self) -> String {
        let members = self.members.iter().map(|name| format!(".\"{name}\""));
        std::iter::once("$".to_owned()).chain(members).collect()
    }
}

impl Context<'_> {
    /// A test of an attribute in the resource's normal form.
    pub(crate) fn normal_test(&self, path: &AttributePath, test: &Test) -> Sql {
        self.reads_normal.set(true);
        self.json_path_test(&Json::at("n.normal", path), path, test)
    }

    pub(crate) fn json_path_test(&self, value: &Json, path: &AttributePath, test: &Test) -> Sql {
        match &path.sub {
            None => self.json_test(value, &path.attribute, test),
            Some(sub) if path.attribute.multi_valued => self.any_item(value, &path.attribute, "e", |item| {
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
        self.any_item(value, attribute, alias, |item| {
            self.single_json_test(item, attribute, test)
        })
    }

    pub(crate) fn single_json_test(&self, value: &Json, attribute: &Attribute, test: &Test) -> Sql {
        match (attribute.type_, test) {
            (AttributeType::Complex, Test::Present) => {
                let subs = attribute.sub_attributes.iter().filter(|it| !it.is_never_read());
                let tests = subs.map(|sub| self.json_test(&value.member(&sub.name), sub, test));
                any(tests)
            }
            (AttributeType::Boolean, Test::Present) => {
                sql!("{value} IS NOT NULL"; value = self.json_text(value))
            }
            (AttributeType::Boolean, Test::Eq(Operand::Bool(operand))) => {
                let value = self.json_text(value);
                match self.scope.dialect {
                    Dialect::Sqlite => sql!("{value} = {operand}"; value, operand = *operand),
                    Dialect::Postgres => sql!("{value} = {operand}"; value, operand = operand.to_string()),
                }
            }
            (AttributeType::Complex | AttributeType::Boolean, _) => always(false),
            (_, test) => self.text_test(self.json_text(value), test),
        }
    }

    /// A test that one of the values of a multi-valued attribute passes. `alias` is `e`, or `f` inside `e`.
    pub(crate) fn any_item(
        &self,
        value: &Json,
        attribute: &Attribute,
        alias: &'static str,
        test: impl FnOnce(&Json) -> Sql,
    ) -> Sql {
        let item = if alias == "e" { "e.value" } else { "f.value" };
        let test = test(&Json::item(item, attribute.type_ != AttributeType::Complex));
        let alias = Sql::text(alias);
        self.subquery(match self.scope.dialect {
            Dialect::Sqlite => sql!(
                "EXISTS (SELECT 1 FROM jsonb_each({base}, {path}) AS {alias} WHERE {test})";
                base = value.base(), path = value.sqlite_path(), alias, test
            ),
            Dialect::Postgres => sql!(
                "EXISTS (SELECT 1 FROM jsonb_array_elements({array}) AS {alias} (value) WHERE {test})";
                array = self.json_value(value), alias, test
            ),
        })
    }

    /// A value as text; booleans are numbers on SQLite.
    pub(crate) fn json_text(&self, value: &Json) -> Sql {
        let base = value.base();
        match (self.scope.dialect, value.members.split_last()) {
            (Dialect::Sqlite, _) if value.is_item => base,
            (Dialect::Sqlite, _) => sql!("json_extract({base}, {path})"; base, path = value.sqlite_path()),
            (Dialect::Postgres, None) => sql!("({base} #>> '{}') COLLATE \"C\""; base),
            (Dialect::Postgres, Some((last, holders))) => {
                let holder = postgres_member(base, holders);
                sql!("({holder} ->> {last}) COLLATE \"C\""; holder, last)
            }
        }
    }

    /// A value as JSON, on PostgreSQL.
    fn json_value(&self, value: &Json) -> Sql {
        postgres_member(value.base(), &value.members)
    }

    /// The single value as text, or the first one of several.
    pub(crate) fn first_text(&self, value: &Json, attribute: &Attribute) -> Sql {
        let text = match (self.scope.dialect, attribute.multi_valued) {
            (_, false) => self.json_text(value),
            (Dialect::Sqlite, true) => sql!(
                "json_extract({base}, {path})";
                base = value.base(), path = format!("{}[0]", value.sqlite_path())
            ),
            (Dialect::Postgres, true) => {
                sql!("({array} ->> 0) COLLATE \"C\""; array = self.json_value(value))
            }
        };
        match (attribute.type_, self.scope.dialect) {
            (AttributeType::Boolean, Dialect::Sqlite) => {
                sql!("CASE {text} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"; text)
            }
            _ => text,
        }
    }

    /// The text of the primary value of a multi-valued complex attribute, or of its first value.
    pub(crate) fn primary_text(&self, attribute: &Json, sub: &Attribute) -> Sql {
        let item = Json::item("e.value", false);
        let text = self.first_text(&item.member(&sub.name), sub);
        let primary = self.json_text(&item.member("primary"));
        match self.scope.dialect {
            Dialect::Sqlite => sql!(
                "(SELECT {text} FROM jsonb_each({base}, {path}) AS e
                  ORDER BY coalesce({primary} = 1, FALSE) DESC, e.key LIMIT 1)";
                text, base = attribute.base(), path = attribute.sqlite_path(), primary
            ),
            Dialect::Postgres => sql!(
                "(SELECT {text} FROM jsonb_array_elements({array}) WITH ORDINALITY AS e (value, position)
                  ORDER BY coalesce({primary} = 'true', FALSE) DESC, e.position LIMIT 1)";
                text, array = self.json_value(attribute), primary
            ),
        }
    }

    /// A test of a text, which is a comparison key.
    pub(crate) fn text_test(&self, text: Sql, test: &Test) -> Sql {
        let is_sqlite = self.scope.dialect == Dialect::Sqlite;
        if let Some((operator, key)) = comparison(test) {
            return sql!("{text} {operator} {key}"; text, operator, key);
        }
        match test {
            Test::Present => sql!("{text} <> ''"; text),
            Test::Co(part) if is_sqlite => sql!("instr({text}, {part}) > 0"; text, part),
            Test::Co(part) => sql!("strpos({text}, {part}) > 0"; text, part),
            Test::Sw(part) if is_sqlite => {
                sql!("substr({text}, 1, {length}) = {part}"; text, length = characters(part), part)
            }
            Test::Sw(part) => sql!("starts_with({text}, {part})"; text, part),
            // Every text ends with the empty text.
            Test::Ew(part) if part.is_empty() => sql!("{text} >= ''"; text),
            Test::Ew(part) if is_sqlite => {
                sql!("substr({text}, {start}) = {part}"; text, start = -characters(part), part)
            }
            Test::Ew(part) => sql!(
                "right({text}, CAST({length} AS INTEGER)) = {part}";
                text, length = characters(part), part
            ),
            // A text equals no boolean.
            _ => always(false),
        }
    }
}

fn postgres_member(base: Sql, names: &[String]) -> Sql {
    let names = names.iter().map(Sql::from);
    Sql::join(std::iter::once(base).chain(names), " -> ")
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).expect("filters are short")
}
