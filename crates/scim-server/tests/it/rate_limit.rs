//! The limit of the rate of requests, for each connection.

use std::time::{Duration, Instant};

use scim_server::service::{ClientSettings, Settings};
use serde_json::json;

use crate::cli::Shell;
use crate::harness::{BASE, Choice, Client, Reply, Server, USER, on_each};

fn limited(rate: u32) -> Choice {
    Choice {
        settings: Settings {
            base_url: BASE.into(),
            client: ClientSettings {
                rate_limit: rate,
                ..ClientSettings::default()
            },
            ..Settings::default()
        },
        ..Choice::default()
    }
}

/// Sends requests until one is refused. The bucket refills while they are sent, so more than the burst may be needed.
#[track_caller]
fn refused(send: impl Fn() -> Reply) -> Reply {
    let mut replies = (0..100).map(|_| send());
    replies
        .find(|it| it.status == 429)
        .expect("no request was refused")
}

#[track_caller]
fn until_refused(client: &Client<'_>) -> Reply {
    refused(|| client.get("/Users?count=0"))
}

/// 6585-4-01
///
/// A request beyond the burst is refused before it is read, and says when to come again.
#[test]
fn requests_beyond_the_rate_are_refused() {
    on_each(
        || limited(1),
        |server| {
            let acme = server.tenant("acme");
            let first = acme.get("/Users?count=0").expect(200);
            assert_eq!(first.header("ratelimit-policy"), Some("\"connection\";q=5;w=5"));
            assert_eq!(first.header("ratelimit"), Some("\"connection\";r=4;t=0"));
            assert_eq!(first.header("x-rate-limit-limit"), None);
            let answer = until_refused(&acme).expect_error(429, None);
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("ratelimit"), Some("\"connection\";r=0;t=1"));
            assert!(answer.header("x-request-id").is_some());
            // The headers that SailPoint reads.
            for (name, value) in [
                ("limit", "5"),
                ("remaining", "0"),
                ("reset", "1"),
                ("retry-after-seconds", "1"),
            ] {
                assert_eq!(answer.header(&format!("x-rate-limit-{name}")), Some(value));
            }
            assert!(
                answer.text.contains("may send 1 a second, and 5 at once"),
                "{}",
                answer.text
            );
            // Every path needs a place in the bucket, whatever the request is.
            refused(|| acme.post("/Users", json!({ "not": "read" })));
            refused(|| acme.get("/Unknown"));
        },
    );
}

/// A client that ignores refusals does not get thousands of them a second, which would take the processors from others.
#[test]
fn a_client_waits_for_its_refusal() {
    let server = Server::start_with(limited(1));
    let acme = server.tenant("acme");
    let mut timed = (0..100).map(|_| {
        let began = Instant::now();
        (acme.get("/Users?count=0").status, began.elapsed())
    });
    let (_, took) = timed.find(|(status, _)| *status == 429).expect("one is refused");
    assert!(took >= Duration::from_millis(100), "{took:?}");
}

/// One connection does not use up the requests of another one, of the same tenant or of another one.
#[test]
fn each_connection_has_its_own_limit() {
    let server = Server::start_with(limited(1));
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    until_refused(&acme);
    other.get("/Users").expect(200);
    // Discovery without credentials is not counted.
    for _ in 0..20 {
        acme.get("/ServiceProviderConfig").expect(200);
    }
    // A second token of the connection has the same bucket.
    until_refused(&acme);
    let second = server.client(acme.tenant.unwrap(), crate::harness::Token::default());
    until_refused(&second);
}

#[test]
fn without_a_limit_responses_have_no_headers_about_it() {
    let server = Server::start_with(limited(0));
    let acme = server.tenant("acme");
    for _ in 0..20 {
        let reply = acme.get("/Users?count=0").expect(200);
        assert_eq!(reply.header("ratelimit"), None);
        assert_eq!(reply.header("ratelimit-policy"), None);
    }
}

/// The value of a connection wins over that of the server, and both are named in `connection show`.
#[test]
fn the_limit_is_a_setting_of_the_connection() {
    Shell::on_each(|shell| {
        let server = shell.serve(&["--rate-limit", "0"]);
        let client = server.client();
        let user = json!({ "schemas": [USER], "userName": "bjensen" });
        client.create("/Users", &user);
        let set = |value: &str| {
            let value = format!("rate-limit={value}");
            shell.ok(&["connection", "set", "default", "--tenant", "default", &value]);
        };
        set("1");
        crate::harness::wait_until("the setting applies", || {
            client.send("GET", "/Users?count=0", None).0 == 429
        });
        let shown = shell.json(&["connection", "show", "default", "--tenant", "default", "--json"]);
        assert_eq!(shown["settings"]["rate-limit"]["value"], "1", "{shown}");
        assert_eq!(shown["settings"]["rate-limit"]["origin"], "connection", "{shown}");
        set("");
        crate::harness::wait_until("the limit is gone", || {
            (0..20).all(|_| client.send("GET", "/Users?count=0", None).0 == 200)
        });
        for wrong in ["-1", "many", "1000001", "01"] {
            let value = format!("rate-limit={wrong}");
            let (code, text) =
                shell.failure(&["connection", "set", "default", "--tenant", "default", &value]);
            assert_eq!(code, 2, "{text}");
            assert!(
                text.contains("`rate-limit` is a number from 0 to 1000000"),
                "{text}"
            );
        }
    });
}
