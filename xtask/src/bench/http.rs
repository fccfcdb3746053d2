//! `cargo xtask bench http`: the processor time that the server needs for a request, compared with `/livez`, the
//! cheapest request. To add a request, add a row to [`SCENARIOS`].
//!
//! Elapsed time depends on what else the machine does, so the processor time of the server's threads is measured. Each
//! binary runs its own server on its own SQLite database, which is filled over HTTP. So binaries with different database
//! schemas can be compared. All servers run at the same time, and the rounds of their measurements alternate.

mod connection;
pub(super) mod fairness;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::connection::{Connection, Request};
use crate::process;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The number of users in the database
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// The number of rounds; the cheapest one counts
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The server binaries to compare with the first one [default: a release build of this source]
    #[arg(long, value_delimiter = ',', value_name = "PATH")]
    binary: Vec<PathBuf>,
    /// Measures only `/livez` and the requests whose name contains this text
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
}

/// A kind of request.
struct Scenario {
    name: &'static str,
    /// The number of requests in a round.
    requests: usize,
    /// Returns the nth request.
    request: fn(&[User], usize) -> Request,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "/livez",
        requests: 1_000,
        request: |_, _| Request::get("/livez".to_owned()),
    },
    Scenario {
        name: "GET by id",
        requests: 500,
        request: |users, n| Request::get(path_of(users, n)),
    },
    Scenario {
        name: "userName eq",
        requests: 500,
        request: |users, n| {
            let name = &users[n % users.len()].name;
            Request::get(format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22"))
        },
    },
    Scenario {
        name: "page of 100",
        requests: 50,
        request: |_, _| Request::get("/scim/v2/Users?count=100".to_owned()),
    },
    Scenario {
        name: "PATCH",
        requests: 100,
        request: |users, n| {
            let operation = json!({ "op": "replace", "path": "title", "value": format!("title {n}") });
            let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
            let body = json!({ "schemas": schemas, "Operations": [operation] });
            Request::new("PATCH", path_of(users, n), &body)
        },
    },
];

fn path_of(users: &[User], n: usize) -> String {
    format!("/scim/v2/Users/{}", users[n % users.len()].id)
}

/// Builds the server of this source and returns its path.
fn release_build() -> Result<PathBuf, String> {
    process::run(&mut process::cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "scim-server",
    ]))?;
    Ok(process::root().join("target/release/scim-server"))
}

/// Runs the bench and prints its table.
///
/// # Errors
/// Fails when a server cannot be started, or when it answers with an error.
pub(super) fn run(options: &Options) -> Result<(), String> {
    let mut binaries = options.binary.clone();
    if binaries.is_empty() {
        binaries.push(release_build()?);
    }
    let mut servers = Vec::new();
    for binary in &binaries {
        println!("filling {} users with {}", options.users, binary.display());
        servers.push(
            Server::start(binary, options.users, 0).map_err(|it| format!("{}: {it}", binary.display()))?,
        );
    }
    let is_wanted = |it: &&Scenario| it.name == "/livez" || it.name.contains(&options.only);
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(is_wanted).collect();
    let mut cheapest = vec![vec![f64::INFINITY; scenarios.len()]; servers.len()];
    // The first round fills the caches.
    for round in 0..=options.rounds {
        for (row, scenario) in scenarios.iter().enumerate() {
            for turn in 0..servers.len() {
                let server = (turn + round as usize) % servers.len();
                let cost = servers[server]
                    .measure(scenario, round as usize)
                    .map_err(|error| format!("{}: {error}", scenario.name))?;
                if round > 0 {
                    cheapest[server][row] = cheapest[server][row].min(cost);
                }
            }
        }
    }
    let names: Vec<&str> = scenarios.iter().map(|it| it.name).collect();
    println!("{}", table(&names, &cheapest));
    Ok(())
}

/// Returns a table of the microseconds for each request and server, with their ratios to `/livez` of the same server and
/// to the first server.
fn table(names: &[&str], costs: &[Vec<f64>]) -> String {
    let mut text = "| request |".to_owned();
    for number in 1..=costs.len() {
        let _ = match (costs.len(), number) {
            (1, _) => write!(text, " µs | to `/livez` |"),
            (_, 1) => write!(text, " binary 1: µs | to `/livez` |"),
            _ => write!(text, " binary {number}: µs | to `/livez` | to binary 1 |"),
        };
    }
    text += &format!("\n| --- |{}", " ---: |".repeat(costs.len() * 3 - 1));
    for (row, name) in names.iter().enumerate() {
        let _ = write!(text, "\n| {name} |");
        for (number, of_server) in costs.iter().enumerate() {
            let cost = of_server[row];
            let _ = write!(text, " {cost:.1} | {:.2} |", cost / of_server[0]);
            if number > 0 {
                let _ = write!(text, " {:.3} |", cost / costs[0][row]);
            }
        }
    }
    text
}

/// A user in the database of a server.
struct User {
    id: String,
    name: String,
}

