//! `scim-server export` and `import`.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{ENTERPRISE, GROUP, HttpClient, USER, wait_until};

const EVERYTHING: [&str; 3] = ["--with-tokens", "--with-password-hashes", "--with-journal"];
const KEEP_ALL: [&str; 4] = ["--keep-ids", "--keep-versions", "--keep-tokens", "--keep-journal"];

/// Fills the tenant `default` of a new database. Returns its token.
fn fill(shell: &Shell) -> String {
    let server = shell.serve(&["--passwords", "argon2id"]);
    let client = server.client();
    let user = |name: &str, manager: Option<&str>| {
        client.create(
            "/Users",
            &json!({
                "schemas": [USER, ENTERPRISE], "userName": name, "externalId": format!("x-{name}"),
                "password": "correct horse battery staple", "emails": [{ "value": format!("{name}@example.com") }],
                ENTERPRISE: { "department": "Tours", "manager": manager.map(|it| json!({ "value": it })) },
            }),
        )
    };
    let boss = user("boss", None);
    let users = [
        boss.clone(),
        user("bjensen", Some(&boss)),
        user("名前", Some(&boss)),
    ];
    let group = |name: &str, members: &[&String]| {
        let members: Vec<Value> = members.iter().map(|it| json!({ "value": it })).collect();
        client.create(
            "/Groups",
            &json!({ "schemas": [GROUP], "displayName": name, "members": members }),
        )
    };
    let outer = group("Outer", &[&users[2], &users[0]]);
    let inner = group("Inner", &[&users[1]]);
    // A group that is a member of an older one, and a renamed member.
    for (path, operation) in [
        (
            format!("/Groups/{outer}"),
            json!({ "op": "add", "path": "members", "value": [{ "value": inner }] }),
        ),
        (
            format!("/Users/{}", users[1]),
            json!({ "op": "replace", "path": "displayName", "value": "Babs" }),
        ),
    ] {
        let patch = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        assert!(client.send("PATCH", &path, Some(&patch)).0 < 300);
    }
    shell.ok(&[
        "connection",
        "create",
        "entra",
        "--tenant",
        "default",
        "--preset",
        "entra",
    ]);
    shell.ok(&[
        "token",
        "create",
        "--tenant",
        "default",
        "--connection",
        "entra",
        "--scope",
        "scim.read",
        "--name",
        "reader",
    ]);
    server.token()
}

fn export(shell: &Shell, arguments: &[&str]) -> Vec<Value> {
    let text = shell.ok(&[&["export", "--tenant", "default"], arguments].concat());
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// The lines without the first one, which has the time of the export.
fn lines(export: &[Value]) -> &[Value] {
    assert!(export[0]["export"].is_object(), "{}", export[0]);
    &export[1..]
}

fn of_type<'a>(export: &'a [Value], name: &str) -> Vec<&'a Value> {
    export
        .iter()
        .filter(|it| it["meta"]["resourceType"] == name)
        .collect()
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|it| format!("{it}\n")).collect()
}

