//! Figures of other modules, which are read when Prometheus asks for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use scim_model::store::{ConnectionFigures, ScanCount, WaitTimes};

use super::tenants::TenantLabels;
use crate::delivery::lag::EndpointLag;
use crate::delivery::security_events::STREAM_STATES;
use crate::delivery::state_counts::StateCounts;
use crate::delivery::webhooks::ENDPOINT_STATES;
use crate::http::blocking::Blocking;
use crate::http::in_flight::InFlight;
use crate::http::tls::Tls;
use crate::logging;
use crate::service::{OTHERS, ToleranceCounts, ToleranceTotal};
use crate::upkeep::expiry::Expiring;

/// Figures from outside of the HTTP service. By default, all of them are 0 or missing.
pub struct Sampled {
    /// Whether an acknowledged write survives a crash of the database.
    pub database_is_durable: bool,
    /// Returns the number of full scans.
    pub scans: Box<dyn Fn() -> Vec<ScanCount> + Send + Sync>,
    /// Returns the use of the connections to the database.
    pub connections: Box<dyn Fn() -> ConnectionFigures + Send + Sync>,
    /// Returns the tokens and client secrets that expire within 30 days.
    pub expiring: Box<dyn Fn() -> Vec<Expiring> + Send + Sync>,
    /// Returns the progress of the endpoints that events are delivered to.
    pub endpoints: Box<dyn Fn() -> Vec<EndpointLag> + Send + Sync>,
    /// The listeners with TLS.
    pub tls: Vec<Arc<Tls>>,
    /// The endpoints of webhooks by state.
    pub webhooks: StateCounts<3>,
    /// The streams of security event tokens by state.
    pub streams: StateCounts<4>,
}

impl Default for Sampled {
    fn default() -> Sampled {
        Sampled {
            database_is_durable: true,
            scans: Box::new(Vec::new),
            connections: Box::new(ConnectionFigures::default),
            expiring: Box::new(Vec::new),
            endpoints: Box::new(Vec::new),
            tls: Vec::new(),
            webhooks: StateCounts::new(ENDPOINT_STATES),
            streams: StateCounts::new(STREAM_STATES),
        }
    }
}

/// The most connections and credential kinds that have an expiry of their own: the first ones to expire.
const MOST_EXPIRIES: usize = 200;

/// Figures of other modules.
pub(super) struct SampledMetrics {
    pub(super) blocking: Blocking,
    pub(super) in_flight: InFlight,
    pub(super) tolerances: Arc<ToleranceCounts>,
    pub(super) lost_races: Arc<AtomicU64>,
    pub(super) tenants: Arc<TenantLabels>,
    pub(super) sampled: Sampled,
}

impl fmt::Debug for SampledMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SampledMetrics")
    }
}

impl Collector for SampledMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let out = &mut encoder;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        gauges(
            out,
            "build_info",
            "The version of the server; the value is 1",
            [(version, 1)],
        )?;
        let help = "Requests that use the store or wait for a thread to do so";
        gauge(out, "requests_at_work", help, self.blocking.busy() as u64)?;
        let help = "Memory for large responses that clients have not taken yet, in bytes";
        gauge(out, "response_bytes", help, self.in_flight.bytes() as u64)?;
        let help = "Lines of the log that were lost because nothing read them";
        counter(out, "log_lines_lost", help, logging::lost_lines())?;
        let help =
            "1 if acknowledged changes survive a crash of the database, 0 if its settings do not ensure it";
        gauge(
            out,
            "database_durable",
            help,
            u64::from(self.sampled.database_is_durable),
        )?;
        self.encode_connections(out)?;
        self.encode_tolerances(out)?;
        self.encode_expiries(out)?;
        self.encode_endpoints(out)?;
        let help = "Endpoints of webhooks in the database, by state: active, failing since the last success, or disabled";
        let states = self
            .sampled
            .webhooks
            .numbers()
            .map(|(state, number)| ([("state", state)], number));
        gauges(out, "webhook_endpoints", help, states)?;
        let help = "Streams of security event tokens in the database, by state: enabled, failing since the last success, \
                    paused or disabled";
        let states = self
            .sampled
            .streams
            .numbers()
            .map(|(state, number)| ([("state", state)], number));
        gauges(out, "set_streams", help, states)?;
        self.encode_tls(out)?;
        self.encode_scans(out)
    }
}

