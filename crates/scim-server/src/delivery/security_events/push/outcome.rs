//! The meaning of a receiver's answer (RFC 8935 sections 2.2 to 2.4).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::delivery::retry_after::retry_after;
use crate::egress::{EgressError, Response};

/// The most characters of a receiver's text that are kept.
const MAX_TEXT: usize = 1_000;

/// The delays between two attempts; the last one repeats.
const DELAYS: [TimeDelta; 6] = [
    TimeDelta::seconds(1),
    TimeDelta::seconds(5),
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(10),
    TimeDelta::hours(1),
];

/// The meaning of an answer for the token and the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has the token.
    Delivered,
    /// The receiver will never take this token. Later ones are sent.
    Refused {
        /// The word of the receiver.
        error: String,
        /// The reason in the words of the receiver.
        description: String,
    },
    /// The receiver takes no token until somebody changes something. The stream pauses for this reason.
    Pause(String),
    /// The same token may succeed later.
    Retry {
        /// The reason.
        error: String,
        /// The pause that the receiver asked for.
        after: Option<TimeDelta>,
    },
}

impl Outcome {
    /// Returns the reason why the receiver did not take the token.
    pub(super) fn error(&self) -> Option<String> {
        match self {
            Outcome::Delivered => None,
            Outcome::Refused { error, description } if description.is_empty() => Some(error.clone()),
            Outcome::Refused { error, description } => Some(format!("{error}: {description}")),
            Outcome::Pause(reason) => Some(reason.clone()),
            Outcome::Retry { error, .. } => Some(error.clone()),
        }
    }
}

/// Returns the meaning of the result of a request.
pub(super) fn judge(result: &Result<Response, EgressError>, now: DateTime<Utc>) -> Outcome {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            return Outcome::Retry {
                error: error.to_string(),
                after: None,
            };
        }
    };
    match response.status {
        200..=299 => Outcome::Delivered,
        400 => judge_error(&response.body),
        status @ (401 | 403 | 410) => Outcome::Pause(format!("status {status}")),
        status @ 300..=399 => Outcome::Retry {
            error: format!("status {status}: redirects are not followed"),
            after: None,
        },
        status => Outcome::Retry {
            error: format!("status {status}"),
            after: response.header("retry-after").and_then(|it| retry_after(it, now)),
        },
    }
}

/// Returns the meaning of an error object `{"err": …, "description": …}`.
fn judge_error(body: &[u8]) -> Outcome {
    let object: Option<Value> = serde_json::from_slice(body).ok();
    let text = |name: &str| {
        let text = object.as_ref()?.get(name)?.as_str()?;
        let shown = text.chars().filter(|it| !it.is_control());
        Some(shown.take(MAX_TEXT).collect::<String>())
    };
    let Some(error) = text("err") else {
        return Outcome::Refused {
            error: "invalid_request".to_owned(),
            description: "status 400 without an error code".to_owned(),
        };
    };
    let description = text("description").unwrap_or_default();
    match error.as_str() {
        "invalid_key" | "authentication_failed" | "access_denied" => Outcome::Pause(
            format!("{error}: {description}")
                .trim_end_matches(": ")
                .to_owned(),
        ),
        _ => Outcome::Refused { error, description },
    }
}

/// Returns the delay after a number of failed attempts, at least 1. A pause that the receiver asked for is kept, unless it
/// is shorter.
pub(super) fn delay(failed: u32, asked: Option<TimeDelta>) -> TimeDelta {
    let index = (failed.saturating_sub(1) as usize).min(DELAYS.len() - 1);
    DELAYS[index].max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, retry_after: Option<&str>, body: &str) -> Result<Response, EgressError> {
        let headers = retry_after.map(|it| ("retry-after".to_owned(), it.to_owned()));
        Ok(Response {
            status,
            headers: headers.into_iter().collect(),
            body: body.as_bytes().to_vec(),
        })
    }

    /// evt-97, evt-98, evt-99
    // Table: statuses and bodies.
    #[test]
    fn each_answer_has_its_meaning() {
        let refused = |error: &str, description: &str| Outcome::Refused {
            error: error.to_owned(),
            description: description.to_owned(),
        };
        let retry = |error: &str, seconds: Option<i64>| Outcome::Retry {
            error: error.to_owned(),
            after: seconds.map(TimeDelta::seconds),
        };
        let pause = |reason: &str| Outcome::Pause(reason.to_owned());
        for (status, after, body, expected) in [
            (202, None, "", Outcome::Delivered),
            (200, None, "ok", Outcome::Delivered),
            (204, None, "", Outcome::Delivered),
            (
                400,
                None,
                r#"{"err":"invalid_request","description":"no"}"#,
                refused("invalid_request", "no"),
            ),
            (
                400,
                None,
                r#"{"err":"invalid_audience"}"#,
                refused("invalid_audience", ""),
            ),
            (
                400,
                None,
                r#"{"err":"invalid_issuer","description":"a\u0007b"}"#,
                refused("invalid_issuer", "ab"),
            ),
            (
                400,
                None,
                r#"{"err":"invalid_state"}"#,
                refused("invalid_state", ""),
            ),
            (400, None, r#"{"err":"unheard_of"}"#, refused("unheard_of", "")),
            (
                400,
                None,
                r#"{"err":"invalid_key","description":"which"}"#,
                pause("invalid_key: which"),
            ),
            (
                400,
                None,
                r#"{"err":"authentication_failed"}"#,
                pause("authentication_failed"),
            ),
            (400, None, r#"{"err":"access_denied"}"#, pause("access_denied")),
            (
                400,
                None,
                "no",
                refused("invalid_request", "status 400 without an error code"),
            ),
            (401, None, "", pause("status 401")),
            (403, None, "", pause("status 403")),
            (410, None, "", pause("status 410")),
            (
                302,
                None,
                "",
                retry("status 302: redirects are not followed", None),
            ),
            (404, None, "", retry("status 404", None)),
            (429, Some("120"), "", retry("status 429", Some(120))),
            (500, None, "", retry("status 500", None)),
            (503, Some("7"), "", retry("status 503", Some(7))),
        ] {
            let result = response(status, after, body);
            assert_eq!(judge(&result, DateTime::UNIX_EPOCH), expected, "{status} {body}");
        }
        let failed = Err(EgressError::Timeout);
        assert_eq!(
            judge(&failed, DateTime::UNIX_EPOCH),
            retry("no response in time", None)
        );
    }

    #[test]
    fn evt_99_delays_grow() {
        let seconds = |failed, asked: Option<i64>| delay(failed, asked.map(TimeDelta::seconds)).num_seconds();
        let usual: Vec<i64> = (1..=8).map(|failed| seconds(failed, None)).collect();
        assert_eq!(usual, [1, 5, 30, 120, 600, 3600, 3600, 3600]);
        assert_eq!(seconds(1, Some(60)), 60);
        assert_eq!(seconds(5, Some(60)), 600);
    }
}
