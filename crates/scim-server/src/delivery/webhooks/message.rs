//! Messages: their ids, which survive a restart, and their content, which is made from the journal at each attempt.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::delivery::event::{Envelope, Event, EventId, EventType, MAX_BODY_BYTES, timestamp};
use crate::delivery::feed::GoneReason;

/// The id of a message, which the header `webhook-id` has at each attempt. `Display` writes it, and `FromStr` reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageId {
    /// The journal no longer had the events between two ids.
    Gap {
        /// The reason.
        reason: Gap,
        /// The last event before the gap.
        after: EventId,
        /// The last event of the gap: later ones follow.
        oldest: EventId,
    },
    /// An event of the feed.
    Event(EventId),
    /// A test, `webhook.test`.
    Test(Uuid),
}

/// The reason for a gap, see [`GoneReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gap {
    /// See [`GoneReason::Dropped`].
    Dropped,
    /// See [`GoneReason::Unknown`].
    Unknown,
}

impl Gap {
    fn reason(self) -> GoneReason {
        match self {
            Gap::Dropped => GoneReason::Dropped,
            Gap::Unknown => GoneReason::Unknown,
        }
    }
}

impl From<GoneReason> for Gap {
    fn from(reason: GoneReason) -> Gap {
        match reason {
            GoneReason::Dropped => Gap::Dropped,
            GoneReason::Unknown => Gap::Unknown,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            MessageId::Event(id) => write!(out, "{id}"),
            MessageId::Gap {
                reason,
                after,
                oldest,
            } => write!(out, "gap-{}-{after}-{oldest}", reason.reason().as_str()),
            MessageId::Test(id) => write!(out, "test-{}", id.simple()),
        }
    }
}

/// The text is not a [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a message, such as `1042-1735689600123-0`")]
pub struct InvalidMessageId;

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<MessageId, InvalidMessageId> {
        if let Some(id) = text.strip_prefix("test-") {
            return Ok(MessageId::Test(
                Uuid::try_parse(id).map_err(|_| InvalidMessageId)?,
            ));
        }
        let event = |text: &str| text.parse::<EventId>().map_err(|_| InvalidMessageId);
        let Some(gap) = text.strip_prefix("gap-") else {
            return Ok(MessageId::Event(event(text)?));
        };
        let (reason, ids) = gap.split_once('-').ok_or(InvalidMessageId)?;
        let reason = [Gap::Dropped, Gap::Unknown]
            .into_iter()
            .find(|it| it.reason().as_str() == reason)
            .ok_or(InvalidMessageId)?;
        // An id of an event has two dashes.
        let (middle, _) = ids.match_indices('-').nth(2).ok_or(InvalidMessageId)?;
        Ok(MessageId::Gap {
            reason,
            after: event(&ids[..middle])?,
            oldest: event(&ids[middle + 1..])?,
        })
    }
}

/// Returns the body of a message about an event. With `full`, it is the object of the feed, unless it is too large.
/// Otherwise, it has the names of the changed attributes.
pub(super) fn event_body(event: &Event, full: bool) -> String {
    match full {
        true => event.limited_body(MAX_BODY_BYTES),
        false => event.notice(),
    }
}

/// Returns the body of a message that is not about an event of the journal, with the time at which it was made. `None`
/// for an event.
pub(super) fn other_body(id: &MessageId, made: DateTime<Utc>) -> Option<String> {
    let (event_type, data) = match id {
        MessageId::Event(_) => return None,
        MessageId::Test(_) => (EventType::WEBHOOK_TEST, json!({})),
        MessageId::Gap {
            reason,
            after,
            oldest,
        } => {
            let data = json!({
                "reason": reason.reason().as_str(),
                "after": after.to_string(),
                "oldest": oldest.to_string(),
            });
            (EventType::FEED_GAP, data)
        }
    };
    let envelope = Envelope {
        id: id.to_string(),
        event_type: event_type.as_str(),
        timestamp: timestamp(made),
        data,
    };
    Some(envelope.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let event = |text: &str| text.parse::<EventId>().expect("it is an id");
        let gap = MessageId::Gap {
            reason: Gap::Dropped,
            after: event("12-1735689600000-1"),
            oldest: event("40-1735689600120-0"),
        };
        for (id, text) in [
            (MessageId::Event(event("7-1735689600000-2")), "7-1735689600000-2"),
            (gap, "gap-dropped-12-1735689600000-1-40-1735689600120-0"),
            (
                MessageId::Test(Uuid::from_u128(7)),
                "test-00000000000000000000000000000007",
            ),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for text in [
            "",
            "7-1735689600000",
            "gap-dropped-12-1735689600000-1",
            "gap-x-1-1-1-2-2-2",
            "gap-dropped-1-1-1-2-2-2-2",
            "test-7",
            "é",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(InvalidMessageId), "{text}");
        }
    }

    /// evt-01
    #[test]
    fn evt_27_a_test_has_its_type_and_no_position() {
        let made = DateTime::from_timestamp_millis(1_735_689_600_123).expect("it is a time");
        let id = MessageId::Test(Uuid::from_u128(7));
        assert_eq!(
            other_body(&id, made).as_deref(),
            Some(
                r#"{"id":"test-00000000000000000000000000000007","type":"webhook.test","timestamp":"2025-01-01T00:00:00.123Z","data":{}}"#
            )
        );
        assert_eq!(other_body(&MessageId::Event(EventId::default()), made), None);
    }
}
