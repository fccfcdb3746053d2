//! Webhooks: the binary delivers to receivers on loopback addresses.

pub mod receiver;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use chrono::{TimeDelta, Utc};
use scim_model::store::{ChangeJournal, Directory};
use scim_server::delivery::webhooks::signature::{WebhookSecret, sign};
use scim_storage_diesel::{DieselStore, Pooler};
use serde_json::{Value, json};
use uuid::Uuid;

use self::receiver::{Answer, Receiver, answer};
use crate::harness::{HttpClient, PostgresDatabase, USER, patch_op, wait_until};
use crate::restart::Binary;

/// The flag that permits receivers on this machine.
const LOCAL: [&str; 2] = ["--egress-allow", "127.0.0.1"];

/// A database with its commands.
struct Commands {
    database_url: String,
    more: Vec<String>,
}

impl Commands {
    fn of(server: &Binary) -> Commands {
        Commands {
            database_url: server.database_url(),
            more: Vec::new(),
        }
    }

    fn output(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_scim-server"))
            .args(arguments)
            .args(["--database-url", &self.database_url])
            .args(&self.more)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.code(), out, err)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.output(&[arguments, &["--json"]].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Creates an endpoint, and returns its id and its secret.
    #[track_caller]
    fn create(&self, url: &str, arguments: &[&str]) -> (String, String) {
        let create = ["webhook", "create", "--url", url];
        let created = self.json(&[&create[..], &LOCAL, arguments].concat());
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    fn show(&self, id: &str) -> Value {
        self.json(&["webhook", "show", id])
    }
}

fn create_user(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({ "schemas": [USER], "userName": name }))
}

fn deactivate(client: &HttpClient, id: &str) {
    set_active(client, id, false);
}

fn set_active(client: &HttpClient, id: &str, active: bool) {
    let patch = patch_op(json!([{"op": "replace", "path": "active", "value": active}]));
    let (status, body) = client.send("PATCH", &format!("/Users/{id}"), Some(&patch));
    assert_eq!(status, 200, "{body}");
}

/// evt-01, evt-02, evt-03, evt-05, evt-08, evt-21, evt-23, evt-28, evt-32, evt-33
///
/// The request of a webhook: its headers, its signature, and an event of the feed as its body.
#[test]
fn evt_01_an_event_is_posted_with_its_signature() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let all = Receiver::start(|_, _| answer(200));
    let [users, groups] = [(); 2].map(|()| Receiver::accepting());
    let (id, secret) = it.create(&all.url, &["--header", "X-Api-Key: abc"]);
    let (_, other) = it.create(
        &users.url,
        &[
            "--types",
            "user.deactivated",
            "--view",
            "notice",
            "--tenant",
            "default",
        ],
    );
    it.create(&groups.url, &["--types", "group.*"]);
    assert_ne!(secret, other, "evt-10");
    let client = server.client();
    let user = create_user(&client, "bjensen");
    deactivate(&client, &user);
    let received = all.wait_for(2);
    for request in &received {
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        request.verify(&secret).unwrap();
        request.verify(&other).unwrap_err();
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["x-api-key"], "abc");
        let agent = format!("scim-server/{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.headers["user-agent"], agent);
        for absent in ["cookie", "accept-encoding", "referer"] {
            assert!(!request.headers.contains_key(absent), "{absent}");
        }
        let headers = request.headers.values();
        assert!(headers.into_iter().all(|it| !it.contains("default")));
        let json = request.json();
        let members: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["id", "type", "timestamp", "data"]);
        assert_eq!(json["id"], request.id());
        let data = &json["data"];
        assert_eq!(data["resourceId"], user);
        assert!(request.id().starts_with(data["position"].as_str().unwrap()));
        assert_eq!(data["tenant"], "default");
    }
    let types: Vec<String> = received.iter().map(receiver::Received::event_type).collect();
    assert_eq!(types, ["user.created", "user.deactivated"]);
    let versions: Vec<Value> = received
        .iter()
        .map(|it| it.json()["data"]["version"].clone())
        .collect();
    assert_eq!(versions, [json!(1), json!(2)]);
    assert_eq!(
        received[1].json()["data"]["changes"],
        json!({"active": {"new": false}})
    );
    let notice = users.wait_for(1);
    assert_eq!(notice[0].id(), received[1].id());
    notice[0].verify(&other).unwrap();
    assert_eq!(notice[0].json()["data"]["changed"], json!(["active"]));
    assert!(notice[0].json()["data"].get("changes").is_none());
    wait_until("the log", || {
        it.show(&id)["deliveries"].as_array().unwrap().len() == 2
    });
    let shown = it.show(&id);
    assert_eq!(shown["position"], received[1].id());
    let delivery = &shown["deliveries"][0];
    assert_eq!(
        (&delivery["status"], &delivery["attempt"], &delivery["response"]),
        (&json!(200), &json!(1), &json!("ok"))
    );
    assert!(groups.received().is_empty());
}

