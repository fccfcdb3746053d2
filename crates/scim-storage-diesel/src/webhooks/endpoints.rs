//! Endpoints and their secrets.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::{
    NewWebhook, NewWebhookSecret, StoreError, StoredWebhookSecret, TenantId, Webhook, WebhookChange,
    WebhookHealth, WebhookSettings, WebhookState,
};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{webhook_endpoint, webhook_message, webhook_secret};

/// The most messages that one statement names.
const MESSAGES_AT_ONCE: usize = 500;

/// The columns of settings with their values. A macro, because their type is as long as the list.
macro_rules! settings_values {
    ($settings:expr) => {{
        let WebhookSettings {
            url,
            tenants,
            types,
            full,
            headers,
        } = $settings;
        (
            webhook_endpoint::url.eq(url),
            webhook_endpoint::tenants.eq(tenants.as_deref().map(ids_text)),
            webhook_endpoint::types.eq(serde_json::to_string(types).expect("strings are JSON")),
            webhook_endpoint::full_view.eq(full),
            webhook_endpoint::headers.eq(headers.as_deref()),
        )
    }};
}

fn ids_text(ids: &[TenantId]) -> String {
    let ids: Vec<i64> = ids.iter().map(|it| it.0).collect();
    serde_json::to_string(&ids).expect("numbers are JSON")
}

pub(super) fn create(conn: &mut Conn, new: &NewWebhook) -> Result<(), Failure> {
    let values = (
        webhook_endpoint::id.eq(new.id.as_bytes().as_slice()),
        settings_values!(&new.settings),
        webhook_endpoint::created.eq(new.created.timestamp_millis()),
        webhook_endpoint::position.eq(&new.position),
        webhook_endpoint::revision.eq(0),
        webhook_endpoint::queued.eq(0),
    );
    conn.execute(diesel::insert_into(webhook_endpoint::table).values(values))?;
    insert_secret(conn, new.id, &new.secret)
}

fn insert_secret(conn: &mut Conn, endpoint: Uuid, new: &NewWebhookSecret) -> Result<(), Failure> {
    let values = (
        webhook_secret::id.eq(new.id.as_bytes().as_slice()),
        webhook_secret::endpoint.eq(endpoint.as_bytes().as_slice()),
        webhook_secret::sealed.eq(new.sealed.as_slice()),
        webhook_secret::created.eq(new.created.timestamp_millis()),
    );
    conn.execute(diesel::insert_into(webhook_secret::table).values(values))?;
    Ok(())
}

pub(super) fn all(conn: &mut Conn) -> Result<Vec<Webhook>, Failure> {
    let endpoints = webhook_endpoint::table
        .order((webhook_endpoint::created, webhook_endpoint::id))
        .select((
            webhook_endpoint::id,
            (
                webhook_endpoint::url,
                webhook_endpoint::tenants,
                webhook_endpoint::types,
                webhook_endpoint::full_view,
                webhook_endpoint::headers,
            ),
            webhook_endpoint::created,
            webhook_endpoint::position,
            webhook_endpoint::revision,
            webhook_endpoint::queued,
            (webhook_endpoint::disabled_reason, webhook_endpoint::disabled_at),
            (webhook_endpoint::failing_since, webhook_endpoint::slow_until),
            webhook_endpoint::lease_owner,
        ));
    let endpoints: Vec<EndpointRow> = conn.load(endpoints)?;
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let secrets = webhook_secret::table
        .order((webhook_secret::created, webhook_secret::id))
        .select((
            webhook_secret::endpoint,
            webhook_secret::id,
            webhook_secret::sealed,
            webhook_secret::created,
            webhook_secret::expires,
        ));
    let mut by_endpoint: HashMap<Uuid, Vec<StoredWebhookSecret>> = HashMap::new();
    for row in conn.load::<(Id, Id, Vec<u8>, Time, Option<Time>), _>(secrets)? {
        let (endpoint, id, sealed, created, expires) = row;
        let secret = StoredWebhookSecret {
            id: id.0,
            sealed,
            created: created.0,
            expires: expires.map(|it| it.0),
        };
        by_endpoint.entry(endpoint.0).or_default().push(secret);
    }
    endpoints
        .into_iter()
        .map(|row| {
            let secrets = by_endpoint.remove(&row.id.0).unwrap_or_default();
            row.into_webhook(secrets)
        })
        .collect()
}

#[derive(Queryable)]
struct EndpointRow {
    id: Id,
    settings: SettingsRow,
    created: Time,
    position: String,
    revision: i64,
    queued: i64,
    disabled: (Option<String>, Option<Time>),
    health: (Option<Time>, Option<Time>),
    lease_owner: Option<Id>,
}

#[derive(Queryable)]
struct SettingsRow {
    url: String,
    tenants: Option<String>,
    types: String,
    full: bool,
    headers: Option<Vec<u8>>,
}

impl EndpointRow {
    fn into_webhook(self, secrets: Vec<StoredWebhookSecret>) -> Result<Webhook, Failure> {
        let (reason, disabled_at) = self.disabled;
        let (failing_since, slow_until) = self.health;
        Ok(Webhook {
            id: self.id.0,
            settings: self.settings.into_settings()?,
            secrets,
            disabled: reason.zip(disabled_at.map(|it| it.0)),
            created: self.created.0,
            position: self.position,
            revision: self.revision,
            queued: self.queued,
            health: WebhookHealth {
                failing_since: failing_since.map(|it| it.0),
                slow_until: slow_until.map(|it| it.0),
            },
            lease_owner: self.lease_owner.map(|it| it.0),
        })
    }
}

