//! Operator keys on the command line and at the first start.

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::restart::Binary;

/// The operator key that the first start shows.
pub fn first_key(server: &Binary) -> &str {
    let line = server.printed.lines().find(|it| it.contains("Operator key "));
    let mut words = line.expect("the first start shows it").split_whitespace();
    words
        .find(|it| it.starts_with("opk_"))
        .expect("it is a key, and not the name of a file")
}

#[test]
fn operator_keys_are_created_listed_and_revoked() {
    Shell::on_each(|shell| {
        shell.ok(&["tenant", "create", "acme"]);
        shell.ok(&["tenant", "create", "other"]);
        let arguments = ["key", "create", "--name", "product feed", "--scope", "events"];
        let limits = ["--tenant", "acme", "--tenant", "other", "--days", "30", "--json"];
        let created = shell.json(&[&arguments[..], &limits].concat());
        let key = created["key"].as_str().unwrap();
        assert!(key.starts_with("opk_") && !key.contains("scim"), "{key}");
        assert_eq!(created["tenants"], json!(["acme", "other"]));
        let text = shell.ok(&["key", "create", "--name", "console", "--scope", "read"]);
        assert!(
            text.contains("  opk_") && text.contains("valid without end"),
            "{text}"
        );
        let list = shell.json(&["key", "list", "--json"])["items"].clone();
        let described = |it: &Value| json!([it["name"], it["state"], it["scope"], it["tenants"]]);
        let listed: Vec<Value> = list.as_array().unwrap().iter().map(described).collect();
        assert_eq!(
            listed,
            [
                json!(["product feed", "valid", "events", ["acme", "other"]]),
                json!(["console", "valid", "read", null]),
            ]
        );
        assert_eq!(list[0]["id"], created["id"]);
        assert!(key.ends_with(list[0]["lastFour"].as_str().unwrap()));
        assert!(!list.to_string().contains(key));
        assert_eq!(list[0]["lastUsed"], Value::Null);

        let id = created["id"].as_str().unwrap();
        assert!(shell.ok(&["key", "revoke", id]).contains(id));
        let revoked = shell.json(&["key", "revoke", id, "--json"]);
        assert!(revoked["revoked"].is_string());
        let text = shell.ok(&["key", "list"]);
        let line = text.lines().find(|it| it.starts_with(id)).unwrap();
        assert!(line.contains("revoked") && line.contains("acme,other"), "{line}");
    });
}

#[test]
fn an_operator_key_with_a_wrong_property_is_refused() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let create = |name: &str, more: &[&str]| {
        shell.failure(&[&["key", "create", "--name", name, "--scope", "admin"], more].concat())
    };
    let (code, text) = create("x", &["--tenant", "nobody"]);
    assert_eq!(
        (code, text.contains("there is no tenant `nobody`")),
        (7, true),
        "{text}"
    );
    for name in ["", " x", "a\nb", &"a".repeat(256)] {
        let (code, text) = create(name, &[]);
        assert_eq!((code, text.contains("name: ")), (2, true), "{text}");
    }
    assert_eq!(
        shell
            .failure(&["key", "create", "--name", "x", "--scope", "write"])
            .0,
        2
    );
    assert_eq!(create("x", &["--days", "0"]).0, 2);
    assert_eq!(shell.json(&["key", "list", "--json"])["items"], json!([]));
    let unknown = "01900000-0000-7000-8000-000000000000";
    let (code, text) = shell.failure(&["key", "revoke", unknown]);
    assert_eq!((code, text.contains(unknown)), (3, true), "{text}");
    let secret = format!("opk_{}", "a".repeat(43));
    let (code, text) = shell.failure(&["key", "revoke", &secret]);
    assert!(code == 2 && !text.contains("aaaa"), "{text}");
}

/// Neither is accepted in place of the other.
#[test]
fn the_first_start_shows_an_operator_key_once_after_the_token() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let key = first_key(&server).to_owned();
        let (token_at, key_at) = (server.printed.find("scim_"), server.printed.find("opk_"));
        assert!(token_at.is_some() && token_at < key_at, "{}", server.printed);
        assert_eq!(server.get("/Users", &key).0, 401);
        let list = shell.json(&["key", "list", "--json"])["items"].clone();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        assert_eq!(
            (&list[0]["scope"], &list[0]["tenants"]),
            (&json!("admin"), &Value::Null)
        );
        assert!(key.ends_with(list[0]["lastFour"].as_str().unwrap()));
        drop(server);
        let again = shell.serve(&[]);
        assert!(!again.printed.contains("opk_"), "{}", again.printed);
    });
}

/// An operator who keeps the token out of the output does not find the more powerful key in it.
#[test]
fn the_operator_key_of_the_first_start_goes_to_a_file_or_does_not_exist() {
    let shell = Shell::new();
    let server = shell.serve(&["--first-token-file", "token", "--first-key-file", "key"]);
    assert!(!server.printed.contains("opk_"), "{}", server.printed);
    let key = std::fs::read_to_string(server.path("key")).unwrap();
    assert!(key.starts_with("opk_"));
    drop(server);

    let shell = Shell::new();
    let server = shell.serve(&["--first-token-file", "token"]);
    assert!(!server.printed.contains("opk_"), "{}", server.printed);
    assert!(server.printed.contains("key create"), "{}", server.printed);
    assert_eq!(shell.json(&["key", "list", "--json"])["items"], json!([]));
    drop(server);

    // An existing file is kept, and nothing is created: also not the file of the token.
    let shell = Shell::new();
    let file = |name: &str| shell.folder.path().join(name);
    std::fs::write(file("key"), "precious").unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--first-token-file",
        "token",
        "--first-key-file",
        "key",
    ];
    let (code, text) = shell.failure(&arguments);
    assert_eq!(
        (code, text.contains("--first-key-file: `key` exists already")),
        (3, true),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(file("key")).unwrap(), "precious");
    assert!(!file("token").exists());
    assert_eq!(shell.json(&["tenant", "list", "--json"])["items"], json!([]));
}
