//! Spans, which wait in a bounded queue for the thread that sends them. When the queue is full, spans are lost.

use std::sync::OnceLock;
use std::time::Instant;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::Answered;

/// The tracer of the process. Without one, nothing is recorded.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Records spans from now on.
pub(super) fn record(tracer: SdkTracer) {
    // A process starts one server.
    let _ = TRACER.set(tracer);
}

/// The span of a request, from the first step to the head of the response.
#[derive(Clone, Debug, Default)]
pub struct RequestSpan(Option<Context>);

impl RequestSpan {
    /// Begins the span of a request. `method` is the name of a standard method, or `other`. `traceparent` is the header
    /// of this name (W3C Trace Context): the span then belongs to the trace of the caller, and is recorded only if the
    /// caller records it.
    pub fn begin(method: &str, traceparent: Option<&str>) -> RequestSpan {
        let Some(tracer) = TRACER.get() else {
            return RequestSpan(None);
        };
        // The header `tracestate` would be text of the client in the span.
        let caller =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(traceparent));
        let (name, method) = names(method);
        let span = tracer
            .span_builder(name.to_owned())
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", method.to_owned())]);
        let span = tracer.build_with_context(span, &caller);
        RequestSpan(Some(caller.with_span(span)))
    }

    /// Runs the work of the request, whose spans are below that of the request.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Ends the span.
    pub fn end(&self, answered: &Answered) {
        let Some(context) = &self.0 else {
            return;
        };
        let span = context.span();
        if span.is_recording() {
            let (name, _) = names(answered.method);
            if let Some(route) = answered.route {
                span.update_name(format!("{name} {route}"));
            }
            let texts = [
                ("scim.request_id", Some(answered.request_id)),
                ("http.route", answered.route),
                ("scim.tenant", answered.tenant),
                ("scim.connection", answered.connection),
            ];
            let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
            span.set_attributes(texts.map(|(name, text)| KeyValue::new(name, text.to_owned())));
            match answered.status {
                Some(status) => {
                    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                    if status >= 500 {
                        span.set_attribute(KeyValue::new("error.type", status.to_string()));
                        span.set_status(Status::error(""));
                    }
                }
                None => span.set_attribute(KeyValue::new("error.type", "client_disconnected")),
            }
        }
        span.end();
    }
}

/// Returns the name of a method at the start of the name of a span, and that of the attribute.
fn names(method: &str) -> (&str, &str) {
    match method {
        "other" => ("HTTP", "_OTHER"),
        method => (method, method),
    }
}

/// The header `traceparent`.
struct Header<'a>(Option<&'a str>);

impl Extractor for Header<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.filter(|_| name == "traceparent")
    }

    fn keys(&self) -> Vec<&str> {
        self.0.map(|_| "traceparent").into_iter().collect()
    }
}

/// Work that a request asks for, and that another thread does.
#[derive(Debug)]
pub struct Asked {
    request: Option<Context>,
    at: Instant,
}

impl Asked {
    /// Notes the request whose step runs on this thread.
    pub fn now() -> Asked {
        let context = TRACER.get().map(|_| Context::current());
        Asked {
            request: context.filter(Context::has_active_span),
            at: Instant::now(),
        }
    }

    /// Begins the span of the work. It ends when the value is dropped.
    pub fn begin(self) -> WorkSpan {
        let (Some(request), Some(tracer)) = (self.request, TRACER.get()) else {
            return WorkSpan(None);
        };
        let waited = self.at.elapsed().as_secs_f64() * 1000.0;
        let span = tracer
            .span_builder("store")
            .with_kind(SpanKind::Internal)
            .with_attributes([KeyValue::new("scim.waited_ms", waited)]);
        let span = tracer.build_with_context(span, &request);
        WorkSpan(Some(request.with_span(span)))
    }
}

/// The span of the work that a request does on a thread that may block, which is mostly that on the store.
#[derive(Debug)]
pub struct WorkSpan(Option<Context>);

impl Drop for WorkSpan {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}
