//! The view of those who supervise a process: the command `health`, and the messages to systemd.

use std::os::unix::net::UnixDatagram;
use std::process::Output;

use serde_json::json;

use crate::cli::Shell;
use crate::restart::Binary;

/// The address of a server, without its path.
fn origin(server: &Binary) -> &str {
    server.base_url.trim_end_matches("/scim/v2")
}

fn management_origin(server: &Binary) -> &str {
    let line = server
        .printed
        .lines()
        .find(|it| it.starts_with("Management API at "));
    let url = line.unwrap().trim_start_matches("Management API at ");
    url.trim_end_matches("/api/v1")
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn health_asks_a_running_server() {
    let server = Binary::start(&[]);
    let shell = Shell::new();
    let address = origin(&server).trim_start_matches("http://");
    let everywhere = address.replace("127.0.0.1", "0.0.0.0");
    for listen in [address, &everywhere] {
        let output = shell
            .command(&["health"])
            .env("SCIM_LISTEN", listen)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, format!("http://{address}/readyz: OK\n"));
    }
    assert_eq!(
        shell.json(&["health", "--listen", address, "--json"]),
        json!({ "status": "ready" })
    );
    assert_eq!(
        shell.json(&["health", "--url", management_origin(&server), "--live", "--json"]),
        json!({ "status": "alive" })
    );
    assert!(
        !shell.folder.path().join("scim.db").exists(),
        "the command needs no database"
    );
}

#[test]
fn health_fails_when_the_server_is_not_ready_or_does_not_run() {
    let mut server = Binary::start(&[]);
    let shell = Shell::new();
    let url = origin(&server).to_owned();
    let ask = |more: &[&str]| shell.failure(&[&["health", "--url", &url], more].concat());
    // The database is gone, and the process still answers.
    let database = server.path("scim.db");
    std::fs::rename(&database, server.path("moved.db")).unwrap();
    crate::harness::wait_until("the loss of the database is noticed", || {
        !shell.run(&["health", "--url", &url]).status.success()
    });
    let (code, told) = ask(&[]);
    assert_eq!(code, 1);
    assert!(told.contains("/readyz: status 503"), "{told}");
    shell.ok(&["health", "--url", &url, "--live"]);

    server.signal("-KILL");
    server.wait();
    let (code, told) = ask(&["--live"]);
    assert_eq!(code, 1);
    assert!(told.contains(&format!("{url}/livez: ")), "{told}");
}

#[test]
fn health_names_a_wrong_address() {
    let shell = Shell::new();
    for (arguments, flag) in [
        (["--listen", "8080"], "--listen"),
        (["--url", "127.0.0.1:8080"], "--url"),
        (["--url", "ftp://127.0.0.1"], "--url"),
        (["--url", "http://"], "--url"),
    ] {
        let (code, told) = shell.failure(&[&["health"], &arguments[..]].concat());
        assert_eq!(code, 2, "{arguments:?}: {told}");
        assert!(told.contains(flag), "{told}");
    }
}

/// The messages of a unit with `Type=notify` and `WatchdogSec`.
#[test]
fn systemd_learns_that_the_server_is_ready_lives_and_stops() {
    let shell = Shell::new();
    let path = shell.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    let receive = || {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).expect("a message comes");
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let mut command = shell.command(&["--listen", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000")
        .env_remove("WATCHDOG_PID");
    let mut server = Binary::run(command);
    assert_eq!(receive(), "READY=1");
    // It is ready as it says.
    shell.ok(&["health", "--url", origin(&server)]);
    for _ in 0..3 {
        assert_eq!(receive(), "WATCHDOG=1");
    }
    server.signal("-TERM");
    let mut last = receive();
    while last == "WATCHDOG=1" {
        last = receive();
    }
    assert_eq!(last, "STOPPING=1");
    assert!(server.wait().success());
}

/// Without systemd, the server runs as always.
#[test]
fn a_missing_socket_of_systemd_stops_nothing() {
    let shell = Shell::new();
    let mut command = shell.command(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", shell.folder.path().join("missing"));
    let mut server = Binary::run(command);
    let log = server.log_until("NOTIFY_SOCKET");
    assert!(log.contains("systemd cannot be told the state"), "{log}");
    shell.ok(&["health", "--url", origin(&server)]);
    server.signal("-TERM");
    assert!(server.wait().success());
}
