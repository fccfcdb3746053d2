//! The client: one request, one response, within limits.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;

use super::allow::AllowList;
use super::authorities::Authorities;
use super::error::EgressError;
use super::resolver::{GuardedResolver, Lookup};
use super::target::{Rules, Target};

/// The largest header section of a response.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The client for outgoing requests.
#[derive(Debug)]
pub struct Egress {
    agent: Agent,
    resolver: GuardedResolver,
}

/// The settings of the client.
#[derive(Clone, Debug, Default)]
pub struct EgressSettings {
    /// The internal targets that are permitted.
    pub allow: AllowList,
    /// Hosts and ports of this server, which no target may have.
    pub own: Vec<(String, u16)>,
    /// The certificate authorities that are trusted.
    pub authorities: Authorities,
}

/// A request. Its headers and body come from this server, and its target may come from a tenant.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target, which [`Egress::target`] has checked.
    pub target: &'a Target,
    /// Names and values of headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty for `GET`.
    pub body: &'a [u8],
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Delivers a body.
    Post,
}

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time for a connection.
    pub connect: Duration,
    /// The time for everything, from the lookup of the name to the last byte of the response.
    pub total: Duration,
    /// The largest body of a response, in bytes.
    pub body: usize,
    /// The treatment of a larger body.
    pub oversize: Oversize,
}

/// The treatment of a response body that exceeds its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// The response is an error.
    Refuse,
    /// The rest is not read.
    Truncate,
}

/// A response with any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names, in lower case, and values of the headers. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, without decompression.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first value of a header. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(it, _)| it == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Egress {
    /// Creates a client.
    pub fn new(settings: EgressSettings, lookup: Lookup) -> Egress {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(settings.authorities.0)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            // By default, the client library reads a proxy from the environment.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .accept_encoding(ureq::config::AutoHeaderValue::None)
            .user_agent(concat!("scim-server/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(MAX_HEADER_BYTES)
            // Every request resolves and checks the name again.
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .build();
        let resolver = GuardedResolver {
            rules: Rules {
                allow: settings.allow,
                own: settings.own.into(),
            },
            lookup,
        };
        Egress {
            agent: Agent::with_parts(config, DefaultConnector::new(), resolver.clone()),
            resolver,
        }
    }

    /// Checks the shape of a URL, and its address if it has one instead of a name.
    ///
    /// # Errors
    /// `Refused`.
    pub fn target(&self, url: &str) -> Result<Target, EgressError> {
        self.resolver.rules.target(url)
    }

    /// Checks a URL and the addresses that its name has now, for an early message when the URL is stored.
    ///
    /// # Errors
    /// `Refused`, or `Unresolved` when the name has no address now, which may change later.
    pub fn check(&self, url: &str) -> Result<Target, EgressError> {
        let target = self.target(url)?;
        self.resolver.addresses(&target, Duration::MAX)?;
        Ok(target)
    }

    /// Sends a request. Blocks the thread for at most the total time of the limits.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub fn send(&self, request: &Request, limits: &Limits) -> Result<Response, EgressError> {
        let mut builder = http::Request::builder()
            .method(match request.method {
                Method::Get => http::Method::GET,
                Method::Post => http::Method::POST,
            })
            .uri(request.target.url());
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let invalid = |error: http::Error| EgressError::Refused(format!("the request is not valid: {error}"));
        let response = match request.method {
            Method::Get => self.run(builder.body(()).map_err(invalid)?, limits)?,
            Method::Post => self.run(builder.body(request.body).map_err(invalid)?, limits)?,
        };
        let status = response.status().as_u16();
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = response.headers().iter().filter_map(text).collect();
        Ok(Response {
            status,
            headers,
            body: read(response, limits)?,
        })
    }

    fn run<S: ureq::AsSendBody>(
        &self,
        request: http::Request<S>,
        limits: &Limits,
    ) -> Result<http::Response<ureq::Body>, EgressError> {
        let configured = self
            .agent
            .configure_request(request)
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.total))
            .build();
        self.agent.run(configured).map_err(error)
    }
}

fn read(mut response: http::Response<ureq::Body>, limits: &Limits) -> Result<Vec<u8>, EgressError> {
    let mut body = Vec::new();
    // One byte more than the limit shows that the body is larger.
    let most = limits.body as u64 + 1;
    let reader = response.body_mut().as_reader();
    reader.take(most).read_to_end(&mut body).map_err(|failed| {
        // An error of the client library is wrapped, and comes out again here.
        error(ureq::Error::from(failed))
    })?;
    if body.len() > limits.body {
        match limits.oversize {
            Oversize::Refuse => return Err(EgressError::TooLarge),
            Oversize::Truncate => body.truncate(limits.body),
        }
    }
    Ok(body)
}

