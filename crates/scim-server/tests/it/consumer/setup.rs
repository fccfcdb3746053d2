//! Two tenants behind a server on fixed addresses, and the processes of the consumer.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use serde_json::Value;

use crate::cli::Shell;
use crate::harness::{HttpClient, encode};
use crate::restart::Binary;

pub const TENANTS: [&str; 2] = ["acme", "globex"];

/// Tenant, id and `userName` of active users.
pub type Table = BTreeSet<(String, String, String)>;

/// The addresses and credentials of the server and the consumer.
pub struct Setup<'a> {
    shell: &'a Shell,
    scim: String,
    management: String,
    receiver: String,
    secrets_key: String,
    /// The webhook endpoint, with its id and secret.
    webhook: Value,
    feed_key: String,
    /// A token that writes, and one that reads, for each tenant.
    write_tokens: [Value; 2],
    read_tokens: [Value; 2],
}

impl<'a> Setup<'a> {
    /// Creates the tenants, and a webhook endpoint for events of some types.
    pub fn new(shell: &'a Shell, types: &str) -> Setup<'a> {
        let [scim, management, receiver] = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
        let secrets_key = shell.folder.path().join("secrets-key");
        std::fs::write(&secrets_key, format!("{}\n", "5c".repeat(32))).unwrap();
        let secrets_key = secrets_key.to_str().unwrap().to_owned();
        for tenant in TENANTS {
            shell.ok(&["tenant", "create", tenant]);
        }
        let tokens = |scope: &str| {
            TENANTS.map(|it| shell.json(&["token", "create", "--tenant", it, "--scope", scope, "--json"]))
        };
        let [write_tokens, read_tokens] = ["scim", "scim.read"].map(tokens);
        let key = shell.json(&[
            "key", "create", "--name", "product", "--scope", "events", "--json",
        ]);
        let webhook = shell.json(&[
            "webhook",
            "create",
            "--url",
            &format!("http://{receiver}/scim-events"),
            "--types",
            types,
            "--egress-allow",
            "127.0.0.1",
            "--secrets-key-file",
            &secrets_key,
            "--json",
        ]);
        Setup {
            shell,
            scim,
            management,
            receiver,
            secrets_key,
            webhook,
            feed_key: text(&key["key"]),
            write_tokens,
            read_tokens,
        }
    }

    /// Starts the server. Another one must not run.
    pub fn serve(&self, arguments: &[&str]) -> Binary {
        let mut command = self.shell.command(&["--listen", &self.scim]);
        command
            .args(["--management-listen", &self.management])
            .args([
                "--egress-allow",
                "127.0.0.1",
                "--secrets-key-file",
                &self.secrets_key,
            ])
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("SCIM_MANAGEMENT_LISTEN", &self.management);
        Binary::run(command)
    }

    fn scim_url(&self) -> String {
        format!("http://{}/scim/v2", self.scim)
    }

    pub fn client(&self, tenant: &str) -> HttpClient {
        let number = TENANTS.iter().position(|it| *it == tenant).expect("it exists");
        HttpClient::new(&self.scim_url(), &text(&self.write_tokens[number]["token"]))
    }

    /// Starts a consumer of both tenants.
    pub fn consume(&self, poll_seconds: u32) -> Consumer {
        self.consume_tenants(&TENANTS, poll_seconds)
    }

    pub fn consume_tenants(&self, tenants: &[&str], poll_seconds: u32) -> Consumer {
        let tokens = TENANTS.iter().zip(&self.read_tokens);
        let tokens = tokens.filter(|(tenant, _)| tenants.contains(tenant));
        let tokens: Vec<String> = tokens
            .map(|(tenant, token)| format!("{tenant}={}", text(&token["token"])))
            .collect();
        Consumer::start(
            self.shell.folder.path(),
            &[
                ("FEED_URL", &format!("http://{}/api/v1/events", self.management)),
                ("FEED_KEY", &self.feed_key),
                ("SCIM_URL", &self.scim_url()),
                ("SCIM_TOKENS", &tokens.join(",")),
                ("WEBHOOK_LISTEN", &self.receiver),
                ("WEBHOOK_SECRET", &text(&self.webhook["secret"])),
                ("POLL_SECONDS", &poll_seconds.to_string()),
            ],
        )
    }

    pub fn revoke_read_tokens(&self) {
        for token in &self.read_tokens {
            self.shell.ok(&["token", "revoke", &text(&token["id"])]);
        }
    }

    /// The table of the consumer.
    pub fn table(&self) -> Table {
        table(self.shell.folder.path())
    }

    /// The position that the consumer has stored.
    pub fn position(&self) -> Option<String> {
        position(self.shell.folder.path())
    }

    /// Deletes the database of the consumer, which must not run.
    pub fn forget(&self) {
        for name in ["users.db", "users.db-wal", "users.db-shm"] {
            let _ = std::fs::remove_file(self.shell.folder.path().join(name));
        }
    }

    /// The table that the consumer should have.
    pub fn directory(&self) -> Table {
        self.directory_of(&TENANTS)
    }

    pub fn directory_of(&self, tenants: &[&str]) -> Table {
        tenants.iter().flat_map(|it| self.active_users(it)).collect()
    }

    fn active_users(&self, tenant: &str) -> Table {
        let client = self.client(tenant);
        let mut users = Table::new();
        loop {
            let filter = encode("active eq true");
            let path = format!("/Users?filter={filter}&startIndex={}", users.len() + 1);
            let (status, page) = client.send("GET", &path, None);
            assert_eq!(status, 200, "{page}");
            let found = page["Resources"].as_array().unwrap();
            users.extend(
                found
                    .iter()
                    .map(|it| (tenant.to_owned(), text(&it["id"]), text(&it["userName"]))),
            );
            if found.is_empty() {
                return users;
            }
        }
    }

    /// The number of requests for the feed that got a status.
    pub fn feed_requests(&self, status: &str) -> u64 {
        let metrics = ureq::get(format!("http://{}/metrics", self.management)).call();
        let metrics = metrics.unwrap().body_mut().read_to_string().unwrap();
        let labels = [
            "route=\"/api/v1/events\"",
            "method=\"GET\"",
            &format!("status=\"{status}\""),
        ];
        let counted = metrics.lines().filter(|it| {
            it.starts_with("scim_requests_total{") && labels.iter().all(|label| it.contains(label))
        });
        counted
            .filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// The signature of the server for a message.
    pub fn signature(&self, id: &str, sent: i64, body: &str) -> String {
        let secret = standardwebhooks::Webhook::new(&text(&self.webhook["secret"])).unwrap();
        secret.sign(id, sent, body.as_bytes()).unwrap()
    }

    /// Sends a webhook to the consumer, and returns the status of the answer. An empty signature is left out.
    pub fn post_webhook(&self, id: &str, sent: i64, signature: &str, body: &str) -> u16 {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let request = agent.build().new_agent();
        let request = request.post(format!("http://{}/scim-events", self.receiver));
        let mut request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", sent.to_string());
        if !signature.is_empty() {
            request = request.header("webhook-signature", signature);
        }
        request.send(body).unwrap().status().as_u16()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// The names of a tenant's users.
pub fn rows_in(table: &Table, tenant: &str) -> Vec<String> {
    let rows = table.iter().filter(|(of, _, _)| of == tenant);
    rows.map(|(_, _, name)| name.clone()).collect()
}

/// Returns a free port. The system never uses these ports for outgoing connections, so that it stays free while the
/// server starts again.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..30_000));
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("it ends with a free one")
}

/// A process of the example. It is killed when this value is dropped.
pub struct Consumer {
    child: Child,
}

impl Consumer {
    /// Starts it in a folder, which then contains its database and its log.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Consumer {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("consumer.log"));
        let child = Command::new(example())
            .current_dir(folder)
            .envs(settings.iter().copied())
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        Consumer { child }
    }

    /// Kills the process without a chance to clean up.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // It has ended only if it failed.
        assert!(
            self.child.try_wait().unwrap().is_none() || std::thread::panicking(),
            "the consumer has ended, see its log"
        );
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the path of the example. Cargo builds it next to the binary.
fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_scim-server")).with_file_name("examples");
    let program = program.join(format!("consumer{}", std::env::consts::EXE_SUFFIX));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/consumer");
    let time = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified());
    let changed = std::fs::read_dir(sources)
        .unwrap()
        .map(|it| time(&it.unwrap().path()).unwrap());
    let is_current = time(&program).is_ok_and(|built| built >= changed.max().unwrap());
    assert!(
        is_current,
        "`cargo test --test it` does not build examples: run `cargo build -p scim-server --example consumer`"
    );
    program
}

/// Opens the database of the consumer that runs in a folder, if there is one.
fn open(folder: &Path) -> Option<SqliteConnection> {
    let path = folder.join("users.db");
    let mut db = SqliteConnection::establish(&format!("file:{}?mode=rw", path.display())).ok()?;
    db.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    Some(db)
}

/// Returns the table of the consumer that runs in a folder. It is empty before the first contact.
pub fn table(folder: &Path) -> Table {
    let query = diesel::dsl::sql::<(Text, Text, Text)>("SELECT tenant, id, user_name FROM active_users");
    let rows = open(folder).and_then(|mut db| query.get_results::<(String, String, String)>(&mut db).ok());
    rows.unwrap_or_default().into_iter().collect()
}

/// Returns the position of the consumer that runs in a folder.
pub fn position(folder: &Path) -> Option<String> {
    let query = diesel::dsl::sql::<Text>("SELECT after FROM feed_position");
    query.get_result(&mut open(folder)?).ok()
}
