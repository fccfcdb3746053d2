//! Federated workload identity: a local issuer with rotating keys plays Entra.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::Utc;
use scim_model::store::{ClientMethod, Federation, KeySource, TenantId};
use serde_json::{Value, json};

use super::issuer::{Key, SUBJECT, entra_claims, entra_issuer, jwks, with_other_signature};
use super::{Wanted, by_assertion, expect_oauth_error, form, post, read, register, token};
use crate::harness::{Choice, Server, on_each};

/// An issuer that publishes its keys over HTTP on a loopback address, which the server of the tests may reach.
pub(super) struct Issuer {
    pub(super) url: String,
    published: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(super) fn start(keys: &[&Key]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let published = Arc::new(Mutex::new(Some(jwks(keys).to_string())));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (text, number) = (published.clone(), fetches.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut line).is_ok_and(|it| it > 2) {}
                if line.starts_with("CONNECT ") {
                    // It is its own proxy too: the tunnel ends here.
                    write!(stream, "HTTP/1.1 200 OK\r\n\r\n").unwrap();
                    while reader.read_line(&mut line).is_ok_and(|it| it > 2) {}
                }
                number.fetch_add(1, Ordering::SeqCst);
                let text: Option<String> = text.lock().unwrap().clone();
                let _ = match text {
                    Some(text) => write!(
                        stream,
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                        text.len()
                    ),
                    None => write!(stream, "HTTP/1.1 500 Down\r\ncontent-length: 0\r\n\r\n"),
                };
            }
        });
        Issuer {
            url,
            published,
            fetches,
        }
    }

    fn publish(&self, keys: Option<&[&Key]>) {
        *self.published.lock().unwrap() = keys.map(|it| jwks(it).to_string());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn trust(keys: KeySource) -> Federation {
    Federation {
        issuer: entra_issuer(),
        subject: SUBJECT.to_owned(),
        audiences: vec!["api://11112222-bbbb-3333-cccc-4444dddd5555".to_owned()],
        keys,
        claims: BTreeMap::new(),
        single_use: false,
        algorithms: vec![],
    }
}

fn federate(server: &Server, tenant: TenantId, federation: Federation) -> String {
    let wanted = Wanted {
        method: ClientMethod::Federation(federation),
        ..Wanted::default()
    };
    register(server, tenant, wanted).id
}

fn claims(changes: Value) -> Value {
    let mut claims = entra_claims(Utc::now().timestamp());
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// cred-05, cred-28, cred-68, cred-78
///
/// The federated test of Microsoft's validator.
#[test]
fn cred_78_the_validator_gets_a_token_for_an_assertion_of_entra() {
    on_each(Choice::default, |server| {
        let tenant = server.tenant("acme").tenant.unwrap();
        let key = Key::rsa("1");
        let issuer = Issuer::start(&[&key]);
        let id = federate(&server, tenant, trust(KeySource::Url(issuer.url.clone())));
        let body = include_str!("../../fixtures/oauth/validator-federated.txt")
            .replace("{client_id}", &id)
            .replace("{assertion}", &key.sign(&claims(json!({}))));
        let reply = post(&server, &body).expect(200);
        assert_eq!(
            (&reply.json()["scope"], &reply.json()["expires_in"]),
            (&json!("scim"), &json!(3600))
        );
        assert_eq!(read(&server, &token(reply)), 200);
        // cred-68: Entra may send one assertion twice.
        post(&server, &body).expect(200);
        // Entra itself asks for the scope.
        post(&server, &format!("{body}&{}", form(&[("scope", "scim")]))).expect(200);
        assert_eq!(issuer.fetches(), 1);
    });
}

/// cred-26, cred-87, cred-88
///
/// Keys that rotate, and an issuer that is down.
#[test]
fn cred_87_a_new_key_works_at_the_first_try() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let (old, new, third) = (Key::rsa("old"), Key::rsa("new"), Key::rsa("third"));
    let issuer = Issuer::start(&[&old]);
    let id = federate(&server, tenant, trust(KeySource::Url(issuer.url.clone())));
    let send = |key: &Key| by_assertion(&server, Some(&id), &key.sign(&claims(json!({}))));
    send(&old).expect(200);
    issuer.publish(Some(&[&old, &new]));
    send(&new).expect(200);
    assert_eq!(issuer.fetches(), 2);
    for number in 0..8 {
        let unknown = Key::ec(&format!("unknown {number}"));
        let reply = expect_oauth_error(send(&unknown), 503, "temporarily_unavailable");
        assert!(reply.header("retry-after").is_some());
    }
    assert_eq!(issuer.fetches(), 2, "unknown keys are looked for once a minute");
    issuer.publish(None);
    send(&old).expect(200);
    // Another trust in the same issuer has no keys yet: its requests must not look like wrong credentials (cred-26).
    let elsewhere = server.tenant("other").tenant.unwrap();
    let other = federate(&server, elsewhere, trust(KeySource::Url(issuer.url.clone())));
    let reply = by_assertion(&server, Some(&other), &third.sign(&claims(json!({}))));
    let reply = expect_oauth_error(reply, 503, "temporarily_unavailable");
    assert!(reply.header("retry-after").is_some());
}

/// cred-55, cred-69
///
/// The server fetches no keys for a client whose issuer does not fit.
#[test]
fn cred_69_strangers_cause_no_outgoing_connection() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let key = Key::rsa("1");
    let issuer = Issuer::start(&[&key]);
    let id = federate(&server, tenant, trust(KeySource::Url(issuer.url.clone())));
    let mut header = key.header();
    header["jku"] = json!(issuer.url);
    for (client, assertion) in [
        (id.as_str(), "garbage".to_owned()),
        (&id, key.sign(&claims(json!({"iss": "https://evil.example/"})))),
        ("client_unknown", key.sign_with(&header, &claims(json!({})))),
    ] {
        let reply = by_assertion(&server, Some(client), &assertion);
        let reply = expect_oauth_error(reply, 401, "invalid_client");
        assert_eq!(reply.json()["error_description"], "assertion refused");
    }
    assert_eq!(issuer.fetches(), 0);
}

