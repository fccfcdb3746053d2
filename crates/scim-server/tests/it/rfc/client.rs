//! A SCIM client over a plain TCP connection. It writes each request byte by byte, so that a test
//! can also send requests that no HTTP library would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use scim_model::store::TenantId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::HttpServer;

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The extension of tests/fixtures/conformance.
pub(crate) const STAFF: &str = "urn:example:params:scim:schemas:staff:2.0:User";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
pub(crate) const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// Sends requests to one server, with one token or none.
#[derive(Clone)]
pub(crate) struct Client {
    /// The server runs as long as one client is left.
    pub(crate) server: Arc<HttpServer>,
    pub(crate) tenant: TenantId,
    /// The id of the token in the directory.
    pub(crate) token_id: Uuid,
    pub(crate) token: Option<String>,
    /// The published base URL, at which the server also listens: `http://127.0.0.1:40123/scim/v2`.
    pub(crate) base_url: String,
    /// `127.0.0.1:40123`
    pub(crate) address: String,
    /// `/scim/v2`
    pub(crate) base_path: String,
}

impl Client {
    pub(crate) fn new(server: &Arc<HttpServer>, tenant: TenantId, token_id: Uuid, token: &str) -> Client {
        let base_url = server.base_url.clone();
        let (_, rest) = base_url.split_once("://").expect("an absolute URL");
        let (address, path) = rest.split_once('/').expect("a URL with a path");
        let (address, base_path) = (address.to_owned(), format!("/{path}"));
        Client {
            server: server.clone(),
            tenant,
            token_id,
            token: Some(token.to_owned()),
            base_url,
            address,
            base_path,
        }
    }

