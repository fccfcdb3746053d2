//! `scim-server move`, from SQLite to PostgreSQL.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, wait_until};
use crate::restart::Binary;

/// Fills a database through a server, with something in as many tables as a client and an operator can reach. Returns the
/// token of its tenant.
fn fill(shell: &Shell) -> String {
    let server = shell.serve(&["--passwords", "argon2id"]);
    let client = server.client();
    let user = |name: &str| {
        client.create(
            "/Users",
            &json!({
                "schemas": [USER], "userName": name, "externalId": format!("x-{name}"), "active": name != "sleeper",
                "password": "correct horse battery staple", "name": { "familyName": "O'Neill\t\\N" },
                "emails": [{ "value": format!("{name}@example.com"), "type": "work" }],
            }),
        )
    };
    let users = ["bjensen", "jürgen", "sleeper", "名前"].map(user);
    let members: Vec<Value> = users.iter().map(|it| json!({ "value": it })).collect();
    client.create(
        "/Groups",
        &json!({ "schemas": [GROUP], "displayName": "Tour Guides", "members": members }),
    );
    assert_eq!(
        client.send("DELETE", &format!("/Users/{}", users[0]), None).0,
        204
    );
    shell.ok(&["tenant", "create", "other"]);
    shell.ok(&[
        "connection",
        "create",
        "entra",
        "--tenant",
        "other",
        "--preset",
        "entra",
    ]);
    shell.ok(&["client", "create", "--tenant", "other"]);
    shell.ok(&[
        "key", "create", "--name", "console", "--scope", "events", "--tenant", "other",
    ]);
    shell.ok(&[
        "webhook",
        "create",
        "--url",
        "https://93.184.215.14/hook",
        "--header",
        "X-Key: abc",
    ]);
    shell.ok(&[
        "set-stream",
        "create",
        "--audience",
        "https://receiver.example.com",
        "--issuer",
        "https://scim.example.com",
    ]);
    server.token()
}

/// A source with data, and an empty target.
fn pair() -> Option<(Shell, Shell, String)> {
    let target = Shell::on_postgres()?;
    let source = Shell::new();
    let token = fill(&source);
    Some((source, target, token))
}

#[test]
fn everything_is_moved_and_a_server_continues_on_the_target() {
    let Some((source, target, token)) = pair() else {
        return;
    };
    let position = source.ok(&["journal", "--tenant", "default", "--position"]);
    let journal = source.ok(&["journal", "--tenant", "default"]);
    let greatest = source.number("SELECT max(seq) FROM sqlite_sequence WHERE name = 'changes'");
    let report = source.json(&["move", "--to", &target.url(), "--json"]);
    assert!(
        report["secretsKeyFile"]
            .as_str()
            .unwrap()
            .ends_with("scim.db.secrets-key")
    );
    let tables = report["tables"].as_object().unwrap();
    for table in [
        "tenant",
        "connection",
        "token",
        "resource",
        "resource_normal",
        "attribute_value",
        "membership",
        "secret",
        "changes",
        "resource_count",
        "oauth_client",
        "oauth_secret",
        "operator_key",
        "operator_key_tenant",
        "webhook_endpoint",
        "webhook_secret",
        "set_stream",
        "signing_key",
    ] {
        assert_ne!(tables[table]["rows"], json!(0), "{table}");
        let rows = format!("SELECT count(*) FROM {table}");
        assert_eq!(tables[table]["rows"], json!(target.number(&rows)), "{table}");
    }
    assert_eq!(target.ok(&["journal", "--tenant", "default"]), journal);

    let key = source.folder.path().join("scim.db.secrets-key");
    let server = Binary::start(&[
        "--database-url",
        &target.url(),
        "--secrets-key-file",
        key.to_str().unwrap(),
    ]);
    let client = HttpClient::new(&server.base_url, &token);
    let (status, list) = client.send(
        "GET",
        "/Users?sortBy=userName&filter=userName%20sw%20%22%E5%90%8D%22",
        None,
    );
    assert_eq!((status, &list["totalResults"]), (200, &json!(1)), "{list}");
    let (_, groups) = client.send("GET", "/Groups", None);
    assert_eq!(groups["Resources"][0]["members"].as_array().unwrap().len(), 3);
    client.create("/Users", &json!({ "schemas": [USER], "userName": "newcomer" }));
    let (status, taken) = client.send(
        "POST",
        "/Users",
        Some(&json!({ "schemas": [USER], "userName": "SLEEPER" })),
    );
    assert_eq!((status, &taken["scimType"]), (409, &json!("uniqueness")));
    // The journal goes on after its last position, with numbers that were never used.
    let new = target.ok(&["journal", "--tenant", "default", "--after", position.trim()]);
    let new: Value = serde_json::from_str(&new).unwrap();
    assert_eq!(new["change"]["userName"]["new"], "newcomer");
    let number: i64 = new["position"]
        .as_str()
        .unwrap()
        .split('-')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(number > greatest, "{number} after {greatest}");
    // Triggers work again.
    target.ok(&["tenant", "create", "third"]);
    assert!(
        target
            .ok(&["connection", "list", "--tenant", "third"])
            .contains("default")
    );
}

