//! A small HTTP/1.1 client, which costs little compared with the server that it measures.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A request.
pub(super) struct Request {
    method: &'static str,
    path: String,
    body: String,
}

impl Request {
    pub(super) fn new(method: &'static str, path: String, body: &Value) -> Request {
        let body = body.to_string();
        Request { method, path, body }
    }

    pub(super) fn get(path: String) -> Request {
        let (method, body) = ("GET", String::new());
        Request { method, path, body }
    }
}

/// A connection that stays open.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Connection {
    pub(super) fn open(address: &str, token: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let (stream, token) = (BufReader::new(stream), token.to_owned());
        Ok(Connection { stream, token })
    }

    /// Sends a request and returns the body of its response.
    ///
    /// # Errors
    /// Fails when the status does not mean success.
    pub(super) fn send(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let Request { method, path, body } = request;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/scim+json\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all((head + body).as_bytes())?;
        read_response(&mut self.stream)
    }

    /// Sends a request, and returns whether its status means success.
    ///
    /// # Errors
    /// Fails when there is no response.
    pub(super) fn is_success(&mut self, request: &Request) -> io::Result<bool> {
        match self.send(request) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Other => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn read_response(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let head = read_head(stream)?;
    let header = |name: &str| head.lines().find_map(|it| it.strip_prefix(name)).map(str::trim);
    let mut body = Vec::new();
    if let Some(length) = header("content-length:") {
        read_exactly(stream, length.parse().map_err(io::Error::other)?, &mut body)?;
    } else if header("transfer-encoding:") == Some("chunked") {
        loop {
            let size = read_line(stream)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            read_exactly(stream, size, &mut body)?;
            read_line(stream)?;
            if size == 0 {
                break;
            }
        }
    }
    match head.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(body),
        _ => Err(io::Error::other(format!(
            "{head}{}",
            String::from_utf8_lossy(&body)
        ))),
    }
}

/// Reads the status line and the headers, in lower case.
fn read_head(stream: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let line = read_line(stream)?;
        if line.trim().is_empty() {
            return Ok(head);
        }
        head += &line.to_ascii_lowercase();
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

fn read_exactly(stream: &mut impl Read, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let start = body.len();
    body.resize(start + length, 0);
    stream.read_exact(&mut body[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_a_length_or_chunks_and_the_next_response_follows() {
        let mut stream: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n\
            HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone";
        for body in ["ab", "abcd", ""] {
            assert_eq!(
                read_response(&mut stream).expect("it is a success"),
                body.as_bytes()
            );
        }
        let error = read_response(&mut stream).expect_err("it is not").to_string();
        assert!(error.contains("404") && error.ends_with("none"), "{error}");
        assert!(read_response(&mut stream).is_err());
    }
}
