//! The table that maps errors to status, `scimType`, detail and headers (RFC 7644 section 3.12).

mod answer;
mod headers;
mod reason;

use std::fmt;

use actix_web::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use scim_model::store::StoreError;
use scim_model::{ErrorKind, ScimError};

use self::answer::{ErrorResponse, store_error};
use super::media_type;
use super::rate_limits::Allowance;
use crate::service;

/// The reason for an unsuccessful response.
#[derive(Debug)]
pub enum Failure {
    /// The request is invalid.
    Scim(ScimError),
    /// The service returned an error.
    Service(service::Error),
    /// The request has no valid token.
    Unauthorized {
        /// Whether the request has a token at all (RFC 6750 section 3.1).
        token_presented: bool,
    },
    /// The token does not permit writes.
    InsufficientScope,
    /// The connection of the credential is paused: 403.
    Paused,
    /// No endpoint has this path.
    NoSuchPath,
    /// The path does not support the method; the value lists the supported ones.
    MethodNotAllowed(String),
    /// The method is not a standard HTTP method.
    UnknownMethod,
    /// The request needs the optional SCIM feature of this name, which this server does not support.
    NotSupported(&'static str),
    /// The body of the request has another media type than SCIM's JSON.
    UnsupportedMediaType,
    /// The body is compressed.
    UnsupportedEncoding,
    /// The client does not accept SCIM's JSON.
    NotAcceptable,
    /// The work for the request has begun and does not end. It may still take effect.
    Overdue,
    /// The body did not arrive before the deadline.
    BodyTimeout,
    /// The client has sent more requests than it may.
    RateLimited {
        /// The permitted requests in a second.
        rate: u32,
        /// The state of its bucket.
        allowance: Allowance,
    },
    /// The query string is longer than this number of bytes.
    QueryTooLong(usize),
    /// A request to a discovery endpoint has a filter.
    DiscoveryFilter,
    /// No discovery document has this name.
    NoSuchDocument,
    /// The server has a defect; the text is for the log.
    Internal(String),
}

impl From<ScimError> for Failure {
    fn from(error: ScimError) -> Failure {
        Failure::Scim(error)
    }
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Failure {
        Failure::Service(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.to_error_response(&Method::GET, "-").detail)
    }
}

impl std::error::Error for Failure {}

/// `middleware::errors` replaces this response, because it knows method and id of the request.
impl ResponseError for Failure {
    fn error_response(&self) -> HttpResponse {
        self.to_response(&Method::GET, "-")
    }
}

impl Failure {
    /// The failure of a request that reached a handler or an extractor without passing through the routes of this
    /// crate.
    pub(super) fn not_mounted() -> Failure {
        Failure::Internal("the application does not mount the routes of scim-server".to_owned())
    }

    /// Returns the response to the client. `request_id` leads the operator to the message in the log.
    pub fn to_response(&self, method: &Method, request_id: &str) -> HttpResponse {
        // RFC 9110 section 15.4.5: a 304 repeats the tag and has no body.
        if let Failure::Service(service::Error::NotModified { etag, location }) = self {
            let mut response = HttpResponse::NotModified();
            response.insert_header((ETAG, etag.as_str()));
            return response
                .insert_header((CONTENT_LOCATION, location.as_str()))
                .finish();
        }
        let answer = self.to_error_response(method, request_id);
        let mut response = HttpResponse::build(answer.status);
        for (name, value) in self.headers(method) {
            response.insert_header((name, value));
        }
        response
            .insert_header((CONTENT_TYPE, media_type::SCIM_JSON))
            .body(answer.to_json().to_string())
    }

