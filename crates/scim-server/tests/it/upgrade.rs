//! Upgrades: databases that earlier versions have written, and instances that are replaced while they serve.
//!
//! The databases are in `tests/fixtures/databases`, and its README says how they were made.

mod dump;
mod program;
mod recording;
mod requests;
mod rolling;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::program::Program;
use self::recording::{LOCAL, SERVER, record, stop, write_secrets_key};
use self::requests::{answer, create, difference, patch, poll};
use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, encode};
use crate::restart::Binary;
use crate::security_events::verify;
use crate::webhooks::receiver::Receiver;

/// The database of this version. Each migration makes it the [`PREVIOUS`] one, and writes a new one.
const CURRENT: &str = "current";

/// The database from before the newest migrations.
const PREVIOUS: &str = "previous";

/// Writes a database of a version into the folder of this name.
const WRITE: &str = "SCIM_WRITE_DATABASE";

/// The program that writes it, instead of that of this version.
const WRITER: &str = "SCIM_WRITE_DATABASE_WITH";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/databases")
}

/// The names of all databases.
fn names() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|it| it.file_type().unwrap().is_dir());
    folders.map(|it| it.file_name().into_string().unwrap()).collect()
}

fn engine(shell: &Shell) -> &'static str {
    match shell.is_postgres() {
        true => "postgres",
        false => "sqlite",
    }
}

fn file(name: &str, shell: &Shell, suffix: &str) -> PathBuf {
    folder().join(name).join(format!("{}.{suffix}", engine(shell)))
}

