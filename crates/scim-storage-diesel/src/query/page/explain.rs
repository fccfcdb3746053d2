//! The statements of a list request, with the database's plan of each.

use scim_model::store::PageRequest;

use super::listing::{Listing, Read};
use super::target::Target;
use crate::connection::Conn;
use crate::error::Failure;
use crate::query::Explained;
use crate::sql::{Dialect, Sql, sql};

impl Listing<'_> {
    pub(crate) fn explain(&self, conn: &mut Conn) -> Result<Vec<Explained>, Failure> {
        let mut statements = Vec::new();
        let mut groups = Vec::new();
        for read in self.reads(conn)? {
            statements.push(self.select(&read));
            let has_members = |target: usize| self.targets[target].include.members;
            if read.part.targets.iter().any(|(it, _)| has_members(*it)) {
                let found = self.rows(conn, &read)?.into_iter();
                groups.extend(found.filter(|it| has_members(it.target)).map(|it| it.row.pk));
            }
        }
        if !groups.is_empty() {
            statements.push(self.scope.members_select(&groups));
        }
        statements.extend(self.targets.iter().map(Target::count_statement));
        statements.into_iter().map(|it| explained(conn, it)).collect()
    }

    /// The reads of the page; a page by index reads all parts.
    fn reads(&self, conn: &mut Conn) -> Result<Vec<Read>, Failure> {
        let (parts, is_ascending, count, mut skip) = match self.page {
            PageRequest::Index { start_index, count } => (
                self.whole_parts(),
                !self.descending,
                *count,
                start_index.saturating_sub(1),
            ),
            PageRequest::Cursor { from, count } => {
                let from = from.as_ref();
                (self.parts_after(from), self.is_ascending(from), *count, 0)
            }
        };
        let mut reads = Vec::new();
        for part in parts {
            let mut read = Read {
                is_ascending,
                limit: count.into(),
                offset: skip,
                part,
            };
            if skip > 0 {
                let (shortest, total) = self.read_after(conn, &read.part, skip, count.into())?;
                skip = skip.saturating_sub(total.unwrap_or(0));
                read = shortest.unwrap_or(read);
            }
            reads.push(read);
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
        Dialect::Postgres => conn.rows(&sql!("EXPLAIN {statement}"; statement))?,
    };
    Ok(Explained { sql, plan })
}
