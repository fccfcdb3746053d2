//! `scim-server doctor`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::restart::Binary;

/// The findings of one run, and the exit code without regard to the durability of the database.
struct Diagnosis {
    code: i32,
    found: Value,
}

fn examine(mut command: Command) -> Diagnosis {
    let output = command.arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().count(),
        1,
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(found["errors"] != 0)),
        "{found}"
    );
    // The PostgreSQL of the tests may be one that keeps nothing after a failure of power.
    let is_error = |it: &&Value| it["level"] == "error" && it["check"] != "durability";
    let errors = found["items"].as_array().unwrap().iter().filter(is_error).count();
    Diagnosis {
        code: i32::from(errors > 0),
        found,
    }
}

fn doctor(shell: &Shell, arguments: &[&str]) -> Diagnosis {
    examine(shell.command(&[&["doctor"], arguments].concat()))
}

impl Diagnosis {
    /// The levels of the findings of a check.
    fn levels(&self, check: &str) -> Vec<&str> {
        self.findings(check)
            .iter()
            .map(|it| it["level"].as_str().unwrap())
            .collect()
    }

    fn findings(&self, check: &str) -> Vec<&Value> {
        let items = self.found["items"].as_array().unwrap().iter();
        items.filter(|it| it["check"] == check).collect()
    }

    /// The only finding of a check that is not good.
    #[track_caller]
    fn problem(&self, check: &str) -> &Value {
        let findings = self.findings(check);
        let [finding] = findings[..] else {
            panic!("{}", self.found);
        };
        assert_ne!(finding["level"], "ok", "{finding}");
        assert!(finding["remedy"].is_string(), "{finding}");
        finding
    }
}

#[test]
fn a_healthy_server_has_no_finding() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let diagnosis = doctor(shell, &[]);
        assert_eq!(diagnosis.code, 0, "{}", diagnosis.found);
        for check in [
            "configuration",
            "database",
            "migrations",
            "credentials",
            "webhooks",
            "base URL",
        ] {
            assert_eq!(diagnosis.levels(check), ["ok"], "{check}: {}", diagnosis.found);
        }
        let (on_postgres, on_sqlite) = match shell.is_postgres() {
            true => (1, 0),
            false => (0, 1),
        };
        assert_eq!(diagnosis.findings("clock").len(), on_postgres);
        assert_eq!(diagnosis.findings("write-ahead log").len(), on_sqlite);
        assert_eq!(diagnosis.findings("secrets key").len(), 0);
        let text = String::from_utf8(shell.run(&["doctor"]).stdout).unwrap();
        assert!(
            text.contains("ok       migrations: the database schema is up to date\n"),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "the output is not a terminal: {text}");
    });
}

#[test]
fn a_database_that_is_missing_or_old_is_a_warning_and_one_that_cannot_be_reached_an_error() {
    let shell = Shell::new();
    let diagnosis = doctor(&shell, &[]);
    assert_eq!(diagnosis.code, 0, "{}", diagnosis.found);
    assert!(
        diagnosis.problem("migrations")["text"]
            .as_str()
            .unwrap()
            .contains("does not exist yet")
    );
    assert_eq!(
        fs::read_dir(shell.folder.path()).unwrap().count(),
        0,
        "nothing was created"
    );

    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        shell.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20261201150000'");
        let diagnosis = doctor(shell, &[]);
        assert_eq!(
            (diagnosis.code, &diagnosis.found["warnings"]),
            (0, &json!(1)),
            "{}",
            diagnosis.found
        );
        let remedy = diagnosis.problem("migrations")["remedy"].as_str().unwrap();
        assert!(remedy.contains("`scim-server migrate`"), "{remedy}");
        shell.sql(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('20261201150000'), ('20991231000000')",
        );
        let diagnosis = doctor(shell, &[]);
        assert_eq!(diagnosis.code, 1);
        assert!(
            diagnosis.problem("migrations")["text"]
                .as_str()
                .unwrap()
                .contains("20991231000000")
        );
    });

    let url = "postgres://scim:Marker5ecret@127.0.0.1:1/scim";
    let diagnosis = doctor(&shell, &["--database-url", url]);
    assert_eq!(diagnosis.code, 1);
    diagnosis.problem("database");
    assert!(
        !diagnosis.found.to_string().contains("5ecret"),
        "{}",
        diagnosis.found
    );
}

#[test]
fn an_invalid_setting_is_an_error_and_the_other_checks_are_made() {
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    let diagnosis = doctor(&shell, &["--listen", "nonsense"]);
    assert_eq!(diagnosis.code, 1);
    assert!(
        diagnosis.problem("configuration")["text"]
            .as_str()
            .unwrap()
            .contains("--listen")
    );
    assert_eq!(diagnosis.levels("migrations"), ["ok"]);
}

