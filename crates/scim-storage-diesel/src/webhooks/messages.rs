//! Messages that wait or were given up, and the attempts to deliver.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use scim_model::store::{DeliveryAttempt, WebhookMessage, WebhookProgress};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::delivery_attempt::AttemptRow;
use crate::error::Failure;
use crate::schema::{webhook_delivery, webhook_endpoint, webhook_message};
use crate::sql::sql;

pub(super) fn queue(conn: &mut Conn, id: Uuid, message: &str, now: DateTime<Utc>) -> Result<bool, Failure> {
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let queued = webhook_endpoint::queued.eq(webhook_endpoint::queued + 1);
    if conn.execute(diesel::update(endpoint).set(queued))? == 0 {
        return Ok(false);
    }
    let now = now.timestamp_millis();
    let values = (
        webhook_message::endpoint.eq(id.as_bytes().as_slice()),
        webhook_message::message.eq(message),
        webhook_message::attempts.eq(0),
        webhook_message::next_attempt.eq(now),
        webhook_message::dead.eq(false),
        webhook_message::since.eq(now),
        webhook_message::and_later.eq(false),
    );
    let due = (
        webhook_message::attempts.eq(0),
        webhook_message::next_attempt.eq(now),
        webhook_message::dead.eq(false),
    );
    let insert = diesel::insert_into(webhook_message::table).values(values);
    let insert = insert
        .on_conflict((webhook_message::endpoint, webhook_message::message))
        .do_update()
        .set(due);
    conn.execute(insert)?;
    Ok(true)
}

/// Returns whether the progress was stored; the deliveries are stored in any case, unless the endpoint was deleted.
pub(super) fn store_progress(
    conn: &mut Conn,
    worker: Uuid,
    progress: &WebhookProgress,
) -> Result<bool, Failure> {
    let id = progress.id;
    // The lock keeps the endpoint until the deliveries are stored. A literal, because only PostgreSQL has it.
    let found = sql!(
        "SELECT lease_owner, revision FROM webhook_endpoint WHERE id = {id}{lock}";
        id, lock = conn.dialect().lock(" FOR UPDATE")
    );
    let Some((owner, revision)) = conn.row::<(Option<Id>, i64)>(&found)? else {
        return Ok(false);
    };
    for it in &progress.deliveries {
        insert_delivery(conn, id, it)?;
    }
    if owner.map(|it| it.0) != Some(worker) || revision != progress.revision {
        return Ok(false);
    }
    let millis = |time: Option<DateTime<Utc>>| time.map(|it| it.timestamp_millis());
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let values = (
        webhook_endpoint::position.eq(&progress.position),
        webhook_endpoint::failing_since.eq(millis(progress.health.failing_since)),
        webhook_endpoint::slow_until.eq(millis(progress.health.slow_until)),
    );
    conn.execute(diesel::update(endpoint).set(values))?;
    if let Some((reason, at)) = &progress.disabled {
        let enabled = endpoint.filter(webhook_endpoint::disabled_at.is_null());
        let values = (
            webhook_endpoint::disabled_reason.eq(reason),
            webhook_endpoint::disabled_at.eq(at.timestamp_millis()),
        );
        conn.execute(diesel::update(enabled).set(values))?;
    }
    for it in &progress.stored {
        store_message(conn, id, it)?;
    }
    for it in &progress.removed {
        let message = webhook_message::table
            .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
            .filter(webhook_message::message.eq(it));
        conn.execute(diesel::delete(message))?;
    }
    Ok(true)
}

fn store_message(conn: &mut Conn, endpoint: Uuid, it: &WebhookMessage) -> Result<(), Failure> {
    let values = (
        webhook_message::endpoint.eq(endpoint.as_bytes().as_slice()),
        webhook_message::message.eq(&it.message),
        webhook_message::resource.eq(&it.resource),
        webhook_message::attempts.eq(i64::from(it.attempts)),
        webhook_message::next_attempt.eq(it.next_attempt.map(|it| it.timestamp_millis())),
        webhook_message::dead.eq(it.dead),
        webhook_message::error.eq(&it.error),
        webhook_message::since.eq(it.since.timestamp_millis()),
        webhook_message::and_later.eq(it.and_later),
    );
    let insert = diesel::insert_into(webhook_message::table).values(values);
    let insert = insert
        .on_conflict((webhook_message::endpoint, webhook_message::message))
        .do_update()
        .set((
            webhook_message::resource.eq(excluded(webhook_message::resource)),
            webhook_message::attempts.eq(excluded(webhook_message::attempts)),
            webhook_message::next_attempt.eq(excluded(webhook_message::next_attempt)),
            webhook_message::dead.eq(excluded(webhook_message::dead)),
            webhook_message::error.eq(excluded(webhook_message::error)),
            webhook_message::since.eq(excluded(webhook_message::since)),
            webhook_message::and_later.eq(excluded(webhook_message::and_later)),
        ));
    conn.execute(insert)?;
    Ok(())
}

