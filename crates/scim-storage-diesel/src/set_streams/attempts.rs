//! The log of attempts to send tokens.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::DeliveryAttempt;
use uuid::Uuid;

use crate::connection::Conn;
use crate::delivery_attempt::AttemptRow;
use crate::error::Failure;
use crate::schema::set_attempt;
use crate::sql::sql;

pub(super) fn insert(conn: &mut Conn, stream: Uuid, it: &DeliveryAttempt) -> Result<(), Failure> {
    let values = (
        set_attempt::stream.eq(stream.as_bytes().as_slice()),
        set_attempt::id.eq(it.id.as_bytes().as_slice()),
        set_attempt::jti.eq(&it.message),
        set_attempt::at.eq(it.at.timestamp_millis()),
        set_attempt::attempt.eq(i64::from(it.attempt)),
        set_attempt::status.eq(it.status.map(i64::from)),
        set_attempt::milliseconds.eq(it.milliseconds),
        set_attempt::error.eq(&it.error),
        set_attempt::response.eq(&it.response),
    );
    let insert = diesel::insert_into(set_attempt::table).values(values);
    // A call that is repeated stores nothing twice.
    conn.execute(
        insert
            .on_conflict((set_attempt::stream, set_attempt::id))
            .do_nothing(),
    )?;
    Ok(())
}

pub(super) fn of(
    conn: &mut Conn,
    stream: Uuid,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<DeliveryAttempt>, Failure> {
    // The largest id follows every attempt.
    let before = before.unwrap_or(Uuid::max());
    let attempts = set_attempt::table
        .filter(set_attempt::stream.eq(stream.as_bytes().as_slice()))
        .filter(set_attempt::id.lt(before.as_bytes().as_slice()))
        .order(set_attempt::id.desc())
        .limit(limit.into())
        .select((
            set_attempt::id,
            set_attempt::jti,
            set_attempt::at,
            set_attempt::attempt,
            set_attempt::status,
            set_attempt::milliseconds,
            set_attempt::error,
            set_attempt::response,
        ));
    let rows: Vec<AttemptRow> = conn.load(attempts)?;
    Ok(rows.into_iter().map(AttemptRow::into_attempt).collect())
}

/// A literal, because the DSL has no `LIMIT` for a deletion.
pub(super) fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> Result<usize, Failure> {
    let limit = i64::from(limit);
    let old = sql!(
        "DELETE FROM set_attempt WHERE (stream, id) IN
         (SELECT stream, id FROM set_attempt WHERE at < {before} ORDER BY at LIMIT {limit})";
        before, limit
    );
    Ok(conn.execute(&old)?)
}
