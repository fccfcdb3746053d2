//! Four applications that follow the directory, each in its own process, which the test kills at any time.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::log::{Cursor, Log};
use super::servers::{Address, addresses};
use crate::security_events::verify;
use crate::webhooks::receiver::{Received, answer, read_request, respond};

/// The variable with the settings of a reader, as JSON.
const READER: &str = "SCIM_TEST_READER";

/// A reader process, as the test sees it.
pub struct Reader {
    pub name: &'static str,
    settings: Value,
    /// A receiver inherits its socket, so that the connections of clients wait while it is started again.
    socket: Option<TcpListener>,
    folder: PathBuf,
    child: Child,
    /// The processes that ended on their own, as a receiver may.
    pub died: usize,
}

impl Reader {
    /// `settings` are those of [`Settings`], without the name and the folder.
    pub fn start(
        name: &'static str,
        folder: &Path,
        mut settings: Value,
        socket: Option<TcpListener>,
    ) -> Reader {
        settings["name"] = name.into();
        settings["folder"] = folder.to_str().unwrap().into();
        let child = spawn(name, folder, &settings, socket.as_ref());
        Reader {
            name,
            settings,
            socket,
            folder: folder.to_owned(),
            child,
            died: 0,
        }
    }

    /// The file with its deliveries.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(self.name, &self.folder, &self.settings, self.socket.as_ref());
    }

    /// Starts a process again that has ended on its own. Only an abort is no mistake.
    pub fn look_after(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let output = std::fs::read_to_string(output_path(self.name, &self.folder)).unwrap();
            assert!(status.code().is_none(), "{} {status}: {output}", self.name);
            self.died += 1;
            self.child = spawn(self.name, &self.folder, &self.settings, self.socket.as_ref());
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output_path(name: &str, folder: &Path) -> PathBuf {
    folder.join(format!("{name}.output"))
}

fn spawn(name: &str, folder: &Path, settings: &Value, socket: Option<&TcpListener>) -> Child {
    let output = std::fs::File::create(output_path(name, folder)).unwrap();
    let input = socket.map(|it| Stdio::from(OwnedFd::from(it.try_clone().unwrap())));
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fire_delivery::readers::reader_process", "--nocapture"])
        .env(READER, settings.to_string())
        .stdin(input.unwrap_or_else(Stdio::null))
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}

/// The process of a reader: this executable again, with this test alone. Among the other tests it has nothing to do.
#[test]
fn reader_process() {
    let Ok(settings) = std::env::var(READER) else {
        return;
    };
    let parent = parent_id();
    thread::spawn(move || {
        // A test that is killed leaves no readers behind.
        while parent_id() == parent {
            thread::sleep(Duration::from_secs(1));
        }
        std::process::exit(1);
    });
    let mut application = Application::new(&serde_json::from_str(&settings).unwrap());
    match &*application.settings.name {
        "feed" => application.read_pages(),
        "stream" => application.read_streams(),
        "webhook" => application.receive(),
        "set" => application.poll(),
        other => panic!("{other}"),
    }
}

/// The settings of a reader.
struct Settings {
    name: String,
    /// The file with the addresses of the servers.
    servers: PathBuf,
    /// The operator key.
    key: String,
    /// The stream of security event tokens.
    stream: String,
    /// The secret of the webhook.
    secret: String,
    /// Of a thousand webhooks, those whose first attempt meets a fault.
    faults: u64,
}

struct Application {
    settings: Settings,
    log: Log,
    cursor: Cursor,
    agent: ureq::Agent,
    /// The server that is asked.
    turn: usize,
}

/// An answer that is no success, or none at all.
struct Failed;

impl Application {
    fn new(settings: &Value) -> Application {
        let text = |name: &str| settings[name].as_str().unwrap_or_default().to_owned();
        let folder = PathBuf::from(text("folder"));
        let settings = Settings {
            name: text("name"),
            servers: text("servers").into(),
            key: text("key"),
            stream: text("stream"),
            secret: text("secret"),
            faults: settings["faults"].as_u64().unwrap_or_default(),
        };
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Application {
            log: Log::open(&folder.join(format!("{}.log", settings.name))),
            cursor: Cursor::new(folder.join(format!("{}.cursor", settings.name))),
            agent: config.build().new_agent(),
            settings,
            turn: 0,
        }
    }

    fn address(&self) -> Address {
        let addresses = addresses(&self.settings.servers);
        addresses[self.turn % addresses.len()].clone()
    }

    /// Sends a request to the management API of a server. After a failure, the next one asks another server.
    fn send(&mut self, path: &str, accept: &str, body: Option<&Value>) -> Result<ureq::Body, Failed> {
        let address = self.address();
        let request = ureq::http::Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(format!("{}{path}", address.management))
            .header("authorization", format!("Bearer {}", self.settings.key))
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(body.map(Value::to_string).unwrap_or_default());
        let response = self.agent.run(request.unwrap()).map_err(|_| Failed);
        let failed = match response {
            Ok(response) if response.status() == 200 => return Ok(response.into_body()),
            // The answer may be that of another program at the address of a server that was killed.
            Ok(response) if response.status() != 503 && self.address() == address => {
                panic!("{path}: {}", response.status())
            }
            _ => Failed,
        };
        self.try_another();
        Err(failed)
    }

    fn try_another(&mut self) {
        self.turn += 1;
        thread::sleep(Duration::from_millis(20));
    }

    fn json(&mut self, path: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let text = self.send(path, "application/json", body)?.read_to_string();
        let json = text
            .map_err(|_| Failed)
            .and_then(|it| serde_json::from_str(&it).map_err(|_| Failed));
        json.inspect_err(|_| self.try_another())
    }

    /// Follows the pages of the feed. Events are stored some at a time, and the cursor after the page: a kill in between
    /// repeats events.
    fn read_pages(&mut self) -> ! {
        loop {
            let after = self.cursor.load().map(|it| format!("&after={it}"));
            let path = format!("/events?limit=200&wait=5{}", after.unwrap_or_default());
            let Ok(page) = self.json(&path, None) else {
                continue;
            };
            let events: Vec<String> = page["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(Value::to_string)
                .collect();
            for some in events.chunks(20) {
                self.log.append(some);
            }
            if !events.is_empty() {
                self.cursor.store(page["next"].as_str().unwrap());
            }
        }
    }

    /// Follows the feed as server-sent events.
    fn read_streams(&mut self) -> ! {
        loop {
            let after = self.cursor.load().map(|it| format!("?after={it}"));
            let path = format!("/events{}", after.unwrap_or_default());
            if let Ok(body) = self.send(&path, "text/event-stream", None) {
                self.read_stream(&mut BufReader::new(body.into_reader()));
                self.try_another();
            }
        }
    }

    /// Reads blocks until the stream ends, and ignores a block that is cut off.
    fn read_stream(&mut self, lines: &mut BufReader<impl std::io::Read>) {
        let (mut id, mut events, mut data) = (None, Vec::new(), None);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|it| it > 0) {
            match line.trim_end().split_once(": ") {
                Some(("id", it)) => id = Some(it.to_owned()),
                Some(("data", it)) => data = Some(it.to_owned()),
                None if line == "\n" => events.extend(data.take()),
                _ => {}
            }
            let is_block = line == "\n";
            line.clear();
            // Blocks that came together are stored together.
            let is_last = is_block && !lines.buffer().windows(2).any(|it| it == b"\n\n");
            if is_last && let Some(id) = id.take() {
                self.log.append(&events);
                self.cursor.store(&id);
                events.clear();
            }
        }
    }

    /// Polls for security event tokens (RFC 8936), and acknowledges them after they are stored.
    fn poll(&mut self) -> ! {
        let jwks = self.keys();
        let path = format!("/set-streams/{}/poll", self.settings.stream);
        let mut stored: Vec<String> = Vec::new();
        loop {
            let Ok(answer) = self.json(&path, Some(&json!({ "ack": stored }))) else {
                continue;
            };
            let sets = answer["sets"].as_object().unwrap();
            let claims: Vec<String> = sets
                .iter()
                .map(|(jti, set)| {
                    let claims = verify(&jwks, set.as_str().unwrap());
                    assert_eq!(claims["jti"], **jti);
                    claims.to_string()
                })
                .collect();
            self.log.append(&claims);
            stored = sets.keys().cloned().collect();
        }
    }

    /// The public keys of the servers.
    fn keys(&mut self) -> Value {
        loop {
            let address = self.address().scim;
            let origin = address.split("/scim/").next().unwrap();
            let answer = self.agent.get(format!("{origin}/.well-known/jwks.json")).call();
            let text = answer.ok().and_then(|mut it| it.body_mut().read_to_string().ok());
            match text.and_then(|it| serde_json::from_str(&it).ok()) {
                Some(keys) => return keys,
                None => self.try_another(),
            }
        }
    }

    /// Receives webhooks on the inherited socket.
    fn receive(self) {
        let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        let receiver = Arc::new(Receiver {
            secret: self.settings.secret.clone(),
            faults: self.settings.faults,
            log: Mutex::new(self.log),
            seen: Mutex::default(),
        });
        for connection in TcpListener::from(socket).incoming() {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.serve(&connection.unwrap()));
        }
    }
}

