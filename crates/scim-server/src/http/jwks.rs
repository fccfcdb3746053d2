//! The public keys of security event tokens (RFC 7517), which receivers read without credentials.

use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::context::Http;
use super::middleware;
use super::middleware::request_context::RequestContext;

/// The path of the keys.
const PATH: &str = "/.well-known/jwks.json";

/// The time for which receivers may keep the keys. A new key is published for longer before it signs.
const CACHED: &str = "public, max-age=3600";

/// Adds the endpoint to an application that has the routes of SCIM.
pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(middleware::wrap!(web::resource(PATH).to(answer)));
}

async fn answer(request: HttpRequest, http: Data<Http>) -> HttpResponse {
    RequestContext::of(&request).set_route(PATH.into());
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return HttpResponse::MethodNotAllowed()
            .insert_header((ALLOW, "GET, HEAD"))
            .finish();
    }
    let Some(ring) = http.security_events.as_ref().map(|it| it.ring.clone()) else {
        return HttpResponse::NotFound().finish();
    };
    let published = http.blocking.run(move || Ok(ring.published()?)).await;
    let Ok(published) = published else {
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, "1"))
            .finish();
    };
    let mut response = HttpResponse::build(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, "application/json"));
    // The first key signs at once, so an empty set must not be kept.
    let has_keys = published["keys"].as_array().is_some_and(|it| !it.is_empty());
    if has_keys {
        response.insert_header((CACHE_CONTROL, CACHED));
    }
    response.body(published.to_string())
}
