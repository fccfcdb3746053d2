//! `scim-server journal`: changes as JSON lines, while a server runs.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use scim_model::change::{Actor, Change, ChangeDetail, ChangePosition, Operation};
use scim_model::store::{ChangeJournal, Directory as _, JournalError, StoreError, TenantId};
use scim_server::cli::CommandError;
use scim_server::cli::arguments::JournalArgs;
use scim_server::cli::journal;
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{
    Choice, GROUP, HttpClient, Reply, Server, Token, USER, create_token, on_each, patch_op, wait_until,
};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn create(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({ "schemas": [USER], "userName": name }))
}

/// Reads the journal, which must have `count` entries.
fn read_journal(shell: &Shell, count: usize) -> Vec<Value> {
    let lines = lines(&shell.ok(&["journal", "--tenant", "default"]));
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

fn position(line: &Value) -> &str {
    line["position"].as_str().unwrap()
}

/// 7643-9.2-01: an entry records the changes, and never a secret
#[test]
fn a_change_is_a_json_line() {
    Shell::on_each(|shell| {
        let server = shell.serve(&["--passwords", "argon2id"]);
        let client = server.client();
        let secret = "Marker-Pa55word";
        let user = client.create(
            "/Users",
            &json!({ "schemas": [USER], "userName": "bjensen", "displayName": "Barbara\n\u{2028}", "password": secret }),
        );
        let group = client.create(
            "/Groups",
            &json!({ "schemas": [GROUP], "displayName": "Guides", "members": [{ "value": user }] }),
        );
        let patch = patch_op(json!([
            { "op": "add", "path": "title", "value": "Guide" }, { "op": "replace", "path": "password", "value": secret }]));
        client.send("PATCH", &format!("/Users/{user}"), Some(&patch));
        let patch = patch_op(json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]));
        client.send("PATCH", &format!("/Groups/{group}"), Some(&patch));
        client.send("DELETE", &format!("/Users/{user}"), None);

        let all = read_journal(shell, 5);
        let keys: Vec<&String> = all[0].as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "position",
                "at",
                "tenant",
                "resourceType",
                "id",
                "version",
                "kind",
                "actor",
                "change"
            ]
        );
        let told: Vec<Value> = all
            .iter()
            .map(|it| {
                json!([
                    it["resourceType"],
                    it["id"],
                    it["version"],
                    it["kind"],
                    it["tenant"]
                ])
            })
            .collect();
        assert_eq!(
            told,
            [
                json!(["User", user, 1, "create", "default"]),
                json!(["Group", group, 1, "create", "default"]),
                json!(["User", user, 2, "update", "default"]),
                json!(["Group", group, 2, "update", "default"]),
                json!(["User", user, 2, "delete", "default"]),
            ]
        );
        let tokens = serde_json::from_str::<Value>(&shell.ok(&["token", "list", "--json"])).unwrap();
        for line in &all {
            let actor = &line["actor"];
            assert_eq!(
                (&actor["kind"], &actor["credential"]),
                (&json!("connection"), &tokens["items"][0]["id"])
            );
        }
        let name = "Barbara\n\u{2028}";
        assert_eq!(
            all[0]["change"],
            json!({ "userName": { "new": "bjensen" }, "displayName": { "new": name }, "password": { "changed": true } })
        );
        assert_eq!(
            all[1]["change"],
            json!({ "displayName": { "new": "Guides" }, "members": { "added": [user], "removed": [] } })
        );
        assert_eq!(
            all[2]["change"],
            json!({ "title": { "new": "Guide" }, "password": { "changed": true } })
        );
        assert_eq!(
            all[3]["change"],
            json!({ "members": { "added": [], "removed": [user] } })
        );
        assert_eq!(
            all[4]["change"],
            json!({ "userName": { "old": "bjensen" }, "displayName": { "old": name }, "title": { "old": "Guide" } })
        );
        let at = all[0]["at"].as_str().unwrap();
        assert_eq!((at.len(), &at[10..11], &at[23..]), (24, "T", "Z"), "{at}");
        let text = shell.ok(&["journal", "--tenant", "default"]);
        assert!(!text.contains("Pa55word") && !text.contains("argon2"), "{text}");

        // A consumer that continues after a position gets the rest, in parts of any size.
        for (index, line) in all.iter().enumerate() {
            let after = ["journal", "--tenant", "default", "--after", position(line)];
            assert_eq!(lines(&shell.ok(&after)), all[index + 1..]);
            let limited = [&after[..], &["--limit", "1"]].concat();
            assert_eq!(
                lines(&shell.ok(&limited)),
                all[index + 1..].iter().take(1).cloned().collect::<Vec<_>>()
            );
        }
        assert_eq!(shell.ok(&["journal", "--tenant", "default", "--limit", "0"]), "");
    });
}

