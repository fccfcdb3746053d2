//! The example `consumer`, as a process beside the binary: its table equals the directory in the end, also when processes are killed.

mod setup;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use scim_model::store::{ChangeJournal as _, Directory as _};
use scim_storage_diesel::{DieselStore, Pooler};
use serde_json::{Value, json};

use self::setup::{Consumer, Setup, TENANTS, free_port, rows_in};
use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, patch_op, wait_until};
use crate::restart::Binary;
use crate::webhooks::receiver::{Answer, Receiver, answer};

/// Each writer makes at least this number of changes, and at most the other one. There are two writers in each tenant.
const CHANGES: (usize, usize) = (60, 600);

/// evt-55, evt-62
///
/// Writers change two tenants while the consumer and the server are killed. The consumer has its first contact once: its
/// tokens are revoked then, so that only events can lead to the final table.
#[test]
fn evt_55_a_consumer_that_is_killed_has_the_table_of_the_directory() {
    Shell::on_each(|shell| {
        let setup = Setup::new(shell, "user.*");
        let server = setup.serve(&["--default-page-size", "5", "--reprovision", "restore"]);
        for tenant in TENANTS {
            for number in 0..60 {
                create_user(&setup.client(tenant), &format!("first{number}"));
            }
        }
        kill_in_first_contact(&setup, &server);
        let is_over = AtomicBool::new(false);
        let _server = thread::scope(|threads| {
            for writer in 0..4 {
                let client = setup.client(TENANTS[writer % 2]);
                let is_over = &is_over;
                threads.spawn(move || write(&client, writer, is_over));
            }
            let server = kill_at_random(&setup, server);
            is_over.store(true, Ordering::SeqCst);
            server
        });
        let _consumer = setup.consume(1);
        wait_until("the table of the directory", || {
            setup.table() == setup.directory()
        });
        assert!(!setup.table().is_empty());
    });
}

/// Lets the consumer have its first contact, kills it again and again, and sometimes the server too.
fn kill_at_random(setup: &Setup, mut server: Binary) -> Binary {
    let mut consumer = setup.consume(1);
    wait_until("the first contact", || setup.position().is_some());
    setup.revoke_read_tokens();
    for round in 1..=9 {
        thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
        consumer.kill();
        if round % 3 == 0 {
            server.kill();
            server = setup.serve(&["--reprovision", "restore"]);
        }
        consumer = setup.consume(1);
    }
    consumer.kill();
    server
}

/// Kills the consumer after it has read some of the users, and before it has stored them.
fn kill_in_first_contact(setup: &Setup, server: &Binary) {
    let pages = || server.log_until("").matches("GET /scim/v2/Users 200").count();
    wait_until("a kill in the first contact", || {
        let before = pages();
        let consumer = setup.consume(1);
        wait_until("a page of users", || pages() > before);
        consumer.kill();
        let was_early = setup.position().is_none();
        if !was_early {
            setup.forget();
        }
        was_early
    });
    assert!(setup.table().is_empty());
}

fn create_user(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({ "schemas": [USER], "userName": name }))
}

/// Makes random changes. A request that fails because the server is killed may have had its effect or not.
fn write(client: &HttpClient, writer: usize, is_over: &AtomicBool) {
    let mut names: Vec<String> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for number in 0..CHANGES.1 {
        if number >= CHANGES.0 && is_over.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("user{writer}-{number}");
        let id = fastrand::choice(&ids).cloned();
        let change = |operation: Value| Some(patch_op(json!([operation])));
        let path = format!("/Users/{}", id.as_deref().unwrap_or("none"));
        let active = |value: bool| json!({"op": "replace", "path": "active", "value": value});
        let (method, path, body) = match fastrand::u8(0..12) {
            _ if id.is_none() => new_user(&name, json!(true)),
            0 => new_user(&name, Value::Null),
            1 => new_user(&name, json!(false)),
            2 => new_user(fastrand::choice(&names).expect("there are users"), Value::Null),
            3 | 4 => ("PATCH", path, change(active(false))),
            5 | 6 => ("PATCH", path, change(active(true))),
            7 => ("PATCH", path, change(json!({"op": "remove", "path": "active"}))),
            8 => (
                "PATCH",
                path,
                change(json!({"op": "replace", "value": {"userName": name, "active": fastrand::bool()}})),
            ),
            9 => (
                "PATCH",
                path,
                change(json!({"op": "replace", "path": "title", "value": name})),
            ),
            10 => (
                "POST",
                "/Groups".to_owned(),
                Some(json!({ "schemas": [GROUP], "displayName": name, "members": [{ "value": id }] })),
            ),
            _ => ("DELETE", path, None),
        };
        let Ok((status, answer)) = client.try_send(method, &path, body.as_ref()) else {
            // The server is about to start again.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        assert!(
            status < 500 || status == 503,
            "{method} {path}: {status} {answer}"
        );
        if (status, path.as_str()) == (201, "/Users") {
            ids.push(answer["id"].as_str().unwrap().to_owned());
            names.push(answer["userName"].as_str().unwrap().to_owned());
        }
    }
}

