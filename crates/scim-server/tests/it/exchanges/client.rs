//! A small HTTP/1.1 client that sends requests exactly as they are given.
//!
//! HTTP libraries normalize requests: they drop a bare `?`, encode a space, add an `Accept`. The traces test the
//! server's answers to requests as real clients send them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest wait that a 429 may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);
const MAX_ATTEMPTS: u32 = 6;

/// A client of one server with one token.
pub(crate) struct Client {
    /// Host and port.
    authority: String,
    /// The path of the base URL, without a slash at its end.
    prefix: String,
    token: String,
}

/// A request whose path is below the base URL.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Added to the defaults; `null` removes one.
    pub(crate) headers: &'a Map<String, Value>,
    pub(crate) body: Option<&'a [u8]>,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&Value> {
        self.headers.get(&name.to_lowercase())
    }

    /// Whether there is more than white space.
    pub(crate) fn has_body(&self) -> bool {
        !self.body.trim_ascii().is_empty()
    }

    /// The body as JSON; `None` when the text is not one.
    pub(crate) fn json(&self) -> Option<Value> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        serde_json::from_slice(body).ok()
    }
}

impl Client {
    pub(crate) fn new(base_url: &str, token: &str) -> Client {
        let rest = base_url
            .strip_prefix("http://")
            .expect("a base URL such as http://127.0.0.1:8080/scim/v2");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = format!("/{path}").trim_end_matches('/').to_owned();
        let authority = if authority.contains(':') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Client {
            authority,
            prefix,
            token: token.to_owned(),
        }
    }

    /// Sends a request, and again after a 429 that asks for a short wait, unless `expects_429`.
    pub(crate) fn send(&self, request: &Request, expects_429: bool) -> io::Result<Answer> {
        let head = self.head(request);
        let mut attempt = 1;
        loop {
            let answer = self.exchange(&head, request)?;
            let wait = retry_after(answer.header("retry-after").and_then(Value::as_str));
            if answer.status != 429 || expects_429 || attempt == MAX_ATTEMPTS || wait > MAX_RETRY_AFTER {
                return Ok(answer);
            }
            std::thread::sleep(wait);
            attempt += 1;
        }
    }

    fn head(&self, request: &Request) -> Vec<u8> {
        let mut headers: Vec<(&str, String)> = vec![
            ("Accept", "application/scim+json".to_owned()),
            ("User-Agent", "scim-exchanges/1.0".to_owned()),
            ("Authorization", format!("Bearer {}", self.token)),
        ];
        if request.body.is_some() {
            headers.push(("Content-Type", "application/scim+json".to_owned()));
        }
        for (name, value) in request.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            if let Some(value) = value.as_str() {
                headers.push((name, value.to_owned()));
            }
        }
        if let Some(body) = request.body {
            headers.push(("Content-Length", body.len().to_string()));
        } else if ["POST", "PUT", "PATCH"].contains(&request.method) {
            headers.push(("Content-Length", "0".to_owned()));
        }
        let mut head = format!("{} {}{} HTTP/1.1\r\n", request.method, self.prefix, request.path);
        head.push_str(&format!("Host: {}\r\nConnection: close\r\n", self.authority));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn exchange(&self, head: &[u8], request: &Request) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.authority)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let message = [head, request.body.unwrap_or_default()].concat();
        stream.write_all(&message)?;
        let mut reader = BufReader::new(stream);
        loop {
            let (status, headers) = read_head(&mut reader)?;
            // An interim answer, such as 100, is followed by the final one.
            if status >= 200 {
                let has_no_body = request.method == "HEAD" || status == 204 || status == 304;
                let body = if has_no_body {
                    Vec::new()
                } else {
                    read_body(&mut reader, &headers)?
                };
                return Ok(Answer {
                    status,
                    headers,
                    body,
                });
            }
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Map<String, Value>)> {
    let status_line = read_line(reader)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed(&status_line))?;
    let mut headers = Map::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
        headers.insert(name.to_lowercase(), value.trim().into());
    }
}

