//! Streams of servers on SQLite and on PostgreSQL: their settings, their log, and several servers that share them.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::push::{Commands, LOCAL, api, create_user, document, jti, text};
use super::{AUDIENCE, uri, verify};
use crate::harness::{HttpClient, PostgresDatabase, wait_until};
use crate::restart::Binary;
use crate::webhooks::receiver::{Receiver, answer};

/// A database with its secrets key.
struct Place {
    postgres: Option<PostgresDatabase>,
    folder: Arc<TempDir>,
}

impl Place {
    fn new(postgres: Option<PostgresDatabase>) -> Place {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let place = Place { postgres, folder };
        std::fs::write(place.key(), format!("{}\n", "5c".repeat(32))).unwrap();
        place
    }

    /// Runs a test on SQLite, and on PostgreSQL where `SCIM_TEST_POSTGRES_URL` names one.
    fn on_each(test: impl Fn(&Place)) {
        test(&Place::new(None));
        if let Some(database) = PostgresDatabase::create() {
            test(&Place::new(Some(database)));
        }
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn url(&self) -> String {
        match &self.postgres {
            Some(database) => database.url.clone(),
            None => format!("sqlite:{}", self.folder.path().join("scim.db").display()),
        }
    }

    /// The number that a query on PostgreSQL yields.
    fn number(&self, query: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let mut connection = PgConnection::establish(&self.url()).unwrap();
        let row: Row = diesel::sql_query(format!("SELECT ({query}) AS n"))
            .get_result(&mut connection)
            .unwrap();
        row.n
    }

    fn start(&self) -> Binary {
        let key = self.key().display().to_string();
        let more = ["--database-url", &self.url(), "--secrets-key-file", &key];
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Binary::start_in(folder, &[&LOCAL[..], &more].concat())
    }

    fn commands(&self) -> Commands {
        Commands {
            database_url: self.url(),
            secrets_key: Some(self.key()),
        }
    }
}

fn events_of(server: &Binary, receiver: &Receiver, number: usize) -> Vec<String> {
    let jwks = document(server, "/.well-known/jwks.json");
    let received = receiver.wait_for(number);
    received.iter().map(|it| uri(&verify(&jwks, text(it)))).collect()
}

/// evt-98
#[test]
fn settings_of_a_stream_change_and_its_attempts_are_listed() {
    Place::on_each(|place| {
        let server = place.start();
        let commands = place.commands();
        let first = Receiver::start(|_, number| answer([500, 202][number.min(1)]));
        let second = Receiver::start(|_, _| answer(202));
        let id = commands.create(&first.url, &["--name", "audit"]);
        let client = server.client();
        create_user(&client, "a");
        first.wait_for(2);
        wait_until("the log", || {
            commands.json(&["show", &id])["deliveries"]
                .as_array()
                .unwrap()
                .len()
                == 2
        });
        let shown = commands.json(&["show", &id]);
        let log = |index: usize| &shown["deliveries"][index];
        for (index, attempt, status, error) in [(0, 2, 202, Value::Null), (1, 1, 500, json!("status 500"))] {
            assert_eq!(log(index)["jti"], jti(&first.received()[0]));
            assert_eq!(log(index)["attempt"], attempt);
            assert_eq!(log(index)["status"], status);
            assert_eq!(log(index)["error"], error);
            assert_eq!(log(index)["response"], "ok");
        }

        let set = ["set", &id, "--name", "other", "--events", "full"];
        let receiver = ["--push", &second.url, "--authorization-file", "-"];
        let arguments = [&["set-stream"], &set[..], &receiver, &LOCAL, &["--json"]].concat();
        let (code, out, err) = commands.run(&arguments, "Bearer c2VjcmV0\n");
        assert_eq!(code, Some(0), "{err}");
        assert!(!out.contains("c2VjcmV0") && !err.contains("c2VjcmV0"));
        let changed: Value = serde_json::from_str(&out).unwrap();
        for (name, value) in [
            ("name", json!("other")),
            ("audience", json!(AUDIENCE)),
            ("url", json!(second.url)),
            ("hasAuthorization", json!(true)),
        ] {
            assert_eq!(changed[name], value, "{name}");
        }
        create_user(&client, "b");
        let uris = events_of(&server, &second, 1);
        assert!(uris[0].ends_with("prov:create:full"), "{uris:?}");
        assert_eq!(second.received()[0].headers["authorization"], "Bearer c2VjcmV0");
        assert_eq!(first.received().len(), 2, "it gets nothing more");

        // Another address never gets the header that was meant for the first one.
        let elsewhere = [&["set-stream", "set", &id, "--push", &first.url], &LOCAL[..]].concat();
        let (code, _, err) = commands.run(&elsewhere, "");
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("Authorization header"), "{err}");
        let renamed = [&["set", &id, "--name", "same", "--push", &second.url], &LOCAL[..]].concat();
        assert_eq!(commands.json(&renamed)["hasAuthorization"], true);

        let polled = commands.json(&["set", &id, "--poll", "--algorithm", "ES256"]);
        assert_eq!(
            (&polled["delivery"], &polled["algorithm"], &polled["url"]),
            (&json!("poll"), &json!("ES256"), &Value::Null)
        );
        for (arguments, expected) in [
            (&["set", &id][..], "nothing to change"),
            (&["set", &id, "--account-issuer", "é"], "account issuer"),
            (&["set", &id, "--push", "https://u@example.com/"], "--push"),
        ] {
            let (code, _, err) = commands.run(&[&["set-stream"], arguments].concat(), "");
            assert_eq!(code, Some(2), "{err}");
            assert!(err.contains(expected), "{err}");
        }
    });
}

