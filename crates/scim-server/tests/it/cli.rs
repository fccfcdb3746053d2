//! The command line: tenants and tokens, also while a server runs.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::restart::Binary;

/// A folder with a database, and the commands run in it.
struct Shell {
    folder: TempDir,
}

impl Shell {
    fn new() -> Shell {
        Shell {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SCIM_DATABASE_URL");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(arguments);
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn tenants_are_created_listed_and_deleted() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    assert!(shell.folder.path().join("scim.db").exists());
    assert_eq!(
        shell.json(&["tenant", "create", "other", "--json"])["name"],
        json!("other")
    );
    assert!(
        shell
            .refused(&["tenant", "create", "acme"])
            .contains("there is a tenant `acme` already")
    );
    shell.refused(&["tenant", "create", "../x"]);
    let names = |value: Value| -> Vec<Value> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].clone())
            .collect()
    };
    assert_eq!(
        names(shell.json(&["tenant", "list", "--json"])),
        ["acme", "other"]
    );
    assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    shell.refused(&["tenant", "delete", "nobody", "--yes"]);
    shell.ok(&["tenant", "delete", "other", "--yes"]);
    assert_eq!(names(shell.json(&["tenant", "list", "--json"])), ["acme"]);
}

#[test]
fn deleting_a_tenant_asks_for_its_name() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let answer = |text: &str| {
        let mut child = shell
            .command(&["tenant", "delete", "acme"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.stdout.starts_with(b"This"), "the question is no result");
        output.status.success()
    };
    assert!(!answer("yes\n"));
    assert!(!answer(""));
    assert!(shell.ok(&["tenant", "list"]).contains("acme"));
    assert!(answer("acme\n"));
    assert_eq!(shell.json(&["tenant", "list", "--json"]), json!([]));
    assert_eq!(shell.json(&["migrate", "--json"]), json!({ "migrated": true }));
}

#[test]
fn tokens_are_created_listed_and_revoked() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let token = shell.json(&["token", "create", "--tenant", "acme", "--json"]);
    let names: Vec<&String> = token.as_object().unwrap().keys().collect();
    assert_eq!(names, ["token", "id", "tenant", "expires"]);
    let secret = token["token"].as_str().unwrap();
    assert!(secret.starts_with("scim_") && secret.len() == 48, "{secret}");
    let text = shell.ok(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--note",
        "Okta",
        "--days",
        "30",
        "--read-only",
    ]);
    assert!(text.contains("scim_"), "{text}");
    let endless = shell.json(&["token", "create", "--tenant", "acme", "--no-expiry", "--json"]);
    assert_eq!(endless["expires"], Value::Null);
    let list = shell.json(&["token", "list", "--tenant", "acme", "--json"]);
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains("scim_"));
    assert!(!shell.ok(&["token", "list"]).contains("scim_"));
    let id = token["id"].as_str().unwrap();
    shell.ok(&["token", "revoke", id]);
    let list = shell.json(&["token", "list", "--json"]);
    let revoked = list
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["id"] == json!(id))
        .unwrap();
    assert_eq!(revoked["state"], json!("revoked"));
    shell.refused(&["token", "create", "--tenant", "nobody"]);
    shell.refused(&["token", "revoke", "0190a0a0-0000-7000-8000-000000000000"]);
    shell.refused(&["token", "revoke", "x"]);
}

#[test]
fn every_command_explains_itself() {
    let shell = Shell::new();
    let commands: [&[&str]; 10] = [
        &[],
        &["serve"],
        &["migrate"],
        &["tenant"],
        &["tenant", "create"],
        &["tenant", "list"],
        &["tenant", "delete"],
        &["token", "create"],
        &["token", "list"],
        &["token", "revoke"],
    ];
    for command in commands {
        let help = shell.ok(&[command, &["--help"]].concat());
        assert!(help.contains("--database-url"), "{command:?}: {help}");
    }
}

#[test]
fn settings_that_would_go_wrong_are_refused_at_the_start() {
    let shell = Shell::new();
    for arguments in [
        &["--max-page-size", "99"][..],
        &["--listen", "0.0.0.0:0"],
        &["--listen", "nonsense"],
        &["--base-url", "https://example.com/scim?x"],
        &["--schemas", "missing"],
        &["--cursor-key", "short"],
        &["--leniency", "some"],
        &["--database-url", "oracle:x"],
        &["--listen", "127.0.0.1:0", "tenant", "list"],
    ] {
        shell.refused(arguments);
    }
    shell.ok(&["migrate"]);
    shell.ok(&["migrate", "--database-url", "sqlite:other.db"]);
    shell.ok(&["--database-url", "sqlite:third.db", "tenant", "list"]);
    assert!(shell.folder.path().join("other.db").exists() && shell.folder.path().join("third.db").exists());
}

/// The commands and the server share the database: a token works at once, and not after its end.
#[test]
fn a_running_server_follows_the_command_line() {
    let server = Binary::start(&[]);
    let url = server.database_url();
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme", "--database-url", &url]);
    let token = shell.json(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--json",
        "--database-url",
        &url,
    ]);
    let secret = token["token"].as_str().unwrap();
    assert_eq!(server.get("/Users", secret).0, 200);
    shell.ok(&[
        "token",
        "revoke",
        token["id"].as_str().unwrap(),
        "--database-url",
        &url,
    ]);
    assert_eq!(server.get("/Users", secret).0, 401);
    let token = shell.json(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--json",
        "--database-url",
        &url,
    ]);
    let secret = token["token"].as_str().unwrap();
    assert_eq!(server.get("/Users", secret).0, 200);
    shell.ok(&["tenant", "delete", "acme", "--yes", "--database-url", &url]);
    assert_eq!(server.get("/Users", secret).0, 401);
}
