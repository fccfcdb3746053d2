//! The originator of a change as columns of the journal.

use diesel::Queryable;
use scim_model::change::Actor;
use scim_model::store::ConnectionId;
use uuid::Uuid;

use crate::columns::Id;
use crate::sql::{Sql, sql};

/// The names of the columns, in the order of [`values`].
pub(crate) const COLUMNS: &str = "actor, connection_id, credential_id, request_id, command_user";

/// The values of the columns for a new entry.
pub(crate) fn values(actor: &Actor) -> Sql {
    let kind = Some(actor.kind().to_owned());
    match actor {
        Actor::Connection {
            connection,
            credential,
            request,
        } => sql!(
            "{kind}, {connection}, {credential}, {request}, NULL";
            kind, connection = connection.0, credential = *credential, request
        ),
        Actor::OperatorKey { key, request } => {
            sql!("{kind}, NULL, {key}, {request}, NULL"; kind, key = *key, request)
        }
        Actor::CommandLine { user } => sql!("{kind}, NULL, NULL, NULL, {user}"; kind, user),
        Actor::System => sql!("{kind}, NULL, NULL, NULL, NULL"; kind),
        _ => sql!("NULL, NULL, NULL, NULL, NULL"),
    }
}

/// The columns as they are stored.
#[derive(Queryable)]
pub(super) struct ActorRow {
    kind: Option<String>,
    connection: Option<Id>,
    credential: Option<Id>,
    request: Option<String>,
    user: Option<String>,
}

impl ActorRow {
    /// A kind that a later version has written reads as unknown.
    pub(super) fn into_actor(self) -> Actor {
        let id = |id: Option<Id>| id.map_or(Uuid::nil(), |it| it.0);
        let request = self.request.unwrap_or_default();
        match self.kind.as_deref() {
            Some("connection") => Actor::Connection {
                connection: ConnectionId(id(self.connection)),
                credential: id(self.credential),
                request,
            },
            Some("operatorKey") => Actor::OperatorKey {
                key: id(self.credential),
                request,
            },
            Some("commandLine") => Actor::CommandLine {
                user: self.user.unwrap_or_default(),
            },
            Some("system") => Actor::System,
            _ => Actor::Unknown,
        }
    }
}
