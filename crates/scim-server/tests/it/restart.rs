//! The binary: first start, `kill -9`, signals and log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::Shell;
use crate::harness::{HttpClient, USER, wait_until};

/// A running scim-server in its own folder.
pub struct Binary {
    child: Child,
    /// The output of its start.
    pub printed: String,
    pub base_url: String,
    log: Arc<Mutex<String>>,
    log_reader: Option<JoinHandle<()>>,
    folder: Arc<TempDir>,
}

impl Binary {
    /// At its first start, on a free port.
    pub fn start(arguments: &[&str]) -> Binary {
        Binary::start_in(Arc::new(tempfile::tempdir().unwrap()), arguments)
    }

    pub fn start_in(folder: Arc<TempDir>, arguments: &[&str]) -> Binary {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(folder.path())
            .env_remove("SCIM_DATABASE_URL")
            .env_remove("RUST_LOG");
        let mut server = Binary::run(command);
        server.folder = folder;
        server
    }

    /// Runs a command that serves, and waits until it has printed its address.
    pub fn run(command: Command) -> Binary {
        let (mut server, stderr) = Binary::run_unread(command);
        server.read_log(stderr);
        server
    }

    /// Runs a command that serves, and leaves its log unread.
    pub fn run_unread(mut command: Command) -> (Binary, ChildStderr) {
        // Servers of other tests use the usual address.
        if !command
            .get_envs()
            .any(|(name, _)| name == "SCIM_MANAGEMENT_LISTEN")
        {
            command.env("SCIM_MANAGEMENT_LISTEN", "127.0.0.1:0");
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut printed = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // The last line of the first and of any later start.
        while !printed.contains("bjensen\"}'") && !printed.contains("Tenants: ") {
            if output.read_line(&mut printed).unwrap() == 0 {
                let mut log = String::new();
                stderr.read_to_string(&mut log).unwrap();
                panic!("{printed}{log}");
            }
        }
        let base_url = printed
            .lines()
            .next()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned();
        let server = Binary {
            child,
            printed,
            base_url,
            log: Arc::default(),
            log_reader: None,
            folder: Arc::new(tempfile::tempdir().unwrap()),
        };
        (server, stderr)
    }

    /// Starts to read the log.
    pub fn read_log(&mut self, stderr: ChildStderr) {
        self.log_reader = Some(follow(stderr, self.log.clone()));
    }

    /// Waits for a text in the log, and returns all that is in it.
    pub fn log_until(&self, text: &str) -> String {
        wait_until(text, || self.log.lock().unwrap().contains(text));
        self.log.lock().unwrap().clone()
    }

    /// A file in the folder that the process runs in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database_url(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("scim.db").display())
    }

