//! The management listener of the binary.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{HttpClient, wait_until};
use crate::keys::first_key;
use crate::restart::Binary;

/// The origin of the management listener.
fn origin(server: &Binary) -> String {
    let url = server.management_url();
    url.strip_suffix("/api/v1").unwrap().to_owned()
}

fn api(server: &Binary, key: &str) -> HttpClient {
    HttpClient::new(&format!("{}/api/v1", origin(server)), key)
}

/// Status and text, without a key.
fn get(url: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut reply = agent.get(url).call().unwrap();
    (
        reply.status().as_u16(),
        reply.body_mut().read_to_string().unwrap(),
    )
}

fn create(client: &HttpClient, path: &str, body: &Value) -> Value {
    let mut reply = client.post_json(path, body);
    assert_eq!(reply.status().as_u16(), 201);
    serde_json::from_str(&reply.body_mut().read_to_string().unwrap()).unwrap()
}

#[test]
fn the_listener_serves_probes_and_metrics_without_a_key_and_the_api_with_one() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let origin = origin(&server);
        assert_eq!(get(&format!("{origin}/livez")).0, 200);
        assert_eq!(get(&format!("{origin}/readyz")).0, 200);
        assert_eq!(get(&format!("{origin}/api/v1/tenants")).0, 401);
        assert_eq!(get(&format!("{origin}/api/v1/openapi.json")).0, 401);
        assert_eq!(get(&format!("{origin}/console")).0, 401);
        let key = first_key(&server).to_owned();
        let admin = api(&server, &key);
        let (status, list) = admin.send("GET", "/tenants", None);
        assert_eq!((status, &list["items"][0]["name"]), (200, &json!("default")));
        // The SCIM side does not serve the API.
        let scim = server.base_url.trim_end_matches("/scim/v2");
        assert_eq!(
            HttpClient::new(scim, &key).send("GET", "/api/v1/tenants", None).0,
            401
        );
        assert_eq!(
            HttpClient::new(scim, &server.token())
                .send("GET", "/api/v1/tenants", None)
                .0,
            404
        );
        let (status, text) = get(&format!("{origin}/metrics"));
        assert_eq!(status, 200);
        let counted =
            "scim_requests_total{route=\"/api/v1/tenants\",method=\"GET\",status=\"200\",tenant=\"\"} 1";
        assert!(text.contains(counted), "{text}");

        // A key that is revoked by a command ends within a second.
        let id = shell.json(&["key", "list", "--json"])["items"][0]["id"].clone();
        shell.ok(&["key", "revoke", id.as_str().unwrap()]);
        assert_eq!(admin.send("GET", "/tenants", None).0, 401);
    });
}

/// cred-106: each change is a line of the audit log, with the key that made it and no secret.
#[test]
fn cred_106_changes_are_audited() {
    let mut server = Binary::start(&[]);
    let key = first_key(&server).to_owned();
    let admin = api(&server, &key);
    create(&admin, "/tenants", &json!({"name": "acme"}));
    let client = create(&admin, "/tenants/acme/connections/default/clients", &json!({}));
    let id = client["clientId"].as_str().unwrap();
    let secrets = format!("/tenants/acme/connections/default/clients/{id}/secrets");
    let secret = create(&admin, &secrets, &json!({}));
    let secret_path = format!("{secrets}/{}", secret["id"].as_str().unwrap());
    assert_eq!(admin.send("DELETE", &secret_path, None).0, 204);
    assert_eq!(admin.send("DELETE", &secret_path, None).0, 404);
    server.signal("-TERM");
    server.wait();
    let log = server.log();
    let audit: Vec<&str> = log.lines().filter(|it| it.contains(" audit]")).collect();
    let ends = [
        "create /tenants/acme".to_owned(),
        format!("create /tenants/acme/connections/default/clients/{id}"),
        format!("create {secret_path}"),
        format!("delete {secret_path}"),
    ];
    assert_eq!(audit.len(), ends.len(), "{log}");
    for (line, end) in audit.iter().zip(&ends) {
        assert!(line.ends_with(end.as_str()) && line.contains(" key=0"), "{line}");
        // The same request has a line in the access log.
        let request = line.split("audit] ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(
            log.lines()
                .any(|it| it.contains("access") && it.contains(request)),
            "{request}"
        );
    }
    for text in [
        &key,
        client["clientSecret"].as_str().unwrap(),
        secret["clientSecret"].as_str().unwrap(),
    ] {
        assert!(!log.contains(text), "{log}");
    }
}

#[test]
fn the_listener_can_be_elsewhere_or_off() {
    let shell = Shell::new();
    let server = shell.serve(&["--management-listen", "off"]);
    assert!(!server.printed.contains("Management API"), "{}", server.printed);
    assert!(!server.printed.contains("opk_"), "{}", server.printed);
    drop(server);
    let server = shell.serve(&["--management-listen", " 0\n"]);
    assert!(origin(&server).starts_with("http://127.0.0.1:"));
    drop(server);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = shell.failure(&["--listen", "127.0.0.1:0", "--management-listen", &address]);
    assert_eq!(code, 8, "{text}");
    assert!(
        text.contains("--management-listen") && text.contains("another program listens"),
        "{text}"
    );
    let (code, text) = shell.failure(&["--listen", "127.0.0.1:0", "--management-listen", "0.0.0.0:0"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("--management-listen: other machines can reach"),
        "{text}"
    );
}

/// The earlier flag serves the metrics and nothing else, as before.
#[test]
fn the_deprecated_flag_serves_metrics_only() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Binary::start(&["--metrics-listen", &port.to_string()]);
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    wait_until("the metrics are served", || get(&url("/metrics")).0 == 200);
    assert_eq!(get(&url("/api/v1/tenants")).0, 404);
    server.log_until("--metrics-listen is deprecated");
}

/// Both sides end at a signal, and the probe says so before.
#[test]
fn the_listener_ends_with_the_server() {
    let mut server = Binary::start(&[]);
    let key = first_key(&server).to_owned();
    assert_eq!(api(&server, &key).send("GET", "/tenants", None).0, 200);
    let began = Instant::now();
    server.signal("-TERM");
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(10));
}
