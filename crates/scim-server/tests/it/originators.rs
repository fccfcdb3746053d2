//! The originators of changes, after their connections and credentials were deleted.

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{HttpClient, USER};

/// The journal names a connection that was deleted, and the lists of deleted connections and credentials have all its ids.
#[test]
fn the_originator_of_a_change_is_known_after_its_deletion() {
    Shell::on_each(check_originator);
}

fn check_originator(shell: &Shell) {
    let server = shell.serve(&[]);
    let created = shell.json(&["connection", "create", "entra", "--tenant", "default", "--json"]);
    let create = |user_name: &str, token: &str| {
        let user = json!({ "schemas": [USER], "userName": user_name });
        let sent = HttpClient::new(&server.base_url, token).send("POST", "/Users", Some(&user));
        assert_eq!(sent.0, 201, "{sent:?}");
    };
    let of = [
        "--tenant",
        "default",
        "--connection",
        "entra",
        "--name",
        "Robot",
        "--json",
    ];
    let token = shell.json(&[&["token", "create"], &of[..]].concat());
    create("by-token", token["token"].as_str().unwrap());
    shell.ok(&["connection", "delete", "entra", "--tenant", "default", "--yes"]);
    let again = shell.json(&["connection", "create", "entra", "--tenant", "default", "--json"]);
    assert_ne!(again["id"], created["id"]);

    let journal = shell.ok(&["journal", "--tenant", "default"]);
    let entry: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    let actor = &entry["actor"];
    assert_eq!(
        (
            &actor["connection"],
            &actor["connectionName"],
            &actor["credential"]
        ),
        (&created["id"], &json!("entra"), &token["id"])
    );
    let list = |noun: &str| {
        shell.json(&[noun, "list", "--tenant", "default", "--deleted", "--json"])["items"].clone()
    };
    let connections = list("connection");
    assert_eq!(connections.as_array().unwrap().len(), 1);
    let (state, tenant) = (json!("deleted"), json!("default"));
    assert_eq!(
        (
            &connections[0]["id"],
            &connections[0]["name"],
            &connections[0]["state"]
        ),
        (&created["id"], &json!("entra"), &state)
    );
    assert!(connections[0]["deleted"].is_string() && connections[0]["created"] == created["created"]);
    let tokens = list("token");
    assert_eq!(
        (
            &tokens[0]["id"],
            &tokens[0]["name"],
            &tokens[0]["connection"],
            &tokens[0]["tenant"]
        ),
        (&token["id"], &json!("Robot"), &json!("entra"), &tenant)
    );
    assert_eq!((list("client"), list("federation")), (json!([]), json!([])));
    let client = shell.json(&["client", "create", "--tenant", "default", "--json"]);
    let id = client["clientId"].as_str().unwrap();
    let shown = shell.json(&["client", "show", id, "--json"]);
    shell.ok(&["client", "delete", id]);
    let clients = list("client");
    assert_eq!(
        (&clients[0]["id"], &clients[0]["clientId"]),
        (&shown["id"], &client["clientId"])
    );
    for (noun, part) in [("connection", "entra"), ("token", "Robot"), ("client", id)] {
        let text = shell.ok(&[noun, "list", "--tenant", "default", "--deleted"]);
        assert!(text.contains(part) && text.contains(" deleted "), "{text}");
        assert!(
            !shell
                .ok(&[noun, "list", "--tenant", "default"])
                .contains(" deleted ")
        );
    }
}
