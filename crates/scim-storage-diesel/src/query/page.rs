//! Pages of a filtered and sorted result, by index or by cursor.
//!
//! A cursor is a position in the order, not a number of resources to skip: resources that are created or deleted
//! between two requests move no client past another resource.

mod explain;
mod listing;
mod offset;
mod parts;
mod statement;
mod target;

use scim_model::store::{Page, PageRequest, Position, ResourceKey, StoreError, Stored};

use crate::connection::Conn;
use crate::connection::postgres_transaction::STATEMENT_TIMEOUT;
use crate::deadline::Deadline;
use crate::error::{Failure, is_lock_timeout};
use crate::resource::read::Row;
use crate::sql::Sql;

pub(crate) use listing::Listing;

use listing::{Part, Read};
use statement::Found;

impl Listing<'_> {
    /// Reads the page.
    pub(crate) fn read(&self, conn: &mut Conn) -> Result<Page, Failure> {
        // PostgreSQL takes a statement timeout only inside a transaction.
        let needs_no_timeout =
            self.deadline.is_none() || self.targets.iter().all(|it| it.access.is_one_range);
        if needs_no_timeout && let Some(page) = self.lookup(conn)? {
            return Ok(page);
        }
        let limit = self.deadline.map(Deadline::left);
        self.statement_timeout.set(limit.unwrap_or_default());
        conn.snapshot(limit, |conn| match self.page {
            PageRequest::Index { start_index, count } => self.index_page(conn, *start_index, *count),
            PageRequest::Cursor { from, count } => self.cursor_page(conn, from.as_ref(), *count),
        })
    }

    /// A lookup by a key, which usually finds one resource or none: a single statement without a transaction. Returns
    /// `None` when the result may continue after the page.
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
        if *count == 0 || target.include.members || target.candidates.is_none() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for part in self.whole_parts() {
            let (read, _) = self.read_after(conn, &part, 0, u64::from(*count))?;
            found = read.map_or(Ok(Vec::new()), |it| self.rows(conn, &it))?;
        }
        if found.len() >= *count as usize {
            return Ok(None);
        }
        let total = found.len() as u64;
        let (resources, rest) = split(found);
        Ok(Some(Page {
            total,
            resources,
            rest,
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

    /// Returns the resources of a part that are on the page, and the number of all resources of the part.
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
        let (read, total) = self.read_after(conn, part, skip, wanted)?;
        let mut found = Vec::new();
        if let Some(read) = read {
            found = self.rows(conn, &read)?;
            if read.is_ascending == self.descending {
                found.reverse();
            }
        }
        let number = found.len() as u64;
        let matches = match total {
            Some(total) => total,
            // A page that is not full ends the result, and no second query is needed.
            None if number < wanted => number,
            None => self.count(conn, part)?,
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
            // All resources on this side of the position have been deleted; there may still be some on the other
            // side.
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
        let whole = found.iter().take_while(|it| it.row.is_whole).count();
        let has_members = |it: &Found| self.targets[it.target].include.members;
        let with_members = found[..whole].iter_mut().filter(|it| has_members(it));
        let groups: Vec<&mut Row> = with_members.map(|it| &mut it.row).collect();
        // The deadline is for the search. A single group that was found may be read however large it is, and a
        // timeout while it is read is not the fault of the search.
        let is_one = groups.len() == 1;
        if is_one && self.deadline.is_some() {
            conn.execute(Sql::statement_timeout(STATEMENT_TIMEOUT))?;
        } else {
            self.refresh_statement_timeout(conn)?;
        }
        let read = self.scope.add_members(conn, groups, self.max_page_members);
        let with_members = read.map_err(|it| match it {
            Failure::Database(error) if is_one && is_lock_timeout(&error) => StoreError::Busy.into(),
            it => it,
        })?;
        let groups = found[..whole].iter_mut().filter(|it| has_members(it));
        for group in groups.skip(with_members) {
            group.row.is_whole = false;
        }
        let (resources, rest) = split(found);
        Ok(Page {
            total,
            resources,
            rest,
            next,
            previous,
        })
    }

    /// The next resources after a position, in the order of reading.
    fn walk(&self, conn: &mut Conn, from: Option<&Position>, limit: u64) -> Result<Vec<Found>, Failure> {
        let is_ascending = self.is_ascending(from);
        let mut found = Vec::new();
        for part in self.parts_after(from) {
            let read = Read {
                part,
                is_ascending,
                limit: limit - found.len() as u64,
                offset: 0,
            };
            if read.limit > 0 {
                found.extend(self.rows(conn, &read)?);
            }
        }
        Ok(found)
    }
}

/// Splits a page into the resources up to the first one that is too large, and the keys of the others.
fn split(mut found: Vec<Found>) -> (Vec<Stored>, Vec<ResourceKey>) {
    let whole = found.iter().take_while(|it| it.row.is_whole).count();
    let key = |it: Found| ResourceKey {
        resource_type: it.row.stored.resource_type,
        id: it.row.stored.id,
    };
    let rest = found.split_off(whole).into_iter().map(key).collect();
    (found.into_iter().map(|it| it.row.stored).collect(), rest)
}