    /// Returns a client of the same server without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client {
            token: None,
            ..self.clone()
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body.to_string().as_bytes()))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], Some(body.to_string().as_bytes()))
    }

    /// Sends a PatchOp message with these operations.
    pub(crate) fn patch(&self, path: &str, operations: &Value) -> Answer {
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        self.send("PATCH", path, &[], Some(body.to_string().as_bytes()))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// Sends a request to a path below the base URL. The token, and a `Content-Type` for a body, are
    /// added unless the headers have them.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let path = format!("{}{path}", self.base_path);
        self.send_to(method, &path, headers, body)
    }

    /// Sends a request to a whole path, as [`Client::send`] does.
    pub(crate) fn send_to(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let named = |name: &str| headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        if let Some(token) = self.token.as_ref().filter(|_| !named("Authorization")) {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !named("Content-Type") {
                head += "Content-Type: application/scim+json\r\n";
            }
            if !named("Transfer-Encoding") && !named("Content-Length") {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
        }
        head += "\r\n";
        self.exchange(method, &[head.as_bytes(), body.unwrap_or_default()].concat())
    }

    /// Sends these bytes and reads the response.
    pub(crate) fn exchange(&self, method: &str, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a valid time-out");
        // A server that refuses a large body may close before it has read everything.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            assert!(
                !bytes.is_empty(),
                "no answer to {}: {error}",
                String::from_utf8_lossy(request)
            );
        }
        Answer::parse(method, &bytes)
    }

    /// Creates a resource, which must succeed.
    pub(crate) fn create(&self, endpoint: &str, body: &Value) -> Answer {
        self.post(endpoint, body).expect(201)
    }

    /// Creates a minimal user and returns its id.
    pub(crate) fn user(&self, user_name: &str) -> String {
        self.create("/Users", &user(user_name)).id()
    }

    /// Creates a user with these attributes and returns its id.
    pub(crate) fn user_with(&self, user_name: &str, attributes: &Value) -> String {
        self.create("/Users", &user_with(user_name, attributes)).id()
    }

    /// Creates a group with members and returns its id.
    pub(crate) fn group(&self, display_name: &str, members: &[&str]) -> String {
        self.create("/Groups", &group(display_name, members)).id()
    }

    /// Returns the sorted names of the resources that match a filter; see [`Answer::names`].
    pub(crate) fn found(&self, endpoint: &str, filter: &str) -> Vec<String> {
        let answer = self
            .get(&format!("{endpoint}{}", query(&[("filter", filter)])))
            .expect(200);
        assert_eq!(answer.body["totalResults"], answer.names().len(), "{filter}");
        let mut names = answer.names();
        names.sort();
        names
    }

    /// Returns the sorted names of the users that match a filter.
    pub(crate) fn users(&self, filter: &str) -> Vec<String> {
        self.found("/Users", filter)
    }

    /// Checks that a filter is refused as `invalidFilter`.
    pub(crate) fn refused_filter(&self, endpoint: &str, filter: &str) {
        let answer = self.get(&format!("{endpoint}{}", query(&[("filter", filter)])));
        assert_eq!(answer.status, 400, "{filter}: {}", answer.body);
        answer.expect_error(400, "invalidFilter");
    }

    /// Reads a document, which must succeed.
    pub(crate) fn now(&self, path: &str) -> Value {
        self.get(path).expect(200).body
    }
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    /// `null` when the content is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    fn parse(method: &str, bytes: &[u8]) -> Answer {
        let end = bytes
            .windows(4)
            .position(|it| it == b"\r\n\r\n")
            .expect("an HTTP answer");
        let head = std::str::from_utf8(&bytes[..end]).expect("headers are ASCII");
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|it| it.split(' ').nth(1))
            .and_then(|it| it.parse().ok());
        let status: u16 = status.expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        if status == 100 {
            return Answer::parse(method, &bytes[end + 4..]);
        }
        let chunked = headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("Transfer-Encoding") && value == "chunked");
        let content = &bytes[end + 4..];
        let content = if chunked {
            unchunk(content)
        } else {
            content.to_vec()
        };
        let body = serde_json::from_slice(&content).unwrap_or(Value::Null);
        if method == "HEAD" {
            assert!(content.is_empty(), "HEAD has no content");
        }
        Answer {
            status,
            headers,
            bytes: content,
            body,
        }
    }

    /// Checks the status; a failure shows the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// Checks for a success with or without a body: `200` or `204` (RFC 7644 section 3.5.2).
    #[track_caller]
    pub(crate) fn expect_success(self) -> Answer {
        assert!(matches!(self.status, 200 | 204), "{} {}", self.status, self.body);
        self
    }

    /// Checks for a complete error body of RFC 7644 section 3.12. An empty `scim_type` means none.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, scim_type: &str) -> Answer {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        let expected = if scim_type.is_empty() {
            Value::Null
        } else {
            scim_type.into()
        };
        assert_eq!(self.body["scimType"], expected, "{}", self.body);
        assert_eq!(self.body["schemas"], json!([ERROR]), "{}", self.body);
        assert_eq!(self.body["status"], status.to_string(), "{}", self.body);
        assert!(
            self.body["detail"].as_str().is_some_and(|it| !it.is_empty()),
            "{}",
            self.body
        );
        let media_type = self.header("Content-Type").unwrap_or_default();
        assert!(media_type.starts_with("application/scim+json"), "{media_type}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.body["id"]
            .as_str()
            .expect("every resource has an id")
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn etag(&self) -> String {
        self.header("ETag").expect("an ETag").to_owned()
    }

    /// Returns the resources of a list.
    #[track_caller]
    pub(crate) fn resources(&self) -> &[Value] {
        self.body["Resources"].as_array().expect("a list has Resources")
    }

    /// Returns `userName`, or else `displayName`, of each resource of a list, in order.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |it: &Value| {
            it["userName"]
                .as_str()
                .or(it["displayName"].as_str())
                .unwrap_or("?")
                .to_owned()
        };
        self.resources().iter().map(name).collect()
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = rest.windows(2).position(|it| it == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|it| usize::from_str_radix(it, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else {
            break;
        };
        content.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    content
}

/// Returns `{"schemas":[User],"userName":…}`.
pub(crate) fn user(user_name: &str) -> Value {
    json!({"schemas": [USER], "userName": user_name})
}

/// Returns a user with these attributes; `schemas` lists the extensions among them.
pub(crate) fn user_with(user_name: &str, attributes: &Value) -> Value {
    let mut body = user(user_name);
    for (name, value) in attributes.as_object().expect("attributes") {
        if name.starts_with("urn:") {
            body["schemas"]
                .as_array_mut()
                .expect("an array")
                .push(name.as_str().into());
        }
        body[name] = value.clone();
    }
    body
}

/// Returns `{"schemas":[Group],"displayName":…,"members":[…]}`.
pub(crate) fn group(display_name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({"schemas": [GROUP], "displayName": display_name, "members": members})
}

/// Returns `?name=value&…`, percent-encoded.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    format!("?{}", pairs.join("&"))
}

/// Percent-encodes everything but the unreserved characters (RFC 3986 section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// Returns the sorted names of the members of an object.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// Returns whether a value is an RFC 3339 date and time in UTC with milliseconds.
pub(crate) fn is_timestamp(value: &Value) -> bool {
    let pattern = b"0000-00-00T00:00:00.000Z";
    value.as_str().is_some_and(|text| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern).all(|(it, like)| {
                if *like == b'0' {
                    it.is_ascii_digit()
                } else {
                    it == *like
                }
            })
    })
}
