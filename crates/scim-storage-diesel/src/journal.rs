//! The change journal: one entry for each change of a resource, written in the transaction that makes the change.
//!
//! Entries are dropped only from the start of a tenant's journal, so that a reader who finds the entry at its position
//! has missed none after it.

pub(crate) mod actor;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use scim_model::change::{Change, ChangeDetail, ChangePosition, Operation};
use scim_model::store::{ChangeJournal, JournalError, StoreError, TenantId};

use self::actor::ActorRow;
use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{changes, connection, deleted_connection, journal_start, resource_type};
use crate::sql::{Dialect, sql};
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
                let type_name = resource_type::table
                    .filter(resource_type::id.eq(changes::kind))
                    .select(resource_type::name)
                    .single_value();
                let connection_name = connection::table
                    .filter(connection::tenant_id.eq(changes::tenant_id))
                    .filter(connection::id.nullable().eq(changes::connection_id))
                    .select(connection::name)
                    .single_value();
                let deleted_name = deleted_connection::table
                    .filter(deleted_connection::tenant_id.eq(changes::tenant_id))
                    .filter(deleted_connection::id.nullable().eq(changes::connection_id))
                    .select(deleted_connection::name)
                    .single_value();
                let entries = changes::table
                    .filter(changes::tenant_id.eq(tenant.0))
                    .filter(changes::sequence.gt(after.sequence))
                    .filter(changes::sequence.le(horizon.unwrap_or(i64::MAX)))
                    .order(changes::sequence)
                    .limit(limit.into())
                    .select((
                        changes::sequence,
                        changes::at,
                        type_name,
                        changes::id,
                        changes::version,
                        changes::action,
                        changes::change,
                        (
                            changes::actor,
                            changes::connection_id,
                            changes::credential_id,
                            changes::request_id,
                            changes::command_user,
                        ),
                        connection_name,
                        deleted_name,
                    ));
                let rows: Vec<EntryRow> = conn.load(entries)?;
                let changes: Result<_, Failure> = rows.into_iter().map(EntryRow::into_change).collect();
                Ok(Ok(changes?))
            })
        })?
    }

    fn last_position(&self, tenant: TenantId) -> Result<ChangePosition, JournalError> {
        let last = self.database.read_for(tenant, |conn| {
            let horizon = horizon(conn)?;
            conn.snapshot(None, |conn| {
                let last = changes::table
                    .filter(changes::tenant_id.eq(tenant.0))
                    .filter(changes::sequence.le(horizon.unwrap_or(i64::MAX)))
                    .order(changes::sequence.desc())
                    .limit(1)
                    .select((changes::sequence, changes::at));
                let last: Option<(i64, i64)> = conn.only(last)?;
                match last {
                    Some((sequence, at)) => Ok::<_, Failure>(ChangePosition { sequence, at }),
                    None => Ok(last_dropped(conn, tenant)?.unwrap_or_default()),
                }
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

#[derive(Queryable)]
struct EntryRow {
    sequence: i64,
    at: Time,
    resource_type: Option<String>,
    id: Id,
    version: i64,
    operation: String,
    detail: String,
    actor: ActorRow,
    connection_name: Option<String>,
    deleted_connection_name: Option<String>,
}

impl EntryRow {
    fn into_change(self) -> Result<Change, Failure> {
        Ok(Change {
            position: ChangePosition {
                sequence: self.sequence,
                at: self.at.0.timestamp_millis(),
            },
            at: self.at.0,
            actor: self.actor.into_actor(),
            connection_name: self.connection_name.or(self.deleted_connection_name),
            transaction: None,
            resource_type: self.resource_type.unwrap_or_default().into(),
            id: self.id.0,
            names: None,
            version: self.version,
            operation: self.operation.parse::<Operation>().map_err(unavailable)?,
            detail: ChangeDetail::from_stored(&self.detail),
        })
    }
}

/// On PostgreSQL, the highest number such that every entry up to it is visible to the statements that follow, and no
/// other will ever appear.
/// `None` on SQLite, where an entry is visible before the next one gets its number.
///
/// On PostgreSQL entries become visible in another order than they are numbered. But before a transaction numbers its
/// first entry, it takes a shared advisory lock that holds the last number given to any transaction, and keeps it until
/// its commit is visible (migration `journal_order`). Consider a transaction with an entry numbered `allocated` or
/// lower. If it had not ended when the locks were read, its lock was among them, because it was taken before
/// `allocated` was read; its entries come after the number in the lock, and so after the lowest of these numbers. If
/// it had ended, the next statement sees its entries. A lock that was not there yet belongs to entries after
/// `allocated`. The order of the two statements matters.
fn horizon(conn: &mut Conn) -> Result<Option<i64>, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let allocated = conn.row::<i64>(&sql!(
        "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM changes_sequence_seq"
    ))?;
    let announced = conn.row::<Option<i64>>(&sql!(
        "SELECT min(((classid::bigint & x'ffff'::bigint) << 32) | objid::bigint) FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = x'5343'::bigint
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ))?;
    let announced = announced.flatten();
    Ok(allocated.map(|it| announced.map_or(it, |announced| it.min(announced))))
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

/// The last entry that was dropped.
fn last_dropped(conn: &mut Conn, tenant: TenantId) -> Result<Option<ChangePosition>, Failure> {
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
fn prune(conn: &mut Conn, tenant: TenantId, before: DateTime<Utc>, limit: u32) -> Result<usize, Failure> {
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
    let start = (
        journal_start::tenant_id.eq(tenant.0),
        // For the previous version of the server.
        journal_start::transaction_id.eq(0),
        journal_start::sequence.eq(sequence),
        journal_start::at.eq(at),
    );
    let moved = (
        journal_start::sequence.eq(excluded(journal_start::sequence)),
        journal_start::at.eq(excluded(journal_start::at)),
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
