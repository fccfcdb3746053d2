//! The metrics of the server in the format of Prometheus, on a separate listener.
//!
//! Labels are route templates, methods, statuses and names from the schemas. They contain no text from a client.

use std::fmt::{self, Write as _};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use scim_model::store::ScanCount;

use super::blocking::Blocking;
use super::in_flight::InFlight;
use super::tls::Tls;
use crate::delivery::state_counts::StateCounts;
use crate::logging;
use crate::service::ToleranceCounts;

/// The counters of the HTTP service.
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram>,
    slow_clients: Counter,
    blocking: Blocking,
    in_flight: InFlight,
    tolerances: Arc<ToleranceCounts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The upper bounds of the histogram's buckets in seconds, from an index lookup to a full scan.
const DURATIONS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 25.0,
];

impl Metrics {
    pub(super) fn new(blocking: Blocking, in_flight: InFlight, tolerances: Arc<ToleranceCounts>) -> Metrics {
        Metrics {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            slow_clients: Counter::default(),
            blocking,
            in_flight,
            tolerances,
        }
    }

    /// Counts a finished request.
    pub(super) fn record(&self, route: &str, method: &str, status: u16, took: Duration) {
        let request = Request {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.requests.get_or_create(&request).inc();
        let route = Route {
            route: route.to_owned(),
        };
        self.durations.get_or_create(&route).observe(took.as_secs_f64());
    }

    /// Counts a client that was disconnected because it did not read its response.
    pub(super) fn count_slow_client(&self) {
        self.slow_clients.inc();
    }

    /// Returns the number of clients that were disconnected because they did not read their response.
    pub fn slow_clients(&self) -> u64 {
        self.slow_clients.get()
    }
}

/// Figures from outside of the HTTP service.
pub struct Sampled {
    /// Whether an acknowledged write survives a crash of the database.
    pub database_is_durable: bool,
    /// Returns the number of full scans.
    pub scans: Box<dyn Fn() -> Vec<ScanCount> + Send + Sync>,
    /// Returns the number of tokens and client secrets that expire within 30 days.
    pub expiring_tokens: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The listeners with TLS.
    pub tls: Vec<Arc<Tls>>,
    /// The endpoints of webhooks by state.
    pub webhooks: StateCounts<3>,
    /// The streams of security event tokens by state.
    pub streams: StateCounts<4>,
}

/// The metrics as a text for Prometheus, on each listener that serves them.
#[derive(Clone)]
pub struct Exposition(Arc<Registry>);

impl Exposition {
    /// Describes the counters of the HTTP service, and the figures from outside of it.
    pub fn new(metrics: &Metrics, sampled: Sampled) -> Exposition {
        let mut registry = Registry::with_prefix("scim");
        registry.register(
            "requests",
            "Requests by route template, method and status",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from receiving the headers of a request to its response",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "slow_clients",
            "Clients that were disconnected because they did not read their response",
            metrics.slow_clients.clone(),
        );
        registry.register_collector(Box::new(SampledMetrics {
            blocking: metrics.blocking.clone(),
            in_flight: metrics.in_flight.clone(),
            tolerances: metrics.tolerances.clone(),
            sampled,
        }));
        Exposition(Arc::new(registry))
    }
}

/// Starts a server that serves `GET /metrics` only. The server stops through its handle.
pub fn listen(exposition: Exposition, listener: TcpListener) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(exposition.clone()))
            .route("/metrics", web::get().to(self::exposition))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// Prometheus asks for OpenMetrics by its name. Other clients get the older format, which all of them read.
pub(super) async fn exposition(request: HttpRequest, exposition: Data<Exposition>) -> HttpResponse {
    let mut text = String::new();
    if text::encode(&mut text, &exposition.0).is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    let (content_type, body) = match names_openmetrics(request.headers()) {
        true => ("application/openmetrics-text; version=1.0.0; charset=utf-8", text),
        false => ("text/plain; version=0.0.4; charset=utf-8", to_plain(&text)),
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .body(body)
}

fn names_openmetrics(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("application/openmetrics-text"));
        let quality = |it: &str| it.strip_prefix("q=").and_then(|it| it.parse::<f32>().ok());
        is_named && !parts.filter_map(quality).any(|it| it <= 0.0)
    })
}

/// Converts OpenMetrics to the text format 0.0.4, where the name of a counter's family includes `_total`, and units and
/// the end of the text are not marked.
fn to_plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' '));
        let kind = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '));
        let is_counter = |kind: Option<(&str, &str)>| kind.is_some_and(|(_, it)| it == "counter");
        let next = lines.peek().and_then(|it| it.strip_prefix("# TYPE "));
        if let Some((name, text)) = help
            && is_counter(next.and_then(|it| it.split_once(' ')))
        {
            let _ = writeln!(plain, "# HELP {name}_total {text}");
        } else if let Some((name, _)) = kind
            && is_counter(kind)
        {
            let _ = writeln!(plain, "# TYPE {name}_total counter");
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            let _ = writeln!(plain, "{line}");
        }
    }
    plain
}

/// Figures of other modules, which are read when Prometheus asks for them.
struct SampledMetrics {
    blocking: Blocking,
    in_flight: InFlight,
    tolerances: Arc<ToleranceCounts>,
    sampled: Sampled,
}

