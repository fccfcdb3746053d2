//! The HTTP service: the route table, and the steps that every request passes through.

pub mod auth;
pub mod blocking;
pub mod body;
pub mod discovery;
pub mod error;
pub mod etag;
pub mod log;
pub mod metrics;
pub mod params;
pub mod resources;
pub mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use scim_model::store::Directory;
use scim_model::{ResourceType, SchemaRegistry, ScimError, ScimType};

use self::auth::{Authenticator, Caller};
use self::blocking::{Blocking, MAX_WAIT};
use self::error::Failure;
use self::log::LogEntry;
use self::metrics::Metrics;
use crate::service::{self, Service};

/// Returns the route table. Every endpoint that is not `public` requires a token.
fn endpoints(registry: &SchemaRegistry) -> Vec<Endpoint> {
    use Method as M;
    use Operation as Op;
    let mut table = vec![
        Endpoint::public("/ServiceProviderConfig", &[(M::GET, Op::ServiceProviderConfig)]),
        Endpoint::public("/ResourceTypes", &[(M::GET, Op::ResourceTypes)]),
        Endpoint::public("/ResourceTypes/{id}", &[(M::GET, Op::ResourceType)]),
        Endpoint::public("/Schemas", &[(M::GET, Op::Schemas)]),
        Endpoint::public("/Schemas/{id}", &[(M::GET, Op::Schema)]),
        Endpoint::private("", &[(M::GET, Op::NotSupported("a GET query of the base URL"))]),
        Endpoint::private("/.search", &[(M::POST, Op::SearchAll)]),
        Endpoint::not_supported("/Bulk", "bulk"),
        Endpoint::not_supported("/Me", "`/Me`"),
        Endpoint::not_supported("/Me/{rest}", "`/Me`"),
    ];
    for it in &registry.resource_types {
        let endpoint = &it.endpoint;
        table.extend([
            Endpoint::for_resource_type(
                it,
                format!("{endpoint}"),
                &[(M::GET, Op::Query), (M::POST, Op::Create)],
            ),
            Endpoint::for_resource_type(it, format!("{endpoint}/.search"), &[(M::POST, Op::Search)]),
            Endpoint::for_resource_type(
                it,
                format!("{endpoint}/{{id}}"),
                &[
                    (M::GET, Op::Get),
                    (M::PUT, Op::Replace),
                    (M::PATCH, Op::Patch),
                    (M::DELETE, Op::Delete),
                ],
            ),
        ]);
    }
    table
}

/// The path prefix of every endpoint. A path without the version addresses the latest one (RFC 7644
/// section 3.13).
pub const PREFIX: &str = "/scim/v2";

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

/// The result of a handler.
pub type Answer = Result<HttpResponse, Failure>;

/// An entry of the route table.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Path below the base URL, for example `/Users/{id}`.
    pub path: String,
    /// Whether the endpoint is served without a token.
    pub public: bool,
    /// The supported methods. `GET` implies `HEAD`, and every endpoint supports `OPTIONS`.
    methods: Vec<(Method, Operation)>,
    /// The name of the optional SCIM feature that the endpoint belongs to and this server lacks. Every method is
    /// then 501 (RFC 7644 sections 3.7 and 3.11, A-70).
    missing: Option<&'static str>,
    /// The resource type that the endpoint serves; `None` when it serves all types or none.
    resource_type: Option<Arc<ResourceType>>,
    /// The path template that the access log and the metrics show.
    template: String,
}

/// The operation that an endpoint performs for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    ServiceProviderConfig,
    ResourceTypes,
    ResourceType,
    Schemas,
    Schema,
    Query,
    Search,
    SearchAll,
    Create,
    Get,
    Replace,
    Patch,
    Delete,
    NotSupported(&'static str),
}

impl Operation {
    fn writes(self) -> bool {
        matches!(
            self,
            Operation::Create | Operation::Replace | Operation::Patch | Operation::Delete
        )
    }
}

impl Endpoint {
    fn new(path: String, public: bool, methods: &[(Method, Operation)]) -> Endpoint {
        let template = format!("{PREFIX}{path}");
        Endpoint {
            path,
            public,
            methods: methods.to_vec(),
            missing: None,
            resource_type: None,
            template,
        }
    }

    fn public(path: &str, methods: &[(Method, Operation)]) -> Endpoint {
        Endpoint::new(path.to_owned(), true, methods)
    }

    fn private(path: &str, methods: &[(Method, Operation)]) -> Endpoint {
        Endpoint::new(path.to_owned(), false, methods)
    }

    fn not_supported(path: &str, what: &'static str) -> Endpoint {
        Endpoint {
            missing: Some(what),
            ..Endpoint::private(path, &[])
        }
    }

    fn for_resource_type(
        resource_type: &Arc<ResourceType>,
        path: String,
        methods: &[(Method, Operation)],
    ) -> Endpoint {
        Endpoint {
            resource_type: Some(resource_type.clone()),
            ..Endpoint::new(path, false, methods)
        }
    }