/// evt-03, evt-05, evt-06, evt-14, evt-20
///
/// A failed message is sent again with the same id, another time and another signature. Later messages of the same user
/// wait for it, and those of others do not.
#[test]
fn evt_06_a_failed_message_is_sent_again_with_its_id() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let receiver = Receiver::start(|request, _| match request.user().as_str() {
        // Only the first attempt.
        "bjensen" if request.event_type() == "user.created" && is_first(request) => answer(500),
        _ => answer(200),
    });
    let (id, secret) = it.create(&receiver.url, &[]);
    let client = server.client();
    let user = create_user(&client, "bjensen");
    receiver.wait_for(1);
    deactivate(&client, &user);
    create_user(&client, "kim");
    let received = receiver.wait_for(4);
    let seen: Vec<(String, String)> = received.iter().map(|it| (it.user(), it.event_type())).collect();
    let pair = |user: &str, kind: &str| (user.to_owned(), format!("user.{kind}"));
    assert_eq!(
        seen,
        [
            pair("bjensen", "created"),
            pair("kim", "created"),
            pair("bjensen", "created"),
            pair("bjensen", "deactivated")
        ]
    );
    let [first, second] = [&received[0], &received[2]];
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    for changed in ["webhook-timestamp", "webhook-signature"] {
        assert_ne!(first.headers[changed], second.headers[changed]);
    }
    second.verify(&secret).unwrap();
    let pause = second.at - first.at;
    assert!(
        pause > Duration::from_secs(4) && pause < Duration::from_secs(8),
        "{pause:?}"
    );
    wait_until("the log", || {
        it.show(&id)["deliveries"].as_array().unwrap().len() == 4
    });
    let shown = it.show(&id);
    assert_eq!(shown["waiting"], 0);
    let attempts: Vec<&Value> = shown["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["attempt"])
        .collect();
    assert_eq!(attempts, [1, 2, 1, 1]);
    assert_eq!(shown["deliveries"][3]["error"], "status 500");
}

/// Whether the message of a request is new to the receiver, by its time: an attempt that is repeated is later.
fn is_first(request: &receiver::Received) -> bool {
    let made: chrono::DateTime<Utc> = request.json()["timestamp"].as_str().unwrap().parse().unwrap();
    Utc::now() - made < TimeDelta::seconds(3)
}

/// evt-14, evt-15, evt-26
///
/// A redirect is not followed, and an endpoint that is gone gets nothing until it is enabled. Then it continues where it
/// stopped.
#[test]
fn evt_15_an_endpoint_that_is_gone_is_disabled() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let is_gone = Arc::new(AtomicBool::new(true));
    let gone = is_gone.clone();
    let receiver = Receiver::start(move |_, _| match gone.load(Ordering::SeqCst) {
        true => answer(410),
        false => answer(200),
    });
    let elsewhere = Receiver::accepting();
    let target: &'static str = Box::leak(format!("location: {}\r\n", elsewhere.url).into_boxed_str());
    let redirecting = Receiver::start(move |_, _| Answer {
        headers: target,
        ..answer(307)
    });
    let (id, _) = it.create(&receiver.url, &[]);
    let (redirected, _) = it.create(&redirecting.url, &[]);
    let client = server.client();
    create_user(&client, "bjensen");
    let log = server.log_until("is disabled");
    assert!(log.contains(&id), "{log}");
    create_user(&client, "kim");
    redirecting.wait_for(1);
    let shown = it.show(&id);
    assert_eq!(
        (&shown["state"], &shown["disabledReason"]),
        (
            &json!("disabled"),
            &json!("the endpoint answered with status 410 (gone)")
        )
    );
    wait_until("the log", || {
        !it.show(&redirected)["deliveries"].as_array().unwrap().is_empty()
    });
    let shown = it.show(&redirected);
    let delivery = shown["deliveries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(delivery["error"], "status 307: redirects are not followed");
    assert!(elsewhere.received().is_empty());
    let before = receiver.received().len();
    assert!(before <= 2, "both users may have been under way");
    is_gone.store(false, Ordering::SeqCst);
    it.json(&["webhook", "enable", &id]);
    let received = receiver.wait_for(before + 2);
    let mut users: Vec<String> = received[before..].iter().map(receiver::Received::user).collect();
    users.sort();
    assert_eq!(users, ["bjensen", "kim"]);
}

