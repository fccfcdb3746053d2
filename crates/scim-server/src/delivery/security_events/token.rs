//! The claims of tokens, and the tokens of a change.

use chrono::{DateTime, Utc};
use scim_model::SchemaRegistry;
use scim_model::change::{Actor, Change, ChangeDetail, EventKind, Operation, ResourceNames};
use scim_model::internal::etag;
use scim_model::store::{FeedEntry, SetStreamStatus};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::content::{Content, attributes, data};
use super::event_uri::EventUri;
use super::subject::{RevokedSubject, scim_subject};
use super::token_id::{StreamEventId, TokenId, TokenKind};

/// The settings of a stream on which its tokens depend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The stream.
    pub stream: Uuid,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
    /// The events that the stream asks for. An event with values replaces that without them.
    pub events: Vec<EventUri>,
    /// Whether subjects contain the `userName` of users.
    pub with_user_name: bool,
    /// The subject of tokens that end sessions.
    pub revoked_subject: RevokedSubject,
    /// The issuer of the accounts whose sessions end.
    pub account_issuer: String,
}

/// The facts about the server on which tokens depend.
#[derive(Clone, Copy, Debug)]
pub struct TokenSources<'a> {
    /// The resource types.
    pub registry: &'a SchemaRegistry,
    /// The URL before `/Users`, if it is known. It is part of `meta.location`.
    pub base_url: Option<&'a str>,
}

/// A token before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The identity.
    pub id: TokenId,
    /// The kind of event.
    pub event: EventUri,
    claims: Claims,
}

/// The claims without `iat` and `jti`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    sub_id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    toe: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// The position of the change, which tells the order of tokens: the times do not (RFC 8417 section 4). It is a claim,
    /// because some events have no room for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    events: Map<String, Value>,
}

#[derive(Serialize)]
struct IssuedClaims<'a> {
    jti: String,
    iat: i64,
    #[serde(flatten)]
    claims: &'a Claims,
}

impl Token {
    /// Returns the claims as JSON text. `now` becomes `iat`.
    pub fn claims(&self, now: DateTime<Utc>) -> String {
        let issued = IssuedClaims {
            jti: self.id.to_string(),
            iat: now.timestamp(),
            claims: &self.claims,
        };
        serde_json::to_string(&issued).expect("its keys are strings, and writing to memory does not fail")
    }
}

/// Returns the tokens of a change for a stream, in the order in which they are sent. A pure function: the same change has
/// the same tokens.
pub fn tokens_of(entry: &FeedEntry, settings: &TokenSettings, sources: &TokenSources) -> Vec<Token> {
    let change = &entry.change;
    let names = change.names.clone().unwrap_or_else(|| match &change.detail {
        ChangeDetail::Attributes(changes) => ResourceNames::of_changes(&change.resource_type, changes),
        _ => ResourceNames::default(),
    });
    let activation = activation(change);
    let token = |(kind, event, payload): (TokenKind, EventUri, Value)| {
        let sub_id = match event {
            EventUri::SessionRevoked => settings
                .revoked_subject
                .of(&settings.account_issuer, change, &names),
            _ => scim_subject(sources.registry, change, &names, settings.with_user_name),
        };
        Token {
            id: TokenId::Change {
                stream: settings.stream,
                position: change.position,
                kind,
            },
            event,
            claims: Claims {
                iss: settings.issuer.clone(),
                aud: settings.audience.clone(),
                sub_id,
                txn: Some(transaction(change)),
                toe: Some(change.at.timestamp()),
                tenant: Some(entry.tenant_name.to_string()),
                position: Some(change.position.to_string()),
                events: single(event, payload),
            },
        }
    };
    let all = [
        main_event(change, settings, sources),
        activation.and_then(|it| activation_event(it, change, settings)),
        session_event(activation, change, settings),
    ];
    all.into_iter().flatten().map(token).collect()
}

/// A token's kind, its event, and the payload of that.
type Statement = (TokenKind, EventUri, Value);

/// The creation, the change of attributes, or the deletion.
fn main_event(change: &Change, settings: &TokenSettings, sources: &TokenSources) -> Option<Statement> {
    let wants = |event| settings.events.contains(&event);
    let (kind, notice, full) = match change.operation {
        Operation::Create => (TokenKind::Create, EventUri::CreateNotice, EventUri::CreateFull),
        Operation::Delete => {
            // RFC 9967 section 2.4.4: the event has no payload.
            return wants(EventUri::Delete).then(|| (TokenKind::Delete, EventUri::Delete, json!({})));
        }
        _ => (TokenKind::Patch, EventUri::PatchNotice, EventUri::PatchFull),
    };
    if !wants(notice) && !wants(full) {
        return None;
    }
    let values = wants(full)
        .then(|| data(change, sources.registry, sources.base_url))
        .flatten();
    Some(match values.unwrap_or_else(|| attributes(change)) {
        Content::Data(data) => (kind, full, payload(change, Some(("data", data)))),
        Content::Attributes(paths) => (kind, notice, payload(change, Some(("attributes", paths.into())))),
    })
}