fn insert_delivery(conn: &mut Conn, endpoint: Uuid, it: &DeliveryAttempt) -> Result<(), Failure> {
    let values = (
        webhook_delivery::endpoint.eq(endpoint.as_bytes().as_slice()),
        webhook_delivery::id.eq(it.id.as_bytes().as_slice()),
        webhook_delivery::message.eq(&it.message),
        webhook_delivery::at.eq(it.at.timestamp_millis()),
        webhook_delivery::attempt.eq(i64::from(it.attempt)),
        webhook_delivery::status.eq(it.status.map(i64::from)),
        webhook_delivery::milliseconds.eq(it.milliseconds),
        webhook_delivery::error.eq(&it.error),
        webhook_delivery::response.eq(&it.response),
    );
    let insert = diesel::insert_into(webhook_delivery::table).values(values);
    // A call that is repeated stores nothing twice.
    conn.execute(
        insert
            .on_conflict((webhook_delivery::endpoint, webhook_delivery::id))
            .do_nothing(),
    )?;
    Ok(())
}

/// The columns of a [`MessageRow`]. A macro, because their type is as long as the list.
macro_rules! message_columns {
    () => {
        (
            webhook_message::message,
            webhook_message::resource,
            webhook_message::attempts,
            webhook_message::next_attempt,
            webhook_message::dead,
            webhook_message::error,
            webhook_message::since,
            webhook_message::and_later,
        )
    };
}

pub(super) fn find(conn: &mut Conn, id: Uuid, message: &str) -> Result<Option<WebhookMessage>, Failure> {
    let found = webhook_message::table
        .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
        .filter(webhook_message::message.eq(message))
        .select(message_columns!());
    let row: Option<MessageRow> = conn.only(found)?;
    Ok(row.map(MessageRow::into_message))
}

pub(super) fn of(
    conn: &mut Conn,
    id: Uuid,
    dead: bool,
    before: Option<(DateTime<Utc>, &str)>,
    limit: u32,
) -> Result<Vec<WebhookMessage>, Failure> {
    let messages = webhook_message::table
        .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
        .filter(webhook_message::dead.eq(dead))
        .order((webhook_message::since.desc(), webhook_message::message.desc()))
        .limit(limit.into())
        .select(message_columns!());
    let rows: Vec<MessageRow> = match before {
        None => conn.load(messages)?,
        Some((since, message)) => {
            let (since, message) = (since.timestamp_millis(), message.to_owned());
            let earlier = webhook_message::since.lt(since);
            let same = webhook_message::since
                .eq(since)
                .and(webhook_message::message.lt(message));
            conn.load(messages.filter(earlier.or(same)))?
        }
    };
    Ok(rows.into_iter().map(MessageRow::into_message).collect())
}

#[derive(Queryable)]
struct MessageRow {
    message: String,
    resource: Option<String>,
    attempts: i64,
    next_attempt: Option<Time>,
    dead: bool,
    error: Option<String>,
    since: Time,
    and_later: bool,
}

impl MessageRow {
    fn into_message(self) -> WebhookMessage {
        WebhookMessage {
            message: self.message,
            resource: self.resource,
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
            next_attempt: self.next_attempt.map(|it| it.0),
            dead: self.dead,
            error: self.error,
            since: self.since.0,
            and_later: self.and_later,
        }
    }
}

pub(super) fn deliveries(
    conn: &mut Conn,
    id: Uuid,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<DeliveryAttempt>, Failure> {
    // The largest id follows every delivery.
    let before = before.unwrap_or(Uuid::max());
    let deliveries = webhook_delivery::table
        .filter(webhook_delivery::endpoint.eq(id.as_bytes().as_slice()))
        .filter(webhook_delivery::id.lt(before.as_bytes().as_slice()))
        .order(webhook_delivery::id.desc())
        .limit(limit.into())
        .select((
            webhook_delivery::id,
            webhook_delivery::message,
            webhook_delivery::at,
            webhook_delivery::attempt,
            webhook_delivery::status,
            webhook_delivery::milliseconds,
            webhook_delivery::error,
            webhook_delivery::response,
        ));
    let rows: Vec<AttemptRow> = conn.load(deliveries)?;
    Ok(rows.into_iter().map(AttemptRow::into_attempt).collect())
}

/// Literals, because the DSL has no `LIMIT` for a deletion.
pub(super) fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> Result<usize, Failure> {
    let limit = i64::from(limit);
    let deliveries = sql!(
        "DELETE FROM webhook_delivery WHERE (endpoint, id) IN
         (SELECT endpoint, id FROM webhook_delivery WHERE at < {before} ORDER BY at LIMIT {limit})";
        before, limit
    );
    let messages = sql!(
        "DELETE FROM webhook_message WHERE (endpoint, message) IN
         (SELECT endpoint, message FROM webhook_message WHERE dead AND since < {before} ORDER BY since LIMIT {limit})";
        before, limit
    );
    Ok(conn.execute(&deliveries)? + conn.execute(&messages)?)
}
