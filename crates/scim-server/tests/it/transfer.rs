//! `scim-server export` and `import`.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{ENTERPRISE, GROUP, HttpClient, USER, wait_until};
use crate::oauth::processes::{ask, secret_form};

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
        // The tenant was created by the import, and its connection `default` with it.
        let without_creation = |lines: &[Value]| -> Vec<Value> {
            let mut lines = lines.to_vec();
            for line in &mut lines {
                if line["connection"]["name"] == "default" {
                    line["connection"]["created"] = Value::Null;
                }
            }
            lines
        };
        assert_eq!(
            without_creation(lines(&again)),
            without_creation(lines(&exported))
        );
        let journal = target.ok(&["journal", "--tenant", "default"]);
        assert_eq!(journal, source.ok(&["journal", "--tenant", "default"]));
        assert!(journal.contains("\"connectionName\":\"default\""), "{journal}");
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

/// A client gets access tokens with the secret that it has, and an assertion of a federation is still trusted.
#[test]
fn oauth_clients_and_federations_are_kept_on_request() {
    on_each_pair(|source, target| {
        source.ok(&["tenant", "create", "default"]);
        source.ok(&["connection", "create", "entra", "--tenant", "default"]);
        let owner = ["--tenant", "default", "--connection", "entra", "--json"];
        let create = |arguments: &[&str]| source.json(&[arguments, &owner].concat());
        let client = create(&["client", "create", "--name", "robot"]);
        let disabled = create(&["client", "create", "--name", "old robot"]);
        let id = |it: &Value| it["clientId"].as_str().unwrap().to_owned();
        source.ok(&["client", "secret", "add", &id(&client), "--name", "second"]);
        source.ok(&["client", "disable", &id(&disabled)]);
        let federation = create(&[
            "federation",
            "create",
            "--issuer",
            "https://issuer.example.com",
            "--jwks-url",
            "https://93.184.215.14/keys",
            "--subject",
            "S",
            "--audience",
            "A",
        ]);
        // A private key that an earlier version has stored.
        let keys = r#"{"kind":"client","keys":{"inline":"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"5ec2e7\"}]}"}}"#;
        source.sql(&format!(
            "UPDATE oauth_client SET method = '{keys}' WHERE client_id = '{}'",
            id(&disabled)
        ));
        let exported = export(source, &EVERYTHING);
        let clients: Vec<&Value> = exported.iter().filter(|it| it["client"].is_object()).collect();
        assert_eq!(clients.len(), 3, "{exported:?}");
        let secret = client["clientSecret"].as_str().unwrap();
        for hidden in [secret, "5ec2e7"] {
            assert!(!text(&exported).contains(hidden), "{exported:?}");
        }
        assert!(export(source, &[]).iter().all(|it| !it["client"].is_object()));

        target.ok(&["migrate"]);
        for _ in 0..2 {
            let (code, report) = import(target, "default", &["--keep-tokens"], &exported);
            assert_eq!((code, &report["clients"]), (0, &json!(3)), "{report}");
        }
        let again = export(target, &EVERYTHING);
        assert_eq!(
            again
                .iter()
                .filter(|it| it["client"].is_object())
                .collect::<Vec<_>>(),
            clients
        );
        // Another federation for the same assertions is refused, also by a trial.
        let twin: Vec<Value> = exported
            .iter()
            .map(|line| line.to_string().replace(&id(&federation), "another"))
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        for flags in [&["--keep-tokens", "--dry-run"][..], &["--keep-tokens"]] {
            let (code, report) = import(target, "default", flags, &twin);
            assert_eq!((code, &report["refused"]), (3, &json!(1)), "{report}");
            let detail = report["refusals"][0]["detail"].as_str().unwrap();
            assert!(detail.contains("accepts the same assertions"), "{detail}");
        }
        let listed = target.json(&["federation", "show", &id(&federation), "--json"]);
        assert_eq!(listed["issuer"], "https://issuer.example.com");
        let server = target.serve(&[]);
        let (status, token) = ask(&server.base_url, &secret_form(&client));
        assert_eq!(status, 200, "{token}");
        assert_eq!(
            server.get("/Users", token["access_token"].as_str().unwrap()).0,
            200
        );
        let (status, refused) = ask(&server.base_url, &secret_form(&disabled));
        assert_eq!((status, &refused["error"]), (400, &json!("unauthorized_client")));

        // They belong to one tenant.
        let (code, report) = import(target, "second", &["--keep-tokens"], &exported);
        assert_eq!((code, &report["refused"]), (3, &json!(3)), "{report}");
        let detail = report["refusals"][0]["detail"].as_str().unwrap();
        assert!(
            detail.contains("belongs to the tenant default already"),
            "{detail}"
        );
    });
}

