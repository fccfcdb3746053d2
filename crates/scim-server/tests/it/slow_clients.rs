//! Large pages and slow clients: the memory that they take, and what other clients notice of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};

use crate::harness::{Choice, HttpClient, HttpServer, Token, USER, create_token};
use crate::restart::Binary;

/// The size of a test. The large one is run by hand with `SCIM_TEST_LARGE=1` and `--nocapture`.
struct Size {
    users: usize,
    user_bytes: usize,
    groups: usize,
    members: usize,
    clients: usize,
    write_timeout: u64,
    /// The most anonymous memory of the server, in MiB.
    memory: u64,
}

const SMALL: Size = Size {
    users: 40,
    user_bytes: 1_000_000,
    groups: 30,
    members: 2_000,
    clients: 10,
    write_timeout: 2,
    memory: 256,
};

const LARGE: Size = Size {
    users: 200,
    user_bytes: 1_000_000,
    groups: 60,
    members: 9_000,
    clients: 50,
    write_timeout: 30,
    memory: 512,
};

impl Size {
    fn chosen() -> Size {
        match std::env::var_os("SCIM_TEST_LARGE") {
            Some(_) => LARGE,
            None => SMALL,
        }
    }
}

/// A user of about this size, most of it certificates.
fn large_user(number: usize, bytes: usize) -> Value {
    const CERTIFICATE: usize = 50_000;
    let certificate = |it: usize| json!({ "value": format!("{it:04}{}", "A".repeat(CERTIFICATE - 4)) });
    let certificates: Vec<Value> = (0..bytes / CERTIFICATE).map(certificate).collect();
    json!({ "schemas": [USER], "userName": format!("user{number}"), "x509Certificates": certificates })
}

/// Starts a server with users of this size, and with groups.
fn start(size: &Size) -> (Binary, String) {
    let server = Binary::start(&[]);
    let (client, token) = (server.client(), server.token());
    for number in 0..size.users {
        client.create("/Users", &large_user(number, size.user_bytes));
    }
    // One client a statement would take minutes.
    let url = server.database_url();
    let folder = server.kill();
    let mut database = SqliteConnection::establish(url.trim_start_matches("sqlite:")).unwrap();
    let (groups, members) = (size.groups, size.members);
    database
        .batch_execute(&format!(
            "CREATE TEMP TABLE number (n INTEGER PRIMARY KEY);
             INSERT INTO number WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {members})
               SELECT n FROM c;
             INSERT INTO resource (tenant_id, kind, id, version, created, modified, unique_key, label, document)
               SELECT 1, 1, randomblob(16), 1, 0, 0, 'member' || n, 'Member ' || n,
                 '{{\"schemas\":[\"{USER}\"],\"userName\":\"member' || n || '\"}}' FROM number;
             INSERT INTO resource (tenant_id, kind, id, version, created, modified, unique_key, label, document)
               SELECT 1, 2, randomblob(16), 1, 0, 0, 'group' || n, 'Group ' || n,
                 '{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"displayName\":\"Group ' || n || '\"}}'
                 FROM number WHERE n <= {groups};
             INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
               SELECT 1, g.pk, u.pk, u.pk FROM resource g JOIN resource u ON u.unique_key LIKE 'member%'
               WHERE g.kind = 2;
             UPDATE resource_count SET number = number + {members} WHERE tenant_id = 1 AND kind = 1;
             INSERT INTO resource_count (tenant_id, kind, shard, number) VALUES (1, 2, 16, {groups});"
        ))
        .unwrap();
    drop(database);
    let timeout = size.write_timeout.to_string();
    (Binary::start_in(folder, &["--write-timeout", &timeout]), token)
}

/// Creates another tenant, and returns its token.
fn token_of_new_tenant(database_url: &str) -> String {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_scim-server"))
            .args(arguments)
            .args(["--json", "--database-url", database_url])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    run(&["tenant", "create", "other"]);
    let token = run(&["token", "create", "--tenant", "other"]);
    token["token"].as_str().unwrap().to_owned()
}

/// A client that has sent a request.
fn request(server: &Binary, token: &str, path: &str) -> TcpStream {
    let mut stream = server.connect();
    let request = format!(
        "GET /scim/v2{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads a response in chunks, whose length the server does not know. `between` is called for each part that arrives.
fn read_all(mut stream: TcpStream, mut between: impl FnMut()) -> Value {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let number = stream.read(&mut buffer).unwrap();
        if number == 0 {
            break;
        }
        bytes.extend(&buffer[..number]);
        between();
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut body = String::new();
    loop {
        let (length, from) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return serde_json::from_str(&body).unwrap();
        }
        body.push_str(&from[..length]);
        rest = from[length..].strip_prefix("\r\n").unwrap();
    }
}

/// Whether a client that does not read has a 503. A slow machine turns some of many requests at once away.
fn is_turned_away(stream: &TcpStream) -> bool {
    let mut start = [0; 12];
    stream.set_nonblocking(true).unwrap();
    matches!(stream.peek(&mut start), Ok(12) if &start == b"HTTP/1.1 503")
}

/// The anonymous memory of a process, in MiB.
fn anonymous_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("RssAnon:")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024
}

