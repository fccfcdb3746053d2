//! Connections of tenants.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Client, ClientMethod, Connection, ConnectionChange, ConnectionId, ConnectionSettings, ConnectionState,
    Directory, StoreError, Tenant, check_name,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Management, ManagementError, ServerSettings, Timestamp, tenants};
use crate::service::{Origin, PRESETS, SETTINGS, Setting, effective_values};

/// A connection as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionView {
    /// The id, which the journal and events name.
    pub id: Uuid,
    /// The name, which no other connection of the tenant has.
    pub name: String,
    /// The name of the tenant.
    pub tenant: String,
    /// The preset: the defaults for a kind of client.
    pub preset: String,
    /// Whether the credentials of the connection are accepted.
    pub state: State,
    /// Time of creation.
    pub created: Timestamp,
    /// The settings that the connection itself has a value for.
    pub settings: BTreeMap<String, String>,
}

/// See [`ConnectionView::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// They are accepted.
    Active,
    /// They are refused until the connection is resumed.
    Paused,
}

impl From<ConnectionState> for State {
    fn from(state: ConnectionState) -> State {
        match state {
            ConnectionState::Active => State::Active,
            ConnectionState::Paused => State::Paused,
        }
    }
}

impl From<State> for ConnectionState {
    fn from(state: State) -> ConnectionState {
        match state {
            State::Active => ConnectionState::Active,
            State::Paused => ConnectionState::Paused,
        }
    }
}

impl ConnectionView {
    /// Returns what operators see of a connection.
    pub fn of(connection: &Connection, tenant: &Tenant) -> ConnectionView {
        ConnectionView {
            id: connection.id.0,
            name: connection.name.clone(),
            tenant: tenant.name.clone(),
            preset: connection.preset.clone(),
            state: connection.state.into(),
            created: connection.created.into(),
            settings: connection.settings.clone(),
        }
    }
}

/// A connection with the values that apply to it, and its health.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionDetails {
    /// The connection.
    #[serde(flatten)]
    pub connection: ConnectionView,
    /// The value of every setting that applies to requests, by its name.
    pub effective_settings: BTreeMap<String, EffectiveSetting>,
    /// The credentials of the connection.
    pub credentials: CredentialCounts,
    /// The approximate time of the last use of a credential; `null` before the first one.
    pub last_used: Option<Timestamp>,
}

/// The value of a setting that applies to requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// The value.
    pub value: String,
    /// The level that the value comes from: `connection`, `preset`, `server` or `default`.
    pub origin: String,
    /// The reason for the value of a preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The number of credentials of each kind, also of those that are not valid any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialCounts {
    /// Bearer tokens.
    pub tokens: usize,
    /// OAuth clients.
    pub clients: usize,
    /// Federations.
    pub federations: usize,
}

/// Finds a connection by the names of its tenant and its own.
///
/// # Errors
/// `NoTenant`; `NotFound` when the tenant has no such connection.
pub fn find(
    directory: &(impl Directory + ?Sized),
    tenant: &str,
    name: &str,
) -> Result<(Tenant, Connection), ManagementError> {
    let tenant = tenants::find(directory, tenant)?;
    match directory.connection(tenant.id, name)? {
        Some(connection) => Ok((tenant, connection)),
        None => Err(no_connection(name, &tenant.name)),
    }
}

/// Returns the id of a connection, also of one that was deleted: the journal still names it.
///
/// # Errors
/// `NotFound` when the tenant has and had no such connection.
pub fn id_of(
    directory: &(impl Directory + ?Sized),
    tenant: &Tenant,
    name: &str,
) -> Result<ConnectionId, ManagementError> {
    if let Some(connection) = directory.connection(tenant.id, name)? {
        return Ok(connection.id);
    }
    let deleted = directory.deleted_connections(tenant.id)?;
    let latest = deleted.iter().rfind(|it| it.name == name);
    let latest = latest.ok_or_else(|| no_connection(name, &tenant.name))?;
    Ok(latest.id)
}

fn no_connection(name: &str, tenant: &str) -> ManagementError {
    ManagementError::not_found(
        "connection",
        format!("the tenant `{tenant}` has no connection `{name}`"),
    )
}

/// The properties of a connection to create.
#[derive(Clone, Debug)]
pub struct ConnectionRequest<'a> {
    /// Identifies the connection.
    pub id: Uuid,
    /// The name.
    pub name: &'a str,
    /// The preset.
    pub preset: &'a str,
    /// The settings with a value of their own.
    pub settings: &'a BTreeMap<String, String>,
}

