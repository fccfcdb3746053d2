//! The log at its most detailed level contains no secret and no personal data, whatever is driven.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use scim_model::store::OperatorScope;
use scim_server::http::management::resource::PREFIX;
use scim_server::http::management::route_table;
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, encode, patch_op, wait_until};
use crate::keys::first_key;
use crate::oauth::issuer::{Key, jwks};
use crate::restart::Binary;
use crate::webhooks::receiver::{Answer, Receiver, answer};

/// A part of every userName, e-mail, password, filter, body and header that the test sends.
const MARK: &str = "Zaphod";

/// Every library is named, because a directive for a module overrides the default of the server.
const EVERYTHING: &str = "trace,actix_http=trace,actix_web=trace,actix_server=trace,diesel=trace,r2d2=trace,ureq=trace,\
                          ureq_proto=trace,rustls=trace,mio=trace";

/// 7643-9.3-01, 6750-5.3-01, cred-106
///
/// Every part of the server is driven while everything is logged. Each operation of an operator is in the audit log.
#[test]
fn the_log_at_its_most_detailed_level_has_no_secret_and_no_personal_data() {
    Shell::on_each(|shell| {
        for format in ["json", "text"] {
            let mut run = Run::start(shell, format);
            run.provision();
            let client = run.credentials();
            run.oauth(&client);
            run.deliveries();
            run.keys_and_deletions();
            run.check(format);
        }
    });
}

/// A server with everything logged, and the secrets that it got or gave.
struct Run {
    server: Binary,
    scim: HttpClient,
    api: HttpClient,
    tenant: String,
    secrets: Vec<String>,
    /// Method and template of the operations of the management API that were called.
    called: BTreeSet<(String, String)>,
    receiver: Receiver,
    failing: Receiver,
}

impl Run {
    fn start(shell: &Shell, format: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
        command
            .args(["--listen", "127.0.0.1:0", "--database-url", &shell.url()])
            .args(["--passwords", "argon2id", "--egress-allow", "127.0.0.1"])
            .args(["--secrets-key-file"])
            .arg(shell.folder.path().join("secrets-key"))
            .current_dir(shell.folder.path())
            .env("SCIM_LOG_FORMAT", format)
            .env("RUST_LOG", EVERYTHING);
        if !shell.folder.path().join("secrets-key").exists() {
            std::fs::write(shell.folder.path().join("secrets-key"), "0f".repeat(32)).unwrap();
        }
        let server = Binary::run(command);
        let key = match server.printed.contains("Operator key ") {
            true => first_key(&server).to_owned(),
            false => {
                let created = shell.json(&["key", "create", "--name", "log", "--scope", "admin", "--json"]);
                created["key"].as_str().unwrap().to_owned()
            }
        };
        let line = server
            .printed
            .lines()
            .find(|it| it.starts_with("Management API at "));
        let origin = line.unwrap().rsplit(' ').next().unwrap().to_owned();
        let tenant = format!("tenant-{format}");
        let created = shell.json(&["tenant", "create", &tenant, "--json"]);
        let token = created["token"].as_str().map_or_else(
            || shell.json(&["token", "create", "--tenant", &tenant, "--json"])["token"].clone(),
            Value::from,
        );
        let token = token.as_str().unwrap().to_owned();
        Run {
            scim: HttpClient::new(&server.base_url, &token),
            api: HttpClient::new(&origin, &key),
            secrets: vec![token, key],
            tenant,
            called: BTreeSet::new(),
            receiver: Receiver::start(|_, _| Answer {
                body: "Zaphod answers",
                ..answer(200)
            }),
            failing: Receiver::start(|_, _| Answer {
                body: "Zaphod refuses",
                ..answer(500)
            }),
            server,
        }
    }

