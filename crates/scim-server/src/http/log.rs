//! The access log: one line a request, with nothing in it that a client wrote.
//!
//! No query string, body, token, header or id: all of them can be personal data or secrets
//! (RFC 7643 section 9.3, RFC 6750 section 5.3). The route's template says what was asked for.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::http::{Method, StatusCode};

use super::metrics::Metrics;

/// A request in the log and the metrics, from its arrival on. The line is written when it is dropped, and so also for a
/// client that went away before the answer: what it asked for may have been done.
pub struct Line<'a> {
    /// Names the request towards client and operator.
    pub request_id: String,
    /// Whose token it came with.
    pub tenant: Option<Arc<str>>,
    /// What was answered; without an answer 499 stands in the log.
    pub status: Option<StatusCode>,
    method: Method,
    route: &'a str,
    metrics: &'a Metrics,
    started: Instant,
}

impl<'a> Line<'a> {
    /// Starts the clock.
    pub fn begin(method: &Method, route: &'a str, metrics: &'a Metrics) -> Line<'a> {
        Line {
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

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let micros = took.as_micros();
        let method = standard_name(&self.method);
        let status = self.status.map_or(CLIENT_WENT_AWAY, |it| it.as_u16());
        self.metrics.note(self.route, method, status, took);
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

/// What stands for the status of an answer that nobody waited for, as in other servers' logs.
const CLIENT_WENT_AWAY: u16 = 499;

/// Methods that are not HTTP's are the client's own words.
fn standard_name(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "other",
    }
}

/// Unique in this process and hardly to be met in another one: random, then counted.
fn next_request_id() -> String {
    static PROCESS: OnceLock<[u8; 4]> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = PROCESS.get_or_init(|| {
        let mut random = [0; 4];
        // Without randomness the ids still tell the requests of this process apart.
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