fn read_body(reader: &mut impl BufRead, headers: &Map<String, Value>) -> io::Result<Vec<u8>> {
    let header = |name: &str| headers.get(name).and_then(Value::as_str);
    if let Some(encoding) = header("content-encoding").filter(|encoding| *encoding != "identity") {
        return Err(malformed(&format!("content-encoding: {encoding}")));
    }
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(reader)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| malformed(&line))?;
            if size == 0 {
                // Trailer fields, up to an empty line.
                while !read_line(reader)?.is_empty() {}
                return Ok(body);
            }
            read_exactly(reader, size, &mut body)?;
            read_line(reader)?;
        }
    }
    match header("content-length") {
        Some(length) => {
            let length = length.parse().map_err(|_| malformed(length))?;
            read_exactly(reader, length, &mut body)?;
        }
        None => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn read_exactly(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(length).read_to_end(body)?;
    if read as u64 == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer with `{what}`"))
}

/// Seconds, or a date (RFC 9110 section 10.2.3); a second when it is neither or not there.
fn retry_after(value: Option<&str>) -> Duration {
    let seconds = value.and_then(|value| value.trim().parse::<f64>().ok());
    let until = |date: DateTime<_>| (date.to_utc() - Utc::now()).to_std().unwrap_or_default();
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        None => value
            .and_then(|value| DateTime::parse_from_rfc2822(value).ok())
            .map_or(Duration::from_secs(1), until),
    };
    wait.max(Duration::from_millis(50))
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

    use super::*;

    fn head_of(method: &str, path: &str, headers: impl Borrow<Value>, body: Option<&[u8]>) -> String {
        let client = Client::new("http://127.0.0.1:8080/scim/v2/", "secret");
        let headers = headers.borrow().as_object().expect("an object");
        let head = client.head(&Request {
            method,
            path,
            headers,
            body,
        });
        String::from_utf8(head).expect("headers are text")
    }

    #[test]
    fn the_path_goes_out_as_it_is_written() {
        for path in [
            "/Users?",
            "/Users?filter=userName+eq+%22a%22&",
            "/Users/?a=%2b&b=[c]|{d}",
            "/Users//x/../y",
        ] {
            let head = head_of("GET", path, Value::Object(Map::new()), None);
            assert!(
                head.starts_with(&format!(
                    "GET /scim/v2{path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
                )),
                "{head}"
            );
        }
    }

    #[test]
    fn headers_replace_the_defaults_in_any_case_and_null_removes_them() {
        let defaults = head_of("GET", "/Users", serde_json::json!({}), None);
        assert!(
            defaults.contains("\r\nAccept: application/scim+json\r\n"),
            "{defaults}"
        );
        assert!(
            defaults.contains("\r\nAuthorization: Bearer secret\r\n"),
            "{defaults}"
        );
        assert!(!defaults.contains("Content-"), "{defaults}");

        let headers = serde_json::json!({
            "accept": null, "authorization": "Bearer x", "CONTENT-TYPE": "application/json", "User-Agent": ""
        });
        let own = head_of("POST", "/Users", headers, Some(b"{}"));
        assert!(!own.to_lowercase().contains("accept"), "{own}");
        assert!(
            own.contains("\r\nauthorization: Bearer x\r\n") && !own.contains("secret"),
            "{own}"
        );
        assert!(
            own.contains("\r\nCONTENT-TYPE: application/json\r\n") && !own.contains("scim+json"),
            "{own}"
        );
        assert!(
            own.contains("\r\nUser-Agent: \r\n") && own.contains("\r\nContent-Length: 2\r\n"),
            "{own}"
        );
    }

    #[test]
    fn a_write_without_a_body_says_so() {
        assert!(
            head_of("PUT", "/Users/1", serde_json::json!({}), None).contains("\r\nContent-Length: 0\r\n")
        );
        assert!(!head_of("DELETE", "/Users/1", serde_json::json!({}), None).contains("Content-Length"));
    }

    #[test]
    fn bodies_of_every_framing_are_read() {
        for (head, body, expected) in [
            ("content-length: 3", "abcrest", "abc"),
            (
                "transfer-encoding: chunked",
                "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
                "abcde",
            ),
            ("connection: close", "abc", "abc"),
        ] {
            let message = format!("HTTP/1.1 200 OK\r\nX-Id:  7 \r\n{head}\r\n\r\n{body}");
            let mut reader = message.as_bytes();
            let (status, headers) = read_head(&mut reader).expect("a head");
            assert_eq!((status, &headers["x-id"]), (200, &Value::from("7")));
            assert_eq!(
                read_body(&mut reader, &headers).expect("a body"),
                expected.as_bytes()
            );
        }
        let mut cut = "ab".as_bytes();
        let headers = serde_json::json!({"content-length": "3"});
        assert!(read_body(&mut cut, headers.as_object().expect("an object")).is_err());
    }

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(Some("3")), Duration::from_secs(3));
        assert_eq!(retry_after(Some("0")), Duration::from_millis(50));
        assert_eq!(retry_after(None), Duration::from_secs(1));
        assert_eq!(retry_after(Some("soon")), Duration::from_secs(1));
        let date = (Utc::now() + chrono::TimeDelta::seconds(8))
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let wait = retry_after(Some(&date));
        assert!(
            (Duration::from_secs(6)..=Duration::from_secs(8)).contains(&wait),
            "{date}: {wait:?}"
        );
    }
}
