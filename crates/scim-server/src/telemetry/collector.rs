//! The export of spans to a collector, by OTLP over HTTP with protobuf.

use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, Protocol, SpanExporter,
    WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::FLUSH_LIMIT;
use super::recorded;
use crate::egress::{Authorities, CollectorClient};

/// The time that the collector has for a request.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The pause between two entries of the log about a collector that takes nothing.
const SILENCE: Duration = Duration::from_secs(60);

const NAME: &str = "scim-server";

/// The export of spans. When it is dropped, the last spans are sent, within [`FLUSH_LIMIT`].
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to record spans, if there is a collector: `endpoint` is its URL without the path of traces, and without it the
    /// standard variables of OpenTelemetry name it. These also have the other settings, such as the sampler.
    ///
    /// # Errors
    /// A text that names the setting.
    pub fn start(endpoint: Option<&str>, authorities: Authorities) -> Result<Option<Traces>, String> {
        let is_set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
        let by_variable = [OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT]
            .iter()
            .any(|it| is_set(it));
        let is_off = env::var("OTEL_SDK_DISABLED").is_ok_and(|it| it.eq_ignore_ascii_case("true"));
        if is_off || (endpoint.is_none() && !by_variable) {
            return Ok(None);
        }
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client::new(authorities));
        if let Some(endpoint) = endpoint {
            exporter = exporter.with_endpoint(format!("{endpoint}/v1/traces"));
        }
        let exporter = exporter
            .build()
            .map_err(|error| format!("--otlp-endpoint: {error}"))?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if !is_set("OTEL_SERVICE_NAME") && !names_service() {
            resource = resource.with_service_name(NAME);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        recorded::record(provider.tracer(NAME));
        Ok(Some(Traces(provider)))
    }
}

fn names_service() -> bool {
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let mut names = attributes.split(',').filter_map(|it| it.split_once('='));
    names.any(|(name, _)| name.trim() == "service.name")
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_LIMIT) {
            log::warn!("the last traces were not sent: {error}");
        }
    }
}

/// The HTTP client of the exporter, which reports how it goes. The thread of the exporter may block.
#[derive(Debug)]
struct Client {
    collector: CollectorClient,
    reports: Mutex<Reports>,
}

/// The entries of the log about the collector so far.
#[derive(Debug, Default)]
struct Reports {
    last: Option<Instant>,
    is_failing: bool,
}

impl Client {
    fn new(authorities: Authorities) -> Client {
        Client {
            collector: CollectorClient::new(authorities, TIME_LIMIT),
            reports: Mutex::default(),
        }
    }

    fn send(&self, request: &Request<Bytes>) -> Result<Response<Vec<u8>>, String> {
        let mut outgoing = Request::new(&request.body()[..]);
        *outgoing.method_mut() = request.method().clone();
        *outgoing.uri_mut() = request.uri().clone();
        outgoing.headers_mut().clone_from(request.headers());
        self.collector.send(outgoing).map_err(|error| error.to_string())
    }

    /// Logs the first failure and the first success after it. A collector that fails again and again is logged from time to
    /// time.
    fn report(&self, place: &str, problem: Option<&str>) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(problem) = problem else {
            if std::mem::take(&mut reports.is_failing) {
                log::info!("traces are sent to {place} again");
            }
            return;
        };
        if reports.last.is_some_and(|it| it.elapsed() < SILENCE) {
            return;
        }
        *reports = Reports {
            last: Some(Instant::now()),
            is_failing: true,
        };
        log::warn!("traces cannot be sent to {place}: {problem}");
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let place = request.uri().authority().map_or("", |it| it.as_str());
        // A password is before the `@`.
        let place = place.rsplit('@').next().unwrap_or_default();
        let answer = self.send(&request);
        let problem = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers with status {}", answer.status().as_u16())),
            Err(problem) => Some(problem.clone()),
        };
        self.report(place, problem.as_deref());
        Ok(answer?.map(Bytes::from))
    }
}
