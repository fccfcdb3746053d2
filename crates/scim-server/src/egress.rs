//! Outgoing HTTPS requests: the only code of the server that connects to an address from a tenant's settings.
//!
//! A URL in the settings of a tenant must not make the server reach its own network. [`Egress`] therefore resolves a
//! name itself, refuses every address that is not publicly routable, and connects to one of the remaining addresses. It
//! follows no redirect, keeps no cookies, reads no proxy from the environment and decompresses nothing. The operator's
//! [`AllowList`] opens internal targets. With a [`ProxyUrl`], the proxy resolves names and judges their addresses instead.
//!
//! This module knows neither the HTTP server nor the purpose of a request. It alone uses the HTTP client library.

mod address;
mod allow;
mod authorities;
mod client;
#[cfg(feature = "otlp")]
mod collector;
mod direct_agent;
mod error;
mod own;
mod probe;
mod proxy;
mod resolver;
mod target;

pub use allow::{AllowEntry, AllowList, InvalidEntry};
pub use authorities::Authorities;
pub use client::{Egress, EgressSettings, Limits, Method, Oversize, Request, Response};
#[cfg(feature = "otlp")]
pub use collector::CollectorClient;
pub use error::EgressError;
pub use own::{OwnAddresses, host_and_port};
pub use probe::probe;
pub use proxy::ProxyUrl;
pub use resolver::{Lookup, system_lookup};
pub use target::Target;
