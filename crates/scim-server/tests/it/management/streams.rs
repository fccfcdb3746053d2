//! The feed as server-sent events, over a socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::Utc;
use scim_model::store::ChangeJournal as _;
use scim_server::http::server::listen_for_operators;
use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};

use super::operator::Operator;
use crate::harness::{Choice, Server, on_each, wait_until};

/// The management listener of a server behind a socket.
struct Live {
    address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    fn start(server: &Server) -> Live {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = server.management.clone();
        let (send, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = listen_for_operators(state, listener, None, std::future::pending()).unwrap();
                send.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Live {
            address,
            handle: started.recv().unwrap(),
            thread: Some(thread),
        }
    }

    fn connect(&self, operator: &Operator, query: &str, headers: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let key = &operator.key;
        let request = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Accept: text/event-stream\r\n{headers}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        socket
    }

    /// Opens a stream, and reads the head of the answer.
    fn open(&self, operator: &Operator, query: &str, headers: &str) -> Reader {
        let mut lines = BufReader::new(self.connect(operator, query, headers));
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_lowercase()),
            }
        }
        Reader {
            lines,
            head,
            text: String::new(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The client of a stream.
struct Reader {
    lines: BufReader<TcpStream>,
    head: Vec<String>,
    /// The part of the body that is not a whole block yet.
    text: String,
}

impl Reader {
    fn status(&self) -> &str {
        self.head[0].split(' ').nth(1).unwrap()
    }

    /// The status of a refused stream, and the field that its problem names.
    fn refusal(mut self) -> (String, Value) {
        let mut length = self
            .head
            .iter()
            .filter_map(|it| it.strip_prefix("content-length: "));
        let mut body = vec![0; length.next().expect("the answer has an end").parse().unwrap()];
        self.lines.read_exact(&mut body).unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        (self.status().to_owned(), problem["errors"][0]["field"].clone())
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let mut size = String::new();
            match self.lines.read_line(&mut size) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if is_timeout(&error) => panic!("the stream is silent for 30 seconds"),
                // The connection was closed.
                Err(_) => return None,
            }
            let size = usize::from_str_radix(size.trim(), 16).expect("it is the size of a chunk");
            let mut chunk = vec![0; size + 2];
            self.lines.read_exact(&mut chunk).ok()?;
            if size == 0 {
                assert_eq!(self.text, "", "the last block is complete");
                return None;
            }
            self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    /// Reads to the end of the stream, which the key decides. The constants of the server say that it takes at most ten
    /// seconds; a busy machine gets more.
    #[track_caller]
    fn expect_end(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.block().is_some() {
            assert!(Instant::now() < end, "the stream goes on");
        }
    }

    /// The next event: its id and JSON. Its three lines agree.
    fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.block().expect("the stream goes on");
            let lines: Vec<&str> = block.lines().collect();
            let [id, event, data] = lines[..] else { continue };
            let json: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(id.strip_prefix("id: "), json["id"].as_str());
            assert_eq!(event.strip_prefix("event: "), json["type"].as_str());
            return (id.strip_prefix("id: ").unwrap().to_owned(), json);
        }
    }

    fn user_names(&mut self, number: usize) -> Vec<Value> {
        (0..number)
            .map(|_| self.event().1["data"]["userName"].clone())
            .collect()
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}

/// evt-34, evt-35, evt-37, evt-40, evt-47
#[test]
fn evt_34_to_47_a_stream_has_the_events_of_the_pages() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let admin = server.admin();
        acme.create("/Users", json!({"userName": "a", "title": "two\nlines"}));
        acme.create_user("c");
        let live = Live::start(&server);
        let mut reader = live.open(&admin, "", "");
        assert_eq!(reader.status(), "200");
        for header in [
            "content-type: text/event-stream",
            "cache-control: no-store",
            "x-accel-buffering: no",
            "transfer-encoding: chunked",
        ] {
            assert!(
                reader.head.iter().any(|it| it == header),
                "{header} in {:?}",
                reader.head
            );
        }
        assert!(!reader.head.iter().any(|it| it.starts_with("content-length")));
        assert_eq!(reader.block().as_deref(), Some("retry: 5000"));
        let (first, one) = reader.event();
        let (second, two) = reader.event();
        assert_eq!(one["data"]["changes"]["title"]["new"], "two\nlines");
        // Events arrive as they happen.
        let began = Instant::now();
        let user = acme.create_user("d");
        acme.patch(
            &user.path,
            json!([{"op": "replace", "path": "active", "value": false}]),
        )
        .expect(200);
        let (_, third) = reader.event();
        let (_, fourth) = reader.event();
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(
            (&third["type"], &fourth["type"]),
            (&json!("user.created"), &json!("user.deactivated"))
        );
        let pages = admin.get("/events").expect(200).json();
        let ids = |it: &Value| it["id"].as_str().unwrap().to_owned();
        let listed: Vec<String> = pages["events"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(listed, [first.clone(), second.clone(), ids(&third), ids(&fourth)]);
        assert_eq!(pages["events"], json!([one, two, third, fourth]));
        // The header wins over the URL.
        let mut again = live.open(
            &admin,
            &format!("?after={first}"),
            &format!("Last-Event-ID: {second}\r\n"),
        );
        assert_eq!(again.event().1, third);
        let mut after = live.open(&admin, &format!("?after={second}&types=user.deactivated"), "");
        assert_eq!(after.event().1, fourth);
    });
}

