//! The statements of a list request, with the database's plan of each.

use scim_model::store::PageRequest;

use super::listing::Listing;
use super::offset::PartRead;
use super::part::Direction;
use super::target::Target;
use crate::connection::Conn;
use crate::error::Failure;
use crate::query::Explained;
use crate::resource::read::members_select;
use crate::sql::{Dialect, Sql, sql};

impl Listing<'_> {
    pub(crate) fn explain(&self, conn: &mut Conn) -> Result<Vec<Explained>, Failure> {
        let mut statements = Vec::new();
        let mut groups = Vec::new();
        for read in self.part_reads(conn)? {
            let PartRead {
                part,
                direction,
                limit,
                offset,
            } = read;
            statements.push(self.select(&part, direction, limit, offset));
            let has_members = |target: usize| self.targets[target].include.members;
            if part.targets.iter().any(|(it, _)| has_members(*it)) {
                let found = self.rows(conn, &part, direction, limit, offset)?;
                groups.extend(
                    found
                        .iter()
                        .filter(|it| has_members(it.target))
                        .map(|it| it.row.pk),
                );
            }
        }
        if !groups.is_empty() {
            statements.push(members_select(self.dialect, self.tenant, &groups));
        }
        statements.extend(self.targets.iter().map(Target::count_statement));
        statements.into_iter().map(|it| explained(conn, it)).collect()
    }

    /// The reads of the page; a page by index reads all parts.
    fn part_reads(&self, conn: &mut Conn) -> Result<Vec<PartRead>, Failure> {
        let (parts, direction, count, mut skip) = match self.page {
            PageRequest::Index { start_index, count } => {
                let offset = start_index.saturating_sub(1);
                (self.whole_parts(), Direction::Forward, *count, offset)
            }
            PageRequest::Cursor { from, count } => {
                let direction = Direction::of(from.as_ref());
                (self.parts_after(from.as_ref(), direction), direction, *count, 0)
            }
        };
        let limit = u64::from(count);
        let mut reads = Vec::new();
        for part in parts {
            let offset = skip;
            let mut read = None;
            if offset > 0 {
                let matches;
                (read, matches) = self.part_read(conn, &part, offset, limit)?;
                skip = skip.saturating_sub(matches);
            }
            reads.push(read.unwrap_or(PartRead {
                part,
                direction,
                limit,
                offset,
            }));
        }
        Ok(reads)
    }
}

fn explained(conn: &mut Conn, statement: Sql) -> Result<Explained, Failure> {
    let sql = statement.readable();
    let plan = match conn.dialect() {
        Dialect::Sqlite => {
            let explain = sql!("EXPLAIN QUERY PLAN {statement}"; statement);
            let rows = conn.rows::<(i64, i64, i64, String)>(&explain)?;
            rows.into_iter().map(|(.., detail)| detail).collect()
        }
        Dialect::Postgres => conn.rows::<String>(&sql!("EXPLAIN {statement}"; statement))?,
    };
    Ok(Explained { sql, plan })
}
