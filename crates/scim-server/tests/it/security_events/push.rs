//! Pushing by the binary, to receivers on loopback addresses.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, uri, verify};
use crate::harness::{HttpClient, USER, patch_op, wait_until};
use crate::restart::Binary;
use crate::webhooks::receiver::{Answer, Received, Receiver, answer};

/// The flag that permits receivers on this machine.
pub(super) const LOCAL: [&str; 2] = ["--egress-allow", "127.0.0.1"];

/// The commands of a server's database.
pub(super) struct Commands {
    pub(super) database_url: String,
    /// The file, if it is not the usual one.
    pub(super) secrets_key: Option<PathBuf>,
}

impl Commands {
    fn of(server: &Binary) -> Commands {
        Commands {
            database_url: server.database_url(),
            secrets_key: None,
        }
    }

    pub(super) fn run(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        use std::io::Write as _;

        let mut child = Command::new(env!("CARGO_BIN_EXE_scim-server"))
            .args(arguments)
            .args(["--database-url", &self.database_url])
            .envs(self.secrets_key.iter().map(|it| ("SCIM_SECRETS_KEY_FILE", it)))
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.code(), out, err)
    }

    #[track_caller]
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(&[&["set-stream"], arguments, &["--json"]].concat(), "");
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    #[track_caller]
    pub(super) fn create(&self, url: &str, arguments: &[&str]) -> String {
        let create = [
            "create",
            "--audience",
            AUDIENCE,
            "--issuer",
            ISSUER,
            "--push",
            url,
        ];
        let created = self.json(&[&create[..], &LOCAL, arguments].concat());
        created["id"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn tenant(&self, name: &str) {
        let (code, _, err) = self.run(&["tenant", "create", name], "");
        assert_eq!(code, Some(0), "{err}");
    }

    fn state(&self, id: &str) -> (String, String) {
        let shown = self.json(&["show", id]);
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        (text("state"), text("reason"))
    }
}

pub(super) fn create_user(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({ "schemas": [USER], "userName": name }))
}