/// The text of a server's metrics.
fn metrics(server: &Binary) -> String {
    let mut lines = server.printed.lines();
    let line = lines.find(|it| it.starts_with("Management API at ")).unwrap();
    let api = line.rsplit(' ').next().unwrap();
    let url = api.replace("/api/v1", "/metrics");
    let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
    let mut response = agent.get(&url).call().unwrap();
    response.body_mut().read_to_string().unwrap()
}

/// evt-19
///
/// An alert can find failing and disabled endpoints.
#[test]
fn evt_19_the_states_of_endpoints_and_streams_are_metrics() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let wait_for = |lines: &[&str]| {
        wait_until(&format!("{lines:?}"), || {
            let text = metrics(&server);
            lines.iter().all(|line| text.lines().any(|it| it == *line))
        });
    };
    wait_for(&[
        "# TYPE scim_webhook_endpoints gauge",
        "scim_webhook_endpoints{state=\"active\"} 0",
        "scim_webhook_endpoints{state=\"failing\"} 0",
        "scim_webhook_endpoints{state=\"disabled\"} 0",
        "scim_set_streams{state=\"enabled\"} 0",
        "scim_set_streams{state=\"paused\"} 0",
    ]);
    let [good, bad, gone] = [200, 500, 410].map(|status| Receiver::start(move |_, _| answer(status)));
    for receiver in [&good, &bad, &gone] {
        it.create(&receiver.url, &[]);
    }
    let streams = [("--push", bad.url.as_str()), ("--events", "caep")];
    let create = [
        "set-stream",
        "create",
        "--audience",
        "a",
        "--issuer",
        "https://scim.example.com",
    ];
    let created = streams.map(|(name, value)| {
        let created = it.json(&[&create[..], &LOCAL, &[name, value]].concat());
        created["id"].as_str().unwrap().to_owned()
    });
    wait_for(&[
        "scim_webhook_endpoints{state=\"active\"} 3",
        "scim_set_streams{state=\"enabled\"} 2",
    ]);
    create_user(&server.client(), "bjensen");
    it.json(&["set-stream", "pause", &created[1]]);
    wait_for(&[
        "scim_webhook_endpoints{state=\"active\"} 1",
        "scim_webhook_endpoints{state=\"failing\"} 1",
        "scim_webhook_endpoints{state=\"disabled\"} 1",
        "scim_set_streams{state=\"enabled\"} 0",
        "scim_set_streams{state=\"failing\"} 1",
        "scim_set_streams{state=\"paused\"} 1",
        "scim_set_streams{state=\"disabled\"} 0",
    ]);
}

/// evt-22
///
/// A server that is killed after the receiver has got a message, and before it has stored that, sends it again with the
/// same id. Messages that waited are not lost.
#[test]
fn evt_22_a_killed_server_sends_again_what_was_not_confirmed() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = is_slow.clone();
    let receiver = Receiver::start(move |_, _| Answer {
        after: match slow.load(Ordering::SeqCst) {
            true => Duration::from_secs(10),
            false => Duration::ZERO,
        },
        ..answer(200)
    });
    let (id, secret) = it.create(&receiver.url, &[]);
    let client = server.client();
    let user = create_user(&client, "bjensen");
    deactivate(&client, &user);
    let before = receiver.wait_for(1);
    let folder = server.kill();
    is_slow.store(false, Ordering::SeqCst);
    let began = Instant::now();
    let server = Binary::start_in(folder, &LOCAL);
    let received = receiver.wait_for(3);
    assert!(began.elapsed() < Duration::from_secs(10), "the lease is its own");
    assert_eq!(received[1].id(), before[0].id());
    let types: Vec<String> = received[1..].iter().map(receiver::Received::event_type).collect();
    assert_eq!(types, ["user.created", "user.deactivated"]);
    received[1].verify(&secret).unwrap();
    wait_until("the position", || it.show(&id)["position"] == received[2].id());
    drop(server);
}

