//! The HTTP service: the steps that every request passes through.

pub mod auth;
pub mod blocking;
mod context;
mod endpoint;
pub mod error;
mod media_type;
pub mod metrics;
pub mod middleware;
pub mod scim;
pub mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use scim_model::{ScimError, ScimType};

use self::blocking::MAX_WAIT;
use self::endpoint::{Operation, other_version};
use self::error::Failure;
use self::middleware::access_log::LogEntry;
use self::scim::{body, discovery, resources};

pub use self::context::{Answer, AuthenticatedCall, Call, Http};
pub use self::endpoint::{Endpoint, PREFIX};

/// Calls the handler of an operation.
async fn dispatch(http: &Http, call: Call<'_>, payload: Payload, operation: Operation) -> Answer {
    match operation {
        Operation::ServiceProviderConfig => discovery::service_provider_config(http, &call),
        Operation::ResourceTypes => discovery::resource_types(http, &call),
        Operation::ResourceType => discovery::resource_type(http, &call),
        Operation::Schemas => discovery::schemas(http, &call),
        Operation::Schema => discovery::schema(http, &call),
        Operation::Query => resources::query(http, call.authenticated()?).await,
        Operation::Search | Operation::SearchAll => {
            resources::search(http, call.authenticated()?, payload).await
        }
        Operation::Create => resources::create(http, call.authenticated()?, payload).await,
        Operation::Get => resources::get(http, call.authenticated()?).await,
        Operation::Replace => resources::replace(http, call.authenticated()?, payload).await,
        Operation::Patch => resources::patch(http, call.authenticated()?, payload).await,
        Operation::Delete => resources::delete(http, call.authenticated()?).await,
        Operation::NotSupported(what) => Err(Failure::NotSupported(what)),
    }
}

/// Configures an application so that it serves every path.
pub fn routes(http: Arc<Http>) -> impl FnOnce(&mut ServiceConfig) {
    // One entry point for every path and method, so that no request bypasses authentication, headers and log.
    |config| {
        config
            .app_data(web::Data::from(http))
            .default_service(web::to(handle));
    }
}

async fn handle(request: HttpRequest, payload: Payload, http: web::Data<Http>) -> HttpResponse {
    match request.path() {
        "/livez" => return probe(StatusCode::OK, "alive"),
        "/readyz" => return readiness(&http).await,
        _ => {}
    }
    let found = http.find(request.path());
    let route = found.as_ref().map_or("-", |(endpoint, _)| &endpoint.template);
    let mut entry = LogEntry::begin(request.method(), route, &http.metrics);
    let answer = respond(&http, &request, payload, &found, &mut entry.tenant).await;
    let mut response = answer.unwrap_or_else(|failure| {
        if let Some((level, text)) = failure.log_message() {
            ::log::log!(level, "{} {text}", entry.request_id);
        }
        failure.to_response(request.method(), &entry.request_id)
    });
    add_common_headers(&mut response, &entry.request_id);
    entry.status = Some(response.status());
    response
}

async fn respond(
    http: &Http,
    request: &HttpRequest,
    payload: Payload,
    found: &Result<(&Endpoint, String), Failure>,
    tenant: &mut Option<Arc<str>>,
) -> Answer {
    let public = found.as_ref().is_ok_and(|(endpoint, _)| endpoint.public);
    let mut caller = None;
    // Unknown paths require a token too, so that only authenticated clients learn which paths exist.
    if !public {
        let known = http.authenticator.caller(request.headers()).await?;
        *tenant = Some(known.tenant_name.clone());
        caller = Some(known);
    }
    let Ok((endpoint, id)) = found else {
        return Err(match other_version(request.path()) {
            Some(it) => ScimError::new(
                ScimType::InvalidVers,
                format!("version `{it}` is not supported: use version `2`"),
            )
            .into(),
            None => Failure::NoSuchPath,
        });
    };
    if request.method() == Method::OPTIONS {
        return Ok(options(endpoint));
    }
    let operation = endpoint.operation(request.method())?;
    if operation.writes() && caller.as_ref().is_some_and(|it| it.read_only) {
        return Err(Failure::InsufficientScope);
    }
    body::check_accept(request.headers())?;
    let call = Call {
        request,
        caller,
        resource_type: endpoint.resource_type.clone(),
        id: id.clone(),
    };
    dispatch(http, call, payload, operation).await
}

/// Answers an `OPTIONS` request (RFC 9110 section 9.3.7, RFC 5789 section 3.1).
fn options(endpoint: &Endpoint) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((ALLOW, endpoint.allow()));
    if endpoint.methods.iter().any(|(method, _)| method == Method::PATCH) {
        response.insert_header(("accept-patch", media_type::ACCEPTED));
    }
    response.finish()
}

/// Adds the headers that all responses have. Responses must not be cached (RFC 9111 section 5.2.2.5), and browsers
/// must not guess another content type.
fn add_common_headers(response: &mut HttpResponse, request_id: &str) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

/// Answers `/readyz` with 200 while the store responds and no shutdown has begun.
async fn readiness(http: &Http) -> HttpResponse {
    if http.shutting_down.load(Ordering::Relaxed) {
        return probe(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    let directory = http.directory.clone();
    // The cheapest query: an index lookup of a hash that no token has.
    let lookup = http.blocking.run(move || Ok(directory.token_by_hash(&[0; 32])?));
    match actix_web::rt::time::timeout(MAX_WAIT, lookup).await {
        Ok(Ok(_)) => probe(StatusCode::OK, "ready"),
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
