//! A server in process, on a real SQLite file, and the requests that a client sends to it.
//!
//! ```ignore
//! let server = Server::start();
//! let acme = server.tenant("acme");
//! let bjensen = acme.create("/Users", json!({ "userName": "bjensen" }));
//! acme.get(&bjensen.path).expect(200);
//! ```

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::App;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test as actix;
use actix_web::web::ServiceConfig;
use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use scim_model::store::{Connection, Directory, NewToken, TenantId};
use scim_server::config::base_url::BaseUrl;
use scim_server::config::path_prefix::PathPrefix;
use scim_server::delivery::feed::Feed;
use scim_server::delivery::security_events::{KeyRing, SecurityEvents, StreamParts};
use scim_server::egress::{Egress, EgressSettings, OwnAddresses, system_lookup};
use scim_server::http::management::{self, ManagementHttp};
use scim_server::http::metrics::{Exposition, Sampled};
use scim_server::http::oauth::state::OAuth;
use scim_server::http::{Http, HttpOptions, routes};
use scim_server::management::webhooks::WebhookParts;
use scim_server::management::{Management, ServerSettings};
use scim_server::oauth::key_cache::{KeyCache, Now};
use scim_server::oauth::{OAuthSettings, TokenEndpoint, key_fetch};
use scim_server::sealing::KeyFile;
use scim_server::service::{ClientSettings, Leniency, Service, Settings};
use scim_server::token;
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const BASE: &str = "https://scim.example.com/scim/v2";

/// Waits until a condition holds, and fails when that takes a minute.
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server without sockets.
pub struct Server {
    system: actix_web::rt::SystemRunner,
    pub http: Arc<Http>,
    pub store: Arc<DieselStore>,
    pub management: Arc<ManagementHttp>,
    prefix: PathPrefix,
    url: String,
    data: Data,
    /// The folder of the key that seals secrets.
    _keys: TempDir,
}

/// The settings of a test server.
pub struct Choice {
    pub settings: Settings,
    pub max_body_bytes: usize,
    pub unique_group_names: bool,
    /// Name and text of schema files.
    pub schemas: Vec<(String, String)>,
    pub scan_timeout: Duration,
    pub write_timeout: Duration,
    /// The base URL of the settings has to end with it.
    pub path_prefix: PathPrefix,
}

impl Default for Choice {
    fn default() -> Choice {
        Choice {
            settings: Settings {
                base_url: BASE.into(),
                // Tests send more than clients do.
                client: ClientSettings {
                    rate_limit: 0,
                    ..ClientSettings::default()
                },
                ..Settings::default()
            },
            max_body_bytes: 1024 * 1024,
            unique_group_names: true,
            schemas: Vec::new(),
            scan_timeout: StoreOptions::default().scan_timeout,
            write_timeout: HttpOptions::default().write_timeout,
            path_prefix: PathPrefix::default(),
        }
    }
}

/// Runs a test on a server with SQLite, and on one with PostgreSQL if `SCIM_TEST_POSTGRES_URL` names one.
pub fn on_each(choice: impl Fn() -> Choice, story: impl Fn(Server)) {
    story(Server::start_with(choice()));
    if let Some(server) = Server::start_on_postgres(choice()) {
        story(server);
    }
}

impl Server {
    /// Starts a server with default settings.
    pub fn start() -> Server {
        Server::start_with(Choice::default())
    }

    pub fn start_with(choice: Choice) -> Server {
        let folder = tempfile::tempdir().unwrap();
        Server::open(sqlite(&folder), Data::Sqlite { folder }, choice)
    }

    /// Starts a server on PostgreSQL; `None` when `SCIM_TEST_POSTGRES_URL` is not set.
    pub fn start_on_postgres(choice: Choice) -> Option<Server> {
        let database = PostgresDatabase::create()?;
        let url = database.url.clone();
        Some(Server::open(url, Data::Postgres { _database: database }, choice))
    }

    /// Stops this server and starts another one on the same data.
    pub fn restart_with(self, choice: Choice) -> Server {
        let Server {
            system,
            http,
            store,
            management,
            url,
            data,
            ..
        } = self;
        let open = Arc::downgrade(&store);
        // The system may still have to record the use of a token.
        drop((system, http, store, management));
        wait_until("the store is closed", || open.strong_count() == 0);
        Server::open(url, data, choice)
    }