#[test]
fn the_base_url_is_tried_if_one_is_set() {
    let server = Binary::start(&[]);
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    let diagnosis = doctor(&shell, &["--base-url", &server.base_url]);
    assert_eq!(diagnosis.code, 0, "{}", diagnosis.found);
    let findings = diagnosis.findings("base URL");
    assert!(
        findings[0]["text"].as_str().unwrap().ends_with("answers"),
        "{findings:?}"
    );
    assert_eq!(diagnosis.levels("clock"), ["ok"], "by the header `Date`");

    // A proxy that leads to another path.
    let wrong = format!("{}/other", server.base_url);
    let diagnosis = doctor(&shell, &["--base-url", &wrong]);
    assert_eq!(diagnosis.code, 1);
    assert!(
        diagnosis.problem("base URL")["text"]
            .as_str()
            .unwrap()
            .contains("not as a SCIM server does")
    );
    let diagnosis = doctor(&shell, &["--base-url", "http://127.0.0.1:1"]);
    assert_eq!(diagnosis.code, 1);
    assert!(
        diagnosis.problem("base URL")["text"]
            .as_str()
            .unwrap()
            .contains("does not answer")
    );
}

#[test]
fn credentials_that_expire_soon_are_warnings() {
    Shell::on_each(|shell| {
        shell.ok(&["tenant", "create", "acme"]);
        let token = shell.json(&["token", "create", "--tenant", "acme", "--days", "7", "--json"]);
        let client = shell.json(&["client", "create", "--tenant", "acme", "--days", "7", "--json"]);
        let key = shell.json(&[
            "key", "create", "--name", "soon", "--scope", "read", "--days", "7", "--json",
        ]);
        shell.ok(&["token", "create", "--tenant", "acme"]);
        let diagnosis = doctor(shell, &[]);
        assert_eq!(
            (diagnosis.code, &diagnosis.found["warnings"]),
            (0, &json!(3)),
            "{}",
            diagnosis.found
        );
        assert_eq!(diagnosis.levels("credentials"), ["warning"; 3]);
        let text = diagnosis.found.to_string();
        assert!(
            text.contains(&format!(
                "`scim-server token rotate {}`",
                token["id"].as_str().unwrap()
            )),
            "{text}"
        );
        for id in [&client["clientId"], &key["id"]] {
            assert!(text.contains(id.as_str().unwrap()), "{text}");
        }
    });
}

#[test]
fn endpoints_that_fail_are_errors_and_disabled_ones_warnings() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        let key = shell.folder.path().join("key");
        fs::write(&key, "0f".repeat(32)).unwrap();
        let key = key.to_str().unwrap();
        let create = ["webhook", "create", "--json", "--secrets-key-file", key, "--url"];
        let failing = shell.json(&[&create[..], &["https://93.184.215.14/a"]].concat());
        let disabled = shell.json(&[&create[..], &["https://93.184.215.14/b"]].concat());
        shell.ok(&["webhook", "disable", disabled["id"].as_str().unwrap()]);
        shell.sql("UPDATE webhook_endpoint SET failing_since = 1767268800000 WHERE disabled_at IS NULL");
        let stream = shell.json(&[
            "set-stream",
            "create",
            "--audience",
            "https://receiver.example.com",
            "--issuer",
            "https://scim.example.com",
            "--secrets-key-file",
            key,
            "--json",
        ]);
        shell.ok(&["set-stream", "pause", stream["id"].as_str().unwrap()]);
        let diagnosis = doctor(shell, &["--secrets-key-file", key]);
        assert_eq!(diagnosis.code, 1, "{}", diagnosis.found);
        let mut levels = diagnosis.levels("webhooks");
        levels.sort_unstable();
        assert_eq!(levels, ["error", "warning"], "{}", diagnosis.found);
        let text = diagnosis.found.to_string();
        assert!(text.contains(failing["id"].as_str().unwrap()), "{text}");
        assert!(text.contains("2026-01-01T12:00:00.000Z"), "{text}");
        let paused = diagnosis.problem("security event streams");
        assert_eq!(paused["level"], "warning");
        // Others could read the key.
        #[cfg(unix)]
        fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(
            doctor(shell, &["--secrets-key-file", key]).levels("secrets key"),
            ["warning"]
        );
        fs::remove_file(key).unwrap();
        assert_eq!(
            doctor(shell, &["--secrets-key-file", key]).levels("secrets key"),
            ["error"]
        );
    });
}

/// The log of a database stays large while a reader keeps an old state of it.
#[test]
fn a_large_write_ahead_log_is_a_warning() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    let log = shell.folder.path().join("scim.db-wal");
    let size = fs::metadata(&log).unwrap().len();
    // A sparse tail: SQLite ignores what follows the last commit.
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .set_len(size.max(300 << 20))
        .unwrap();
    let diagnosis = doctor(&shell, &[]);
    assert_eq!(diagnosis.code, 0, "{}", diagnosis.found);
    assert!(
        diagnosis.problem("write-ahead log")["text"]
            .as_str()
            .unwrap()
            .contains("300 MiB")
    );
    drop(server);
}
