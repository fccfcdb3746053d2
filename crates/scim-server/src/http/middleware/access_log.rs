//! The access log: one line for each request, without any text from the client.
//!
//! An entry contains no query string, body, token, header or id, because all of them can be personal data or secrets
//! (RFC 7643 section 9.3, RFC 6750 section 5.3). The template of the route identifies the endpoint.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::http::{Method, StatusCode};

use crate::http::metrics::Metrics;

/// The entry of a request in the access log and the metrics. It is written when the value is dropped, and so also for a
/// client that disconnected before the response, because the request may have been executed.
pub struct LogEntry<'a> {
    /// The id of the request, which the client and the operator see.
    pub request_id: String,
    /// The name of the token's tenant.
    pub tenant: Option<Arc<str>>,
    /// The status of the response; without a response, 499 is logged.
    pub status: Option<StatusCode>,
    method: Method,
    route: &'a str,
    metrics: &'a Metrics,
    started: Instant,
}

impl<'a> LogEntry<'a> {
    /// Starts the entry of a request and its timer.
    pub fn begin(method: &Method, route: &'a str, metrics: &'a Metrics) -> LogEntry<'a> {
        LogEntry {
            request_id: next_request_id(),
            tenant: None,
            status: None,
            method: method.clone(),
            route,
            metrics,
            started: Instant::now(),
        }
    }
}

impl Drop for LogEntry<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let micros = took.as_micros();
        let method = standard_name(&self.method);
        let status = self.status.map_or(CLIENT_CLOSED_REQUEST, |it| it.as_u16());
        self.metrics.record(self.route, method, status, took);
        log::info!(
            target: "scim_server::access",
            "{id} {tenant} {method} {route} {status} {millis}.{rest:03}ms",
            id = self.request_id,
            tenant = self.tenant.as_deref().unwrap_or("-"),
            route = self.route,
            millis = micros / 1000,
            rest = micros % 1000,
        );
    }
}

/// The status that is logged for a client that disconnected before the response, as nginx does.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Returns the name of a standard method, or `other`: a name that the client made up must not reach the log.
fn standard_name(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "other",
    }
}

/// Returns an id that is unique in this process and unlikely to occur in another: a random prefix and a counter.
fn next_request_id() -> String {
    static PROCESS: OnceLock<[u8; 4]> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = PROCESS.get_or_init(|| {
        let mut random = [0; 4];
        // Without random bytes the ids still distinguish the requests of this process.
        let _ = getrandom::fill(&mut random);
        random
    });
    let mut id = String::with_capacity(16);
    let _ = write!(
        id,
        "{:08x}{:08x}",
        u32::from_be_bytes(*process),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    id
}
