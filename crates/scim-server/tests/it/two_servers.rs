//! Two server processes on one PostgreSQL: a write acknowledged by one is visible through the other.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{GROUP, HttpClient, PostgresDatabase, USER, encode, patch_op};
use crate::restart::Binary;

/// Two servers that were started at the same time on an empty database.
struct Pair {
    servers: [Binary; 2],
    /// The token that the first start has shown.
    token: String,
    database: PostgresDatabase,
}

impl Pair {
    /// `None` when `SCIM_TEST_POSTGRES_URL` is not set.
    fn start() -> Option<Pair> {
        let database = PostgresDatabase::create()?;
        let key = "5c".repeat(32);
        let arguments = ["--database-url", &database.url, "--cursor-key", &key];
        let start = || Binary::start_in(Arc::new(tempfile::tempdir().unwrap()), &arguments);
        let servers = thread::scope(|threads| {
            [threads.spawn(start), threads.spawn(start)].map(|it| it.join().unwrap())
        });
        let first: Vec<&Binary> = servers
            .iter()
            .filter(|it| it.printed.contains("Token "))
            .collect();
        let [first] = first[..] else {
            panic!("{} servers were the first", first.len());
        };
        let token = first.token();
        Some(Pair {
            servers,
            token,
            database,
        })
    }

    fn clients(&self) -> [HttpClient; 2] {
        [0, 1].map(|it| self.client(it))
    }

    fn client(&self, server: usize) -> HttpClient {
        HttpClient::new(&self.servers[server].base_url, &self.token)
    }

