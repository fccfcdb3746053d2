//! A server that gives prepared answers in order and remembers what it was asked: for the runner's own tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Answers until none is left; after that it closes connections without a word.
pub(crate) struct Stub {
    pub(crate) base_url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Each answer is a status, header lines that end with CR LF, and a body.
    pub(crate) fn start(answers: &[(u16, &str, &str)]) -> Stub {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let messages: Vec<String> = answers
            .iter()
            .map(|(status, headers, body)| {
                format!(
                    "HTTP/1.1 {status} S\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            })
            .collect();
        std::thread::spawn(move || {
            for message in messages {
                let (stream, _) = listener.accept().expect("a connection");
                let request = read_request(&stream);
                seen.lock()
                    .expect("no test panics while it holds the lock")
                    .push(request);
                (&stream).write_all(message.as_bytes()).expect("the runner reads");
            }
        });
        Stub {
            base_url: format!("http://{address}/v2"),
            requests,
        }
    }

    /// The received requests, each as the text that was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .expect("no test panics while it holds the lock")
            .clone()
    }
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let start = request.len();
        reader.read_line(&mut request).expect("a line of a head");
        let line = request[start..].trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    request + &String::from_utf8(body).expect("text")
}