/// evt-47
#[test]
fn evt_47_a_stream_has_the_same_events_in_the_same_order_as_the_pages() {
    on_each(Choice::default, |server| {
        let tenants = [server.tenant("acme"), server.tenant("other")];
        let admin = server.admin();
        let live = Live::start(&server);
        // More than a page of a stream, with resources and a filter, some before it is opened.
        let write = |numbers: std::ops::Range<usize>| {
            for number in numbers {
                let tenant = &tenants[number % 2];
                let user = tenant.create_user(&format!("u{number}"));
                let group = tenant.create_group(&format!("g{number}"), &[&user]);
                let value = json!([{"op": "replace", "value": {"active": false, "title": "x"}}]);
                tenant.patch(&user.path, value).expect(200);
                if number % 3 == 0 {
                    tenant.delete(&group.path).expect(204);
                }
            }
        };
        write(0..40);
        let query = "include=resource&types=user.*,group.member_added,group.deleted";
        let mut reader = live.open(&admin, &format!("?{query}"), "");
        let mut streamed: Vec<Value> = (0..60).map(|_| reader.event().1).collect();
        write(40..50);
        let mut paged = Vec::new();
        let mut after = String::new();
        loop {
            let page = admin
                .get(&format!("/events?limit=70&{query}{after}"))
                .expect(200)
                .json();
            paged.extend(page["events"].as_array().unwrap().clone());
            after = format!("&after={}", page["next"].as_str().unwrap());
            if page["more"] == json!(false) {
                break;
            }
        }
        assert!(paged.len() > 200 && paged.iter().any(|it| !it["data"]["resource"].is_null()));
        streamed.extend((60..paged.len()).map(|_| reader.event().1));
        assert_eq!(streamed, paged);
    });
}

/// evt-41
///
/// A client that comes back at an id which the journal cannot go on from gets an error. It never gets the events from now
/// on, which would look as if it had missed nothing.
#[test]
fn evt_41_a_stream_never_continues_from_now_after_a_lost_id() {
    on_each(Choice::default, |server| {
        let (acme, admin) = (server.tenant("acme"), server.admin());
        for name in ["one", "two", "three"] {
            acme.create_user(name);
        }
        let page = admin.get("/events").expect(200).json();
        let ids: Vec<&str> = (0..3)
            .map(|it| page["events"][it]["id"].as_str().unwrap())
            .collect();
        let later = Utc::now() + Duration::from_secs(1);
        server
            .store
            .prune_changes(acme.tenant.unwrap(), later, 2)
            .unwrap();
        let live = Live::start(&server);
        let dropped = ids[0];
        for (id, status) in [
            (dropped, "410"),
            ("999999-1735689600123-0", "410"),
            ("x", "400"),
            ("", "400"),
            ("1042-1735689600123", "400"),
            ("now", "400"),
        ] {
            let header = format!("Last-Event-ID: {id}\r\n");
            for query in ["", "?after=now"] {
                let refused = live.open(&admin, query, &header).refusal();
                assert_eq!(
                    refused,
                    (status.to_owned(), json!("Last-Event-ID")),
                    "{id:?} {query}"
                );
            }
        }
        for (after, status) in [(dropped, "410"), ("x", "400")] {
            let refused = live.open(&admin, &format!("?after={after}"), "").refusal();
            assert_eq!(refused, (status.to_owned(), json!("after")));
        }
        let mut reader = live.open(&admin, "?after=now", &format!("Last-Event-ID: {}\r\n", ids[1]));
        assert_eq!(reader.user_names(1), ["three"]);
    });
}