/// Maps an error of the client library to the reaction of a caller.
fn error(error: ureq::Error) -> EgressError {
    match error {
        ureq::Error::Other(error) => match error.downcast::<EgressError>() {
            Ok(refused) => *refused,
            Err(other) => EgressError::Protocol(other.to_string()),
        },
        ureq::Error::Timeout(_) | ureq::Error::BodyStalled => EgressError::Timeout,
        ureq::Error::HostNotFound => EgressError::Unresolved,
        ureq::Error::ConnectionFailed => {
            EgressError::Unreachable("no address accepts connections".to_owned())
        }
        ureq::Error::Rustls(error) => EgressError::Tls(error.to_string()),
        ureq::Error::Tls(text) => EgressError::Tls(text.to_owned()),
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => EgressError::TooLarge,
        ureq::Error::Io(error) => {
            let tls = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
            match tls {
                Some(tls) => EgressError::Tls(tls.to_string()),
                None => EgressError::Unreachable(error.to_string()),
            }
        }
        other => EgressError::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::sync::mpsc::{self, Receiver};
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LIMITS: Limits = Limits {
        connect: Duration::from_secs(1),
        total: Duration::from_secs(2),
        body: 1000,
        oversize: Oversize::Refuse,
    };

    /// Answers each connection with `answer`, and passes on the head of each request.
    fn serve(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (u16, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let (heads, received) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client connects");
                let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
                let mut head = String::new();
                // A client that speaks TLS sends no text.
                while reader.read_line(&mut head).is_ok_and(|it| it > 2) {}
                if heads.send(head.to_ascii_lowercase()).is_err() {
                    return;
                }
                answer(&mut stream);
            }
        });
        (port, received)
    }

    fn respond(text: &'static str) -> impl Fn(&mut TcpStream) + Send + 'static {
        move |stream| {
            let _ = stream.write_all(text.as_bytes());
        }
    }

    fn loopback_allowed() -> Egress {
        let allow = ["127.0.0.1"].iter().filter_map(|it| it.parse().ok()).collect();
        Egress::new(
            EgressSettings {
                allow,
                ..EgressSettings::default()
            },
            Arc::new(|_| Ok(vec![IpAddr::from([127, 0, 0, 1])])),
        )
    }

    fn get(egress: &Egress, url: &str, limits: &Limits) -> Result<Response, EgressError> {
        let request = Request {
            method: Method::Get,
            target: &egress.target(url)?,
            headers: &[("accept", "application/json")],
            body: &[],
        };
        egress.send(&request, limits)
    }

    #[test]
    fn a_request_gets_its_response() {
        let (port, heads) = serve(respond(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nCache-Control: max-age=60\r\n\r\n{}",
        ));
        let egress = loopback_allowed();
        let response =
            get(&egress, &format!("http://127.0.0.1:{port}/keys?a=b"), &LIMITS).expect("it answers");
        assert_eq!(
            (response.status, response.body.as_slice()),
            (200, b"{}".as_slice())
        );
        assert_eq!(response.header("cache-control"), Some("max-age=60"));
        let head = heads.recv().expect("a request came");
        assert!(head.starts_with("get /keys?a=b http/1.1\r\n"), "{head}");
        assert!(head.contains("user-agent: scim-server/"), "{head}");
        for absent in ["cookie", "accept-encoding: gzip", "authorization"] {
            assert!(!head.contains(absent), "{head}");
        }
    }

    #[test]
    fn a_post_delivers_headers_and_body() {
        let (port, heads) = serve(respond("HTTP/1.1 204 No Content\r\n\r\n"));
        let egress = loopback_allowed();
        let target = egress
            .target(&format!("http://127.0.0.1:{port}/hook"))
            .expect("it is listed");
        let request = Request {
            method: Method::Post,
            target: &target,
            headers: &[("webhook-id", "7"), ("content-type", "application/json")],
            body: b"{\"a\":1}",
        };
        assert_eq!(egress.send(&request, &LIMITS).expect("it answers").status, 204);
        let head = heads.recv().expect("a request came");
        assert!(
            head.contains("webhook-id: 7") && head.contains("content-length: 7"),
            "{head}"
        );
    }

    /// cred-84
    #[test]
    fn evt_135_redirects_are_not_followed() {
        for status in ["301", "302", "303", "307", "308"] {
            let (port, heads) = serve(move |stream| {
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                );
            });
            let response = get(&loopback_allowed(), &format!("http://127.0.0.1:{port}/"), &LIMITS);
            assert_eq!(response.expect("it is a response").status.to_string(), status);
            assert_eq!(heads.iter().take(1).count(), 1);
            assert!(heads.try_recv().is_err(), "there was a second request");
        }
    }

    #[test]
    fn evt_140_responses_are_not_decompressed_and_cookies_are_not_kept() {
        let (port, heads) = serve(respond(
            "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x0b\x08",
        ));
        let egress = loopback_allowed();
        for _ in 0..2 {
            let response = get(&egress, &format!("http://127.0.0.1:{port}/"), &LIMITS).expect("it answers");
            assert_eq!(response.body, b"\x1f\x0b\x08");
            assert!(!heads.recv().expect("a request came").contains("cookie"));
        }
    }

    /// cred-85
    #[test]
    fn cred_85_an_endless_body_ends_at_the_limit() {
        let endless = |stream: &mut TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'a'; 4096]).is_ok() {}
        };
        let (port, _heads) = serve(endless);
        let url = format!("http://127.0.0.1:{port}/");
        let egress = loopback_allowed();
        let error = get(&egress, &url, &LIMITS).expect_err("it is too large");
        assert!(matches!(error, EgressError::TooLarge), "{error:?}");
        let truncating = Limits {
            oversize: Oversize::Truncate,
            ..LIMITS
        };
        let response = get(&egress, &url, &truncating).expect("the rest is not read");
        assert_eq!(response.body.len(), 1000);
    }

    /// cred-85
    #[test]
    fn cred_85_a_slow_response_ends_in_time() {
        let started = Instant::now();
        let trickle = |stream: &mut TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(b"a").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        };
        let limits = Limits {
            total: Duration::from_millis(400),
            ..LIMITS
        };
        let silent = |_: &mut TcpStream| thread::sleep(Duration::from_secs(2));
        for (port, _heads) in [serve(trickle), serve(silent)] {
            let error = get(&loopback_allowed(), &format!("http://127.0.0.1:{port}/"), &limits);
            assert!(matches!(error, Err(EgressError::Timeout)), "{error:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn large_headers_and_other_protocols_are_errors() {
        let large = |stream: &mut TcpStream| {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "a".repeat(20 * 1024));
        };
        let (port, _heads) = serve(large);
        assert!(get(&loopback_allowed(), &format!("http://127.0.0.1:{port}/"), &LIMITS).is_err());
        let (port, _heads) = serve(respond("SSH-2.0-OpenSSH_9.6\r\n"));
        let error = get(&loopback_allowed(), &format!("http://127.0.0.1:{port}/"), &LIMITS);
        assert!(matches!(error, Err(EgressError::Protocol(_))), "{error:?}");
    }

    #[test]
    fn a_host_without_tls_or_without_a_listener_is_an_error_of_its_own_kind() {
        let (port, _heads) = serve(respond("HTTP/1.1 400 Bad Request\r\n\r\n"));
        let error = get(
            &loopback_allowed(),
            &format!("https://127.0.0.1:{port}/"),
            &LIMITS,
        );
        assert!(matches!(error, Err(EgressError::Tls(_))), "{error:?}");
        let closed = TcpListener::bind("127.0.0.1:0")
            .and_then(|it| it.local_addr())
            .expect("a port is free");
        let error = get(&loopback_allowed(), &format!("http://{closed}/"), &LIMITS);
        assert!(matches!(error, Err(EgressError::Unreachable(_))), "{error:?}");
    }

    /// cred-84
    #[test]
    fn cred_84_a_name_that_turns_internal_is_refused_at_the_next_request() {
        let (port, heads) = serve(respond("HTTP/1.1 204 No Content\r\n\r\n"));
        // The name is looked up for the first time when the URL is stored.
        let answers = Arc::new(std::sync::atomic::AtomicU8::new(8));
        let asked = answers.clone();
        let lookup = move |_: &str| {
            let first = asked.load(std::sync::atomic::Ordering::SeqCst);
            Ok(vec![IpAddr::from([first, 0, 0, 1])])
        };
        let egress = Egress::new(EgressSettings::default(), Arc::new(lookup));
        assert!(egress.check("https://issuer.example.com/keys").is_ok());
        answers.store(127, std::sync::atomic::Ordering::SeqCst);
        let error =
            get(&egress, "https://issuer.example.com/keys", &LIMITS).expect_err("it is a loopback address");
        assert!(matches!(error, EgressError::Refused(_)) && !error.is_temporary());
        assert!(egress.check("https://issuer.example.com/keys").is_err());
        assert!(heads.try_recv().is_err(), "{port} was reached");
    }

    #[test]
    fn evt_138_the_environment_names_no_proxy() {
        assert!(loopback_allowed().agent.config().proxy().is_none());
    }
}