#[test]
#[cfg(target_os = "linux")]
fn clients_that_do_not_read_take_little_memory_and_are_disconnected() {
    let size = Size::chosen();
    let (server, token) = start(&size);
    let other = HttpClient::new(&server.base_url, &token_of_new_tenant(&server.database_url()));
    other.create("/Users", &json!({ "schemas": [USER], "userName": "alice" }));
    let user = "/Users?filter=userName%20eq%20%22alice%22";
    let before = anonymous_memory(server.id());
    let began = Instant::now();
    let mut waiting: Vec<TcpStream> = (0..size.clients)
        .map(|number| {
            let path = ["/Users?count=200", "/Groups?count=60"][number % 2];
            request(&server, &token, path)
        })
        .collect();
    let mut most = 0;
    let mut answers = 0;
    let mut turned_away = 0;
    let mut slowest = Duration::ZERO;
    let longest = Duration::from_secs(2 * size.write_timeout + 20);
    while !waiting.is_empty() {
        most = most.max(anonymous_memory(server.id()));
        let asked = Instant::now();
        let (status, found) = other.send("GET", user, None);
        assert_eq!((status, &found["totalResults"]), (200, &json!(1)));
        answers += 1;
        slowest = slowest.max(asked.elapsed());
        // The reset of a connection is an error of its socket, also for a client that does not read.
        waiting.retain(|it| it.take_error().unwrap().is_none());
        let before = waiting.len();
        waiting.retain(|it| !is_turned_away(it));
        turned_away += before - waiting.len();
        assert!(
            began.elapsed() < longest,
            "{} clients are still connected",
            waiting.len()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // Written to stderr directly, because the test harness would capture it.
    let _ = writeln!(
        std::io::stderr(),
        "anonymous memory: {before} MiB before, {most} MiB at most; all disconnected after {:?}, {turned_away} of them with \
         503; {answers} answers to another client, the slowest after {slowest:?}",
        began.elapsed()
    );
    assert!(began.elapsed() >= Duration::from_secs(size.write_timeout));
    assert!(most < size.memory, "{most} MiB");
    assert!(turned_away < size.clients / 2 + 1, "{turned_away}");
}

#[test]
fn large_pages_are_complete() {
    let size = Size {
        users: 5,
        groups: 5,
        members: 12_000,
        ..SMALL
    };
    let (server, token) = start(&size);
    let users = read_all(request(&server, &token, "/Users?count=100"), || {});
    assert_eq!(users["totalResults"], json!(12_005));
    assert_eq!(users["itemsPerPage"], json!(100));
    let names = users["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["userName"]);
    let expected = (0..5)
        .map(|it| format!("user{it}"))
        .chain((1..96).map(|it| format!("member{it}")));
    assert!(names.eq(expected.map(Value::from).collect::<Vec<_>>().iter()));
    let groups = read_all(request(&server, &token, "/Groups"), || {});
    assert_eq!(groups["itemsPerPage"], json!(5));
    for group in groups["Resources"].as_array().unwrap() {
        let members = group["members"].as_array().unwrap();
        assert_eq!(members.len(), 12_000);
        let displayed = |it: usize| members[it]["display"].as_str().unwrap().to_owned();
        assert_eq!(
            (displayed(0), displayed(11_999)),
            ("Member 1".into(), "Member 12000".into())
        );
    }
    let path = groups["Resources"][0]["meta"]["location"].as_str().unwrap();
    let path = path.split_once("/scim/v2").unwrap().1;
    let group = read_all(request(&server, &token, path), || {});
    assert_eq!(group["members"], groups["Resources"][0]["members"]);
}

#[test]
fn resources_that_are_deleted_while_a_page_is_sent_are_left_out() {
    let size = Size { groups: 1, ..SMALL };
    let (server, token) = start(&size);
    let client = HttpClient::new(&server.base_url, &token);
    let (_, found) = client.send(
        "GET",
        "/Users?filter=userName%20eq%20%22user39%22&attributes=id",
        None,
    );
    let last = found["Resources"][0]["id"].as_str().unwrap().to_owned();
    let mut has_deleted = false;
    let users = read_all(request(&server, &token, "/Users?count=40"), || {
        if !has_deleted {
            assert_eq!(client.send("DELETE", &format!("/Users/{last}"), None).0, 204);
            has_deleted = true;
        }
    });
    assert_eq!(users["totalResults"], json!(2_040));
    assert_eq!(users["itemsPerPage"], json!(39));
    assert_eq!(users["Resources"].as_array().unwrap().len(), 39);
}

/// A tenant with heavy pages in parallel does not keep another tenant from its resources.
#[test]
fn heavy_pages_of_a_tenant_do_not_starve_another_one() {
    let servers = [
        Some(HttpServer::start()),
        HttpServer::start_on_postgres(Choice::default()),
    ];
    for server in servers.into_iter().flatten() {
        let heavy = HttpClient::new(&server.base_url, &server.token);
        for number in 0..85 {
            heavy.create("/Users", &large_user(number, 500_000));
        }
        let tenant = scim_model::store::Directory::create_tenant(&*server.store, "other", chrono::Utc::now());
        let (token, _) = create_token(&*server.store, tenant.unwrap(), Token::default());
        let other = HttpClient::new(&server.base_url, &token);
        let id = other.create("/Users", &json!({ "schemas": [USER], "userName": "alice" }));
        let address = server
            .base_url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let mut stream = TcpStream::connect(address).unwrap();
                        let request = format!(
                            "GET /scim/v2/Users?count=200 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
                             connection: close\r\n\r\n",
                            server.token
                        );
                        stream.write_all(request.as_bytes()).unwrap();
                        let mut buffer = vec![0; 1024 * 1024];
                        while Instant::now() < end && stream.read(&mut buffer).unwrap() > 0 {}
                    }
                });
            }
            let mut answers = 0;
            let mut slowest = Duration::ZERO;
            while Instant::now() < end {
                let asked = Instant::now();
                assert_eq!(other.send("GET", &format!("/Users/{id}"), None).0, 200);
                slowest = slowest.max(asked.elapsed());
                answers += 1;
            }
            assert!(
                answers >= 10 && slowest < Duration::from_secs(3),
                "{answers} {slowest:?}"
            );
        });
    }
}