/// evt-95, evt-125
#[test]
fn the_management_api_changes_a_stream() {
    Place::on_each(|place| {
        let server = place.start();
        let commands = place.commands();
        let receiver = Receiver::start(|_, _| answer(202));
        let id = commands.create(&receiver.url, &[]);
        let (code, out, err) = commands.run(
            &["key", "create", "--name", "k", "--scope", "admin", "--json"],
            "",
        );
        assert_eq!(code, Some(0), "{err}");
        let key: Value = serde_json::from_str(&out).unwrap();
        let admin = api(&server, key["key"].as_str().unwrap());
        let path = format!("/set-streams/{id}");
        let tag = || {
            let (status, headers, _) = admin.exchange("GET", &path, &[], None);
            assert_eq!(status, 200);
            headers["etag"].clone()
        };
        let patch = |tag: &str, body: Value| {
            let (status, _, answer) = admin.exchange("PATCH", &path, &[("if-match", tag)], Some(&body));
            (status, answer)
        };
        create_user(&server.client(), "a");
        let sent = receiver.wait_for(1);
        let first = tag();
        let (status, changed) = patch(&first, json!({"name": "audit", "withUserName": true}));
        assert_eq!((status, &changed["name"]), (200, &json!("audit")), "{changed}");
        assert_eq!(patch(&first, json!({"name": "late"})).0, 412);
        let second = tag();
        for (body, field) in [
            (json!({"audience": "other"}), "audience"),
            (json!({"tenants": null}), "tenants"),
            (json!({"issuer": "http://a.example"}), "issuer"),
            (json!({"issuer": "https://"}), "issuer"),
            (json!({"issuer": "https://a.example/?b"}), "issuer"),
            // The issuer of this server, which has no TLS.
            (json!({ "issuer": null }), "issuer"),
            (json!({"url": "https://10.0.0.1/events"}), "url"),
            (json!({"events": []}), "events"),
            (json!({"algorithm": "none"}), "algorithm"),
            (json!({"authorization": "a\nb"}), "authorization"),
            (json!({"url": null, "authorization": "a"}), "authorization"),
            (json!({"accountIssuer": ""}), "accountIssuer"),
            (json!({"name": " a"}), "name"),
        ] {
            let (status, problem) = patch(&second, body);
            assert_eq!(
                (status, &problem["errors"][0]["field"]),
                (400, &json!(field)),
                "{problem}"
            );
        }
        let post = |action: &str, body: Value| {
            let path = format!("{path}/{action}");
            let (status, _, answer) = admin.exchange("POST", &path, &[], Some(&body));
            (status, answer)
        };
        let (status, problem) = post("enable", json!({"from": "yesterday"}));
        assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!("from")));
        // A position in the future, one of another journal, and one with another time.
        let current = admin.send("GET", &path, None).1["position"].clone();
        let current = current.as_str().unwrap();
        let (sequence, time) = current.split_once('-').unwrap();
        for from in [
            format!("999999-{time}"),
            format!("{sequence}-1"),
            "1-99999999999999".to_owned(),
        ] {
            let (status, problem) = post("enable", json!({ "from": from }));
            assert_eq!(
                (status, &problem["errors"][0]["field"], &problem["reason"]),
                (410, &json!("from"), &json!("unknown")),
                "{problem}"
            );
            assert!(problem["oldest"].is_string(), "{problem}");
        }
        let missing = admin.send("GET", &format!("/set-streams/{}", uuid::Uuid::now_v7()), None);
        assert_eq!((missing.0, &missing.1["errors"][0]["field"]), (404, &json!("id")));
        assert_eq!(post("pause", json!({"reason": "maintenance"})).0, 204);
        assert_eq!(post("enable", json!({"from": "oldest"})).0, 204);
        let again = receiver.wait_for(2);
        assert_eq!(jti(&again[1]), jti(&sent[0]), "the same token is sent again");
        wait_until("the log", || {
            let log = admin.send("GET", &format!("{path}/deliveries"), None).1;
            log["items"].as_array().unwrap().len() == 2
        });
        let log = admin.send("GET", &format!("{path}/deliveries?limit=1"), None).1;
        assert_eq!(log["items"].as_array().unwrap().len(), 1);
        assert_eq!(log["items"][0]["status"], json!(202));
        let next = log["next"].as_str().expect("there is another page");
        let log = admin
            .send("GET", &format!("{path}/deliveries?limit=1&after={next}"), None)
            .1;
        assert_eq!(log["items"].as_array().unwrap().len(), 1);
        assert_eq!(log["next"], Value::Null);
        assert_eq!(
            admin.send("GET", &format!("{path}/deliveries?limit=0"), None).0,
            400
        );
        let (status, polled) = patch(&tag(), json!({"url": null}));
        assert_eq!((status, &polled["delivery"]), (200, &json!("poll")));
        // `null` restores the value of a new stream.
        let other = json!({"events": ["caep"], "algorithm": "ES256", "revokedSubject": "email",
            "accountIssuer": "https://idp.example.com"});
        assert_eq!(patch(&tag(), other).0, 200);
        let (status, usual) = patch(
            &tag(),
            json!({"name": null, "events": null, "algorithm": null, "withUserName": null,
                "revokedSubject": null, "accountIssuer": null}),
        );
        assert_eq!(status, 200, "{usual}");
        for (name, value) in [
            ("name", json!("")),
            ("algorithm", json!("RS256")),
            ("withUserName", json!(false)),
            ("revokedSubject", json!("externalId")),
            ("accountIssuer", usual["issuer"].clone()),
        ] {
            assert_eq!(usual[name], value, "{name}");
        }
        assert_eq!(usual["events"].as_array().unwrap().len(), 5);
        assert_eq!(post("enable", json!({ "from": usual["position"] })).0, 204);
    });
}

