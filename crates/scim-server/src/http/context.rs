//! The service behind HTTP, and a request on its way to a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, HttpResponse};
use scim_model::ResourceType;
use scim_model::store::Directory;

use super::auth::{Authenticator, Caller};
use super::blocking::Blocking;
use super::endpoint::{Endpoint, endpoints, segments};
use super::error::Failure;
use super::metrics::Metrics;
use super::scim::documents::Documents;
use crate::service::{self, Service};

/// The result of a handler.
pub type Answer = Result<HttpResponse, Failure>;

/// The shared state of the HTTP service.
pub struct Http {
    pub(super) service: Arc<Service>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) authenticator: Authenticator,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) discovery: Documents,
    pub(super) max_body_bytes: usize,
    pub(super) blocking: Blocking,
    pub(super) metrics: Metrics,
    pub(super) shutting_down: AtomicBool,
}

/// A request that is passed to a handler.
pub struct Call<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) caller: Option<Caller>,
    pub(super) resource_type: Option<Arc<ResourceType>>,
    /// The `{id}` of the path.
    pub(super) id: String,
}

/// A request with an authenticated caller. Handlers that access the store take one.
pub struct AuthenticatedCall<'a> {
    /// The received request.
    pub request: &'a HttpRequest,
    /// The authenticated client.
    pub caller: Caller,
    /// The resource type of the endpoint; `None` for a search over all types.
    pub resource_type: Option<Arc<ResourceType>>,
    /// The `{id}` of the path.
    pub id: String,
}

impl<'a> Call<'a> {
    pub(super) fn authenticated(self) -> Result<AuthenticatedCall<'a>, Failure> {
        let caller = self.caller.ok_or(Failure::Unauthorized {
            token_presented: false,
        })?;
        Ok(AuthenticatedCall {
            request: self.request,
            caller,
            resource_type: self.resource_type,
            id: self.id,
        })
    }
}

impl Http {
    /// Creates the HTTP service for `service`. Tokens are looked up in `directory`.
    pub fn new(service: Arc<Service>, directory: Arc<dyn Directory>, max_body_bytes: usize) -> Http {
        let blocking = Blocking::default();
        Http {
            authenticator: Authenticator::new(directory.clone(), blocking.clone()),
            endpoints: endpoints(service.registry()),
            discovery: Documents::new(&service),
            directory,
            metrics: Metrics::new(blocking.clone(), service.tolerances().clone()),
            service,
            max_body_bytes,
            blocking,
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Returns the route table.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Returns the counters of the HTTP service.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes `/readyz` report from now on that the server is not ready.
    pub fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Calls the service on a thread that may block.
    ///
    /// # Errors
    /// See [`Blocking::run`].
    pub async fn call_service<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> Result<T, service::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let service = self.service.clone();
        self.blocking.run(move || work(&service)).await
    }

    /// Finds the endpoint and the `{id}` of a path. One trailing slash is ignored.
    pub(super) fn find(&self, path: &str) -> Result<(&Endpoint, String), Failure> {
        let segments = segments(path).ok_or(Failure::NoSuchPath)?;
        let mut found = self
            .endpoints
            .iter()
            .filter_map(|it| it.matches(&segments).map(|id| (it, id)));
        // `/Users/.search` is the search, not the user with the id `.search`: the table lists literals before `{id}`.
        let first = found.next().ok_or(Failure::NoSuchPath)?;
        Ok(first)
    }
}