    fn open(url: String, data: Data, choice: Choice) -> Server {
        let keys = tempfile::tempdir().unwrap();
        let prefix = choice.path_prefix.clone();
        let (http, store) = open(&url, choice);
        Server {
            system: actix_web::rt::System::new(),
            prefix,
            management: management(&http, &store, keys.path().join("key")),
            _keys: keys,
            http,
            store,
            url,
            data,
        }
    }

    /// The bytes of all files of the database.
    pub fn stored_bytes(&self) -> Vec<u8> {
        stored_bytes(self.data.folder())
    }

    /// Runs SQL statements directly on the database, which must be SQLite.
    pub fn sql(&self, sql: &str) {
        let path = self.data.folder().path().join("scim.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        connection.batch_execute(sql).unwrap();
    }

    /// Creates a tenant and returns a client with a token for it.
    pub fn tenant(&self, name: &str) -> Client<'_> {
        let id = self.store.create_tenant(name, Utc::now()).unwrap();
        self.client(id, Token::default())
    }

    /// A client with another token of a tenant.
    pub fn client(&self, tenant: TenantId, wanted: Token) -> Client<'_> {
        let (secret, _) = create_token(&*self.store, tenant, wanted);
        Client {
            server: self,
            tenant: Some(tenant),
            authorization: Some(format!("Bearer {secret}")),
        }
    }

    /// A client with this `Authorization` header, or with none.
    pub fn stranger(&self, authorization: Option<&str>) -> Client<'_> {
        Client {
            server: self,
            tenant: None,
            authorization: authorization.map(str::to_owned),
        }
    }

    fn send(&self, request: actix::TestRequest) -> Reply {
        self.send_to(routes(self.http.clone()), request)
    }

    /// Sends a request to the management listener.
    pub fn send_as_operator(&self, request: actix::TestRequest) -> Reply {
        self.send_to(management::routes(self.management.clone()), request)
    }

    fn send_to(&self, routes: impl FnOnce(&mut ServiceConfig), request: actix::TestRequest) -> Reply {
        self.system.block_on(async move {
            let app = actix::init_service(App::new().configure(routes)).await;
            let response = actix::call_service(&app, request.to_request()).await;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = String::from_utf8(actix::read_body(response).await.to_vec()).unwrap();
            Reply {
                status,
                headers,
                text,
            }
        })
    }
}

fn sqlite(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("scim.db").display())
}

fn stored_bytes(folder: &TempDir) -> Vec<u8> {
    let files = stored_files(folder).into_iter();
    files.flat_map(|it| std::fs::read(it).unwrap()).collect()
}

fn stored_files(folder: &TempDir) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.path()).unwrap();
    files.map(|it| it.unwrap().path()).collect()
}

fn open(url: &str, choice: Choice) -> (Arc<Http>, Arc<DieselStore>) {
    let registry = scim_server::registry(&choice.schemas).unwrap();
    let options = StoreOptions {
        resource_types: registry.resource_types.clone(),
        unique_group_names: choice.unique_group_names,
        scan_timeout: choice.scan_timeout,
        ..StoreOptions::default()
    };
    let store = Arc::new(DieselStore::open(url, &options).unwrap());
    let oauth = authorization_server(&choice.settings.base_url, store.clone());
    let service = Arc::new(Service::new(registry, store.clone(), choice.settings));
    let options = HttpOptions {
        path_prefix: choice.path_prefix,
        max_body_bytes: choice.max_body_bytes,
        write_timeout: choice.write_timeout,
        ..HttpOptions::default()
    };
    let ring = KeyRing::new(store.clone(), Arc::new(KeyFile::not_named()));
    let http = Http::with_oauth(service, store.clone(), oauth, options);
    let http = http.with_security_events(SecurityEvents::new(Arc::new(ring)));
    (Arc::new(http), store)
}