/// A table that a later migration adds is part of a move without a change of the code.
#[test]
fn a_move_takes_the_tables_from_the_catalogue() {
    let Some((source, target, _)) = pair() else {
        return;
    };
    source.sql(
        "CREATE TABLE flag (id BIGINT NOT NULL PRIMARY KEY, connection BLOB REFERENCES connection (id), is_on BOOLEAN);
         INSERT INTO flag (id, connection, is_on) SELECT 7, id, FALSE FROM connection LIMIT 1",
    );
    target.ok(&["migrate"]);
    let (code, text) = source.failure(&["move", "--to", &target.url()]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the table `flag` differs"), "{text}");
    target.sql("CREATE TABLE flag (id BIGINT NOT NULL PRIMARY KEY, connection BYTEA, is_on BOOLEAN)");
    let report = source.json(&["move", "--to", &target.url(), "--json"]);
    assert_eq!(report["tables"]["flag"]["rows"], json!(1));
    assert_eq!(
        target.number("SELECT count(*) FROM flag f JOIN connection c ON c.id = f.connection WHERE NOT is_on"),
        1
    );
}

#[test]
fn a_killed_move_leaves_a_target_that_no_server_uses_and_that_can_be_filled_again() {
    let Some((source, target, token)) = pair() else {
        return;
    };
    target.ok(&["migrate"]);
    // The rows cannot be written while this lock is held.
    let mut lock = PgConnection::establish(&target.url()).unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE resource IN SHARE MODE")
        .unwrap();
    let mut child = source
        .command(&["move", "--to", &target.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let marks = "SELECT count(to_regclass('__scim_move'))";
    wait_until("the move has begun", || target.number(marks) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    lock.batch_execute("ROLLBACK").unwrap();

    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["tenant", "list"],
        &["migrate"],
    ] {
        let (code, text) = target.failure(command);
        assert_eq!(code, 3, "{text}");
        assert!(
            text.contains("incomplete") && text.contains("`scim-server move` again"),
            "{text}"
        );
    }
    let report = source.json(&["move", "--to", &target.url(), "--json"]);
    assert_eq!(report["tables"]["tenant"]["rows"], json!(2));
    let server = Binary::start(&["--database-url", &target.url()]);
    assert_eq!(server.get("/Users", &token).1["totalResults"], json!(3));
}

#[test]
fn a_move_needs_an_unused_source_and_an_empty_target() {
    let Some((source, target, _)) = pair() else {
        return;
    };
    let server = source.serve(&[]);
    let (code, text) = source.failure(&["move", "--to", &target.url()]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("in use by another server"), "{text}");
    drop(server);
    target.ok(&["tenant", "create", "acme"]);
    let (code, text) = source.failure(&["move", "--to", &target.url()]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("of the target has rows"), "{text}");
    // The refusal changed nothing.
    assert!(target.ok(&["tenant", "list"]).contains("acme"));
    let (code, text) = source.failure(&["move", "--to", "sqlite:other.db"]);
    assert_eq!(code, 3, "{text}");
    let (code, text) = target.failure(&["move", "--to", &target.url()]);
    assert_eq!(code, 3, "{text}");
    let (code, _) = source.failure(&[
        "move",
        "--to",
        &target.url(),
        "--database-url",
        "sqlite:missing.db",
    ]);
    assert_eq!(code, 4);
    let running = Shell::on_postgres().unwrap();
    running.ok(&["migrate"]);
    let server = running.serve(&[]);
    let (code, text) = source.failure(&["move", "--to", &running.url()]);
    assert_eq!(code, 3, "{text}");
    drop(server);
}

/// With `SCIM_TEST_LARGE_MOVE=1`, 100,000 users and 1,000,000 memberships; otherwise a hundredth of both.
#[test]
fn many_users_and_memberships_are_moved() {
    let Some(target) = Shell::on_postgres() else {
        return;
    };
    let source = Shell::new();
    source.ok(&["tenant", "create", "acme"]);
    // A server registers the types.
    drop(source.serve(&[]));
    let is_large = std::env::var_os("SCIM_TEST_LARGE_MOVE").is_some();
    let users = if is_large { 100_000 } else { 1_000 };
    let groups = users / 100;
    let numbers =
        |to: i64| format!("WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {to})");
    let columns = "(pk, tenant_id, kind, id, version, created, modified, active, unique_key, external_key, display_key, \
                   family_key, label, document)";
    source.sql(&format!(
        "BEGIN;
         {} INSERT INTO resource {columns}
           SELECT i, 1, 1, unhex(printf('%032x', i)), 1, i, i, TRUE, 'user' || i, CAST(i AS TEXT), 'name ' || i,
                  'family' || i % 1000, 'Name ' || i,
                  json_object('schemas', json_array('{USER}'), 'userName', 'user' || i, 'externalId', CAST(i AS TEXT),
                              'displayName', 'Name ' || i, 'emails', json_array(json_object('value', i || '@example.com')))
           FROM s;
         {} INSERT INTO resource {columns}
           SELECT {users} + i, 1, 2, unhex(printf('%032x', {users} + i)), 1, i, i, NULL, 'group ' || i, NULL, 'group ' || i,
                  NULL, 'Group ' || i, json_object('schemas', json_array('{GROUP}'), 'displayName', 'Group ' || i)
           FROM s;
         INSERT INTO resource_normal (pk, tenant_id, normal)
           SELECT pk, tenant_id, jsonb_object('userName', unique_key, 'externalId', external_key) FROM resource;
         INSERT INTO attribute_value (tenant_id, path, key, pk)
           SELECT 1, (SELECT id FROM attribute_path WHERE path = 'emails.value'), pk || '@example.com', pk
           FROM resource WHERE kind = 1;
         {} INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
           SELECT 1, {users} + 1 + (i + r.pk) % {groups}, i * {users} + r.pk, r.pk FROM s, resource r WHERE r.kind = 1;
         {} INSERT INTO changes (tenant_id, at, kind, id, version, action, change)
           SELECT 1, i, 1, unhex(printf('%032x', i)), 1, 'create', '{{\"userName\":{{\"new\":\"user' || i || '\"}}}}' FROM s;
         INSERT INTO resource_count (tenant_id, kind, shard, number)
           SELECT 1, kind, (pk / 32768 + 1) * 16, count(*) FROM resource GROUP BY kind, pk / 32768;
         COMMIT",
        numbers(users),
        numbers(groups),
        numbers(10),
        numbers(users)
    ));
    let began = Instant::now();
    let report = source.json(&["move", "--to", &target.url(), "--json"]);
    if is_large {
        let time = began.elapsed();
        writeln!(
            std::io::stderr(),
            "moved {users} users and {} memberships in {time:?}",
            10 * users
        )
        .unwrap();
    }
    assert_eq!(report["tables"]["membership"]["rows"], json!(10 * users));
    assert_eq!(report["tables"]["resource"]["rows"], json!(users + groups));
    assert_eq!(target.number("SELECT count(*) FROM membership"), 10 * users);
    let server = Binary::start(&["--database-url", &target.url()]);
    let token = target.json(&["token", "create", "--tenant", "acme", "--json"]);
    let token = token["token"].as_str().unwrap();
    assert_eq!(
        server.get("/Users?count=1", token).1["totalResults"],
        json!(users)
    );
    let (_, group) = server.get("/Groups?filter=displayName%20eq%20%22group%201%22", token);
    assert_eq!(group["Resources"][0]["members"].as_array().unwrap().len(), 1_000);
}