    /// The token that the first start shows.
    pub fn token(&self) -> String {
        let line = self.printed.lines().find(|it| it.contains("Token ")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    pub fn client(&self) -> HttpClient {
        HttpClient::new(&self.base_url, &self.token())
    }

    /// The URL of the management API.
    pub fn management_url(&self) -> String {
        let mut lines = self.printed.lines();
        let line = lines.find(|it| it.starts_with("Management API at ")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub fn get(&self, path: &str, token: &str) -> (u16, Value) {
        HttpClient::new(&self.base_url, token).send("GET", path, None)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let address = self
            .base_url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap();
        TcpStream::connect(address).unwrap()
    }

    /// Kills the process without a chance to clean up.
    pub fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.folder.clone()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The whole log, once the process has ended.
    pub fn log(&mut self) -> String {
        if let Some(reader) = self.log_reader.take() {
            reader.join().unwrap();
        }
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stderr: ChildStderr, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&format!("{line}\n"));
        }
    })
}

#[test]
fn the_first_start_shows_a_token_and_working_commands_once() {
    let server = Binary::start(&[]);
    let token = server.token();
    assert!(token.starts_with("scim_"), "{}", server.printed);
    assert_eq!(
        server.printed.matches(&token).count(),
        1,
        "the token is shown once"
    );
    assert_eq!(server.printed.matches("curl ").count(), 2);
    for line in server.printed.lines().filter(|it| it.trim().starts_with("curl ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("{line} --silent --fail")])
            .env("TOKEN", &token)
            .output();
        // Skipped on a machine without curl.
        if let Ok(output) = output
            .map(|it| it.stdout)
            .map(|it| String::from_utf8(it).unwrap())
        {
            assert!(output.contains("\"schemas\""), "{line}: {output}");
        }
    }
    let folder = server.kill();
    let again = Binary::start_in(folder.clone(), &[]);
    assert!(again.printed.contains("Tenants: default"), "{}", again.printed);
    assert!(!again.printed.contains("scim_"), "{}", again.printed);
    assert_eq!(again.get("/Users", &token).0, 200);
    let database = std::fs::read(folder.path().join("scim.db")).unwrap();
    assert!(!database.windows(token.len()).any(|it| it == token.as_bytes()));
}

/// Each create that was answered is still there after `kill -9`, and the server restarts quickly.
#[test]
fn acknowledged_writes_survive_kill_9() {
    let server = Binary::start(&[]);
    let token = server.token();
    let client = server.client();
    let writer = thread::spawn(move || {
        let mut created = Vec::new();
        for i in 0.. {
            let body = json!({ "schemas": [USER], "userName": format!("user{i}") });
            match client.try_send("POST", "/Users", Some(&body)) {
                Ok((201, user)) => created.push(user),
                Ok(other) => panic!("{other:?}"),
                Err(_) => break,
            }
        }
        created
    });
    thread::sleep(Duration::from_millis(500));
    let folder = server.kill();
    let created = writer.join().unwrap();
    assert!(!created.is_empty());
    let began = Instant::now();
    let again = Binary::start_in(folder, &[]);
    assert!(began.elapsed() < Duration::from_secs(10));
    let again_client = HttpClient::new(&again.base_url, &token);
    for user in &created {
        let (status, found) =
            again_client.send("GET", &format!("/Users/{}", user["id"].as_str().unwrap()), None);
        assert_eq!(status, 200);
        assert_eq!(
            (&found["userName"], &found["meta"]["created"]),
            (&user["userName"], &user["meta"]["created"])
        );
    }
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let server = Binary::start(&[]);
    let second = Command::new(env!("CARGO_BIN_EXE_scim-server"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--database-url",
            &server.database_url(),
        ])
        .output()
        .unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("scim.db` is in use by another server"), "{told}");
    assert_eq!(server.client().send("GET", "/Users", None).0, 200);
}

/// While a backup or another program locks the file, writes get 503 with `Retry-After` and no mention of locks, and
/// reads work.
#[test]
fn a_foreign_writer_makes_the_store_busy() {
    let mut server = Binary::start(&[]);
    let file = server.folder.path().join("scim.db");
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    // The server may be writing now.
    other
        .batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE")
        .unwrap();
    let mut connection = server.connect();
    let body = json!({ "schemas": [USER], "userName": "bjensen" }).to_string();
    write!(
        connection,
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        server.token(),
        body.len()
    )
    .unwrap();
    let client = server.client();
    assert_eq!(client.send("GET", "/Users", None).1["totalResults"], 0);
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.to_lowercase().contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("lock"), "{answer}");
    other.batch_execute("COMMIT").unwrap();
    client.create("/Users", &json!({ "schemas": [USER], "userName": "bjensen" }));

    // The log has the reason, under the id of the request.
    server.signal("-TERM");
    server.wait();
    let log = server.log();
    let access = log
        .lines()
        .find(|it| it.contains(" POST /scim/v2/Users 503 "))
        .unwrap();
    let id = access.split("] ").nth(1).unwrap().split(' ').next().unwrap();
    let reason = log.lines().find(|it| it.contains(id) && it.contains("503: "));
    assert!(
        reason.is_some_and(|it| it.contains("WARN") && it.contains("the database is busy")),
        "{log}"
    );
}

/// The system keeps a deleted file while it is open: without a check, a write would be acknowledged, and lost with the
/// process.
#[test]
fn a_deleted_database_file_stops_the_service() {
    let mut server = Binary::start(&[]);
    let client = server.client();
    let user = |name: &str| json!({ "schemas": [USER], "userName": name });
    client.create("/Users", &user("bjensen"));
    let is_ready = || {
        let mut connection = server.connect();
        write!(
            connection,
            "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200")
    };
    assert!(is_ready());
    std::fs::remove_file(server.folder.path().join("scim.db")).unwrap();
    assert_eq!(client.send("POST", "/Users", Some(&user("jsmith"))).0, 503);
    assert!(!is_ready());
    assert_eq!(client.send("GET", "/Users", None).0, 503);
    server.signal("-TERM");
    server.wait();
    let log = server.log();
    assert!(log.contains("has been deleted, moved or replaced"), "{log}");
}

