//! The leases of workers. Literals, because the clock is that of the database, and only PostgreSQL has locks.

use chrono::TimeDelta;
use scim_model::store::Leases;
use uuid::Uuid;

use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::sql::{Dialect, Sql, sql};

/// A kind of row that workers lease.
#[derive(Clone, Copy)]
pub(crate) struct Leased {
    table: &'static str,
    /// The condition of the rows that need a worker.
    is_active: &'static str,
}

/// Endpoints of webhooks.
pub(crate) const ENDPOINTS: Leased = Leased {
    table: "webhook_endpoint",
    is_active: "disabled_at IS NULL",
};

/// Streams of security event tokens that are pushed.
pub(crate) const STREAMS: Leased = Leased {
    table: "set_stream",
    is_active: "url IS NOT NULL AND status <> 'disabled'",
};

impl Leased {
    fn table(self) -> Sql {
        Sql::text(self.table)
    }

    fn is_active(self) -> Sql {
        Sql::text(self.is_active)
    }
}

/// The time of the database in milliseconds since 1970: workers on several machines compare leases with it, not with
/// their own clocks.
fn clock(dialect: Dialect) -> Sql {
    Sql::text(match dialect {
        Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        Dialect::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    })
}

/// Renews the leases of a worker, and leases rows that no worker has, up to its share. A server has the same worker
/// id for all kinds, so that it is counted once.
pub(crate) fn lease(
    conn: &mut Conn,
    kind: Leased,
    worker: Uuid,
    lease: TimeDelta,
) -> Result<Leases, Failure> {
    let dialect = conn.dialect();
    let (now, lease) = (clock(dialect), lease.num_milliseconds());
    conn.execute(sql!(
        "INSERT INTO webhook_worker (id, seen) VALUES ({worker}, {now})
         ON CONFLICT (id) DO UPDATE SET seen = excluded.seen";
        worker, now = now.clone()
    ))?;
    conn.execute(sql!(
        "DELETE FROM webhook_worker WHERE seen < {now} - {lease}";
        now = now.clone(), lease
    ))?;
    let workers = conn.row::<i64>(&sql!("SELECT count(*) FROM webhook_worker"))?;
    let active = conn.row::<i64>(&sql!(
        "SELECT count(*) FROM {table} WHERE {is_active}";
        table = kind.table(), is_active = kind.is_active()
    ))?;
    let (workers, active) = (workers.unwrap_or(1).max(1), active.unwrap_or(0));
    let share = active / workers + i64::from(active % workers > 0);
    let mut ids = conn.rows::<Id>(&sql!(
        "UPDATE {table} SET lease_until = {now} + {lease} WHERE lease_owner = {worker} RETURNING id";
        table = kind.table(), now = now.clone(), lease, worker
    ))?;
    let free = share - i64::try_from(ids.len()).unwrap_or(i64::MAX);
    if free > 0 {
        // Another worker that leases rows at the same moment does not wait, but takes other rows.
        ids.extend(conn.rows::<Id>(&sql!(
            "UPDATE {table} SET lease_owner = {worker}, lease_until = {now} + {lease}
             WHERE id IN (SELECT id FROM {table}
                          WHERE {is_active} AND (lease_until IS NULL OR lease_until < {now})
                          ORDER BY id LIMIT {free}{lock})
             RETURNING id";
            table = kind.table(), is_active = kind.is_active(), worker, now, lease, free,
            lock = dialect.lock(" FOR UPDATE SKIP LOCKED")
        ))?);
    }
    Ok(Leases {
        ids: ids.into_iter().map(|it| it.0).collect(),
        share: usize::try_from(share).unwrap_or(usize::MAX),
    })
}

/// Ends leases of a worker: those of some rows, or with `None` all, after which the worker is no longer counted.
pub(crate) fn release(
    conn: &mut Conn,
    kind: Leased,
    worker: Uuid,
    ids: Option<&[Uuid]>,
) -> Result<(), Failure> {
    let chosen = match ids {
        Some(ids) => sql!(" AND id {ids}"; ids = Sql::in_ids(conn.dialect(), ids)),
        None => {
            conn.execute(sql!("DELETE FROM webhook_worker WHERE id = {worker}"; worker))?;
            Sql::default()
        }
    };
    conn.execute(sql!(
        "UPDATE {table} SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = {worker}{chosen}";
        table = kind.table(), worker, chosen
    ))?;
    Ok(())
}
