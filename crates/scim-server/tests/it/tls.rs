//! TLS of the listeners, from the view of clients of the binary.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Datelike as _;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::Shell;
use crate::harness::{USER, wait_until};
use crate::restart::Binary;

/// A certificate authority, and a folder for the files of its certificates.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
struct Pair {
    certificate: CertificateDer<'static>,
    pem: String,
    key_pem: String,
    key: Vec<u8>,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for the address of the tests, until the beginning of a year.
    fn pair(&self, until: i32) -> Pair {
        self.pair_until(until, 1, 1)
    }

    fn pair_until(&self, year: i32, month: u8, day: u8) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        }
    }
}

/// The files of a server.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a certificate and its key as `server.pem` and `server.key`.
    fn store(&self, pair: &Pair) {
        self.write("server.pem", &pair.pem);
        self.write("server.key", &pair.key_pem);
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The flags of a listener.
    fn flags(&self, prefix: &str) -> [String; 4] {
        [
            format!("--{prefix}tls-certificate"),
            self.text("server.pem"),
            format!("--{prefix}tls-key"),
            self.text("server.key"),
        ]
    }
}

fn start(flags: &[String]) -> Binary {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Binary::start(&flags)
}

/// The address in a URL.
fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split('/').next().unwrap()
}

fn management_address(server: &Binary) -> String {
    let line = server
        .printed
        .lines()
        .find(|it| it.starts_with("Management API at "));
    address(line.unwrap()).to_owned()
}

/// A client that trusts an authority.
#[derive(Clone)]
struct Client {
    authority: CertificateDer<'static>,
    versions: Vec<&'static SupportedProtocolVersion>,
    own: Option<(CertificateDer<'static>, Vec<u8>)>,
}

impl Client {
    fn of(authority: &Authority) -> Client {
        Client {
            authority: authority.certificate.der().clone(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            own: None,
        }
    }

    fn with(self, pair: &Pair) -> Client {
        Client {
            own: Some((pair.certificate.clone(), pair.key.clone())),
            ..self
        }
    }

    /// Connects and ends the handshake.
    fn connect(&self, address: &str) -> io::Result<TlsConnection> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match &self.own {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![certificate.clone()],
                    PrivatePkcs8KeyDer::from(key.clone()).into(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        tls.complete_io(&mut stream)?;
        Ok(TlsConnection(BufReader::new(StreamOwned::new(tls, stream))))
    }

    /// Sends a request on a new connection. A refused client certificate of TLS 1.3 is an error of the first answer.
    fn get(&self, address: &str, path: &str) -> io::Result<u16> {
        Ok(self.connect(address)?.send("GET", path, "", "")?.0)
    }
}

struct TlsConnection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl TlsConnection {
    fn version(&self) -> Option<ProtocolVersion> {
        self.0.get_ref().conn.protocol_version()
    }

    fn server_certificate(&self) -> CertificateDer<'static> {
        let chain = self.0.get_ref().conn.peer_certificates().unwrap();
        chain[0].clone().into_owned()
    }

    fn begin(&mut self, method: &str, path: &str, token: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.0.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.flush()
    }

    /// Sends a request and keeps the connection open.
    fn send(&mut self, method: &str, path: &str, token: &str, body: &str) -> io::Result<(u16, String)> {
        self.begin(method, path, token, body)?;
        let mut status = String::new();
        self.0.read_line(&mut status)?;
        let status = status.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body).unwrap()))
    }
}

