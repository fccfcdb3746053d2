//! Streams and their settings.

use diesel::prelude::*;
use scim_model::change::ChangePosition;
use scim_model::store::{
    NewSetStream, SetDelivery, SetHealth, SetStream, SetStreamSettings, SetStreamState, SetStreamStatus,
    StoreError, TenantId,
};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{finished_set, set_stream};

/// The columns of a [`StreamRow`]. A macro, because their type is as long as the list.
macro_rules! stream_columns {
    () => {
        (
            set_stream::id,
            (
                set_stream::name,
                set_stream::issuer,
                set_stream::audience,
                set_stream::tenants,
                set_stream::events,
                set_stream::url,
                set_stream::authorization_header,
                set_stream::algorithm,
                set_stream::with_user_name,
                set_stream::revoked_subject,
                set_stream::account_issuer,
            ),
            (
                set_stream::status,
                set_stream::status_reason,
                set_stream::status_since,
            ),
            (set_stream::position_sequence, set_stream::position_at),
            set_stream::revision,
            (
                set_stream::attempts,
                set_stream::failing_since,
                set_stream::next_attempt,
            ),
            set_stream::created,
        )
    };
}

/// The columns of settings with their values. A macro, because their type is as long as the list.
macro_rules! settings_values {
    ($settings:expr) => {{
        let (url, authorization) = match &$settings.delivery {
            SetDelivery::Push { url, authorization } => (Some(url), authorization.as_deref()),
            SetDelivery::Poll => (None, None),
        };
        (
            set_stream::name.eq(&$settings.name),
            set_stream::issuer.eq(&$settings.issuer),
            set_stream::audience.eq(&$settings.audience),
            set_stream::tenants.eq($settings.tenants.as_deref().map(ids_text)),
            set_stream::events.eq(serde_json::to_string(&$settings.events).expect("strings are JSON")),
            set_stream::url.eq(url),
            set_stream::authorization_header.eq(authorization),
            set_stream::algorithm.eq(&$settings.algorithm),
            set_stream::with_user_name.eq($settings.with_user_name),
            set_stream::revoked_subject.eq(&$settings.revoked_subject),
            set_stream::account_issuer.eq(&$settings.account_issuer),
        )
    }};
}

fn ids_text(tenants: &[TenantId]) -> String {
    let ids: Vec<i64> = tenants.iter().map(|it| it.0).collect();
    serde_json::to_string(&ids).expect("numbers are JSON")
}

pub(super) fn create(conn: &mut Conn, new: &NewSetStream) -> Result<(), Failure> {
    let settings = &new.settings;
    let created = new.created.timestamp_millis();
    let values = (
        set_stream::id.eq(new.id.as_bytes().as_slice()),
        settings_values!(settings),
        (
            set_stream::status.eq(SetStreamStatus::Enabled.as_str()),
            set_stream::status_reason.eq(""),
            set_stream::status_since.eq(created),
            set_stream::position_sequence.eq(new.position.sequence),
            set_stream::position_at.eq(new.position.at),
            set_stream::revision.eq(0),
            set_stream::created.eq(created),
            set_stream::attempts.eq(0),
        ),
    );
    conn.execute(diesel::insert_into(set_stream::table).values(values))?;
    Ok(())
}

pub(super) fn all(conn: &mut Conn) -> Result<Vec<SetStream>, Failure> {
    let all = set_stream::table
        .order((set_stream::created, set_stream::id))
        .select(stream_columns!());
    let rows: Vec<StreamRow> = conn.load(all)?;
    rows.into_iter().map(StreamRow::into_stream).collect()
}

pub(super) fn one(conn: &mut Conn, id: Uuid) -> Result<Option<SetStream>, Failure> {
    let one = set_stream::table
        .filter(set_stream::id.eq(id.as_bytes().as_slice()))
        .select(stream_columns!());
    let row: Option<StreamRow> = conn.only(one)?;
    row.map(StreamRow::into_stream).transpose()
}

#[derive(Queryable)]
struct StreamRow {
    id: Id,
    settings: SettingsRow,
    state: (String, String, Time),
    position: (i64, i64),
    revision: i64,
    health: (i64, Option<Time>, Option<Time>),
    created: Time,
}

