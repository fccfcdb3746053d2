//! Attempts to deliver a message to a receiver of webhooks or of security event tokens.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// An attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Identifies the attempt. Later attempts have greater ids.
    pub id: Uuid,
    /// The id of the message: the `webhook-id`, or the `jti` of the token.
    pub message: String,
    /// The time of the request.
    pub at: DateTime<Utc>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// The time until the end of the response, in milliseconds.
    pub milliseconds: i64,
    /// The reason why there was no response, or why it was not accepted.
    pub error: Option<String>,
    /// The beginning of the body of the response.
    pub response: String,
}