fn new_user(name: &str, active: Value) -> (&'static str, String, Option<Value>) {
    let body = json!({ "schemas": [USER], "userName": name, "active": active });
    ("POST", "/Users".to_owned(), Some(body))
}

/// evt-13
///
/// The consumer reads the feed by itself once a day. A webhook of the server makes a change visible, and one that is
/// forged or old does not.
#[test]
fn evt_13_a_genuine_webhook_wakes_the_consumer_and_no_other() {
    let shell = Shell::new();
    let setup = Setup::new(&shell, "user.deactivated");
    let _server = setup.serve(&[]);
    let client = setup.client("acme");
    let first = create_user(&client, "first");
    let second = create_user(&client, "second");
    let _consumer = setup.consume(24 * 60 * 60);
    let seen = || rows_in(&setup.table(), "acme");
    // The position, and an empty page after it.
    wait_until("the first contact", || setup.feed_requests("200") == 2);
    assert_eq!(seen(), ["first", "second"]);

    let off = patch_op(json!([{"op": "replace", "path": "active", "value": false}]));
    assert_eq!(
        client.send("PATCH", &format!("/Users/{second}"), Some(&off)).0,
        200
    );
    wait_until("the webhook of the server", || seen() == ["first"]);
    wait_until("the end of the request", || setup.feed_requests("200") == 3);

    // The server sends no webhook about a new user.
    create_user(&client, "third");
    let now = Utc::now().timestamp();
    let genuine = setup.signature("1-1-0", now, "{}");
    for (sent, signature) in [
        (now, "v1,AAAA".to_owned()),
        (now, String::new()),
        (now + 1, genuine.clone()),
        (now - 360, setup.signature("1-1-0", now - 360, "{}")),
        (now + 360, setup.signature("1-1-0", now + 360, "{}")),
    ] {
        assert_eq!(setup.post_webhook("1-1-0", sent, &signature, "{}"), 401);
    }
    assert_eq!(
        setup.post_webhook("1-1-0", now, &genuine, "{} "),
        401,
        "another body"
    );
    assert_eq!(
        setup.post_webhook("1-1-1", now, &genuine, "{}"),
        401,
        "another id"
    );
    assert_eq!(seen(), ["first"], "a refused webhook has no effect");

    // The content has no effect either: the user stays, and the feed has the news.
    let body = json!({"type": "user.deleted", "data": {"resourceId": first}}).to_string();
    let genuine = setup.signature("1-1-0", now, &body);
    assert_eq!(setup.post_webhook("1-1-0", now, &genuine, &body), 204);
    wait_until("the genuine webhook", || seen() == ["first", "third"]);
    wait_until("the end of the request", || setup.feed_requests("200") >= 4);

    // The same message again leads to another request, whose page is empty.
    assert_eq!(setup.post_webhook("1-1-0", now, &genuine, &body), 204);
    wait_until("the feed", || setup.feed_requests("200") >= 5);
    assert_eq!(
        setup.feed_requests("200"),
        5,
        "each genuine webhook leads to one request"
    );
    assert_eq!(seen(), ["first", "third"]);
}

/// evt-56
///
/// The journal has lost events about users that are in the table. It is replaced as a whole.
#[test]
fn evt_56_a_lost_position_leads_to_a_new_table() {
    Shell::on_each(|shell| {
        let setup = Setup::new(shell, "user.*");
        let _server = setup.serve(&[]);
        let client = setup.client("acme");
        let users = ["deleted", "inactive", "renamed", "same"].map(|name| create_user(&client, name));
        create_user(&setup.client("globex"), "other");
        let consumer = setup.consume(1);
        wait_until("the first contact", || setup.table() == setup.directory());
        consumer.kill();
        assert_eq!(setup.table().len(), 5);

        let change = |user: &str, operation: Value| {
            let body = patch_op(json!([operation]));
            assert_eq!(
                client.send("PATCH", &format!("/Users/{user}"), Some(&body)).0,
                200
            );
        };
        assert_eq!(
            client.send("DELETE", &format!("/Users/{}", users[0]), None).0,
            204
        );
        change(
            &users[1],
            json!({"op": "replace", "path": "active", "value": false}),
        );
        change(
            &users[2],
            json!({"op": "replace", "path": "userName", "value": "bjensen"}),
        );
        create_user(&client, "new");
        let store = DieselStore::open_existing(&shell.url(), Pooler::None).unwrap();
        let acme = store
            .tenants()
            .unwrap()
            .into_iter()
            .find(|it| it.name == "acme")
            .unwrap();
        store
            .prune_changes(acme.id, Utc::now() + TimeDelta::hours(1), 100)
            .unwrap();
        let stale = setup.table();
        assert_ne!(stale, setup.directory());

        let consumer = setup.consume(1);
        wait_until("the first contact", || setup.table() == setup.directory());
        assert_eq!(setup.feed_requests("410"), 1);
        create_user(&client, "later");
        wait_until("the next event", || setup.table() == setup.directory());
        consumer.kill();

        // Other tenants are another feed.
        let _consumer = setup.consume_tenants(&["globex"], 1);
        wait_until("the users of one tenant", || {
            setup.table() == setup.directory_of(&["globex"])
        });
    });
}