/// evt-17, evt-29
///
/// Receivers that do not answer delay no other one.
#[test]
fn evt_29_a_slow_endpoint_delays_no_other() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let hanging = Receiver::start(|_, _| Answer {
        after: Duration::from_secs(60),
        ..answer(200)
    });
    let good: Vec<Receiver> = (0..5).map(|_| Receiver::accepting()).collect();
    for _ in 0..3 {
        it.create(&hanging.url, &[]);
    }
    for receiver in &good {
        it.create(&receiver.url, &[]);
    }
    let client = server.client();
    // The first message may wait until the server has seen the endpoints.
    create_user(&client, "first");
    for receiver in &good {
        receiver.wait_for(1);
    }
    let mut slowest = Duration::ZERO;
    for number in 1..=20 {
        create_user(&client, &format!("user{number}"));
        let committed = Instant::now();
        for receiver in &good {
            let received = receiver.wait_for(number + 1);
            slowest = slowest.max(received[number].at.saturating_duration_since(committed));
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(hanging.received().len() <= 12, "four at once for each endpoint");
    // evt-17
    let hanging = &it.json(&["webhook", "list"])["items"][0];
    let id = hanging["id"].as_str().unwrap();
    wait_until("the time limit", || {
        !it.show(id)["deliveries"].as_array().unwrap().is_empty()
    });
    let delivery = &it.show(id)["deliveries"][0];
    assert_eq!(delivery["error"], "no response in time");
    let milliseconds = delivery["milliseconds"].as_i64().unwrap();
    assert!((13_000..17_000).contains(&milliseconds), "{milliseconds}");
}

/// evt-20, evt-22
///
/// A user with more changes than are stored for a resource, behind one that fails: others get theirs at once, and the
/// changes follow in order, also when the server is killed meanwhile.
#[test]
fn evt_20_many_changes_of_a_user_wait_for_a_failed_one() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let fails = Arc::new(AtomicBool::new(true));
    let failing = fails.clone();
    let receiver = Receiver::start(move |request, _| {
        match request.user() == "bjensen" && failing.load(Ordering::SeqCst) {
            true => answer(500),
            false => answer(200),
        }
    });
    let (id, _) = it.create(&receiver.url, &[]);
    let client = server.client();
    let user = create_user(&client, "bjensen");
    receiver.wait_for(1);
    for number in 0..60 {
        set_active(&client, &user, number % 2 == 1);
    }
    create_user(&client, "kim");
    wait_until("kim", || receiver.received().iter().any(|it| it.user() == "kim"));
    wait_until("the position", || {
        let position = it.show(&id)["position"].as_str().unwrap().to_owned();
        receiver
            .received()
            .iter()
            .any(|it| it.user() == "kim" && it.id() == position)
    });
    let waiting = it.show(&id)["waiting"].as_u64().unwrap();
    assert!((2..30).contains(&waiting), "{waiting}");
    let folder = server.kill();
    fails.store(false, Ordering::SeqCst);
    let server = Binary::start_in(folder, &LOCAL);
    let versions = || {
        let received = receiver.received();
        let of_user = received.iter().filter(|it| it.user() == "bjensen");
        of_user
            .map(|it| it.json()["data"]["version"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    // The first retry is after five seconds, and the second one after five minutes.
    it.json(&["webhook", "disable", &id]);
    it.json(&["webhook", "enable", &id]);
    wait_until("all versions", || versions().last() == Some(&61));
    let mut delivered = versions();
    delivered.dedup();
    assert!(delivered.is_sorted(), "{delivered:?}");
    assert_eq!(delivered, (1..=61).collect::<Vec<_>>());
    wait_until("nothing waits", || it.show(&id)["waiting"] == 0);
    drop(server);
}

/// A receiver that answers when the test says so.
fn held() -> (Receiver, Arc<AtomicBool>) {
    let is_held = Arc::new(AtomicBool::new(true));
    let held = is_held.clone();
    let receiver = Receiver::start(move |_, _| {
        while held.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        answer(200)
    });
    (receiver, is_held)
}

/// Creates a tenant, and returns a client of it.
fn client_of(server: &Binary, it: &Commands, tenant: &str) -> HttpClient {
    it.json(&["tenant", "create", tenant]);
    let token = it.json(&["token", "create", "--tenant", tenant])["token"].clone();
    HttpClient::new(&server.base_url, token.as_str().unwrap())
}

/// evt-29
///
/// A tenant with many endpoints that do not answer, and more events than places for requests, delays no other tenant.
#[test]
fn evt_29_a_tenant_with_many_endpoints_delays_no_other_tenant() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let [busy, quiet] = ["busy", "quiet"].map(|tenant| client_of(&server, &it, tenant));
    let (hanging, is_held) = held();
    let endpoints: Vec<String> = (0..20)
        .map(|_| it.create(&hanging.url, &["--tenant", "busy"]).0)
        .collect();
    let good = Receiver::accepting();
    it.create(&good.url, &["--tenant", "quiet"]);
    for number in 0..4 {
        create_user(&busy, &format!("user{number}"));
    }
    // Half of the places; the other requests would need them too.
    hanging.wait_for(32);
    create_user(&quiet, "kim");
    good.wait_for(1);
    let has_ended = |id: &String| !it.show(id)["deliveries"].as_array().unwrap().is_empty();
    assert!(
        !endpoints.iter().any(has_ended),
        "no request of the busy tenant has ended"
    );
    is_held.store(false, Ordering::SeqCst);
    hanging.wait_for(20 * 4);
}

/// The arguments that change an endpoint.
fn set<'a>(id: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["webhook", "set", id], arguments, &LOCAL].concat()
}

/// evt-23
///
/// New settings apply to the messages that are sent from then on, and none is lost. A secret header does not go to another
/// URL.
#[test]
fn evt_23_the_settings_of_an_endpoint_change() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let [first, second] = [(); 2].map(|()| Receiver::accepting());
    let (id, secret) = it.create(
        &first.url,
        &["--header", "X-Api-Key: abc", "--types", "user.created"],
    );
    let client = server.client();
    let user = create_user(&client, "bjensen");
    first.wait_for(1);
    for (arguments, expected) in [
        (
            set(&id, &["--url", &second.url]),
            "does not keep the additional headers",
        ),
        (
            set(&id, &["--tenant", "default", "--all-tenants"]),
            "cannot be used with",
        ),
        (vec!["webhook", "set", &id], "nothing to change"),
    ] {
        let (code, _, error) = it.output(&arguments);
        assert!(code == Some(2) && error.contains(expected), "{error}");
    }
    let header = "X-Api-Key: def";
    let arguments = [
        "--url",
        &second.url,
        "--types",
        "user.*",
        "--view",
        "notice",
        "--header",
        header,
    ];
    let changed = it.json(&set(&id, &arguments));
    assert_eq!(
        (&changed["url"], &changed["types"], &changed["view"]),
        (&json!(second.url), &json!(["user.*"]), &json!("notice"))
    );
    deactivate(&client, &user);
    let received = second.wait_for(1).remove(0);
    received.verify(&secret).unwrap();
    assert_eq!(received.event_type(), "user.deactivated");
    assert_eq!(received.headers["x-api-key"], "def");
    assert!(received.json()["data"].get("changes").is_none());
    assert_eq!(first.received().len(), 1);
    let changed = it.json(&set(&id, &["--no-headers", "--all-types", "--view", "full"]));
    assert_eq!(
        (&changed["hasHeaders"], &changed["types"]),
        (&json!(false), &json!([]))
    );
}