#[derive(Queryable)]
struct SettingsRow {
    name: String,
    issuer: String,
    audience: String,
    tenants: Option<String>,
    events: String,
    url: Option<String>,
    authorization: Option<Vec<u8>>,
    algorithm: String,
    with_user_name: bool,
    revoked_subject: String,
    account_issuer: String,
}

impl StreamRow {
    fn into_stream(self) -> Result<SetStream, Failure> {
        let (status, reason, since) = self.state;
        let known = SetStreamStatus::ALL.into_iter().find(|it| it.as_str() == status);
        let status = known.ok_or_else(|| unavailable(format!("`{status}` is not a state of a stream")))?;
        let (sequence, at) = self.position;
        let (attempts, failing_since, next_attempt) = self.health;
        Ok(SetStream {
            id: self.id.0,
            settings: self.settings.into_settings()?,
            state: SetStreamState {
                status,
                reason,
                since: since.0,
            },
            position: ChangePosition { sequence, at },
            revision: self.revision,
            health: SetHealth {
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                failing_since: failing_since.map(|it| it.0),
                next_attempt: next_attempt.map(|it| it.0),
            },
            created: self.created.0,
        })
    }
}

impl SettingsRow {
    fn into_settings(self) -> Result<SetStreamSettings, Failure> {
        let tenants = self.tenants.map(|it| serde_json::from_str::<Vec<i64>>(&it));
        let tenants = tenants.transpose().map_err(unavailable)?;
        Ok(SetStreamSettings {
            name: self.name,
            issuer: self.issuer,
            audience: self.audience,
            tenants: tenants.map(|ids| ids.into_iter().map(TenantId).collect()),
            events: serde_json::from_str(&self.events).map_err(unavailable)?,
            delivery: match self.url {
                Some(url) => SetDelivery::Push {
                    url,
                    authorization: self.authorization,
                },
                None => SetDelivery::Poll,
            },
            algorithm: self.algorithm,
            with_user_name: self.with_user_name,
            revoked_subject: self.revoked_subject,
            account_issuer: self.account_issuer,
        })
    }
}

/// Returns whether the stream exists.
pub(super) fn change_settings(
    conn: &mut Conn,
    id: Uuid,
    revision: i64,
    settings: &SetStreamSettings,
) -> Result<bool, Failure> {
    let stream = set_stream::table.filter(set_stream::id.eq(id.as_bytes().as_slice()));
    let read = stream.filter(set_stream::revision.eq(revision));
    let values = (
        settings_values!(settings),
        set_stream::attempts.eq(0),
        set_stream::failing_since.eq(None::<i64>),
        set_stream::next_attempt.eq(None::<i64>),
        set_stream::revision.eq(set_stream::revision + 1),
    );
    if conn.execute(diesel::update(read).set(values))? > 0 {
        return Ok(true);
    }
    match conn.only::<Id, _>(stream.select(set_stream::id))? {
        Some(_) => Err(StoreError::Stale.into()),
        None => Ok(false),
    }
}

pub(super) fn change(
    conn: &mut Conn,
    id: Uuid,
    state: &SetStreamState,
    position: Option<ChangePosition>,
) -> Result<bool, Failure> {
    let stream = set_stream::table.filter(set_stream::id.eq(id.as_bytes().as_slice()));
    let values = (
        set_stream::status.eq(state.status.as_str()),
        set_stream::status_reason.eq(&state.reason),
        set_stream::status_since.eq(state.since.timestamp_millis()),
        set_stream::attempts.eq(0),
        set_stream::failing_since.eq(None::<i64>),
        set_stream::next_attempt.eq(None::<i64>),
        set_stream::revision.eq(set_stream::revision + 1),
    );
    if conn.execute(diesel::update(stream).set(values))? == 0 {
        return Ok(false);
    }
    if let Some(position) = position {
        let values = (
            set_stream::position_sequence.eq(position.sequence),
            set_stream::position_at.eq(position.at),
        );
        conn.execute(diesel::update(stream).set(values))?;
        let finished = finished_set::table.filter(finished_set::stream.eq(id.as_bytes().as_slice()));
        conn.execute(diesel::delete(finished))?;
    }
    Ok(true)
}