/// The management listener of a server.
fn management(http: &Arc<Http>, store: &Arc<DieselStore>, secrets_key: PathBuf) -> Arc<ManagementHttp> {
    let oauth = http.oauth().expect("the server has an authorization server");
    let counted = store.clone();
    let sampled = Sampled {
        database_is_durable: true,
        scans: Box::new(move || counted.scan_counts()),
        ..Sampled::default()
    };
    let operations = Management {
        store: store.clone(),
        registry: Arc::new(http.service().registry().clone()),
        server: ServerSettings::default(),
        endpoint: oauth.endpoint.clone(),
        egress: Arc::new(test_egress()),
        webhooks: WebhookParts {
            feed: Arc::new(Feed::new(store.clone())),
            keys: Arc::new(KeyFile::created_if_missing(secrets_key)),
        },
    };
    let exposition = Exposition::new(http.metrics(), sampled);
    let keys = operations.webhooks.keys.clone();
    let streams = StreamParts {
        store: store.clone(),
        journal: store.clone(),
        feed: operations.webhooks.feed.clone(),
        security_events: SecurityEvents::new(Arc::new(KeyRing::new(store.clone(), keys.clone()))),
        keys,
        egress: operations.egress.clone(),
        registry: operations.registry.clone(),
        base_url: Some(BASE.to_owned()),
    };
    let management = ManagementHttp::new(operations, http.clone(), exposition);
    Arc::new(management.with_set_streams(streams))
}

/// The leniency for clients, or the strict one.
pub fn leniency(lenient: bool) -> Leniency {
    match lenient {
        true => Leniency::Clients,
        false => Leniency::Strict,
    }
}

/// An authorization server that may fetch keys from this machine.
fn authorization_server(base_url: &str, store: Arc<DieselStore>) -> OAuth {
    let egress = test_egress();
    let now: Now = Arc::new(scim_server::clock::now);
    let keys = Arc::new(KeyCache::new(key_fetch::over(Arc::new(egress)), now.clone()));
    OAuth {
        endpoint: Arc::new(TokenEndpoint::new(store, keys, OAuthSettings::of(base_url), now)),
        trusted_proxies: Arc::new([]),
    }
}

/// Outgoing requests may reach this machine.
fn test_egress() -> Egress {
    Egress::new(test_egress_settings(), system_lookup())
}

fn test_egress_settings() -> EgressSettings {
    let allow = ["127.0.0.1"].iter().filter_map(|it| it.parse().ok()).collect();
    EgressSettings {
        allow,
        own: OwnAddresses::new(BASE, &[]),
        ..EgressSettings::default()
    }
}

/// The properties of a token to create.
#[derive(Default)]
pub struct Token {
    pub read_only: bool,
    pub expires: Option<DateTime<Utc>>,
    /// The connection that it belongs to; `default` if this is `None`.
    pub connection: Option<&'static str>,
}

pub fn create_token(directory: &dyn Directory, tenant: TenantId, wanted: Token) -> (String, uuid::Uuid) {
    let secret = token::new_secret().unwrap();
    let connection = wanted.connection.unwrap_or(Connection::DEFAULT);
    let connection = directory.connection(tenant, connection).unwrap().unwrap();
    let token = NewToken {
        id: uuid::Uuid::now_v7(),
        tenant,
        connection: connection.id,
        sha256: token::digest(&secret),
        last_four: token::last_four(&secret),
        created: Utc::now(),
        expires: wanted.expires,
        read_only: wanted.read_only,
        name: String::new(),
    };
    assert!(directory.create_token(&token).unwrap());
    (secret, token.id)
}

/// A client that sends requests in process.
pub struct Client<'a> {
    pub server: &'a Server,
    pub tenant: Option<TenantId>,
    authorization: Option<String>,
}

/// A resource that a client has created.
pub struct Created {
    pub id: String,
    /// For example `/Users/0190…`.
    pub path: String,
    pub etag: String,
    pub json: Value,
}

impl<'a> Client<'a> {
    /// The secret of its token.
    pub fn secret(&self) -> String {
        self.authorization
            .as_deref()
            .unwrap()
            .trim_start_matches("Bearer ")
            .to_owned()
    }

    /// A request to a path below the path prefix, or to an absolute one that begins with `//`.
    pub fn request(&self, method: &str, path: &str) -> Request<'a> {
        let path = path
            .strip_prefix('/')
            .filter(|it| it.starts_with('/'))
            .map_or_else(|| format!("{}{path}", self.server.prefix), str::to_owned);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = actix::TestRequest::default().method(method).uri(&path);
        if let Some(authorization) = &self.authorization {
            request = request.insert_header(("authorization", authorization.as_str()));
        }
        Request {
            server: self.server,
            request,
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.request("POST", path).json(&body).send()
    }

    pub fn put(&self, path: &str, body: Value) -> Reply {
        self.request("PUT", path).json(&body).send()
    }

