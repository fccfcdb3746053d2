//! The start of the binary: its messages, and the secrets that none of them shows.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::cli::Shell;
use crate::restart::Binary;

/// The arguments of a server on a free port.
const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn text(output: &Output) -> String {
    let outputs = [&output.stdout, &output.stderr];
    outputs
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .concat()
}

/// Every way to give a setting a wrong value, and none of the answers repeats the value.
#[test]
fn no_error_shows_a_secret() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let secret = "Marker5ecret";
    let key = format!("{secret}{}", "0f".repeat(26));
    let token = format!("scim_{secret}{}", "a".repeat(31));
    let url = format!("postgres://scim:{secret}@127.0.0.1:1/scim");
    let arguments: [&[&str]; 8] = [
        &[&url],
        &[&token],
        &["tenant", "delete", "acme", &url],
        &["--cursor-key", &key],
        &["--cursor-key", secret, "--bogus"],
        &["serve", &format!("--cursor-key={secret}")],
        &["token", "revoke", &token],
        &["token", "revoke", secret],
    ];
    for arguments in arguments {
        let output = shell.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            !text(&output).contains("5ecret"),
            "{arguments:?}: {}",
            text(&output)
        );
    }
    let nested = format!("sqlite:{url}");
    for flag in [
        "--base-url",
        "--listen",
        "--metrics-listen",
        "--path-prefix",
        "--database-url",
    ] {
        let output = shell.run(&[
            "serve",
            flag,
            if flag == "--database-url" { &nested } else { &url },
        ]);
        assert!(!output.status.success(), "{flag}");
        assert!(!text(&output).contains("5ecret"), "{flag}: {}", text(&output));
    }
    for key in [secret, "", &format!("{},{secret}", "0f".repeat(32))] {
        let output = shell.command(&[]).env("SCIM_CURSOR_KEY", key).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{key}");
        assert!(!text(&output).contains("5ecret"), "{}", text(&output));
        assert!(text(&output).contains("--cursor-key"), "{}", text(&output));
    }
    for url in [
        format!("postgres://scim:{secret}@127.0.0.1:1/scim"),
        format!("postgres://scim:x@{secret}@127.0.0.1:1/scim"),
        format!("postgres://scim:x@{secret}@db.example.com/scim"),
        format!("postgres://scim:x/{secret}@127.0.0.1:1/scim"),
        format!("postgres://scim:x%zz{secret}@127.0.0.1:1/scim"),
        format!("postgres://scim:%00{secret}@127.0.0.1:1/scim"),
        format!("postgres://scim:{secret}/scim?sslmode=disable"),
        format!("postgres://127.0.0.1:{secret}/scim"),
        format!("postgres://127.0.0.1:1/scim?password={secret}"),
        format!("postgres://127.0.0.1:1/scim?pass:word={secret}@"),
        format!("postgres://db.example.com/scim?password={secret}"),
        format!("postgresql:scim:{secret}@h"),
        format!("mysql://scim:{secret}@h/scim"),
    ] {
        for command in [&["migrate"][..], &["tenant", "list"], &ANY_PORT] {
            let by_flag = shell.run(&[command, &["--database-url", &url]].concat());
            let by_variable = shell.command(command).env("SCIM_DATABASE_URL", &url).output();
            for output in [by_flag, by_variable.unwrap()] {
                assert!(!output.status.success(), "{url}");
                assert!(!text(&output).contains("5ecret"), "{url}: {}", text(&output));
                assert!(!text(&output).contains("panic"), "{url}: {}", text(&output));
            }
        }
    }
}

#[test]
fn urls_keys_and_paths_are_trimmed() {
    let shell = Shell::new();
    let key = format!(" {}\n", "0f".repeat(32));
    let server = shell.serve(&["--cursor-key", &key, "--base-url", " https://scim.example.com\n"]);
    assert_eq!(server.base_url, "https://scim.example.com/scim/v2");
    drop(server);
    for url in [" sqlite:scim.db", "sqlite:scim.db\n", "sqlite:scim.db\r\n"] {
        let list = shell
            .command(&["tenant", "list"])
            .env("SCIM_DATABASE_URL", url)
            .output();
        assert!(list.unwrap().status.success(), "{url:?}");
    }
    let server = Binary::start(&["--metrics-listen", " 0\n"]);
    assert!(server.printed.contains("SCIM 2.0"));
    let shell = Shell::new();
    std::fs::create_dir(shell.folder.path().join("schemas")).unwrap();
    let mut command = shell.command(&ANY_PORT);
    command.env("SCIM_FIRST_TOKEN_FILE", " token\r\n");
    command.args(["--schemas", " schemas\n"]);
    let _server = Binary::run(command);
    assert!(shell.folder.path().join("token").is_file());
    let blank = shell.failure(&["--first-token-file", " "]);
    assert!(blank.1.contains("expected a path"), "{}", blank.1);
}

