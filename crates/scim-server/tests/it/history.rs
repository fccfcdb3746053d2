//! `scim-server history`: the changes of a user or group, its state at a time, and the difference between two times.

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{USER, patch_op};

#[test]
fn the_history_of_a_user_is_printed() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        let user = client.create("/Users", &json!({"schemas": [USER], "userName": "bjensen"}));
        let path = format!("/Users/{user}");
        let patch = patch_op(json!([{"op": "add", "path": "title", "value": "Guide"}]));
        client.send("PATCH", &path, Some(&patch));
        client.send("DELETE", &path, None);
        let history = |arguments: &[&str]| {
            let all = [&["history", &user, "--tenant", "default"][..], arguments].concat();
            shell.ok(&all)
        };
        let text = history(&[]);
        let kinds: Vec<&str> = text
            .lines()
            .map(|it| it.split_whitespace().nth(3).unwrap())
            .collect();
        assert_eq!(kinds, ["delete", "update", "create"], "{text}");
        assert!(text.lines().nth(1).unwrap().contains("title"), "{text}");
        let list: Value = serde_json::from_str(&history(&["--json"])).unwrap();
        let changed = &list["items"][1];
        assert_eq!(changed["change"], json!({"title": {"new": "Guide"}}));
        let before = changed["position"].as_str().unwrap();
        assert_eq!(history(&["--before", before]).lines().count(), 1);
        assert_eq!(history(&["--limit", "2"]).lines().count(), 2);

        let at = changed["at"].as_str().unwrap();
        let state: Value = serde_json::from_str(&history(&["--at", at])).unwrap();
        assert_eq!(state["resource"]["title"], "Guide");
        let difference = history(&["--from", at, "--json"]);
        assert_eq!(difference.lines().count(), 1);
        let difference: Value = serde_json::from_str(&difference).unwrap();
        assert_eq!(difference["existedAfter"], false);
        assert_eq!(difference["changes"]["title"], json!({"old": "Guide"}));
    });
}

#[test]
fn changes_are_undone_by_a_command() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        let user = client.create(
            "/Users",
            &json!({"schemas": [USER], "userName": "bjensen", "title": "Guide"}),
        );
        let path = format!("/Users/{user}");
        let patch = patch_op(json!([{"op": "remove", "path": "title"}]));
        client.send("PATCH", &path, Some(&patch));
        let list = shell.ok(&["history", &user, "--tenant", "default", "--json", "--limit", "1"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let request = list["items"][0]["actor"]["requestId"].as_str().unwrap();
        let undo = |arguments: &[&str]| {
            let all = [
                &["undo", "--tenant", "default", "--request", request][..],
                arguments,
            ]
            .concat();
            shell.ok(&all)
        };
        let plan = undo(&[]);
        assert!(
            plan.contains("1 to update") && plan.contains("--execute"),
            "{plan}"
        );
        assert_eq!(client.send("GET", &path, None).1["title"], Value::Null);
        let done: Value = serde_json::from_str(&undo(&["--execute", "--json"])).unwrap();
        assert_eq!(done["items"][0]["attributes"], json!(["title"]));
        assert_eq!(client.send("GET", &path, None).1["title"], "Guide");
        let list = shell.ok(&["history", &user, "--tenant", "default", "--json", "--limit", "1"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["items"][0]["actor"]["kind"], "commandLine");
        assert_eq!(shell.failure(&["undo", "--tenant", "default"]).0, 2);
    });
}
