//! Errors of the management API, as `application/problem+json` (RFC 9457).

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};
use scim_model::store::StoreError;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::auth::Refusal;
use crate::http::error::Failure;
use crate::http::middleware::request_context::RequestContext;
use crate::management::{ManagementError, Timestamp};
use crate::service;

/// The media type of errors.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProblemBody {
    /// Identifies the kind of problem: `urn:scim-server:problem:` and a word.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: String,
    /// The status of the response.
    status: u16,
    /// This occurrence of the problem.
    detail: String,
    /// The id of the request, which leads to its line in the log.
    request_id: String,
    /// The members, parameters or headers that are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// Further members of some kinds of problems.
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

/// A member, a parameter or a header that is to blame.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// Its name; names of inner members follow a `.`.
    field: String,
    /// The problem, and the values that are valid.
    detail: String,
}

/// A kind of problem: its word, title and status.
type Kind = (&'static str, &'static str, StatusCode);

const INVALID: Kind = (
    "invalid-request",
    "The request is invalid",
    StatusCode::BAD_REQUEST,
);
const UNAUTHENTICATED: Kind = (
    "unauthenticated",
    "The request has no valid operator key",
    StatusCode::UNAUTHORIZED,
);
const FORBIDDEN: Kind = (
    "forbidden",
    "The operator key does not allow this operation",
    StatusCode::FORBIDDEN,
);
const NOT_FOUND: Kind = ("not-found", "The object does not exist", StatusCode::NOT_FOUND);
const METHOD_NOT_ALLOWED: Kind = (
    "method-not-allowed",
    "The path does not support the method",
    StatusCode::METHOD_NOT_ALLOWED,
);
const TIMEOUT: Kind = (
    "timeout",
    "The request did not arrive in time",
    StatusCode::REQUEST_TIMEOUT,
);
const CONFLICT: Kind = (
    "conflict",
    "The operation contradicts the state of the server",
    StatusCode::CONFLICT,
);
const GONE: Kind = (
    "position-lost",
    "The feed cannot continue after the position",
    StatusCode::GONE,
);
const DROPPED: Kind = (
    "history-dropped",
    "The journal no longer has the state",
    StatusCode::GONE,
);
const STALE: Kind = ("stale", "The object has changed", StatusCode::PRECONDITION_FAILED);
const TOO_LARGE: Kind = (
    "too-large",
    "The body is too large",
    StatusCode::PAYLOAD_TOO_LARGE,
);
const MEDIA_TYPE: Kind = (
    "unsupported-media-type",
    "The body has another media type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
);
const KEY_REUSED: Kind = (
    "idempotency-key-reused",
    "The idempotency key belongs to another request",
    StatusCode::UNPROCESSABLE_ENTITY,
);
const TOO_MANY: Kind = (
    "too-many-streams",
    "Too many streams are open",
    StatusCode::TOO_MANY_REQUESTS,
);
const TOO_SOON: Kind = (
    "too-soon",
    "The request came too soon after another one",
    StatusCode::TOO_MANY_REQUESTS,
);
const UNAVAILABLE: Kind = (
    "unavailable",
    "The server cannot answer now",
    StatusCode::SERVICE_UNAVAILABLE,
);
const INTERNAL: Kind = (
    "internal",
    "The server has a defect",
    StatusCode::INTERNAL_SERVER_ERROR,
);

