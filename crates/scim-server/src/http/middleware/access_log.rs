//! The access log, one line for each request, the counters of the metrics, and the span for a trace.
//!
//! An entry contains no text from the client: no query string, body, token, header or id, because all of them can be
//! personal data or secrets (RFC 7643 section 9.3, RFC 6750 section 5.3). The template of the route identifies the
//! endpoint.

use std::rc::Rc;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::request_context::{RequestContext, UNKNOWN};
use crate::http::metrics::Metrics;
use crate::telemetry::{Answered, RequestSpan};

/// Logs the request, counts it in the metrics of the application, and records it in a trace.
pub async fn record(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let traceparent = request
        .headers()
        .get("traceparent")
        .and_then(|it| it.to_str().ok());
    let span = RequestSpan::begin(standard_name(request.method()), traceparent);
    let mut entry = Entry {
        context: RequestContext::of(request.request()),
        status: None,
        method: request.method().clone(),
        metrics: request.app_data::<Data<Metrics>>().cloned(),
        started: Instant::now(),
        span: span.clone(),
    };
    let response = span.run(next.call(request)).await?;
    entry.status = Some(response.status());
    Ok(response)
}

/// The entry of a request. It is written when the value is dropped, and so also for a client that disconnected before
/// the response, because the request may have been executed.
struct Entry {
    context: Rc<RequestContext>,
    /// The status of the response; without a response, 499 is logged.
    status: Option<StatusCode>,
    method: Method,
    metrics: Option<Data<Metrics>>,
    started: Instant,
    span: RequestSpan,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let micros = took.as_micros();
        let method = standard_name(&self.method);
        let status = self.status.map_or(CLIENT_CLOSED_REQUEST, |it| it.as_u16());
        let route = self.context.route();
        if let Some(metrics) = &self.metrics {
            metrics.record(route, method, status, self.context.known_tenant(), took);
        }
        let context = &self.context;
        let known = |name| Some(name).filter(|it| *it != UNKNOWN);
        self.span.end(&Answered {
            request_id: &context.id,
            method,
            route: known(route),
            tenant: known(context.tenant()),
            connection: known(context.connection()),
            status: self.status.map(|it| it.as_u16()),
        });
        log::info!(
            target: "scim_server::access",
            request_id = context.id, tenant = context.tenant(), connection = context.connection(), method, route, status,
            duration_ms = took.as_secs_f64() * 1000.0;
            "{id} {tenant} {method} {route} {status} {millis}.{rest:03}ms",
            id = context.id,
            tenant = context.tenant(),
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