/// An application that gets webhooks and has faults at random.
struct Receiver {
    secret: String,
    faults: u64,
    log: Mutex<Log>,
    /// The messages that came. Their next attempts meet no fault, because the third one comes after minutes.
    seen: Mutex<HashSet<String>>,
}

/// A fault of the receiver.
#[derive(Clone, Copy)]
enum Fault {
    /// An error, before or after the message is stored.
    Error { stored: bool },
    /// The connection is closed without an answer.
    Close { stored: bool },
    /// No answer in time.
    Hang,
    /// The process ends.
    Die,
}

impl Receiver {
    fn serve(&self, connection: &TcpStream) {
        let Some(request) = read_request(connection) else {
            return;
        };
        if request.verify(&self.secret).is_err() || request.id() != request.json()["id"] {
            self.log.lock().unwrap().append(&["null".to_owned()]);
            std::process::exit(1);
        }
        let fault = self.fault(&request);
        match fault {
            Some(Fault::Error { stored: false }) => respond(connection, &answer(500)),
            Some(Fault::Error { stored: true }) => {
                self.store(&request);
                respond(connection, &answer(500));
            }
            Some(Fault::Close { stored: false }) => {}
            Some(Fault::Close { stored: true }) => self.store(&request),
            Some(Fault::Hang) => thread::sleep(Duration::from_secs(20)),
            Some(Fault::Die) => std::process::abort(),
            None => {
                self.store(&request);
                respond(connection, &answer(200));
            }
        }
    }

    fn fault(&self, request: &Received) -> Option<Fault> {
        let is_new = self.seen.lock().unwrap().insert(request.id().to_owned());
        if !is_new || fastrand::u64(0..1_000) >= self.faults {
            return None;
        }
        let stored = fastrand::bool();
        Some(match fastrand::u8(0..40) {
            0 => Fault::Hang,
            1 => Fault::Die,
            2..20 => Fault::Close { stored },
            _ => Fault::Error { stored },
        })
    }

    fn store(&self, request: &Received) {
        let body = String::from_utf8(request.body.clone()).unwrap();
        self.log.lock().unwrap().append(&[body]);
    }
}
