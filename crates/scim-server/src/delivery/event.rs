//! Events: the meaning of a change for an application, and their JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_model::change::{
    Actor, ChangeDetail, ChangePart, ChangePosition, EventKind, PartChanges, ResourceNames, name_attribute,
};
use scim_model::internal::etag;
use scim_model::store::FeedEntry;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The size of a webhook's body from which [`Event::limited_body`] leaves the values out, in bytes.
pub const MAX_BODY_BYTES: usize = 20_000;

/// Derives the events of a change, at least one, numbered from 0. A pure function: the same entry has the same events.
pub fn events_of(entry: &FeedEntry) -> Vec<Event> {
    let change = &entry.change;
    let names = change.names.clone().unwrap_or_else(|| match &change.detail {
        ChangeDetail::Attributes(changes) => ResourceNames::of_changes(&change.resource_type, changes),
        _ => ResourceNames::default(),
    });
    let position = change.position;
    let transaction = change
        .transaction
        .map_or_else(|| position.to_string(), |it| it.to_string());
    let event = |(number, part): (usize, ChangePart)| Event {
        id: EventId {
            position,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        },
        event_type: EventType::of_resource(&change.resource_type, part.kind),
        kind: part.kind,
        at: change.at,
        tenant: entry.tenant_name.clone(),
        transaction: transaction.clone(),
        connection: change.connection_name.clone(),
        actor: change.actor.clone(),
        resource_type: change.resource_type.clone(),
        resource_id: change.id,
        names: names.clone(),
        version: change.version,
        changes: part.changes,
        resource: None,
    };
    change.parts().into_iter().enumerate().map(event).collect()
}

/// The meaning of a change, or of a part of it, for an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The id. A reader that gets it twice ignores the second event.
    pub id: EventId,
    /// The type, such as `user.deactivated`.
    pub event_type: EventType,
    /// The kind, which is the last word of the type.
    pub kind: EventKind,
    /// Time of the change.
    pub at: DateTime<Utc>,
    /// Name of the tenant.
    pub tenant: Arc<str>,
    /// Equal for all events of one write, and for no others.
    pub transaction: String,
    /// Name of the connection whose client made the change.
    pub connection: Option<String>,
    /// The originator of the change.
    pub actor: Actor,
    /// Name of the resource's type.
    pub resource_type: Arc<str>,
    /// Id of the resource.
    pub resource_id: Uuid,
    /// The names of the resource after the change.
    pub names: ResourceNames,
    /// The version that the change led to; for a deletion, the last version.
    pub version: i64,
    /// The attributes that the event concerns, without the values of secrets.
    pub changes: PartChanges,
    /// The members of the resource's JSON after the change, except `meta`; see [`PastResource`]. `None` also if they were
    /// not asked for.
    ///
    /// [`PastResource`]: scim_model::store::PastResource
    pub resource: Option<Arc<Map<String, Value>>>,
}

impl Event {
    /// Returns the event as JSON text with old and new values, and with the resource if it was asked for: an entry of the
    /// feed, and the body of a webhook.
    pub fn body(&self) -> String {
        self.envelope(Data {
            resource: self.resource(),
            ..self.data().with_values(&self.changes)
        })
    }

    /// Returns the event as JSON text with the names of the changed attributes instead of their values.
    pub fn notice(&self) -> String {
        self.envelope(self.data().with_names(&self.changes))
    }

    /// Returns [`Event::body`] if it has at most `limit` bytes. Otherwise it is [`Event::notice`] with
    /// `truncated`, and without the names of the resource if these are too long.
    pub fn limited_body(&self, limit: usize) -> String {
        let body = self.body();
        if body.len() <= limit {
            return body;
        }
        let truncated = Data {
            truncated: true,
            ..self.data()
        };
        let notice = self.envelope(truncated.clone().with_names(&self.changes));
        if notice.len() <= limit {
            return notice;
        }
        self.envelope(Data {
            external_id: None,
            user_name: None,
            display_name: None,
            ..truncated
        })
    }

    fn envelope(&self, data: Data) -> String {
        let envelope = Envelope {
            id: self.id.to_string(),
            event_type: self.event_type.as_str(),
            timestamp: timestamp(self.at),
            data,
        };
        envelope.to_json()
    }

