//! `scim-server events`: events as JSON lines, while a server runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{HttpClient, USER, patch_op};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn create(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({"schemas": [USER], "userName": name}))
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|it| it["type"].as_str().unwrap()).collect()
}

/// The exit code of a command whose tenant does not exist, or exists no longer.
const NO_TENANT: i32 = 7;

/// The exit code of a reader that may have missed events.
const POSITION_LOST: i32 = 6;

/// evt-51, evt-55
#[test]
fn events_are_json_lines() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let start = shell.ok(&["events", "--position"]);
        let client = server.client();
        let user = create(&client, "bjensen");
        let patch = patch_op(json!([{"op": "replace", "path": "active", "value": false}]));
        client.send("PATCH", &format!("/Users/{user}"), Some(&patch));
        client.send("DELETE", &format!("/Users/{user}"), None);
        let all = lines(&shell.ok(&["events"]));
        assert_eq!(types(&all), ["user.created", "user.deactivated", "user.deleted"]);
        let keys: Vec<&String> = all[1].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "type", "timestamp", "data"]);
        let data = &all[1]["data"];
        assert_eq!(data["changes"], json!({"active": {"new": false}}));
        assert_eq!(
            (
                &data["tenant"],
                &data["resourceId"],
                &data["userName"],
                &data["version"]
            ),
            (&json!("default"), &json!(user), &json!("bjensen"), &json!(2))
        );
        assert_eq!(
            format!("{}-0", data["position"].as_str().unwrap()),
            all[1]["id"].as_str().unwrap()
        );
        let read = |arguments: &[&str]| lines(&shell.ok(&[&["events"], arguments].concat()));
        assert_eq!(read(&["--after", start.trim()]), all);
        for (index, event) in all.iter().enumerate() {
            let id = event["id"].as_str().unwrap();
            assert_eq!(read(&["--after", id]), all[index + 1..]);
        }
        assert_eq!(read(&["--limit", "2"]), all[..2]);
        assert_eq!(read(&["--limit", "0"]), [] as [Value; 0]);
        assert_eq!(read(&["--after", "now"]), [] as [Value; 0]);
        assert_eq!(read(&["--types", "user.deleted,group.*"]), all[2..]);
        assert_eq!(read(&["--tenant", "default"]), all);
        let position = shell.ok(&["events", "--position", "--tenant", "default"]);
        assert_eq!(position.trim(), all[2]["id"].as_str().unwrap());
        shell.ok(&["tenant", "create", "other"]);
        assert_eq!(read(&["--tenant", "other"]), [] as [Value; 0]);
        assert_eq!(read(&["--tenant", "other", "--tenant", "default"]), all);
    });
}

/// evt-56
#[test]
fn invalid_and_lost_positions_are_refused() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "bjensen");
        create(&client, "smith");
        let all = lines(&shell.ok(&["events"]));
        let id = |index: usize| all[index]["id"].as_str().unwrap();
        for (arguments, expected) in [
            (["--after", "1042"], "`1042-1735689600123-0`, or `now`"),
            (
                ["--after", all[0]["data"]["position"].as_str().unwrap()],
                "`after`: expected an event id",
            ),
            (["--types", "user.gone"], "`user.gone` is not a type of events"),
            (["--limit", "x"], "--limit"),
        ] {
            let (code, told) = shell.failure(&[&["events"], &arguments[..]].concat());
            assert_eq!(code, 2, "{told}");
            assert!(told.contains(expected), "{told}");
        }
        let (code, told) = shell.failure(&["events", "--tenant", "nobody"]);
        assert_eq!(
            (code, told.contains("no tenant `nobody`")),
            (NO_TENANT, true),
            "{told}"
        );
        let (code, told) = shell.failure(&["events", "--after", "999-1735689600123-0"]);
        assert_eq!(code, POSITION_LOST, "{told}");
        assert!(
            told.contains("`999-1735689600123-0`") && told.contains("an older backup has been restored"),
            "{told}"
        );
        shell.ok(&["tenant", "create", "other"]);
        let (code, _) = shell.failure(&["events", "--tenant", "other", "--after", id(1)]);
        assert_eq!(code, POSITION_LOST);
        // Retention has dropped both entries.
        shell.sql(
            "INSERT INTO journal_start (tenant_id, transaction_id, sequence, at) \
             SELECT tenant_id, 0, sequence, at FROM changes WHERE sequence = 2",
        );
        shell.sql("DELETE FROM changes");
        let (code, told) = shell.failure(&["events", "--after", id(0)]);
        assert_eq!(code, POSITION_LOST, "{told}");
        assert!(told.contains("`--journal-days`"), "{told}");
        assert_eq!(shell.ok(&["events", "--after", id(1)]), "");
    });
}

struct Follower {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Follower {
    fn start(shell: &Shell, arguments: &[&str]) -> Follower {
        let mut child = shell
            .command(&[&["events", "--follow"], arguments].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Follower { child, output }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0);
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn a_follower_prints_events_as_they_happen() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        create(&client, "first");
        let mut follower = Follower::start(shell, &["--tenant", "default", "--types", "user.*"]);
        assert_eq!(follower.next()["data"]["userName"], "first");
        for name in ["second", "third"] {
            create(&client, name);
            assert_eq!(follower.next()["data"]["userName"], name);
        }
        shell.ok(&["tenant", "delete", "default", "--yes"]);
        let output = follower.child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(NO_TENANT), "{told}");
        assert!(told.contains("the tenant `default` has been deleted"), "{told}");
    });
}

#[test]
fn a_follower_ends_when_its_reader_does() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    create(&server.client(), "first");
    let mut follower = Follower::start(&shell, &["--after", "now"]);
    drop(follower.output);
    assert!(follower.child.wait().unwrap().success());
}
