//! A receiver of webhooks on a loopback address.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::wait_until;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub line: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn event_type(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// The user that the event is about.
    pub fn user(&self) -> String {
        self.json()["data"]["userName"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Checks the signature with the library of the receivers.
    pub fn verify(&self, secret: &str) -> Result<(), standardwebhooks::WebhookError> {
        let mut headers = http::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, self.headers[name].parse().unwrap());
        }
        standardwebhooks::Webhook::new(secret)
            .unwrap()
            .verify(&self.body, &headers)
    }
}

/// An answer: the status, further header lines, the body, and the time before it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: &'static str,
    pub body: &'static str,
    pub after: Duration,
}

pub fn answer(status: u16) -> Answer {
    Answer {
        status,
        headers: "",
        body: "ok",
        after: Duration::ZERO,
    }
}

type Script = dyn Fn(&Received, usize) -> Answer + Send + Sync;

/// A server that records requests, and answers as its script says. It runs until the test process ends.
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// `script` gets the request and the number of those before it.
    pub fn start(script: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (script, requests): (Arc<Script>, _) = (Arc::new(script), received.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, requests) = (script.clone(), requests.clone());
                thread::spawn(move || serve(stream.unwrap(), &*script, &requests));
            }
        });
        Receiver { url, received }
    }

    /// A receiver that accepts everything.
    pub fn accepting() -> Receiver {
        Receiver::start(|_, _| answer(204))
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for this number of requests, and returns all.
    #[track_caller]
    pub fn wait_for(&self, number: usize) -> Vec<Received> {
        wait_until(&format!("request {number}"), || {
            self.received.lock().unwrap().len() >= number
        });
        self.received()
    }
}

fn serve(stream: TcpStream, script: &Script, requests: &Mutex<Vec<Received>>) {
    let Some(request) = read_request(&stream) else {
        return;
    };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    respond(&stream, &script(&request, number));
}

/// Reads the request of a connection. `None` if it ends before, because the other side may be killed at any time.
pub fn read_request(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return None;
    }
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) == 0 {
            return None;
        }
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        at: Instant::now(),
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}

/// Sends an answer. The other side may be killed at any time.
pub fn respond(mut stream: &TcpStream, answer: &Answer) {
    thread::sleep(answer.after);
    let text = format!(
        "HTTP/1.1 {} Status\r\ncontent-length: {}\r\nconnection: close\r\n{}\r\n{}",
        answer.status,
        answer.body.len(),
        answer.headers,
        answer.body
    );
    let _ = stream.write_all(text.as_bytes());
}