#[test]
fn a_consumer_that_resumes_sees_each_change_once() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let (writers, each) = (4, 15);
        let mut seen: Vec<Value> = Vec::new();
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let client = server.client();
                scope.spawn(move || {
                    for number in 0..each {
                        create(&client, &format!("{writer}-{number}"));
                    }
                });
            }
            while seen.len() < writers * each {
                let after = seen.last().map(|it| position(it).to_owned());
                let mut arguments = vec!["journal", "--tenant", "default", "--limit", "7"];
                arguments.extend(after.iter().flat_map(|it| ["--after", it]));
                seen.extend(lines(&shell.ok(&arguments)));
            }
        });
        let mut ids: Vec<&str> = seen.iter().map(|it| it["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), seen.len()), (writers * each, writers * each));
    });
}

/// A process that follows the journal, and its output.
struct Follower {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn start(shell: &Shell) -> Follower {
        let mut child = shell
            .command(&["journal", "--tenant", "default", "--follow"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Follower { child, output }
    }

    /// The end of its process, which must come within a minute.
    fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > end {
                self.child.kill().unwrap();
                panic!("the follower does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0);
        assert!(line.ends_with('\n'));
        serde_json::from_str(&line).unwrap()
    }

    /// Checks that the process ends with success and without a message.
    fn ends_well(mut self) {
        drop(self.output);
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        assert!(self.child.wait().unwrap().success(), "{errors}");
        assert_eq!(errors, "");
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn a_follower_prints_each_change_at_once_and_ends_on_a_signal() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        for name in ["-TERM", "-INT"] {
            let mut follower = Follower::start(shell);
            for number in 0..3 {
                let id = create(&client, &format!("{name}{number}"));
                // Older entries come first.
                while follower.next()["id"] != json!(id) {}
            }
            signal(&follower.child, name);
            let mut rest = String::new();
            follower.output.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "");
            follower.ends_well();
        }
    });
}

#[test]
fn a_follower_of_a_deleted_tenant_ends_with_an_error() {
    // A follower that has printed an entry loses its position; one that has not, only the tenant.
    for has_seen_a_line in [true, false] {
        // The name may belong to another tenant before the follower notices the deletion.
        for is_created_again in [false, true] {
            Shell::on_each(|shell| {
                let server = shell.serve(&[]);
                let mut follower = Follower::start(shell);
                if has_seen_a_line {
                    create(&server.client(), "bjensen");
                    assert_eq!(follower.next()["kind"], "create");
                } else {
                    // The follower must have found the tenant before it is deleted.
                    std::thread::sleep(Duration::from_secs(1));
                }
                if is_created_again {
                    // The first step of a deletion.
                    shell.sql(
                        "UPDATE tenant SET deleted = true, name = name || '#' || id WHERE name = 'default'",
                    );
                    shell.ok(&["tenant", "create", "default"]);
                } else {
                    shell.ok(&["tenant", "delete", "default", "--yes"]);
                }
                let status = follower.wait();
                let mut errors = String::new();
                let mut stderr = follower.child.stderr.take().unwrap();
                stderr.read_to_string(&mut errors).unwrap();
                assert_eq!(status.code(), Some(NO_TENANT), "{errors}");
                assert!(
                    errors.contains("the tenant `default` has been deleted"),
                    "{errors}"
                );
                assert_eq!(errors.lines().count(), 1, "{errors}");
            });
        }
    }
}

/// The exit code of a command whose tenant does not exist, or exists no longer.
const NO_TENANT: i32 = 7;

/// The exit code of a reader that may have missed changes.
const POSITION_LOST: i32 = 6;

#[test]
fn a_reader_of_a_tenant_that_is_gone_at_the_start_gets_an_error() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        create(&server.client(), "bjensen");
        let seen = read_journal(shell, 1);
        let after = ["journal", "--tenant", "default", "--after", position(&seen[0])];
        shell.ok(&["tenant", "delete", "default", "--yes"]);
        for arguments in [&after[..], &[&after[..], &["--follow"]].concat()] {
            let (code, told) = shell.failure(arguments);
            assert_eq!(code, NO_TENANT, "{told}");
            assert!(
                told.contains("there is no tenant `default`: it has been deleted"),
                "{told}"
            );
        }
        // Another tenant with the same name, whose journal has entries of its own.
        shell.ok(&["tenant", "create", "default"]);
        let token = shell.json(&["token", "create", "--tenant", "default", "--json"]);
        let (code, told) = shell.failure(&after);
        assert_eq!(code, NO_TENANT, "{told}");
        assert!(told.contains("a deleted tenant that had this name"), "{told}");
        create(
            &HttpClient::new(&server.base_url, token["token"].as_str().unwrap()),
            "bjensen",
        );
        let (code, told) = shell.failure(&after);
        assert_eq!(code, NO_TENANT, "{told}");
    });
}

