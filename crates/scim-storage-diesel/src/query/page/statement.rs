//! The statement that reads one part of a page.
//!
//! It selects keys first and joins the documents of one page to them, so that filtering, sorting and skipping
//! never touch a document.

use scim_model::store::Position;

use super::listing::{Listing, Part, Read};
use crate::connection::Conn;
use crate::error::Failure;
use crate::query::sort::SortKind;
use crate::resource::read::{ResourceRow, Row, WantedGroups, document_column};
use crate::sql::{Dialect, Sql, sql};

/// The order of a statement.
struct Order {
    /// By the sort key; by creation alone otherwise.
    by_key: bool,
    /// The sort key is the id, which needs no tie-breaker.
    by_id: bool,
    /// There is at most one resource, so nothing has to be sorted.
    is_single: bool,
    is_ascending: bool,
}

impl Order {
    /// The `ORDER BY` clause with a blank before it, for columns of a table (`k.` or none) with this `pk`.
    fn clause(&self, table: &'static str, pk: &'static str) -> Sql {
        if self.is_single {
            return Sql::default();
        }
        let key = match (self.by_key, self.is_ascending) {
            (false, _) => None,
            (true, true) => Some("sort_key ASC NULLS LAST"),
            (true, false) => Some("sort_key DESC NULLS FIRST"),
        };
        let key = key.map(|it| sql!("{table}{key}"; table = Sql::text(table), key = Sql::text(it)));
        // Without a tie-breaker, the order is that of the index on the id.
        let tie_breaker = (!self.by_id).then(|| match self.is_ascending {
            true => Sql::text(pk),
            false => sql!("{pk} DESC"; pk = Sql::text(pk)),
        });
        let terms = Sql::join(key.into_iter().chain(tie_breaker), ", ");
        sql!(" ORDER BY {terms}"; terms)
    }
}

impl Listing<'_> {
    pub(super) fn select(&self, read: &Read) -> Sql {
        let (part, dialect, tenant) = (&read.part, self.scope.dialect, self.scope.tenant);
        let order = self.order_of(read);
        let sort_key = Sql::text(match (order.by_id, dialect) {
            (true, Dialect::Sqlite) => "hex(k.sort_key)",
            (true, Dialect::Postgres) => "encode(k.sort_key, 'hex')",
            (false, _) => "CAST(k.sort_key AS TEXT)",
        });
        let pk = match &*part.targets {
            [(only, _)] if self.targets[*only].sorts_result => "+r.pk",
            [_] => "r.pk",
            _ => "pk",
        };
        let has_groups = part
            .targets
            .iter()
            .any(|(target, _)| self.targets[*target].include.groups);
        // SQLite reads a bound limit when it plans, and plans again for every new value, unless the limit is an
        // expression.
        let select = sql!(
            "SELECT k.target, {sort_key}, k.pk, d.id, d.version, d.created, d.modified, {document}, {groups}
             FROM ({keys}{key_order} LIMIT 0 + {limit} OFFSET 0 + {offset}) AS k
             JOIN resource d ON {owned} AND d.pk = k.pk{page_order}";
            sort_key, document = document_column(Some(self.size_limits)),
            groups = self.scope.groups_column("k.pk", has_groups, WantedGroups::Any(self.size_limits.groups_to_read())),
            keys = self.keys(part, &order, read.limit.saturating_add(read.offset)),
            key_order = order.clause("", pk), limit = read.limit, offset = read.offset,
            owned = Sql::owned_by(dialect, "d.tenant_id", tenant), page_order = order.clause("k.", "k.pk")
        );
        // Texts that clients can vary would fill the cache of prepared statements, and on PostgreSQL a kept plan of a
        // join may have been made when the table was empty.
        match &*part.targets {
            [(only, _)] if self.targets[*only].is_recurring() => select,
            _ => select.one_off(),
        }
    }

    pub(super) fn rows(&self, conn: &mut Conn, read: &Read) -> Result<Vec<Found>, Failure> {
        let sql = self.select(read);
        self.refresh_statement_timeout(conn)?;
        let rows = conn.rows::<(i32, Option<String>, ResourceRow)>(&sql)?;
        rows.into_iter()
            .map(|(target, key, row)| {
                let target = usize::try_from(target).unwrap_or_default();
                let mut row =
                    self.scope
                        .stored(self.targets[target].layout(), row, Some(self.size_limits))?;
                // A statement over several types reads the groups of all.
                row.stored.groups = row.stored.groups.filter(|_| self.targets[target].include.groups);
                Ok(Found { target, key, row })
            })
            .collect()
    }

    fn order_of(
        &self,
        Read {
            part, is_ascending, ..
        }: &Read,
    ) -> Order {
        let is_by_id = |(target, _): &(usize, _)| {
            let sort = self.targets[*target].sort.as_ref();
            sort.is_some_and(|it| it.kind == SortKind::Id)
        };
        Order {
            // Resources without a key come in the order of creation. PostgreSQL finds that order in the index of
            // the keys, and has to be asked for the order of that index.
            by_key: part.has_keys || (self.is_merged && self.scope.dialect == Dialect::Postgres),
            by_id: part.has_keys && part.targets.iter().all(is_by_id),
            is_single: matches!(&*part.targets, [(only, _)] if self.targets[*only].is_single()),
            is_ascending: *is_ascending,
        }
    }

    /// Selects the keys of all targets of a part; at most `needed` of them can be on the page.
    fn keys(&self, part: &Part, order: &Order, needed: u64) -> Sql {
        let is_merged = part.targets.len() > 1;
        let keys = part.targets.iter().map(|(target, position)| {
            let keys = self.targets[*target].keys(*target, position.as_ref(), is_merged);
            match is_merged && self.scope.dialect == Dialect::Postgres {
                // Without limits, PostgreSQL would sort everything that it merges.
                true => sql!("({keys}{order} LIMIT {needed})"; keys, order = order.clause("", "pk"), needed),
                false => keys,
            }
        });
        Sql::join(keys, " UNION ALL ")
    }
}

/// A resource of a page, with the parts of its position.
pub(super) struct Found {
    pub(super) target: usize,
    key: Option<String>,
    pub(super) row: Row,
}

impl Found {
    pub(super) fn position(&self, backwards: bool) -> Position {
        Position {
            target: u16::try_from(self.target).unwrap_or(u16::MAX),
            key: self.key.clone(),
            row: self.row.pk,
            backwards,
        }
    }
}
