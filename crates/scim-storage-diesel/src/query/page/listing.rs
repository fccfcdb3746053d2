//! A list request with its targets.

use std::cell::Cell;
use std::time::Duration;

use scim_model::store::{PageRequest, Query, TenantId};

use super::part::Part;
use super::target::Target;
use crate::connection::Conn;
use crate::deadline::Deadline;
use crate::error::Failure;
use crate::query::access::{self, Plan};
use crate::query::sort::type_prefix;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql};

/// A list request, ready to be read.
pub(crate) struct Listing<'a> {
    pub(super) layouts: &'a Layouts,
    pub(super) dialect: Dialect,
    pub(super) tenant: TenantId,
    pub(super) page: &'a PageRequest,
    pub(super) targets: Vec<Target<'a>>,
    /// The targets in which something can match, in the order of the result where one type comes after the other.
    pub(super) order: Vec<usize>,
    /// All types are in one order, by a key that at least one of them can have.
    pub(super) is_merged: bool,
    pub(super) descending: bool,
    /// When everything has to be read, on PostgreSQL. On SQLite the statements check it themselves.
    pub(super) deadline: Option<Deadline>,
    /// The statement timeout that PostgreSQL was last given.
    pub(super) statement_timeout: Cell<Duration>,
    pub(super) max_page_members: u32,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        layouts: &'a Layouts,
        tenant: TenantId,
        query: &'a Query,
        plan: &'a Plan,
        deadline: Option<Deadline>,
        max_page_members: u32,
    ) -> Result<Listing<'a>, Failure> {
        let target = |(index, access)| Target::new(dialect, layouts, tenant, query, index, access, deadline);
        let targets = plan.targets.iter().enumerate().map(target);
        let targets: Vec<Target> = targets.collect::<Result<_, Failure>>()?;
        let prefixes: Vec<Option<String>> = access::parts(query)
            .map(|(resource_type, _, sort)| type_prefix(resource_type, sort?))
            .collect();
        let mut order: Vec<usize> = (0..targets.len())
            .filter(|it| !targets[*it].matches_nothing())
            .collect();
        order.sort_by_key(|it| &prefixes[*it]);
        let is_by_type = prefixes.iter().any(Option::is_some);
        Ok(Listing {
            layouts,
            dialect,
            tenant,
            page: &query.page,
            is_merged: !is_by_type && order.iter().any(|it| targets[*it].sort.is_some()),
            order,
            targets,
            descending: query.sort.as_ref().is_some_and(|it| it.descending),
            deadline: deadline.filter(|_| dialect == Dialect::Postgres),
            statement_timeout: Cell::default(),
            max_page_members,
        })
    }

    /// Gives PostgreSQL the time that is left, before each statement: all statements together have until the
    /// deadline. While most of the last timeout is left, it need not be told again.
    pub(super) fn refresh_statement_timeout(&self, conn: &mut Conn) -> Result<(), Failure> {
        let last = self.statement_timeout.get();
        if let Some(deadline) = self.deadline
            && !last.is_zero()
            && deadline.left() < last * 7 / 8
        {
            self.statement_timeout.set(deadline.left());
            conn.execute(&Sql::statement_timeout(self.statement_timeout.get()))?;
        }
        Ok(())
    }

    /// Counts the matching resources of a part.
    pub(super) fn count(&self, conn: &mut Conn, part: &Part) -> Result<u64, Failure> {
        let mut total = 0;
        for (target, _) in &part.targets {
            self.refresh_statement_timeout(conn)?;
            let number = conn.row::<i64>(&self.targets[*target].count_statement())?;
            total += u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        }
        Ok(total)
    }
}