#[test]
fn the_current_position_of_a_journal_is_printed() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        let current = || shell.ok(&["journal", "--tenant", "default", "--position"]);
        let rest = |after: &str| lines(&shell.ok(&["journal", "--tenant", "default", "--after", after]));
        let empty = current();
        assert!(
            empty.starts_with("0-1") && empty.len() == "0-1735689600123\n".len(),
            "{empty}"
        );
        assert_eq!(rest(&empty), [Value::Null; 0]);
        create(&client, "first");
        let all = read_journal(shell, 1);
        assert_eq!(rest(&empty), all);
        assert_eq!(rest(current().trim()), [Value::Null; 0]);
        assert_eq!(current(), format!("{}\n", position(&all[0])));
        let before = current();
        create(&client, "second");
        let later = rest(&before);
        assert_eq!(later.len(), 1);
        assert_eq!(later[0]["change"]["userName"]["new"], "second");
        assert_eq!(rest("0-0").len(), 2);
        assert_eq!(
            shell.failure(&["journal", "--tenant", "nobody", "--position"]).0,
            NO_TENANT
        );
        assert_eq!(
            shell
                .failure(&["journal", "--tenant", "default", "--position", "--follow"])
                .0,
            2
        );
    });
}

/// The position of an empty journal belongs to its tenant too.
#[test]
fn a_reader_of_an_empty_journal_notices_that_its_tenant_was_replaced() {
    Shell::on_each(|shell| {
        let _server = shell.serve(&[]);
        let old = shell.ok(&["journal", "--tenant", "default", "--position"]);
        shell.ok(&["tenant", "delete", "default", "--yes"]);
        shell.ok(&["tenant", "create", "default"]);
        let after = ["journal", "--tenant", "default", "--after", old.trim()];
        for arguments in [&after[..], &[&after[..], &["--follow"]].concat()] {
            let (code, told) = shell.failure(arguments);
            assert_eq!(code, NO_TENANT, "{told}");
            assert!(told.contains("a deleted tenant that had this name"), "{told}");
        }
        let other = shell.failure(&["journal", "--tenant", "default", "--after", "0-99999999999999"]);
        assert_eq!(other.0, POSITION_LOST, "{}", other.1);
        // The oldest entry of whatever tenant has the name.
        shell.ok(&["journal", "--tenant", "default", "--after", "0-0"]);
    });
}

/// A follower that waits writes nothing, and so no write could fail.
#[test]
fn a_waiting_follower_ends_when_its_output_is_closed() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        create(&server.client(), "bjensen");
        let mut follower = Follower::start(shell);
        assert_eq!(follower.next()["kind"], "create");
        let Follower { child, output } = follower;
        drop(output);
        let began = Instant::now();
        let mut follower = Follower {
            child,
            output: BufReader::new(
                Command::new("true")
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
                    .stdout
                    .unwrap(),
            ),
        };
        assert!(follower.wait().success());
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let mut errors = String::new();
        let mut stderr = follower.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
    });
}

