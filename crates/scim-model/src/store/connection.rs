//! Connections: the clients that provision a tenant, with their settings.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::tenant::TenantId;

/// One identity provider, or one script, that provisions a tenant. A connection owns the credentials of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Identifies the connection.
    pub id: ConnectionId,
    /// The tenant that the connection provisions.
    pub tenant: TenantId,
    /// The name, which no other connection of the tenant has.
    pub name: String,
    /// The name of the preset: the defaults for this kind of client. The server defines the presets.
    pub preset: String,
    /// The settings that the connection has a value for.
    pub settings: ConnectionSettings,
    /// Whether the credentials of the connection are accepted.
    pub state: ConnectionState,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

impl Connection {
    /// The name of the connection that each tenant has from its creation on. It cannot be deleted.
    pub const DEFAULT: &str = "default";

    /// The preset that changes nothing; the connection [`Connection::DEFAULT`] starts with it.
    pub const GENERIC: &str = "generic";

    /// Returns whether this is the connection that its tenant cannot be without.
    pub fn is_default(&self) -> bool {
        self.name == Connection::DEFAULT
    }
}

/// The values of settings by the name of the setting. The server defines their meaning.
pub type ConnectionSettings = BTreeMap<String, String>;

/// The id of a connection, an opaque text for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub Uuid);

impl fmt::Display for ConnectionId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Whether the credentials of a connection are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// They are accepted.
    #[default]
    Active,
    /// They are refused until the connection is resumed.
    Paused,
}

impl ConnectionState {
    /// Returns the word that the command line prints.
    pub fn as_str(self) -> &'static str {
        match self {
            ConnectionState::Active => "active",
            ConnectionState::Paused => "paused",
        }
    }
}

/// A change of a connection. The parts that are not named stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionChange {
    /// The new preset.
    pub preset: Option<String>,
    /// New values of settings; `None` removes the value.
    pub settings: BTreeMap<String, Option<String>>,
    /// The new state.
    pub state: Option<ConnectionState>,
    /// The connection as the caller knows it. If another one is stored by now, nothing is changed.
    pub expected: Option<Box<Connection>>,
}