/// Servers share the streams, and send each token once. When one is killed, the others take over its streams.
#[test]
fn servers_share_the_pushed_streams() {
    let Some(database) = PostgresDatabase::create() else {
        return;
    };
    let place = Place::new(Some(database));
    let one = place.start();
    let token = one.token();
    let commands = place.commands();
    let receivers: Vec<Receiver> = (0..4).map(|_| Receiver::start(|_, _| answer(202))).collect();
    for receiver in &receivers {
        commands.create(&receiver.url, &[]);
    }
    let other = place.start();
    let owners = || place.number("SELECT count(DISTINCT lease_owner) FROM set_stream");
    wait_until("both servers have streams", || owners() == 2);
    let client = HttpClient::new(&other.base_url, &token);
    for number in 0..5 {
        create_user(&client, &format!("user{number}"));
    }
    for receiver in &receivers {
        let received = receiver.wait_for(5);
        let mut ids: Vec<String> = received.iter().map(jti).collect();
        ids.dedup();
        assert_eq!(ids.len(), 5, "each token comes once");
    }
    one.kill();
    create_user(&client, "last");
    for receiver in &receivers {
        let received = receiver.wait_for(6);
        assert_ne!(jti(&received[5]), jti(&received[4]));
    }
    assert_eq!(owners(), 1);
}
