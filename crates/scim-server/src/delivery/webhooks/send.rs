//! One attempt to deliver a message: the request, and what its result means.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::queue::Outcome;
use super::signature::{WebhookSecret, sign};
use crate::delivery::logged::logged;
use crate::delivery::retry_after::retry_after;
use crate::egress::{Egress, EgressError, Limits, Method, Oversize, Request, Response};

/// The time for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The time for everything.
const TOTAL: Duration = Duration::from_secs(15);

/// The most bytes of a response that are read.
const RESPONSE_BYTES: usize = 16 * 1024;

/// A request to an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The URL of the endpoint.
    pub(super) url: String,
    /// Headers of the endpoint in addition to those of every message.
    pub(super) headers: Vec<(String, String)>,
    /// The secrets that sign.
    pub(super) secrets: Vec<WebhookSecret>,
    /// The id of the message.
    pub(super) id: String,
    /// The body.
    pub(super) body: String,
    /// The most time that the request may take.
    pub(super) most: Duration,
}

/// The result of a request.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The time of the request.
    pub(super) at: DateTime<Utc>,
    /// The time that it took.
    pub(super) took: Duration,
    /// The status of the response, if there was one.
    pub(super) status: Option<u16>,
    /// The reason why the message counts as not delivered.
    pub(super) error: Option<String>,
    /// The beginning of the body of the response.
    pub(super) response: String,
    /// The meaning of the result for the message and the endpoint.
    pub(super) outcome: Outcome,
}

/// Sends a request, and waits for its end. `at` is the time of the request.
pub(super) fn send(egress: &Egress, attempt: &Attempt, at: DateTime<Utc>) -> Sent {
    let began = Instant::now();
    let result = request(egress, attempt, at);
    let took = began.elapsed();
    let outcome = judge(&result, at);
    let error = match &outcome {
        Outcome::Failed { error, .. } => Some(error.clone()),
        Outcome::Gone => Some("status 410".to_owned()),
        Outcome::Delivered | Outcome::Lost | Outcome::Unwanted | Outcome::NotSent => None,
    };
    let response = result.as_ref().ok();
    Sent {
        at,
        took,
        status: response.map(|it| it.status),
        error,
        response: response.map(|it| logged(&it.body)).unwrap_or_default(),
        outcome,
    }
}

fn request(egress: &Egress, attempt: &Attempt, at: DateTime<Utc>) -> Result<Response, EgressError> {
    let target = egress.target(&attempt.url)?;
    let seconds = at.timestamp();
    let signature = sign(&attempt.secrets, &attempt.id, seconds, attempt.body.as_bytes());
    let seconds = seconds.to_string();
    let mut headers = vec![
        ("content-type", "application/json"),
        ("webhook-id", &attempt.id),
        ("webhook-timestamp", &seconds),
        ("webhook-signature", &signature),
    ];
    let others = attempt.headers.iter();
    headers.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
    let request = Request {
        method: Method::Post,
        target: &target,
        headers: &headers,
        body: attempt.body.as_bytes(),
    };
    let limits = Limits {
        connect: CONNECT.min(attempt.most),
        total: TOTAL.min(attempt.most),
        body: RESPONSE_BYTES,
        oversize: Oversize::Truncate,
    };
    egress.send(&request, &limits)
}

/// Returns what the result of a request means: only a status from 200 to 299 is a success.
fn judge(result: &Result<Response, EgressError>, now: DateTime<Utc>) -> Outcome {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            return Outcome::Failed {
                error: error.to_string(),
                retry_after: None,
                overloaded: false,
            };
        }
    };
    let error = match response.status {
        200..=299 => return Outcome::Delivered,
        410 => return Outcome::Gone,
        status @ 300..=399 => format!("status {status}: redirects are not followed"),
        status => format!("status {status}"),
    };
    let overloaded = matches!(response.status, 429 | 502 | 504);
    let pause: Option<TimeDelta> = response
        .header("retry-after")
        .and_then(|text| retry_after(text, now));
    Outcome::Failed {
        error,
        retry_after: pause,
        overloaded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, retry_after: Option<&str>) -> Result<Response, EgressError> {
        let headers = retry_after.map(|it| ("retry-after".to_owned(), it.to_owned()));
        Ok(Response {
            status,
            headers: headers.into_iter().collect(),
            body: Vec::new(),
        })
    }

    /// evt-15, evt-16
    #[test]
    fn evt_14_only_2xx_is_a_success() {
        let failed = |error: &str, seconds: Option<i64>, overloaded| Outcome::Failed {
            error: error.to_owned(),
            retry_after: seconds.map(TimeDelta::seconds),
            overloaded,
        };
        for (status, retry_after, expected) in [
            (200, None, Outcome::Delivered),
            (204, None, Outcome::Delivered),
            (299, None, Outcome::Delivered),
            (
                302,
                None,
                failed("status 302: redirects are not followed", None, false),
            ),
            (400, None, failed("status 400", None, false)),
            (404, Some("x"), failed("status 404", None, false)),
            (410, None, Outcome::Gone),
            (429, Some("120"), failed("status 429", Some(120), true)),
            (500, None, failed("status 500", None, false)),
            (502, None, failed("status 502", None, true)),
            (503, Some("7"), failed("status 503", Some(7), false)),
            (504, Some("7"), failed("status 504", Some(7), true)),
        ] {
            let result = response(status, retry_after);
            assert_eq!(judge(&result, DateTime::UNIX_EPOCH), expected, "{status}");
        }
        let refused = Err(EgressError::Timeout);
        assert_eq!(
            judge(&refused, DateTime::UNIX_EPOCH),
            failed("no response in time", None, false)
        );
    }

    #[test]
    fn evt_24_the_log_has_the_first_kibibyte_of_a_response() {
        assert_eq!(logged(&[b'a'; 5000]).len(), 1024);
        assert_eq!(logged(b"a\n\x1b[31m\xff"), "a\n\u{fffd}[31m\u{fffd}");
    }
}