#[test]
fn a_refused_line_about_a_credential_names_its_member() {
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    let connection = |name: &str, preset: &str, settings: Value| {
        json!({ "connection": {
            "id": uuid::Uuid::now_v7(), "name": name, "preset": preset, "settings": settings, "paused": false,
            "created": "2026-01-01T00:00:00.000Z",
        } })
    };
    let client = |name: &str, method: Value| {
        json!({ "client": {
            "id": uuid::Uuid::now_v7(), "clientId": "client_x", "connection": "ok", "name": name, "method": method,
            "readOnly": false, "disabled": false, "created": "2026-01-01T00:00:00.000Z", "secrets": [],
        } })
    };
    let private =
        json!({ "kind": "client", "keys": { "inline": "{\"keys\":[{\"kty\":\"oct\",\"k\":\"eA\"}]}" } });
    let input = [
        json!({ "export": {
            "format": 1, "tenant": "x", "exported": "2026-01-01T00:00:00.000Z", "position": "0-0", "resources": 0,
            "hasTokens": true, "hasPasswordHashes": false, "hasJournal": false,
        } }),
        connection("a/b", "generic", json!({})),
        connection("a", "nobody", json!({})),
        connection("a", "generic", json!({ "leniency": "none" })),
        connection("ok", "generic", json!({})),
        client("a\nb", json!({ "kind": "client", "keys": null })),
        client("a", private),
        client("a", json!({ "kind": "client" })),
        json!({ "end": { "resources": 0, "changes": 0 } }),
    ];
    let (code, report) = import(&shell, "acme", &["--keep-tokens"], &input);
    assert_eq!((code, &report["refused"]), (3, &json!(5)), "{report}");
    let details: Vec<&str> = report["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["detail"].as_str().unwrap())
        .collect();
    for (detail, expected) in details
        .iter()
        .zip(["name", "preset", "settings.leniency", "name", "method"])
    {
        assert!(detail.contains(expected), "{detail}");
    }
    assert!(!report.to_string().contains("eA"), "{report}");
}

/// An input that is refused as a whole changes nothing, so that it can be corrected and tried again.
#[test]
fn an_import_that_is_refused_by_its_first_lines_creates_no_tenant() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let header = |format: u32, position: &str| {
            json!({ "export": {
                "format": format, "tenant": "x", "exported": "2026-01-01T00:00:00.000Z", "position": position,
                "resources": 0, "hasTokens": false, "hasPasswordHashes": false, "hasJournal": true,
            } })
        };
        let keep_journal = &KEEP_ALL[..2];
        let keep_journal = [keep_journal, &["--keep-journal"]].concat();
        let user = json!({ "schemas": [USER], "id": uuid::Uuid::now_v7(), "userName": "bjensen" });
        let cases: [(&[&str], Value, i32); 6] = [
            (&[], header(2, "0-0"), 3),
            (&["--keep-tokens"], header(1, "0-0"), 3),
            (&keep_journal, header(1, "nowhere"), 2),
            (&keep_journal, user, 3),
            (&[], json!({ "surprise": 1 }), 3),
            (&[], json!({ "schemas": [USER], "userName": 7 }), 3),
        ];
        for (arguments, first, expected) in cases {
            let command = shell.command(&[&["import", "--tenant", "acme"], arguments].concat());
            let output = import_with(command, &text(std::slice::from_ref(&first)));
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(expected), "{first}: {error}");
            assert_eq!(
                shell.json(&["tenant", "list", "--json"]),
                json!({ "items": [] }),
                "{first}"
            );
        }
        // A tenant without resources is created.
        let empty = [
            header(1, "0-0"),
            json!({ "end": { "resources": 0, "changes": 0 } }),
        ];
        assert_eq!(import(shell, "acme", &[], &empty).0, 0);
        assert_eq!(
            shell.json(&["tenant", "list", "--json"])["items"][0]["name"],
            "acme"
        );
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