/// evt-34: the parameters of pages are checked, and have no effect on a stream.
#[test]
fn a_stream_has_no_limit() {
    let server = Server::start();
    let (acme, admin) = (server.tenant("acme"), server.admin());
    for name in ["a", "b", "c"] {
        acme.create_user(name);
    }
    let live = Live::start(&server);
    let mut reader = live.open(&admin, "?limit=1&wait=1", "");
    assert_eq!(reader.user_names(3), ["a", "b", "c"]);
    for field in ["limit", "wait"] {
        let refused = live.open(&admin, &format!("?{field}=x"), "").refusal();
        assert_eq!(refused, ("400".to_owned(), json!(field)));
    }
}

/// evt-43: the stream of a key that expires, or that allows less than before
#[test]
fn evt_43_a_stream_ends_when_its_key_changes() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let other = server.admin();
    acme.create_user("a");
    let live = Live::start(&server);
    let mut unaffected = live.open(&other, "", "");
    let changes = [
        format!("expires = {}", Utc::now().timestamp_millis()),
        "scope = 'read'".to_owned(),
    ];
    let mut affected: Vec<Reader> = Vec::new();
    for change in changes {
        let operator = server.operator(KeyScope::Events, &["acme"]);
        let mut reader = live.open(&operator, "", "");
        assert_eq!(reader.user_names(1), ["a"]);
        let key = operator.id.replace('-', "");
        server.sql(&format!("UPDATE operator_key SET {change} WHERE id = x'{key}'"));
        affected.push(reader);
    }
    affected.iter_mut().for_each(Reader::expect_end);
    acme.create_user("b");
    assert_eq!(unaffected.user_names(2), ["a", "b"]);
}

/// evt-43
#[test]
fn evt_43_a_stream_ends_with_its_key_and_another_one_continues() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let admin = server.admin();
    let reader_key = server.operator(KeyScope::Events, &["acme"]);
    acme.create_user("a");
    let live = Live::start(&server);
    let mut reader = live.open(&reader_key, "", "");
    let (id, _) = reader.event();
    admin.delete(&format!("/keys/{}", reader_key.id)).expect(204);
    reader.expect_end();
    assert_eq!(live.open(&reader_key, "", "").status(), "401");
    acme.create_user("b");
    let mut next = live.open(&admin, "", &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(next.user_names(1), ["b"]);
}

/// evt-45
#[test]
fn evt_45_the_ninth_stream_of_a_key_is_refused() {
    let server = Server::start();
    server.tenant("acme");
    let (admin, other) = (server.admin(), server.admin());
    let live = Live::start(&server);
    let mut streams: Vec<Reader> = (0..8).map(|_| live.open(&admin, "?after=now", "")).collect();
    assert!(streams.iter().all(|it| it.status() == "200"));
    let refused = live.open(&admin, "?after=now", "");
    assert_eq!(refused.status(), "429");
    assert!(refused.head.iter().any(|it| it.starts_with("retry-after: ")));
    assert_eq!(live.open(&other, "?after=now", "").status(), "200");
    streams.pop();
    // The end of a connection is noticed at the next block.
    wait_until("a stream is free", || {
        server
            .tenant(&format!("t{}", uuid::Uuid::now_v7().simple()))
            .create_user("x");
        live.open(&admin, "?after=now", "").status() == "200"
    });
}

