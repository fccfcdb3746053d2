//! The headers that tell a client how to continue after an error.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use scim_model::store::StoreError;

use super::Failure;
use crate::http::media_type;
use crate::service;

impl Failure {
    pub(super) fn headers(&self, method: &Method) -> Vec<(HeaderName, HeaderValue)> {
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
                    fixed(r#"Bearer realm="scim", error="insufficient_scope", scope="scim""#),
                )]
            }
            Failure::MethodNotAllowed(allowed) => HeaderValue::from_str(allowed)
                .map(|it| (ALLOW, it))
                .into_iter()
                .collect(),
            Failure::UnsupportedMediaType => {
                // RFC 5789 section 2.2 names `Accept-Patch` for PATCH, RFC 9110 section 15.5.16 `Accept` otherwise.
                let name = if method == Method::PATCH {
                    HeaderName::from_static("accept-patch")
                } else {
                    ACCEPT
                };
                vec![(name, fixed(media_type::ACCEPTED))]
            }
            // RFC 9110 section 12.5.3
            Failure::UnsupportedEncoding => vec![(ACCEPT_ENCODING, fixed("identity"))],
            Failure::RateLimited { allowance, .. } => {
                let name = HeaderName::from_static;
                vec![
                    (RETRY_AFTER, allowance.reset.into()),
                    // SailPoint reads these.
                    (name("x-rate-limit-limit"), allowance.burst.into()),
                    (name("x-rate-limit-remaining"), allowance.remaining.into()),
                    (name("x-rate-limit-reset"), allowance.reset.into()),
                    (name("x-rate-limit-retry-after-seconds"), allowance.reset.into()),
                ]
            }
            Failure::Overdue
            | Failure::Service(
                service::Error::Overloaded
                | service::Error::Contended
                | service::Error::Store(
                    StoreError::Busy | StoreError::TooManyScans { .. } | StoreError::Unavailable(_),
                ),
            ) => vec![(RETRY_AFTER, fixed("1"))],
            _ => Vec::new(),
        }
    }
}
