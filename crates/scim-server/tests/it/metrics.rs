//! The metrics: which counters exist, and that their labels contain no client input.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use scim_server::delivery::lag::EndpointLag;
use scim_server::delivery::security_events::STREAM_STATES;
use scim_server::delivery::state_counts::StateCounts;
use scim_server::delivery::webhooks::ENDPOINT_STATES;
use scim_server::http::metrics::{self, Exposition, Sampled};
use scim_server::upkeep::expiry::Expiring;
use serde_json::json;

use crate::harness::{Choice, Server, USER, encode};

#[test]
fn metrics_contain_no_client_input() {
    let server = Server::start();
    let acme = server.tenant("acme-secret");
    let user = acme.create_user("bjensen");
    for _ in 0..3 {
        acme.get(&user.path).expect(200);
    }
    let filter = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:Department eq \"bjensen\"";
    acme.get(&format!("/Users?filter={}", encode(filter))).expect(200);
    acme.get("/Users?filter=TITLE%20co%20%22bjensen%22&sortBy=nickName")
        .expect(200);
    acme.get("/Nothing/bjensen").expect(404);
    acme.request("BJENSEN", "/Users").send().expect(501);
    let text = scrape(&server);
    for line in [
        "scim_requests_total{route=\"/scim/v2/Users/{id}\",method=\"GET\",status=\"200\",tenant=\"acme-secret\"} 3",
        "scim_requests_total{route=\"/scim/v2/Users\",method=\"POST\",status=\"201\",tenant=\"acme-secret\"} 1",
        "scim_requests_total{route=\"-\",method=\"GET\",status=\"404\",tenant=\"acme-secret\"} 1",
        "scim_requests_total{route=\"/scim/v2/Users\",method=\"other\",status=\"501\",tenant=\"acme-secret\"} 1",
        "scim_request_duration_seconds_count{route=\"/scim/v2/Users/{id}\",method=\"GET\"} 3",
        "scim_requests_at_work 0",
        "scim_scans_total{resource_type=\"User\",attribute=\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department\"} 1",
        "scim_scans_total{resource_type=\"User\",attribute=\"title\"} 1",
        "scim_scans_total{resource_type=\"User\",attribute=\"nickName\"} 1",
        "scim_scans_refused_total{resource_type=\"User\",attribute=\"title\"} 0",
        "scim_scans_too_long_total{resource_type=\"User\",attribute=\"title\"} 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    for word in ["bjensen", "BJENSEN", "TITLE", "Nothing", &user.id] {
        assert!(!text.contains(word), "{word} in\n{text}");
    }
}

/// Operators see which leniencies their clients need before they choose the strict setting.
#[test]
fn the_tolerances_that_a_patch_needs_are_counted() {
    let server = Server::start();
    let acme = server.tenant("acme-secret");
    let (user, group) = (acme.create_user("bjensen"), acme.create_group("Guides", &[]));
    let listed = json!([{"value": user.id}]);
    let dotted = json!([{"op": "add", "value": {"name.givenName": "B", "name.familyName": "J", "nope": 1}}]);
    acme.patch(&user.path, dotted).expect(200);
    acme.patch(
        &user.path,
        json!([{"op": "replace", "path": "active", "value": "False"}]),
    )
    .expect(200);
    acme.patch(
        &group.path,
        json!([{"op": "remove", "path": "members", "value": listed}]),
    )
    .expect(204);
    let several = json!([
        {"op": "remove", "path": "members", "value": listed},
        {"op": "replace", "value": {"id": group.id, "displayName": "Drivers"}},
    ]);
    acme.patch(&group.path, several).expect(204);
    // A request that is refused, and one that conforms, need none.
    acme.patch(
        &user.path,
        json!([
        {"op": "replace", "path": "active", "value": "False"}, {"op": "remove", "path": "userName"}]),
    )
    .expect(400);
    acme.patch(
        &user.path,
        json!([{"op": "replace", "path": "active", "value": true}]),
    )
    .expect(200);
    let text = scrape(&server);
    let counted = |it: &&str| it.starts_with("scim_patch_tolerances_total");
    assert_eq!(
        text.lines().filter(counted).collect::<Vec<_>>(),
        [
            "scim_patch_tolerances_total{tenant=\"acme-secret\",connection=\"default\",tolerance=\"boolean_text\"} 1",
            "scim_patch_tolerances_total{tenant=\"acme-secret\",connection=\"default\",tolerance=\"path_as_key\"} 1",
            "scim_patch_tolerances_total{tenant=\"acme-secret\",connection=\"default\",tolerance=\"read_only_ignored\"} 1",
            "scim_patch_tolerances_total{tenant=\"acme-secret\",connection=\"default\",tolerance=\"remove_by_value\"} 2",
            "scim_patch_tolerances_total{tenant=\"acme-secret\",connection=\"default\",tolerance=\"unknown_ignored\"} 1",
        ]
    );
}

