//! Steps that every request passes through: id, access log, metrics, headers, errors, and the path's last slash.
//!
//! Limits of bodies and queries are not among them. The extractors `Body` and `Params` check these after the
//! credentials, so that a client without credentials learns nothing about them.

pub mod access_log;
pub mod errors;
pub mod rate_headers;
pub mod request_context;
pub mod request_id;
pub mod trailing_slash;

use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::DefaultHeaders;

/// Wraps a scope or a route in the steps. The last step is the first one that a request reaches.
macro_rules! wrap {
    ($service:expr) => {
        $service
            .wrap(::actix_web::middleware::from_fn(
                $crate::http::middleware::trailing_slash::trim,
            ))
            .wrap(::actix_web::middleware::from_fn(
                $crate::http::middleware::errors::render,
            ))
            .wrap(::actix_web::middleware::from_fn(
                $crate::http::middleware::rate_headers::announce,
            ))
            .wrap($crate::http::middleware::headers())
            .wrap(::actix_web::middleware::from_fn(
                $crate::http::middleware::access_log::record,
            ))
            .wrap(::actix_web::middleware::from_fn(
                $crate::http::middleware::request_id::assign,
            ))
    };
}

pub(super) use wrap;

/// Adds the headers that all responses have. Responses must not be cached (RFC 9111 section 5.2.2.5), and browsers
/// must not guess another content type.
pub(super) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CACHE_CONTROL, "no-store"))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
