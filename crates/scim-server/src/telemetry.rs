//! Traces for OpenTelemetry: a span for each request, and spans below it for its work on threads that may block. A
//! background thread sends them to a collector by OTLP.
//!
//! A span contains no text from the client: no path, query string, body, token, id or user agent. The template of the
//! route identifies the endpoint, as in the access log.
//!
//! Without the feature `otlp`, everything here does nothing.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod recorded;
#[cfg(not(feature = "otlp"))]
mod unrecorded;

use std::time::Duration;

#[cfg(feature = "otlp")]
pub use collector::Traces;
#[cfg(feature = "otlp")]
pub use recorded::{Asked, RequestSpan, WorkSpan};
#[cfg(not(feature = "otlp"))]
pub use unrecorded::{Asked, RequestSpan, Traces, WorkSpan};

/// Whether this build sends traces.
pub const IS_BUILT: bool = cfg!(feature = "otlp");

/// The facts that the span of a request has at its end.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The id of the request, as in the log.
    pub request_id: &'a str,
    /// The name of a standard method, or `other`.
    pub method: &'a str,
    /// The path template of the endpoint, if one was found.
    pub route: Option<&'a str>,
    /// The name of the caller's tenant, after valid credentials.
    pub tenant: Option<&'a str>,
    /// The name of the caller's connection, after valid credentials.
    pub connection: Option<&'a str>,
    /// The status of the response. There is none if the client has disconnected before.
    pub status: Option<u16>,
}

/// The time in which the last spans are sent when the process ends.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(5);
