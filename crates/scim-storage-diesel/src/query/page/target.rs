//! The resources of one type that a list request asks for.

use std::cell::Cell;

use scim_model::Condition;
use scim_model::store::{Include, Query};

use crate::counts;
use crate::deadline::Deadline;
use crate::query::access::{Access, AccessPath, Lookups};
use crate::query::context::Context;
use crate::query::filter::candidates::Candidates;
use crate::query::sort::SortKey;
use crate::resource::read::restrict_to_type;
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::{Dialect, Sql, sql};

pub(crate) struct Target<'a> {
    context: Context<'a>,
    pub(super) access: &'a Access<'a>,
    filter: Sql,
    filter_reads_normal: bool,
    pub(crate) sort: Option<SortKey>,
    pub(super) sort_reads_normal: bool,
    pub(crate) include: Include,
    /// The few resources that index lookups find.
    pub(super) candidates: Option<Candidates>,
    /// SQLite sorts the result instead of walking an index in its order, because another index finds the few
    /// resources, or contains everything that the filter examines.
    pub(crate) sorts_result: bool,
}

impl<'a> Target<'a> {
    pub(crate) fn new(
        scope: Scope<'a>,
        query: &'a Query,
        access: &'a Access<'a>,
        deadline: Option<Deadline>,
    ) -> Target<'a> {
        let is_sqlite = scope.dialect == Dialect::Sqlite;
        let context = Context {
            scope,
            layout: access.layout,
            base_url: &query.base_url,
            deadline: deadline.filter(|_| is_sqlite),
            keeps_subqueries: access.has_many_tests && !is_sqlite,
            checks_members_of_each: is_sqlite && access.lookups().is_some_and(Lookups::is_required_column),
            reads_normal: Cell::new(false),
            examines_column: Cell::new(false),
        };
        let filter = context.filter(access.condition);
        let candidates = context.candidates(access);
        let is_exact = matches!(candidates, Some(Candidates::List { is_exact: true, .. }));
        let filter_reads_normal = context.reads_normal.take() && !is_exact;
        let sort = access.sort.and_then(|it| context.sort_key(it));
        let examines_column = access.sort.is_none() && context.examines_column.get();
        Target {
            filter,
            filter_reads_normal,
            sort,
            sort_reads_normal: context.reads_normal.take(),
            include: restrict_to_type(access.layout, query.include),
            sorts_result: is_sqlite && (candidates.is_some() || examines_column),
            candidates,
            context,
            access,
        }
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        self.access.layout
    }

    /// Whether at most one resource can match.
    pub(super) fn is_single(&self) -> bool {
        matches!(self.access.path, AccessPath::Unique(_))
    }

    pub(crate) fn is_unfiltered(&self) -> bool {
        *self.access.condition == Condition::Always(true)
    }

    /// Whether the text of its statements recurs, so that a prepared statement is worth keeping.
    pub(crate) fn is_recurring(&self) -> bool {
        let is_sqlite = self.context.scope.dialect == Dialect::Sqlite;
        let is_short = self.is_unfiltered() || self.access.is_served_test();
        self.access.is_recurring || is_sqlite && is_short && !self.sort_reads_normal
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
            return counts::total(self.context.scope.tenant, self.layout().kind);
        }
        let matching = self.matching(self.filter_reads_normal);
        sql!("SELECT count(*) FROM {matching}"; matching).one_off()
    }

    /// The tables and the `WHERE` clause that the matching resources come from.
    fn matching(&self, reads_normal: bool) -> Sql {
        let is_sqlite = self.context.scope.dialect == Dialect::Sqlite;
        let tenant = self.context.scope.tenant;
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
        // SQLite assumes that a tenant is small, and would walk all its resources instead of a list of a few. The
        // unary plus prevents the use of the index.
        let by_pk = matches!(self.candidates, Some(Candidates::Pk | Candidates::List { .. }));
        let sign = if is_sqlite && by_pk { "+" } else { "" };
        let mut tests = vec![sql!(
            "{sign}r.tenant_id = {tenant} AND {sign}r.kind = {kind}";
            sign = Sql::text(sign), tenant, kind = self.layout().kind
        )];
        tests.extend(self.context.deadline.map(Deadline::check));
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
