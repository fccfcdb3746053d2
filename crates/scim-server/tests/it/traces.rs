//! Traces as a collector gets them, from the real binary.

use std::net::TcpListener;
use std::process::Command;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Attribute, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{HttpClient, USER, encode, wait_until};
use crate::keys::first_key;
use crate::restart::Binary;
use crate::webhooks::receiver::{Answer, Receiver, answer};

/// A part of every value that the test sends.
const MARK: &str = "Zaphod";

/// The trace and the span of the caller.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A collector, and the spans that it has.
struct Collector {
    receiver: Receiver,
}

impl Collector {
    fn start() -> Collector {
        let receiver = Receiver::start(|_, _| Answer {
            body: "",
            ..answer(200)
        });
        Collector { receiver }
    }

    fn endpoint(&self) -> &str {
        self.receiver.url.strip_suffix("/hook").unwrap()
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.receiver.received();
        let exports = received.iter().map(|it| {
            assert_eq!(it.line, "POST /v1/traces HTTP/1.1");
            assert_eq!(it.headers["content-type"], "application/x-protobuf");
            ExportTraceServiceRequest::decode(&it.body[..]).unwrap()
        });
        exports.collect()
    }

    fn spans(&self) -> Vec<Span> {
        let exports = self.exports().into_iter();
        let resources = exports.flat_map(|it| it.resource_spans);
        let scopes = resources.flat_map(|it| it.scope_spans);
        scopes.flat_map(|it| it.spans).collect()
    }

    fn resource(&self) -> Resource {
        let first = self.exports().into_iter().next().unwrap();
        first.resource_spans[0].resource.clone().unwrap()
    }

    /// Waits for the span of a request, which has this attribute.
    #[track_caller]
    fn span_of(&self, request: &str) -> Span {
        let found = || {
            let mut spans = self.spans().into_iter();
            spans.find(|it| text(&it.attributes, "scim.request_id") == request)
        };
        wait_until("the span of the request", || found().is_some());
        found().unwrap()
    }

    /// Waits for the spans below another one.
    #[track_caller]
    fn spans_below(&self, span: &Span) -> Vec<Span> {
        let below = || -> Vec<Span> {
            let spans = self.spans().into_iter();
            spans.filter(|it| it.parent_span_id == span.span_id).collect()
        };
        wait_until("the span below it", || !below().is_empty());
        below()
    }
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a AnyValue> {
    let found = attributes.iter().find(|it| it.key == name)?;
    let Attribute { value } = found.value.as_ref()?;
    value.as_ref()
}

/// The text of an attribute, or an empty one.
fn text<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    match attribute(attributes, name) {
        Some(AnyValue::StringValue(text)) => text,
        _ => "",
    }
}

