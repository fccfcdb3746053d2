//! A list request with its targets, and the parts in which its result is read.

use std::cell::Cell;
use std::time::Duration;

use scim_model::store::{PageRequest, Position};

use super::target::Target;
use crate::connection::Conn;
use crate::deadline::Deadline;
use crate::error::Failure;
use crate::query::access::{AccessPath, Plan};
use crate::query::sort::type_prefix;
use crate::resource::size_limits::SizeLimits;
use crate::schema_map::layout::Scope;
use crate::sql::{Dialect, Sql};

/// A list request, ready to be read.
pub(crate) struct Listing<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) page: &'a PageRequest,
    pub(super) targets: Vec<Target<'a>>,
    /// The targets that can have matches, in the order of a result that lists one type after the other.
    pub(super) order: Vec<usize>,
    /// Whether all types are merged in one order, by a key that at least one of them can have.
    pub(super) is_merged: bool,
    /// Descending order is the exact reverse of ascending order, ties included, so that one index serves both.
    pub(super) descending: bool,
    /// The deadline for all reads on PostgreSQL. On SQLite, the statements check it themselves.
    pub(super) deadline: Option<Deadline>,
    /// The statement timeout that PostgreSQL was last given.
    pub(super) statement_timeout: Cell<Duration>,
    pub(super) max_page_members: u32,
    /// A resource beyond these limits is left out, and only its key is returned.
    pub(super) size_limits: SizeLimits,
}

/// The resources that one statement reads, in one order. For every resource type they are a range of an index.
#[derive(Clone)]
pub(super) struct Part {
    /// Each target by its index, with the test that limits it to positions of this part.
    pub(super) targets: Vec<(usize, Option<Sql>)>,
    /// Whether some of the targets can have a sort key.
    pub(super) has_keys: bool,
}

/// One statement of a page: the part that it reads, and how.
pub(super) struct Read {
    pub(super) part: Part,
    /// Whether it continues with greater keys, later types and later resources.
    pub(super) is_ascending: bool,
    pub(super) limit: u64,
    pub(super) offset: u64,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(
        scope: Scope<'a>,
        plan: &'a Plan<'a>,
        deadline: Option<Deadline>,
        max_page_members: u32,
    ) -> Listing<'a> {
        let target = |access| Target::new(scope, plan.query, access, deadline);
        let targets: Vec<Target> = plan.targets.iter().map(target).collect();
        let prefixes = plan
            .targets
            .iter()
            .map(|it| type_prefix(&it.layout.resource_type, it.sort?));
        let prefixes: Vec<Option<String>> = prefixes.collect();
        let can_match = |it: &usize| !matches!(plan.targets[*it].path, AccessPath::Nothing);
        let mut order: Vec<usize> = (0..targets.len()).filter(can_match).collect();
        order.sort_by_key(|it| &prefixes[*it]);
        let is_by_type = prefixes.iter().any(Option::is_some);
        Listing {
            scope,
            page: &plan.query.page,
            is_merged: !is_by_type && order.iter().any(|it| targets[*it].sort.is_some()),
            order,
            targets,
            descending: plan.query.sort.as_ref().is_some_and(|it| it.descending),
            deadline: deadline.filter(|_| scope.dialect == Dialect::Postgres),
            statement_timeout: Cell::default(),
            max_page_members,
            size_limits: SizeLimits::for_each_of(match plan.query.page {
                PageRequest::Index { count, .. } | PageRequest::Cursor { count, .. } => count.into(),
            }),
        }
    }

    /// Whether a read from a position continues with greater keys, later types and later resources.
    pub(super) fn is_ascending(&self, from: Option<&Position>) -> bool {
        self.descending == from.is_some_and(|it| it.backwards)
    }

    /// Gives PostgreSQL the time that is left, before each statement: all statements together have until the
    /// deadline. While most of the last timeout is left, it need not be set again.
    pub(super) fn refresh_statement_timeout(&self, conn: &mut Conn) -> Result<(), Failure> {
        let last = self.statement_timeout.get();
        if let Some(deadline) = self.deadline
            && !last.is_zero()
            && deadline.left() < last * 7 / 8
        {
            self.statement_timeout.set(deadline.left());
            conn.execute(Sql::statement_timeout(self.statement_timeout.get()))?;
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