/// Gets a document of the server without a token.
pub(super) fn document(server: &Binary, path: &str) -> Value {
    let url = server.base_url.replace("/scim/v2", path);
    let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
    let text = agent
        .get(&url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(super) fn text(request: &Received) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

/// The claim `jti`, which is not verified.
pub fn jti(request: &Received) -> String {
    use base64::Engine as _;

    let claims = text(request).split('.').nth(1).unwrap();
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

/// evt-92, evt-96, evt-97, evt-100, evt-127, evt-130
#[test]
fn evt_96_tokens_are_posted_one_by_one_in_order() {
    let server = Binary::start(&LOCAL);
    let commands = Commands::of(&server);
    let config = || document(&server, "/scim/v2/ServiceProviderConfig");
    assert_eq!(config().get("securityEvents"), None, "evt-92");
    let receiver = Receiver::start(|_, number| answer(if number == 0 { 200 } else { 202 }));
    let create = [
        "set-stream",
        "create",
        "--audience",
        AUDIENCE,
        "--issuer",
        ISSUER,
        "--push",
        &receiver.url,
    ];
    let arguments = ["--authorization-file", "-", "--events", "notice,caep", "--json"];
    let (code, out, err) = commands.run(&[&create[..], &LOCAL, &arguments].concat(), "Bearer c2VjcmV0\n");
    assert_eq!(code, Some(0), "{err}");
    assert!(!out.contains("c2VjcmV0") && !err.contains("c2VjcmV0"));
    let client = server.client();
    let user = create_user(&client, "bjensen");
    let patch = patch_op(json!([{"op": "replace", "path": "active", "value": false}]));
    receiver.wait_for(1);
    let began = Instant::now();
    client.send("PATCH", &format!("/Users/{user}"), Some(&patch));
    let received = receiver.wait_for(4);
    assert!(began.elapsed() < Duration::from_secs(5), "evt-130");
    let jwks = document(&server, "/.well-known/jwks.json");
    let claims: Vec<Value> = received.iter().map(|it| verify(&jwks, text(it))).collect();
    let uris: Vec<String> = claims.iter().map(uri).collect();
    let prov = |name: &str| format!("urn:ietf:params:scim:event:prov:{name}");
    let revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    assert_eq!(
        uris,
        [
            prov("create:notice"),
            prov("patch:notice"),
            prov("deactivate"),
            revoked.to_owned()
        ]
    );
    for request in &received {
        assert!(request.line.starts_with("POST /hook "));
        for (name, value) in [
            ("content-type", "application/secevent+jwt"),
            ("accept", "application/json"),
            ("authorization", "Bearer c2VjcmV0"),
        ] {
            assert_eq!(request.headers[name], value);
        }
    }
    wait_until("securityEvents", || config().get("securityEvents").is_some());
    let events = &config()["securityEvents"];
    assert_eq!(events["asyncRequest"], "none");
    for uri in &uris {
        assert!(
            events["eventUris"].as_array().unwrap().contains(&json!(uri)),
            "{uri}"
        );
    }
}

/// evt-98, evt-99
#[test]
fn evt_99_a_refused_token_is_kept_as_a_dead_letter_and_the_next_is_sent() {
    let server = Binary::start(&LOCAL);
    let commands = Commands::of(&server);
    let receiver = Receiver::start(|_, number| match number {
        0 => Answer {
            body: r#"{"err":"invalid_audience","description":"not me"}"#,
            ..answer(400)
        },
        _ => answer(202),
    });
    let id = commands.create(&receiver.url, &[]);
    let client = server.client();
    for name in ["a", "b"] {
        create_user(&client, name);
    }
    let received = receiver.wait_for(2);
    assert_ne!(jti(&received[0]), jti(&received[1]));
    wait_until("the dead letter", || {
        commands.json(&["show", &id])["refused"] != json!([])
    });
    let shown = commands.json(&["show", &id]);
    let letter = &shown["refused"][0];
    assert_eq!(letter["jti"], jti(&received[0]));
    assert_eq!(
        (&letter["error"], &letter["description"]),
        (&json!("invalid_audience"), &json!("not me"))
    );
    assert_eq!(shown["state"], "enabled");
}

/// evt-99, evt-121
#[test]
fn evt_99_a_receiver_that_refuses_the_key_pauses_the_stream() {
    let server = Binary::start(&LOCAL);
    let commands = Commands::of(&server);
    let receiver = Receiver::start(|_, number| match number {
        0 => Answer {
            body: r#"{"err":"invalid_key","description":"unknown kid"}"#,
            ..answer(400)
        },
        _ => answer(202),
    });
    let id = commands.create(&receiver.url, &[]);
    let client = server.client();
    create_user(&client, "a");
    wait_until("the pause", || commands.state(&id).0 == "paused");
    assert_eq!(commands.state(&id).1, "invalid_key: unknown kid");
    let jwks = document(&server, "/.well-known/jwks.json");
    let received = receiver.wait_for(2);
    let report = verify(&jwks, text(&received[1]));
    assert!(uri(&report).ends_with("stream-updated"), "evt-121: {report}");
    create_user(&client, "b");
    commands.json(&["enable", &id]);
    let received = receiver.wait_for(4);
    assert_eq!(
        jti(&received[2]),
        jti(&received[0]),
        "the stream continues where it stopped"
    );
}

/// evt-70, evt-99
#[test]
fn a_token_is_sent_again_until_the_receiver_takes_it() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let server = Binary::start_in(folder, &LOCAL);
    let token = server.token();
    let commands = Commands::of(&server);
    let receiver = Receiver::start(|_, number| answer([500, 202, 503][number.min(2)]));
    let id = commands.create(&receiver.url, &[]);
    let client = server.client();
    for name in ["a", "b"] {
        create_user(&client, name);
    }
    let received = receiver.wait_for(3);
    let ids: Vec<String> = received.iter().map(jti).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    // What is not stored yet would be sent again.
    wait_until("the progress", || {
        let shown = commands.json(&["show", &id]);
        shown["deliveries"].as_array().unwrap().len() == 3
    });
    // The process ends without warning, and the next one continues at once.
    let folder = server.kill();
    let server = Binary::start_in(folder, &LOCAL);
    let last = receiver.wait_for(4).pop().unwrap();
    assert_eq!(jti(&last), ids[2]);
    let jwks = document(&server, "/.well-known/jwks.json");
    verify(&jwks, text(&last));
    assert_eq!(server.get("/Users", &token).0, 200);
    assert_eq!(commands.state(&id).0, "enabled");
}

/// Status and body of a POST.
fn post(client: &HttpClient, path: &str, body: &Value) -> (u16, Value) {
    let mut reply = client.post_json(path, body);
    let text = reply.body_mut().read_to_string().unwrap();
    (
        reply.status().as_u16(),
        serde_json::from_str(&text).unwrap_or_default(),
    )
}

/// The management API of a server.
pub(super) fn api(server: &Binary, key: &str) -> HttpClient {
    HttpClient::new(&server.management_url(), key)
}

/// The URL of the server, which is its issuer.
fn origin(server: &Binary) -> &str {
    server.base_url.trim_end_matches("/scim/v2")
}

/// evt-103, evt-104, evt-106, evt-107, evt-111, evt-112, evt-122
#[test]
fn evt_111_a_receiver_polls_with_an_operator_key() {
    let server = Binary::start(&[]);
    let commands = Commands::of(&server);
    let create = ["create", "--audience", AUDIENCE, "--issuer", ISSUER];
    let text = |created: &Value| created["id"].as_str().unwrap().to_owned();
    let of_all = text(&commands.json(&create));
    commands.tenant("acme");
    let of_acme = text(&commands.json(&[&create[..], &["--tenant", "acme"]].concat()));
    let key = |arguments: &[&str]| {
        let (code, out, err) = commands.run(
            &[&["key", "create", "--json", "--name", "k"], arguments].concat(),
            "",
        );
        assert_eq!(code, Some(0), "{err}");
        let created: Value = serde_json::from_str(&out).unwrap();
        created["key"].as_str().unwrap().to_owned()
    };
    let events = api(&server, &key(&["--scope", "events"]));
    let limited = api(&server, &key(&["--scope", "events", "--tenant", "acme"]));
    let admin = api(&server, &key(&["--scope", "admin"]));
    let path = |id: &str, rest: &str| format!("/set-streams/{id}{rest}");
    let poll = |client: &HttpClient, id: &str, body: Value| post(client, &path(id, "/poll"), &body);
    let now = json!({"returnImmediately": true});
    assert_eq!(
        poll(&events, &of_all, now.clone()),
        (200, json!({"sets": {}, "moreAvailable": false}))
    );
    assert_eq!(poll(&limited, &of_acme, now.clone()).0, 200);
    assert_eq!(poll(&limited, &of_all, now.clone()).0, 403, "evt-112");
    assert_eq!(
        events.send("GET", &path(&of_all, ""), None).0,
        403,
        "the key may only poll"
    );
    let stranger = api(&server, &server.token());
    assert_eq!(poll(&stranger, &of_all, now.clone()).0, 401, "evt-111");
    let read = api(&server, &key(&["--scope", "read"]));
    let (status, problem) = poll(&read, &of_all, now.clone());
    assert_eq!(status, 403, "evt-112: a poll acknowledges tokens: {problem}");
    assert_eq!(read.send("GET", &path(&of_all, ""), None).0, 200);
    assert_eq!(poll(&admin, &of_all, now.clone()).0, 200);
    for (body, field) in [
        (json!({"ack": "a"}), "ack"),
        (json!({"maxEvents": -1}), "maxEvents"),
        (json!({"returnImmediately": 1}), "returnImmediately"),
        (json!({"setErrs": []}), "setErrs"),
    ] {
        let (status, problem) = poll(&events, &of_all, body);
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(field)),
            "{problem}"
        );
    }
    let (status, problem) = poll(&events, &uuid::Uuid::now_v7().to_string(), now.clone());
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (404, &json!("id")),
        "{problem}"
    );
    let (status, answer) = std::thread::scope(|threads| {
        let waiting = threads.spawn(|| poll(&events, &of_all, json!({})));
        std::thread::sleep(Duration::from_millis(300));
        create_user(&server.client(), "bjensen");
        waiting.join().unwrap()
    });
    assert_eq!(status, 200);
    let (jti, set) = answer["sets"].as_object().unwrap().iter().next().unwrap();
    let claims = verify(
        &document(&server, "/.well-known/jwks.json"),
        set.as_str().unwrap(),
    );
    assert_eq!(
        (&claims["jti"], &claims["tenant"]),
        (&json!(jti), &json!("default"))
    );
    assert_eq!(
        poll(&events, &of_all, json!({"returnImmediately": true, "ack": [jti]})).1["sets"],
        json!({})
    );
    let list = admin.send("GET", "/set-streams", None).1;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let (status, created) = post(
        &admin,
        "/set-streams",
        &json!({"audience": AUDIENCE, "issuer": ISSUER}),
    );
    assert_eq!(status, 201, "{created}");
    assert_eq!(
        (&created["delivery"], &created["algorithm"]),
        (&json!("poll"), &json!("RS256"))
    );
    for (field, body) in [
        ("url", json!({"url": "https://127.0.0.1/events"})),
        ("url", json!({"url": "http://example.com/"})),
        ("issuer", json!({"issuer": "http://scim.example.com"})),
        ("issuer", json!({"issuer": "https://"})),
        ("issuer", json!({"issuer": "https://scim.example.com/?a=b"})),
        ("issuer", json!({"issuer": "https://scim.example.com/#a"})),
        (
            "audience",
            json!({"audience": format!("{}/oauth2/token", origin(&server))}),
        ),
        ("events", json!({"events": ["all"]})),
        ("tenants", json!({"tenants": ["nobody"]})),
        ("algorithm", json!({"algorithm": "none"})),
        ("revokedSubject", json!({"revokedSubject": "id"})),
        ("authorization", json!({"authorization": "Bearer x"})),
        ("audiences", json!({"audiences": []})),
    ] {
        let mut new = json!({"audience": AUDIENCE, "issuer": ISSUER});
        new.as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        let (status, problem) = post(&admin, "/set-streams", &new);
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (400, &json!(field)),
            "evt-125: {problem}"
        );
    }
    assert_eq!(
        post(&admin, &path(&of_all, "/verify"), &json!({"state": "s"})).0,
        204
    );
    assert_eq!(
        post(&admin, &path(&of_all, "/verify"), &json!({})).0,
        429,
        "evt-122"
    );
    assert_eq!(
        poll(&events, &of_all, now).1["sets"].as_object().unwrap().len(),
        1
    );
    for (action, state) in [
        ("/pause", "paused"),
        ("/disable", "disabled"),
        ("/enable", "enabled"),
    ] {
        assert_eq!(
            post(&admin, &path(&of_all, action), &json!({"reason": "maintenance"})).0,
            204
        );
        let (status, shown) = admin.send("GET", &path(&of_all, ""), None);
        assert_eq!(
            (status, &shown["state"], &shown["refused"]),
            (200, &json!(state), &json!([]))
        );
    }
    assert_eq!(admin.send("DELETE", &path(&of_all, ""), None).0, 204);
    assert_eq!(poll(&events, &of_all, json!({})).0, 404);
}

