//! The rows of attempts to deliver messages: those of webhooks and of security event tokens have the same columns.

use diesel::Queryable;
use scim_model::store::DeliveryAttempt;

use crate::columns::{Id, Time};

#[derive(Queryable)]
pub(crate) struct AttemptRow {
    id: Id,
    message: String,
    at: Time,
    attempt: i64,
    status: Option<i64>,
    milliseconds: i64,
    error: Option<String>,
    response: String,
}

impl AttemptRow {
    pub(crate) fn into_attempt(self) -> DeliveryAttempt {
        DeliveryAttempt {
            id: self.id.0,
            message: self.message,
            at: self.at.0,
            attempt: u32::try_from(self.attempt).unwrap_or_default(),
            status: self.status.and_then(|it| u16::try_from(it).ok()),
            milliseconds: self.milliseconds,
            error: self.error,
            response: self.response,
        }
    }
}