/// The token is shown once, or written to a new file for its owner only.
#[cfg(unix)]
#[test]
fn the_token_of_the_first_start_goes_to_a_file() {
    use std::os::unix::fs::PermissionsExt;

    for by_flag in [true, false] {
        let shell = Shell::new();
        let path = shell.folder.path().join("token");
        let start = || {
            let mut command = shell.command(&ANY_PORT);
            match by_flag {
                true => command.arg("--first-token-file").arg(&path),
                false => command.env("SCIM_FIRST_TOKEN_FILE", &path),
            };
            command
        };
        // An existing file, whatever its content, is kept, and nothing is created that would need a token.
        std::fs::write(&path, "precious").unwrap();
        let output = start().output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let told = text(&output);
        assert!(
            told.contains("exists already") && !told.contains("First start"),
            "{told}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(
            shell.json(&["tenant", "list", "--json"]),
            serde_json::json!({ "items": [] })
        );
        std::fs::remove_file(&path).unwrap();

        let mut server = Binary::run(start());
        assert!(!server.printed.contains("scim_"), "{}", server.printed);
        assert!(
            server.printed.contains(&path.display().to_string()),
            "{}",
            server.printed
        );
        let token = std::fs::read_to_string(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(server.get("/Users", token.trim()).0, 200);
        server.signal("-TERM");
        server.wait();
        assert!(!server.log().contains(token.trim()));

        // A later start has no new token, and the file stays.
        let again = Binary::run(start());
        assert!(again.printed.contains("Tenants: default"), "{}", again.printed);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), token);
    }
    let shell = Shell::new();
    let missing = shell.failure(&[&ANY_PORT[..], &["--first-token-file", "missing/token"]].concat());
    assert_eq!(missing.0, 3);
    assert!(
        missing.1.contains("cannot create `missing/token`"),
        "{}",
        missing.1
    );
    assert_eq!(
        shell.json(&["tenant", "list", "--json"]),
        serde_json::json!({ "items": [] })
    );
}

#[test]
fn the_banner_names_version_address_and_database() {
    Shell::on_each(|shell| {
        for _ in ["the first start", "a later start"] {
            let server = shell.serve(&[]);
            let line = server.printed.lines().nth(1).unwrap();
            let address = server
                .base_url
                .trim_start_matches("http://")
                .trim_end_matches("/scim/v2");
            let version = env!("CARGO_PKG_VERSION");
            let expected = format!("scim-server {version}, listening on {address}, database ");
            let database = line.strip_prefix(&expected).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(database.split(':').next(), shell.url().split(':').next());
        }
    });
}