/// evt-23
///
/// An endpoint that gets another tenant's events continues there, without a gap and without earlier events. Messages of
/// the first tenant that wait are not sent any more.
#[test]
fn evt_23_the_tenants_of_an_endpoint_change() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let [one, other] = ["one", "other"].map(|tenant| client_of(&server, &it, tenant));
    let receiver = Receiver::start(|request, _| match request.user().as_str() {
        "refused" => answer(500),
        _ => answer(200),
    });
    let (id, _) = it.create(&receiver.url, &["--tenant", "one"]);
    create_user(&other, "earlier");
    create_user(&one, "bjensen");
    let first = receiver.wait_for(1).remove(0);
    create_user(&one, "refused");
    wait_until("the failure", || it.show(&id)["waiting"] == 1);
    let failed = || {
        let received = receiver.received();
        received.iter().filter(|it| it.user() == "refused").count()
    };
    let before = failed();
    it.json(&["webhook", "set", &id, "--tenant", "other"]);
    create_user(&other, "kim");
    // Now the server has noticed the change.
    wait_until("kim", || receiver.received().iter().any(|it| it.user() == "kim"));
    create_user(&one, "bystander");
    create_user(&other, "lee");
    wait_until("lee", || receiver.received().iter().any(|it| it.user() == "lee"));
    wait_until("nothing waits", || it.show(&id)["waiting"] == 0);
    assert!(failed() <= before + 1, "an attempt may have been under way");
    let others = receiver
        .received()
        .into_iter()
        .filter(|it| it.user() != "refused");
    let seen: Vec<(String, String)> = others.map(|it| (it.user(), it.event_type())).collect();
    let created = |user: &str| (user.to_owned(), "user.created".to_owned());
    assert_eq!(seen, [created("bjensen"), created("kim"), created("lee")]);
    it.json(&["webhook", "set", &id, "--all-tenants"]);
    create_user(&one, "sam");
    wait_until("sam", || receiver.received().last().unwrap().user() == "sam");
    let (code, _, error) = it.output(&["webhook", "replay", &id, "--event", first.id()]);
    assert_eq!(code, Some(0), "{error}");
    it.json(&["webhook", "set", &id, "--types", "group.*"]);
    let (code, _, error) = it.output(&["webhook", "replay", &id, "--event", first.id()]);
    assert!(code == Some(2) && error.contains("`user.created`"), "{error}");
    it.json(&["webhook", "disable", &id]);
    for arguments in [["--event", first.id()], ["--after", first.id()]] {
        let (code, _, error) = it.output(&[&["webhook", "replay", &id][..], &arguments].concat());
        assert!(code == Some(3) && error.contains("enable it first"), "{error}");
    }
}