/// cred-58, cred-70, cred-72, cred-75, cred-76, cred-90
#[test]
fn cred_75_issuer_and_audience_without_the_subject_do_not_suffice() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let key = Key::rsa("1");
    // cred-90: keys in the settings need no connection.
    let id = federate(
        &server,
        tenant,
        trust(KeySource::Inline(jwks(&[&key]).to_string())),
    );
    let send =
        |client: Option<&str>, changes: Value| by_assertion(&server, client, &key.sign(&claims(changes)));
    send(Some(&id), json!({})).expect(200);
    for (changes, description) in [
        (json!({"sub": "other"}), "sub does not match"),
        (
            json!({"aud": "api://11112222-bbbb-3333-cccc-4444dddd5555/"}),
            "aud does not match",
        ),
        (
            json!({"iss": format!("{}/", entra_issuer())}),
            "assertion refused",
        ),
    ] {
        let reply = expect_oauth_error(send(Some(&id), changes), 401, "invalid_client");
        assert_eq!(reply.json()["error_description"], description);
        assert!(
            !reply.text.contains(SUBJECT) && !reply.text.contains("1111"),
            "{}",
            reply.text
        );
    }
    expect_oauth_error(send(None, json!({})), 401, "invalid_client");
}

/// cred-58
///
/// The key of a trust is good for this trust only.
#[test]
fn cred_58_the_issuer_of_another_tenant_is_refused() {
    let server = Server::start();
    let (acme, other) = (
        server.tenant("acme").tenant.unwrap(),
        server.tenant("other").tenant.unwrap(),
    );
    let (key, foreign) = (Key::rsa("1"), Key::rsa("1"));
    let mine = federate(&server, acme, trust(KeySource::Inline(jwks(&[&key]).to_string())));
    let theirs = Federation {
        issuer: "https://issuer.example.com/".to_owned(),
        ..trust(KeySource::Inline(jwks(&[&foreign]).to_string()))
    };
    let theirs = federate(&server, other, theirs);
    let assertion = foreign.sign(&claims(json!({"iss": "https://issuer.example.com/"})));
    by_assertion(&server, Some(&theirs), &assertion).expect(200);
    expect_oauth_error(
        by_assertion(&server, Some(&mine), &assertion),
        401,
        "invalid_client",
    );
    let forged = foreign.sign(&claims(json!({})));
    expect_oauth_error(by_assertion(&server, Some(&mine), &forged), 401, "invalid_client");
}