/// One line that names the problem and the remedy, and no reason twice.
#[test]
fn a_database_that_cannot_be_opened_is_explained() {
    let shell = Shell::new();
    std::fs::create_dir(shell.folder.path().join("folder")).unwrap();
    for command in [&["migrate"][..], &["tenant", "list"], &ANY_PORT] {
        let told = |url: &str| {
            let told = shell.refused(&[command, &["--database-url", url]].concat());
            assert_eq!(
                told.lines().filter(|it| it.starts_with("scim-server: ")).count(),
                1,
                "{told}"
            );
            told
        };
        let folder = told("sqlite:folder");
        assert!(
            folder.contains("`folder` is a folder: name a file in it, such as `folder/scim.db`"),
            "{folder}"
        );
        let missing = told("sqlite:missing/scim.db");
        assert!(
            missing.contains("the folder `missing` of the database does not exist"),
            "{missing}"
        );
        assert_eq!(missing.matches("exist").count(), 1, "{missing}");
        for url in [
            "postgres://scim:hunt@er2@127.0.0.1:1/scim",
            "postgres://scim:hunt er2@127.0.0.1:1/scim",
            "postgres://scim:hunt%zzer2@127.0.0.1:1/scim",
            "postgres://scim@127.0.0.1:1/scim?password=hunt er2",
            "postgres://scim@127.0.0.1:1/scim?password=hunt%zzer2",
            "postgres://scim@127.0.0.1:1/scim?password=hunt%00er2",
            "postgres://scim@127.0.0.1:1/scim?password=hunt&er2",
            "postgres://scim@127.0.0.1:1/scim?password=x&hunter2=x",
            "postgres://scim@127.0.0.1:1/scim?password=hunt=er2",
            "postgres://scim@[::1/scim?password=hunter2",
            "postgres://scim@[::1]x/scim?password=hunter2",
        ] {
            let unescaped = told(url);
            assert!(unescaped.contains("`%40`"), "{unescaped}");
            assert!(
                !unescaped.contains("hunt") && !unescaped.contains("er2"),
                "{unescaped}"
            );
        }
        let closed = told("postgres://127.0.0.1:1/scim");
        assert_eq!(closed.matches("Connection refused").count(), 1, "{closed}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("scim.db", shell.folder.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("loop", shell.folder.path().join("scim.db")).unwrap();
        let told = shell.refused(&["migrate"]);
        assert_eq!(told.to_lowercase().matches("symbolic link").count(), 1, "{told}");
    }
}

#[test]
fn a_locked_database_is_explained_at_the_start() {
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    let path = shell.folder.path().join("scim.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN EXCLUSIVE").unwrap();
    for command in [&["migrate"][..], &ANY_PORT] {
        let (code, told) = shell.failure(command);
        assert_eq!(code, 5, "{told}");
        assert!(
            told.contains("the database is locked by another process"),
            "{told}"
        );
        assert_eq!(told.matches("locked").count(), 1, "{told}");
    }
}

#[test]
fn addresses_that_cannot_be_used_are_explained() {
    let shell = Shell::new();
    let told = |arguments: &[&str]| {
        let told = shell.refused(arguments);
        assert_eq!(told.lines().count(), 1, "{told}");
        told
    };
    assert!(
        told(&["--listen", "8080"])
            .contains("--listen `8080`: expected an address and a port, such as `127.0.0.1:8080`")
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--metrics-listen"] {
        let arguments = match flag {
            "--listen" => vec![flag, &address],
            _ => vec!["--listen", "127.0.0.1:0", flag, &address],
        };
        let told = told(&arguments);
        assert!(
            told.contains(&format!("{flag} {address}: another program listens on this port")),
            "{told}"
        );
    }
}

/// Starts a server, stops it, and returns its log.
fn log_of(mut server: Binary) -> String {
    // A signal before the first request may find a server that does not catch it yet.
    assert_eq!(server.get("/ServiceProviderConfig", "").0, 200);
    server.signal("-TERM");
    assert!(server.wait().success());
    server.log()
}

#[test]
fn settings_without_effect_are_logged_as_warnings() {
    let shell = Shell::new();
    assert!(!log_of(shell.serve(&[])).contains("WARN"));
    let log = log_of(shell.serve(&["--default-page-size", "500", "--max-page-size", "300"]));
    assert!(
        log.contains("--default-page-size 500 is larger than --max-page-size 300"),
        "{log}"
    );

    let folder = shell.folder.path().join("schemas");
    std::fs::create_dir(&folder).unwrap();
    let schema = r#"{"id": "urn:example:Device", "attributes": [{"name": "serial"}]}"#;
    std::fs::write(folder.join("schema.json"), schema).unwrap();
    let arguments = ["--schemas", folder.to_str().unwrap()];
    let log = log_of(shell.serve(&arguments));
    assert!(
        log.contains("no resource type uses the schema `urn:example:Device`"),
        "{log}"
    );
    let resource_type = r#"{"name": "Device", "endpoint": "/Devices", "schema": "urn:example:Device"}"#;
    std::fs::write(folder.join("type.json"), resource_type).unwrap();
    assert!(!log_of(shell.serve(&arguments)).contains("no resource type"));
}

#[test]
fn unknown_variables_are_logged_without_their_values() {
    let shell = Shell::new();
    let mut command = shell.command(&ANY_PORT);
    command.env("SCIM_DATABSE_URL", "postgres://scim:5ecret@h/scim");
    command.env("SCIM_WEATHER", "5ecret");
    let log = log_of(Binary::run(command));
    assert!(
        log.contains("`SCIM_DATABSE_URL` is not a setting: did you mean `SCIM_DATABASE_URL`?"),
        "{log}"
    );
    assert!(log.contains("`SCIM_WEATHER` is not a setting"), "{log}");
    assert!(!log.contains("5ecret"), "{log}");
}

#[test]
fn an_invalid_token_id_is_explained() {
    let shell = Shell::new();
    shell.ok(&["tenant", "create", "acme"]);
    let told = shell.refused(&["token", "revoke", "x"]);
    assert!(told.contains("which `scim-server token list` shows"), "{told}");
}

#[test]
fn hints_repeat_the_database_url() {
    let shell = Shell::new();
    let told = shell.ok(&["tenant", "create", "acme", "--database-url", "sqlite:other.db"]);
    let hint = told.lines().last().unwrap().trim();
    assert_eq!(
        hint,
        "scim-server token create --tenant acme --database-url sqlite:other.db"
    );
    let arguments: Vec<&str> = hint.split(' ').skip(1).collect();
    assert!(shell.ok(&arguments).contains("scim_"));
    let told = shell.refused(&["tenant", "list", "--database-url", "sqlite:third.db"]);
    assert!(
        told.contains("run `scim-server migrate --database-url sqlite:third.db`"),
        "{told}"
    );
    let server = shell.serve(&[]);
    drop(server);
    let server = shell.serve(&[]);
    let expected = format!("token create --tenant NAME --database-url {}", shell.url());
    assert!(server.printed.contains(&expected), "{}", server.printed);
}

#[test]
fn the_help_is_wrapped_at_words_and_grouped() {
    let shell = Shell::new();
    let help = shell.ok(&["serve", "--help"]);
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    for heading in [
        "Network:",
        "Requests, responses and schemas:",
        "Lists and queries:",
        "Database:",
    ] {
        assert!(help.lines().any(|it| it == heading), "{heading}: {help}");
    }
    // Only the options of every program are outside a group.
    let ungrouped = help
        .split("Options:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    assert!(!ungrouped.contains("SCIM_"), "{ungrouped}");
}

/// The guide's commands for backups leave no file that others can read.
#[cfg(unix)]
#[test]
fn backup_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let guide = include_str!("../../../../docs/OPERATIONS.md");
    let dumps: Vec<&str> = guide.lines().filter(|it| it.contains("pg_dump --")).collect();
    assert!(!dumps.is_empty());
    for line in &dumps {
        assert!(line.contains("umask 077"), "{line}");
    }
    let shell = Shell::new();
    shell.ok(&["migrate"]);
    let backup = shell.folder.path().join("backup.db");
    shell.ok(&["backup", backup.to_str().unwrap()]);
    let permissions = std::fs::metadata(backup).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
}

/// An administrator recognises the connections by their name.
#[test]
fn connections_to_postgres_have_a_name() {
    Shell::on_each(|shell| {
        if !shell.url().starts_with("postgres") {
            return;
        }
        let count = |name: &str| {
            shell.number(&format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{name}'"
            ))
        };
        let server = shell.serve(&[]);
        assert!(count("scim-server") > 0);
        drop(server);
        let mark = if shell.url().contains('?') { '&' } else { '?' };
        let named = format!("{}{mark}application_name=mine", shell.url());
        let _server = Binary::start(&["--database-url", &named]);
        assert!(count("mine") > 0);
    });
}

