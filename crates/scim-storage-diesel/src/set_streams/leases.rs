//! The leases of workers. Literals, because the clock is that of the database, and only PostgreSQL has locks.

use chrono::TimeDelta;
use scim_model::store::SetStreamStatus;
use uuid::Uuid;

use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::sql::{Dialect, Sql, sql};

/// The time of the database in milliseconds since 1970: workers on several machines compare it, and not their own.
fn clock(dialect: Dialect) -> Sql {
    Sql::text(match dialect {
        Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        Dialect::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    })
}

pub(super) fn lease(conn: &mut Conn, worker: Uuid, lease: TimeDelta) -> Result<Vec<Uuid>, Failure> {
    let dialect = conn.dialect();
    let (now, lease) = (clock(dialect), lease.num_milliseconds());
    let disabled = SetStreamStatus::Disabled.as_str();
    // Another worker that looks for streams at this moment does not wait, and takes others.
    let ids = conn.rows::<Id>(&sql!(
        "UPDATE set_stream SET lease_owner = {worker}, lease_until = {now} + {lease}
         WHERE id IN (SELECT id FROM set_stream
                      WHERE url IS NOT NULL AND status <> {disabled}
                      AND (lease_owner = {worker} OR lease_until IS NULL OR lease_until < {now})
                      ORDER BY id{lock})
         RETURNING id";
        worker, now, lease, disabled, lock = dialect.lock(" FOR UPDATE SKIP LOCKED")
    ))?;
    Ok(ids.into_iter().map(|it| it.0).collect())
}

pub(super) fn release(conn: &mut Conn, worker: Uuid) -> Result<(), Failure> {
    conn.execute(sql!(
        "UPDATE set_stream SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = {worker}"; worker
    ))?;
    Ok(())
}