#[test]
fn tls_1_2_and_1_3_are_accepted_and_older_versions_are_not() {
    let (authority, files) = (Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    let server = start(&files.flags(""));
    assert!(
        server.base_url.starts_with("https://127.0.0.1:"),
        "{}",
        server.base_url
    );
    let at = address(&server.base_url);
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = Client {
            versions: vec![version],
            ..Client::of(&authority)
        };
        let mut connection = client.connect(at).unwrap();
        assert_eq!(connection.version(), Some(expected));
        let users = connection
            .send("GET", "/scim/v2/Users", &server.token(), "")
            .unwrap();
        assert_eq!(users.0, 200, "{}", users.1);
        assert!(users.1.contains("ListResponse"), "{}", users.1);
    }
    // A ClientHello of TLS 1.1: two cipher suites, and the extensions `supported_groups` and `signature_algorithms`.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    hello.extend([0, 18, 0, 10, 0, 4, 0, 2, 0, 0x17, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut old = TcpStream::connect(at).unwrap();
    old.write_all(&record).unwrap();
    let mut answer = Vec::new();
    old.read_to_end(&mut answer).unwrap();
    // RFC 5246 section 7.2: a fatal alert `protocol_version`.
    assert_eq!(
        (answer.first(), &answer[answer.len() - 2..]),
        (Some(&21), &[2, 70][..])
    );
    // Plain HTTP gets no answer in plain text.
    let mut plain = TcpStream::connect(at).unwrap();
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // The server may close the connection with a reset.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    server.log_until("a TLS handshake of the listener `scim` failed");
}