#[test]
fn a_follower_ends_cleanly_when_its_reader_closes_the_pipe() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "first");
        let mut follower = Follower::start(shell);
        assert_eq!(follower.next()["kind"], "create");
        let Follower { mut child, output } = follower;
        drop(output);
        for number in 0.. {
            create(&client, &format!("user{number}"));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
        }
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
    });
}

/// A pipe whose reader does not read is soon full.
#[test]
fn a_follower_with_a_full_pipe_ends_on_a_signal() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    let client = server.client();
    for number in 0..30 {
        let title = "x".repeat(8_000);
        let user = json!({ "schemas": [USER], "userName": format!("user{number}"), "title": title });
        client.create("/Users", &user);
    }
    let mut follower = Follower::start(&shell);
    follower.next();
    std::thread::sleep(std::time::Duration::from_millis(200));
    signal(&follower.child, "-TERM");
    assert!(follower.child.wait().unwrap().success());
}

#[test]
fn an_invalid_position_or_tenant_gets_a_one_line_error() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "first");
        create(&client, "second");
        shell.ok(&["tenant", "create", "other"]);
        let refused = |code: i32, arguments: &[&str]| {
            let output = shell.run(&[&["journal"], arguments].concat());
            assert_eq!(output.status.code(), Some(code), "{arguments:?}");
            assert!(output.stdout.is_empty());
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(text.lines().count(), 1, "{text}");
            text
        };
        assert!(refused(NO_TENANT, &["--tenant", "nobody"]).contains("there is no tenant `nobody`"));
        for text in ["x", "", "1", "-1", "0-1-2", "9999999999999999999999-1"] {
            let told = refused(2, &["--tenant", "default", "--after", text]);
            assert!(told.contains(&format!("`{text}` is not a position")), "{told}");
        }
        create(&client, "third");
        let third = read_journal(shell, 3);
        let foreign = refused(
            POSITION_LOST,
            &["--tenant", "other", "--after", position(&third[2])],
        );
        assert!(
            foreign.contains("is not a position in the journal of `other`"),
            "{foreign}"
        );
    });
}

/// Entries older than `--journal-days` are dropped. A consumer that missed some gets an error; others continue.
#[test]
fn old_entries_are_dropped_and_late_consumers_get_an_error() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        for name in ["first", "second", "third"] {
            create(&client, name);
        }
        let server_without_end = server;
        let days = |n: i64| n * 24 * 60 * 60 * 1_000;
        let order = "(SELECT count(*) FROM changes o WHERE o.sequence <= changes.sequence)";
        // A minute more than 110, 100 and 90 days ago.
        shell.sql(&format!(
            "UPDATE changes SET at = at - {} + {order} * {}; UPDATE tenant SET created = created - {}",
            days(120) + 60_000,
            days(10),
            days(130)
        ));
        let seen = read_journal(shell, 3);
        drop(server_without_end);
        let forever = shell.serve(&["--journal-days", "forever"]);
        drop(forever);
        assert_eq!(read_journal(shell, 3), seen);
        // The position that `--position` printed while the journal was empty.
        let created = shell.number("SELECT created FROM tenant WHERE name = 'default'");
        let start = format!("0-{created}");
        let after_start = ["journal", "--tenant", "default", "--after", &start];
        assert_eq!(lines(&shell.ok(&after_start)), seen);

        // This tenant has no entries to drop.
        shell.ok(&["tenant", "create", "other"]);
        let entries = || shell.number("SELECT count(*) FROM changes");
        let drop_all_but = |left: i64, arguments: &[&str]| {
            let mut server = shell.serve(arguments);
            wait_until("dropping old lines", || entries() == left);
            server.signal("-TERM");
            server.wait();
            let log = server.log();
            let lines = log.lines().filter(|it| it.contains("dropped "));
            lines
                .map(|it| it.split("dropped ").nth(1).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let dropped = drop_all_but(1, &["--journal-days", "95"]);
        assert_eq!(dropped, ["2 old entries from the journal of default"]);
        assert_eq!(read_journal(shell, 1), seen[2..]);
        let (code, told) = shell.failure(&after_start);
        assert_eq!(code, POSITION_LOST, "{told}");
        assert!(told.contains("is incomplete"), "{told}");
        let dropped = drop_all_but(0, &[]);
        assert_eq!(dropped, ["1 old entries from the journal of default"]);
        let _server = shell.serve(&[]);
        for (index, line) in seen.iter().enumerate() {
            for follow in [&[][..], &["--follow"]] {
                let after = ["journal", "--tenant", "default", "--after", position(line)];
                if index == 2 && follow.is_empty() {
                    assert_eq!(shell.ok(&after), "");
                } else if index < 2 {
                    let (code, told) = shell.failure(&[&after[..], follow].concat());
                    assert!(told.contains("is incomplete"), "{told}");
                    assert_eq!(code, POSITION_LOST);
                }
            }
        }
    });
}

