//! The start and the stop of servers, also of many at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::cli::Shell;
use crate::harness::{HttpClient, PostgresDatabase, USER, wait_until};
use crate::restart::Binary;

const INSTANCES: usize = 8;

/// The line that a process logs for each migration that it has applied.
const MIGRATED: &str = "migrated the database: ";

/// Checks that each migration was applied by one process.
fn check_migrations(logs: &[String]) {
    let mut applied = BTreeMap::<&str, usize>::new();
    for line in logs.iter().flat_map(|it| it.lines()) {
        if let Some((_, migration)) = line.split_once(MIGRATED) {
            *applied.entry(migration).or_default() += 1;
        }
    }
    assert!(applied.len() > 5, "{logs:?}");
    for (migration, times) in applied {
        assert_eq!(times, 1, "{migration}");
    }
}

#[test]
fn servers_that_start_at_once_on_postgres_migrate_once() {
    let Some(database) = PostgresDatabase::create() else {
        return;
    };
    let start = || {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Binary::start_in(folder, &["--database-url", &database.url])
    };
    let mut servers: Vec<Binary> = thread::scope(|threads| {
        let starting: Vec<_> = (0..INSTANCES).map(|_| threads.spawn(start)).collect();
        starting.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let tokens = servers.iter().filter(|it| it.printed.contains("Token "));
    assert_eq!(tokens.count(), 1, "one start is the first");
    for server in &servers {
        wait_until("the server is ready", || {
            probe(&server.base_url, "/readyz") == 200
        });
        server.signal("-TERM");
    }
    assert!(servers.iter_mut().all(|it| it.wait().success()));
    let logs: Vec<String> = servers.iter_mut().map(Binary::log).collect();
    check_migrations(&logs);
}

/// A SQLite file has one server at a time: the others end, and say so.
#[test]
fn of_servers_that_start_at_once_on_a_file_one_serves() {
    let folder = tempfile::tempdir().unwrap();
    let start = || command(&folder, &["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let children: Vec<_> = (0..INSTANCES).map(|_| RefCell::new(start())).collect();
    wait_until("all but one have ended", || {
        let runs = |it: &&RefCell<Child>| it.borrow_mut().try_wait().unwrap().is_none();
        children.iter().filter(runs).count() <= 1
    });
    let mut logs = Vec::new();
    for mut child in children.into_iter().map(RefCell::into_inner) {
        if child.try_wait().unwrap().is_none() {
            // A signal before the server is ready would kill it.
            let mut first = String::new();
            let mut printed = BufReader::new(child.stdout.take().unwrap());
            printed.read_line(&mut first).unwrap();
            let url = first.trim().rsplit(' ').next().unwrap();
            wait_until("the server is ready", || probe(url, "/readyz") == 200);
            terminate(child.id());
            logs.push(read(child.stderr.take()));
            assert!(child.wait().unwrap().success());
            continue;
        }
        let log = read(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(5), "{log}");
        logs.push(log);
    }
    check_migrations(&logs);
}

/// The command for a job before the start of servers.
#[test]
fn commands_that_migrate_at_once_migrate_once() {
    Shell::on_each(|shell| {
        let url = shell.url();
        let migrate = || {
            let arguments = ["migrate", "--database-url", &url];
            command(&shell.folder, &arguments).output().unwrap()
        };
        let outputs: Vec<_> = thread::scope(|threads| {
            let running: Vec<_> = (0..INSTANCES).map(|_| threads.spawn(migrate)).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let logs: Vec<String> = outputs
            .iter()
            .map(|it| String::from_utf8_lossy(&it.stderr).into_owned())
            .collect();
        assert!(outputs.iter().all(|it| it.status.success()), "{logs:?}");
        check_migrations(&logs);
    });
}

/// Load balancers see that the server ends, before it refuses connections.
#[test]
fn the_server_serves_until_its_shutdown_delay_is_over() {
    let mut server = Binary::start(&["--shutdown-delay", "3600"]);
    let client = server.client();
    assert_eq!(probe(&server.base_url, "/readyz"), 200);
    server.signal("-TERM");
    wait_until("the probe fails", || probe(&server.base_url, "/readyz") == 503);
    assert_eq!(probe(&management(&server), "/readyz"), 503);
    assert_eq!(probe(&management(&server), "/livez"), 200);
    // Requests are served, also on new connections.
    let user = json!({ "schemas": [USER], "userName": "bjensen" });
    let id = client.create("/Users", &user);
    let other = HttpClient::new(&server.base_url, &server.token());
    assert_eq!(other.send("GET", &format!("/Users/{id}"), None).0, 200);
    server.log_until("/readyz fails from now on");
    // A second signal, here the other one, ends the delay, and requests that have begun are finished.
    let mut connection = server.connect();
    let (token, body) = (server.token(), user.to_string().replace("bjensen", "late"));
    write!(
        connection,
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    let mut begun = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut begun).unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 100"));
    server.signal("-INT");
    wait_until("no connection is accepted", || {
        std::net::TcpStream::connect(address(&server.base_url)).is_err()
    });
    connection.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    drop(connection);
    assert!(server.wait().success());
}

#[test]
fn a_shutdown_delay_passes_by_itself() {
    let mut server = Binary::start(&["--shutdown-delay", "1"]);
    // A server that answers catches signals; before, a signal ends it at once.
    let live = format!("http://{}/livez", address(&server.base_url));
    ureq::get(live).call().unwrap();
    let began = Instant::now();
    server.signal("-INT");
    assert!(server.wait().success());
    assert!(began.elapsed() >= Duration::from_secs(1));
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("SCIM_DATABASE_URL")
        .env("SCIM_MANAGEMENT_LISTEN", "127.0.0.1:0")
        .env("RUST_LOG", "info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn read(output: Option<impl std::io::Read>) -> String {
    let mut text = String::new();
    output.unwrap().read_to_string(&mut text).unwrap();
    text
}

fn terminate(process: u32) {
    let sent = Command::new("kill")
        .args(["-TERM", &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://").split('/').next().unwrap()
}

/// The origin of the management listener.
fn management(server: &Binary) -> String {
    let line = server
        .printed
        .lines()
        .find(|it| it.starts_with("Management API at "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

fn probe(url: &str, path: &str) -> u16 {
    get(&format!("http://{}{path}", address(url))).0
}

fn get(url: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    let mut reply = config.build().new_agent().get(url).call().unwrap();
    let text = reply.body_mut().read_to_string().unwrap();
    (reply.status().as_u16(), text)
}