/// cred-68
#[test]
fn cred_68_a_trust_may_accept_each_assertion_once() {
    on_each(Choice::default, |server| {
        let tenant = server.tenant("acme").tenant.unwrap();
        let key = Key::rsa("1");
        let once = || Federation {
            single_use: true,
            ..trust(KeySource::Inline(jwks(&[&key]).to_string()))
        };
        let id = federate(&server, tenant, once());
        // By `jti`, else by `uti`, else by the assertion as a whole.
        for changes in [json!({"jti": "j"}), json!({"uti": "u"}), json!({"uti": null})] {
            let assertion = key.sign(&claims(changes));
            by_assertion(&server, Some(&id), &assertion).expect(200);
            expect_oauth_error(
                by_assertion(&server, Some(&id), &assertion),
                401,
                "invalid_client",
            );
            // A tenant has one federation for an assertion.
            let elsewhere = server.tenant(&format!("t{}", uuid::Uuid::now_v7().simple()));
            let other = federate(&server, elsewhere.tenant.unwrap(), once());
            by_assertion(&server, Some(&other), &assertion).expect(200);
        }
    });
}

/// cred-68
///
/// Anybody can turn a signature of ES256 into another valid one, which is no new assertion.
#[test]
fn cred_68_another_valid_signature_is_no_new_assertion() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let key = Key::ec("1");
    let federation = |single_use| Federation {
        single_use,
        ..trust(KeySource::Inline(jwks(&[&key]).to_string()))
    };
    let assertion = key.sign(&claims(json!({"uti": null})));
    let other = with_other_signature(&assertion);
    assert_ne!(assertion, other);
    let many = federate(&server, tenant, federation(false));
    by_assertion(&server, Some(&many), &other).expect(200);
    let elsewhere = server.tenant("other").tenant.unwrap();
    let once = federate(&server, elsewhere, federation(true));
    by_assertion(&server, Some(&once), &assertion).expect(200);
    expect_oauth_error(by_assertion(&server, Some(&once), &other), 401, "invalid_client");
}

/// cred-81
///
/// An issuer other than Entra, such as a cluster of Kubernetes.
#[test]
fn cred_81_a_trust_serves_any_issuer_with_keys() {
    let server = Server::start();
    let tenant = server.tenant("acme").tenant.unwrap();
    let key = Key::ec("cluster");
    let federation = Federation {
        issuer: "https://kubernetes.default.svc".to_owned(),
        subject: "system:serviceaccount:hr:export".to_owned(),
        audiences: vec!["https://scim.example.com".to_owned()],
        ..trust(KeySource::Inline(jwks(&[&key]).to_string()))
    };
    let id = federate(&server, tenant, federation);
    let now = Utc::now().timestamp();
    let assertion = key.sign(&json!({
        "aud": ["https://scim.example.com"],
        "exp": now + 3607,
        "iat": now,
        "nbf": now,
        "iss": "https://kubernetes.default.svc",
        "jti": "0190a0a0-0000-7000-8000-000000000000",
        "kubernetes.io": {"namespace": "hr", "pod": {"name": "export", "uid": "u"}, "serviceaccount": {"name": "export", "uid": "v"}},
        "sub": "system:serviceaccount:hr:export",
    }));
    assert_eq!(
        read(&server, &token(by_assertion(&server, Some(&id), &assertion))),
        200
    );
}
