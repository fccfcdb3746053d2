//! The change journal: one entry for each change of a resource, written in the transaction that makes the change.
//!
//! Entries are dropped only from the start of a tenant's journal, so that a reader who finds the entry at its position
//! has missed none after it.

pub(crate) mod actor;
mod entry;
mod feed;
mod history;
pub(crate) mod horizon;
mod past;
pub(crate) mod retention;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::change::{Change, ChangePosition};
use scim_model::store::{ChangeJournal, JournalError, StoreError, TenantId};

use self::entry::{EntryRow, entry_columns};
use self::horizon::horizon;
use self::retention::{last_dropped, prune};
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::changes;
use crate::store::DieselStore;

impl ChangeJournal for DieselStore {
    /// On PostgreSQL a change is returned once every transaction that wrote an earlier one has ended, so that no entry
    /// ever appears before one that was read.
    fn changes(
        &self,
        tenant: TenantId,
        after: ChangePosition,
        limit: u32,
    ) -> Result<Vec<Change>, JournalError> {
        self.database.read_for(tenant, |conn| {
            let horizon = horizon(conn)?;
            conn.snapshot(None, |conn| {
                if let Err(error) = check_position(conn, tenant, after)? {
                    return Ok(Err(error));
                }
                let until = horizon.unwrap_or(i64::MAX);
                Ok(Ok(entries(conn, tenant, (after.sequence, until), limit)?))
            })
        })?
    }

    fn last_position(&self, tenant: TenantId) -> Result<ChangePosition, JournalError> {
        let last = self.database.read_for(tenant, |conn| {
            let horizon = horizon(conn)?;
            conn.snapshot(None, |conn| {
                last_position_until(conn, tenant, horizon.unwrap_or(i64::MAX))
            })
        })?;
        Ok(last)
    }

    /// Fewer dropped entries than the limit can also mean that another server is pruning.
    fn prune_changes(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.database
            .write_for(tenant, move |conn| prune(conn, tenant, before, limit))
    }
}

/// Reads the first entries of a tenant after a number, up to another one.
pub(crate) fn entries(
    conn: &mut Conn,
    tenant: TenantId,
    (after, until): (i64, i64),
    limit: u32,
) -> Result<Vec<Change>, Failure> {
    let entries = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.gt(after))
        .filter(changes::sequence.le(until))
        .order(changes::sequence)
        .limit(limit.into())
        .select(entry_columns!());
    let rows: Vec<EntryRow> = conn.load(entries)?;
    rows.into_iter().map(EntryRow::into_change).collect()
}

/// Returns the last position up to a number: that of the last entry, or of the last one that was dropped.
pub(crate) fn last_position_until(
    conn: &mut Conn,
    tenant: TenantId,
    until: i64,
) -> Result<ChangePosition, Failure> {
    let last = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.le(until))
        .order(changes::sequence.desc())
        .limit(1)
        .select((changes::sequence, changes::at));
    let last: Option<(i64, i64)> = conn.only(last)?;
    match last {
        Some((sequence, at)) => Ok(ChangePosition { sequence, at }),
        None => Ok(last_dropped(conn, tenant)?.unwrap_or_default()),
    }
}

/// Checks that no entry after a position has been dropped.
fn check_position(
    conn: &mut Conn,
    tenant: TenantId,
    position: ChangePosition,
) -> Result<Result<(), JournalError>, Failure> {
    if position == ChangePosition::default() {
        return Ok(Ok(()));
    }
    let entry = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.eq(position.sequence))
        .select(changes::at);
    let at: Option<i64> = conn.only(entry)?;
    if at == Some(position.at) {
        return Ok(Ok(()));
    }
    Ok(match last_dropped(conn, tenant)? {
        Some(last) if last == position => Ok(()),
        Some(last) if position.sequence < last.sequence => Err(JournalError::Dropped(position)),
        _ => Err(JournalError::Unknown(position)),
    })
}