/// The certificate of one listener does not change the other one, and `health` follows the settings.
#[test]
fn each_listener_has_its_own_certificate() {
    let (authority, files) = (Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    let shell = Shell::new();
    let server = start(&files.flags(""));
    let plain = format!("http://{}", management_address(&server));
    shell.ok(&["health", "--url", &plain]);
    let listen = ["health", "--listen", address(&server.base_url)];
    let [_, certificate, ..] = files.flags("");
    let output = shell
        .command(&listen)
        .env("SCIM_TLS_CERTIFICATE", &certificate)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let without = shell.failure(&listen);
    assert_eq!(without.0, 1, "{}", without.1);

    let server = start(&files.flags("management-"));
    assert!(server.base_url.starts_with("http://"), "{}", server.base_url);
    assert!(
        server.printed.contains("Management API at https://127.0.0.1:"),
        "{}",
        server.printed
    );
    let client = Client::of(&authority);
    assert_eq!(client.get(&management_address(&server), "/livez").unwrap(), 200);
}

#[test]
fn new_files_are_used_without_ending_connections() {
    let (authority, files) = (Authority::new(), Files::new());
    let pairs = [2100, 2101, 2102].map(|year| authority.pair(year));
    files.store(&pairs[0]);
    let flags = [&files.flags("")[..], &files.flags("management-")[..]].concat();
    let server = start(&flags);
    let (at, token) = (address(&server.base_url), server.token());
    let client = Client::of(&authority);
    let shown = || client.connect(at).unwrap().server_certificate();
    let mut open = client.connect(at).unwrap();
    let mut ask = || open.send("GET", "/scim/v2/Users", &token, "").unwrap().0;
    assert_eq!((ask(), shown()), (200, pairs[0].certificate.clone()));

    // Without a signal.
    files.store(&pairs[1]);
    wait_until("the change of the files is noticed", || {
        shown() == pairs[1].certificate
    });
    assert_eq!(ask(), 200);
    let management = management_address(&server);
    wait_until("the other listener follows", || {
        client.connect(&management).unwrap().server_certificate() == pairs[1].certificate
    });

    // With a signal.
    server.signal("-HUP");
    server.log_until("SIGHUP: the certificate of the listener `scim` has not changed");
    files.store(&pairs[2]);
    server.signal("-HUP");
    wait_until("the signal is noticed", || shown() == pairs[2].certificate);
    assert_eq!(ask(), 200);

    // A pair that cannot be used changes nothing, and is reported once.
    files.write("server.key", &pairs[0].key_pem);
    let log = server.log_until("the key does not belong to the certificate");
    assert!(log.contains("continues with the certificate"), "{log}");
    server.signal("-HUP");
    std::fs::remove_file(files.path("server.pem")).unwrap();
    server.log_until("--tls-certificate");
    wait_until("the missing file is noticed", || {
        server.log_until("").contains("No such file")
    });
    assert_eq!((ask(), shown()), (200, pairs[2].certificate.clone()));
    files.store(&pairs[0]);
    wait_until("the files are whole again", || shown() == pairs[0].certificate);
    assert_eq!(ask(), 200);
    let log = server.log_until("");
    let reports = log
        .lines()
        .filter(|it| it.contains("--tls-key") && it.contains("does not belong"))
        .filter(|it| !it.contains("--management-tls-key"))
        .count();
    assert!(reports <= 2, "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn the_management_listener_may_demand_certificates_of_clients() {
    let (authority, strangers, files) = (Authority::new(), Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    files.write("clients.pem", &authority.certificate.pem());
    let mut flags = files.flags("management-").to_vec();
    flags.extend(["--management-client-ca".to_owned(), files.text("clients.pem")]);
    flags.extend(files.flags(""));
    let server = start(&flags);
    let management = management_address(&server);
    let nobody = Client::of(&authority);
    let member = Client::of(&authority).with(&authority.pair(2100));
    let expired = Client::of(&authority).with(&authority.pair(2021));
    let stranger = Client::of(&authority).with(&strangers.pair(2100));
    assert_eq!(member.get(&management, "/livez").unwrap(), 200);
    assert_eq!(member.get(&management, "/api/v1/tenants").unwrap(), 401);
    for versions in [vec![&rustls::version::TLS12], vec![&rustls::version::TLS13]] {
        for refused in [&nobody, &expired, &stranger] {
            let refused = Client {
                versions: versions.clone(),
                ..refused.clone()
            };
            assert!(refused.get(&management, "/livez").is_err(), "{versions:?}");
        }
    }
    // The other listener asks for none.
    assert_eq!(nobody.get(address(&server.base_url), "/livez").unwrap(), 200);

    let until = chrono::NaiveDate::from_ymd_opt(2100, 1, 1).unwrap();
    let until = until.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp();
    let mut connection = member.connect(&management).unwrap();
    let metrics = connection.send("GET", "/metrics", "", "").unwrap().1;
    for line in [
        format!("scim_tls_certificate_expiry_timestamp_seconds{{listener=\"scim\"}} {until}"),
        format!("scim_tls_certificate_expiry_timestamp_seconds{{listener=\"management\"}} {until}"),
        "scim_tls_handshakes_failed_total{listener=\"scim\"} 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    // A failure is counted after the client has noticed it.
    let failures = "scim_tls_handshakes_failed_total{listener=\"management\"} 6";
    wait_until("the failed handshakes are counted", || {
        let mut connection = member.connect(&management).unwrap();
        let metrics = connection.send("GET", "/metrics", "", "").unwrap().1;
        metrics.lines().any(|it| it == failures)
    });

    // Other authorities apply to the next connection.
    files.write("clients.pem", &strangers.certificate.pem());
    wait_until("the new authorities are known", || {
        stranger.get(&management, "/livez").is_ok_and(|it| it == 200)
    });
    assert!(member.get(&management, "/livez").is_err());
}

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    let (authority, files) = (Authority::new(), Files::new());
    let (pair, other) = (authority.pair(2100), authority.pair(2100));
    files.store(&pair);
    files.write("other.key", &other.key_pem);
    files.write("empty", "");
    files.write(
        "noise.pem",
        "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
    );
    files.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let shell = Shell::new();
    for (certificate, key, flag, told) in [
        ("missing", "server.key", "--tls-certificate", "No such file"),
        ("server.pem", "missing", "--tls-key", "No such file"),
        (
            "empty",
            "server.key",
            "--tls-certificate",
            "expected a PEM file with a certificate",
        ),
        (
            "server.key",
            "server.key",
            "--tls-certificate",
            "expected a PEM file with a certificate",
        ),
        (
            "noise.pem",
            "server.key",
            "--tls-certificate",
            "it is not a PEM file",
        ),
        (
            "server.pem",
            "empty",
            "--tls-key",
            "expected a PEM file with a private key",
        ),
        (
            "server.pem",
            "server.pem",
            "--tls-key",
            "expected a PEM file with a private key",
        ),
        (
            "server.pem",
            "encrypted.key",
            "--tls-key",
            "the private key is encrypted",
        ),
        (
            "server.pem",
            "other.key",
            "--tls-key",
            "the key does not belong to the certificate",
        ),
    ] {
        let (certificate, key) = (files.text(certificate), files.text(key));
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--tls-certificate",
            &certificate,
            "--tls-key",
            &key,
        ];
        let (code, error) = shell.failure(&arguments);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(flag) && error.contains(told), "{told}: {error}");
        assert!(!error.contains("PRIVATE KEY-----\nM"), "{error}");
    }
    let (certificate, key) = (files.text("server.pem"), files.text("server.key"));
    let empty = files.text("empty");
    for (arguments, told) in [
        (
            vec!["--tls-certificate", &certificate],
            "--tls-certificate needs --tls-key",
        ),
        (
            vec!["--management-tls-key", &key],
            "--management-tls-key needs --management-tls-certificate",
        ),
        (
            vec!["--management-client-ca", &empty],
            "--management-client-ca needs",
        ),
        (
            vec![
                "--management-tls-certificate",
                &certificate,
                "--management-tls-key",
                &key,
                "--management-client-ca",
                &empty,
            ],
            "--management-client-ca",
        ),
        (
            vec![
                "--tls-certificate",
                &certificate,
                "--tls-key",
                &key,
                "--base-url",
                "http://127.0.0.1",
            ],
            "it must begin with `https://`",
        ),
    ] {
        let (code, error) = shell.failure(&arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(!shell.folder.path().join("scim.db").exists());

    // Clients refuse an expired certificate by themselves.
    files.store(&authority.pair(2021));
    let server = start(&files.flags(""));
    server.log_until("the certificate expired on 2021-01-01T00:00:00+00:00: replace the file");
    let refused = Client::of(&authority).get(address(&server.base_url), "/livez");
    assert!(refused.is_err());
}

/// A client that connects and sends nothing, or half a handshake, does not keep its connection.
#[test]
fn silent_clients_are_disconnected_before_and_after_the_handshake() {
    let (authority, files) = (Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    let server = start(&files.flags(""));
    let at = address(&server.base_url).to_owned();
    let silent = |bytes: &'static [u8]| {
        let at = at.clone();
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(at).unwrap();
            stream.write_all(bytes).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            // The connection ends, with or without an alert.
            match stream.read_to_end(&mut Vec::new()) {
                Ok(_) => true,
                Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
            }
        })
    };
    let before = [silent(b""), silent(b"\x16\x03\x01\x01")];
    let mut after = Client::of(&authority).connect(&at).unwrap();
    let mut answer = Vec::new();
    // Half a request: the usual deadline for headers applies.
    after.0.get_mut().write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    let end = after.0.read_to_end(&mut answer);
    assert!(
        end.is_ok() || end.is_err_and(|it| it.kind() != io::ErrorKind::WouldBlock),
        "{answer:?}"
    );
    for client in before {
        assert!(client.join().unwrap());
    }
}

/// The deadline for clients that do not read holds under TLS too.
#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let (authority, files) = (Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    let mut flags = files.flags("").to_vec();
    flags.extend(["--write-timeout", "1"].map(str::to_owned));
    let server = start(&flags);
    let (at, token) = (address(&server.base_url), server.token());
    let client = Client::of(&authority);
    let mut connection = client.connect(at).unwrap();
    let certificate = "A".repeat(50_000);
    for number in 0..24 {
        let certificates: Vec<_> = (0..18)
            .map(|it| json!({ "value": format!("{it:04}{certificate}") }))
            .collect();
        let user = json!({
            "schemas": [USER], "userName": format!("user{number}"), "x509Certificates": certificates
        });
        let (status, body) = connection
            .send("POST", "/scim/v2/Users", &token, &user.to_string())
            .unwrap();
        assert_eq!(status, 201, "{body}");
    }
    let mut idle = client.connect(at).unwrap();
    idle.begin("GET", "/scim/v2/Users?count=24", &token, "").unwrap();
    server.log_until("a client did not read its response and was disconnected");
    let mut taken = Vec::new();
    let _ = idle.0.read_to_end(&mut taken);
    assert!(taken.len() < 20_000_000, "{}", taken.len());
    // A client that reads gets everything.
    let (status, _) = connection
        .send("GET", "/scim/v2/Users?count=1", &token, "")
        .unwrap();
    assert_eq!(status, 200);
    let mut reading = client.connect(at).unwrap();
    reading
        .begin("GET", "/scim/v2/Users?count=24", &token, "")
        .unwrap();
    let mut received = 0;
    let mut buffer = vec![0; 1 << 16];
    while received < 21_000_000 {
        let read = reading.0.read(&mut buffer).unwrap();
        assert!(read > 0, "{received} bytes");
        received += read;
    }
}