impl SettingsRow {
    fn into_settings(self) -> Result<WebhookSettings, Failure> {
        let tenants = self.tenants.map(|it| serde_json::from_str::<Vec<i64>>(&it));
        let tenants = tenants.transpose().map_err(unavailable)?;
        Ok(WebhookSettings {
            url: self.url,
            tenants: tenants.map(|ids| ids.into_iter().map(TenantId).collect()),
            types: serde_json::from_str(&self.types).map_err(unavailable)?,
            full: self.full,
            headers: self.headers,
        })
    }
}

pub(super) fn change(
    conn: &mut Conn,
    id: Uuid,
    revision: i64,
    change: &WebhookChange,
) -> Result<bool, Failure> {
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let Some(old_url) = conn.only::<String, _>(endpoint.select(webhook_endpoint::url))? else {
        return Ok(false);
    };
    let read = endpoint.filter(webhook_endpoint::revision.eq(revision));
    let values = (
        settings_values!(&change.settings),
        webhook_endpoint::revision.eq(webhook_endpoint::revision + 1),
    );
    if conn.execute(diesel::update(read).set(values))? == 0 {
        return Err(StoreError::Stale.into());
    }
    if let Some(position) = &change.position {
        conn.execute(diesel::update(endpoint).set(webhook_endpoint::position.eq(position)))?;
    }
    if old_url != change.settings.url {
        forget_failures(conn, id)?;
    }
    match &change.state {
        Some(WebhookState::Active) => enable(conn, id, None),
        Some(WebhookState::Disabled(reason, at)) => disable(conn, id, reason, *at),
        None => Ok(true),
    }
}

/// Forgets the failures of an endpoint, and makes its messages due, unless they wait for earlier ones.
fn forget_failures(conn: &mut Conn, id: Uuid) -> Result<(), Failure> {
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let values = (
        webhook_endpoint::failing_since.eq(None::<i64>),
        webhook_endpoint::slow_until.eq(None::<i64>),
    );
    conn.execute(diesel::update(endpoint).set(values))?;
    let due = webhook_message::table
        .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
        .filter(webhook_message::dead.eq(false))
        .filter(webhook_message::next_attempt.is_not_null());
    conn.execute(diesel::update(due).set(webhook_message::next_attempt.eq(0)))?;
    Ok(())
}

pub(super) fn disable(conn: &mut Conn, id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<bool, Failure> {
    let enabled = webhook_endpoint::table
        .filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()))
        .filter(webhook_endpoint::disabled_at.is_null());
    let values = (
        webhook_endpoint::disabled_reason.eq(reason),
        webhook_endpoint::disabled_at.eq(now.timestamp_millis()),
    );
    let changed = conn.execute(diesel::update(enabled).set(values))?;
    Ok(changed > 0 || exists(conn, id)?)
}

pub(super) fn enable(conn: &mut Conn, id: Uuid, position: Option<&str>) -> Result<bool, Failure> {
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let values = (
        webhook_endpoint::disabled_reason.eq(None::<String>),
        webhook_endpoint::disabled_at.eq(None::<i64>),
        webhook_endpoint::revision.eq(webhook_endpoint::revision + 1),
    );
    if conn.execute(diesel::update(endpoint).set(values))? == 0 {
        return Ok(false);
    }
    if let Some(position) = position {
        let waiting = webhook_message::table
            .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
            .filter(webhook_message::dead.eq(false));
        conn.execute(diesel::delete(waiting))?;
        conn.execute(diesel::update(endpoint).set(webhook_endpoint::position.eq(position)))?;
    }
    forget_failures(conn, id)?;
    Ok(true)
}

pub(super) fn rotate_secret(
    conn: &mut Conn,
    id: Uuid,
    new: &NewWebhookSecret,
    others_expire: DateTime<Utc>,
) -> Result<bool, Failure> {
    if !exists(conn, id)? {
        return Ok(false);
    }
    let others = webhook_secret::table.filter(webhook_secret::endpoint.eq(id.as_bytes().as_slice()));
    let expires = others_expire.timestamp_millis();
    let valid = others.filter(
        webhook_secret::expires
            .is_null()
            .or(webhook_secret::expires.gt(expires)),
    );
    conn.execute(diesel::update(valid).set(webhook_secret::expires.eq(expires)))?;
    let expired = others.filter(webhook_secret::expires.le(new.created.timestamp_millis()));
    conn.execute(diesel::delete(expired))?;
    insert_secret(conn, id, new)?;
    Ok(true)
}

pub(super) fn rewind(
    conn: &mut Conn,
    id: Uuid,
    position: &str,
    forgotten: &[String],
) -> Result<bool, Failure> {
    let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
    let values = (
        webhook_endpoint::position.eq(position),
        webhook_endpoint::revision.eq(webhook_endpoint::revision + 1),
    );
    if conn.execute(diesel::update(endpoint).set(values))? == 0 {
        return Ok(false);
    }
    // In parts, because the databases limit the values of a statement.
    for messages in forgotten.chunks(MESSAGES_AT_ONCE) {
        let dead = webhook_message::table
            .filter(webhook_message::endpoint.eq(id.as_bytes().as_slice()))
            .filter(webhook_message::dead.eq(true))
            .filter(webhook_message::message.eq_any(messages));
        conn.execute(diesel::delete(dead))?;
    }
    Ok(true)
}

fn exists(conn: &mut Conn, id: Uuid) -> Result<bool, Failure> {
    let endpoint = webhook_endpoint::table
        .filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()))
        .select(webhook_endpoint::id);
    Ok(conn.only::<Id, _>(endpoint)?.is_some())
}
