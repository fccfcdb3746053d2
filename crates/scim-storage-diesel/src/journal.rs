//! The change journal: one line for each change of a resource, in the transaction that makes it.
//!
//! Lines leave it from its beginning only, so whoever finds the line he stopped at has missed none
//! behind it.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use scim_model::change::{Actor, Change, ChangeDetail, ChangePosition, Operation};
use scim_model::store::{JournalError, TenantId};
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::sql::{Conn, Dialect, Sql};
use crate::write::time;

/// A line to write.
pub(crate) struct Line<'a> {
    pub(crate) at: i64,
    pub(crate) kind: i64,
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) operation: Operation,
    /// See [`ChangeDetail::to_stored`].
    pub(crate) detail: &'a str,
}

/// The statement that writes a line, for each row of what is appended as `FROM`.
pub(crate) fn insert(tenant: TenantId, line: &Line) -> Sql {
    Sql::new("INSERT INTO changes (tenant_id, at, kind, id, version, action, change) SELECT ")
        .int(tenant.0)
        .text(", ")
        .int(line.at)
        .text(", ")
        .int(line.kind)
        .text(", ")
        .id(line.id)
        .text(", ")
        .int(line.version)
        .text(", ")
        .string(line.operation.as_str())
        .text(", ")
        .string(line.detail)
}

/// The changes behind a position, in an order in which nothing ever appears in front of what was read.
pub(crate) fn read(
    conn: &mut Conn,
    tenant: TenantId,
    after: ChangePosition,
    limit: u32,
) -> Result<Result<Vec<Change>, JournalError>, Failure> {
    let horizon = horizon(conn)?;
    conn.snapshot(|conn| {
        if let Err(lost) = find(conn, tenant, after)? {
            return Ok(Err(lost));
        }
        let mut select = Sql::new(
            "SELECT sequence, at, (SELECT t.name FROM resource_type t WHERE t.id = kind), id, version, action, \
             change FROM changes WHERE tenant_id = ",
        )
        .int(tenant.0)
        .text(" AND sequence > ")
        .int(after.sequence);
        if let Some(horizon) = horizon {
            select = select.text(" AND sequence <= ").int(horizon);
        }
        select = select.text(" ORDER BY sequence LIMIT ").int(limit.into());
        type Types = (BigInt, BigInt, Text, Binary, BigInt, Text, Text);
        type Row = (i64, i64, String, Vec<u8>, i64, String, String);
        let rows = conn.rows::<Types, Row>(&select)?;
        let changes = rows
            .into_iter()
            .map(|(sequence, at, resource_type, id, version, operation, detail)| {
                Ok(Change {
                    position: ChangePosition { sequence, at },
                    at: time(at)?,
                    actor: Actor::Unknown,
                    resource_type: resource_type.into(),
                    id: Uuid::from_slice(&id).map_err(unavailable)?,
                    version,
                    operation: operation.parse::<Operation>().map_err(unavailable)?,
                    detail: ChangeDetail::from_stored(&detail),
                })
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Ok(changes))
    })
}

/// PostgreSQL: every line up to this number that will ever be there is visible to the statements that come
/// after. `None` is SQLite, where a line is visible before the next one gets its number.
///
/// Lines become visible in another order than they are numbered, but before a transaction numbers its first
/// one it takes a shared advisory lock that holds the last number given to anybody, and keeps it until it is
/// visible whether it committed (migration `journal_order`). So of a transaction that has a line numbered
/// `allocated` or lower, and that had not ended when the locks were read, the lock was among them: it took it
/// before `allocated` was read. Its lines are behind what the lock holds, and so behind the lowest of them.
/// Of those that had ended, the next statement sees the lines. A lock that was not there yet is of lines behind
/// `allocated`. The order of the two statements matters.
fn horizon(conn: &mut Conn) -> Result<Option<i64>, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let allocated = Sql::new(
        "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM changes_sequence_seq",
    );
    let allocated = conn.row::<BigInt, i64>(&allocated)?;
    let announced = Sql::new(
        "SELECT min(((classid::bigint & x'ffff'::bigint) << 32) | objid::bigint) FROM pg_locks \
         WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = x'5343'::bigint \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    let announced = conn.row::<Nullable<BigInt>, Option<i64>>(&announced)?.flatten();
    Ok(allocated.map(|it| announced.map_or(it, |announced| it.min(announced))))
}

/// Whether nothing behind a position has gone.
fn find(
    conn: &mut Conn,
    tenant: TenantId,
    position: ChangePosition,
) -> Result<Result<(), JournalError>, Failure> {
    if position == ChangePosition::default() {
        return Ok(Ok(()));
    }
    let line = Sql::new("SELECT at FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND sequence = ")
        .int(position.sequence);
    if conn.row::<BigInt, i64>(&line)? == Some(position.at) {
        return Ok(Ok(()));
    }
    Ok(match start(conn, tenant)? {
        Some(start) if start == position => Ok(()),
        Some(start) if position.sequence < start.sequence => Err(JournalError::Dropped(position)),
        _ => Err(JournalError::Unknown(position)),
    })
}

/// The last line that was dropped.
fn start(conn: &mut Conn, tenant: TenantId) -> Result<Option<ChangePosition>, Failure> {
    let select = Sql::new("SELECT sequence, at FROM journal_start WHERE tenant_id = ").int(tenant.0);
    let row = conn.row::<(BigInt, BigInt), (i64, i64)>(&select)?;
    Ok(row.map(|(sequence, at)| ChangePosition { sequence, at }))
}

/// Any number that nobody else uses.
const PRUNE_LOCK: i64 = 0x5343_494e;

/// Drops at most so many lines from the beginning of a journal that are older than a time; how many it
/// were. Fewer than asked for means that there is no more to do, or that another server does it.
pub(crate) fn prune(
    conn: &mut Conn,
    tenant: TenantId,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<usize, Failure> {
    if conn.dialect() == Dialect::Postgres {
        let lock = Sql::new("SELECT 1::bigint WHERE pg_try_advisory_xact_lock(")
            .int(PRUNE_LOCK)
            .text(")");
        if conn.row::<BigInt, i64>(&lock)?.is_none() {
            return Ok(0);
        }
    }
    let mut select = Sql::new("SELECT sequence, at FROM changes WHERE tenant_id = ").int(tenant.0);
    if let Some(horizon) = horizon(conn)? {
        select = select.text(" AND sequence <= ").int(horizon);
    }
    select = select.text(" ORDER BY sequence LIMIT ").int(limit.into());
    let lines = conn.rows::<(BigInt, BigInt), (i64, i64)>(&select)?;
    // Up to the first one that stays, for no line may be missing in between.
    let old = |(_, at): &(i64, i64)| *at < before.timestamp_millis();
    let Some((sequence, at)) = lines.into_iter().take_while(old).last() else {
        return Ok(0);
    };
    // The column `transaction_id` is for the version before.
    let mark = Sql::new("INSERT INTO journal_start (tenant_id, transaction_id, sequence, at) VALUES (")
        .int(tenant.0)
        .text(", 0, ")
        .int(sequence)
        .text(", ")
        .int(at)
        .text(") ON CONFLICT (tenant_id) DO UPDATE SET sequence = excluded.sequence, at = excluded.at");
    conn.execute(&mark)?;
    let delete = Sql::new("DELETE FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND sequence <= ")
        .int(sequence);
    Ok(conn.execute(&delete)?)
}