fn import_with(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that is refused does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Imports lines, and returns the exit code and the report.
#[track_caller]
fn import(shell: &Shell, tenant: &str, arguments: &[&str], lines: &[Value]) -> (i32, Value) {
    let command = shell.command(&[&["import", "--json", "--tenant", tenant], arguments].concat());
    let output = import_with(command, &text(lines));
    let report = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(report.lines().count(), 1, "{report}{error}");
    (
        output.status.code().unwrap(),
        serde_json::from_str(&report).unwrap(),
    )
}

/// Pairs of databases: an export of the first is imported into the second.
fn on_each_pair(test: impl Fn(&Shell, &Shell)) {
    test(&Shell::new(), &Shell::new());
    if let Some(postgres) = Shell::on_postgres() {
        test(&Shell::new(), &postgres);
        test(&Shell::on_postgres().unwrap(), &Shell::new());
    }
}

#[test]
fn an_export_has_users_before_groups_and_secrets_on_request_only() {
    Shell::on_each(|shell| {
        fill(shell);
        let plain = export(shell, &[]);
        let header = &plain[0]["export"];
        assert_eq!(
            (&header["tenant"], &header["format"], &header["resources"]),
            (&json!("default"), &json!(1), &json!(5))
        );
        let position = shell.ok(&["journal", "--tenant", "default", "--position"]);
        assert_eq!(header["position"], position.trim());
        let types: Vec<&Value> = lines(&plain)
            .iter()
            .map(|it| &it["meta"]["resourceType"])
            .collect();
        assert_eq!(
            json!(types),
            json!(["User", "User", "User", "Group", "Group", null])
        );
        assert_eq!(
            plain.last().unwrap(),
            &json!({ "end": { "resources": 5, "changes": 0 } })
        );
        let user = of_type(&plain, "User")[1];
        assert_eq!(user["schemas"], json!([USER, ENTERPRISE]));
        assert_eq!(
            (&user["displayName"], &user["meta"]["version"]),
            (&json!("Babs"), &json!("W/\"2\""))
        );
        let outer = of_type(&plain, "Group")[0];
        let members: Vec<&Value> = outer["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["type"])
            .collect();
        assert_eq!(json!(members), json!(["User", "User", "Group"]));
        assert!(!text(&plain).contains("argon2id"));

        let all = export(shell, &EVERYTHING);
        assert_eq!(all.iter().filter(|it| it["connection"].is_object()).count(), 2);
        assert_eq!(all.iter().filter(|it| it["token"].is_object()).count(), 2);
        let changes = all.iter().filter(|it| it["change"].is_object()).count();
        assert_eq!(
            changes,
            shell.ok(&["journal", "--tenant", "default"]).lines().count()
        );
        let hash = of_type(&all, "User")[0]["$$secretHashes"]["password"]
            .as_str()
            .unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let (code, error) = shell.failure(&["export", "--tenant", "nobody"]);
        assert_eq!(code, 7, "{error}");
    });
}

#[test]
fn an_import_with_everything_kept_gives_an_equal_export_and_continues() {
    on_each_pair(|source, target| {
        let token = fill(source);
        let position = source.ok(&["journal", "--tenant", "default", "--position"]);
        let exported = export(source, &EVERYTHING);
        target.ok(&["migrate"]);
        let (code, report) = import(target, "default", &KEEP_ALL, &exported);
        assert_eq!((code, &report["refusals"]), (0, &json!([])), "{report}");
        assert_eq!((&report["created"], &report["tokens"]), (&json!(5), &json!(2)));
        let again = export(target, &EVERYTHING);
        // Connections that are created get a new id.
        let without_ids = |lines: &[Value]| -> Vec<Value> {
            let mut lines = lines.to_vec();
            for line in &mut lines {
                if line["connection"].is_object() {
                    line["connection"]["id"] = Value::Null;
                    line["connection"]["created"] = Value::Null;
                }
            }
            lines
        };
        assert_eq!(without_ids(lines(&again)), without_ids(lines(&exported)));
        assert_eq!(again[0]["export"]["position"], exported[0]["export"]["position"]);

        // The client and the readers of the journal go on.
        let server = target.serve(&[]);
        let client = HttpClient::new(&server.base_url, &token);
        client.create("/Users", &json!({ "schemas": [USER], "userName": "newcomer" }));
        let new = target.ok(&["journal", "--tenant", "default", "--after", position.trim()]);
        assert_eq!(new.lines().count(), 1, "{new}");
        assert!(new.contains("newcomer"), "{new}");
        let (_, found) = client.send(
            "GET",
            "/Users?filter=emails%20eq%20%22bjensen%40example.com%22",
            None,
        );
        assert_eq!(found["Resources"][0]["groups"][0]["display"], "Inner", "{found}");
        let manager = &found["Resources"][0][ENTERPRISE]["manager"]["value"];
        assert_eq!(*manager, of_type(&exported, "User")[0]["id"]);
        drop(server);

        // The second time, everything is there.
        let old = export(target, &EVERYTHING);
        let (code, report) = import(target, "default", &KEEP_ALL[..3], &exported);
        assert_eq!(
            (code, &report["unchanged"], &report["created"]),
            (0, &json!(5), &json!(0)),
            "{report}"
        );
        assert_eq!(lines(&export(target, &EVERYTHING)), lines(&old));
    });
}

#[test]
fn new_ids_are_used_in_members_and_references_and_the_journal_records_the_import() {
    on_each_pair(|source, target| {
        fill(source);
        let exported = export(source, &[]);
        target.ok(&["migrate"]);
        for (created, unchanged) in [(5, 0), (0, 5)] {
            let (code, report) = import(target, "default", &[], &exported);
            assert_eq!(code, 0, "{report}");
            assert_eq!(
                (&report["created"], &report["unchanged"]),
                (&json!(created), &json!(unchanged)),
                "{report}"
            );
        }
        let again = export(target, &[]);
        let (old, new) = (of_type(&exported, "User"), of_type(&again, "User"));
        for (old, new) in old.iter().zip(&new) {
            assert_eq!(old["userName"], new["userName"]);
            assert_ne!(old["id"], new["id"]);
        }
        assert_eq!(new[1][ENTERPRISE]["manager"]["value"], new[0]["id"]);
        let groups = of_type(&again, "Group");
        let members: Vec<&Value> = groups[0]["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["value"])
            .collect();
        assert_eq!(
            json!(members),
            json!([new[2]["id"], new[0]["id"], groups[1]["id"]])
        );
        // The outer group was created before its member.
        let journal = target.ok(&["journal", "--tenant", "default"]);
        let journal: Vec<Value> = journal
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        let kinds: Vec<&str> = journal.iter().map(|it| it["kind"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            ["create", "create", "create", "create", "create", "update"]
        );
        assert!(
            journal.iter().all(|it| it["actor"]["kind"] == "commandLine"),
            "{journal:?}"
        );
        assert_eq!(
            journal[5]["change"]["members"]["added"].as_array().unwrap().len(),
            3
        );
        assert_eq!(groups[0]["meta"]["version"], "W/\"2\"");
        // Kept versions are kept by such groups too.
        let (code, report) = import(target, "other", &["--keep-versions"], &exported);
        assert_eq!(code, 0, "{report}");
        let other = target.ok(&["export", "--tenant", "other"]);
        let other: Vec<Value> = other
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        let metas = |lines: &[Value]| -> Vec<Value> { lines.iter().map(|it| it["meta"].clone()).collect() };
        assert_eq!(metas(lines(&other)), metas(lines(&exported)));
    });
}

#[test]
fn a_dry_run_reports_what_would_be_refused_and_why() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let user = |name: &str, number: u32| {
            json!({
                "schemas": [USER], "id": format!("00000000-0000-7000-8000-{number:012}"), "userName": name,
                "meta": { "resourceType": "User" },
            })
        };
        let first = [user("bjensen", 1), user("other", 2)];
        let (code, report) = import(shell, "acme", &["--dry-run", "--keep-ids"], &first);
        assert_eq!(
            (code, &report["created"], &report["dryRun"]),
            (0, &json!(2), &json!(true)),
            "{report}"
        );
        assert_eq!(
            shell.json(&["tenant", "list", "--json"]),
            json!({ "items": [] }),
            "not even the tenant"
        );
        assert_eq!(import(shell, "acme", &["--keep-ids"], &first).0, 0);

        let mut bad_email = user("mail", 3);
        bad_email["emails"] = json!([{ "value": 7 }]);
        let mut changed = user("other", 2);
        changed["title"] = "Guide".into();
        let group = |members: &[u32]| {
            let ids = members
                .iter()
                .map(|it| format!("00000000-0000-7000-8000-{it:012}"));
            let members: Vec<Value> = ids.map(|it| json!({ "value": it })).collect();
            json!({
                "schemas": [GROUP], "id": "00000000-0000-7000-8000-000000000099", "displayName": "Guides", "members": members,
            })
        };
        let mut input = text(&[
            first[0].clone(),
            user("new", 4),
            user("NEW", 5),
            user("BJENSEN", 6),
            changed,
            bad_email,
            json!({ "schemas": [USER], "id": "x", "userName": "y" }),
            json!({ "schemas": ["urn:example:Nothing"], "id": "00000000-0000-7000-8000-000000000007" }),
            json!({ "surprise": 1 }),
            group(&[4, 1, 77]),
        ]);
        input.push_str("{\"schemas\": [\n");
        let expected = json!([
            [3, "userName", "uniqueness"],
            [4, "userName", "uniqueness"],
            [5, "id", "uniqueness"],
            [6, "emails.value", "invalidValue"],
            [7, "id", "invalidValue"],
            [8, "schemas", "invalidSyntax"],
            [9, null, "invalidSyntax"],
            [10, "members", "invalidValue"],
            [11, null, "invalidSyntax"],
        ]);
        let before = shell.ok(&["export", "--tenant", "acme"]);
        for arguments in [&["--dry-run"][..], &[]] {
            let command =
                shell.command(&[&["import", "--tenant", "acme", "--keep-ids", "--json"], arguments].concat());
            let output = import_with(command, &input);
            assert_eq!(
                output.status.code(),
                Some(3),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let mut refusals: Vec<Value> = report["refusals"].as_array().unwrap().clone();
            refusals.sort_by_key(|it| it["line"].as_u64());
            let shown: Vec<Value> = refusals
                .iter()
                .map(|it| json!([it["line"], it["attribute"], it["scimType"]]))
                .collect();
            assert_eq!(json!(shown), expected, "{report}");
            assert!(
                refusals
                    .iter()
                    .all(|it| !it["detail"].as_str().unwrap().is_empty())
            );
            assert_eq!(
                (&report["created"], &report["unchanged"]),
                (&json!(2), &json!(1)),
                "{report}"
            );
            if arguments == ["--dry-run"] {
                let after = shell.ok(&["export", "--tenant", "acme"]);
                assert_eq!(
                    after.lines().skip(1).collect::<Vec<_>>(),
                    before.lines().skip(1).collect::<Vec<_>>()
                );
            }
        }
        // As text, each refusal is a line of the standard error output.
        let output = import_with(
            shell.command(&["import", "--tenant", "acme", "--keep-ids"]),
            &input,
        );
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("line 6: invalidValue: `emails.value`"), "{error}");
        assert!(error.ends_with("scim-server: refused lines: 9\n"), "{error}");
        assert!(
            !error.contains('\x1b'),
            "no progress without a terminal: {error:?}"
        );
    });
}

#[test]
fn a_killed_import_is_continued_by_the_same_command() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let user = |number: u32| json!({ "schemas": [USER], "id": uuid::Uuid::now_v7(), "userName": format!("user{number}") });
        let users: Vec<Value> = (0..1_300).map(user).collect();
        let mut child = shell
            .command(&["import", "--tenant", "acme"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(text(&users[..700]).as_bytes()).unwrap();
        wait_until("a batch is stored", || {
            shell.number("SELECT count(*) FROM resource") > 0
        });
        child.kill().unwrap();
        child.wait().unwrap();
        drop(input);
        let stored = shell.number("SELECT count(*) FROM resource");
        assert!((1..700).contains(&stored), "{stored}");
        let (code, report) = import(shell, "acme", &[], &users);
        assert_eq!(code, 0, "{report}");
        assert_eq!(
            (&report["unchanged"], &report["created"]),
            (&json!(stored), &json!(1_300 - stored))
        );
        assert_eq!(shell.number("SELECT count(*) FROM resource"), 1_300);
        assert_eq!(
            shell.ok(&["journal", "--tenant", "acme"]).lines().count(),
            1_300,
            "each user once"
        );
    });
}

