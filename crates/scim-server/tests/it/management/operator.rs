//! An operator that sends requests to the management listener of a server in process.

use actix_web::http::Method;
use actix_web::test as actix;
use chrono::Utc;
use scim_server::management::keys::{self, KeyRequest, KeyScope};
use serde_json::{Value, json};

use super::openapi;
use crate::harness::{Reply, Server};

/// An operator with a key.
pub struct Operator<'a> {
    pub server: &'a Server,
    pub key: String,
    pub id: String,
}

impl Server {
    /// An operator with a new key, limited to these tenants if there are any.
    pub fn operator(&self, scope: KeyScope, tenants: &[&str]) -> Operator<'_> {
        let tenants: Vec<String> = tenants.iter().map(|it| (*it).to_owned()).collect();
        let request = KeyRequest {
            id: scim_server::clock::new_id(),
            name: "test",
            scope,
            tenants: &tenants,
            expires: None,
        };
        let issued = keys::create(&*self.store, &request, Utc::now()).unwrap();
        Operator {
            server: self,
            key: issued.secret,
            id: issued.view.id.to_string(),
        }
    }

    /// An operator that may do everything.
    pub fn admin(&self) -> Operator<'_> {
        self.operator(KeyScope::Admin, &[])
    }
}

impl Operator<'_> {
    /// A request to a path below `/api/v1`.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request {
            operator: self,
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", self.key))],
            body: None,
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send()
    }

    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.request("POST", path).json(&body).send()
    }

    pub fn patch(&self, path: &str, body: Value) -> Reply {
        self.request("PATCH", path).json(&body).send()
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path).send()
    }

    /// The values of a member in the items of a list.
    pub fn list(&self, path: &str, member: &str) -> Vec<Value> {
        let list = self.get(path).expect(200).json();
        let items = list["items"].as_array().expect("it is a list");
        items.iter().map(|it| it[member].clone()).collect()
    }

    /// Creates an object, and returns it with its path.
    pub fn create(&self, path: &str, body: Value) -> (Value, String) {
        let reply = self.post(path, body).expect(201);
        let location = reply.header("location").expect("an object has a path");
        let path = location.strip_prefix("/api/v1").expect("it is below the API");
        (reply.json(), path.to_owned())
    }
}

/// A request that is being built.
pub struct Request<'a> {
    operator: &'a Operator<'a>,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the operator key.
    pub fn authorization(mut self, value: Option<&str>) -> Self {
        self.headers.retain(|(name, _)| name != "authorization");
        match value {
            Some(value) => self.header("authorization", value),
            None => self,
        }
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.to_string().as_bytes())
    }

    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// Sends the request, and compares the answer with its description.
    pub fn send(self) -> Reply {
        let mut request = actix::TestRequest::default()
            .method(self.method.clone())
            .uri(&format!("/api/v1{}", self.path));
        for (name, value) in &self.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        if let Some(body) = self.body {
            request = request.set_payload(body);
        }
        let reply = self.operator.server.send_as_operator(request);
        openapi::check_answer(self.method.as_str(), &self.path, &reply);
        reply
    }
}

impl Reply {
    /// A problem with this status and kind, and the field that is to blame if there is one.
    #[track_caller]
    pub fn expect_problem(self, status: u16, kind: &str, field: Option<&str>) -> Reply {
        let reply = self.expect(status);
        let json = reply.json();
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            json["type"],
            json!(format!("urn:scim-server:problem:{kind}")),
            "{json}"
        );
        assert_eq!(json["status"], json!(status), "{json}");
        for member in ["title", "detail"] {
            assert!(json[member].as_str().is_some_and(|it| !it.is_empty()), "{json}");
        }
        assert_eq!(json["requestId"].as_str(), reply.header("x-request-id"), "{json}");
        assert_eq!(json["errors"][0]["field"].as_str(), field, "{json}");
        reply
    }
}