fn recorded(name: &str, shell: &Shell) -> Value {
    let path = file(name, shell, "json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Restores a database, and returns what was recorded when it was written.
fn restore(name: &str, shell: &Shell) -> Value {
    dump::restore(shell, &std::fs::read_to_string(file(name, shell, "sql")).unwrap());
    let recorded = recorded(name, shell);
    write_secrets_key(shell, text(&recorded["secretsKey"]));
    recorded
}

/// Runs a test with each database.
fn with_each_database(test: impl Fn(&str, &Shell, &Value)) {
    for name in names() {
        Shell::on_each(|shell| {
            report(&format!("the database `{name}` on {}", engine(shell)));
            test(&name, shell, &restore(&name, shell));
        });
    }
}

/// Says in the output of a test what it is about.
#[allow(clippy::print_stdout)] // Shown when the test fails, and by commands of contributors.
fn report(text: &str) {
    println!("{text}");
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(it).to_owned())
        .collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A server of this version on a recorded database. It does not permit the recorded receivers of webhooks, whose ports
/// others may have now.
fn serve(shell: &Shell) -> Binary {
    Program::current().serve(shell, &SERVER)
}

/// The version of a migration is the part of its name before the first `_`.
fn versions(migrations: &Value) -> Vec<String> {
    let names = texts(migrations).into_iter();
    names.map(|it| it.split('_').next().unwrap().to_owned()).collect()
}

/// A change that adds a migration makes `current` the `previous` database, and writes a new one: see
/// `cargo xtask database-fixture`. The tests of this module then upgrade a database of the version before.
#[test]
fn the_current_database_has_every_migration() {
    if let Ok(name) = std::env::var(WRITE) {
        write(&name);
    }
    Shell::on_each(|shell| {
        let known = Program::current().json(shell, &["migrate", "status"]);
        let of = |name: &str| texts(&recorded(name, shell)["migrations"]);
        assert_eq!(
            of(CURRENT),
            versions(&known["pending"]),
            "the migrations of `{}` and of this version differ: run `cargo xtask database-fixture`",
            file(CURRENT, shell, "json").display()
        );
        assert_ne!(of(PREVIOUS), of(CURRENT), "`previous` lacks the newest migration");
    });
}

/// Writes a database with its recorded answers, on both engines.
fn write(name: &str) {
    assert!(
        name.chars()
            .all(|it| it.is_ascii_alphanumeric() || "-.".contains(it)),
        "`{name}`"
    );
    let program = Program::named_by(WRITER).unwrap_or_else(Program::current);
    let postgres =
        Shell::on_postgres().expect("databases of both engines are written: set SCIM_TEST_POSTGRES_URL");
    let written = [Shell::new(), postgres].map(|shell| {
        let recorded = record(&program, &shell);
        (dump::dump(&shell), recorded, shell)
    });
    let changed = written.iter().any(|(_, now, shell)| {
        file(CURRENT, shell, "json").exists() && recorded(CURRENT, shell)["migrations"] != now["migrations"]
    });
    if name == CURRENT && changed {
        let _ = std::fs::remove_dir_all(folder().join(PREVIOUS));
        std::fs::rename(folder().join(CURRENT), folder().join(PREVIOUS)).unwrap();
    }
    std::fs::create_dir_all(folder().join(name)).unwrap();
    for (sql, recorded, shell) in written {
        std::fs::write(file(name, &shell, "sql"), sql).unwrap();
        std::fs::write(file(name, &shell, "json"), lines(&recorded, 0) + "\n").unwrap();
    }
}

/// JSON with one answer, journal entry or event per line.
fn lines(value: &Value, depth: usize) -> String {
    let indent = format!("\n{}", "  ".repeat(depth + 1));
    let members: Vec<String> = match value {
        Value::Object(members) if members.values().any(|it| it.is_array() || it.is_object()) && depth < 3 => {
            members
                .iter()
                .map(|(name, value)| format!("{indent}{}: {}", json!(name), lines(value, depth + 1)))
                .collect()
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            let lines = values.iter().map(|it| lines(it, depth + 1));
            lines.map(|it| format!("{indent}{it}")).collect()
        }
        value => return value.to_string(),
    };
    let end = &indent[..indent.len() - 2];
    let text = members.join(",");
    match value.is_object() {
        true => format!("{{{text}{end}}}"),
        false => format!("[{text}{end}]"),
    }
}

/// A release keeps a copy of its database.
#[test]
fn every_release_has_a_database() {
    let changelog = include_str!("../../../../docs/CHANGELOG.md");
    let headings = changelog
        .lines()
        .filter_map(|it| it.strip_prefix("## [")?.split(']').next());
    let releases: Vec<&str> = headings.filter(|it| *it != "Unreleased").collect();
    let names = names();
    for release in releases {
        assert!(
            names.contains(release),
            "the release {release} has no database: copy `{CURRENT}` to `{release}` in `{}`",
            folder().display()
        );
    }
    assert!(changelog.contains("## [Unreleased]"));
}

/// Before a database is upgraded, the commands say what would happen, and change nothing.
#[test]
fn pending_migrations_are_shown_before_they_run() {
    with_each_database(|name, shell, recorded| {
        let program = Program::current();
        let before = (dump::schema(shell), dump::migrations(shell));
        let status = program.json(shell, &["migrate", "status"]);
        assert_eq!(
            json!(versions(&status["applied"])),
            recorded["migrations"],
            "{name}"
        );
        let pending = items(&status["pending"]);
        assert_eq!(status["upToDate"], json!(pending.is_empty()));
        assert_eq!(pending.is_empty(), name == CURRENT);
        let planned = program.json(shell, &["migrate", "--dry-run"]);
        assert_eq!(planned, json!({ "migrated": false, "pending": pending }));
        if name != CURRENT {
            let (code, error) = program.failure(shell, &["token", "list"]);
            assert_eq!(code, Some(4), "{error}");
            assert!(error.contains("the database schema is out of date"), "{error}");
        }
        assert!(before == (dump::schema(shell), dump::migrations(shell)), "{name}");

        assert_eq!(program.json(shell, &["migrate"]), json!({ "migrated": true }));
        let status = program.json(shell, &["migrate", "status"]);
        assert_eq!(
            (&status["upToDate"], &status["pending"]),
            (&json!(true), &json!([]))
        );
    });
}

/// A migration that was released is never changed: otherwise databases would differ by the version they began with.
#[test]
fn an_upgraded_database_has_the_schema_of_a_new_one() {
    let program = Program::current();
    let new = |shell: &Shell| {
        program.json(shell, &["migrate"]);
        dump::schema(shell)
    };
    let sqlite = new(&Shell::new());
    let postgres = Shell::on_postgres().map(|it| new(&it));
    with_each_database(|name, shell, _| {
        program.json(shell, &["migrate"]);
        let upgraded = dump::schema(shell);
        let new = match shell.is_postgres() {
            true => postgres.as_ref().unwrap(),
            false => &sqlite,
        };
        let differing: Vec<&String> = upgraded.symmetric_difference(new).collect();
        assert!(differing.is_empty(), "{name}: {differing:#?}");
    });
}

/// An older version ends before it writes into a newer database.
#[test]
fn a_server_refuses_the_database_of_a_newer_version() {
    Shell::on_each(|shell| {
        restore(CURRENT, shell);
        shell.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')");
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["migrate"],
            &["tenant", "list"],
        ] {
            let (code, error) = Program::current().failure(shell, arguments);
            assert_eq!(code, Some(4), "{error}");
            let expected = "a newer version has migrated the database: this version does not know the migration \
                            `20991231000000`";
            assert!(error.contains(expected), "{error}");
        }
    });
}

/// Clients find what the earlier version has answered, with their tokens.
#[test]
fn everything_reads_as_before_the_upgrade() {
    with_each_database(|name, shell, recorded| {
        let server = serve(shell);
        for tenant in items(&recorded["tenants"]) {
            let client = HttpClient::new(&server.base_url, text(&tenant["token"]));
            for mut expected in items(&tenant["answers"]).to_owned() {
                let now = answer(&client, text(&expected["path"]));
                if versions(&recorded["migrations"])
                    .iter()
                    .all(|it| it != DISPLAY_NAMES)
                {
                    remove_user_names(&mut expected, &names_without_display_name(tenant));
                }
                let difference = difference(&expected, &now);
                assert_eq!(difference, None, "{name}: {}", expected["path"]);
            }
            let journal = ["journal", "--tenant", text(&tenant["name"])];
            let journal = Program::current().lines(shell, &journal);
            assert_eq!(difference(&tenant["journal"], &journal.into()), None, "{name}");
        }
        let events = Program::current().lines(shell, &["events"]);
        let expected = items(&recorded["events"]);
        assert_eq!(
            difference(&json!(expected), &json!(events[..expected.len()])),
            None
        );
        let statuses = ["readOnlyToken", "revokedToken"].map(|it| {
            let client = HttpClient::new(&server.base_url, text(&recorded[it]));
            let body = json!({ "schemas": [USER], "userName": "new" });
            [
                client.send("GET", "/Users", None).0,
                client.send("POST", "/Users", Some(&body)).0,
            ]
        });
        assert_eq!(statuses, [[200, 403], [401, 401]]);
    });
}

/// The migration that removes the `userName` of users from references to them: see "Changed" in the changelog.
const DISPLAY_NAMES: &str = "20261130000000";

/// The names of users that references no longer show.
fn names_without_display_name(tenant: &Value) -> BTreeSet<String> {
    let bodies = items(&tenant["answers"]).iter().map(|it| &it["body"]);
    let users = bodies.filter(|it| it["userName"].is_string() && it["displayName"].is_null());
    users.map(|it| text(&it["userName"]).to_owned()).collect()
}

/// Expects no name in references to users who have no `displayName`.
fn remove_user_names(value: &mut Value, names: &BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(display) = members.get_mut("display")
                && display.as_str().is_some_and(|it| names.contains(it))
            {
                *display = Value::Null;
            }
            members.values_mut().for_each(|it| remove_user_names(it, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|it| remove_user_names(it, names)),
        _ => {}
    }
}

/// Pages of lists, by index and by cursor, have each resource once.
#[test]
fn lists_are_walked_after_the_upgrade() {
    with_each_database(|_, shell, recorded| {
        let server = serve(shell);
        let tenant = &recorded["tenants"][0];
        let client = HttpClient::new(&server.base_url, text(&tenant["token"]));
        for list in items(&tenant["answers"]) {
            let path = text(&list["path"]);
            if list["body"]["Resources"].is_null() || path.contains("count=") {
                continue;
            }
            let query = match path.contains('?') {
                true => format!("{path}&count=2"),
                false => format!("{path}?count=2"),
            };
            let ids = |page: &Value| -> Vec<Value> {
                items(&page["Resources"])
                    .iter()
                    .map(|it| it["id"].clone())
                    .collect()
            };
            let expected = ids(&list["body"]);
            let mut by_index = Vec::new();
            while by_index.len() < expected.len() {
                let start = by_index.len() + 1;
                let (status, page) = client.send("GET", &format!("{query}&startIndex={start}"), None);
                assert_eq!((status, &page["totalResults"]), (200, &json!(expected.len())));
                by_index.extend(ids(&page));
            }
            assert_eq!(by_index, expected, "{path}");
            let (mut by_cursor, mut cursor) = (Vec::new(), String::new());
            loop {
                let (status, page) = client.send("GET", &format!("{query}&cursor={cursor}"), None);
                assert_eq!(status, 200, "{page}");
                by_cursor.extend(ids(&page));
                let Some(next) = page["nextCursor"].as_str() else {
                    break;
                };
                cursor = encode(next);
            }
            assert_eq!(by_cursor, expected, "{path}");
        }
    });
}

/// Clients write as before, and readers of the journal continue after their last position.
#[test]
fn writing_and_following_continue_after_the_upgrade() {
    with_each_database(|name, shell, recorded| {
        let server = serve(shell);
        let tenant = &recorded["tenants"][0];
        let client = HttpClient::new(&server.base_url, text(&tenant["token"]));
        let of = |name: &str| {
            let mut answers = items(&tenant["answers"]).iter();
            let found =
                answers.find(|it| it["body"]["userName"] == *name || it["body"]["displayName"] == *name);
            found.unwrap_or_else(|| panic!("no {name}"))
        };
        let (user, group) = (of("bjensen@example.com"), of("Tour Guides"));
        let (user_path, group_path) = (text(&user["path"]), text(&group["path"]));
        let change = json!([{ "op": "replace", "path": "title", "value": "President" }]);
        patch(&client, user_path, change);
        let now = answer(&client, user_path);
        assert_eq!(now["body"]["title"], "President");
        assert_ne!(now["etag"], user["etag"], "{name}");
        let duplicate = json!({ "schemas": [USER], "userName": "BJENSEN@example.com" });
        let (status, error) = client.send("POST", "/Users", Some(&duplicate));
        assert_eq!((status, &error["scimType"]), (409, &json!("uniqueness")));
        let new = create(&client, "/Users", json!({ "schemas": [USER], "userName": "new" }));
        patch(
            &client,
            group_path,
            json!([{ "op": "add", "path": "members", "value": [{ "value": new }] }]),
        );
        assert_eq!(client.send("DELETE", user_path, None).0, 204);
        assert_eq!(client.send("GET", user_path, None).0, 404);
        let members = answer(&client, group_path)["body"]["members"].clone();
        let members: Vec<&Value> = items(&members).iter().map(|it| &it["value"]).collect();
        assert!(
            members.contains(&&json!(new)) && !members.contains(&&user["body"]["id"]),
            "{members:?}"
        );
        let other = json!({ "schemas": [GROUP], "displayName": "tour guides" });
        assert_eq!(client.send("POST", "/Groups", Some(&other)).0, 409);

        check_journal(shell, tenant);
        check_events(shell, items(&recorded["events"]));
    });
}

/// The changes of [`writing_and_following_continue_after_the_upgrade`] follow the last position that the earlier version
/// has printed, without a gap and in order.
fn check_journal(shell: &Shell, tenant: &Value) {
    let before = items(&tenant["journal"]);
    let last = text(&before.last().unwrap()["position"]);
    let journal = ["journal", "--tenant", text(&tenant["name"])];
    let program = Program::current();
    let all = program.lines(shell, &journal);
    let after = program.lines(shell, &[&journal[..], &["--after", last]].concat());
    assert_eq!(all[before.len()..], after);
    let kinds: Vec<&str> = after.iter().map(|it| text(&it["kind"])).collect();
    let [update, creation, membership, ref last @ ..] = kinds[..] else {
        panic!("{kinds:?}")
    };
    assert_eq!([update, creation, membership], ["update", "create", "update"]);
    let last: BTreeSet<&str> = last.iter().copied().collect();
    assert_eq!(last, BTreeSet::from(["delete", "memberDeleted"]));
    let sequence = |entry: &Value| -> i64 {
        let (sequence, _) = text(&entry["position"]).split_once('-').unwrap();
        sequence.parse().unwrap()
    };
    let sequences: Vec<i64> = all.iter().map(sequence).collect();
    assert!(sequences.is_sorted_by(|one, other| one < other), "{sequences:?}");
}

fn check_events(shell: &Shell, before: &[Value]) {
    let program = Program::current();
    let all = program.lines(shell, &["events"]);
    let types: BTreeSet<&str> = all[before.len()..].iter().map(|it| text(&it["type"])).collect();
    for expected in ["user.updated", "user.created", "user.deleted"] {
        assert!(types.contains(expected), "{types:?}");
    }
    if let Some(last) = before.last() {
        let after = program.lines(shell, &["events", "--after", text(&last["id"])]);
        assert_eq!(all[before.len()..], after);
    }
}

/// Keys, clients, webhooks and streams continue to work, with their sealed secrets.
#[test]
fn operators_and_receivers_continue_after_the_upgrade() {
    with_each_database(|name, shell, recorded| {
        let operators = &recorded["operators"];
        if operators.is_null() {
            return;
        }
        let server = serve(shell);
        let operator = HttpClient::new(&server.management_url(), text(&operators["key"]));
        for expected in items(&operators["answers"]) {
            let mut now = answer(&operator, text(&expected["path"]));
            let mut expected = expected.clone();
            for value in [&mut now, &mut expected] {
                remove_last_use(value);
            }
            assert_eq!(difference(&expected, &now), None, "{name}: {}", expected["path"]);
        }
        check_stream(&server, &operator, &operators["stream"]);
        stop(server);

        let receiver = Receiver::accepting();
        shell.sql(&format!("UPDATE webhook_endpoint SET url = '{}'", receiver.url));
        // The tests run longer than secrets are valid.
        shell.sql("UPDATE oauth_secret SET expires = expires + 3000000000000000");
        let server = Program::current().serve(shell, &[&SERVER[..], &LOCAL].concat());
        check_client(&server, &operators["client"]);
        let acme = HttpClient::new(&server.base_url, text(&recorded["tenants"][0]["token"]));
        create(&acme, "/Users", json!({ "schemas": [USER], "userName": "new" }));
        let [secret, id] = ["secret", "id"].map(|it| text(&operators["endpoint"][it]));
        let message = &operators["message"];
        let replay = ["webhook", "replay", id, "--event", text(&message["id"])];
        Program::current().json(shell, &replay);
        let received = receiver.wait_for(2);
        for request in &received {
            request.verify(secret).unwrap();
            assert_eq!(request.headers["x-api-key"], "abc");
        }
        let repeated = received
            .iter()
            .find(|it| it.id() == text(&message["id"]))
            .unwrap();
        assert_eq!(repeated.json(), *message);
    });
}

/// The time of the last use changes with each request.
fn remove_last_use(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| name != "lastUsed");
            members.values_mut().for_each(remove_last_use);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_last_use),
        _ => {}
    }
}