#[test]
fn users_that_the_tenant_has_under_other_ids_are_members_under_those() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let there = json!({ "schemas": [USER], "userName": "bjensen" });
        assert_eq!(import(shell, "acme", &[], std::slice::from_ref(&there)).0, 0);
        let mut same = there;
        same["id"] = "00000000-0000-7000-8000-000000000001".into();
        let group = json!({
            "schemas": [GROUP], "id": "00000000-0000-7000-8000-000000000002", "displayName": "Guides",
            "members": [{ "value": "00000000-0000-7000-8000-000000000001" }],
        });
        let (code, report) = import(shell, "acme", &["--keep-ids"], &[same, group]);
        assert_eq!(
            (code, &report["unchanged"], &report["created"]),
            (0, &json!(1), &json!(1)),
            "{report}"
        );
        let all = shell.ok(&["export", "--tenant", "acme"]);
        let all: Vec<Value> = all.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(
            of_type(&all, "Group")[0]["members"][0]["value"],
            of_type(&all, "User")[0]["id"]
        );
    });
}

#[test]
fn an_incomplete_export_is_noticed_and_one_without_a_part_cannot_keep_it() {
    Shell::on_each(|shell| {
        fill(shell);
        let exported = export(shell, &[]);
        let (code, report) = import(shell, "copy", &[], &exported[..4]);
        assert_eq!(code, 3);
        assert_eq!(
            (&report["created"], &report["refused"]),
            (&json!(3), &json!(1)),
            "{report}"
        );
        assert!(
            report["refusals"][0]["detail"]
                .as_str()
                .unwrap()
                .contains("incomplete"),
            "{report}"
        );
        for keep in [
            &["--keep-tokens"][..],
            &["--keep-ids", "--keep-versions", "--keep-journal"],
        ] {
            let command = shell.command(&[&["import", "--tenant", "copy"], keep].concat());
            let output = import_with(command, &text(&exported));
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{error}");
            assert!(error.contains("export it again with `--with-"), "{error}");
        }
        // In the same database, the tokens and the numbers of the journal are taken.
        let all = export(shell, &EVERYTHING);
        let (code, report) = import(shell, "second", &["--keep-tokens"], &all);
        assert_eq!((code, &report["refused"]), (3, &json!(2)), "{report}");
        let command = shell.command(&[&["import", "--tenant", "third"], &KEEP_ALL[..]].concat());
        let output = import_with(command, &text(&all));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(
            error.contains("--keep-journal, or into a new database"),
            "{error}"
        );
    });
}

