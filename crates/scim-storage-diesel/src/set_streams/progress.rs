//! The progress of streams: finished and refused tokens, and events about the streams themselves.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use scim_model::store::{
    EventAdded, RefusedSet, SetProgress, SetStreamEvent, SetStreamState, SetStreamStatus,
};
use uuid::Uuid;

use super::attempts;
use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{finished_set, refused_set, set_stream, set_stream_event, set_stream_last_event};
use crate::sql::sql;

pub(super) fn add_event(
    conn: &mut Conn,
    stream: Uuid,
    event: &SetStreamEvent,
    last_before: DateTime<Utc>,
) -> Result<EventAdded, Failure> {
    // The lock makes two calls take turns. A literal, because only PostgreSQL has it.
    let found = sql!(
        "SELECT id FROM set_stream WHERE id = {stream}{lock}";
        stream, lock = conn.dialect().lock(" FOR UPDATE")
    );
    if conn.row::<Id>(&found)?.is_none() {
        return Ok(EventAdded::NoStream);
    }
    let last = set_stream_last_event::table
        .filter(set_stream_last_event::stream.eq(stream.as_bytes().as_slice()))
        .filter(set_stream_last_event::kind.eq(&event.kind))
        .select(set_stream_last_event::created);
    let last: Option<Time> = conn.only(last)?;
    if last.is_some_and(|it| it.0 >= last_before) {
        return Ok(EventAdded::TooSoon);
    }
    insert_event(conn, stream, event)?;
    Ok(EventAdded::Yes)
}

fn insert_event(conn: &mut Conn, stream: Uuid, event: &SetStreamEvent) -> Result<(), Failure> {
    let created = event.created.timestamp_millis();
    let values = (
        set_stream_event::stream.eq(stream.as_bytes().as_slice()),
        set_stream_event::id.eq(event.id.as_bytes().as_slice()),
        set_stream_event::kind.eq(&event.kind),
        set_stream_event::content.eq(&event.content),
        set_stream_event::created.eq(created),
    );
    conn.execute(diesel::insert_into(set_stream_event::table).values(values))?;
    let values = (
        set_stream_last_event::stream.eq(stream.as_bytes().as_slice()),
        set_stream_last_event::kind.eq(&event.kind),
        set_stream_last_event::created.eq(created),
    );
    let insert = diesel::insert_into(set_stream_last_event::table).values(values);
    conn.execute(
        insert
            .on_conflict((set_stream_last_event::stream, set_stream_last_event::kind))
            .do_update()
            .set(set_stream_last_event::created.eq(excluded(set_stream_last_event::created))),
    )?;
    Ok(())
}

pub(super) fn events(conn: &mut Conn, id: Uuid, limit: u32) -> Result<Vec<SetStreamEvent>, Failure> {
    let events = set_stream_event::table
        .filter(set_stream_event::stream.eq(id.as_bytes().as_slice()))
        .order((set_stream_event::created, set_stream_event::id))
        .limit(limit.into())
        .select((
            set_stream_event::id,
            set_stream_event::kind,
            set_stream_event::content,
            set_stream_event::created,
        ));
    let rows: Vec<(Id, String, String, Time)> = conn.load(events)?;
    let event = |(id, kind, content, created): (Id, String, String, Time)| SetStreamEvent {
        id: id.0,
        kind,
        content,
        created: created.0,
    };
    Ok(rows.into_iter().map(event).collect())
}

pub(super) fn finished(conn: &mut Conn, id: Uuid) -> Result<Vec<String>, Failure> {
    let finished = finished_set::table
        .filter(finished_set::stream.eq(id.as_bytes().as_slice()))
        .order((finished_set::sequence, finished_set::jti))
        .select(finished_set::jti);
    Ok(conn.load(finished)?)
}

pub(super) fn refused(conn: &mut Conn, id: Uuid, limit: u32) -> Result<Vec<RefusedSet>, Failure> {
    let refused = refused_set::table
        .filter(refused_set::stream.eq(id.as_bytes().as_slice()))
        .order((refused_set::at.desc(), refused_set::jti))
        .limit(limit.into())
        .select((
            refused_set::jti,
            refused_set::error,
            refused_set::description,
            refused_set::at,
        ));
    let rows: Vec<(String, String, String, Time)> = conn.load(refused)?;
    let refused = |(jti, error, description, at): (String, String, String, Time)| RefusedSet {
        jti,
        error,
        description,
        at: at.0,
    };
    Ok(rows.into_iter().map(refused).collect())
}