/// evt-122, evt-125
#[test]
fn streams_are_managed_on_the_command_line() {
    let server = Binary::start(&LOCAL);
    let commands = Commands::of(&server);
    let receiver = Receiver::start(|_, _| answer(202));
    let id = commands.create(
        &receiver.url,
        &["--name", "audit", "--tenant", "default", "--algorithm", "ES256"],
    );
    let shown = commands.json(&["list"])["items"][0].clone();
    for (name, value) in [
        ("id", json!(id)),
        ("name", json!("audit")),
        ("tenants", json!(["default"])),
        ("delivery", json!("push")),
        ("algorithm", json!("ES256")),
        ("hasAuthorization", json!(false)),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    commands.json(&["verify", &id, "--state", "abc"]);
    let received = receiver.wait_for(1);
    let jwks = document(&server, "/.well-known/jwks.json");
    let claims = verify(&jwks, text(&received[0]));
    assert_eq!(claims["events"][uri(&claims)], json!({"state": "abc"}));
    let rotated = commands.json(&["rotate-key", "--algorithm", "ES256"]);
    wait_until("the new key", || {
        let jwks = document(&server, "/.well-known/jwks.json");
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["kid"] == rotated["kid"])
    });
    let fails = |arguments: &[&str], expected: &str| {
        let (code, out, err) = commands.run(&[&["set-stream"], arguments].concat(), "");
        assert_ne!(code, Some(0), "{out}");
        assert!(err.contains(expected), "{err}");
    };
    fails(&["rotate-key", "--algorithm", "ES256"], "try again after that");
    fails(&["verify", &id], "try again later");
    fails(
        &[
            "create",
            "--audience",
            "a",
            "--issuer",
            ISSUER,
            "--push",
            "https://u@example.com/",
        ],
        "--push",
    );
    fails(&["create", "--audience", "a"], "--issuer");
    for issuer in [
        "https://",
        "https://:443",
        "https://a.example/?b",
        "https://a.example/#b",
    ] {
        fails(&["create", "--audience", "a", "--issuer", issuer], "--issuer");
        fails(&["set", &id, "--issuer", issuer], "--issuer");
    }
    for from in ["999-1735689600123", "1-1"] {
        fails(
            &["enable", &id, "--from", from],
            "--from: the stream cannot continue after",
        );
    }
    fails(
        &[
            "create",
            "--audience",
            "a",
            "--issuer",
            ISSUER,
            "--tenant",
            "nobody",
        ],
        "no tenant `nobody`",
    );
    for command in ["pause", "disable", "enable", "delete"] {
        commands.json(&[command, &id]);
    }
    fails(&["show", &id], "there is no stream");
}