    /// Runs a command of the binary on the same database.
    fn command(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_scim-server"))
            .args(arguments)
            .args(["--json", "--database-url", &self.database.url])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn version(etag: Option<String>) -> i64 {
    let etag = etag.expect("a change answers with an ETag");
    let digits: String = etag.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn create_user(client: &HttpClient, name: &str) -> String {
    client.create("/Users", &json!({ "schemas": [USER], "userName": name }))
}

#[test]
fn servers_that_start_at_once_on_an_empty_database_share_it() {
    let Some(pair) = Pair::start() else { return };
    let [one, other] = pair.clients();
    let user = create_user(&one, "bjensen");
    assert_eq!(other.send("GET", &format!("/Users/{user}"), None).0, 200);
}

/// Members are added and removed through both servers. No change is lost and every version is distinct.
#[test]
fn two_servers_can_change_one_group() {
    const WRITERS: usize = 4;
    const MEMBERS: usize = 12;
    let Some(pair) = Pair::start() else { return };
    let one = pair.client(0);
    let group = one.create(
        "/Groups",
        &json!({ "schemas": [GROUP], "displayName": "everybody" }),
    );
    let path = format!("/Groups/{group}");
    let users: Vec<Vec<String>> = (0..WRITERS)
        .map(|writer| {
            (0..MEMBERS)
                .map(|it| create_user(&one, &format!("{writer}-{it}")))
                .collect()
        })
        .collect();
    let versions = Mutex::new(Vec::new());
    let change = |client: &HttpClient, operation: Value| {
        for _ in 0..100 {
            let (status, etag, body) =
                client.send_if_match("PATCH", &path, None, &patch_op(json!([operation.clone()])));
            match status {
                204 => return version(etag),
                // The server is busy.
                503 => thread::sleep(Duration::from_millis(50)),
                _ => panic!("{status}: {body}"),
            }
        }
        panic!("it is always busy");
    };
    thread::scope(|threads| {
        for (writer, users) in users.iter().enumerate() {
            let client = pair.client(writer % 2);
            let (change, versions) = (&change, &versions);
            threads.spawn(move || {
                let mut mine = Vec::new();
                for (number, user) in users.iter().enumerate() {
                    let add = json!({ "op": "add", "path": "members", "value": [{ "value": user }] });
                    mine.push(change(&client, add));
                    if number % 3 == 0 {
                        let path = format!("members[value eq \"{user}\"]");
                        mine.push(change(&client, json!({ "op": "remove", "path": path })));
                    }
                }
                assert!(mine.is_sorted_by(|a, b| a < b), "{mine:?}");
                versions.lock().unwrap().extend(mine);
            });
        }
    });
    let versions = versions.into_inner().unwrap();
    let distinct: BTreeSet<i64> = versions.iter().copied().collect();
    assert_eq!(distinct.len(), versions.len(), "no version was given twice");
    let expected: BTreeSet<&str> = users
        .iter()
        .flat_map(|it| it.iter().enumerate())
        .filter(|(number, _)| number % 3 != 0)
        .map(|(_, user)| user.as_str())
        .collect();
    for client in pair.clients() {
        let (_, etag, shown) = client.send_if_match("GET", &path, None, &Value::Null);
        let members: Vec<&str> = shown["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["value"].as_str().unwrap())
            .collect();
        assert_eq!(members.len(), expected.len());
        assert_eq!(BTreeSet::from_iter(members), expected);
        assert_eq!(Some(version(etag)), distinct.last().copied());
    }
}

#[test]
fn one_of_two_changes_of_the_same_version_succeeds() {
    let Some(pair) = Pair::start() else { return };
    let [one, other] = pair.clients();
    let user = create_user(&one, "bjensen");
    let path = format!("/Users/{user}");
    for round in 0..10 {
        let (_, etag, _) = one.send_if_match("GET", &path, None, &Value::Null);
        let etag = etag.unwrap();
        let together = Barrier::new(2);
        let put = |client: &HttpClient, title: &str| {
            let body =
                json!({ "schemas": [USER], "userName": "bjensen", "title": format!("{title} {round}") });
            together.wait();
            client.send_if_match("PUT", &path, Some(&etag), &body).0
        };
        let mut statuses = thread::scope(|threads| {
            let one = threads.spawn(|| put(&one, "one"));
            let other = threads.spawn(|| put(&other, "other"));
            [one.join().unwrap(), other.join().unwrap()]
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
    let (_, etag, _) = other.send_if_match("GET", &path, None, &Value::Null);
    assert_eq!(version(etag), 11);
}

#[test]
fn one_of_two_creates_of_a_user_name_succeeds() {
    let Some(pair) = Pair::start() else { return };
    let clients = pair.clients();
    for round in 0..10 {
        let together = Barrier::new(2);
        let post = |client: &HttpClient| {
            let body = json!({ "schemas": [USER], "userName": format!("user{round}") });
            together.wait();
            client.send("POST", "/Users", Some(&body))
        };
        let mut answers = thread::scope(|threads| {
            let posting = clients.each_ref().map(|client| threads.spawn(|| post(client)));
            posting.map(|it| it.join().unwrap())
        });
        answers.sort_by_key(|(status, _)| *status);
        let [(created, _), (refused, error)] = answers;
        assert_eq!((created, refused), (201, 409), "round {round}: {error}");
        assert_eq!(error["scimType"], "uniqueness");
    }
    for client in &clients {
        assert_eq!(client.send("GET", "/Users", None).1["totalResults"], 10);
    }
}

/// Both servers have the token in their caches and refuse it once the command has returned.
#[test]
fn a_revoked_token_is_refused_by_both() {
    let Some(pair) = Pair::start() else { return };
    let created = pair.command(&["token", "create", "--tenant", "default"]);
    let secret = created["token"].as_str().unwrap();
    for server in &pair.servers {
        assert_eq!(server.get("/Users", secret).0, 200);
    }
    pair.command(&["token", "revoke", created["id"].as_str().unwrap()]);
    for server in &pair.servers {
        assert_eq!(server.get("/Users", secret).0, 401);
        assert_eq!(server.get("/Users", &pair.token).0, 200);
    }
}

/// A connection is changed, paused and deleted on both within the time that a command waits.
#[test]
fn a_changed_connection_is_changed_on_both() {
    let Some(pair) = Pair::start() else { return };
    pair.command(&["connection", "create", "entra", "--tenant", "default"]);
    let token = pair.command(&["token", "create", "--tenant", "default", "--connection", "entra"]);
    let secret = token["token"].as_str().unwrap();
    let filter = format!("/Users?filter={}", encode("userName eq \"x\""));
    let answers = || {
        let answers = pair.servers.iter().map(|it| it.get(&filter, secret).0);
        answers.collect::<Vec<_>>()
    };
    let change = |arguments: &[&str]| {
        let words = [&["connection"], arguments, &["--tenant", "default"]].concat();
        pair.command(&words);
    };
    assert_eq!(answers(), [200, 200]);
    change(&["set", "entra", "url-filters=refuse"]);
    assert_eq!(answers(), [403, 403]);
    change(&["set", "entra", "url-filters="]);
    assert_eq!(answers(), [200, 200]);
    change(&["pause", "entra"]);
    assert_eq!(answers(), [403, 403]);
    change(&["resume", "entra"]);
    assert_eq!(answers(), [200, 200]);
    let next = pair.command(&["token", "rotate", token["id"].as_str().unwrap(), "--overlap", "0"]);
    assert_eq!(answers(), [401, 401]);
    for server in &pair.servers {
        assert_eq!(server.get("/Users", next["token"].as_str().unwrap()).0, 200);
    }
    change(&["delete", "entra", "--yes"]);
    for server in &pair.servers {
        assert_eq!(server.get("/Users", next["token"].as_str().unwrap()).0, 401);
    }
}

/// A server that keeps no session state can share a database with one that does; commands take the same setting.
#[test]
fn servers_with_and_without_a_pooler_share_a_database() {
    let Some(pair) = Pair::start() else { return };
    let url = pair.database.url.as_str();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let pooled = Binary::start_in(
        folder,
        &["--postgres-pooler", "transaction", "--database-url", url],
    );
    let through_pooler = HttpClient::new(&pooled.base_url, &pair.token);
    for round in 0..10 {
        let user = create_user(&through_pooler, &format!("user{round}"));
        assert_eq!(
            pair.client(0).send("DELETE", &format!("/Users/{user}"), None).0,
            204
        );
        assert_eq!(through_pooler.send("GET", &format!("/Users/{user}"), None).0, 404);
    }
    let tokens = pair.command(&["token", "list", "--postgres-pooler", "transaction"]);
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
}

#[test]
fn cursors_of_one_are_accepted_by_the_other() {
    let Some(pair) = Pair::start() else { return };
    let clients = pair.clients();
    let created: BTreeSet<String> = (0..7)
        .map(|it| create_user(&clients[0], &format!("user{it}")))
        .collect();
    let mut found = Vec::new();
    let mut path = "/Users?count=2&cursor".to_owned();
    for turn in 0.. {
        let (status, page) = clients[turn % 2].send("GET", &path, None);
        assert_eq!(status, 200, "{page}");
        for user in page["Resources"].as_array().unwrap() {
            found.push(user["id"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            assert_eq!(turn, 3);
            break;
        };
        path = format!("/Users?count=2&cursor={}", encode(cursor));
    }
    assert_eq!(found.len(), created.len());
    assert_eq!(BTreeSet::from_iter(found), created);
}