pub(super) fn store(conn: &mut Conn, progress: &SetProgress) -> Result<bool, Failure> {
    let id = progress.stream;
    // The lock keeps the stream as it is. A literal, because only PostgreSQL has it.
    let found = sql!(
        "SELECT lease_owner, revision, position_sequence FROM set_stream WHERE id = {id}{lock}";
        id, lock = conn.dialect().lock(" FOR UPDATE")
    );
    let Some((owner, revision, stored)) = conn.row::<(Option<Id>, i64, i64)>(&found)? else {
        return Ok(false);
    };
    for it in &progress.attempts {
        attempts::insert(conn, id, it)?;
    }
    let has_lease = progress
        .worker
        .is_none_or(|it| owner.is_some_and(|owner| owner.0 == it));
    if revision != progress.revision || !has_lease {
        return Ok(false);
    }
    let stream = set_stream::table.filter(set_stream::id.eq(id.as_bytes().as_slice()));
    if progress.position.sequence > stored {
        let values = (
            set_stream::position_sequence.eq(progress.position.sequence),
            set_stream::position_at.eq(progress.position.at),
        );
        conn.execute(diesel::update(stream).set(values))?;
        let passed = finished_set::table
            .filter(finished_set::stream.eq(id.as_bytes().as_slice()))
            .filter(finished_set::sequence.le(progress.position.sequence));
        conn.execute(diesel::delete(passed))?;
    }
    if let Some(health) = &progress.health {
        let values = (
            set_stream::attempts.eq(i64::from(health.attempts)),
            set_stream::failing_since.eq(health.failing_since.map(|it| it.timestamp_millis())),
            set_stream::next_attempt.eq(health.next_attempt.map(|it| it.timestamp_millis())),
        );
        conn.execute(diesel::update(stream).set(values))?;
    }
    let position = stored.max(progress.position.sequence);
    for (jti, sequence) in progress.finished.iter().filter(|(_, it)| *it > position) {
        insert_finished(conn, id, jti, *sequence)?;
    }
    for it in &progress.refused {
        insert_refused(conn, id, it)?;
    }
    for it in &progress.finished_events {
        let event = set_stream_event::table
            .filter(set_stream_event::stream.eq(id.as_bytes().as_slice()))
            .filter(set_stream_event::id.eq(it.as_bytes().as_slice()));
        conn.execute(diesel::delete(event))?;
    }
    if let Some((state, event)) = &progress.new_state {
        change_state(conn, id, state, event)?;
    }
    Ok(true)
}

fn insert_finished(conn: &mut Conn, stream: Uuid, jti: &str, sequence: i64) -> Result<(), Failure> {
    let values = (
        finished_set::stream.eq(stream.as_bytes().as_slice()),
        finished_set::jti.eq(jti),
        finished_set::sequence.eq(sequence),
    );
    let insert = diesel::insert_into(finished_set::table).values(values);
    conn.execute(
        insert
            .on_conflict((finished_set::stream, finished_set::jti))
            .do_nothing(),
    )?;
    Ok(())
}

fn insert_refused(conn: &mut Conn, stream: Uuid, refused: &RefusedSet) -> Result<(), Failure> {
    let values = (
        refused_set::stream.eq(stream.as_bytes().as_slice()),
        refused_set::jti.eq(&refused.jti),
        refused_set::error.eq(&refused.error),
        refused_set::description.eq(&refused.description),
        refused_set::at.eq(refused.at.timestamp_millis()),
    );
    let insert = diesel::insert_into(refused_set::table).values(values);
    conn.execute(
        insert
            .on_conflict((refused_set::stream, refused_set::jti))
            .do_nothing(),
    )?;
    Ok(())
}

fn change_state(
    conn: &mut Conn,
    stream: Uuid,
    state: &SetStreamState,
    event: &SetStreamEvent,
) -> Result<(), Failure> {
    let enabled = set_stream::table
        .filter(set_stream::id.eq(stream.as_bytes().as_slice()))
        .filter(set_stream::status.eq(SetStreamStatus::Enabled.as_str()));
    let values = (
        set_stream::status.eq(state.status.as_str()),
        set_stream::status_reason.eq(&state.reason),
        set_stream::status_since.eq(state.since.timestamp_millis()),
    );
    if conn.execute(diesel::update(enabled).set(values))? > 0 {
        insert_event(conn, stream, event)?;
    }
    Ok(())
}

/// A literal, because the DSL has no `LIMIT` for a deletion.
pub(super) fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> Result<usize, Failure> {
    let limit = i64::from(limit);
    let refused = sql!(
        "DELETE FROM refused_set WHERE (stream, jti) IN
         (SELECT stream, jti FROM refused_set WHERE at < {before} ORDER BY at LIMIT {limit})";
        before, limit
    );
    Ok(conn.execute(&refused)?)
}