fn activation_event(activation: EventKind, change: &Change, settings: &TokenSettings) -> Option<Statement> {
    let (kind, event) = match activation {
        EventKind::Deactivated => (TokenKind::Deactivate, EventUri::Deactivate),
        _ => (TokenKind::Activate, EventUri::Activate),
    };
    settings
        .events
        .contains(&event)
        .then(|| (kind, event, payload(change, None)))
}

/// The end of the sessions of a user who is inactive or deleted (CAEP 1.0, "Session Revoked").
fn session_event(
    activation: Option<EventKind>,
    change: &Change,
    settings: &TokenSettings,
) -> Option<Statement> {
    let is_user = EventKind::Deactivated.applies_to(&change.resource_type);
    let verb = match (activation, change.operation) {
        (Some(EventKind::Deactivated), _) => "deactivated",
        (_, Operation::Delete) if is_user => "deleted",
        _ => return None,
    };
    if !settings.events.contains(&EventUri::SessionRevoked) {
        return None;
    }
    let (entity, originator) = match &change.actor {
        Actor::OperatorKey { .. } | Actor::CommandLine { .. } => ("admin", "an operator".to_owned()),
        _ => {
            let connection = change.connection_name.as_deref();
            let connection = connection.map_or_else(
                || "the identity provider".to_owned(),
                |it| format!("the connection `{it}`"),
            );
            ("policy", connection)
        }
    };
    let payload = json!({
        "event_timestamp": change.at.timestamp(),
        "initiating_entity": entity,
        "reason_admin": {"en": format!("the user was {verb} by {originator}")},
    });
    Some((TokenKind::SessionRevoked, EventUri::SessionRevoked, payload))
}

/// Whether the change made a user active or inactive.
fn activation(change: &Change) -> Option<EventKind> {
    let kinds = change.parts().into_iter().map(|it| it.kind);
    let mut kinds = kinds.filter_map(|kind| match kind {
        EventKind::Deactivated => Some(EventKind::Deactivated),
        EventKind::Reactivated | EventKind::Restored => Some(EventKind::Reactivated),
        _ => None,
    });
    kinds.next()
}

/// The payload of an event about a resource. `version` is the entity tag without the hash of values that are derived from
/// other resources, which the journal does not know. `position` is that of the claims.
fn payload(change: &Change, content: Option<(&str, Value)>) -> Value {
    let mut payload = Map::new();
    payload.insert("version".to_owned(), etag(change.version).into());
    payload.insert("position".to_owned(), change.position.to_string().into());
    if let Some((name, value)) = content {
        payload.insert(name.to_owned(), value);
    }
    Value::Object(payload)
}

fn transaction(change: &Change) -> String {
    change
        .transaction
        .map_or_else(|| change.position.to_string(), |it| it.to_string())
}

fn single(event: EventUri, payload: Value) -> Map<String, Value> {
    Map::from_iter([(event.as_str().to_owned(), payload)])
}

/// Returns the token that a receiver asked for to test the stream, with the text that it gave.
pub fn verification_token(settings: &TokenSettings, event: StreamEventId, state: Option<&str>) -> Token {
    let payload = state.map_or_else(|| json!({}), |it| json!({ "state": it }));
    stream_token(settings, event, EventUri::Verification, payload)
}

/// Returns the token that says that the server changed the state of the stream on its own, and why.
pub fn status_token(
    settings: &TokenSettings,
    event: StreamEventId,
    status: SetStreamStatus,
    reason: &str,
) -> Token {
    let payload = json!({"status": status.as_str(), "reason": reason});
    stream_token(settings, event, EventUri::StreamUpdated, payload)
}

fn stream_token(settings: &TokenSettings, event: StreamEventId, uri: EventUri, payload: Value) -> Token {
    Token {
        id: TokenId::Stream {
            stream: settings.stream,
            event,
        },
        event: uri,
        claims: Claims {
            iss: settings.issuer.clone(),
            aud: settings.audience.clone(),
            sub_id: json!({"format": "opaque", "id": settings.stream.to_string()}),
            txn: None,
            toe: None,
            tenant: None,
            position: None,
            events: single(uri, payload),
        },
    }
}
