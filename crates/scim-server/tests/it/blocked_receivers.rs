//! Receivers and readers that do not answer, or do not exist, while clients change the directory.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{HttpClient, USER, patch_op, wait_until};
use crate::keys::first_key;
use crate::security_events::push::jti;
use crate::security_events::{AUDIENCE, ISSUER};
use crate::webhooks::receiver::{Receiver, answer};

/// A receiver that answers nothing until it is released.
struct Holding {
    receiver: Receiver,
    is_released: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Holding {
    fn start() -> Holding {
        let (is_released, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (released, count) = (is_released.clone(), answered.clone());
        let receiver = Receiver::start(move |_, _| {
            while !released.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            count.fetch_add(1, Ordering::SeqCst);
            answer(202)
        });
        Holding {
            receiver,
            is_released,
            answered,
        }
    }

    fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
    }
}

/// The address of a receiver that has ended.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// Opens a stream of events, and never reads from it.
fn unread_stream(management_url: &str, key: &str) -> TcpStream {
    let address = management_url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v1");
    let mut socket = TcpStream::connect(address).unwrap();
    let head = "Host: x\r\nAccept: text/event-stream";
    write!(
        socket,
        "GET /api/v1/events HTTP/1.1\r\n{head}\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    socket
}

/// The server answers clients while receivers of webhooks and tokens hold their connections or are dead, and while a reader
/// of the feed does not read. Afterwards, nothing is missing.
#[test]
fn receivers_that_do_not_answer_block_no_request() {
    Shell::on_each(|shell| {
        let secrets_key = shell.folder.path().join("secrets");
        std::fs::write(&secrets_key, "5c".repeat(32)).unwrap();
        let local = [
            "--egress-allow",
            "127.0.0.1",
            "--secrets-key-file",
            secrets_key.to_str().unwrap(),
        ];
        let server = shell.serve(&local);
        let (client, key) = (server.client(), first_key(&server));
        let create = |arguments: &[&str]| shell.json(&[arguments, &local, &["--json"]].concat());
        let webhook = |url: &str| create(&["webhook", "create", "--url", url]);
        let push = |url: &str| {
            let stream = ["set-stream", "create", "--audience", AUDIENCE, "--issuer", ISSUER];
            create(&[&stream[..], &["--push", url]].concat())
        };
        let [hook, tokens] = [(); 2].map(|()| Holding::start());
        webhook(&hook.receiver.url);
        push(&tokens.receiver.url);
        let dead_hook = webhook(&dead());
        push(&dead());
        let unread = unread_stream(&server.management_url(), key);
        create_user(&client, "first");
        for holding in [&hook, &tokens] {
            holding.receiver.wait_for(1);
        }

        for number in 0..50 {
            let path = create_user(&client, &format!("user{number}"));
            let title = patch_op(json!([{"op": "replace", "path": "title", "value": "Guide"}]));
            assert_eq!(client.send("PATCH", &path, Some(&title)).0, 200);
            assert_eq!(client.send("GET", "/Users?filter=title%20pr", None).0, 200);
            assert_eq!(client.send("DELETE", &path, None).0, 204);
        }
        for holding in [&hook, &tokens] {
            assert_eq!(
                holding.answered.load(Ordering::SeqCst),
                0,
                "it holds all requests until now"
            );
            holding.release();
        }
        wait_until("the failure", || {
            let shown = shell.json(&["webhook", "show", dead_hook["id"].as_str().unwrap(), "--json"]);
            !shown["deliveries"].as_array().unwrap().is_empty()
        });
        drop(unread);

        let api = HttpClient::new(&server.management_url(), key);
        let page = api.send("GET", "/events?limit=1000", None).1;
        let events: Vec<&Value> = page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        assert_eq!(events.len(), 151);
        wait_until("webhooks", || {
            let received: Vec<Value> = hook
                .receiver
                .received()
                .iter()
                .map(|it| it.json()["id"].clone())
                .collect();
            events.iter().all(|it| received.contains(it))
        });
        // Each event here is one token.
        wait_until("tokens", || {
            let received: BTreeSet<String> = tokens.receiver.received().iter().map(jti).collect();
            received.len() == events.len()
        });
    });
}

fn create_user(client: &HttpClient, name: &str) -> String {
    let id = client.create("/Users", &json!({"schemas": [USER], "userName": name}));
    format!("/Users/{id}")
}
