//! Dropping the oldest entries of a journal.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use scim_model::change::ChangePosition;
use scim_model::store::TenantId;

use super::entry::{EntryRow, entry_columns};
use super::horizon::horizon;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{changes, journal_start};
use crate::sql::{Dialect, sql};

/// The last entry that was dropped.
pub(crate) fn last_dropped(conn: &mut Conn, tenant: TenantId) -> Result<Option<ChangePosition>, Failure> {
    let start = journal_start::table
        .filter(journal_start::tenant_id.eq(tenant.0))
        .select((journal_start::sequence, journal_start::at));
    let row: Option<(i64, i64)> = conn.only(start)?;
    Ok(row.map(|(sequence, at)| ChangePosition { sequence, at }))
}

/// An advisory lock of PostgreSQL; the number is this project's own.
const PRUNE_LOCK: i64 = 0x5343_494e;

/// Drops at most `limit` entries that are older than a time, from the start of a journal. Returns the number of entries
/// dropped; fewer than the limit means that no more are old enough, or that another server is pruning.
pub(super) fn prune(
    conn: &mut Conn,
    tenant: TenantId,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<usize, Failure> {
    if conn.dialect() == Dialect::Postgres {
        let lock = sql!("SELECT 1::bigint WHERE pg_try_advisory_xact_lock({lock})"; lock = PRUNE_LOCK);
        if conn.row::<i64>(&lock)?.is_none() {
            return Ok(0);
        }
    }
    let horizon = horizon(conn)?.unwrap_or(i64::MAX);
    let oldest = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.le(horizon))
        .order(changes::sequence)
        .limit(limit.into())
        .select((changes::sequence, changes::at));
    let oldest: Vec<(i64, i64)> = conn.load(oldest)?;
    // Up to the first entry that stays, because no entry may be missing between two others.
    let is_old = |(_, at): &(i64, i64)| *at < before.timestamp_millis();
    let Some((sequence, at)) = oldest.into_iter().take_while(is_old).last() else {
        return Ok(0);
    };
    delete_old_positions(conn, before, limit)?;
    let parts = parts(conn, tenant, sequence)?;
    let start = (
        journal_start::tenant_id.eq(tenant.0),
        // For the previous version of the server.
        journal_start::transaction_id.eq(0),
        journal_start::sequence.eq(sequence),
        journal_start::at.eq(at),
        journal_start::parts.eq(parts),
    );
    let moved = (
        journal_start::sequence.eq(excluded(journal_start::sequence)),
        journal_start::at.eq(excluded(journal_start::at)),
        journal_start::parts.eq(excluded(journal_start::parts)),
    );
    conn.execute(
        diesel::insert_into(journal_start::table)
            .values(start)
            .on_conflict(journal_start::tenant_id)
            .do_update()
            .set(moved),
    )?;
    let dropped = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.le(sequence));
    Ok(conn.execute(diesel::delete(dropped))?)
}

/// Returns the number of parts of a change, or `None` if its entry cannot be read.
fn parts(conn: &mut Conn, tenant: TenantId, sequence: i64) -> Result<Option<i64>, Failure> {
    let entry = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::sequence.eq(sequence))
        .select(entry_columns!());
    let entry: Option<EntryRow> = conn.only(entry)?;
    let change = entry.and_then(|it| it.into_change().ok());
    Ok(change.and_then(|it| i64::try_from(it.parts().len()).ok()))
}

/// Deletes old positions of deleted tenants, but not the last one: a reader may wait there for the next change.
fn delete_old_positions(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> Result<(), Failure> {
    // A literal, because the DSL has no subquery with a limit in a deletion.
    conn.execute(sql!(
        "DELETE FROM deleted_change WHERE at < {before}
         AND sequence IN (SELECT sequence FROM deleted_change ORDER BY sequence LIMIT {limit})
         AND sequence < (SELECT max(sequence) FROM deleted_change)";
        before, limit = i64::from(limit)
    ))?;
    Ok(())
}