/// Creates a connection.
///
/// # Errors
/// `Invalid` for a name, preset or setting that is not valid; `NoTenant`; `Refused` when the name is taken.
pub fn create(
    directory: &(impl Directory + ?Sized),
    tenant: &str,
    request: &ConnectionRequest,
    now: DateTime<Utc>,
) -> Result<(Tenant, Connection), ManagementError> {
    check_name(request.name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    check_preset(request.preset)?;
    for (name, value) in request.settings {
        check_setting(name, value)?;
    }
    let tenant = tenants::find(directory, tenant)?;
    let connection = Connection {
        id: ConnectionId(request.id),
        tenant: tenant.id,
        name: request.name.to_owned(),
        preset: request.preset.to_owned(),
        settings: ConnectionSettings::clone(request.settings),
        state: ConnectionState::Active,
        created: now,
    };
    match directory.create_connection(&connection) {
        Ok(true) => Ok((tenant, connection)),
        Ok(false) => Err(ManagementError::NoTenant(tenant.name)),
        Err(StoreError::Conflict { .. }) => {
            let name = request.name;
            let text = format!("the tenant `{}` already has a connection `{name}`", tenant.name);
            Err(ManagementError::Refused(text))
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes a connection. Servers follow within a second.
///
/// # Errors
/// `Invalid` for a preset or setting that is not valid; `NoTenant`; `NotFound`; `Store` with `Stale` if the connection is
/// not the expected one.
pub fn change(
    directory: &(impl Directory + ?Sized),
    tenant: &str,
    name: &str,
    change: &ConnectionChange,
) -> Result<(Tenant, Connection), ManagementError> {
    if let Some(preset) = &change.preset {
        check_preset(preset)?;
    }
    for (name, value) in &change.settings {
        // A value that a later version has stored can be removed.
        if let Some(value) = value {
            check_setting(name, value)?;
        }
    }
    let (tenant, connection) = find(directory, tenant, name)?;
    match directory.change_connection(tenant.id, connection.id, change)? {
        Some(changed) => Ok((tenant, changed)),
        None => Err(no_connection(name, &tenant.name)),
    }
}

/// Checks that a connection may be deleted.
///
/// # Errors
/// `Refused` for the connection `default`.
pub fn check_deletable(connection: &Connection) -> Result<(), ManagementError> {
    if connection.is_default() {
        let text = "the connection `default` cannot be deleted: pause it, or revoke its credentials";
        return Err(ManagementError::Refused(text.to_owned()));
    }
    Ok(())
}

/// Deletes a connection with its credentials. Servers follow within a second.
///
/// # Errors
/// `NoTenant`; `NotFound`; `Refused` for the connection `default`.
pub fn delete(
    directory: &(impl Directory + ?Sized),
    tenant: &Tenant,
    connection: &Connection,
    now: DateTime<Utc>,
) -> Result<(), ManagementError> {
    check_deletable(connection)?;
    match directory.delete_connection(tenant.id, connection.id, now)? {
        true => Ok(()),
        false => Err(no_connection(&connection.name, &tenant.name)),
    }
}

/// Checks the name of a preset.
///
/// # Errors
/// `Invalid`.
pub fn check_preset(name: &str) -> Result<(), ManagementError> {
    let names: Vec<&str> = PRESETS.iter().map(|it| it.name).collect();
    match names.contains(&name) {
        true => Ok(()),
        false => Err(ManagementError::invalid(
            "preset",
            format!("expected one of {}", names.join(", ")),
        )),
    }
}

/// Checks the name and the value of a setting.
///
/// # Errors
/// `Invalid`.
pub fn check_setting(name: &str, value: &str) -> Result<(), ManagementError> {
    let Some(setting) = Setting::named(name) else {
        let names: Vec<&str> = SETTINGS.iter().map(|it| it.name).collect();
        let detail = format!("`{name}` is not a setting: use {}", names.join(", "));
        return Err(ManagementError::invalid("settings", detail));
    };
    match setting.has_value(value) {
        true => Ok(()),
        false => {
            let detail = format!("expected {}", setting.values);
            Err(ManagementError::invalid(&format!("settings.{name}"), detail))
        }
    }
}

/// Returns the value of every setting for a connection.
pub fn effective_settings(
    connection: &Connection,
    server: &ServerSettings,
) -> BTreeMap<String, EffectiveSetting> {
    let values = effective_values(connection, &server.client, &server.given);
    let setting = |it: crate::service::EffectiveValue| {
        let effective = EffectiveSetting {
            value: it.value,
            origin: it.origin.as_str().to_owned(),
            reason: match it.origin {
                Origin::Preset(reason) => Some(reason.to_owned()),
                _ => None,
            },
        };
        (it.name.to_owned(), effective)
    };
    values.into_iter().map(setting).collect()
}

impl Management {
    /// Returns a connection with the values that apply to it, and its health.
    ///
    /// # Errors
    /// As [`find`].
    pub fn connection_details(&self, tenant: &str, name: &str) -> Result<ConnectionDetails, ManagementError> {
        let (tenant, connection) = find(&*self.store, tenant, name)?;
        let mut tokens = self.store.tokens(Some(tenant.id))?;
        tokens.retain(|it| it.connection.id == connection.id);
        let mut clients = self.store.clients(Some(tenant.id))?;
        clients.retain(|it| it.connection.id == connection.id);
        let is_federation = |it: &&Client| matches!(it.method, ClientMethod::Federation(_));
        let federations = clients.iter().filter(is_federation).count();
        let uses = tokens.iter().map(|it| it.last_used);
        let uses = uses.chain(clients.iter().map(|it| it.last_used));
        Ok(ConnectionDetails {
            connection: ConnectionView::of(&connection, &tenant),
            effective_settings: effective_settings(&connection, &self.server),
            credentials: CredentialCounts {
                tokens: tokens.len(),
                clients: clients.len() - federations,
                federations,
            },
            last_used: uses.flatten().max().map(Timestamp),
        })
    }
}
