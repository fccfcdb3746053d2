//! The lines of an export that are not resources. Each is an object with a single member, which says what it is.
//!
//! A resource is a line with `schemas`: SCIM JSON with `id`, `meta` and `members`, and with [`SECRETS`] on request.

mod credentials;

use chrono::DateTime;
use scim_model::change::{Actor, Change, ChangeDetail, ChangePosition, ResourceNames};
use scim_model::store::ConnectionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::credentials::{ClientLine, ConnectionLine, SecretLine, TokenLine, time};

/// The version of the format. A later version that adds something old readers cannot ignore gets the next number.
pub(super) const FORMAT: u32 = 1;

/// The member of a resource that has the hashes of its secrets by path. No attribute begins with two `$`.
pub(super) const SECRETS: &str = "$$secretHashes";

/// A line that is not a resource.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Line {
    Export(Header),
    Connection(ConnectionLine),
    Token(TokenLine),
    Client(Box<ClientLine>),
    Change(Box<ChangeLine>),
    End(End),
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) tenant: String,
    pub(super) exported: String,
    /// The end of the journal. A reader that stores the resources continues after it.
    pub(super) position: String,
    /// The last entry that the journal does not have any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dropped: Option<String>,
    pub(super) resources: u64,
    pub(super) has_tokens: bool,
    pub(super) has_password_hashes: bool,
    pub(super) has_journal: bool,
}

/// The last line. A reader compares its numbers with the lines before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    pub(super) resources: u64,
    pub(super) changes: u64,
}

/// An entry of the journal, as `journal` prints it, with the names of the resource and the write.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeLine {
    position: String,
    resource_type: String,
    id: Uuid,
    version: i64,
    kind: String,
    actor: ActorLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<ResourceNames>,
    change: Value,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ActorLine {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

impl ChangeLine {
    pub(super) fn of(change: &Change) -> ChangeLine {
        ChangeLine {
            position: change.position.to_string(),
            resource_type: change.resource_type.to_string(),
            id: change.id,
            version: change.version,
            kind: change.operation.as_str().to_owned(),
            actor: ActorLine::of(&change.actor),
            transaction: change.transaction,
            names: change.names.clone(),
            change: serde_json::to_value(&change.detail).unwrap_or_default(),
        }
    }

    /// # Errors
    /// The first member that this version cannot read.
    pub(super) fn to_change(&self) -> Result<Change, String> {
        let position: ChangePosition = self.position.parse().map_err(|it| format!("`position`: {it}"))?;
        let at = DateTime::from_timestamp_millis(position.at);
        Ok(Change {
            position,
            at: at.ok_or("`position`: the time is out of range")?,
            actor: self.actor.to_actor()?,
            connection_name: None,
            transaction: self.transaction,
            resource_type: self.resource_type.as_str().into(),
            id: self.id,
            names: self.names.clone(),
            version: self.version,
            operation: self.kind.parse().map_err(|it| format!("`kind`: {it}"))?,
            detail: ChangeDetail::from_stored(&self.change.to_string()),
        })
    }
}

impl ActorLine {
    fn of(actor: &Actor) -> ActorLine {
        let kind = actor.kind().to_owned();
        match actor {
            Actor::Connection {
                connection,
                credential,
                request,
            } => ActorLine {
                kind,
                connection: Some(connection.0),
                credential: Some(*credential),
                request_id: Some(request.clone()),
                ..ActorLine::default()
            },
            Actor::OperatorKey { key, request } => ActorLine {
                kind,
                key: Some(*key),
                request_id: Some(request.clone()),
                ..ActorLine::default()
            },
            Actor::CommandLine { user } => ActorLine {
                kind,
                user: Some(user.clone()),
                ..ActorLine::default()
            },
            _ => ActorLine {
                kind,
                ..ActorLine::default()
            },
        }
    }

    fn to_actor(&self) -> Result<Actor, String> {
        let request = self.request_id.clone().unwrap_or_default();
        match self.kind.as_str() {
            "connection" => Ok(Actor::Connection {
                connection: ConnectionId(self.connection.unwrap_or_default()),
                credential: self.credential.unwrap_or_default(),
                request,
            }),
            "operatorKey" => Ok(Actor::OperatorKey {
                key: self.key.unwrap_or_default(),
                request,
            }),
            "commandLine" => Ok(Actor::CommandLine {
                user: self.user.clone().unwrap_or_default(),
            }),
            "system" => Ok(Actor::System),
            "unknown" => Ok(Actor::Unknown),
            other => Err(format!("`actor.kind`: this version does not know `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_journal_are_read_as_they_are_written() {
        let id = Uuid::from_u128(7);
        let actors = [
            Actor::Connection {
                connection: ConnectionId(id),
                credential: Uuid::from_u128(8),
                request: "r".to_owned(),
            },
            Actor::OperatorKey {
                key: id,
                request: "r".to_owned(),
            },
            Actor::CommandLine {
                user: "root".to_owned(),
            },
            Actor::System,
            Actor::Unknown,
        ];
        for actor in actors {
            let change = Change {
                position: "17-1735689600123".parse().expect("it is a position"),
                at: DateTime::from_timestamp_millis(1_735_689_600_123).expect("it is a time"),
                actor,
                connection_name: None,
                transaction: Some(id),
                resource_type: "User".into(),
                id,
                names: Some(ResourceNames {
                    external_id: None,
                    name: Some("bjensen".to_owned()),
                }),
                version: 3,
                operation: "restored".parse().expect("it is an operation"),
                detail: ChangeDetail::from_stored(r#"{"title":{"old":"a","new":1.50}}"#),
            };
            let text = serde_json::to_string(&ChangeLine::of(&change)).expect("it is JSON");
            let read: ChangeLine = serde_json::from_str(&text).expect("it was written");
            assert_eq!(read.to_change(), Ok(change));
        }
    }
}