/// Follows the operator's guide. Changes after the backup are lost, and a consumer that had seen them gets an error,
/// also when newer changes have taken their positions.
#[test]
fn a_backup_made_while_a_server_runs_can_be_restored() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    let (client, token) = (server.client(), server.token());
    let before = create(&client, "before");
    let backup = shell.folder.path().join("backup.db");
    shell.sql(&format!("VACUUM INTO '{}'", backup.display()));
    let after = create(&client, "after");
    let seen = read_journal(&shell, 2);
    drop(server);
    for file in ["scim.db", "scim.db-wal", "scim.db-shm"] {
        let file = shell.folder.path().join(file);
        assert!(!file.exists() || std::fs::remove_file(file).is_ok());
    }
    std::fs::rename(&backup, shell.folder.path().join("scim.db")).unwrap();

    let server = shell.serve(&[]);
    assert_eq!(server.get(&format!("/Users/{before}"), &token).0, 200);
    assert_eq!(server.get(&format!("/Users/{after}"), &token).0, 404);
    let client = HttpClient::new(&server.base_url, &token);
    for name in ["after", "later"] {
        let told = shell.refused(&["journal", "--tenant", "default", "--after", position(&seen[1])]);
        assert!(told.contains("an older backup has been restored"), "{told}");
        create(&client, name);
    }
    let rest = shell.ok(&["journal", "--tenant", "default", "--after", position(&seen[0])]);
    assert_eq!(lines(&rest).len(), 2);
}

/// A journal that gives each answer once. A read beyond them panics.
struct Scripted(Mutex<VecDeque<Result<Vec<Change>, JournalError>>>);

impl ChangeJournal for Scripted {
    fn changes(&self, _: TenantId, after: ChangePosition, limit: u32) -> Result<Vec<Change>, JournalError> {
        assert!((1..=100).contains(&limit), "{limit} after {after}");
        self.0
            .lock()
            .unwrap()
            .pop_front()
            .expect("there is nothing more to read")
    }

    fn prune_changes(&self, _: TenantId, _: DateTime<Utc>, _: u32) -> Result<usize, StoreError> {
        unreachable!("a reader drops nothing")
    }
}

/// The request id is the one that the client sees, and the effects on groups have the same originator.
#[test]
fn changes_name_the_connection_the_credential_and_the_request() {
    on_each(Choice::default, |server| {
        let tenant = server.store.create_tenant("acme", Utc::now()).unwrap();
        let (secret, credential) = create_token(&*server.store, tenant, Token::default());
        let client = server.stranger(Some(&format!("Bearer {secret}")));
        let connection = server.store.connection(tenant, "default").unwrap().unwrap().id;
        let user = client.create_user("bjensen");
        client.create(
            "/Groups",
            json!({ "displayName": "Guides", "members": [{ "value": user.id }] }),
        );
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Babs" }]);
        let renamed = client.patch(&user.path, rename).expect(200);
        let deleted = client.delete(&user.path).expect(204);
        let changes = server
            .store
            .changes(tenant, ChangePosition::default(), 10)
            .unwrap();
        let actor = |reply: &Reply| Actor::Connection {
            connection,
            credential,
            request: reply.header("x-request-id").unwrap().to_owned(),
        };
        let found: Vec<_> = changes[2..].iter().map(|it| (it.operation, &it.actor)).collect();
        let (renamed, deleted) = (actor(&renamed), actor(&deleted));
        assert_eq!(
            found,
            [
                (Operation::Update, &renamed),
                (Operation::MemberRenamed, &renamed),
                (Operation::MemberDeleted, &deleted),
                (Operation::Delete, &deleted),
            ]
        );
        assert!(matches!(&changes[0].actor, Actor::Connection { connection: it, .. } if it == &connection));
    });
}