/// evt-56
///
/// A backup is restored: the table has users that the directory never had since.
#[test]
fn evt_56_a_restored_backup_leaves_no_stale_rows() {
    let shell = Shell::new();
    let setup = Setup::new(&shell, "user.*");
    let server = setup.serve(&[]);
    create_user(&setup.client("acme"), "before");
    server.kill();
    let database = || {
        let files = std::fs::read_dir(shell.folder.path()).unwrap();
        let files = files.map(|it| it.unwrap().path());
        files.filter(|it| it.file_name().unwrap().to_str().unwrap().starts_with("scim.db"))
    };
    let backup: Vec<_> = database()
        .map(|it| (it.clone(), std::fs::read(it).unwrap()))
        .collect();

    let server = setup.serve(&[]);
    create_user(&setup.client("acme"), "lost");
    let _consumer = setup.consume(1);
    wait_until("both users", || setup.table().len() == 2);
    create_user(&setup.client("globex"), "lost too");
    wait_until("all users", || setup.table().len() == 3);
    server.kill();
    database().for_each(|it| std::fs::remove_file(it).unwrap());
    for (path, bytes) in backup {
        std::fs::write(path, bytes).unwrap();
    }
    let _server = setup.serve(&[]);
    wait_until("the restored user", || setup.table() == setup.directory());
    assert_eq!(rows_in(&setup.table(), "acme"), ["before"]);
    assert_eq!(rows_in(&setup.table(), "globex"), [""; 0]);
}

/// An event of a type that the consumer does not know has no effect, whatever it contains, and the next one has.
#[test]
fn a_consumer_ignores_types_that_it_does_not_know() {
    let feed = Receiver::start(|request, _| Answer {
        body: match request.line.as_str() {
            line if line.contains("/Users?") => r#"{"Resources": []}"#,
            line if line.contains("after=now") => r#"{"events": [], "next": "1-1-0", "more": false}"#,
            line if line.contains("after=1-1-0") => {
                r#"{"events": [
                    {"id": "2-1-0", "type": "user.teleported", "data": {"resourceId": 7, "changes": []}},
                    {"id": "2-1-1", "type": "feed.changed"},
                    {"id": "3-1-0", "type": "user.created",
                     "data": {"tenant": "acme", "resourceId": "u1", "userName": "bjensen", "more": {}}}
                ], "next": "3-1-0", "more": false}"#
            }
            _ => r#"{"events": [], "next": "3-1-0", "more": false}"#,
        },
        ..answer(200)
    });
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let _consumer = Consumer::start(
        folder.path(),
        &[
            ("FEED_URL", &feed.url),
            ("FEED_KEY", "opk"),
            ("SCIM_URL", &feed.url),
            ("SCIM_TOKENS", "acme=token"),
            ("WEBHOOK_LISTEN", &listen),
            ("WEBHOOK_SECRET", "whsec_c2VjcmV0"),
        ],
    );
    wait_until("the events", || {
        setup::position(folder.path()).as_deref() == Some("3-1-0")
    });
    let table = setup::table(folder.path());
    assert_eq!(rows_in(&table, "acme"), ["bjensen"]);
    assert_eq!(table.len(), 1);
}

/// The guide quotes the example as it is.
#[test]
fn the_guide_quotes_the_consumer() {
    let guide = include_str!("../../../../docs/EVENTS.md");
    let source = include_str!("../../examples/consumer/main.rs");
    let quotations: Vec<&str> = guide
        .split("```rust\n")
        .skip(1)
        .map(|it| it.split("```").next().unwrap())
        .collect();
    assert!(!quotations.is_empty());
    for quotation in quotations {
        assert!(source.contains(quotation), "{quotation}");
    }
}
