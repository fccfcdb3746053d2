//! The headers that tell a client how many requests it may send (draft-ietf-httpapi-ratelimit-headers-10).

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;

use super::request_context::RequestContext;
use crate::http::rate_limits::WINDOW;

/// Adds the headers to the response of a client whose rate is limited.
pub async fn announce(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let mut response = next.call(request).await?;
    let Some(allowance) = RequestContext::of(response.request()).allowance() else {
        return Ok(response);
    };
    let policy = format!("\"connection\";q={};w={WINDOW}", allowance.burst);
    let state = format!("\"connection\";r={};t={}", allowance.remaining, allowance.reset);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        // They consist of digits and ASCII.
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}