#[test]
fn the_tolerances_of_other_requests_are_counted() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let body = json!({ "schemas": [], "userName": "a", "active": "True" });
    acme.post("/Users", body.clone()).expect(201);
    // A request that is refused needs none.
    acme.post("/Users", body).expect(409);
    acme.put(&user.path, json!({ "schemas": null, "userName": "bjensen" }))
        .expect(200);
    acme.post("/Users/.search", json!({ "attributes": "userName" }))
        .expect(200);
    acme.get("/Users?filter=active%20eq%20%22True%22").expect(200);
    acme.request("PATCH", &user.path)
        .json(&json!({ "schemas": [USER], "Operations": [] }))
        .send()
        .expect(200);
    let text = scrape(&server);
    let counted = |it: &&str| it.contains("_tolerances_total");
    assert_eq!(
        text.lines().filter(counted).collect::<Vec<_>>(),
        [
            "scim_patch_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"empty_operations\"} 1",
            "scim_patch_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"other_schemas\"} 1",
            "scim_request_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"boolean_text\"} 2",
            "scim_request_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"empty_schemas\"} 2",
            "scim_request_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"missing_schemas\"} 1",
            "scim_request_tolerances_total{tenant=\"acme\",connection=\"default\",tolerance=\"names_in_text\"} 1",
        ]
    );
}

/// On SQLite the deadline is checked for every resource, also for the first one.
#[test]
fn a_slow_scan_answers_too_many_and_names_the_attribute() {
    let server = Server::start_with(Choice {
        scan_timeout: Duration::ZERO,
        ..Choice::default()
    });
    let acme = server.tenant("acme-secret");
    acme.create_user("bjensen");
    for query in ["/Users?filter=title%20co%20%22x%22", "/Users?sortBy=title"] {
        let refused = acme.get(query).expect(400).json();
        assert_eq!(refused["scimType"], "tooMany", "{query}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`title`"), "{detail}");
    }
    acme.get("/Users?filter=userName%20eq%20%22bjensen%22")
        .expect(200);
    acme.get("/Users").expect(200);
    let too_long = "scim_scans_too_long_total{resource_type=\"User\",attribute=\"title\"} 2";
    let text = scrape(&server);
    assert!(text.lines().any(|it| it == too_long), "{text}");
}

/// Scrapers that do not name OpenMetrics get the older format, in which each family has its help and its type.
#[test]
fn metrics_have_the_format_that_the_scraper_accepts() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.get("/Users").expect(200);
    acme.get("/Users?filter=title%20co%20%22x%22").expect(200);
    let refused = "application/openmetrics-text; q=0, text/plain";
    for accept in [None, Some("text/plain"), Some("*/*"), Some(refused)] {
        let (content_type, text) = scrape_as(&server, accept);
        assert!(
            content_type.starts_with("text/plain; version=0.0.4"),
            "{content_type}"
        );
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        check_families(&text, &["", "_bucket", "_sum", "_count"]);
        assert!(text.contains("# TYPE scim_requests_total counter"), "{text}");
        assert!(
            text.contains("# TYPE scim_request_duration_seconds histogram"),
            "{text}"
        );
        assert!(text.contains("\nscim_log_lines_lost_total 0\n"), "{text}");
        assert!(text.contains("\nscim_database_durable 1\n"), "{text}");
    }
    let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (content_type, text) = scrape_as(&server, Some(prometheus));
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(text.ends_with("# EOF\n"), "{text}");
    check_families(&text, &["", "_total", "_bucket", "_sum", "_count"]);
}

/// Checks that each sample belongs to a family with `HELP` and `TYPE`, whose name it has with one of the suffixes.
fn check_families(text: &str, suffixes: &[&str]) {
    let names = |kind: &str| -> BTreeSet<&str> {
        let lines = text.lines().filter_map(|it| it.strip_prefix(kind));
        lines.filter_map(|it| it.split(' ').next()).collect()
    };
    let (help, types) = (names("# HELP "), names("# TYPE "));
    assert_eq!(help, types);
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let mut families = suffixes.iter().filter_map(|it| name.strip_suffix(it));
        assert!(families.any(|it| types.contains(it)), "{name} in\n{text}");
    }
}

/// Returns the metrics as Prometheus reads them.
pub fn scrape(server: &Server) -> String {
    scrape_as(server, Some("application/openmetrics-text; version=1.0.0")).1
}

/// Returns the media type and the text for an `Accept` header.
fn scrape_as(server: &Server, accept: Option<&str>) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (http, store) = (server.http.clone(), server.store.clone());
    let figures = store.clone();
    let expires = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let expiring = Expiring {
        tenant: "acme".to_owned(),
        connection: "default".to_owned(),
        kind: "token",
        expires,
    };
    let endpoint = EndpointLag {
        kind: "webhook",
        id: uuid::Uuid::nil(),
        seconds: 7,
        changes: 3,
        failing_seconds: 0,
    };
    let sampled = Sampled {
        database_is_durable: true,
        scans: Box::new(move || store.scan_counts()),
        connections: Box::new(move || figures.connection_figures()),
        expiring: Box::new(move || vec![expiring.clone()]),
        endpoints: Box::new(move || vec![endpoint.clone()]),
        tls: Vec::new(),
        webhooks: StateCounts::new(ENDPOINT_STATES),
        streams: StateCounts::new(STREAM_STATES),
    };
    let (send, started) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = metrics::listen(Exposition::new(http.metrics(), sampled), listener).unwrap();
            send.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = started.recv().unwrap();
    let mut request = ureq::get(&format!("http://{address}/metrics"));
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    let mut reply = request.call().unwrap();
    let text = reply.body_mut().read_to_string().unwrap();
    let content_type = reply.headers()["content-type"].to_str().unwrap().to_owned();
    drop(handle.stop(false));
    thread.join().unwrap();
    (content_type, text)
}
