//! The leases of workers. Literals, because the clock is that of the database, and only PostgreSQL has locks.

use chrono::TimeDelta;
use scim_model::store::WebhookLeases;
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

pub(super) fn lease(conn: &mut Conn, worker: Uuid, lease: TimeDelta) -> Result<WebhookLeases, Failure> {
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
        "SELECT count(*) FROM webhook_endpoint WHERE disabled_at IS NULL"
    ))?;
    let (workers, active) = (workers.unwrap_or(1).max(1), active.unwrap_or(0));
    let share = active / workers + i64::from(active % workers > 0);
    let mut ids = conn.rows::<Id>(&sql!(
        "UPDATE webhook_endpoint SET lease_until = {now} + {lease} WHERE lease_owner = {worker} RETURNING id";
        now = now.clone(), lease, worker
    ))?;
    let free = share - i64::try_from(ids.len()).unwrap_or(i64::MAX);
    if free > 0 {
        // Another worker that looks for endpoints at this moment does not wait, and takes others.
        ids.extend(conn.rows::<Id>(&sql!(
            "UPDATE webhook_endpoint SET lease_owner = {worker}, lease_until = {now} + {lease}
             WHERE id IN (SELECT id FROM webhook_endpoint
                          WHERE disabled_at IS NULL AND (lease_until IS NULL OR lease_until < {now})
                          ORDER BY id LIMIT {free}{lock})
             RETURNING id";
            worker, now, lease, free, lock = dialect.lock(" FOR UPDATE SKIP LOCKED")
        ))?);
    }
    Ok(WebhookLeases {
        ids: ids.into_iter().map(|it| it.0).collect(),
        share: usize::try_from(share).unwrap_or(usize::MAX),
    })
}

pub(super) fn release(conn: &mut Conn, worker: Uuid, ids: Option<&[Uuid]>) -> Result<(), Failure> {
    let chosen = match ids {
        Some(ids) => sql!(" AND id {ids}"; ids = Sql::in_ids(conn.dialect(), ids)),
        None => {
            conn.execute(sql!("DELETE FROM webhook_worker WHERE id = {worker}"; worker))?;
            Sql::default()
        }
    };
    conn.execute(sql!(
        "UPDATE webhook_endpoint SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = {worker}{chosen}";
        worker, chosen
    ))?;
    Ok(())
}
