//! The resources of one type that a list request asks for.

use std::cell::Cell;

use scim_model::Condition;
use scim_model::store::{Include, Query, TenantId};

use crate::counts;
use crate::deadline::Deadline;
use crate::error::Failure;
use crate::query::access::{Access, AccessPath, Lookups};
use crate::query::context::Context;
use crate::query::filter::candidates::Candidates;
use crate::query::sort::SortKey;
use crate::resource::read::restrict_to_type;
use crate::schema_map::layout::Layout;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql, sql};

pub(crate) struct Target<'a> {
    dialect: Dialect,
    tenant: TenantId,
    pub(crate) layout: &'a Layout,
    condition: &'a Condition,
    access: &'a Access<'a>,
    filter: Sql,
    filter_reads_normal: bool,
    pub(crate) sort: Option<SortKey>,
    sort_reads_normal: bool,
    pub(crate) include: Include,
    candidates: Option<Candidates>,
    /// SQLite sorts the result, and does not walk an index in the order of the result: another index finds the
    /// few resources, or holds everything that the filter examines.
    pub(crate) sorts_result: bool,
    /// SQLite checks it for every resource that a scan examines.
    deadline: Option<Deadline>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        layouts: &'a Layouts,
        tenant: TenantId,
        query: &'a Query,
        index: usize,
        access: &'a Access<'a>,
        deadline: Option<Deadline>,
    ) -> Result<Target<'a>, Failure> {
        let (resource_type, condition) = &query.targets[index];
        let layout = layouts.of(resource_type)?;
        let deadline = deadline.filter(|_| dialect == Dialect::Sqlite);
        let for_filter = Context {
            dialect,
            tenant,
            layouts,
            layout,
            base_url: &query.base_url,
            deadline,
            keeps_subqueries: access.has_many_tests && dialect == Dialect::Postgres,
            checks_members_of_each: dialect == Dialect::Sqlite
                && access.lookups().is_some_and(Lookups::is_required_column),
            reads_normal: Cell::new(false),
            examines_column: Cell::new(false),
        };
        let for_sort = Context {
            keeps_subqueries: false,
            ..for_filter.clone()
        };
        let path = query.sort.as_ref().and_then(|it| it.paths.get(index)?.as_ref());
        let filter = for_filter.filter(condition);
        let candidates = for_filter.candidates(access);
        let is_exact = matches!(candidates, Some(Candidates::List { is_exact: true, .. }));
        Ok(Target {
            dialect,
            tenant,
            layout,
            condition,
            access,
            filter,
            filter_reads_normal: for_filter.reads_normal.get() && !is_exact,
            sort: path.and_then(|it| for_sort.sort_key(it)),
            sort_reads_normal: for_sort.reads_normal.get(),
            include: restrict_to_type(layout, query.include),
            sorts_result: dialect == Dialect::Sqlite
                && (candidates.is_some() || (path.is_none() && for_filter.examines_column.get())),
            candidates,
            deadline,
        })
    }

    pub(crate) fn matches_nothing(&self) -> bool {
        matches!(self.access.path, AccessPath::Nothing)
    }

    pub(crate) fn is_unfiltered(&self) -> bool {
        *self.condition == Condition::Always(true)
    }

    /// Whether index lookups lead to the few resources that can match.
    pub(crate) fn is_selective(&self) -> bool {
        self.candidates.is_some()
    }

    /// Whether the matching resources are one range of an index, in the order of the result.
    pub(crate) fn is_one_range(&self) -> bool {
        self.access.is_one_range
    }

    /// Whether the text of its statements recurs, so that a prepared statement is worth keeping.
    pub(crate) fn is_recurring(&self) -> bool {
        let is_plain = self.dialect == Dialect::Sqlite && self.is_unfiltered() && !self.sort_reads_normal;
        is_plain || self.access.is_recurring
    }

    /// Whether the sort key can be read without the normal form.
    pub(crate) fn sorts_by_column(&self) -> bool {
        !self.sort_reads_normal
    }

    /// Selects `pk` and sort key of the matching resources whose position passes a test.
    pub(crate) fn keys(&self, index: usize, position: Option<&Sql>, is_merged: bool) -> Sql {
        let sort_key = match &self.sort {
            // The unary plus keeps SQLite from using the order of an index.
            Some(sort) if self.sorts_result => sql!("+{key}"; key = sort.sql.clone()),
            Some(sort) => sort.sql.clone(),
            None if is_merged => Sql::text("CAST(NULL AS TEXT)"),
            None => Sql::text("NULL"),
        };
        let matching = self.matching(self.filter_reads_normal || self.sort_reads_normal);
        let keys = sql!(
            "SELECT {target} AS target, r.pk AS pk, {sort_key} AS sort_key FROM {matching}";
            target = Sql::trusted(index.to_string()), sort_key, matching
        );
        match position {
            Some(position) => sql!("{keys} AND {position}"; keys, position = position.clone()),
            None => keys,
        }
    }

    pub(crate) fn count_statement(&self) -> Sql {
        if self.is_unfiltered() {
            return counts::total(self.tenant, self.layout.kind);
        }
        let matching = self.matching(self.filter_reads_normal);
        sql!("SELECT count(*) FROM {matching}"; matching).one_off()
    }

    /// The tables and the `WHERE` clause that the matching resources come from.
    fn matching(&self, reads_normal: bool) -> Sql {
        let is_sqlite = self.dialect == Dialect::Sqlite;
        let tenant = self.tenant;
        // With statistics that show one tenant as the owner of most rows, SQLite would walk the table, rows of
        // other tenants included.
        let index = match is_sqlite && self.is_unfiltered() && self.sort.is_none() {
            true => " INDEXED BY resource_list",
            false => "",
        };
        let normal = match reads_normal {
            true => sql!(" JOIN resource_normal n ON n.tenant_id = {tenant} AND n.pk = r.pk"; tenant),
            false => Sql::default(),
        };
        // SQLite estimates a tenant as small, and would walk all of it instead of a list of a few resources. The
        // unary plus keeps the index out.
        let by_pk = matches!(self.candidates, Some(Candidates::Pk | Candidates::List { .. }));
        let sign = if is_sqlite && by_pk { "+" } else { "" };
        let mut tests = vec![sql!(
            "{sign}r.tenant_id = {tenant} AND {sign}r.kind = {kind}";
            sign = Sql::text(sign), tenant, kind = self.layout.kind
        )];
        tests.extend(self.deadline.map(Deadline::check));
        let mut needs_filter = !self.is_unfiltered();
        if let Some(Candidates::List { test, is_exact }) = &self.candidates {
            tests.push(test.clone());
            needs_filter &= !is_exact;
        }
        if needs_filter {
            tests.push(sql!("({filter})"; filter = self.filter.clone()));
        }
        sql!(
            "resource r{index}{normal} WHERE {tests}";
            index = Sql::text(index), normal, tests = Sql::join(tests, " AND ")
        )
    }
}
