//! The one table from errors to status, `scimType` and headers (RFC 7644 section 3.12).

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCEPT, ALLOW, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use scim_model::internal::error_body;
use scim_model::store::StoreError;
use scim_model::{ErrorKind, ScimError, ScimType};
use serde_json::Value;

use super::body;
use crate::service;

/// Why a request has no success to answer with.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for is wrong in itself.
    Scim(ScimError),
    /// What the service says.
    Service(service::Error),
    /// No valid token.
    Unauthorized {
        /// Whether there was one at all (RFC 6750 section 3.1).
        token_presented: bool,
    },
    /// The token may not write.
    InsufficientScope,
    /// Nothing is served under this path.
    NoSuchPath,
    /// The path has other methods, these.
    MethodNotAllowed(String),
    /// Not one of HTTP's methods.
    UnknownMethod,
    /// An optional part of SCIM that this server does without, by its name.
    NotSupported(&'static str),
    /// Not SCIM's JSON.
    UnsupportedMediaType,
    /// The client does not accept SCIM's JSON.
    NotAcceptable,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The query string has more bytes than this.
    QueryTooLong(usize),
    /// A filter on a discovery endpoint.
    DiscoveryFilter,
    /// There is no discovery document of this name.
    NoSuchDocument,
    /// Something in this server is broken; the text is for the log.
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

impl Failure {
    /// What only the log may know, with its level.
    pub fn for_the_log(&self) -> Option<(log::Level, String)> {
        match self {
            Failure::Service(service::Error::Store(StoreError::Unavailable(source))) => {
                Some((log::Level::Error, with_sources(&**source)))
            }
            Failure::Internal(text) => Some((log::Level::Error, text.clone())),
            _ => None,
        }
    }

    /// What the client is told. `request_id` leads the operator to the line in the log.
    pub fn to_response(&self, method: &Method, request_id: &str) -> HttpResponse {
        // RFC 9110 section 15.4.5: a 304 repeats the tag and has no body.
        if let Failure::Service(service::Error::NotModified { etag, location }) = self {
            let mut response = HttpResponse::NotModified();
            response.insert_header((ETAG, etag.as_str()));
            return response
                .insert_header((CONTENT_LOCATION, location.as_str()))
                .finish();
        }
        let answer = self.to_answer(method, request_id);
        let mut response = HttpResponse::build(answer.status);
        for (name, value) in self.headers(method) {
            response.insert_header((name, value));
        }
        response
            .insert_header((CONTENT_TYPE, body::SCIM_JSON))
            .body(answer.to_json().to_string())
    }

    /// The table.
    fn to_answer(&self, method: &Method, request_id: &str) -> Answer {
        use service::Error as E;
        let answer = |status, detail: &str| Answer::new(status, None, detail);
        match self {
            Failure::Scim(error) | Failure::Service(E::Scim(error)) => error.into(),
            Failure::Unauthorized {
                token_presented: false,
            } => answer(StatusCode::UNAUTHORIZED, "a bearer token is needed"),
            Failure::Unauthorized {
                token_presented: true,
            } => answer(StatusCode::UNAUTHORIZED, "the bearer token is not valid"),
            Failure::InsufficientScope => answer(StatusCode::FORBIDDEN, "this token may only read"),
            Failure::DiscoveryFilter => answer(StatusCode::FORBIDDEN, "discovery cannot be filtered"),
            Failure::NoSuchPath => answer(StatusCode::NOT_FOUND, "nothing is served under this path"),
            Failure::NoSuchDocument => answer(StatusCode::NOT_FOUND, "there is no such document"),
            Failure::MethodNotAllowed(allowed) => answer(
                StatusCode::METHOD_NOT_ALLOWED,
                &format!("`{method}` is not possible here, only {allowed}"),
            ),
            Failure::NotAcceptable => answer(
                StatusCode::NOT_ACCEPTABLE,
                &format!("every answer is `{}`", body::SCIM_JSON),
            ),
            Failure::BodyTimeout => answer(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            Failure::QueryTooLong(limit) => answer(
                StatusCode::URI_TOO_LONG,
                &format!("the query has more than {limit} bytes; `POST` it to `/.search`"),
            ),
            Failure::UnsupportedMediaType => answer(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &format!("a body must be one of {}, in UTF-8", body::ACCEPTED),
            ),
            Failure::UnknownMethod => answer(StatusCode::NOT_IMPLEMENTED, "the method is not known"),
            Failure::NotSupported(what) => {
                answer(StatusCode::NOT_IMPLEMENTED, &format!("{what} is not supported"))
            }
            Failure::Internal(_) => answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("internal error; its number in the log is {request_id}"),
            ),
            Failure::Service(E::NotFound) => answer(StatusCode::NOT_FOUND, "there is no such resource"),
            Failure::Service(E::NotModified { .. }) => answer(StatusCode::NOT_MODIFIED, "not modified"),
            Failure::Service(E::PreconditionFailed) => store_error(&StoreError::Stale, request_id),
            Failure::Service(E::Contended) => answer(
                StatusCode::CONFLICT,
                "others keep changing the resource; please try again",
            ),
            Failure::Service(E::Overloaded) => store_error(&StoreError::Busy, request_id),
            Failure::Service(E::Store(error)) => store_error(error, request_id),
        }
    }

    fn headers(&self, method: &Method) -> Vec<(HeaderName, HeaderValue)> {
        let fixed = HeaderValue::from_static;
        match self {
            Failure::Unauthorized {
                token_presented: false,
            } => {
                vec![(WWW_AUTHENTICATE, fixed(r#"Bearer realm="scim""#))]
            }
            Failure::Unauthorized {
                token_presented: true,
            } => {
                vec![(
                    WWW_AUTHENTICATE,
                    fixed(r#"Bearer realm="scim", error="invalid_token""#),
                )]
            }
            Failure::InsufficientScope => {
                vec![(
                    WWW_AUTHENTICATE,
                    fixed(r#"Bearer realm="scim", error="insufficient_scope""#),
                )]
            }
            Failure::MethodNotAllowed(allowed) => HeaderValue::from_str(allowed)
                .map(|it| (ALLOW, it))
                .into_iter()
                .collect(),
            Failure::UnsupportedMediaType => {
                // RFC 5789 section 2.2; RFC 9110 section 15.5.16 names `Accept` for the others.
                let name = if method == Method::PATCH {
                    HeaderName::from_static("accept-patch")
                } else {
                    ACCEPT
                };
                vec![(name, fixed(body::ACCEPTED))]
            }
            Failure::Service(
                service::Error::Overloaded
                | service::Error::Store(
                    StoreError::Busy | StoreError::TooManyScans { .. } | StoreError::Unavailable(_),
                ),
            ) => vec![(RETRY_AFTER, fixed("1"))],
            _ => Vec::new(),
        }
    }
}

/// The status and the body of an error.
struct Answer {
    status: StatusCode,
    scim_type: Option<ScimType>,
    detail: String,
}

impl Answer {
    fn new(status: StatusCode, scim_type: Option<ScimType>, detail: impl Into<String>) -> Answer {
        Answer {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    fn of_scim_type(scim_type: ScimType, detail: impl Into<String>) -> Answer {
        let status = match scim_type {
            // A-16
            ScimType::Uniqueness => StatusCode::CONFLICT,
            ScimType::Sensitive => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        Answer::new(status, Some(scim_type), detail)
    }

    fn to_json(&self) -> Value {
        error_body(self.status.as_u16(), self.scim_type, &self.detail)
    }
}

impl From<&ScimError> for Answer {
    fn from(error: &ScimError) -> Answer {
        let detail = error.detail.as_str();
        match error.kind {
            ErrorKind::Scim(scim_type) => Answer::of_scim_type(scim_type, detail),
            ErrorKind::TooLarge => Answer::new(StatusCode::PAYLOAD_TOO_LARGE, None, detail),
            ErrorKind::Internal => Answer::new(StatusCode::INTERNAL_SERVER_ERROR, None, detail),
        }
    }
}

fn store_error(error: &StoreError, request_id: &str) -> Answer {
    let unavailable = |detail: String| Answer::new(StatusCode::SERVICE_UNAVAILABLE, None, detail);
    match error {
        StoreError::Conflict { attribute } => {
            Answer::of_scim_type(ScimType::Uniqueness, format!("`{attribute}` is already taken"))
        }
        StoreError::Stale => Answer::new(
            StatusCode::PRECONDITION_FAILED,
            None,
            "the resource has another version than the request asks for",
        ),
        StoreError::UnknownMembers(ids) => {
            // A few are enough to go by, and the answer stays short.
            let mut names = String::new();
            for id in ids.iter().take(5) {
                let _ = write!(names, "{}`{id}`", if names.is_empty() { "" } else { ", " });
            }
            let more = if ids.len() > 5 {
                format!(" and {} more", ids.len() - 5)
            } else {
                String::new()
            };
            Answer::of_scim_type(
                ScimType::InvalidValue,
                format!("`members` has no User or Group {names}{more}"),
            )
        }
        StoreError::TooExpensive { attribute } => Answer::of_scim_type(
            ScimType::TooMany,
            format!(
                "too many resources would have to be looked at for `{attribute}`: use `eq` or `sw` on an attribute \
                 with an index, leave `sortBy` out, or, if it has no index, give it one with `\"indexed\": true` in \
                 its schema"
            ),
        ),
        StoreError::TooManyScans { attribute } => unavailable(format!(
            "too many searches that look at each resource run just now, and this one would do so for \
             `{attribute}`; please try again"
        )),
        StoreError::TooManyMembers { most } => Answer::of_scim_type(
            ScimType::TooMany,
            format!(
                "the groups of this page have more than {most} `members` together: leave them out with \
                 `excludedAttributes=members`, or ask for fewer groups with `count`"
            ),
        ),
        StoreError::Busy => unavailable("too much to do just now; please try again".to_owned()),
        StoreError::Unavailable(_) => unavailable(format!(
            "the storage failed; its number in the log is {request_id}"
        )),
    }
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn told(error: StoreError) -> (Answer, Vec<(HeaderName, HeaderValue)>) {
        let failure = Failure::Service(error.into());
        (
            failure.to_answer(&Method::GET, "4711"),
            failure.headers(&Method::GET),
        )
    }

    /// 7644-3.12-04, 7644-3.12-13: the client gets a number, the log the reason
    #[test]
    fn a_failing_store_is_for_the_log() {
        let failure = || StoreError::Unavailable("disk of host-7 is full".into());
        let (error, headers) = told(failure());
        assert_eq!(error.status.as_u16(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            error.detail.contains("4711") && !error.detail.contains("host-7"),
            "{}",
            error.detail
        );
        assert_eq!(headers[0].0, RETRY_AFTER);
        let (level, text) = Failure::Service(failure().into()).for_the_log().unwrap();
        assert_eq!(
            (level, text.as_str()),
            (log::Level::Error, "disk of host-7 is full")
        );
        let broken = Failure::Internal("a request panicked".to_owned());
        let (level, text) = broken.for_the_log().unwrap();
        assert_eq!((level, text.as_str()), (log::Level::Error, "a request panicked"));
        assert_eq!(Failure::NoSuchPath.for_the_log(), None);
        let error = broken.to_answer(&Method::GET, "4711");
        assert_eq!((error.status.as_u16(), error.scim_type), (500, None));
        assert!(
            error.detail.contains("4711") && !error.detail.contains("panicked"),
            "{}",
            error.detail
        );
    }

    /// 7644-3.4.2.1-02, 7644-3.12-10, 7644-3.12-15
    #[test]
    fn what_the_store_refuses_has_its_keyword() {
        let conflict = StoreError::Conflict {
            attribute: "userName".to_owned(),
        };
        let (error, _) = told(conflict);
        assert_eq!(
            (error.status.as_u16(), error.scim_type, &*error.detail),
            (409, Some(ScimType::Uniqueness), "`userName` is already taken")
        );
        let expensive = StoreError::TooExpensive {
            attribute: "title".to_owned(),
        };
        let (error, _) = told(expensive);
        assert_eq!(
            (error.status.as_u16(), error.scim_type),
            (400, Some(ScimType::TooMany))
        );
        assert!(error.detail.contains("`title`"), "{}", error.detail);
        let (error, headers) = told(StoreError::TooManyScans {
            attribute: "title".to_owned(),
        });
        assert_eq!((error.status.as_u16(), &headers[0].0), (503, &RETRY_AFTER));
        assert!(error.detail.contains("`title`"), "{}", error.detail);
        let (error, _) = told(StoreError::TooManyMembers { most: 70 });
        assert_eq!(
            (error.status.as_u16(), error.scim_type),
            (400, Some(ScimType::TooMany))
        );
        assert!(
            error.detail.contains("more than 70 `members`"),
            "{}",
            error.detail
        );
        let (error, headers) = told(StoreError::Busy);
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
            let answer = Answer::from(&error);
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(
                (answer.scim_type, answer.detail),
                (error.scim_type(), error.detail)
            );
        }
    }

    #[test]
    fn of_many_unknown_members_some_are_named() {
        let ids: Vec<Uuid> = (0..7).map(Uuid::from_u128).collect();
        let (error, _) = told(StoreError::UnknownMembers(ids));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(
            error.detail.contains(&format!("`{}`", Uuid::from_u128(4))),
            "{}",
            error.detail
        );
        assert!(error.detail.ends_with("and 2 more"), "{}", error.detail);
        let five: Vec<Uuid> = (0..5).map(Uuid::from_u128).collect();
        let (error, _) = told(StoreError::UnknownMembers(five));
        assert!(
            error.detail.ends_with(&format!("`{}`", Uuid::from_u128(4))),
            "{}",
            error.detail
        );
    }
}