/// evt-13
///
/// The example of the guide accepts a message, and refuses one that is six minutes old.
#[test]
fn evt_13_the_example_of_the_guide_refuses_old_messages() {
    let guide = include_str!("../../../../docs/EVENTS.md");
    let (_, code) = guide.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let secret = WebhookSecret::random().unwrap();
    let body = br#"{"type":"webhook.test"}"#;
    let check = |seconds: i64, body: &[u8]| {
        let signature = sign(
            std::slice::from_ref(&secret),
            "test-7",
            seconds,
            b"{\"type\":\"webhook.test\"}",
        );
        let headers = json!({
            "webhook-id": "test-7",
            "webhook-timestamp": seconds.to_string(),
            "webhook-signature": format!("v1,AAAA {signature}"),
        });
        let body = String::from_utf8(body.to_vec()).unwrap();
        let call = format!(
            "{code}\nimport json\nprint(is_genuine({}, json.loads({}), {}.encode()))",
            json!(secret.to_text()),
            json!(headers.to_string()),
            json!(body)
        );
        Command::new("python3").args(["-c", &call]).output().map(|it| {
            let [out, err] = [it.stdout, it.stderr].map(|it| String::from_utf8(it).unwrap());
            assert!(it.status.success(), "{err}");
            out.trim().to_owned()
        })
    };
    let now = Utc::now().timestamp();
    // Skipped on a machine without Python.
    let Ok(genuine) = check(now, body) else { return };
    assert_eq!(genuine, "True");
    assert_eq!(check(now, b"{}").unwrap(), "False");
    assert_eq!(check(now - 6 * 60, body).unwrap(), "False");
    assert_eq!(check(now + 6 * 60, body).unwrap(), "False");
}

