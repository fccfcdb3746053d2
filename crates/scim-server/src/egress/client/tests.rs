//! Tests of the client, against servers on the loopback interface.

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
    let response = get(&egress, &format!("http://127.0.0.1:{port}/keys?a=b"), &LIMITS).expect("it answers");
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

/// cred-85, evt-17, evt-140
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

/// cred-85, evt-17, evt-140
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

/// evt-140
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

/// cred-83
#[test]
fn cred_83_a_url_without_tls_needs_a_host_of_the_list() {
    let allow = ["10.0.0.0/8", "keycloak"].iter().filter_map(|it| it.parse().ok());
    let settings = EgressSettings {
        allow: allow.collect(),
        ..EgressSettings::default()
    };
    let lookup = |name: &str| match name {
        "internal.example.com." => Ok(vec![IpAddr::from([10, 0, 0, 1])]),
        "public.example.com." => Ok(vec![IpAddr::from([8, 8, 8, 8])]),
        _ => Ok(vec![]),
    };
    let egress = Egress::new(settings, Arc::new(lookup));
    for scheme_and_port in ["http://NAME/", "https://NAME:8443/"] {
        let check = |name: &str| egress.check(&scheme_and_port.replace("NAME", name));
        assert!(check("internal.example.com").is_ok());
        for name in ["missing.example.com", "public.example.com"] {
            assert!(matches!(check(name), Err(EgressError::Refused(_))), "{name}");
        }
        // The list has the name, which may get an address later.
        assert!(matches!(check("keycloak"), Err(EgressError::Unresolved)));
    }
    let missing = egress.check("https://missing.example.com/");
    assert!(matches!(missing, Err(EgressError::Unresolved)));
}

/// evt-138
#[test]
fn evt_138_a_proxy_of_the_operator_gets_every_request() {
    let (port, heads) = serve(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|it| it > 2) {}
        assert!(head.starts_with("GET /keys HTTP/1.1\r\n"), "{head}");
        let _ = stream.write_all(b"HTTP/1.1 302 X\r\nlocation: http://b/\r\ncontent-length: 0\r\n\r\n");
    });
    let proxy = format!("http://user:pass@127.0.0.1:{port}");
    let settings = EgressSettings {
        allow: ["keycloak"].iter().filter_map(|it| it.parse().ok()).collect(),
        proxy: Some(proxy.parse().expect("it is a URL")),
        ..EgressSettings::default()
    };
    let egress = Egress::new(
        settings,
        Arc::new(|name| panic!("{name} is resolved by the proxy")),
    );
    let url = "http://keycloak:8080/keys";
    assert!(egress.check(url).is_ok() && egress.check("https://issuer.example.com/").is_ok());
    assert_eq!(get(&egress, url, &LIMITS).expect("it answers").status, 302);
    let head = heads.recv().expect("a request came");
    assert!(head.starts_with("connect keycloak:8080 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{head}"
    );
    assert!(heads.try_recv().is_err(), "the redirect was followed");
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_an_error_without_its_password() {
    let (port, _heads) = serve(respond("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    let settings = EgressSettings {
        proxy: format!("http://user:secret@127.0.0.1:{port}").parse().ok(),
        ..EgressSettings::default()
    };
    let egress = Egress::new(settings, Arc::new(|_| Ok(vec![])));
    let error = get(&egress, "https://issuer.example.com/", &LIMITS).expect_err("it is refused");
    let text = format!("{error} {error:?} {egress:?}");
    assert!(
        matches!(error, EgressError::Unreachable(_)) && text.contains("407"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}