    /// A PATCH with these operations.
    pub fn patch(&self, path: &str, operations: Value) -> Reply {
        self.request("PATCH", path).json(&patch_op(operations)).send()
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send()
    }

    /// Creates a resource; `schemas` is added when it is missing.
    pub fn create(&self, endpoint: &str, mut body: Value) -> Created {
        if body.get("schemas").is_none() {
            body["schemas"] = json!([if endpoint == "/Groups" { GROUP } else { USER }]);
        }
        let reply = self.post(endpoint, body).expect(201);
        let json = reply.json();
        let id = json["id"].as_str().unwrap().to_owned();
        Created {
            path: format!("{endpoint}/{id}"),
            id,
            etag: reply.header("etag").unwrap().to_owned(),
            json,
        }
    }

    pub fn create_user(&self, user_name: &str) -> Created {
        self.create("/Users", json!({ "userName": user_name }))
    }

    pub fn create_group(&self, name: &str, members: &[&Created]) -> Created {
        let members: Vec<Value> = members.iter().map(|it| json!({ "value": it.id })).collect();
        self.create("/Groups", json!({ "displayName": name, "members": members }))
    }

    /// The values of an attribute in the resources that a query returns, in their order.
    pub fn list(&self, path: &str, attribute: &str) -> Vec<Value> {
        self.get(path)
            .expect(200)
            .resources()
            .iter()
            .map(|it| it[attribute].clone())
            .collect()
    }

    /// The `userName`s of the users that a filter finds.
    pub fn user_names(&self, filter: &str) -> Vec<Value> {
        self.list(&format!("/Users?filter={}", encode(filter)), "userName")
    }
}

/// A PatchOp message with these operations.
pub fn patch_op(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

/// Percent-encodes a query value.
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A request that is being built.
pub struct Request<'a> {
    server: &'a Server,
    request: actix::TestRequest,
}