/// A receiver that has acknowledged nothing gets the same tokens, signed with a published key.
fn check_stream(server: &Binary, operator: &HttpClient, stream: &Value) {
    let polled = poll(operator, text(&stream["id"]));
    let origin = server.base_url.trim_end_matches("/scim/v2");
    let (status, keys) = HttpClient::new(origin, "").send("GET", "/.well-known/jwks.json", None);
    assert_eq!(status, 200, "{keys}");
    let [before, now] = [&stream["sets"], &polled].map(|it| it.as_object().unwrap());
    assert!(!before.is_empty());
    assert!(before.keys().eq(now.keys()), "{before:?} {now:?}");
    for (jti, set) in now {
        let mut claims = [text(&before[jti]), text(set)].map(|it| verify(&keys, it));
        for claims in &mut claims {
            claims.as_object_mut().unwrap().remove("iat");
        }
        // Earlier tokens have no position.
        if claims[0].get("position").is_none() {
            claims[1].as_object_mut().unwrap().remove("position");
        }
        assert_eq!(claims[0], claims[1]);
    }
}

/// A client gets an access token for its recorded secret.
fn check_client(server: &Binary, client: &Value) {
    let origin = server.base_url.trim_end_matches("/scim/v2");
    let [id, secret] = ["clientId", "clientSecret"].map(|it| encode(text(&client[it])));
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let mut answer = ureq::post(format!("{origin}/oauth2/token"))
        .content_type("application/x-www-form-urlencoded")
        .send(form)
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    let client = HttpClient::new(&server.base_url, text(&answer["access_token"]));
    assert_eq!(client.send("GET", "/Users", None).1["totalResults"], 1);
}
