//! SCIM in an application that has other paths and its own credentials.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse};
use chrono::Utc;
use scim_model::store::{Directory, StoreError, TenantId};
use scim_server::http::auth::{Authentication, Authenticator, Identity, Refusal};
use scim_server::http::error::Failure;
use scim_server::http::{Http, HttpOptions, scim};
use scim_server::service::{Service, Settings};
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::USER;

/// Accepts the API keys of an application.
struct ApiKeys(HashMap<&'static str, Identity>);

impl Authenticator for ApiKeys {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> Authentication<'a> {
        Box::pin(async {
            let Some(key) = request.headers().get("x-api-key") else {
                return Err(Refusal::NoCredentials);
            };
            // An application may ask another server here.
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
            match key.to_str() {
                Ok("no-answer") => {
                    let error = StoreError::Unavailable("key server 7 is down".into());
                    Err(Failure::Service(error.into()).into())
                }
                Ok(key) => self.0.get(key).cloned().ok_or(Refusal::InvalidCredentials),
                Err(_) => Err(Refusal::InvalidCredentials),
            }
        })
    }
}

/// An application that serves `/api/hello`, and SCIM below `/api/scim`.
struct Application {
    url: String,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Application {
    fn start() -> Application {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("scim.db").display());
        let registry = scim_server::registry(&[]).unwrap();
        let options = StoreOptions {
            resource_types: registry.resource_types.clone(),
            ..StoreOptions::default()
        };
        let store = Arc::new(DieselStore::open(&database, &options).unwrap());
        let identity = |tenant: TenantId, name: &str, read_only| Identity {
            tenant,
            tenant_name: name.into(),
            read_only,
            credential: None,
            settings: None,
        };
        let acme = store.create_tenant("acme", Utc::now()).unwrap();
        let other = store.create_tenant("other", Utc::now()).unwrap();
        let keys = HashMap::from([
            ("acme-key", identity(acme, "acme", false)),
            ("acme-reader", identity(acme, "acme", true)),
            ("other-key", identity(other, "other", false)),
        ]);
        let settings = Settings {
            base_url: "https://example.com/api/scim".into(),
            ..Settings::default()
        };
        let service = Arc::new(Service::new(registry, store, settings));
        let options = HttpOptions {
            path_prefix: "/api/scim".parse().unwrap(),
            ..HttpOptions::default()
        };
        let http = Arc::new(Http::new(service, Arc::new(ApiKeys(keys)), options));
        let configure = move |config: &mut ServiceConfig| {
            config
                .route("/api/hello", web::get().to(|| async { "hello" }))
                .configure(scim::routes(http.clone()))
                .default_service(web::to(|| async { HttpResponse::NotFound().body("no page") }));
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = actix_web::HttpServer::new(move || App::new().configure(configure.clone()))
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                send.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Application {
            url,
            handle: started.recv().unwrap(),
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// Returns status, headers and text of a response.
    fn send(
        &self,
        method: &str,
        path: &str,
        header: Option<(&str, &str)>,
        body: &str,
    ) -> (u16, ureq::http::HeaderMap, String) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/scim+json");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.build().new_agent();
        let mut response = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), response.headers().clone(), text)
    }

    /// Returns status and JSON of a request with an API key.
    fn with_key(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/api/scim{path}");
        let (status, _, text) = self.send(method, &path, Some(("x-api-key", key)), &body.to_string());
        (status, serde_json::from_str(&text).unwrap())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn the_authenticator_of_an_application_decides_who_a_request_is_from() {
    let application = Application::start();
    let user = json!({"schemas": [USER], "userName": "bjensen"});
    let (status, created) = application.with_key("acme-key", "POST", "/Users", &user);
    assert_eq!(status, 201, "{created}");
    let location = created["meta"]["location"].as_str().unwrap();
    assert!(
        location.starts_with("https://example.com/api/scim/Users/"),
        "{location}"
    );
    for (key, total) in [("acme-key", 1), ("acme-reader", 1), ("other-key", 0)] {
        let (status, list) = application.with_key(key, "GET", "/Users", &Value::Null);
        assert_eq!((status, &list["totalResults"]), (200, &json!(total)), "{key}");
    }
    let (status, refused) = application.with_key("acme-reader", "POST", "/Users", &user);
    assert_eq!((status, &refused["status"]), (403, &json!("403")));
}

#[test]
fn the_authenticator_of_an_application_can_refuse_and_fail() {
    let application = Application::start();
    let get = |path: &str, header| application.send("GET", path, header, "");
    let token = "Bearer scim_0123456789012345678901234567890123456789012";
    for (header, challenge) in [
        (None, r#"Bearer realm="scim""#),
        (Some(("authorization", token)), r#"Bearer realm="scim""#),
        (
            Some(("x-api-key", "wrong")),
            r#"Bearer realm="scim", error="invalid_token""#,
        ),
    ] {
        for path in ["/api/scim/Users", "/api/scim", "/api/scim/nothing"] {
            let (status, headers, text) = get(path, header);
            assert_eq!(status, 401, "{text}");
            assert_eq!(headers["www-authenticate"], challenge, "{path}");
            let error: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(error["status"], "401");
        }
        let (status, ..) = get("/api/scim/ServiceProviderConfig", header);
        assert_eq!(status, 200);
    }
    let (status, headers, text) = get("/api/scim/Users", Some(("x-api-key", "no-answer")));
    assert_eq!(status, 503, "{text}");
    assert_eq!(headers["retry-after"], "1");
    assert!(!text.contains("key server"), "{text}");
    let id = headers["x-request-id"].to_str().unwrap();
    assert!(text.contains(id), "{text}");
}

#[test]
fn the_paths_of_an_application_stay_its_own() {
    let application = Application::start();
    for (path, expected, text) in [
        ("/api/hello", 200, "hello"),
        ("/api/nothing", 404, "no page"),
        ("/nothing", 404, "no page"),
        ("/livez", 404, "no page"),
    ] {
        let (status, headers, body) = application.send("GET", path, None, "");
        assert_eq!((status, &*body), (expected, text), "{path}");
        assert!(!headers.contains_key("x-request-id"), "{path}");
    }
}
