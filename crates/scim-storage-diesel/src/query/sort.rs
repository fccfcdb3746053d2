//! Sort keys (RFC 7644 section 3.4.2.3, A-72).

use scim_model::ResourceType;
use scim_model::schema::AttributePath;
use uuid::Uuid;

use super::context::Context;
use super::filter::json::Json;
use super::source::{Meta, Source};
use crate::schema_map::layout::Column;
use crate::sql::{Sql, sql};

/// The expression that the resources of one type are sorted by.
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
    /// The bytes of an id, which are in the order of its text. No two resources of a tenant have the same.
    Id,
}

/// The prefix that the sort keys of one type share and those of another do not: then one type comes after the
/// other, and only the rest has to be compared within a type.
pub(crate) fn type_prefix(resource_type: &ResourceType, path: &AttributePath) -> Option<String> {
    if path.extension.is_some() || path.attribute.name != "meta" {
        return None;
    }
    match path.sub.as_ref()?.name.as_str() {
        "location" => Some(format!("{}/", resource_type.endpoint)),
        "resourceType" => Some(resource_type.name.to_string()),
        _ => None,
    }
}

impl Context<'_> {
    /// The sort key of `r`; `None` when all resources of the type have the same.
    pub(crate) fn sort_key(&self, path: &AttributePath) -> Option<SortKey> {
        let (sql, kind) = match Source::of(path, self.layout) {
            // Within a type, locations are in the order of the ids.
            Source::Id | Source::Meta(Meta::Location) => (Sql::text("r.id"), SortKind::Id),
            Source::Meta(Meta::Created) => (Sql::text("r.created"), SortKind::Number),
            Source::Meta(Meta::LastModified) => (Sql::text("r.modified"), SortKind::Number),
            Source::Meta(Meta::Version) => (self.version_text(), SortKind::Text),
            Source::Meta(Meta::Whole | Meta::ResourceType | Meta::Unknown) => return None,
            Source::Reference(shown) => (self.reference_sort_key(path, shown)?, SortKind::Text),
            Source::Column(Column::Active) => (
                Sql::text("CASE WHEN r.active THEN 'true' WHEN NOT r.active THEN 'false' END"),
                SortKind::Text,
            ),
            Source::Column(column) => (Sql::text(column.of_resource()), SortKind::Text),
            Source::Membership { .. } | Source::IndexRows(_) | Source::NormalForm => {
                (self.normal_sort_key(path), SortKind::Text)
            }
        };
        Some(SortKey { sql, kind })
    }

    fn normal_sort_key(&self, path: &AttributePath) -> Sql {
        self.reads_normal.set(true);
        let attribute = Json::at("n.normal", path);
        match &path.sub {
            Some(sub) if path.attribute.multi_valued => self.primary_text(&attribute, sub),
            Some(sub) => self.first_text(&attribute.member(&sub.name), sub),
            None => self.first_text(&attribute, &path.attribute),
        }
    }
}

impl SortKey {
    pub(crate) fn is_present(&self) -> Sql {
        sql!("({key}) IS NOT NULL"; key = self.sql.clone())
    }

    pub(crate) fn is_absent(&self) -> Sql {
        sql!("({key}) IS NULL"; key = self.sql.clone())
    }

    /// The test that the sort key equals the key of a position.
    pub(crate) fn equals(&self, position: &str) -> Sql {
        sql!("({key}) = {position}"; key = self.sql.clone(), position = self.bind(position))
    }

    /// The test that the sort key is greater than the key of a position, or less in descending order.
    pub(crate) fn is_beyond(&self, position: &str, is_ascending: bool) -> Sql {
        let (key, position) = (self.sql.clone(), self.bind(position));
        match is_ascending {
            true => sql!("({key}) > {position}"; key, position),
            false => sql!("({key}) < {position}"; key, position),
        }
    }

    /// The key of a position. A cursor that this server did not make finds nothing.
    fn bind(&self, position: &str) -> Sql {
        match self.kind {
            SortKind::Text => position.into(),
            SortKind::Number => position.parse::<i64>().unwrap_or(i64::MAX).into(),
            SortKind::Id => position.parse().unwrap_or(Uuid::max()).into(),
        }
    }
}