    /// SCIM: good requests and bad ones.
    fn provision(&self) {
        let scim = &self.scim;
        let mail = format!("{MARK}@example.com");
        let user = json!({
            "schemas": [USER], "userName": MARK, "password": format!("{MARK}-password"),
            "name": { "familyName": MARK }, "emails": [{ "value": mail }],
        });
        let id = scim.create("/Users", &user);
        let member = json!({ "schemas": [GROUP], "displayName": MARK, "members": [{ "value": id }] });
        let group = scim.create("/Groups", &member);
        let filter = encode(&format!("userName eq \"{MARK}\" or title co \"{MARK}\""));
        let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                             "filter": format!("emails.value co \"{MARK}\"") });
        let rename = patch_op(json!([{ "op": "replace", "path": "userName", "value": format!("{MARK}2") }]));
        let path = format!("/Users/{id}");
        // Whether they succeed is shown elsewhere. The store never fails.
        for (method, path, body) in [
            ("GET", path.as_str(), None),
            ("GET", &format!("/Users?filter={filter}&sortBy=title"), None),
            ("GET", &format!("/Users?filter={MARK}%20zz%20{MARK}"), None),
            ("GET", &format!("/Users?sortBy={MARK}&{MARK}={MARK}"), None),
            ("GET", &format!("/{MARK}"), None),
            ("GET", &format!("/Users/{MARK}"), None),
            (MARK, "/Users", None),
            ("POST", "/Users/.search", Some(search)),
            ("POST", "/Users", Some(user.clone())),
            (
                "POST",
                "/Users",
                Some(json!({ "schemas": [MARK], "userName": [MARK] })),
            ),
            ("POST", "/Bulk", Some(json!({ "password": MARK }))),
            ("PATCH", &path, Some(rename)),
            (
                "PATCH",
                &path,
                Some(json!({ "schemas": [USER], "Operations": MARK })),
            ),
            ("PUT", &path, Some(user.clone())),
            (
                "PATCH",
                &format!("/Groups/{group}"),
                Some(patch_op(
                    json!([{ "op": "remove", "path": format!("members[value eq \"{MARK}\"]") }]),
                )),
            ),
            ("DELETE", &format!("/Groups/{group}"), None),
        ] {
            let (status, body) = scim.send(method, path, body.as_ref());
            assert!(![500, 503].contains(&status), "{method} {path}: {body}");
        }
        assert!(scim.send_if_match("PUT", &path, Some(MARK), &user).0 >= 400);
        for token in [MARK, "scim_Zaphod", "opk_Zaphod"] {
            assert_eq!(self.server.get("/Users", token).0, 401);
        }
        let malformed = format!("{{\"userName\": \"{MARK}\", ");
        for body in [malformed.as_str(), MARK] {
            let agent = agent();
            let sent = agent
                .post(format!("{}/Users?password={MARK}", self.server.base_url))
                .header("authorization", &format!("Bearer {}", self.secrets[0]))
                .header("content-type", "application/scim+json")
                .header("cookie", MARK)
                .send(body);
            assert_eq!(sent.unwrap().status().as_u16(), 400);
        }
        // Not HTTP at all.
        use std::io::{Read as _, Write as _};
        let mut connection = self.server.connect();
        connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let text = format!("{MARK} {MARK}\r\n{MARK}\r\n\r\n");
        connection.write_all(text.as_bytes()).unwrap();
        let _ = connection.read_to_string(&mut String::new());
    }

    /// Calls an operation of the management API that writes, and returns its answer.
    fn write(&mut self, method: &str, template: &str, ids: &[&str], body: Option<Value>) -> Value {
        let mut path = String::new();
        let mut ids = ids.iter();
        for segment in template.split('/').skip(1) {
            let is_name = segment.starts_with('{');
            let segment = if is_name {
                ids.next().expect("an id for each name")
            } else {
                segment
            };
            path.push_str(&format!("/{segment}"));
        }
        let body = body.map(|it| it.to_string());
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api.base_url()))
            .header("authorization", self.api.authorization())
            .header("content-type", "application/json")
            .body(body.unwrap_or_default())
            .unwrap();
        let mut reply = agent().run(request).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        assert!(reply.status().is_success(), "{method} {path}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        for name in ["token", "secret", "clientSecret", "key"] {
            self.secrets.extend(answer[name].as_str().map(str::to_owned));
        }
        self.called.insert((method.to_owned(), template.to_owned()));
        answer
    }

    /// Tenants, connections, tokens, clients and federations. Returns id and secret of a client.
    fn credentials(&mut self) -> (String, String) {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let tenant = self.tenant.clone();
        let tenant = tenant.as_str();
        self.write("POST", "/tenants", &[], Some(json!({ "name": "passing" })));
        self.write(
            "PATCH",
            "/tenants/{tenant}",
            &["passing"],
            Some(json!({ "name": "passed" })),
        );
        self.write("DELETE", "/tenants/{tenant}", &["passed"], None);
        let filter = format!("/tenants/{tenant}/users?filter=userName%20eq%20%22{MARK}%22");
        assert_eq!(self.api.send("GET", &filter, None).0, 200);
        let undo = json!({ "request": MARK, "dryRun": false });
        self.write("POST", "/tenants/{tenant}/undo", &[tenant], Some(undo));
        let connections = "/tenants/{tenant}/connections";
        let connection = "/tenants/{tenant}/connections/{connection}";
        self.write("POST", connections, &[tenant], Some(json!({ "name": "entra" })));
        let ids = [tenant, "entra"];
        self.write(
            "PATCH",
            connection,
            &ids,
            Some(json!({ "settings": { "leniency": "strict" } })),
        );
        self.write("POST", &format!("{connection}/pause"), &ids, None);
        self.write("POST", &format!("{connection}/resume"), &ids, None);
        self.write("DELETE", connection, &ids, None);

        let ids = [tenant, "default"];
        let token = self.write("POST", &format!("{connection}/tokens"), &ids, Some(json!({})));
        let token = [tenant, "default", &text(&token, "id")];
        let rotated = self.write(
            "POST",
            &format!("{connection}/tokens/{{id}}/rotate"),
            &token,
            Some(json!({})),
        );
        let rotated = [tenant, "default", &text(&rotated, "id")];
        self.write("DELETE", &format!("{connection}/tokens/{{id}}"), &rotated, None);

        let clients = format!("{connection}/clients");
        let created = self.write("POST", &clients, &ids, Some(json!({})));
        let client = (text(&created, "clientId"), text(&created, "clientSecret"));
        let path = [tenant, "default", &client.0];
        let second = self.write(
            "POST",
            &format!("{clients}/{{id}}/secrets"),
            &path,
            Some(json!({})),
        );
        let secret = [tenant, "default", &client.0, &text(&second, "id")];
        self.write(
            "DELETE",
            &format!("{clients}/{{id}}/secrets/{{secret}}"),
            &secret,
            None,
        );
        let other = self.write("POST", &clients, &ids, Some(json!({})));
        let other = [tenant, "default", &text(&other, "clientId")];
        self.write(
            "PATCH",
            &format!("{clients}/{{id}}"),
            &other,
            Some(json!({ "disabled": true })),
        );
        self.write("DELETE", &format!("{clients}/{{id}}"), &other, None);

        let key = Key::ec("first");
        let federation = json!({ "issuer": "https://issuer.example.com", "subject": "app", "audiences": ["scim"],
                                 "keys": { "inline": jwks(&[&key]) } });
        let created = self.write(
            "POST",
            &format!("{connection}/federations"),
            &ids,
            Some(federation),
        );
        let federation = [tenant, "default", &text(&created, "clientId")];
        let assertion =
            key.sign(&json!({ "iss": MARK, "sub": MARK, "email": format!("{MARK}@example.com") }));
        self.secrets.push(assertion.clone());
        let check = format!("{connection}/federations/{{id}}/check");
        self.write(
            "POST",
            &check,
            &federation,
            Some(json!({ "assertion": assertion })),
        );
        let path = format!("{connection}/federations/{{id}}");
        self.write("PATCH", &path, &federation, Some(json!({ "name": "renamed" })));
        self.write(
            "DELETE",
            &format!("{connection}/federations/{{id}}"),
            &federation,
            None,
        );
        client
    }

    /// The token endpoint: with a secret, with an assertion whose keys cannot be fetched, and with wrong credentials.
    fn oauth(&mut self, (id, secret): &(String, String)) {
        let url = self.server.base_url.replace("/scim/v2", "/oauth2/token");
        let form = "application/x-www-form-urlencoded";
        let basic = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let send = |authorization: &str, body: &str| {
            let request = agent().post(&url).header("content-type", form);
            let request = request.header("authorization", authorization);
            let mut reply = request.send(body).unwrap();
            let text = reply.body_mut().read_to_string().unwrap();
            (
                reply.status().as_u16(),
                serde_json::from_str::<Value>(&text).unwrap_or_default(),
            )
        };
        let (status, answer) = send(&format!("Basic {basic}"), "grant_type=client_credentials");
        assert_eq!(status, 200, "{answer}");
        let token = answer["access_token"].as_str().unwrap().to_owned();
        assert_eq!(self.server.get("/Users", &token).0, 200);
        self.secrets.extend([token, basic]);
        let wrong = BASE64_STANDARD.encode(format!("{id}:{MARK}"));
        assert_eq!(
            send(&format!("Basic {wrong}"), "grant_type=client_credentials").0,
            401
        );
        self.secrets.push(wrong);
        // The server cannot speak TLS with the receiver.
        let keys = self.failing.url.replace("http://", "https://");
        let connection = "/tenants/{tenant}/connections/{connection}/clients";
        let tenant = self.tenant.clone();
        let created = json!({ "keys": { "url": keys } });
        let created = self.write("POST", connection, &[&tenant, "default"], Some(created));
        let id = created["clientId"].as_str().unwrap();
        let claims = json!({ "iss": id, "sub": id, "jti": MARK, "email": MARK });
        let assertion = Key::ec("other").sign(&claims);
        let body = format!(
            "grant_type=client_credentials&client_id={id}&client_assertion={assertion}&client_assertion_type={}",
            encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        let (status, _) = send("", &body);
        assert!((400..600).contains(&status), "{status}");
        self.secrets.push(assertion);
    }

    /// Webhooks and streams, to a receiver that accepts and to one that fails.
    fn deliveries(&mut self) {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let headers = json!({ "Authorization": format!("Bearer {MARK}-webhook") });
        let webhook = |url: &str| json!({ "url": format!("{url}?key={MARK}"), "headers": headers });
        let (good, bad) = (webhook(&self.receiver.url), webhook(&self.failing.url));
        let created = self.write("POST", "/webhooks", &[], Some(good));
        let good = id(&created);
        let created = self.write("POST", "/webhooks", &[], Some(bad));
        let bad = id(&created);
        let stream = |url: &str| {
            json!({ "issuer": "https://scim.example.com", "audience": MARK, "url": format!("{url}?key={MARK}"),
                    "events": ["full"], "withUserName": true, "authorization": format!("Bearer {MARK}-stream") })
        };
        let (pushed, refused) = (stream(&self.receiver.url), stream(&self.failing.url));
        let created = self.write("POST", "/set-streams", &[], Some(pushed));
        let pushed = id(&created);
        let created = self.write("POST", "/set-streams", &[], Some(refused));
        let refused = id(&created);
        let polled = json!({ "issuer": "https://scim.example.com", "audience": MARK, "events": ["full"] });
        let created = self.write("POST", "/set-streams", &[], Some(polled));
        let polled = id(&created);
        let user =
            json!({ "schemas": [USER], "userName": format!("{MARK}-event"), "emails": [{ "value": MARK }] });
        self.scim.create("/Users", &user);
        wait_until("both receivers have got messages", || {
            let got = |it: &Receiver| {
                it.received()
                    .iter()
                    .any(|it| !it.headers.contains_key("webhook-id"))
            };
            let both = |it: &Receiver| {
                got(it)
                    && it
                        .received()
                        .iter()
                        .any(|it| it.headers.contains_key("webhook-id"))
            };
            both(&self.receiver) && both(&self.failing)
        });
        let sets =
            json!({ "returnImmediately": true, "setErrs": { MARK: { "err": MARK, "description": MARK } } });
        self.write(
            "POST",
            "/set-streams/{id}/poll",
            &[&polled],
            Some(json!({ "returnImmediately": true })),
        );
        let _ = self
            .api
            .send("POST", &format!("/set-streams/{polled}/poll"), Some(&sets));
        let renamed = json!({ "name": "renamed" });
        self.write("PATCH", "/set-streams/{id}", &[&pushed], Some(renamed));
        let verify = json!({ "state": MARK });
        self.write("POST", "/set-streams/{id}/verify", &[&pushed], Some(verify));
        for action in ["pause", "enable", "disable"] {
            let reason = (action != "enable").then(|| json!({ "reason": "holiday" }));
            let reason = reason.unwrap_or_else(|| json!({}));
            self.write(
                "POST",
                &format!("/set-streams/{{id}}/{action}"),
                &[&refused],
                Some(reason),
            );
        }
        for stream in [pushed, refused, polled] {
            self.write("DELETE", "/set-streams/{id}", &[&stream], None);
        }
        let other = json!({ "headers": { "X-Key": format!("{MARK}-other") } });
        self.write("PATCH", "/webhooks/{id}", &[&good], Some(other));
        self.write("POST", "/webhooks/{id}/test", &[&good], None);
        let requests = self.receiver.received();
        let message = requests
            .iter()
            .find_map(|it| it.headers.get("webhook-id"))
            .unwrap()
            .clone();
        self.write(
            "POST",
            "/webhooks/{id}/replay",
            &[&good],
            Some(json!({ "message": message })),
        );
        self.write("POST", "/webhooks/{id}/rotate-secret", &[&good], Some(json!({})));
        self.write("POST", "/webhooks/{id}/disable", &[&bad], None);
        self.write("POST", "/webhooks/{id}/enable", &[&bad], Some(json!({})));
        for webhook in [good, bad] {
            self.write("DELETE", "/webhooks/{id}", &[&webhook], None);
        }
    }

    fn keys_and_deletions(&mut self) {
        let key = self.write(
            "POST",
            "/keys",
            &[],
            Some(json!({ "name": "console", "scope": "read" })),
        );
        let id = key["id"].as_str().unwrap().to_owned();
        let (status, _) = self.api.send("GET", "/events?limit=1000", None);
        assert_eq!(status, 200);
        self.write("DELETE", "/keys/{id}", &[&id], None);
        let (status, _) = HttpClient::new(self.api.base_url(), MARK).send("GET", "/keys", None);
        assert_eq!(status, 401);
    }

    /// Stops the server and examines its log.
    fn check(mut self, format: &str) {
        self.server.signal("-TERM");
        assert!(self.server.wait().success());
        let log = self.server.log();
        assert!(log.lines().count() > 100, "{log}");
        let mark = BASE64_STANDARD.encode(MARK);
        for secret in self.secrets.iter().map(String::as_str).chain([
            MARK,
            &MARK.to_lowercase(),
            mark.trim_end_matches('='),
        ]) {
            assert!(secret.len() >= 6, "{secret}");
            let line = log.lines().find(|it| it.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
        let writes = route_table::resources();
        let writes = writes.iter().flat_map(|it| {
            it.operations()
                .iter()
                .map(move |(method, scope)| (method, scope, it.path))
        });
        for (method, _, path) in writes.filter(|(_, scope, _)| *scope == &OperatorScope::Admin) {
            let operation = (method.as_str().to_owned(), path.to_owned());
            assert!(self.called.contains(&operation), "{operation:?} has to be driven");
        }
        if format == "json" {
            check_entries(&log);
        }
    }
}

/// Checks that each line is an entry, and that the actions of operators have entries in the audit log.
fn check_entries(log: &str) {
    let entries: Vec<Value> = log
        .lines()
        .map(|it| serde_json::from_str(it).unwrap_or_else(|error| panic!("{error}: {it}")))
        .collect();
    for entry in &entries {
        let text = |name: &str| {
            entry[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} in {entry}"))
        };
        let time = chrono::DateTime::parse_from_rfc3339(text("time")).unwrap();
        assert!(
            text("time").ends_with('Z') && time.timestamp() > 1_700_000_000,
            "{entry}"
        );
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&text("level")),
            "{entry}"
        );
        assert!(
            !text("target").is_empty() && entry["message"].is_string(),
            "{entry}"
        );
    }
    let of = |target: &'static str| entries.iter().filter(move |it| it["target"] == target);
    assert!(
        entries.iter().any(|it| it["level"] == "DEBUG"),
        "everything is logged"
    );
    let audited: BTreeSet<&str> = of("audit").map(|it| it["request_id"].as_str().unwrap()).collect();
    for entry in of("audit") {
        for field in ["key", "action", "object"] {
            assert!(entry[field].as_str().is_some_and(|it| !it.is_empty()), "{entry}");
        }
    }
    let mut requests = BTreeSet::new();
    for entry in of("scim_server::access") {
        let route = entry["route"].as_str().unwrap();
        let id = entry["request_id"].as_str().unwrap();
        assert!(requests.insert(id), "one entry a request: {entry}");
        assert!(
            entry["status"].is_u64() && entry["duration_ms"].is_number(),
            "{entry}"
        );
        if route.starts_with("/scim/v2/Users") && entry["status"] == 201 {
            assert_eq!(entry["connection"], "default", "{entry}");
        }
        let is_write = route.starts_with(PREFIX) && entry["method"] != "GET" && !route.ends_with("/poll");
        if is_write && entry["status"].as_u64().unwrap() < 300 {
            assert!(
                audited.contains(id),
                "the action has no entry in the audit log: {entry}"
            );
        }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .proxy(None);
    config.build().new_agent()
}
