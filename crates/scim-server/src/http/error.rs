//! The one table from errors to status, `scimType` and headers (RFC 7644 section 3.12).

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCEPT, ALLOW, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use scim_model::store::StoreError;
use scim_model::{ScimError, ScimType};

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
        let error = self.to_scim_error(method, request_id);
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers(method) {
            response.insert_header((name, value));
        }
        response
            .insert_header((CONTENT_TYPE, body::SCIM_JSON))
            .body(error.to_json().to_string())
    }

    /// The table.
    fn to_scim_error(&self, method: &Method, request_id: &str) -> ScimError {
        use service::Error as E;
        let status = |code, detail: &str| ScimError::status(code, detail);
        match self {
            Failure::Scim(error) | Failure::Service(E::Scim(error)) => error.clone(),
            Failure::Unauthorized {
                token_presented: false,
            } => status(401, "a bearer token is needed"),
            Failure::Unauthorized {
                token_presented: true,
            } => status(401, "the bearer token is not valid"),
            Failure::InsufficientScope => status(403, "this token may only read"),
            Failure::NoSuchPath => status(404, "nothing is served under this path"),
            Failure::MethodNotAllowed(allowed) => {
                status(405, &format!("`{method}` is not possible here, only {allowed}"))
            }
            Failure::UnknownMethod => status(501, "the method is not known"),
            Failure::NotSupported(what) => status(501, &format!("{what} is not supported")),
            Failure::UnsupportedMediaType => status(
                415,
                &format!("a body must be one of {}, in UTF-8", body::ACCEPTED),
            ),
            Failure::Internal(_) => status(
                500,
                &format!("internal error; its number in the log is {request_id}"),
            ),
            Failure::Service(E::NotFound) => status(404, "there is no such resource"),
            Failure::Service(E::NotModified { .. }) => status(304, "not modified"),
            Failure::Service(E::PreconditionFailed) => {
                status(412, "the resource has another version than the request asks for")
            }
            Failure::Service(E::Contended) => {
                status(409, "others keep changing the resource; please try again")
            }
            Failure::Service(E::Overloaded | E::Store(StoreError::Busy)) => {
                status(503, "too much to do just now; please try again")
            }
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

fn store_error(error: &StoreError, request_id: &str) -> ScimError {
    match error {
        StoreError::Conflict { attribute } => {
            ScimError::new(ScimType::Uniqueness, format!("`{attribute}` is already taken"))
        }
        StoreError::Stale => {
            ScimError::status(412, "the resource has another version than the request asks for")
        }
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
            ScimError::new(
                ScimType::InvalidValue,
                format!("`members` has no User or Group {names}{more}"),
            )
        }
        StoreError::TooExpensive { attribute } => ScimError::new(
            ScimType::TooMany,
            format!(
                "too many resources would have to be looked at for `{attribute}`: use `eq` or `sw` on an attribute \
                 with an index, leave `sortBy` out, or, if it has no index, give it one with `\"indexed\": true` in \
                 its schema"
            ),
        ),
        StoreError::TooManyScans { attribute } => ScimError::status(
            503,
            format!(
                "too many searches that look at each resource run just now, and this one would do so for \
                 `{attribute}`; please try again"
            ),
        ),
        StoreError::TooManyMembers { most } => ScimError::new(
            ScimType::TooMany,
            format!(
                "the groups of this page have more than {most} `members` together: leave them out with \
                 `excludedAttributes=members`, or ask for fewer groups with `count`"
            ),
        ),
        StoreError::Busy => ScimError::status(503, "too much to do just now; please try again"),
        StoreError::Unavailable(_) => ScimError::status(
            503,
            format!("the storage failed; its number in the log is {request_id}"),
        ),
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

    fn told(error: StoreError) -> (ScimError, Vec<(HeaderName, HeaderValue)>) {
        let failure = Failure::Service(error.into());
        (
            failure.to_scim_error(&Method::GET, "4711"),
            failure.headers(&Method::GET),
        )
    }

    /// 7644-3.12-04, 7644-3.12-13: the client gets a number, the log the reason
    #[test]
    fn a_failing_store_is_for_the_log() {
        let failure = || StoreError::Unavailable("disk of host-7 is full".into());
        let (error, headers) = told(failure());
        assert_eq!(error.status, 503);
        assert!(
            error.detail.contains("4711") && !error.detail.contains("host-7"),
            "{error}"
        );
        assert_eq!(headers[0].0, RETRY_AFTER);
        let (level, text) = Failure::Service(failure().into()).for_the_log().unwrap();
        assert_eq!(
            (level, text.as_str()),
            (log::Level::Error, "disk of host-7 is full")
        );
        let broken = Failure::Internal("a request panicked".to_owned());
        let error = broken.to_scim_error(&Method::GET, "4711");
        assert_eq!((error.status, error.scim_type), (500, None));
        assert!(
            error.detail.contains("4711") && !error.detail.contains("panicked"),
            "{error}"
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
            (error.status, error.scim_type, &*error.detail),
            (409, Some(ScimType::Uniqueness), "`userName` is already taken")
        );
        let expensive = StoreError::TooExpensive {
            attribute: "title".to_owned(),
        };
        let (error, _) = told(expensive);
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::TooMany)));
        assert!(error.detail.contains("`title`"), "{error}");
        let (error, headers) = told(StoreError::TooManyScans {
            attribute: "title".to_owned(),
        });
        assert_eq!((error.status, &headers[0].0), (503, &RETRY_AFTER));
        assert!(error.detail.contains("`title`"), "{error}");
        let (error, _) = told(StoreError::TooManyMembers { most: 70 });
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::TooMany)));
        assert!(error.detail.contains("more than 70 `members`"), "{error}");
        let (error, headers) = told(StoreError::Busy);
        assert_eq!((error.status, &headers[0].0), (503, &RETRY_AFTER));
    }

    #[test]
    fn of_many_unknown_members_some_are_named() {
        let ids: Vec<Uuid> = (0..7).map(Uuid::from_u128).collect();
        let (error, _) = told(StoreError::UnknownMembers(ids));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(
            error.detail.contains(&format!("`{}`", Uuid::from_u128(4))),
            "{error}"
        );
        assert!(error.detail.ends_with("and 2 more"), "{error}");
    }
}