    fn data(&self) -> Data<'_> {
        let is_user = name_attribute(&self.resource_type) == "userName";
        let name = self.names.name.as_deref();
        Data {
            tenant: &self.tenant,
            position: self.id.position.to_string(),
            transaction: &self.transaction,
            connection: self.connection.as_deref(),
            actor: actor_json(&self.actor),
            resource_type: &self.resource_type,
            resource_id: self.resource_id.to_string(),
            external_id: self.names.external_id.as_deref(),
            user_name: name.filter(|_| is_user),
            display_name: name.filter(|_| !is_user),
            version: self.version,
            changes: None,
            changed: None,
            truncated: false,
            resource: None,
        }
    }

    /// The resource with its `meta`, as far as the journal knows it.
    fn resource(&self) -> Option<Resource<'_>> {
        let members = self.resource.as_deref()?;
        let meta = Meta {
            resource_type: &self.resource_type,
            last_modified: timestamp(self.at),
            version: etag(self.version),
        };
        Some(Resource { members, meta })
    }
}

/// The outer members of an event, whether it is about a resource or not.
#[derive(Clone, Debug, Serialize)]
pub struct Envelope<'a, D> {
    /// The id of the event.
    pub id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub event_type: &'a str,
    /// The time of the event, as [`timestamp`] writes it.
    pub timestamp: String,
    /// The members that depend on the type.
    pub data: D,
}

impl<D: Serialize> Envelope<'_, D> {
    /// Returns the JSON text, which is one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("its keys are strings, and writing to memory does not fail")
    }
}

/// Returns a time as RFC 3339 text in UTC with milliseconds.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The member `data` of an event about a resource.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    tenant: &'a str,
    position: String,
    transaction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    actor: Value,
    resource_type: &'a str,
    resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a PartChanges>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource<'a>>,
}

/// A resource in the state after a change.
#[derive(Clone, Serialize)]
struct Resource<'a> {
    #[serde(flatten)]
    members: &'a Map<String, Value>,
    meta: Meta<'a>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    resource_type: &'a str,
    last_modified: String,
    version: String,
}

impl<'a> Data<'a> {
    fn with_values(self, changes: &'a PartChanges) -> Data<'a> {
        let changes = Some(changes);
        Data { changes, ..self }
    }

    fn with_names(self, changes: &'a PartChanges) -> Data<'a> {
        let changed = Some(changes.paths());
        Data { changed, ..self }
    }
}

/// The originator without the id of its connection, which the event has by name.
fn actor_json(actor: &Actor) -> Value {
    let mut json = serde_json::json!(actor);
    if let Some(members) = json.as_object_mut() {
        members.shift_remove("connection");
    }
    json
}

/// The id of an event: the position of its change, and the number of the event among those of the change. `Display`
/// writes `1042-1735689600123-0`, `FromStr` reads it. Ids are ordered as the feed is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The position of the change.
    pub position: ChangePosition,
    /// From 0.
    pub number: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}-{}", self.position, self.number)
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<EventId, InvalidEventId> {
        let (position, number) = text.rsplit_once('-').ok_or(InvalidEventId)?;
        if number.is_empty() || !number.bytes().all(|it| it.is_ascii_digit()) {
            return Err(InvalidEventId);
        }
        Ok(EventId {
            position: position.parse().map_err(|_| InvalidEventId)?,
            number: number.parse().map_err(|_| InvalidEventId)?,
        })
    }
}

/// The text is not an [`EventId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an event id, such as `1042-1735689600123-0`")]
pub struct InvalidEventId;

/// The type of an event, such as `user.created`: words in lower case, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventType(Cow<'static, str>);

impl EventType {
    /// Events are missing, because the journal no longer has them.
    pub const FEED_GAP: EventType = EventType(Cow::Borrowed("feed.gap"));
    /// The events of a tenant are withheld from now on.
    pub const FEED_HELD: EventType = EventType(Cow::Borrowed("feed.held"));
    /// The events that were withheld follow.
    pub const FEED_RELEASED: EventType = EventType(Cow::Borrowed("feed.released"));
    /// A test of a webhook.
    pub const WEBHOOK_TEST: EventType = EventType(Cow::Borrowed("webhook.test"));

    /// Returns the type of an event about a resource.
    pub fn of_resource(resource_type: &str, kind: EventKind) -> EventType {
        EventType(Cow::Owned(format!("{}.{}", family(resource_type), kind.as_str())))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The first word of the types of a resource type: its name in lower case, without other characters than letters,
/// digits and `_`.
pub(super) fn family(resource_type: &str) -> String {
    let word = |it: char| match it.is_ascii_alphanumeric() {
        true => it.to_ascii_lowercase(),
        false => '_',
    };
    resource_type.chars().map(word).collect()
}
