//! `scim-server doctor`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

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
        #[cfg(unix)]
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
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
        let given_up = shell.json(&[&create[..], &["https://93.184.215.14/c"]].concat());
        let id = given_up["id"].as_str().unwrap().replace('-', "");
        let id = match shell.is_postgres() {
            true => format!("decode('{id}', 'hex')"),
            false => format!("unhex('{id}')"),
        };
        shell.sql(&format!(
            "INSERT INTO webhook_message (endpoint, message, attempts, dead, since) VALUES ({id}, '1-1-0', 9, TRUE, 1)"
        ));
        let diagnosis = doctor(shell, &["--secrets-key-file", key]);
        assert_eq!(diagnosis.code, 1, "{}", diagnosis.found);
        let mut levels = diagnosis.levels("webhooks");
        levels.sort_unstable();
        assert_eq!(levels, ["error", "warning", "warning"], "{}", diagnosis.found);
        let text = diagnosis.found.to_string();
        assert!(text.contains(failing["id"].as_str().unwrap()), "{text}");
        assert!(text.contains("2026-01-01T12:00:00.000Z"), "{text}");
        assert!(text.contains("were given up"), "{text}");
        let paused = diagnosis.problem("security event streams");
        assert_eq!(paused["level"], "warning");
        let stream = stream["id"].as_str().unwrap();
        shell.ok(&["set-stream", "enable", stream]);
        shell.sql("UPDATE set_stream SET failing_since = 1767268800000");
        let diagnosis = doctor(shell, &["--secrets-key-file", key]);
        let failing = diagnosis.problem("security event streams");
        assert_eq!(failing["level"], "error");
        assert!(failing["text"].as_str().unwrap().contains(stream), "{failing}");
        assert_eq!(diagnosis.levels("secrets key"), ["ok"]);
        // Others could read the key.
        #[cfg(unix)]
        fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(
            doctor(shell, &["--secrets-key-file", key]).levels("secrets key"),
            ["warning"]
        );
        for wrong in ["f0".repeat(32), "no key".to_owned()] {
            fs::write(key, wrong).unwrap();
            let diagnosis = doctor(shell, &["--secrets-key-file", key]);
            assert_eq!(diagnosis.problem("secrets key")["level"], "error");
        }
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

/// Answers one request as a SCIM server does whose clock is a number of seconds ahead. Returns its base URL.
fn server_with_clock(ahead: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/scim/v2", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap() == 0 {
                return;
            }
            request.extend(byte);
        }
        let body =
            json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"] }).to_string();
        let date =
            (chrono::Utc::now() + chrono::TimeDelta::seconds(ahead)).format("%a, %d %b %Y %H:%M:%S GMT");
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/scim+json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .unwrap();
    });
    url
}

#[test]
fn clocks_that_differ_are_found() {
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    for (ahead, level, code) in [(0, "ok", 0), (-30, "warning", 0), (3_600, "error", 1)] {
        let diagnosis = doctor(&shell, &["--base-url", &server_with_clock(ahead)]);
        assert_eq!(diagnosis.levels("clock"), [level], "{}", diagnosis.found);
        assert_eq!(diagnosis.code, code, "{}", diagnosis.found);
    }

    let Some(shell) = Shell::on_postgres() else {
        return;
    };
    shell.ok(&["migrate"]);
    let name = shell.url().rsplit('/').next().unwrap().to_owned();
    // A function of this name before that of PostgreSQL is a clock that is wrong.
    shell.sql(&format!(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql
           AS $$ SELECT pg_catalog.clock_timestamp() - interval '90 seconds' $$;
         ALTER DATABASE {name} SET search_path = public, pg_catalog"
    ));
    let diagnosis = doctor(&shell, &[]);
    let clock = diagnosis.problem("clock");
    assert_eq!(clock["level"], "error", "{}", diagnosis.found);
    assert!(
        clock["text"].as_str().unwrap().contains("seconds behind"),
        "{clock}"
    );
}

/// A small file system in memory, which needs a namespace of its own: where the system does not permit that, the text of
/// the finding is tested with its numbers only.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_almost_full_is_an_error_and_one_without_room_for_a_copy_a_warning() {
    let shell = Shell::new();
    let mount = shell.folder.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let examine = |megabytes: u32, database: u32| {
        let script = format!(
            "mount -t tmpfs -o size={megabytes}m tmpfs mount || exit 77
             \"$0\" migrate --database-url sqlite:mount/scim.db > /dev/null
             truncate --size=+{database}M mount/scim.db-wal
             \"$0\" doctor --json --database-url sqlite:mount/scim.db",
        );
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .arg(env!("CARGO_BIN_EXE_scim-server"))
            .current_dir(shell.folder.path())
            .output();
        let output = output.ok().filter(|it| !it.stdout.is_empty())?;
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = output.status.code().unwrap();
        Some(Diagnosis { code, found })
    };
    for (megabytes, log, level, code) in [(64, 0, "error", 1), (200, 250, "warning", 0), (200, 0, "ok", 0)] {
        let Some(diagnosis) = examine(megabytes, log) else {
            let _ = writeln!(std::io::stderr(), "not run: the system permits no mount");
            return;
        };
        assert_eq!(diagnosis.levels("disk space"), [level], "{}", diagnosis.found);
        assert_eq!(diagnosis.code, code, "{}", diagnosis.found);
    }
}
