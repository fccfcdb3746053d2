//! `scim-server backup`.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{USER, wait_until};
use crate::restart::Binary;

/// Creates users until `stop` is set, and counts those that the server has acknowledged.
fn write_until(server: &Binary, stop: &AtomicBool, written: &AtomicU32) {
    let client = server.client();
    while !stop.load(Ordering::Relaxed) {
        let number = written.load(Ordering::Relaxed);
        client.create(
            "/Users",
            &json!({ "schemas": [USER], "userName": format!("user{number}") }),
        );
        written.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_is_written_while_a_server_writes_and_can_be_served() {
    let shell = Shell::new();
    let server = shell.serve(&[]);
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let report = thread::scope(|threads| {
        threads.spawn(|| write_until(&server, &stop, &written));
        wait_until("some users are stored", || written.load(Ordering::Relaxed) > 20);
        let before = written.load(Ordering::Relaxed);
        let report = shell.json(&["backup", "copy.db", "--json"]);
        stop.store(true, Ordering::Relaxed);
        let users = report["rows"]["resource"].as_u64().unwrap();
        assert!(users >= before.into(), "{users} of {before}");
        report
    });
    assert_eq!(report["rows"]["tenant"], json!(1));
    assert_eq!(report["rows"]["changes"], report["rows"]["resource"]);
    let file = shell.folder.path().join("copy.db");
    let metadata = file.metadata().unwrap();
    assert_eq!(report["bytes"], json!(metadata.len()));
    assert_eq!(report["sha256"].as_str().unwrap().len(), 64);
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
        0o600
    );
    let token = server.token();
    drop(server);

    let copy = Binary::start(&["--database-url", &format!("sqlite:{}", file.display())]);
    let (status, list) = copy.get("/Users?count=1", &token);
    assert_eq!(
        (status, &list["totalResults"]),
        (200, &report["rows"]["resource"])
    );
}

#[test]
fn a_backup_overwrites_no_file_and_leaves_none_behind() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let file = shell.folder.path().join("copy.db");
    fs::write(&file, "precious").unwrap();
    let (code, text) = shell.failure(&["backup", "copy.db"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("`copy.db` exists already"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    let (code, text) = shell.failure(&["backup", "nowhere/copy.db"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("nowhere/copy.db"), "{text}");
    fs::remove_file(&file).unwrap();
    // A backup that was killed leaves an unfinished file.
    fs::write(shell.folder.path().join("copy.db.partial"), "half a database").unwrap();
    let text = shell.ok(&["backup", "copy.db"]);
    assert!(text.starts_with("Wrote and verified copy.db: "), "{text}");
    assert!(!shell.folder.path().join("copy.db.partial").exists());
    assert_eq!(
        shell.json(&["tenant", "list", "--json", "--database-url", "sqlite:copy.db"])["items"][0]["name"],
        json!("acme")
    );
    let (code, _) = shell.failure(&["backup", "other.db", "--database-url", "sqlite:missing.db"]);
    assert_eq!(code, 4);
    assert!(!shell.folder.path().join("missing.db").exists());
}

#[test]
fn a_killed_backup_leaves_no_file_under_its_name_and_can_be_repeated() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let numbers = "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 200000)";
    shell.sql(&format!(
        "{numbers} INSERT INTO deleted_change (sequence, at) SELECT i, i FROM s"
    ));
    let (partial, file) = (
        shell.folder.path().join("copy.db.partial"),
        shell.folder.path().join("copy.db"),
    );
    let mut child = shell
        .command(&["backup", "copy.db"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the backup begins", || partial.exists() || file.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    // A process that was faster than the signal has finished its work.
    let is_finished = file.exists();
    assert_ne!(is_finished, partial.exists());
    let again = if is_finished { "again.db" } else { "copy.db" };
    let report = shell.json(&["backup", again, "--json"]);
    assert_eq!(report["rows"]["deleted_change"], json!(200_000));
    assert!(!partial.exists());
}

#[test]
fn the_report_names_the_secrets_key_which_is_not_in_the_backup() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    assert_eq!(
        shell.json(&["backup", "a.db", "--json"])["secretsKeyFile"],
        Value::Null
    );
    shell.ok(&["webhook", "create", "--url", "https://93.184.215.14/hook"]);
    let text = shell.ok(&["backup", "b.db"]);
    assert!(text.contains("The secrets key is not in it"), "{text}");
    assert!(text.contains("scim.db.secrets-key"), "{text}");
}

#[test]
fn postgresql_is_backed_up_with_its_own_tools() {
    let Some(shell) = Shell::on_postgres() else {
        return;
    };
    shell.ok(&["migrate"]);
    let (code, text) = shell.failure(&["backup", "copy.dump"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("pg_dump"), "{text}");
    assert_eq!(fs::read_dir(shell.folder.path()).unwrap().count(), 0);
}