    /// Returns the supported methods as the value of an `Allow` header.
    pub fn allow(&self) -> String {
        let mut names = Vec::new();
        for (method, _) in &self.methods {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    fn operation(&self, method: &Method) -> Result<Operation, Failure> {
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        if let Some(what) = self.missing {
            return Ok(Operation::NotSupported(what));
        }
        if let Some((_, operation)) = self.methods.iter().find(|(it, _)| it == wanted) {
            return Ok(*operation);
        }
        let known = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
        ];
        if known.contains(&method.as_str()) {
            Err(Failure::MethodNotAllowed(self.allow()))
        } else {
            Err(Failure::UnknownMethod)
        }
    }

    /// Returns the `{id}` of a path if the endpoint matches it, or an empty text if the template has no `{id}`.
    /// `{rest}` matches one or more segments.
    fn matches(&self, segments: &[String]) -> Option<String> {
        let mut id = String::new();
        let mut wanted = self.path.split('/').skip(1);
        for segment in segments {
            match wanted.next()? {
                "{id}" => id.clone_from(segment),
                "{rest}" => return Some(id),
                literal if literal == segment => {}
                _ => return None,
            }
        }
        wanted.next().is_none().then_some(id)
    }
}

/// The shared state of the HTTP service.
pub struct Http {
    service: Arc<Service>,
    directory: Arc<dyn Directory>,
    authenticator: Authenticator,
    endpoints: Vec<Endpoint>,
    discovery: discovery::Documents,
    max_body_bytes: usize,
    blocking: Blocking,
    metrics: Metrics,
    shutting_down: AtomicBool,
}

/// A request that is passed to a handler.
pub struct Call<'a> {
    request: &'a HttpRequest,
    caller: Option<Caller>,
    resource_type: Option<Arc<ResourceType>>,
    /// The `{id}` of the path.
    id: String,
}

/// A request with an authenticated caller. Handlers that access the store take one.
pub struct AuthenticatedCall<'a> {
    /// The received request.
    pub request: &'a HttpRequest,
    /// The authenticated client.
    pub caller: Caller,
    /// The resource type of the endpoint; `None` for a search over all types.
    pub resource_type: Option<Arc<ResourceType>>,
    /// The `{id}` of the path.
    pub id: String,
}

impl<'a> Call<'a> {
    fn authenticated(self) -> Result<AuthenticatedCall<'a>, Failure> {
        let caller = self.caller.ok_or(Failure::Unauthorized {
            token_presented: false,
        })?;
        Ok(AuthenticatedCall {
            request: self.request,
            caller,
            resource_type: self.resource_type,
            id: self.id,
        })
    }
}

impl Http {
    /// Creates the HTTP service for `service`. Tokens are looked up in `directory`.
    pub fn new(service: Arc<Service>, directory: Arc<dyn Directory>, max_body_bytes: usize) -> Http {
        let blocking = Blocking::default();
        Http {
            authenticator: Authenticator::new(directory.clone(), blocking.clone()),
            endpoints: endpoints(service.registry()),
            discovery: discovery::Documents::new(&service),
            directory,
            metrics: Metrics::new(blocking.clone(), service.tolerances().clone()),
            service,
            max_body_bytes,
            blocking,
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Returns the route table.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Returns the counters of the HTTP service.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes `/readyz` report from now on that the server is not ready.
    pub fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Calls the service on a thread that may block.
    ///
    /// # Errors
    /// See [`Blocking::run`].
    pub async fn call_service<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> Result<T, service::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let service = self.service.clone();
        self.blocking.run(move || work(&service)).await
    }

    /// Finds the endpoint and the `{id}` of a path. One trailing slash is ignored.
    fn find(&self, path: &str) -> Result<(&Endpoint, String), Failure> {
        let segments = segments(path).ok_or(Failure::NoSuchPath)?;
        let mut found = self
            .endpoints
            .iter()
            .filter_map(|it| it.matches(&segments).map(|id| (it, id)));
        // `/Users/.search` is the search, not the user with the id `.search`: the table lists literals before `{id}`.
        let first = found.next().ok_or(Failure::NoSuchPath)?;
        Ok(first)
    }
}

/// Returns the decoded path segments below the base URL. This is the only place that decodes routes and ids.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("/scim")?;
    let path = match path.strip_prefix("/v2") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let decode = |it: &str| {
        percent_decode_str(it)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// Returns the version of a path with an unsupported version, for example `3` for `/scim/v3/Users`.
fn other_version(path: &str) -> Option<&str> {
    let version = path.strip_prefix("/scim/v")?.split('/').next()?;
    let number = version.strip_prefix('2').filter(|it| it.is_empty());
    (number.is_none() && !version.is_empty() && version.bytes().all(|it| it.is_ascii_digit() || it == b'.'))
        .then_some(version)
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
        response.insert_header(("accept-patch", body::ACCEPTED));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_segment_by_segment() {
        let check = |path, expected: Option<&[&str]>| {
            let expected = expected.map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
            assert_eq!(segments(path), expected, "{path}");
        };
        check("/scim/v2/Users", Some(&["Users"]));
        check("/scim/v2/Users/", Some(&["Users"]));
        check("/scim/Users/a", Some(&["Users", "a"]));
        check("/scim/v2", Some(&[]));
        check("/scim/v2/", Some(&[]));
        check("/scim/v2/Users//", Some(&["Users", ""]));
        check("/scim/v2/%55sers/a%2Fb", Some(&["Users", "a/b"]));
        check("/scim/v2/%ff", None);
        check("/scim/v2Users", Some(&["v2Users"]));
        check("/scimv2/Users", None);
        check("/", None);
    }

    #[test]
    fn a46_other_versions_are_distinguished_from_other_paths() {
        assert_eq!(other_version("/scim/v3/Users"), Some("3"));
        assert_eq!(other_version("/scim/v1"), Some("1"));
        assert_eq!(other_version("/scim/v22/Users"), Some("22"));
        assert_eq!(other_version("/scim/v2.1/Users"), Some("2.1"));
        assert_eq!(other_version("/scim/v2/Nothing"), None);
        assert_eq!(other_version("/scim/vans"), None);
        assert_eq!(other_version("/scim/v"), None);
        assert_eq!(other_version("/scim/v/Users"), None);
        assert_eq!(other_version("/scim/Users"), None);
    }
}
