//! The token endpoint and its metadata. Their errors are those of OAuth, never of SCIM.

mod source;
pub mod state;

use std::time::Duration;

use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, PRAGMA, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use self::state::OAuth;
use super::context::Http;
use super::middleware;
use super::middleware::request_context::RequestContext;
use crate::oauth::endpoint::{Issued, log_unread_request};
use crate::oauth::metadata::{METADATA_PATH, metadata};
use crate::oauth::request::{MAX_BODY, TokenRequest};
use crate::oauth::settings::TOKEN_PATH;
use crate::oauth::{ErrorCode, OAuthError};

/// The deadline for receiving a body.
const DEADLINE: Duration = Duration::from_secs(10);

/// Adds the endpoints to an application that has the routes of SCIM.
pub(super) fn routes(oauth: &OAuth) -> impl FnOnce(&mut ServiceConfig) {
    let metadata_path = format!("{METADATA_PATH}{}", oauth.endpoint.settings.issuer_path());
    let oauth = Data::new(oauth.clone());
    move |config| {
        let token = web::resource(TOKEN_PATH)
            .app_data(oauth.clone())
            .to(answer_token_request);
        let document = web::resource(metadata_path)
            .app_data(oauth)
            .to(answer_metadata_request);
        config
            .service(middleware::wrap!(token))
            .service(middleware::wrap!(document));
    }
}

async fn answer_token_request(
    request: HttpRequest,
    payload: Payload,
    http: Data<Http>,
    oauth: Data<OAuth>,
) -> HttpResponse {
    let context = RequestContext::of(&request);
    context.set_route(TOKEN_PATH.into());
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    let answered = match read(request.headers(), payload).await {
        Ok(body) => issue(&request, &body, &http, &oauth).await,
        Err(error) => {
            log_unread_request(&error);
            Err(error)
        }
    };
    match answered {
        Ok(issued) => {
            context.set_tenant(issued.tenant_name.as_str().into());
            let body = json!({
                "access_token": issued.token,
                "token_type": "Bearer",
                "expires_in": issued.expires_in,
                "scope": issued.scope.name(),
            });
            json_response(StatusCode::OK, &body)
        }
        Err(error) => error_response(&error),
    }
}

async fn issue(request: &HttpRequest, body: &[u8], http: &Http, oauth: &OAuth) -> Result<Issued, OAuthError> {
    let authorization: Vec<&[u8]> = request
        .headers()
        .get_all(AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .collect();
    let parsed = TokenRequest::parse(body, &authorization).inspect_err(log_unread_request)?;
    let source = source::of(request, &oauth.trusted_proxies);
    let endpoint = oauth.endpoint.clone();
    let issued = http
        .blocking
        .run(move || Ok(endpoint.issue(&parsed, source)))
        .await;
    // The pool of threads is full, or the store does not answer.
    issued.unwrap_or_else(|_| {
        let error = OAuthError::unavailable(1);
        log_unread_request(&error);
        Err(error)
    })
}

/// Reads a body of form parameters.
async fn read(headers: &HeaderMap, payload: Payload) -> Result<web::Bytes, OAuthError> {
    let malformed = |text: &str| OAuthError::new(ErrorCode::InvalidRequest, text);
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(malformed("the body must not be compressed"));
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    if !is_form(content_type) {
        return Err(malformed(
            "the Content-Type must be application/x-www-form-urlencoded",
        ));
    }
    match actix_web::rt::time::timeout(DEADLINE, payload.to_bytes_limited(MAX_BODY)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_broken_off))) => Err(malformed("the body is incomplete")),
        Ok(Err(_limit_exceeded)) => Err(malformed("the body is larger than 16 KiB")),
        Err(_elapsed) => Err(malformed("the body did not arrive in time")),
    }
}

/// Returns whether a media type is that of a form in UTF-8.
fn is_form(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    parts
        .next()
        .is_some_and(|it| it.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        && parts.all(is_utf8)
}

async fn answer_metadata_request(request: HttpRequest, oauth: Data<OAuth>) -> HttpResponse {
    RequestContext::of(&request).set_route(METADATA_PATH.into());
    match *request.method() {
        Method::GET | Method::HEAD => json_response(StatusCode::OK, &metadata(&oauth.endpoint.settings)),
        _ => method_not_allowed("GET, HEAD"),
    }
}

fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let error = OAuthError::new(
        ErrorCode::InvalidRequest,
        format!("the method must be one of {allowed}"),
    );
    let mut response = json_response(StatusCode::METHOD_NOT_ALLOWED, &error.to_json());
    response
        .headers_mut()
        .insert(ALLOW, allowed.parse().expect("it is a header value"));
    response
}

fn error_response(error: &OAuthError) -> HttpResponse {
    let status = StatusCode::from_u16(error.status()).expect("errors have valid statuses");
    let mut response = json_response(status, &error.to_json());
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(
            WWW_AUTHENTICATE,
            "Basic realm=\"scim\"".parse().expect("it is a header value"),
        );
    }
    if let Some(seconds) = error.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The middleware adds `Cache-Control: no-store`.
fn json_response(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((PRAGMA, "no-cache"))
        .body(body.to_string())
}
