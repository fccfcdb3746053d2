//! The originator of a change.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::store::connection::ConnectionId;

/// The originator of a change. It is printed as an object with a `kind`, for example
/// `{"kind":"connection","connection":"…","credential":"…","requestId":"…"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A client that provisions the tenant.
    Connection {
        /// The connection of the client.
        connection: ConnectionId,
        /// The id of the credential that the client used, such as a token.
        credential: Uuid,
        /// The id of the request, which the access log has too.
        request: String,
    },
    /// An operator, by the management interface.
    OperatorKey {
        /// The id of the operator's key.
        key: Uuid,
        /// The id of the request, which the access log has too.
        request: String,
    },
    /// A command of an operator.
    CommandLine {
        /// The name of the operator's account on the machine, as far as the command knew it.
        user: String,
    },
    /// The server itself.
    System,
    /// The entry does not say: it was written before originators were recorded.
    #[default]
    Unknown,
}

impl Actor {
    /// Returns the word for the kind of originator.
    pub fn kind(&self) -> &'static str {
        match self {
            Actor::Connection { .. } => "connection",
            Actor::OperatorKey { .. } => "operatorKey",
            Actor::CommandLine { .. } => "commandLine",
            Actor::System => "system",
            Actor::Unknown => "unknown",
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.kind())?;
        match self {
            Actor::Connection {
                connection,
                credential,
                request,
            } => {
                map.serialize_entry("connection", &connection.to_string())?;
                map.serialize_entry("credential", &credential.to_string())?;
                map.serialize_entry("requestId", request)?;
            }
            Actor::OperatorKey { key, request } => {
                map.serialize_entry("key", &key.to_string())?;
                map.serialize_entry("requestId", request)?;
            }
            Actor::CommandLine { user } => map.serialize_entry("user", user)?,
            Actor::System | Actor::Unknown => {}
        }
        map.end()
    }
}