impl SampledMetrics {
    fn encode_connections(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let figures = (self.sampled.connections)();
        let help = "Connections to the database that are in use; of SQLite, those that read";
        gauge(out, "database_connections_used", help, figures.used)?;
        let help = "The most connections to the database that can be in use";
        gauge(out, "database_connections_max", help, figures.most)?;
        let help = "Requests that wait for a connection to the database";
        gauge(out, "database_connections_waiting", help, figures.waiting)?;
        let queues = [
            ("connection", Some(figures.waits)),
            ("writer", figures.writer_waits),
        ];
        let help = "Time that work waited for a connection to the database, or for the writer of SQLite";
        let mut family =
            out.encode_descriptor("database_wait", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (queue, times) in queues.into_iter().filter_map(|(queue, it)| Some((queue, it?))) {
            let bounds = WaitTimes::BOUNDS.into_iter().chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = bounds.zip(times.numbers).collect();
            let count = times.numbers.iter().sum();
            let label = [("queue", queue)];
            let mut histogram = family.encode_family(&label)?;
            histogram.encode_histogram::<NoLabelSet>(times.seconds, count, &buckets, None)?;
        }
        let help = "Work that was done again: `conflict` counts attempts of reads and transactions that lost their \
                    connection or met another transaction, and `version` writes whose resource another write changed first";
        let retries = [
            ([("reason", "conflict")], figures.retries),
            ([("reason", "version")], self.lost_races.load(Ordering::Relaxed)),
        ];
        counters(out, "retries", help, retries)
    }

    fn encode_tolerances(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let counts = &self.tolerances;
        let help = "PATCH operations that needed a client leniency, by connection and name of the leniency";
        counters(out, "patch_tolerances", help, self.tolerances(counts.totals()))?;
        let help =
            "Requests other than PATCH that needed a client leniency, by connection and name of the leniency";
        counters(
            out,
            "request_tolerances",
            help,
            self.tolerances(counts.request_totals()),
        )
    }

    /// Adds up the totals of tenants without a label of their own.
    fn tolerances(&self, totals: Vec<ToleranceTotal>) -> Vec<([(&'static str, String); 3], u64)> {
        let mut sums = BTreeMap::new();
        for total in totals {
            let tenant = self.tenants.of(&total.client.tenant);
            let connection = match tenant {
                OTHERS => OTHERS,
                _ => &total.client.connection,
            };
            let labels = [
                ("tenant", tenant.to_owned()),
                ("connection", connection.to_owned()),
                ("tolerance", total.tolerance.name().to_owned()),
            ];
            *sums.entry(labels).or_insert(0) += total.number;
        }
        sums.into_iter().collect()
    }

    fn encode_expiries(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let expiring = (self.sampled.expiring)();
        let help = "Valid tokens and client secrets that expire within 30 days";
        gauge(out, "tokens_expiring", help, expiring.len() as u64)?;
        let mut first = BTreeMap::new();
        for it in &expiring {
            let tenant = self.tenants.of(&it.tenant);
            let connection = if tenant == OTHERS { OTHERS } else { &it.connection };
            let labels = [("tenant", tenant), ("connection", connection), ("kind", it.kind)];
            let at = first.entry(labels).or_insert(it.expires);
            *at = (*at).min(it.expires);
        }
        let mut first: Vec<_> = first.into_iter().collect();
        first.sort_by_key(|(_, expires)| *expires);
        first.truncate(MOST_EXPIRIES);
        let first = first.into_iter().map(|(labels, expires)| {
            let seconds = expires.timestamp().unsigned_abs();
            (labels, seconds)
        });
        let help = "The first expiry of a valid credential within 30 days, in seconds since 1970, by connection and kind: \
                    token or client_secret";
        gauges(out, "credential_expiry_timestamp_seconds", help, first)
    }

    fn encode_endpoints(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let endpoints = (self.sampled.endpoints)();
        let labels = |it: &EndpointLag| [("kind", it.kind.to_owned()), ("endpoint", it.id.to_string())];
        type Value = fn(&EndpointLag) -> u64;
        let families: [(&str, &str, Value); 3] = [
            (
                "delivery_lag_seconds",
                "The age of the oldest change that was not looked at for an endpoint yet, or 0",
                |it| it.seconds,
            ),
            (
                "delivery_lag_changes",
                "Changes of all tenants that were not looked at for an endpoint yet",
                |it| it.changes,
            ),
            (
                "delivery_failing_seconds",
                "The time since which each request to an endpoint has failed; 0 if the last one succeeded",
                |it| it.failing_seconds,
            ),
        ];
        for (name, help, value) in families {
            gauges(
                out,
                name,
                help,
                endpoints.iter().map(|it| (labels(it), value(it))),
            )?;
        }
        Ok(())
    }

    fn encode_tls(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let listeners = &self.sampled.tls;
        if listeners.is_empty() {
            return Ok(());
        }
        let label = |it: &Arc<Tls>| [("listener", it.listener())];
        let expiry = |it: &Arc<Tls>| u64::try_from(it.expires().timestamp()).unwrap_or(0);
        let help = "When the certificate of a listener expires, as a Unix time";
        let expiries = listeners.iter().map(|it| (label(it), expiry(it)));
        gauges(out, "tls_certificate_expiry_timestamp_seconds", help, expiries)?;
        let help = "Connections that ended in their TLS handshake";
        let failures = listeners.iter().map(|it| (label(it), it.failed_handshakes()));
        counters(out, "tls_handshakes_failed", help, failures)
    }

    fn encode_scans(&self, out: &mut DescriptorEncoder) -> fmt::Result {
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
            let each = counts.iter().map(|count| {
                let labels = [
                    ("resource_type", &*count.resource_type),
                    ("attribute", count.attribute.as_str()),
                ];
                (labels, number(count))
            });
            counters(out, name, help, each)?;
        }
        Ok(())
    }
}

fn gauge(out: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let encoder = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    EncodeMetric::encode(&ConstGauge::new(signed(value)), encoder)
}

fn counter(out: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let encoder = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    EncodeMetric::encode(&ConstCounter::new(value), encoder)
}

fn gauges<L: EncodeLabelSet>(
    out: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        EncodeMetric::encode(&ConstGauge::new(signed(value)), family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counters<L: EncodeLabelSet>(
    out: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        EncodeMetric::encode(&ConstCounter::new(value), family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