/// evt-46
#[test]
fn evt_46_streams_end_after_a_whole_event_when_the_server_stops() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let admin = server.admin();
    for number in 0..20 {
        acme.create_user(&format!("u{number}"));
    }
    let live = Live::start(&server);
    let mut reader = live.open(&admin, "", "");
    reader.user_names(20);
    server.http.begin_shutdown();
    let began = Instant::now();
    while reader.block().is_some() {}
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(live.open(&admin, "", "").status(), "503");
}

/// evt-38, evt-39
#[test]
fn evt_38_and_39_a_silent_stream_has_a_sign_of_life_and_moves_the_id() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let admin = server.admin();
    let live = Live::start(&server);
    let mut reader = live.open(&admin, "?types=group.created", "");
    assert_eq!(reader.block().as_deref(), Some("retry: 5000"));
    let began = Instant::now();
    acme.create_user("a");
    acme.create_user("b");
    assert_eq!(reader.block().as_deref(), Some(": keep-alive"));
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
    let id = reader.block().unwrap();
    let page = admin.get("/events").expect(200).json();
    assert_eq!(id.strip_prefix("id: "), page["next"].as_str());
    acme.create_group("Guides", &[]);
    assert_eq!(reader.event().1["type"], "group.created");
}

/// evt-38
#[test]
fn evt_38_a_stream_moves_the_id_after_a_thousand_skipped_entries() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let admin = server.admin();
    acme.create_user("bjensen");
    let change = |times: usize| {
        server.sql(&format!(
            "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, names) \
             WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {times}) \
             SELECT c.tenant_id, c.at, c.kind, c.id, i + 1, 'update', '{{\"title\":{{\"new\":\"b\"}}}}', c.names \
             FROM s CROSS JOIN (SELECT * FROM changes ORDER BY sequence LIMIT 1) AS c"
        ));
    };
    change(600);
    acme.create_group("Guides", &[]);
    change(1_050);
    let live = Live::start(&server);
    let mut reader = live.open(&admin, "?types=group.created", "");
    assert_eq!(reader.block().as_deref(), Some("retry: 5000"));
    // Fewer than 1,000 entries before an event, or after it, do not move the id.
    let (group, event) = reader.event();
    assert_eq!(event["data"]["displayName"], "Guides");
    let page = admin
        .get(&format!("/events?after={group}&limit=1000"))
        .expect(200);
    let expected = page.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(reader.block(), Some(format!("id: {expected}")));
    // Later entries count together with those before. A sign of life may move the id earlier.
    change(1_001);
    let mut last = expected;
    let mut left = 1_000;
    while left > 0 {
        let block = reader.block().expect("the stream goes on");
        let Some(id) = block.strip_prefix("id: ") else {
            continue;
        };
        let path = format!("/events?after={last}&limit=1000");
        let page = admin.get(&path).expect(200).json();
        let skipped = page["events"]
            .as_array()
            .unwrap()
            .iter()
            .position(|it| it["id"] == id);
        let skipped = skipped.expect("at most 1,000 entries are skipped") + 1;
        left -= skipped.min(left);
        last = id.to_owned();
    }
}

/// evt-44
#[test]
fn evt_44_a_reader_that_stops_is_disconnected() {
    let server = Server::start_with(Choice {
        write_timeout: Duration::from_secs(2),
        ..Choice::default()
    });
    let acme = server.tenant("acme");
    let admin = server.admin();
    let long = "x".repeat(8_000);
    for number in 0..150 {
        let name = json!({"formatted": long, "familyName": long, "givenName": long, "middleName": long});
        let user = json!({"userName": format!("u{number}"), "title": long, "nickName": long, "displayName": long,
                          "name": name});
        acme.create("/Users", user);
    }
    let live = Live::start(&server);
    let _silent = live.connect(&admin, "", "");
    wait_until("the reader is disconnected", || {
        server.http.metrics().slow_clients() == 1
    });
    // A reader that reads gets everything.
    let mut reader = live.open(&admin, "", "");
    assert_eq!(reader.user_names(150).len(), 150);
}