#[test]
fn a_stop_waits_for_requests_over_tls() {
    let (authority, files) = (Authority::new(), Files::new());
    files.store(&authority.pair(2100));
    let mut server = start(&files.flags(""));
    let (at, token) = (address(&server.base_url).to_owned(), server.token());
    let mut connection = Client::of(&authority).connect(&at).unwrap();
    // The body is not complete when the signal comes.
    let user = json!({ "schemas": [USER], "userName": "bjensen" }).to_string();
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n",
        user.len()
    );
    let (first, rest) = user.split_at(10);
    let stream = connection.0.get_mut();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    stream.flush().unwrap();
    // Another connection is answered after the bytes above have arrived.
    assert_eq!(Client::of(&authority).get(&at, "/livez").unwrap(), 200);
    server.signal("-TERM");
    wait_until("the server accepts no connections", || {
        TcpStream::connect(&at).is_err()
    });
    let stream = connection.0.get_mut();
    stream.write_all(rest.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut status = String::new();
    connection.0.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 201"), "{status}");
    drop(connection);
    assert!(server.wait().success());
}

#[test]
fn doctor_examines_the_certificates() {
    let (shell, files, authority) = (Shell::new(), Files::new(), Authority::new());
    shell.ok(&["migrate"]);
    let soon = chrono::Utc::now() + chrono::TimeDelta::days(7);
    let [month, day] = [soon.month(), soon.day()].map(|it| u8::try_from(it).unwrap());
    let year = soon.year();
    let other = authority.pair(2100);
    let cases = [
        (authority.pair(2100), 0, "ok", "it is valid until 2100-01-01"),
        (
            authority.pair_until(year, month, day),
            0,
            "warning",
            "it expires on ",
        ),
        (authority.pair(2021), 1, "error", "it expired on 2021-01-01"),
        (
            Pair {
                key_pem: other.key_pem,
                ..authority.pair(2100)
            },
            1,
            "error",
            "the key does not belong to the certificate",
        ),
    ];
    for (pair, code, level, expected) in cases {
        files.store(&pair);
        for prefix in ["", "management-"] {
            let flags = files.flags(prefix);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let output = shell.run(&[&["doctor", "--json"], &flags[..]].concat());
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            let items = found["items"].as_array().unwrap();
            let items: Vec<&Value> = items.iter().filter(|it| it["check"] == "certificates").collect();
            assert_eq!(items.len(), 1, "{found}");
            let text = items[0]["text"].as_str().unwrap();
            assert_eq!(items[0]["level"], level, "{found}");
            assert!(text.contains(expected), "{found}");
            assert_eq!(items[0]["remedy"].is_string(), level != "ok", "{found}");
            assert_eq!(output.status.code(), Some(code), "{found}");
        }
    }
}

#[test]
fn a_check_of_the_configuration_reads_the_certificates() {
    let (shell, files, authority) = (Shell::new(), Files::new(), Authority::new());
    let file = files.write(
        "scim.toml",
        &format!(
            "write-timeout = 5\ntls-certificate = '{}'\ntls-key = '{}'\n",
            files.text("server.pem"),
            files.text("server.key")
        ),
    );
    let check = ["config", "check", file.to_str().unwrap()];
    let (code, error) = shell.failure(&check);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("scim.toml:2: tls-certificate "), "{error}");
    files.store(&authority.pair(2100));
    assert!(shell.ok(&check).ends_with("scim.toml: valid\n"));
    files.write("server.key", "no key");
    let (code, error) = shell.failure(&check);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("scim.toml:3: tls-key "), "{error}");
}