impl Request<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.append_header((name, value));
        self
    }

    /// Sends the request from an address and port.
    pub fn from(mut self, peer: &str) -> Self {
        self.request = self.request.peer_addr(peer.parse().unwrap());
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/scim+json")
            .text(&body.to_string())
    }

    pub fn text(self, body: &str) -> Self {
        self.bytes(body.as_bytes())
    }

    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.request = self.request.set_payload(body.to_vec());
        self
    }

    pub fn send(self) -> Reply {
        self.server.send(self.request)
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: HeaderMap,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// An error with that status and `scimType`, in a body as RFC 7644 section 3.12 defines it.
    #[track_caller]
    pub fn expect_error(self, status: u16, scim_type: Option<&str>) -> Reply {
        let reply = self.expect(status);
        let json = reply.json();
        assert_eq!(reply.header("content-type"), Some("application/scim+json"));
        assert_eq!(
            json["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
            "{json}"
        );
        assert_eq!(json["status"], json!(status.to_string()), "{json}");
        assert_eq!(json.get("scimType").and_then(Value::as_str), scim_type, "{json}");
        assert!(json["detail"].as_str().is_some_and(|it| !it.is_empty()), "{json}");
        reply
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }

    /// `Resources` of a ListResponse.
    #[track_caller]
    pub fn resources(&self) -> Vec<Value> {
        self.json()["Resources"]
            .as_array()
            .expect("a ListResponse")
            .clone()
    }
}

/// The same server behind a socket, with a tenant and a token, for clients that speak HTTP.
pub struct HttpServer {
    /// The base URL for clients, for example `http://127.0.0.1:40123/scim/v2`.
    pub base_url: String,
    /// A token for its only tenant.
    pub token: String,
    pub store: Arc<DieselStore>,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
    /// Deleted when the server has stopped.
    data: Data,
}

enum Data {
    Sqlite { folder: TempDir },
    Postgres { _database: PostgresDatabase },
}

impl Data {
    fn folder(&self) -> &TempDir {
        match self {
            Data::Sqlite { folder } => folder,
            Data::Postgres { .. } => panic!("the files of PostgreSQL are not accessible"),
        }
    }
}

impl HttpServer {
    /// Starts a server with default settings.
    pub fn start() -> HttpServer {
        HttpServer::start_with(Choice::default())
    }

    pub fn start_with(choice: Choice) -> HttpServer {
        let folder = tempfile::tempdir().unwrap();
        HttpServer::listen(&sqlite(&folder), Data::Sqlite { folder }, choice)
    }

    /// Starts a server on PostgreSQL; `None` when `SCIM_TEST_POSTGRES_URL` is not set.
    pub fn start_on_postgres(choice: Choice) -> Option<HttpServer> {
        let database = PostgresDatabase::create()?;
        let url = database.url.clone();
        Some(HttpServer::listen(
            &url,
            Data::Postgres { _database: database },
            choice,
        ))
    }

    fn listen(url: &str, data: Data, mut choice: Choice) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = BaseUrl::of_listener(listener.local_addr().unwrap(), &choice.path_prefix).to_string();
        choice.settings.base_url = base_url.as_str().into();
        let (http, store) = open(url, choice);
        let tenant = store.create_tenant("acme", Utc::now()).unwrap();
        let (token, _) = create_token(&*store, tenant, Token::default());
        let (send, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server =
                    scim_server::http::server::listen(http, listener, None, std::future::pending()).unwrap();
                send.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = started.recv().unwrap();
        HttpServer {
            base_url,
            token,
            store,
            handle,
            thread: Some(thread),
            data,
        }
    }
}

/// A new database on the PostgreSQL server of the tests.
pub struct PostgresDatabase {
    pub url: String,
    /// The URL of the server, used to drop the database.
    server: String,
    name: String,
}

impl PostgresDatabase {
    /// `None` when `SCIM_TEST_POSTGRES_URL` is not set.
    pub fn create() -> Option<PostgresDatabase> {
        let server = std::env::var("SCIM_TEST_POSTGRES_URL").ok()?;
        let name = format!("scim_server_test_{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::establish(&server).unwrap();
        connection
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        let (before, _) = server.rsplit_once('/').expect("the URL names a database");
        Some(PostgresDatabase {
            url: format!("{before}/{name}"),
            server,
            name,
        })
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            // Connections of the server may still be closing.
            let _ = connection.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // The call sends the command; the future would only report the end.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl HttpServer {
    pub fn client(&self) -> HttpClient {
        HttpClient::new(&self.base_url, &self.token)
    }

    /// The bytes of all files of the database.
    pub fn stored_bytes(&self) -> Vec<u8> {
        stored_bytes(self.data.folder())
    }

    /// The database's files.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        stored_files(self.data.folder())
    }
}

/// A client that speaks HTTP.
pub struct HttpClient {
    agent: ureq::Agent,
    base_url: String,
    authorization: String,
}

impl HttpClient {
    pub fn new(base_url: &str, token: &str) -> HttpClient {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true);
        HttpClient {
            agent: config.build().new_agent(),
            base_url: base_url.to_owned(),
            authorization: format!("Bearer {token}"),
        }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The value of its header `Authorization`.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Status and body, `null` without one.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_send(method, path, body).unwrap()
    }

    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), ureq::Error> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/scim+json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .unwrap();
        let mut response = self.agent.run(request)?;
        let text = response.body_mut().read_to_string()?;
        Ok((
            response.status().as_u16(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        ))
    }

    /// Status, headers and body of a request with `application/json`.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u16, HashMap<String, String>, Value) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map(Value::to_string).unwrap_or_default());
        let mut response = self.agent.run(request.unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (
            response.status().as_u16(),
            headers.collect(),
            serde_json::from_str(&text).unwrap_or_default(),
        )
    }

    /// Sends a POST with `application/json`.
    pub fn post_json(&self, path: &str, body: &Value) -> ureq::http::Response<ureq::Body> {
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", self.base_url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(body.to_string());
        self.agent.run(request.unwrap()).unwrap()
    }

    /// Status, `ETag` and body of a request, with `If-Match` if a tag is given.
    pub fn send_if_match(
        &self,
        method: &str,
        path: &str,
        if_match: Option<&str>,
        body: &Value,
    ) -> (u16, Option<String>, Value) {
        self.try_send_if_match(method, path, if_match, body).unwrap()
    }

    pub fn try_send_if_match(
        &self,
        method: &str,
        path: &str,
        if_match: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Option<String>, Value), ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/scim+json");
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        let mut response = self.agent.run(request.body(body.to_string()).unwrap())?;
        let etag = response.headers().get("etag");
        let etag = etag.map(|it| it.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string()?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok((response.status().as_u16(), etag, json))
    }

    /// Creates a resource and returns its id.
    pub fn create(&self, endpoint: &str, body: &Value) -> String {
        let (status, created) = self.send("POST", endpoint, Some(body));
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().unwrap().to_owned()
    }
}