fn status(span: &Span) -> i64 {
    match attribute(&span.attributes, "http.response.status_code") {
        Some(AnyValue::IntValue(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// A server at its first start, with variables.
fn serve(folder: &TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Binary {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim-server"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("SCIM_DATABASE_URL")
        .env("RUST_LOG", "info")
        .envs(variables.iter().copied());
    Binary::run(command)
}

/// Sends a request with a `traceparent`, and returns its status and id.
fn send(client: &HttpClient, method: &str, path: &str, flags: &str, body: &str) -> (u16, String) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", client.base_url()))
        .header("authorization", client.authorization())
        .header("content-type", "application/json")
        .header("user-agent", MARK)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-{flags}"))
        .header("tracestate", format!("vendor={MARK}"))
        .body(body.to_owned())
        .unwrap();
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .new_agent();
    let answer = agent.run(request).unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), id)
}

#[test]
fn a_request_is_a_span_in_the_trace_of_its_caller_and_has_its_work_below_it() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let server = serve(
        &folder,
        &["--otlp-endpoint", collector.endpoint()],
        &[
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=5ec2e7"),
        ],
    );
    let client = server.client();
    let user = json!({ "schemas": [USER], "userName": MARK }).to_string();
    let (created, id) = send(&client, "POST", "/Users", "01", &user);
    assert_eq!(created, 201);
    let span = collector.span_of(&id);
    assert_eq!(span.name, "POST /scim/v2/Users");
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(status(&span), 201);
    for (name, expected) in [
        ("http.request.method", "POST"),
        ("http.route", "/scim/v2/Users"),
        ("scim.tenant", "default"),
        ("scim.connection", "default"),
    ] {
        assert_eq!(text(&span.attributes, name), expected, "{name}");
    }
    // The token was looked up, and the user was stored.
    for below in collector.spans_below(&span) {
        assert_eq!((below.name.as_str(), below.kind()), ("store", SpanKind::Internal));
        assert_eq!(below.trace_id, span.trace_id);
        assert!(below.start_time_unix_nano >= span.start_time_unix_nano);
        assert!(below.end_time_unix_nano >= below.start_time_unix_nano);
        assert!(matches!(
            attribute(&below.attributes, "scim.waited_ms"),
            Some(AnyValue::DoubleValue(waited)) if *waited >= 0.0
        ));
    }
    let resource = collector.resource().attributes;
    assert_eq!(text(&resource, "service.name"), "scim-server");
    assert_eq!(text(&resource, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(collector.receiver.received()[0].headers["x-api-key"], "5ec2e7");

    // Requests of operators too.
    let operator = HttpClient::new(&server.management_url(), first_key(&server));
    let (listed, id) = send(&operator, "GET", "/tenants", "01", "");
    assert_eq!(listed, 200);
    let span = collector.span_of(&id);
    assert!(
        span.name.starts_with("GET /") && span.name.ends_with("/tenants"),
        "{}",
        span.name
    );
    assert_eq!(hex(&span.trace_id), TRACE);
}

/// 6750-5.3-01
#[test]
fn a_span_has_no_text_from_the_client_and_no_secret() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let server = serve(
        &folder,
        &["--otlp-endpoint", collector.endpoint()],
        &[("OTEL_BSP_SCHEDULE_DELAY", "50")],
    );
    let client = server.client();
    let filter = encode(&format!("userName eq \"{MARK}\""));
    let stranger = HttpClient::new(&server.base_url, MARK);
    let mut last = String::new();
    for (client, method, path, body, expected) in [
        (&client, "GET", format!("/Users?filter={filter}"), "", 200),
        (&client, "GET", format!("/Users/{MARK}"), "", 404),
        (&client, "GET", format!("/{MARK}/{MARK}"), "", 404),
        (&client, "POST", "/Users".to_owned(), MARK, 400),
        (&client, MARK, "/Users".to_owned(), "", 501),
        (&stranger, "GET", "/Users".to_owned(), "", 401),
    ] {
        let (answered, id) = send(client, method, &path, "01", body);
        assert_eq!(answered, expected, "{method} {path}");
        let span = collector.span_of(&id);
        assert_eq!(status(&span), i64::from(expected));
        // A mistake of the client is not an error of the server.
        let (code, error) = match expected {
            501 => (StatusCode::Error, "501"),
            _ => (StatusCode::Unset, ""),
        };
        assert_eq!(text(&span.attributes, "error.type"), error);
        assert_eq!(span.status.clone().unwrap_or_default().code(), code);
        if method == MARK {
            assert_eq!(text(&span.attributes, "http.request.method"), "_OTHER");
            assert!(span.name.starts_with("HTTP"), "{}", span.name);
        }
        last = id;
    }
    collector.span_of(&last);
    let token = server.token();
    for request in collector.receiver.received() {
        let bytes = String::from_utf8_lossy(&request.body).into_owned();
        for secret in [MARK, "filter", token.as_str()] {
            assert!(!bytes.contains(secret), "{secret}: {bytes}");
        }
    }
}

/// The caller decides whether its trace is recorded. Without a caller, the server does.
#[test]
fn a_trace_that_its_caller_does_not_record_is_not_sent() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(
        &folder,
        &["--otlp-endpoint", collector.endpoint()],
        &[("OTEL_BSP_SCHEDULE_DELAY", "50")],
    );
    let client = server.client();
    let (answered, unrecorded) = send(&client, "GET", "/Users", "00", "");
    assert_eq!(answered, 200);
    assert_eq!(client.send("GET", "/Groups", None).0, 200);
    server.signal("-TERM");
    assert!(server.wait().success());
    let spans = collector.spans();
    let of_groups = spans.iter().find(|it| it.name == "GET /scim/v2/Groups").unwrap();
    assert!(of_groups.parent_span_id.is_empty());
    assert!(
        spans
            .iter()
            .all(|it| text(&it.attributes, "scim.request_id") != unrecorded)
    );
    assert!(spans.iter().all(|it| hex(&it.trace_id) != TRACE));
}

/// The standard variables of OpenTelemetry are enough, and the last spans are sent when the process ends.
#[test]
fn the_last_spans_are_sent_at_the_end_of_the_process() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(
        &folder,
        &[],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_SERVICE_NAME", "identities"),
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ],
    );
    assert_eq!(server.client().send("GET", "/Users", None).0, 200);
    assert_eq!(collector.receiver.received().len(), 0);
    server.signal("-TERM");
    assert!(server.wait().success());
    let names: Vec<String> = collector.spans().into_iter().map(|it| it.name).collect();
    assert!(names.contains(&"GET /scim/v2/Users".to_owned()), "{names:?}");
    assert_eq!(
        text(&collector.resource().attributes, "service.name"),
        "identities"
    );
}

#[test]
fn traces_can_be_turned_off() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(
        &folder,
        &["--otlp-endpoint", collector.endpoint()],
        &[("OTEL_SDK_DISABLED", "true")],
    );
    assert_eq!(server.client().send("GET", "/Users", None).0, 200);
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!(collector.receiver.received().len(), 0);
}

/// A collector that does not answer, one that refuses connections, and one that answers with an error: requests are served,
/// the log has few lines, and the process ends.
#[test]
fn a_collector_that_takes_nothing_disturbs_no_request() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failing = Receiver::start(|_, _| answer(500));
    let endpoints = [
        format!("http://{}", silent.local_addr().unwrap()),
        format!("http://{refusing}"),
        failing.url.clone(),
    ];
    std::thread::scope(|threads| {
        for endpoint in &endpoints {
            threads.spawn(|| serve_without_collector(endpoint));
        }
    });
}

fn serve_without_collector(endpoint: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(
        &folder,
        &["--otlp-endpoint", endpoint],
        &[
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ],
    );
    let client = server.client();
    for _ in 0..200 {
        assert_eq!(client.send("GET", "/Users", None).0, 200, "{endpoint}");
    }
    server.signal("-TERM");
    assert!(server.wait().success(), "{endpoint}");
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|it| it.contains("traces")).collect();
    assert!((1..=3).contains(&lines.len()), "{lines:?}");
    assert!(!log.contains("ERROR"), "{log}");
}