#[test]
fn a_server_runs_during_an_export_and_an_import_and_other_settings_are_refused() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        server
            .client()
            .create("/Users", &json!({ "schemas": [USER], "userName": "bjensen" }));
        let exported = export(shell, &[]);
        let (code, report) = import(shell, "copy", &[], &exported);
        assert_eq!(code, 0, "{report}");
        let token = shell.json(&["token", "create", "--tenant", "copy", "--json"]);
        let (_, list) = server.get("/Users", token["token"].as_str().unwrap());
        assert_eq!(list["Resources"][0]["userName"], "bjensen");
        let (code, error) = shell.failure(&["export", "--tenant", "default", "--group-names", "any"]);
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("--group-names"), "{error}");
    });
}

/// A consumer that stops reading gets no complete export, and the command says so.
#[test]
fn an_export_that_nobody_reads_fails() {
    let shell = Shell::new();
    fill(&shell);
    let numbers = "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 20000)";
    shell.sql(&format!(
        "{numbers} INSERT INTO resource (tenant_id, kind, id, version, created, modified, document)
         SELECT 1, 1, unhex(printf('%032x', i)), 1, i, i, '{{\"schemas\":[\"{USER}\"],\"userName\":\"u' || i || '\"}}' FROM s"
    ));
    let mut child = shell
        .command(&["export", "--tenant", "default"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 100]).unwrap();
    drop(output);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
}
