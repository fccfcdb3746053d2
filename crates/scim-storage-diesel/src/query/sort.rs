//! What resources are sorted by.

use scim_model::ResourceType;
use scim_model::schema::{Attribute, AttributePath, AttributeType};

use super::filter::Compiler;
use super::filter::normal_form::{Json, path_members, sqlite_path};
use super::filter::references::shown_by_reference;
use crate::schema_map::layout::Column;
use crate::sql::{Dialect, Sql};

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
    /// The bytes of an id, which are in the order of its text; no two resources of a tenant have the same.
    Id,
}

/// What the keys of all resources of a type begin with, where those of another type do not: so one type comes
/// after the other, and only within it the rest is to be compared.
pub(crate) fn begin_of_keys(resource_type: &ResourceType, path: &AttributePath) -> Option<String> {
    match of_meta(path)? {
        "location" => Some(format!("{}/", resource_type.endpoint)),
        "resourceType" => Some(resource_type.name.to_string()),
        _ => None,
    }
}

/// The sub-attribute of `meta`.
pub(crate) fn of_meta(path: &AttributePath) -> Option<&str> {
    let is_meta = path.extension.is_none() && path.attribute.name == "meta";
    is_meta.then_some(path.sub.as_ref()?.name.as_str())
}

impl Compiler<'_> {
    /// What `r` is sorted by (RFC 7644 section 3.4.2.3, A-72); `None` when all have the same key.
    pub(crate) fn sort_key(&self, path: &AttributePath) -> Option<SortKey> {
        let text = |sql| {
            Some(SortKey {
                sql,
                kind: SortKind::Text,
            })
        };
        let of_kind = |name, kind| {
            let sql = Sql::new(name);
            Some(SortKey { sql, kind })
        };
        if path.extension.is_none() {
            match (
                path.attribute.name.as_str(),
                path.sub.as_ref().map(|it| it.name.as_str()),
            ) {
                // Of one type, where one location is before another, so is the id.
                ("id", None) | ("meta", Some("location")) => return of_kind("r.id", SortKind::Id),
                ("meta", Some("created")) => return of_kind("r.created", SortKind::Number),
                ("meta", Some("lastModified")) => return of_kind("r.modified", SortKind::Number),
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