/// A running server, which ends when this value is dropped.
struct Server {
    child: Child,
    /// Kept open, so that the server can print.
    _output: BufReader<ChildStdout>,
    _folder: TempDir,
    /// The URL of its database.
    database: String,
    address: String,
    token: String,
    users: Vec<User>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of connections over which a database is filled. SQLite commits waiting writes together.
const WRITERS: usize = 16;

impl Server {
    /// Starts a server with a rate limit, where 0 means none, and fills its database.
    fn start(binary: &Path, users: usize, rate_limit: u32) -> io::Result<Server> {
        let folder = tempfile::tempdir()?;
        let database = format!("sqlite:{}", folder.path().join("bench.db").display());
        let token_file = folder.path().join("token");
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SCIM_") {
                command.env_remove(name);
            }
        }
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--database-url",
                &database,
                "--first-token-file",
            ])
            .arg(&token_file)
            .env("SCIM_RATE_LIMIT", rate_limit.to_string())
            // Servers that run at the same time cannot share a port. A version without this variable ignores it.
            .env("SCIM_MANAGEMENT_LISTEN", "off")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = listening_address(&mut output)?;
        // The file is written before the address is printed.
        let token = std::fs::read_to_string(token_file)?.trim().to_owned();
        let mut server = Server {
            child,
            _output: output,
            _folder: folder,
            database,
            address,
            token,
            users: Vec::new(),
        };
        let fill = |writer: usize| -> io::Result<Vec<User>> {
            let mut connection = server.connect()?;
            (writer..users)
                .step_by(WRITERS)
                .map(|n| create_user(&mut connection, n))
                .collect()
        };
        let filled = thread::scope(|scope| {
            let fill = &fill;
            let writers: Vec<_> = (0..WRITERS).map(|it| scope.spawn(move || fill(it))).collect();
            let joined = writers
                .into_iter()
                .map(|it| it.join().expect("a writer does not panic"));
            joined.collect::<io::Result<Vec<_>>>()
        });
        server.users = filled?.into_iter().flatten().collect();
        Ok(server)
    }

    fn connect(&self) -> io::Result<Connection> {
        Connection::open(&self.address, &self.token)
    }

    /// Sends the requests of a scenario one after the other, and returns the microseconds of processor time for each.
    fn measure(&self, scenario: &Scenario, round: usize) -> io::Result<f64> {
        let requests: Vec<_> = (0..scenario.requests)
            // The stride is prime, so that each round visits users all over the database.
            .map(|n| (scenario.request)(&self.users, n * 7_919 + round))
            .collect();
        // A connection that waited for the other servers would have been closed.
        let mut connection = self.connect()?;
        let before = self.processor_time()?;
        for request in &requests {
            connection.send(request)?;
        }
        // The kernel updates the processor time of a thread when the thread stops running.
        thread::sleep(Duration::from_millis(20));
        let nanoseconds = spent(&before, &self.processor_time()?);
        Ok(nanoseconds as f64 / 1_000.0 / requests.len() as f64)
    }

    /// Returns the processor time of each thread in nanoseconds. The kernel's total for the process has a resolution
    /// of a hundredth of a second, which is too coarse.
    fn processor_time(&self) -> io::Result<BTreeMap<OsString, u64>> {
        let mut times = BTreeMap::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let thread = thread?;
            // The pools of the server end threads that have had nothing to do for a while.
            let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = text.split(' ').next().and_then(|it| it.parse().ok());
            times.insert(thread.file_name(), nanoseconds.unwrap_or(0));
        }
        Ok(times)
    }
}

/// Returns the time that the threads have used since `before`. A thread that has ended since was idle and counts nothing.
fn spent(before: &BTreeMap<OsString, u64>, after: &BTreeMap<OsString, u64>) -> u64 {
    let of_thread = |(thread, now): (&OsString, &u64)| now.saturating_sub(*before.get(thread).unwrap_or(&0));
    after.iter().map(of_thread).sum()
}

fn create_user(connection: &mut Connection, n: usize) -> io::Result<User> {
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let name = format!("user{n}@example.com");
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": name,
        "externalId": format!("external-{n}"),
        "name": { "givenName": "Barbara", "familyName": format!("Jensen {n}") },
        "displayName": format!("Barbara Jensen {n}"),
        "title": "Tour Guide",
        "active": true,
        "emails": [{ "value": name, "type": "work", "primary": true }],
        "phoneNumbers": [{ "value": "555-555-8377", "type": "work" }],
        ENTERPRISE: { "employeeNumber": n.to_string(), "department": "Tour Operations" },
    });
    let request = Request::new("POST", "/scim/v2/Users".to_owned(), &user);
    let answer: Value = serde_json::from_slice(&connection.send(&request)?)?;
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    Ok(User { id, name })
}

/// Reads the output of a server until it prints the address that it listens on.
fn listening_address(output: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    while output.read_line(&mut line)? > 0 {
        if let Some((_, rest)) = line.split_once("listening on ") {
            return Ok(rest.split(',').next().unwrap_or_default().to_owned());
        }
        line.clear();
    }
    Err(io::Error::other(
        "the server did not start; run it by hand to see why",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_end_take_nothing_away() {
        let times = |times: &[(&str, u64)]| times.iter().map(|(thread, it)| (thread.into(), *it)).collect();
        let (before, after) = (times(&[("1", 10), ("2", 900)]), times(&[("1", 15), ("3", 7)]));
        assert_eq!(spent(&before, &after), 12);
    }

    #[test]
    fn the_table_has_ratios_to_livez_and_to_the_first_binary() {
        let names = ["/livez", "PATCH"];
        let one = table(&names, &[vec![10.0, 25.0]]);
        assert_eq!(
            one,
            "| request | µs | to `/livez` |\n| --- | ---: | ---: |\n| /livez | 10.0 | 1.00 |\n| PATCH | 25.0 | 2.50 |"
        );
        let two = table(&names, &[vec![10.0, 25.0], vec![10.0, 26.0]]);
        assert!(
            two.ends_with("| PATCH | 25.0 | 2.50 | 26.0 | 2.60 | 1.040 |"),
            "{two}"
        );
    }
}
