//! The choice of messages that are sent again, and the answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::problem::Problem;
use crate::delivery::event::EventId;

/// The events to send again: either one, or all after one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Replay {
    /// The id of an event, or of a message that waits or was given up.
    message: Option<String>,
    /// The id of an event: all events after it are sent again.
    after: Option<String>,
}

/// The events to send again, checked.
pub(super) enum Replayed {
    Message(String),
    After(EventId),
}

impl Replay {
    pub(super) fn checked(self) -> Result<Replayed, Problem> {
        match (self.message, self.after) {
            (Some(message), None) => Ok(Replayed::Message(message.trim().to_owned())),
            (None, Some(after)) => {
                let event = after.trim().parse();
                let event = event.map_err(|_| Problem::invalid("after", "expected the id of an event"));
                event.map(Replayed::After)
            }
            _ => Err(Problem::invalid(
                "message",
                "expected either `message` or `after`",
            )),
        }
    }
}

impl Replayed {
    pub(super) fn queued(&self) -> Queued {
        match self {
            Replayed::Message(message) => Queued {
                message: Some(message.clone()),
                after: None,
            },
            Replayed::After(event) => Queued {
                message: None,
                after: Some(event.to_string()),
            },
        }
    }
}

/// The messages that are sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queued {
    /// The message that is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// The event after which all events are sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
}
