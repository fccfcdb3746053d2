//! Pages of a filtered and sorted result, by index or by cursor.
//!
//! A cursor is a position in the order, not a number of resources to skip: resources that are created or deleted
//! between two requests move no client past another resource.

mod explain;
pub(crate) mod offset;
pub(crate) mod parts;
mod statement;
pub(crate) mod target;

use std::cell::Cell;
use std::time::Duration;

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use scim_model::store::{Page, PageRequest, Position, Query, StoreError, TenantId};

use super::access::{self, Plan};
use super::sort::type_prefix;
use crate::connection::{Conn, postgres};
use crate::deadline::Deadline;
use crate::error::{Failure, is_lock_timeout};
use crate::resource::read::{ResourceColumns, ResourceRow, Row, add_members, stored};
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql};

use parts::{Direction, Part};
use target::Target;

/// A list request, ready to be read.
pub(crate) struct Listing<'a> {
    layouts: &'a Layouts,
    dialect: Dialect,
    tenant: TenantId,
    page: &'a PageRequest,
    targets: Vec<Target<'a>>,
    /// The targets in which something can match, in the order of the result where one type comes after the other.
    order: Vec<usize>,
    /// All types are in one order, by a key that at least one of them can have.
    is_merged: bool,
    descending: bool,
    /// When everything has to be read, on PostgreSQL. On SQLite the statements check it themselves.
    deadline: Option<Deadline>,
    /// The statement timeout that PostgreSQL was last given.
    statement_timeout: Cell<Duration>,
    max_page_members: u32,
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

    /// Reads the page.
    pub(crate) fn read(&self, conn: &mut Conn) -> Result<Page, Failure> {
        // PostgreSQL takes a statement timeout only inside a transaction.
        let needs_no_timeout = self.deadline.is_none() || self.targets.iter().all(Target::is_one_range);
        if needs_no_timeout && let Some(page) = self.lookup(conn)? {
            return Ok(page);
        }
        let limit = self.deadline.map(Deadline::left);
        self.statement_timeout.set(limit.unwrap_or_default());
        conn.snapshot_within(limit, |conn| match self.page {
            PageRequest::Index { start_index, count } => self.index_page(conn, *start_index, *count),
            PageRequest::Cursor { from, count } => self.cursor_page(conn, from.as_ref(), *count),
        })
    }

    /// Gives PostgreSQL the time that is left, before each statement: all statements together have until the
    /// deadline. While most of the last timeout is left, it need not be told again.
    pub(crate) fn refresh_statement_timeout(&self, conn: &mut Conn) -> Result<(), Failure> {
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

    /// A lookup by a key, which usually finds one resource or none: a single statement without a transaction.
    /// `None` when the result may go on after the page.
    fn lookup(&self, conn: &mut Conn) -> Result<Option<Page>, Failure> {
        let (
            [target],
            PageRequest::Index {
                start_index: 0..=1,
                count,
            },
        ) = (&*self.targets, self.page)
        else {
            return Ok(None);
        };
        if *count == 0 || target.include.members || !target.is_selective() {
            return Ok(None);
        }
        let whole = Part::whole([0], target.sort.is_some());
        let found = self.rows(conn, &whole, Direction::Forward, u64::from(*count), 0)?;
        if found.len() >= *count as usize {
            return Ok(None);
        }
        Ok(Some(Page {
            total: found.len() as u64,
            resources: found.into_iter().map(|it| it.row.stored).collect(),
            next: None,
            previous: None,
        }))
    }

    fn index_page(&self, conn: &mut Conn, start_index: u64, count: u32) -> Result<Page, Failure> {
        let mut skip = start_index.max(1) - 1;
        let mut wanted = u64::from(count);
        let mut total = 0;
        let mut found = Vec::new();
        for part in self.whole_parts() {
            let (of_part, matches) = self.index_page_of(conn, &part, skip, wanted)?;
            total += matches;
            wanted -= of_part.len() as u64;
            skip = skip.saturating_sub(matches);
            found.extend(of_part);
        }
        self.page_of(conn, total, found, (None, None))
    }

    /// The resources of a part that are on the page, and how many resources the part has.
    fn index_page_of(
        &self,
        conn: &mut Conn,
        part: &Part,
        skip: u64,
        wanted: u64,
    ) -> Result<(Vec<Found>, u64), Failure> {
        if wanted == 0 {
            return Ok((Vec::new(), self.count(conn, part)?));
        }
        if skip > 0 {
            let (read, total) = self.part_read(conn, part, skip, wanted)?;
            let Some(read) = read else {
                return Ok((Vec::new(), total));
            };
            let mut found = self.rows(conn, &read.part, read.direction, read.limit, read.offset)?;
            if read.direction == Direction::Backward {
                found.reverse();
            }
            return Ok((found, total));
        }
        let found = self.rows(conn, part, Direction::Forward, wanted, 0)?;
        let number = found.len() as u64;
        // A page that is not full ends the result, and no second query is needed.
        let matches = match number < wanted {
            true => number,
            false => self.count(conn, part)?,
        };
        Ok((found, matches))
    }

    fn cursor_page(&self, conn: &mut Conn, from: Option<&Position>, count: u32) -> Result<Page, Failure> {
        let mut total = 0;
        for part in self.whole_parts() {
            total += self.count(conn, &part)?;
        }
        let is_backwards = from.is_some_and(|it| it.backwards);
        let wanted = count as usize;
        let one_more = u64::from(count) + u64::from(count > 0);
        let mut found = self.walk(conn, from, one_more)?;
        let has_more = found.len() > wanted;
        found.truncate(wanted);
        if is_backwards {
            found.reverse();
        }
        let mut next = found.last().map(|it| it.position(false));
        let mut previous = found.first().map(|it| it.position(true));
        if found.is_empty() && count > 0 {
            // Everything on this side is gone; the other side may still have resources.
            let turned = from.map(|it| Position {
                backwards: !is_backwards,
                ..it.clone()
            });
            (next, previous) = match is_backwards {
                true => (turned, None),
                false => (None, turned),
            };
        }
        let (ahead, back) = match is_backwards {
            true => (&mut previous, &mut next),
            false => (&mut next, &mut previous),
        };
        if !has_more {
            *ahead = None;
        }
        if let Some(position) = back.take() {
            let has_page = from.is_some() && !self.walk(conn, Some(&position), 1)?.is_empty();
            *back = has_page.then_some(position);
        }
        self.page_of(conn, total, found, (next, previous))
    }

    fn page_of(
        &self,
        conn: &mut Conn,
        total: u64,
        mut found: Vec<Found>,
        (next, previous): (Option<Position>, Option<Position>),
    ) -> Result<Page, Failure> {
        let with_members = found
            .iter_mut()
            .filter(|it| self.targets[it.target].include.members);
        let groups: Vec<&mut Row> = with_members.map(|it| &mut it.row).collect();
        // The deadline is for the search. A single group that was found may be read however large it is, and a
        // timeout while it is read is not the fault of the search.
        let is_one = groups.len() == 1;
        if is_one && self.deadline.is_some() {
            conn.execute(&Sql::statement_timeout(postgres::STATEMENT_TIMEOUT))?;
        } else {
            self.refresh_statement_timeout(conn)?;
        }
        let read = add_members(conn, self.layouts, self.tenant, groups, self.max_page_members);
        read.map_err(|it| match it {
            Failure::Database(error) if is_one && is_lock_timeout(&error) => StoreError::Busy.into(),
            it => it,
        })?;
        Ok(Page {
            total,
            resources: found.into_iter().map(|it| it.row.stored).collect(),
            next,
            previous,
        })
    }

    /// The next resources after a position, in the order of reading.
    fn walk(&self, conn: &mut Conn, from: Option<&Position>, limit: u64) -> Result<Vec<Found>, Failure> {
        let direction = Direction::of(from);
        let mut found = Vec::new();
        for part in self.parts_after(from, direction) {
            let wanted = limit - found.len() as u64;
            if wanted == 0 {
                break;
            }
            found.extend(self.rows(conn, &part, direction, wanted, 0)?);
        }
        Ok(found)
    }

    fn rows(
        &self,
        conn: &mut Conn,
        part: &Part,
        direction: Direction,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Found>, Failure> {
        let sql = self.select(part, direction, limit, offset);
        self.refresh_statement_timeout(conn)?;
        type Types = (Integer, Nullable<Text>, ResourceColumns);
        type Columns = (i32, Option<String>, ResourceRow);
        let rows = conn.rows::<Types, Columns>(&sql)?;
        rows.into_iter()
            .map(|(target, key, row)| {
                let target = usize::try_from(target).unwrap_or_default();
                let Target { layout, include, .. } = &self.targets[target];
                let mut row = stored(self.layouts, layout, row)?;
                // A statement over several types reads the groups of all.
                row.stored.groups = row.stored.groups.filter(|_| include.groups);
                Ok(Found { target, key, row })
            })
            .collect()
    }

    fn count(&self, conn: &mut Conn, part: &Part) -> Result<u64, Failure> {
        let mut total = 0;
        for (target, _) in &part.targets {
            self.refresh_statement_timeout(conn)?;
            let number = conn.row::<BigInt, i64>(&self.targets[*target].count_statement())?;
            total += u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        }
        Ok(total)
    }
}

/// A resource of a page, with what its position is made of.
struct Found {
    target: usize,
    key: Option<String>,
    row: Row,
}

impl Found {
    fn position(&self, backwards: bool) -> Position {
        Position {
            target: u16::try_from(self.target).unwrap_or(u16::MAX),
            key: self.key.clone(),
            row: self.row.pk,
            backwards,
        }
    }
}
