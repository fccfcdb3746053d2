//! The shared state of the HTTP service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::clock::MonotonicClock;
use scim_model::store::{Credentials, Directory};

use super::auth::{Authenticator, BearerTokens};
use super::blocking::{BLOCKING_THREADS, Blocking};
use super::in_flight::InFlight;
use super::metrics::Metrics;
use super::oauth::state::OAuth;
use super::rate_limits::RateLimits;
use super::scim::documents::Documents;
use super::tenant_shares::TenantShares;
use crate::config::path_prefix::PathPrefix;
use crate::delivery::security_events::SecurityEvents;
use crate::service::Service;

/// The HTTP service: operations, authentication and limits.
pub struct Http {
    pub(super) service: Arc<Service>,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) discovery: Documents,
    pub(super) oauth: Option<OAuth>,
    pub(super) security_events: Option<SecurityEvents>,
    pub(super) interop_discovery: Documents,
    pub(super) options: HttpOptions,
    pub(super) blocking: Blocking,
    pub(super) in_flight: InFlight,
    pub(super) tenant_shares: TenantShares,
    pub(super) rate_limits: RateLimits,
    pub(super) metrics: Arc<Metrics>,
    shutting_down: AtomicBool,
}

/// The settings of the HTTP service.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The path below which the SCIM endpoints are. The base URL of the service settings has to lead there.
    pub path_prefix: PathPrefix,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of large responses that may be in memory. A tenant may use half of them; further requests are
    /// answered with 503.
    pub max_response_bytes: usize,
    /// The time after which a client that does not read its response is disconnected. It is kept by
    /// [`server::listen`](super::server::listen).
    pub write_timeout: Duration,
    /// The most tenants that the metrics count apart: the first ones that send a request. All others are counted together.
    pub metrics_tenants: usize,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            path_prefix: PathPrefix::default(),
            max_body_bytes: 1024 * 1024,
            max_response_bytes: 256 * 1024 * 1024,
            write_timeout: Duration::from_secs(30),
            metrics_tenants: 100,
        }
    }
}

impl Http {
    /// Creates the HTTP service for operations and for the credentials that `authenticator` accepts.
    pub fn new(service: Arc<Service>, authenticator: Arc<dyn Authenticator>, options: HttpOptions) -> Http {
        Http::build(service, authenticator, Blocking::default(), None, options)
    }

    /// Creates the HTTP service for operations and for the bearer tokens in `directory`.
    pub fn with_tokens(service: Arc<Service>, directory: Arc<dyn Directory>, options: HttpOptions) -> Http {
        // Lookups of tokens count as work for the limit of the pool.
        let blocking = Blocking::default();
        let settings = service.default_client_settings().clone();
        let tokens = Arc::new(BearerTokens::new(directory, blocking.clone(), settings));
        Http::build(service, tokens, blocking, None, options)
    }

    /// Creates the HTTP service for operations, and for bearer tokens and OAuth clients in `store`.
    pub fn with_oauth<S: Directory + Credentials + 'static>(
        service: Arc<Service>,
        store: Arc<S>,
        oauth: OAuth,
        options: HttpOptions,
    ) -> Http {
        let blocking = Blocking::default();
        let settings = service.default_client_settings().clone();
        let tokens = BearerTokens::new(store.clone(), blocking.clone(), settings).with_access_tokens(store);
        Http::build(service, Arc::new(tokens), blocking, Some(oauth), options)
    }

    /// Adds the keys of security event tokens, and lets discovery say which events the server sends.
    #[must_use]
    pub fn with_security_events(self, security_events: SecurityEvents) -> Http {
        Http {
            security_events: Some(security_events),
            ..self
        }
    }

    fn build(
        service: Arc<Service>,
        authenticator: Arc<dyn Authenticator>,
        blocking: Blocking,
        oauth: Option<OAuth>,
        options: HttpOptions,
    ) -> Http {
        let in_flight = InFlight::new(options.max_response_bytes);
        Http {
            authenticator,
            discovery: Documents::new(&service, oauth.is_some(), false),
            interop_discovery: Documents::new(&service, oauth.is_some(), true),
            oauth,
            security_events: None,
            metrics: Arc::new(Metrics::new(
                blocking.clone(),
                in_flight.clone(),
                service.tolerances().clone(),
                service.lost_races().clone(),
                options.metrics_tenants,
            )),
            service,
            in_flight,
            rate_limits: RateLimits::new(MonotonicClock),
            tenant_shares: TenantShares::of(BLOCKING_THREADS),
            options,
            blocking,
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Returns the counters of the HTTP service.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns the operations of SCIM.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Returns the authorization server, if there is one.
    pub fn oauth(&self) -> Option<&OAuth> {
        self.oauth.as_ref()
    }

    /// Makes `/readyz` report from now on that the server is not ready.
    pub fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`Http::begin_shutdown`] was called.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }
}