/// A database that acknowledges what it may lose is reported loudly.
#[test]
fn a_database_that_is_not_durable_is_logged_as_an_error() {
    Shell::on_each(|shell| {
        let log = log_of(shell.serve(&[]));
        if !shell.url().starts_with("postgres") {
            assert!(!log.contains("ERROR"), "{log}");
            return;
        }
        let mark = if shell.url().contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}options=-csynchronous_commit%3Doff", shell.url());
        let log = log_of(Binary::start(&["--database-url", &url]));
        let line = log.lines().find(|it| it.contains("synchronous_commit = off"));
        assert!(line.is_some_and(|it| it.contains("ERROR")), "{log}");
    });
}

/// A log that nothing reads delays no request, and the lines of the end are still written.
#[test]
fn an_unread_log_stops_nothing() {
    use std::io::{Read, Write};

    let shell = Shell::new();
    let mut command = shell.command(&ANY_PORT);
    command.env_remove("RUST_LOG");
    let (mut server, stderr) = Binary::run_unread(command);
    let token = server.token();
    let requests = 7_000;
    // Far more than the pipe and the queue hold.
    let began = Instant::now();
    let mut connection = server.connect();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    for _ in 0..requests / 100 {
        let request = "GET /scim/v2/ServiceProviderConfig HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
        connection.write_all(request.as_bytes()).unwrap();
        let mut answered = 0;
        let mut buffer = [0; 64 * 1024];
        let mut rest = String::new();
        while answered < 100 {
            let length = connection.read(&mut buffer).expect("the server answers");
            assert_ne!(length, 0, "the server keeps the connection");
            rest.push_str(&String::from_utf8_lossy(&buffer[..length]));
            answered += rest.matches("HTTP/1.1 200").count();
            // The start of the next answer may be cut.
            let keep = rest.len().saturating_sub("HTTP/1.1 20".len());
            rest = rest.split_off(keep);
        }
    }
    assert_eq!(server.get("/Users", &token).0, 200);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

    // Once the pipe is read again, a line has the number of lost lines.
    server.read_log(stderr);
    let log = server.log_until("lines of the log were lost");
    let line = log
        .lines()
        .find(|it| it.contains("lines of the log were lost"))
        .unwrap();
    let lost: usize = line
        .split("] ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(server.get("/Groups", &token).0, 200);
    server.signal("-TERM");
    assert!(server.wait().success());
    let log = server.log();
    let written = log.matches("scim_server::access").count();
    assert_eq!(written + lost, requests + 2, "{lost} lost");
    assert!(
        log.contains("GET /scim/v2/Groups 200"),
        "the last line is flushed"
    );
}

#[test]
fn a_server_with_an_unread_log_ends_on_a_signal() {
    let shell = Shell::new();
    let mut command = shell.command(&ANY_PORT);
    command.env("RUST_LOG", "trace");
    let (mut server, _stderr) = Binary::run_unread(command);
    let token = server.token();
    for _ in 0..200 {
        assert_eq!(server.get("/Users", &token).0, 200);
    }
    let began = Instant::now();
    server.signal("-TERM");
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// Anybody can send such requests, so they must not look like errors of the server.
#[test]
fn a_malformed_request_without_a_token_writes_no_error() {
    use std::io::{Read, Write};

    let server = Binary::start(&[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /Users HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /Users\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //[::/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /scim/v2/%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.write_all(bytes).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        // Some are answered with a reset.
        let _ = connection.read_to_end(&mut Vec::new());
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000));
    let mut connection = server.connect();
    let _ = connection.write_all(long.as_bytes());
    let _ = connection.read_to_end(&mut Vec::new());
    let log = log_of(server);
    assert!(!log.contains("ERROR"), "{log}");
    assert!(!log.contains("panic"), "{log}");
}

/// Replaces the clock of a process while a file exists.
#[cfg(target_os = "linux")]
const OLD_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, id, time);
  const char *flag = getenv("OLD_CLOCK");
  if (id == CLOCK_REALTIME && flag && access(flag, F_OK) == 0) time->tv_sec -= 2000000000;
  return result;
}
"#;

