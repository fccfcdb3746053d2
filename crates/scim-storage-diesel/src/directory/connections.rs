//! Connections of tenants.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::{
    Connection, ConnectionChange, ConnectionId, ConnectionSettings, ConnectionState, StoreError, TenantId,
};

use super::deleted;
use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{connection, tenant};
use crate::sql::sql;

/// Returns whether the tenant exists.
pub(super) fn create(conn: &mut Conn, new: &Connection) -> Result<bool, Failure> {
    let tenant = tenant::table
        .filter(tenant::id.eq(new.tenant.0))
        .filter(tenant::deleted.eq(false))
        .select(tenant::id);
    let Some(tenant) = conn.only::<i64, _>(tenant)? else {
        return Ok(false);
    };
    let values = (
        connection::id.eq(new.id.0.as_bytes().as_slice()),
        connection::tenant_id.eq(tenant),
        connection::name.eq(&new.name),
        connection::preset.eq(&new.preset),
        connection::settings.eq(settings_text(&new.settings)),
        connection::paused.eq(new.state == ConnectionState::Paused),
        connection::created.eq(new.created.timestamp_millis()),
    );
    let insert = diesel::insert_into(connection::table).values(values);
    if conn.execute(insert.on_conflict_do_nothing())? == 0 {
        let has_name = named(conn, new.tenant, &new.name)?.is_some();
        let attribute = if has_name { "name" } else { "id" }.to_owned();
        return Err(StoreError::Conflict { attribute }.into());
    }
    Ok(true)
}

/// Returns whether the tenant has the connection. On PostgreSQL, it is kept until the end of the transaction.
pub(crate) fn exists(conn: &mut Conn, tenant: TenantId, id: ConnectionId) -> Result<bool, Failure> {
    // A literal, because only PostgreSQL has a lock.
    let found = sql!(
        "SELECT id FROM connection WHERE tenant_id = {tenant} AND id = {id}{lock}";
        tenant, id = id.0, lock = conn.dialect().lock(" FOR KEY SHARE")
    );
    Ok(conn.row::<Id>(&found)?.is_some())
}

pub(super) fn of_tenant(conn: &mut Conn, tenant: TenantId) -> Result<Vec<Connection>, Failure> {
    let rows = readable()
        .filter(connection::tenant_id.eq(tenant.0))
        .order(connection::name);
    let rows: Vec<ConnectionRow> = conn.load(rows)?;
    rows.into_iter().map(ConnectionRow::into_connection).collect()
}

pub(super) fn named(conn: &mut Conn, tenant: TenantId, name: &str) -> Result<Option<Connection>, Failure> {
    let row = readable()
        .filter(connection::tenant_id.eq(tenant.0))
        .filter(connection::name.eq(name));
    let row: Option<ConnectionRow> = conn.only(row)?;
    row.map(ConnectionRow::into_connection).transpose()
}

/// Returns the connection as it is after the change.
pub(super) fn change(
    conn: &mut Conn,
    tenant: TenantId,
    id: ConnectionId,
    change: &ConnectionChange,
) -> Result<Option<Connection>, Failure> {
    // A literal, because only PostgreSQL has a lock, which keeps two changes of settings apart.
    let lock = sql!(
        "SELECT id FROM connection WHERE tenant_id = {tenant} AND id = {id}{lock}";
        tenant, id = id.0, lock = conn.dialect().lock(" FOR NO KEY UPDATE")
    );
    if conn.row::<Id>(&lock)?.is_none() {
        return Ok(None);
    }
    let row = readable()
        .filter(connection::tenant_id.eq(tenant.0))
        .filter(connection::id.eq(id.0.as_bytes().as_slice()));
    let Some(row) = conn.only::<ConnectionRow, _>(row)? else {
        return Ok(None);
    };
    let mut changed = row.into_connection()?;
    if change.expected.as_ref().is_some_and(|it| **it != changed) {
        return Err(StoreError::Stale.into());
    }
    changed.preset = change.preset.clone().unwrap_or(changed.preset);
    changed.state = change.state.unwrap_or(changed.state);
    for (name, value) in &change.settings {
        match value {
            Some(value) => changed.settings.insert(name.clone(), value.clone()),
            None => changed.settings.remove(name),
        };
    }
    let values = (
        connection::preset.eq(&changed.preset),
        connection::settings.eq(settings_text(&changed.settings)),
        connection::paused.eq(changed.state == ConnectionState::Paused),
    );
    let row = connection::table
        .filter(connection::tenant_id.eq(tenant.0))
        .filter(connection::id.eq(id.0.as_bytes().as_slice()));
    conn.execute(diesel::update(row).set(values))?;
    Ok(Some(changed))
}

/// The credentials of the connection are deleted by their foreign keys.
pub(super) fn delete(
    conn: &mut Conn,
    tenant: TenantId,
    id: ConnectionId,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    // A literal, because only PostgreSQL has a lock.
    let deletable = sql!(
        "SELECT id FROM connection WHERE tenant_id = {tenant} AND id = {id} AND name <> {default}{lock}";
        tenant, id = id.0, default = Connection::DEFAULT, lock = conn.dialect().lock(" FOR UPDATE")
    );
    if conn.row::<Id>(&deletable)?.is_none() {
        return Ok(false);
    }
    deleted::record_connection(conn, tenant, id, now)?;
    let row = connection::table
        .filter(connection::tenant_id.eq(tenant.0))
        .filter(connection::id.eq(id.0.as_bytes().as_slice()));
    conn.execute(diesel::delete(row))?;
    Ok(true)
}

/// The connections of tenants that are not being deleted.
#[diesel::dsl::auto_type]
fn readable() -> _ {
    connection::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .select(columns())
}

fn settings_text(settings: &ConnectionSettings) -> String {
    serde_json::to_string(settings).expect("texts are JSON")
}

/// The columns of a [`ConnectionRow`].
#[diesel::dsl::auto_type]
pub(crate) fn columns() -> _ {
    (
        connection::id,
        connection::tenant_id,
        connection::name,
        connection::preset,
        connection::settings,
        connection::paused,
        connection::created,
    )
}

#[derive(Queryable)]
pub(crate) struct ConnectionRow {
    id: Id,
    tenant_id: i64,
    name: String,
    preset: String,
    settings: String,
    paused: bool,
    created: Time,
}

impl ConnectionRow {
    pub(crate) fn into_connection(self) -> Result<Connection, Failure> {
        Ok(Connection {
            id: ConnectionId(self.id.0),
            tenant: TenantId(self.tenant_id),
            name: self.name,
            preset: self.preset,
            settings: serde_json::from_str(&self.settings).map_err(unavailable)?,
            state: match self.paused {
                true => ConnectionState::Paused,
                false => ConnectionState::Active,
            },
            created: self.created.0,
        })
    }
}