/// The reason for an unsuccessful response.
#[derive(Debug)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    detail: String,
    errors: Vec<FieldProblem>,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The cause, which the client must not see.
    log: Option<String>,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem(Box::new(Parts {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            headers: Vec::new(),
            log: None,
        }))
    }

    /// Sets the text for the log.
    fn with_cause(mut self, cause: impl Into<String>) -> Problem {
        self.0.log = Some(cause.into());
        self
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    /// 400, without a member or parameter that is to blame.
    pub(super) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(INVALID, detail)
    }

    /// 400 for the value of a member or a parameter.
    pub(super) fn invalid(field: &str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        let mut problem = Problem::new(INVALID, format!("`{field}`: {detail}"));
        problem.blame(field, detail);
        problem
    }

    /// Names the member, parameter or header that is to blame, in place of another one.
    pub(super) fn at(mut self, field: &str) -> Problem {
        let detail = self.0.detail.clone();
        self.0.errors.clear();
        self.blame(field, detail);
        self
    }

    fn blame(&mut self, field: &str, detail: String) {
        let field = field.to_owned();
        self.0.errors.push(FieldProblem { field, detail });
    }

    /// 401. `is_presented` says whether the request has a key at all (RFC 6750 section 3.1).
    pub(super) fn unauthenticated(is_presented: bool) -> Problem {
        let (detail, challenge) = match is_presented {
            false => (
                "send an operator key as `Authorization: Bearer opk_…`",
                r#"Bearer realm="management""#,
            ),
            true => (
                "the operator key is not valid; tokens of connections are not accepted here",
                r#"Bearer realm="management", error="invalid_token""#,
            ),
        };
        Problem::new(UNAUTHENTICATED, detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 403, because the key has another scope.
    pub(super) fn insufficient_scope(needed: &'static str) -> Problem {
        let challenge = format!(r#"Bearer realm="management", error="insufficient_scope", scope="{needed}""#);
        let problem = Problem::new(FORBIDDEN, format!("the operation needs the scope `{needed}`"));
        match HeaderValue::from_str(&challenge) {
            Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }

    /// 403 for an operation that concerns all tenants.
    pub(super) fn limited_key() -> Problem {
        let text = "the operator key is limited to tenants, and the operation concerns all tenants";
        let challenge = r#"Bearer realm="management", error="insufficient_scope""#;
        Problem::new(FORBIDDEN, text).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 404
    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(NOT_FOUND, detail)
    }

    /// 405. `allowed` lists the methods that the path supports.
    pub(super) fn method_not_allowed(allowed: &str) -> Problem {
        let problem = Problem::new(METHOD_NOT_ALLOWED, format!("use one of {allowed}"));
        match HeaderValue::from_str(allowed) {
            Ok(allowed) => problem.with_header(ALLOW, allowed),
            Err(_) => problem,
        }
    }

    /// 408
    pub(super) fn timeout() -> Problem {
        Problem::new(TIMEOUT, "the body did not arrive in time")
    }

    /// 409
    pub(super) fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(CONFLICT, detail)
    }

    /// 409 for a request that another request with the same idempotency key precedes.
    pub(super) fn in_progress() -> Problem {
        Problem::new(
            CONFLICT,
            "a request with the same `Idempotency-Key` is in progress: try again later",
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("2"))
    }

    /// 410 for a place of the feed, which is the parameter `after` unless [`Problem::at`] names another. `oldest` is the
    /// oldest place that misses nothing.
    pub(super) fn gone(detail: String, reason: &str, oldest: String) -> Problem {
        let mut problem = Problem::new(GONE, detail);
        problem.0.more.insert("reason".to_owned(), reason.into());
        problem.0.more.insert("oldest".to_owned(), oldest.into());
        problem.at("after")
    }

    /// Returns whether it is the 410 for a place of the feed.
    pub(super) fn is_gone(&self) -> bool {
        self.0.kind.2 == StatusCode::GONE
    }

    /// 410 for a state before the changes that the journal has. `since` is the time of the earliest known states.
    fn dropped(detail: String, since: Timestamp) -> Problem {
        let mut problem = Problem::new(DROPPED, detail);
        problem
            .0
            .more
            .insert("since".to_owned(), since.to_string().into());
        problem
    }

    /// 412
    pub(super) fn stale() -> Problem {
        Problem::new(
            STALE,
            "the object differs from the one that `If-Match` names: read it again",
        )
    }

    /// 413
    pub(super) fn too_large(limit: usize) -> Problem {
        Problem::new(TOO_LARGE, format!("the body is larger than {limit} bytes"))
    }

    /// 415
    pub(super) fn unsupported_media_type(detail: impl Into<String>) -> Problem {
        Problem::new(MEDIA_TYPE, detail)
    }

    /// 422 for an idempotency key that belongs to another request.
    pub(super) fn key_reused() -> Problem {
        Problem::new(
            KEY_REUSED,
            "the `Idempotency-Key` was used for another request: use a new key for each request",
        )
    }

    /// 429 for a request that repeats another one.
    pub(super) fn too_soon(detail: impl Into<String>) -> Problem {
        Problem::new(TOO_SOON, detail).with_header(RETRY_AFTER, HeaderValue::from_static("10"))
    }

    /// 429 for a stream.
    pub(super) fn too_many_streams(detail: impl Into<String>) -> Problem {
        Problem::new(TOO_MANY, detail).with_header(RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Returns whether the same request may succeed soon.
    pub(super) fn is_temporary(&self) -> bool {
        self.0.kind.2 == StatusCode::SERVICE_UNAVAILABLE
    }

    /// 503
    pub(super) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(UNAVAILABLE, detail).with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 500; the cause is for the log.
    pub(super) fn internal(cause: impl Into<String>) -> Problem {
        Problem::new(INTERNAL, "internal error: the log of the server has the cause").with_cause(cause)
    }

    #[cfg(test)]
    pub(super) fn field_errors(&self) -> &[FieldProblem] {
        &self.0.errors
    }

    fn to_response(&self, request_id: &str) -> HttpResponse {
        let (word, title, status) = self.0.kind;
        let body = ProblemBody {
            kind: format!("urn:scim-server:problem:{word}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.0.detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.0.errors.clone(),
            more: self.0.more.clone(),
        };
        let mut response = HttpResponse::build(status);
        for header in &self.0.headers {
            response.insert_header(header.clone());
        }
        let body = serde_json::to_string(&body).unwrap_or_default();
        response.insert_header((CONTENT_TYPE, PROBLEM_JSON)).body(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0.detail)
    }
}

/// [`render`] replaces this response, because it knows the id of the request.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.2
    }

    fn error_response(&self) -> HttpResponse {
        self.to_response("-")
    }
}

impl From<ManagementError> for Problem {
    fn from(error: ManagementError) -> Problem {
        match error {
            ManagementError::NoTenant(_) => Problem::not_found(error.to_string()).at("tenant"),
            ManagementError::NotFound { field, detail } => Problem::not_found(detail).at(field),
            ManagementError::Dropped { since } => Problem::dropped(error.to_string(), since),
            ManagementError::Invalid { field, detail } => Problem::invalid(&field, detail),
            ManagementError::Refused(text) => Problem::conflict(text),
            ManagementError::Store(error) => error.into(),
            ManagementError::Random(error) => Problem::internal(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Stale => Problem::stale(),
            StoreError::Conflict { .. } => Problem::conflict(error.to_string()),
            StoreError::Busy => Problem::unavailable("the storage has too much work: try again later"),
            error => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let text = format!("{error}: {}", cause.unwrap_or_default());
                Problem::unavailable("the storage does not respond: try again later").with_cause(text)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::NoCredentials => Problem::unauthenticated(false),
            Refusal::InvalidCredentials | Refusal::Paused => Problem::unauthenticated(true),
            Refusal::Failed(failure) => failure.into(),
        }
    }
}

/// The failures of work on the pool of threads.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        match failure {
            Failure::Service(service::Error::Store(error)) => error.into(),
            Failure::Service(service::Error::Overloaded) => {
                Problem::unavailable("the server has too much work: try again later")
            }
            Failure::Overdue => Problem::unavailable(
                "the storage did not answer in time: a change may or may not have taken effect",
            ),
            Failure::Internal(cause) => Problem::internal(cause),
            other => Problem::internal(other.to_string()),
        }
    }
}

/// Turns the problem of a handler or an extractor into its response, and logs the part that the client must not see.
pub(super) async fn render(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let response = next.call(request).await?;
    let Some(error) = response.response().error() else {
        return Ok(response);
    };
    let context = RequestContext::of(response.request());
    let rendered = match error.as_error::<Problem>() {
        Some(problem) => {
            if let Some(cause) = &problem.0.log {
                log::error!(request_id = context.id; "{} {cause}", context.id);
            }
            problem.to_response(&context.id)
        }
        // An extractor of actix-web failed, such as that of a path that is not UTF-8.
        None if error.as_response_error().status_code().is_client_error() => {
            Problem::malformed("the path is not valid").to_response(&context.id)
        }
        None => {
            log::error!(request_id = context.id; "{} {error}", context.id);
            Problem::internal("").to_response(&context.id)
        }
    };
    Ok(response.into_response(rendered))
}
