//! Reading a tenant in one snapshot, some resources at a time.

use std::cell::{Cell, RefCell};

use scim_model::SecretHash;
use scim_model::store::{ExportParts, Exported};

use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::journal::horizon::horizon;
use crate::journal::retention::last_dropped;
use crate::journal::{entries, last_position_until};
use crate::resource::read::ResourceRow;
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::{Dialect, Sql, sql};

/// Resources, or entries of the journal, that one statement reads.
const AT_ONCE: u32 = 100;

/// An export that is under way.
pub(super) struct Export<'a> {
    scope: Scope<'a>,
    wanted: ExportParts,
    take: RefCell<&'a mut dyn FnMut(Exported) -> bool>,
    has_begun: Cell<bool>,
}

impl<'a> Export<'a> {
    pub(super) fn new(
        scope: Scope<'a>,
        wanted: ExportParts,
        take: &'a mut dyn FnMut(Exported) -> bool,
    ) -> Export<'a> {
        Export {
            scope,
            wanted,
            take: RefCell::new(take),
            has_begun: Cell::new(false),
        }
    }

    pub(super) fn run(&self, conn: &mut Conn) -> Result<(), Failure> {
        if self.has_begun.replace(true) {
            return Err(unavailable("the connection was lost during the export").into());
        }
        let until = horizon(conn)?.unwrap_or(i64::MAX);
        conn.snapshot(None, |conn| {
            if conn.dialect() == Dialect::Postgres {
                // The reader of the export may be slow.
                conn.execute(sql!("SET LOCAL idle_in_transaction_session_timeout = 0"))?;
            }
            self.all(conn, until)
        })
    }

    fn all(&self, conn: &mut Conn, until: i64) -> Result<(), Failure> {
        let tenant = self.scope.tenant;
        let start = Exported::Start {
            position: last_position_until(conn, tenant, until)?,
            dropped: last_dropped(conn, tenant)?,
            resources: self.number_of_resources(conn)?,
        };
        if !self.pass_on(start) {
            return Ok(());
        }
        let (groups, others): (Vec<&Layout>, Vec<&Layout>) = self
            .scope
            .layouts
            .iter()
            .partition(|it| it.resource_type.has_members());
        for layout in others.into_iter().chain(groups) {
            if !self.resources(conn, layout)? {
                return Ok(());
            }
        }
        if self.wanted.changes {
            self.changes(conn, until)?;
        }
        Ok(())
    }

    fn pass_on(&self, record: Exported) -> bool {
        (self.take.borrow_mut())(record)
    }

    fn number_of_resources(&self, conn: &mut Conn) -> Result<u64, Failure> {
        let mut number = 0;
        for layout in self.scope.layouts.iter() {
            let count = sql!(
                "SELECT count(*) FROM resource WHERE tenant_id = {tenant} AND kind = {kind}";
                tenant = self.scope.tenant, kind = layout.kind
            );
            number += u64::try_from(conn.row::<i64>(&count)?.unwrap_or(0)).unwrap_or(0);
        }
        Ok(number)
    }

    /// Passes the resources of a type on. Returns whether to continue.
    fn resources(&self, conn: &mut Conn, layout: &Layout) -> Result<bool, Failure> {
        let mut after = 0;
        loop {
            // A literal with the columns of `ResourceRow`; an export has no groups. An expression as the limit keeps
            // SQLite from planning again for each value.
            let select = sql!(
                "SELECT d.pk, d.id, d.version, d.created, d.modified, d.document, CAST(NULL AS TEXT)
                 FROM resource d WHERE d.tenant_id = {tenant} AND d.kind = {kind} AND d.pk > {after}
                 ORDER BY d.pk LIMIT 0 + {limit}";
                tenant = self.scope.tenant, kind = layout.kind, after, limit = i64::from(AT_ONCE)
            );
            let rows = conn.rows::<ResourceRow>(&select)?;
            let pks: Vec<i64> = rows.iter().map(|(pk, ..)| *pk).collect();
            let Some(last) = pks.last() else {
                return Ok(true);
            };
            after = *last;
            let secrets = self.secrets(conn, &pks)?;
            for row in rows {
                let mut row = self.scope.stored(layout, row, None)?;
                if layout.resource_type.has_members() {
                    row.stored.members = Some(self.scope.all_members(conn, row.pk)?);
                }
                let own = secrets.iter().filter(|(pk, ..)| *pk == row.pk);
                let own = own.map(|(_, path, hash)| (path.clone(), SecretHash(hash.clone())));
                let record = Exported::Resource {
                    secrets: own.collect(),
                    stored: row.stored,
                };
                if !self.pass_on(record) {
                    return Ok(false);
                }
            }
        }
    }

    /// Paths and hashes of the secrets of some resources.
    fn secrets(&self, conn: &mut Conn, pks: &[i64]) -> Result<Vec<(i64, String, String)>, Failure> {
        if !self.wanted.secrets {
            return Ok(Vec::new());
        }
        let select = sql!(
            "SELECT pk, path, hash FROM secret WHERE tenant_id = {tenant} AND pk {pks} ORDER BY pk, path";
            tenant = self.scope.tenant, pks = Sql::in_pks(self.scope.dialect, pks)
        );
        Ok(conn.rows(&select)?)
    }

    fn changes(&self, conn: &mut Conn, until: i64) -> Result<(), Failure> {
        let mut after = 0;
        loop {
            let entries = entries(conn, self.scope.tenant, (after, until), AT_ONCE)?;
            let Some(last) = entries.last() else {
                return Ok(());
            };
            after = last.position.sequence;
            for entry in entries {
                if !self.pass_on(Exported::Change(Box::new(entry))) {
                    return Ok(());
                }
            }
        }
    }
}
