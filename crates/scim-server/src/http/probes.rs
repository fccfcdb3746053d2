//! The probes of the process: `/livez` and `/readyz`. They need no credentials, and are not logged.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;

use super::blocking::MAX_WAIT;
use super::context::Http;

/// Answers `/livez` with 200.
pub(super) async fn livez() -> HttpResponse {
    probe(StatusCode::OK, "alive")
}

/// Answers `/readyz` with 200 while the store responds and no shutdown has begun.
pub(super) async fn readyz(http: Data<Http>) -> HttpResponse {
    if http.is_shutting_down() {
        return probe(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    let service = http.service.clone();
    let read = http.blocking.run(move || service.check_store());
    match actix_web::rt::time::timeout(MAX_WAIT, read).await {
        Ok(Ok(())) => probe(StatusCode::OK, "ready"),
        _ => probe(StatusCode::SERVICE_UNAVAILABLE, "the storage does not respond"),
    }
}

fn probe(status: StatusCode, text: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-store"));
    response.body(serde_json::json!({ "status": text }).to_string())
}