/// evt-10, evt-11, evt-24, evt-25, evt-27
///
/// Endpoints on the command line.
#[test]
fn evt_25_the_command_line_tests_replays_and_rotates() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let receiver = Receiver::accepting();
    let (id, first) = it.create(&receiver.url, &[]);
    let tested = it.json(&["webhook", "test", &id]);
    assert_eq!(
        (&tested["delivered"], &tested["status"]),
        (&json!(true), &json!(204))
    );
    let test = receiver.wait_for(1).remove(0);
    test.verify(&first).unwrap();
    assert_eq!(
        (test.event_type().as_str(), &test.json()["data"]),
        ("webhook.test", &json!({}))
    );
    assert_eq!(tested["message"], test.id());

    let client = server.client();
    create_user(&client, "bjensen");
    let created = receiver.wait_for(2).remove(1);
    create_user(&client, "kim");
    receiver.wait_for(3);
    let rotated = it.json(&["webhook", "rotate", &id]);
    let second = rotated["secret"].as_str().unwrap().to_owned();
    let (code, text, _) = it.output(&["webhook", "replay", &id, "--event", created.id()]);
    assert_eq!(code, Some(0), "{text}");
    let again = receiver.wait_for(4).remove(3);
    assert_eq!((again.id(), &again.body), (created.id(), &created.body));
    wait_until("both secrets sign", || {
        let number = receiver.received().len();
        it.json(&["webhook", "test", &id]);
        let last = receiver.wait_for(number + 1).remove(number);
        last.verify(&first).is_ok() && last.verify(&second).is_ok()
    });
    let third = it.json(&["webhook", "rotate", &id, "--overlap", "0"]);
    let third = third["secret"].as_str().unwrap().to_owned();
    wait_until("one secret signs", || {
        let number = receiver.received().len();
        it.json(&["webhook", "test", &id]);
        let last = receiver.wait_for(number + 1).remove(number);
        last.verify(&third).is_ok() && last.verify(&first).is_err() && last.verify(&second).is_err()
    });

    let number = receiver.received().len();
    it.json(&["webhook", "replay", &id, "--after", created.id()]);
    assert_eq!(receiver.wait_for(number + 1)[number].user(), "kim");
    it.json(&["webhook", "replay", &id, "--all"]);
    let again = receiver.wait_for(number + 3);
    let mut users: Vec<String> = again[number + 1..].iter().map(receiver::Received::user).collect();
    // Messages about different users are sent at the same time.
    users.sort();
    assert_eq!(users, ["bjensen", "kim"]);

    let (_, list, _) = it.output(&["webhook", "list", "--json"]);
    let shown = it.show(&id).to_string();
    let file = it.database_url.trim_start_matches("sqlite:");
    let mut stored = std::fs::read(file).unwrap();
    stored.extend(std::fs::read(format!("{file}-wal")).unwrap());
    let is_stored = |bytes: &[u8]| stored.windows(bytes.len()).any(|it| it == bytes);
    assert!(is_stored(receiver.url.as_bytes()), "the files have the endpoint");
    for secret in [&first, &second, &third] {
        let text = secret.trim_start_matches("whsec_");
        assert!(!list.contains(text) && !shown.contains(text));
        let bytes = base64::prelude::BASE64_STANDARD.decode(text).unwrap();
        assert!(!is_stored(text.as_bytes()) && !is_stored(&bytes));
    }
    it.json(&["webhook", "disable", &id]);
    let (code, _, error) = it.output(&["webhook", "test", &id]);
    assert!(code == Some(3) && error.contains("by an operator"), "{error}");
    it.json(&["webhook", "delete", &id]);
    assert_eq!(it.json(&["webhook", "list"])["items"], json!([]));
    let nobody = Uuid::now_v7().to_string();
    for (arguments, code) in [
        (vec!["webhook", "show", &nobody], 3),
        (vec!["webhook", "rotate", &nobody], 3),
        (vec!["webhook", "enable", &nobody], 3),
        (vec!["webhook", "create", "--url", "ftp://example.com/"], 2),
        (vec!["webhook", "create", "--url", "https://a@example.com/"], 2),
        (
            vec!["webhook", "create", "--url", &receiver.url, "--tenant", "nobody"],
            7,
        ),
    ] {
        let (found, out, err) = it.output(&arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {out}{err}");
    }
}

/// evt-26
///
/// An endpoint that was disabled for longer than the journal keeps entries gets `feed.gap` first.
#[test]
fn evt_26_a_gap_is_told_before_later_events() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let receiver = Receiver::accepting();
    let (id, _) = it.create(&receiver.url, &["--types", "user.created"]);
    let client = server.client();
    create_user(&client, "bjensen");
    let first = receiver.wait_for(1).remove(0);
    wait_until("the position", || it.show(&id)["position"] == first.id());
    it.json(&["webhook", "disable", &id]);
    create_user(&client, "kim");
    let store = DieselStore::open_existing(&it.database_url, Pooler::None).unwrap();
    let tenant = store.tenants().unwrap().remove(0);
    let later = Utc::now() + TimeDelta::hours(1);
    assert_eq!(store.prune_changes(tenant.id, later, 10).unwrap(), 2);
    it.json(&["webhook", "enable", &id]);
    create_user(&client, "sam");
    let received = receiver.wait_for(3);
    let gap = received[1].json();
    assert_eq!(
        (&gap["type"], &gap["data"]["reason"]),
        (&json!("feed.gap"), &json!("dropped"))
    );
    assert_eq!(gap["data"]["after"], first.id());
    let oldest = gap["data"]["oldest"].as_str().unwrap();
    assert!(
        received[2].id() > oldest && received[2].user() == "sam",
        "{oldest}"
    );
}

