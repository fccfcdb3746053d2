//! The originator of a change.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
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
    /// An operator, by the management API.
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

    /// Returns the printed form, with the name of the connection next to its id if it is known:
    /// `{"kind":"connection","connection":"…","connectionName":"entra","credential":"…","requestId":"…"}`.
    pub fn to_json(&self, connection_name: Option<&str>) -> Value {
        let mut shown = Map::from_iter([("kind".to_owned(), self.kind().into())]);
        let mut add = |name: &str, value: &str| drop(shown.insert(name.to_owned(), value.into()));
        match self {
            Actor::Connection {
                connection,
                credential,
                request,
            } => {
                add("connection", &connection.to_string());
                if let Some(name) = connection_name {
                    add("connectionName", name);
                }
                add("credential", &credential.to_string());
                add("requestId", request);
            }
            Actor::OperatorKey { key, request } => {
                add("key", &key.to_string());
                add("requestId", request);
            }
            Actor::CommandLine { user } => add("user", user),
            Actor::System | Actor::Unknown => {}
        }
        shown.into()
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json(None).serialize(serializer)
    }
}