impl fmt::Debug for SampledMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SampledMetrics")
    }
}

impl SampledMetrics {
    fn encode_tolerances(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let tolerances: [(&str, &str, Vec<_>); 2] = [
            (
                "patch_tolerances",
                "PATCH operations that needed a client leniency, by its name",
                self.tolerances.totals().collect(),
            ),
            (
                "request_tolerances",
                "Requests other than PATCH that needed a client leniency, by its name",
                self.tolerances.request_totals().collect(),
            ),
        ];
        for (name, help, totals) in tolerances {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (tolerance, total) in totals {
                let label = [("tolerance", tolerance.name())];
                let counter = family.encode_family(&label)?;
                EncodeMetric::encode(&ConstCounter::new(total), counter)?;
            }
        }
        Ok(())
    }

    fn encode_scans(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let counts = (self.sampled.scans)();
        type Number = fn(&ScanCount) -> u64;
        let kinds: [(&str, &str, Number); 3] = [
            ("scans", "Queries without a usable index, by attribute", |it| {
                it.begun
            }),
            (
                "scans_refused",
                "Queries rejected because too many scans were running",
                |it| it.refused,
            ),
            (
                "scans_too_long",
                "Scans aborted because they took too long",
                |it| it.too_long,
            ),
        ];
        for (name, help, number) in kinds {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for count in &counts {
                let attribute = [
                    ("resource_type", &*count.resource_type),
                    ("attribute", count.attribute.as_str()),
                ];
                let counter = family.encode_family(&attribute)?;
                EncodeMetric::encode(&ConstCounter::new(number(count)), counter)?;
            }
        }
        Ok(())
    }
}

fn encode_states(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    numbers: &[(&'static str, u64)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (state, number) in numbers {
        let label = [("state", *state)];
        let gauge = family.encode_family(&label)?;
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        EncodeMetric::encode(&ConstGauge::new(number), gauge)?;
    }
    Ok(())
}

impl SampledMetrics {
    fn encode_tls(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        if self.sampled.tls.is_empty() {
            return Ok(());
        }
        let help = "When the certificate of a listener expires, as a Unix time";
        let unit = Unit::Seconds;
        let name = "tls_certificate_expiry_timestamp";
        let mut family = encoder.encode_descriptor(name, help, Some(&unit), MetricType::Gauge)?;
        for tls in &self.sampled.tls {
            let listener = [("listener", tls.listener())];
            let gauge = family.encode_family(&listener)?;
            EncodeMetric::encode(&ConstGauge::new(tls.expires().timestamp()), gauge)?;
        }
        let help = "Connections that ended in their TLS handshake";
        let mut family =
            encoder.encode_descriptor("tls_handshakes_failed", help, None, MetricType::Counter)?;
        for tls in &self.sampled.tls {
            let listener = [("listener", tls.listener())];
            let counter = family.encode_family(&listener)?;
            EncodeMetric::encode(&ConstCounter::new(tls.failed_handshakes()), counter)?;
        }
        Ok(())
    }
}

impl Collector for SampledMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let busy = i64::try_from(self.blocking.busy()).unwrap_or(i64::MAX);
        let gauge = encoder.encode_descriptor(
            "requests_at_work",
            "Requests that use the store or wait for a thread to do so",
            None,
            MetricType::Gauge,
        )?;
        EncodeMetric::encode(&ConstGauge::new(busy), gauge)?;
        let bytes = i64::try_from(self.in_flight.bytes()).unwrap_or(i64::MAX);
        let help = "Memory for large responses that clients have not taken yet, in bytes";
        let gauge = encoder.encode_descriptor("response_bytes", help, None, MetricType::Gauge)?;
        EncodeMetric::encode(&ConstGauge::new(bytes), gauge)?;
        let lost = encoder.encode_descriptor(
            "log_lines_lost",
            "Lines of the log that were lost because nothing read them",
            None,
            MetricType::Counter,
        )?;
        EncodeMetric::encode(&ConstCounter::new(logging::lost_lines()), lost)?;
        let durable = encoder.encode_descriptor(
            "database_durable",
            "1 if acknowledged changes survive a crash of the database, 0 if its settings do not ensure it",
            None,
            MetricType::Gauge,
        )?;
        EncodeMetric::encode(
            &ConstGauge::new(i64::from(self.sampled.database_is_durable)),
            durable,
        )?;
        self.encode_tolerances(&mut encoder)?;
        self.encode_tls(&mut encoder)?;
        let expiring = encoder.encode_descriptor(
            "tokens_expiring",
            "Valid tokens and client secrets that expire within 30 days",
            None,
            MetricType::Gauge,
        )?;
        let number = i64::try_from((self.sampled.expiring_tokens)()).unwrap_or(i64::MAX);
        EncodeMetric::encode(&ConstGauge::new(number), expiring)?;
        let (webhooks, streams) = (self.sampled.webhooks.numbers(), self.sampled.streams.numbers());
        encode_states(
            &mut encoder,
            "webhook_endpoints",
            "Endpoints of webhooks in the database, by state: active, failing since the last success, or disabled",
            &webhooks,
        )?;
        encode_states(
            &mut encoder,
            "set_streams",
            "Streams of security event tokens in the database, by state: enabled, failing since the last success, \
             paused or disabled",
            &streams,
        )?;
        self.encode_scans(&mut encoder)
    }
}
