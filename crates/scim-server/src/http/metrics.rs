//! The metrics of the server in the format of Prometheus, on a separate listener.
//!
//! Labels are route templates, methods, statuses, names from the schemas, and the names of a bounded number of tenants
//! and their connections. They contain no text from a client.

mod format;
mod sampled;
mod tenants;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::format::{names_openmetrics, to_plain};
pub use self::sampled::Sampled;
use self::sampled::SampledMetrics;
use self::tenants::TenantLabels;
use super::blocking::Blocking;
use super::in_flight::InFlight;
use crate::service::ToleranceCounts;

/// The counters of the HTTP service.
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram>,
    slow_clients: Counter,
    blocking: Blocking,
    in_flight: InFlight,
    tolerances: Arc<ToleranceCounts>,
    lost_races: Arc<AtomicU64>,
    tenants: Arc<TenantLabels>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: String,
    status: u16,
    tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    method: String,
}

/// The upper bounds of the histogram's buckets in seconds, from an index lookup to a full scan.
const DURATIONS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 25.0,
];

impl Metrics {
    /// Creates counters that are 0. `tenants` is the most tenants that are counted apart.
    pub(super) fn new(
        blocking: Blocking,
        in_flight: InFlight,
        tolerances: Arc<ToleranceCounts>,
        lost_races: Arc<AtomicU64>,
        tenants: usize,
    ) -> Metrics {
        Metrics {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            slow_clients: Counter::default(),
            blocking,
            in_flight,
            tolerances,
            lost_races,
            tenants: Arc::new(TenantLabels::new(tenants)),
        }
    }

    /// Counts a finished request. `tenant` is empty for a request without valid credentials.
    pub(super) fn record(&self, route: &str, method: &str, status: u16, tenant: &str, took: Duration) {
        let request = Request {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
            tenant: self.tenants.of(tenant).to_owned(),
        };
        self.requests.get_or_create(&request).inc();
        let route = Route {
            route: route.to_owned(),
            method: method.to_owned(),
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

/// The metrics as a text for Prometheus, on each listener that serves them.
#[derive(Clone)]
pub struct Exposition(Arc<Registry>);

impl Exposition {
    /// Describes the counters of the HTTP service, and the figures from outside of it.
    pub fn new(metrics: &Metrics, sampled: Sampled) -> Exposition {
        let mut registry = Registry::with_prefix("scim");
        registry.register(
            "requests",
            "Requests by route template, method, status and tenant",
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
            lost_races: metrics.lost_races.clone(),
            tenants: metrics.tenants.clone(),
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