/// Runs `journal` on a scripted journal.
fn print(
    answers: Vec<Result<Vec<Change>, JournalError>>,
    follow: bool,
    limit: Option<u64>,
    output: &mut dyn Write,
) -> Result<(), CommandError> {
    let server = Server::start();
    server.store.create_tenant("acme", Utc::now()).unwrap();
    let arguments = JournalArgs {
        tenant: "acme".to_owned(),
        follow,
        after: None,
        limit,
        position: false,
    };
    let (_stop, stopped) = mpsc::channel();
    let journal = Scripted(Mutex::new(answers.into()));
    let result = journal::print(&*server.store, &journal, &arguments, output, &stopped);
    assert!(
        journal.0.lock().unwrap().is_empty(),
        "some answers were not asked for"
    );
    result
}

fn change(version: i64) -> Change {
    Change {
        position: ChangePosition::default(),
        at: Utc::now(),
        actor: Actor::default(),
        connection_name: None,
        transaction: None,
        resource_type: "User".into(),
        id: uuid::Uuid::nil(),
        names: None,
        version,
        operation: Operation::Update,
        detail: ChangeDetail::Member(uuid::Uuid::nil()),
    }
}

fn versions(output: &[u8]) -> Vec<Value> {
    let lines = lines(std::str::from_utf8(output).unwrap());
    lines.iter().map(|it| it["version"].clone()).collect()
}

#[test]
fn a_follower_waits_for_a_busy_database() {
    let busy = || Err(JournalError::Store(StoreError::Busy));
    let mut output = Vec::new();
    let answers = vec![Ok(vec![change(1)]), busy(), busy(), Ok(vec![change(2)])];
    print(answers, true, Some(2), &mut output).unwrap();
    assert_eq!(versions(&output), [1, 2]);

    let mut output = Vec::new();
    let refused = print(vec![Ok(vec![change(1)]), busy()], false, None, &mut output);
    assert!(matches!(refused, Err(CommandError::Busy)));
    assert_eq!(versions(&output), [1]);

    let failed = || StoreError::Unavailable("the disk is full".into());
    let refused = print(vec![Err(failed().into())], true, None, &mut Vec::new());
    assert!(matches!(
        refused,
        Err(CommandError::Store(StoreError::Unavailable(_)))
    ));
}

/// The follower checks from time to time whether the tenant still exists.
#[test]
fn a_follower_keeps_waiting_while_its_tenant_exists() {
    let mut answers: Vec<_> = (0..9).map(|_| Ok(Vec::new())).collect();
    answers.push(Ok(vec![change(1)]));
    let mut output = Vec::new();
    print(answers, true, Some(1), &mut output).unwrap();
    assert_eq!(versions(&output), [1]);
}

#[test]
fn a_limit_ends_the_journal_at_once() {
    for follow in [false, true] {
        for (limit, answers) in [
            (0, vec![]),
            (1, vec![Ok(vec![change(1)])]),
            (3, vec![Ok(vec![change(1), change(2)]), Ok(vec![change(3)])]),
        ] {
            let mut output = Vec::new();
            print(answers, follow, Some(limit), &mut output).unwrap();
            assert_eq!(versions(&output).len() as u64, limit, "follow: {follow}");
        }
    }
}

#[test]
fn only_a_closed_pipe_is_not_an_error() {
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(self.0.into())
        }
    }

    let print = |kind| print(vec![Ok(vec![change(1)])], true, None, &mut Failing(kind));
    print(ErrorKind::BrokenPipe).unwrap();
    let full = print(ErrorKind::StorageFull);
    assert!(matches!(full, Err(CommandError::Io(error)) if error.kind() == ErrorKind::StorageFull));
}