    /// Maps the error to status, `scimType` and detail.
    fn to_error_response(&self, method: &Method, request_id: &str) -> ErrorResponse {
        use service::Error as E;
        let answer = |status, detail: &str| ErrorResponse::new(status, None, detail);
        match self {
            Failure::Scim(error) | Failure::Service(E::Scim(error)) if error.kind != ErrorKind::Internal => {
                error.into()
            }
            Failure::Unauthorized {
                token_presented: false,
            } => answer(StatusCode::UNAUTHORIZED, "a bearer token is required"),
            Failure::Unauthorized {
                token_presented: true,
            } => answer(StatusCode::UNAUTHORIZED, "the bearer token is not valid"),
            Failure::InsufficientScope => answer(StatusCode::FORBIDDEN, "the token is read-only"),
            Failure::Paused => answer(
                StatusCode::FORBIDDEN,
                "the connection of this credential is paused: an operator can resume it",
            ),
            Failure::DiscoveryFilter => answer(
                StatusCode::FORBIDDEN,
                "discovery endpoints do not support `filter`",
            ),
            Failure::NoSuchPath => answer(StatusCode::NOT_FOUND, "no endpoint has this path"),
            Failure::NoSuchDocument => answer(StatusCode::NOT_FOUND, "the discovery document does not exist"),
            Failure::MethodNotAllowed(allowed) => answer(
                StatusCode::METHOD_NOT_ALLOWED,
                &format!("`{method}` is not allowed here: use one of {allowed}"),
            ),
            Failure::NotAcceptable => answer(
                StatusCode::NOT_ACCEPTABLE,
                &format!("responses have the media type `{}` only", media_type::SCIM_JSON),
            ),
            Failure::Overdue => answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the storage did not answer in time: a write may or may not have taken effect",
            ),
            Failure::BodyTimeout => answer(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            // RFC 6585 section 4
            Failure::RateLimited { rate, allowance } => answer(
                StatusCode::TOO_MANY_REQUESTS,
                &format!(
                    "too many requests: this connection may send {rate} a second, and {} at once: try again in {} s",
                    allowance.burst, allowance.reset
                ),
            ),
            Failure::QueryTooLong(limit) => answer(
                StatusCode::URI_TOO_LONG,
                &format!(
                    "the query string is longer than {limit} bytes: send the query in the body of a POST to `/.search`"
                ),
            ),
            Failure::UnsupportedMediaType => answer(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &format!("the body must be one of {} in UTF-8", media_type::ACCEPTED),
            ),
            Failure::UnsupportedEncoding => answer(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must not be compressed: send it without `Content-Encoding`",
            ),
            Failure::UnknownMethod => answer(StatusCode::NOT_IMPLEMENTED, "unknown method"),
            Failure::NotSupported(what) => {
                answer(StatusCode::NOT_IMPLEMENTED, &format!("{what} is not supported"))
            }
            Failure::Internal(_) | Failure::Scim(_) | Failure::Service(E::Scim(_)) => answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("internal error: see request {request_id} in the log of the server"),
            ),
            Failure::Service(E::NotFound) => answer(StatusCode::NOT_FOUND, "the resource does not exist"),
            Failure::Service(E::NotModified { .. }) => answer(StatusCode::NOT_MODIFIED, "not modified"),
            Failure::Service(E::PreconditionFailed) => store_error(&StoreError::Stale, request_id),
            Failure::Service(E::Contended) => answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "other requests keep changing the resource: try again later",
            ),
            Failure::Service(E::Overloaded) => store_error(&StoreError::Busy, request_id),
            Failure::Service(E::Store(error)) => store_error(error, request_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
    use scim_model::ScimType;
    use uuid::Uuid;

    use super::*;

    fn response_to(error: StoreError) -> (ErrorResponse, Vec<(HeaderName, HeaderValue)>) {
        let failure = Failure::Service(error.into());
        (
            failure.to_error_response(&Method::GET, "4711"),
            failure.headers(&Method::GET),
        )
    }

    /// 7644-3.12-04, 7644-3.12-13: the client gets the id of the request, and the log the reason.
    #[test]
    fn the_cause_of_a_store_failure_is_logged_and_not_sent() {
        let failure = || StoreError::Unavailable("disk of host-7 is full".into());
        let (error, headers) = response_to(failure());
        assert_eq!(error.status.as_u16(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            error.detail.contains("4711") && !error.detail.contains("host-7"),
            "{}",
            error.detail
        );
        assert_eq!(headers[0].0, RETRY_AFTER);
        let (level, text) = Failure::Service(failure().into()).log_message().unwrap();
        assert_eq!(
            (level, text.as_str()),
            (log::Level::Error, "disk of host-7 is full")
        );
        let broken = Failure::Internal("a request panicked".to_owned());
        let (level, text) = broken.log_message().unwrap();
        assert_eq!((level, text.as_str()), (log::Level::Error, "a request panicked"));
        assert_eq!(Failure::NoSuchPath.log_message(), None);
        let shown = Failure::from(ScimError::new(ScimType::InvalidPath, "no such path")).to_string();
        assert_eq!(shown, "no such path");
        let error = broken.to_error_response(&Method::GET, "4711");
        assert_eq!((error.status.as_u16(), error.scim_type), (500, None));
        assert!(
            error.detail.contains("4711") && !error.detail.contains("panicked"),
            "{}",
            error.detail
        );
    }

    /// 7644-3.4.2.1-02, 7644-3.12-10, 7644-3.12-15
    #[test]
    fn errors_of_the_store_have_their_scim_type() {
        let conflict = StoreError::Conflict {
            attribute: "userName".to_owned(),
        };
        let (error, _) = response_to(conflict);
        assert_eq!(
            (error.status.as_u16(), error.scim_type, &*error.detail),
            (409, Some(ScimType::Uniqueness), "`userName` is already taken")
        );
        let expensive = StoreError::TooExpensive {
            attribute: "title".to_owned(),
        };
        let (error, _) = response_to(expensive);
        assert_eq!(
            (error.status.as_u16(), error.scim_type),
            (400, Some(ScimType::TooMany))
        );
        assert!(error.detail.contains("`title`"), "{}", error.detail);
        let (error, headers) = response_to(StoreError::TooManyScans {
            attribute: "title".to_owned(),
        });
        assert_eq!((error.status.as_u16(), &headers[0].0), (503, &RETRY_AFTER));
        assert!(error.detail.contains("`title`"), "{}", error.detail);
        let (error, _) = response_to(StoreError::TooManyMembers { most: 70 });
        assert_eq!(
            (error.status.as_u16(), error.scim_type),
            (400, Some(ScimType::TooMany))
        );
        assert!(
            error.detail.contains("more than 70 `members`"),
            "{}",
            error.detail
        );
        let (error, headers) = response_to(StoreError::Busy);
        assert_eq!((error.status.as_u16(), &headers[0].0), (503, &RETRY_AFTER));
    }

    #[test]
    fn the_kind_of_an_error_decides_its_status() {
        for (error, status) in [
            (ScimError::new(ScimType::Uniqueness, "x"), 409),
            (ScimError::new(ScimType::Sensitive, "x"), 403),
            (ScimError::at(ScimType::Mutability, "title", "x"), 400),
            (ScimError::too_large("x"), 413),
            (ScimError::internal("x"), 500),
        ] {
            let answer = ErrorResponse::from(&error);
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(
                (answer.scim_type, answer.detail),
                (error.scim_type(), error.detail)
            );
        }
    }

    #[test]
    fn the_detail_of_an_internal_error_is_for_the_log() {
        let failure = Failure::Service(ScimError::internal("a stored document is damaged").into());
        let answer = failure.to_error_response(&Method::PUT, "4711");
        assert_eq!((answer.status.as_u16(), answer.scim_type), (500, None));
        assert!(
            answer.detail.contains("4711") && !answer.detail.contains("damaged"),
            "{}",
            answer.detail
        );
        let logged = (log::Level::Error, "a stored document is damaged".to_owned());
        assert_eq!(failure.log_message(), Some(logged));
        let refused = Failure::Scim(ScimError::new(ScimType::InvalidValue, "x"));
        assert_eq!(refused.log_message(), None);
    }

    #[test]
    fn contention_is_temporary_and_every_503_has_its_reason_in_the_log() {
        let response = Failure::Service(service::Error::Contended).to_response(&Method::PATCH, "4711");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let attribute = "title".to_owned();
        for error in [
            service::Error::Contended,
            service::Error::Overloaded,
            StoreError::Busy.into(),
            StoreError::TooManyScans { attribute }.into(),
            StoreError::Unavailable("the disk is full".into()).into(),
        ] {
            let failure = Failure::Service(error);
            let response = failure.to_response(&Method::PATCH, "4711");
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(RETRY_AFTER), "{failure:?}");
            assert!(failure.log_message().is_some(), "{failure:?}");
        }
    }

    #[test]
    fn only_the_first_unknown_members_are_named() {
        let ids: Vec<Uuid> = (0..7).map(Uuid::from_u128).collect();
        let (error, _) = response_to(StoreError::UnknownMembers(ids));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(
            error.detail.contains(&format!("`{}`", Uuid::from_u128(4))),
            "{}",
            error.detail
        );
        assert!(error.detail.ends_with("and 2 more"), "{}", error.detail);
        let five: Vec<Uuid> = (0..5).map(Uuid::from_u128).collect();
        let (error, _) = response_to(StoreError::UnknownMembers(five));
        assert!(
            error.detail.ends_with(&format!("`{}`", Uuid::from_u128(4))),
            "{}",
            error.detail
        );
    }
}