/// A request whose body is incomplete when the signal arrives is answered, and the process ends with success.
#[test]
fn signals_let_requests_finish() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Binary::start(&[]);
        let body = json!({ "schemas": [USER], "userName": "late" }).to_string();
        let mut connection = server.connect();
        let (first, second) = body.split_at(10);
        write!(
            connection,
            "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{first}",
            server.token(),
            body.len()
        )
        .unwrap();
        connection.flush().unwrap();
        thread::sleep(Duration::from_millis(200));
        server.signal(signal);
        thread::sleep(Duration::from_millis(200));
        connection.write_all(second.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{signal}: {answer}");
        let began = Instant::now();
        assert!(server.wait().success(), "{signal}");
        assert!(began.elapsed() < Duration::from_secs(20), "{signal}");
    }
}

/// A server deletes counters of resources that have reached zero.
#[test]
fn counters_at_zero_are_deleted_after_the_start() {
    Shell::on_each(|shell| {
        shell.ok(&["migrate"]);
        drop(shell.serve(&[]));
        shell.sql(
            "INSERT INTO resource_count (tenant_id, kind, shard, number) \
             SELECT id, 1, 160, 2 FROM tenant UNION ALL SELECT id, 1, 161, -2 FROM tenant \
             UNION ALL SELECT id, 1, 320, 3 FROM tenant UNION ALL SELECT id, 2, 160, 0 FROM tenant",
        );
        let _server = shell.serve(&[]);
        let counters = || shell.number("SELECT count(*) FROM resource_count");
        wait_until("deleting counters", || counters() == 1);
        assert_eq!(shell.number("SELECT number FROM resource_count"), 3);
    });
}

/// 7643-9.3-01, 6750-5.3-01: the log has one line for each request, without client input
#[test]
fn the_log_has_routes_but_no_client_data() {
    for passwords in ["drop", "argon2id"] {
        check_log(Binary::start(&["--passwords", passwords]));
    }
}

fn check_log(mut server: Binary) {
    let client = server.client();
    let marker = "Zaphod";
    let user = client.create(
        "/Users",
        &json!({ "schemas": [USER], "userName": marker, "password": marker }),
    );
    client.send("GET", &format!("/Users/{user}?attributes={marker}"), None);
    client.send(
        "GET",
        &format!("/Users?filter=userName%20eq%20%22{marker}%22"),
        None,
    );
    client.send("GET", &format!("/{marker}"), None);
    client.send(
        "POST",
        "/Users",
        Some(&json!({ "schemas": [USER], "userName": marker })),
    );
    server.get("/Users", marker);
    server.signal("-TERM");
    server.wait();
    let token = server.token();
    let log = server.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|it| it.contains("/scim/v2") || it.contains(" - "))
        .collect();
    for expected in [
        "default POST /scim/v2/Users 201",
        "default GET /scim/v2/Users/{id} 200",
        "default GET /scim/v2/Users 200",
        "default GET - 404",
        "default POST /scim/v2/Users 409",
        "- GET /scim/v2/Users 401",
    ] {
        assert_eq!(
            lines.iter().filter(|it| it.contains(expected)).count(),
            1,
            "{expected}: {log}"
        );
    }
    for secret in [marker, &token, "filter", &user] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// A body that has not arrived after ten seconds is answered with 408.
#[test]
fn a_slow_body_times_out() {
    let server = Binary::start(&[]);
    let mut connection = server.connect();
    write!(
        connection,
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{",
        server.token()
    )
    .unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let began = Instant::now();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(began.elapsed() < Duration::from_secs(15));
}

/// 9110-15.5.14-01: also without a declared length
#[test]
fn a_chunked_body_has_the_same_limit() {
    let server = Binary::start(&["--max-body-bytes", "2000"]);
    let mut connection = server.connect();
    write!(
        connection,
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n1000\r\n{}\r\n0\r\n\r\n",
        server.token(),
        "x".repeat(4096)
    )
    .unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