/// A server whose clock is set to a time before 1970 still answers, and a start with such a clock says so.
#[cfg(target_os = "linux")]
#[test]
fn a_clock_before_1970_is_no_panic() {
    use serde_json::json;

    use crate::harness::USER;

    let shell = Shell::new();
    let path = |name: &str| shell.folder.path().join(name);
    std::fs::write(path("clock.c"), OLD_CLOCK).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o", "clock.so", "clock.c"]);
    if !compile
        .current_dir(shell.folder.path())
        .status()
        .is_ok_and(|it| it.success())
    {
        // Skipped on a machine without a compiler.
        return;
    }
    let start = |arguments: &[&str]| {
        let mut command = shell.command(arguments);
        command
            .env("LD_PRELOAD", path("clock.so"))
            .env("OLD_CLOCK", path("flag"));
        command
    };
    let mut server = Binary::run(start(&ANY_PORT));
    let client = server.client();
    let user = |name: &str| json!({ "schemas": [USER], "userName": name });
    client.create("/Users", &user("before"));
    std::fs::write(path("flag"), "").unwrap();
    let id = client.create("/Users", &user("during"));
    for (method, path, body) in [
        ("GET", "/Users".to_owned(), None),
        ("GET", "/Users?cursor&count=1".to_owned(), None),
        ("GET", format!("/Users/{id}"), None),
        ("PUT", format!("/Users/{id}"), Some(user("changed"))),
    ] {
        let (status, _) = client.send(method, &path, body.as_ref());
        assert_eq!(status, 200, "{method} {path}");
    }
    for command in [&["tenant", "list"][..], &["migrate"], &ANY_PORT] {
        let output = start(command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("a time before 1970: set it first"),
            "{}",
            text(&output)
        );
    }
    std::fs::remove_file(path("flag")).unwrap();
    client.create("/Users", &user("after"));
    server.signal("-TERM");
    assert!(server.wait().success());
    // actix-web itself cannot write such a time into the header `Date`, and leaves it out.
    let log = server.log();
    let panics: Vec<&str> = log
        .lines()
        .filter(|it| it.contains("panic") && !it.contains("httpdate"))
        .collect();
    assert!(panics.is_empty(), "{panics:?}");
}