/// Two servers on one PostgreSQL deliver each message once. When one is killed, the other takes over its endpoints.
#[test]
fn evt_22_another_server_takes_over_the_endpoints_of_a_killed_one() {
    let Some(database) = PostgresDatabase::create() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let it = Commands {
        database_url: database.url.clone(),
        more: Vec::new(),
    };
    let with_key = |it: &Commands| Commands {
        database_url: it.database_url.clone(),
        more: vec!["--secrets-key-file".to_owned(), key.display().to_string()],
    };
    let start = || {
        let key = key.display().to_string();
        let more = ["--database-url", &database.url, "--secrets-key-file", &key];
        Binary::start_in(
            Arc::new(tempfile::tempdir().unwrap()),
            &[&LOCAL[..], &more].concat(),
        )
    };
    let one = start();
    let token = one.token();
    let receiver = Receiver::accepting();
    let create = ["webhook", "create", "--url", &receiver.url, "--json"];
    let (code, _, error) = it.output(&create);
    assert!(code == Some(3) && error.contains("--secrets-key-file"), "{error}");
    let (code, _, error) = with_key(&it).output(&create);
    assert!(
        code == Some(3) && error.contains("does not exist") && error.contains(&key.display().to_string()),
        "{error}"
    );
    std::fs::write(&key, format!("{}\n", "5c".repeat(32))).unwrap();
    let it = with_key(&it);
    let receivers: Vec<Receiver> = (0..4).map(|_| Receiver::accepting()).collect();
    for receiver in &receivers {
        it.create(&receiver.url, &[]);
    }
    let other = start();
    let client = HttpClient::new(&other.base_url, &token);
    create_user(&client, "first");
    for receiver in &receivers {
        receiver.wait_for(1);
    }
    // Both have endpoints now, or will soon.
    std::thread::sleep(Duration::from_secs(5));
    for number in 0..10 {
        create_user(&client, &format!("user{number}"));
    }
    for receiver in &receivers {
        let received = receiver.wait_for(11);
        assert_eq!(received.len(), 11, "each message comes once");
    }
    one.kill();
    create_user(&client, "last");
    let began = Instant::now();
    for receiver in &receivers {
        let received = receiver.wait_for(12);
        assert_eq!(received[11].user(), "last");
    }
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

/// evt-30, evt-136, evt-137
///
/// The command line stores an endpoint that its own list does not permit, with a warning, and the server decides.
#[test]
fn evt_136_the_server_decides_about_internal_endpoints() {
    let server = Binary::start(&[]);
    let it = Commands::of(&server);
    let receiver = Receiver::accepting();
    let (code, out, warning) = it.output(&["webhook", "create", "--url", &receiver.url, "--json"]);
    assert_eq!(code, Some(0), "{warning}");
    assert!(
        warning.contains("warning") && warning.contains("the server decides at each attempt"),
        "{warning}"
    );
    let id = serde_json::from_str::<Value>(&out).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (code, _, error) = it.output(&["webhook", "test", &id]);
    assert!(code == Some(3) && error.contains("was not delivered"), "{error}");
    assert!(receiver.received().is_empty());
    let own = server.base_url.clone();
    let (code, _, error) = it.output(&["webhook", "create", "--url", &own, "--base-url", &own]);
    assert!(code == Some(2) && error.contains("this server itself"), "{error}");
}

/// evt-10, evt-115
///
/// A key that cannot open the secrets is named, and nothing is sent.
#[test]
fn evt_10_secrets_are_sealed_with_the_key_of_a_file() {
    let server = Binary::start(&LOCAL);
    let it = Commands::of(&server);
    let receiver = Receiver::accepting();
    let (id, _) = it.create(&receiver.url, &[]);
    let key = format!("{}.secrets-key", it.database_url.trim_start_matches("sqlite:"));
    let text = std::fs::read_to_string(&key).unwrap();
    assert_eq!(text.trim().len(), 64);
    let folder = server.kill();
    std::fs::write(&key, format!("{}\n", "0f".repeat(32))).unwrap();
    let server = Binary::start_in(folder, &LOCAL);
    let log = server.log_until("gets nothing");
    assert!(log.contains(&id) && log.contains("secrets-key"), "{log}");
    // Both keys together open everything, without a restart.
    std::fs::write(&key, format!("{}\n{text}", "0f".repeat(32))).unwrap();
    server.log_until("open again");
    assert_eq!(it.json(&["webhook", "test", &id])["delivered"], true);
    it.json(&["webhook", "rotate", &id]);
    assert_eq!(it.json(&["webhook", "test", &id])["delivered"], true);
}
