//! The resources of one type that a query asks for, as SQL.

use scim_model::Condition;
use scim_model::condition::Test;
use scim_model::store::{Include, Query, TenantId};
use uuid::Uuid;

use crate::admission::Deadline;
use crate::counts;
use crate::error::Failure;
use crate::query::access::is_look_up;
use crate::query::filter::Compiler;
use crate::query::filter::lookups::Way;
use crate::query::sort::{SortKey, SortKind};
use crate::read::narrowed;
use crate::schema_map::layout::Layout;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql};

pub(crate) struct Target<'a> {
    dialect: Dialect,
    tenant: TenantId,
    pub(crate) layout: &'a Layout,
    condition: &'a Condition,
    sql: Sql,
    pub(crate) sort: Option<SortKey>,
    pub(crate) include: Include,
    /// How an index leads to the few resources that can match.
    way: Option<Way>,
    /// Keeps SQLite from walking an index in the order of the result, where another one finds the
    /// resources, or holds all that the condition looks at.
    pub(crate) order_by_sorting: bool,
    filter_needs_normal: bool,
    sort_needs_normal: bool,
    /// Asked for each resource that is looked at, on SQLite; see [`Deadline`].
    deadline: Option<Deadline>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        layouts: &'a Layouts,
        tenant: TenantId,
        query: &'a Query,
        index: usize,
        deadline: Option<Deadline>,
    ) -> Result<Target<'a>, Failure> {
        let (resource_type, condition) = &query.targets[index];
        let layout = layouts.of(resource_type)?;
        let deadline = deadline.filter(|_| dialect == Dialect::Sqlite);
        let compiler = || Compiler::new(dialect, tenant, layouts, layout, &query.base_url, deadline);
        let (filtering, sorting) = (compiler(), compiler());
        let path = query.sort.as_ref().and_then(|it| it.paths.get(index)?.as_ref());
        let sql = filtering.compile(condition);
        let way = filtering.way(condition);
        let is_all = matches!(way, Some(Way::List { is_all: true, .. }));
        Ok(Target {
            dialect,
            tenant,
            layout,
            condition,
            sql,
            order_by_sorting: dialect == Dialect::Sqlite
                && (way.is_some() || (path.is_none() && filtering.scans_column())),
            way,
            filter_needs_normal: filtering.needs_normal() && !is_all,
            sort: path.and_then(|it| sorting.sort_key(it)),
            sort_needs_normal: sorting.needs_normal(),
            include: narrowed(layout, query.include),
            deadline,
        })
    }

    /// An index leads to the few resources that can match.
    pub(crate) fn is_selective(&self) -> bool {
        self.way.is_some()
    }

    pub(crate) fn finds_nothing(&self) -> bool {
        *self.condition == Condition::Always(false)
    }

    pub(crate) fn is_unfiltered(&self) -> bool {
        *self.condition == Condition::Always(true)
    }

    /// Whether what matches is a range of one index, in the order of the result.
    pub(crate) fn is_one_range(&self) -> bool {
        let is_range = match self.condition {
            Condition::Attribute(path, Test::Eq(_)) => self.layout.column(path).is_some(),
            _ => false,
        };
        is_range && self.sort.is_none()
    }

    /// Whether the text of its statements comes again and again.
    pub(crate) fn is_kept(&self, dialect: Dialect) -> bool {
        let is_plain = match dialect {
            Dialect::Sqlite => self.is_unfiltered() && !self.sort_needs_normal,
            Dialect::Postgres => false,
        };
        is_plain || self.sort.is_none() && is_look_up(self.condition, self.layout)
    }

    /// Whether what it is sorted by can be read without looking at the normal form.
    pub(crate) fn sorts_by_column(&self) -> bool {
        !self.sort_needs_normal
    }

    /// Selects place and sort key of what matches and fulfils the condition on its place.
    pub(crate) fn keys(&self, index: usize, place: Option<&Sql>, is_merged: bool) -> Sql {
        let mut keys = Sql::new("SELECT ")
            .built(index.to_string())
            .text(" AS target, r.pk AS pk, ");
        keys = match &self.sort {
            Some(sort) if self.order_by_sorting => keys.text("+").sql(sort.sql.clone()).text(" AS sort_key"),
            Some(sort) => keys.sql(sort.sql.clone()).text(" AS sort_key"),
            None if is_merged => keys.text("CAST(NULL AS TEXT) AS sort_key"),
            None => keys.text("NULL AS sort_key"),
        };
        let keys = self.from(keys, self.filter_needs_normal || self.sort_needs_normal);
        match place {
            Some(place) => keys.text(" AND ").sql(place.clone()),
            None => keys,
        }
    }

    pub(crate) fn count_statement(&self) -> Sql {
        if !self.is_unfiltered() {
            return self
                .from(Sql::new("SELECT count(*)"), self.filter_needs_normal)
                .one_off();
        }
        counts::total(self.tenant, self.layout.kind)
    }

    fn from(&self, select: Sql, needs_normal: bool) -> Sql {
        let mut sql = select.text(" FROM resource r");
        // Where most of all rows are one tenant's (and SQLite was told, by ANALYZE), it would rather walk the table
        // from a place on, past the rows of all others.
        if self.dialect == Dialect::Sqlite && self.is_unfiltered() && self.sort.is_none() {
            sql = sql.text(" INDEXED BY resource_list");
        }
        if needs_normal {
            sql = sql
                .text(" JOIN resource_normal n ON n.tenant_id = ")
                .int(self.tenant.0)
                .text(" AND n.pk = r.pk");
        }
        let by_pk = matches!(self.way, Some(Way::Pk | Way::List { .. }));
        // SQLite takes a tenant for small, and would walk all of it instead of a list of few resources. A sign
        // keeps an index out.
        let sign = match self.dialect {
            Dialect::Sqlite if by_pk => "+",
            _ => "",
        };
        sql = sql
            .text(" WHERE ")
            .text(sign)
            .text("r.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND ")
            .text(sign)
            .text("r.kind = ")
            .int(self.layout.kind);
        if let Some(deadline) = self.deadline {
            sql = sql.text(" AND ").sql(deadline.check());
        }
        if let Some(Way::List { sql: list, is_all }) = &self.way {
            sql = sql.text(" AND ").sql(list.clone());
            if *is_all {
                return sql;
            }
        }
        if self.is_unfiltered() {
            return sql;
        }
        sql.text(" AND (").sql(self.sql.clone()).text(")")
    }
}

impl SortKey {
    /// That there is one.
    pub(crate) fn is_present(&self) -> Sql {
        Sql::new("(").sql(self.sql.clone()).text(") IS NOT NULL")
    }

    /// That there is none.
    pub(crate) fn is_absent(&self) -> Sql {
        Sql::new("(").sql(self.sql.clone()).text(") IS NULL")
    }

    /// Compared with the key of a position; the operator closes a bracket.
    pub(crate) fn compared(&self, operator: &'static str, key: &str) -> Sql {
        let sql = Sql::new("(").sql(self.sql.clone()).text(operator);
        match self.kind {
            SortKind::Text => sql.string(key),
            // A cursor that was not made here finds nothing.
            SortKind::Number => sql.int(key.parse().unwrap_or(i64::MAX)),
            SortKind::Id => sql.id(key.parse().unwrap_or(Uuid::max())),
        }
    }
}
