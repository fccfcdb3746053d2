//! Facts about a request that middleware and handlers share.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest};

use crate::http::rate_limits::Allowance;

/// The text for a fact that is not known.
pub(super) const UNKNOWN: &str = "-";

/// The id of a request, and the facts that the access log waits for. Each fact is set once.
#[derive(Default)]
pub struct RequestContext {
    /// The id that the client and the operator see.
    pub id: String,
    route: OnceCell<Arc<str>>,
    tenant: OnceCell<Arc<str>>,
    connection: OnceCell<Arc<str>>,
    allowance: OnceCell<Allowance>,
}

impl RequestContext {
    /// Returns the context of a request. It is empty when the request has not passed through the middleware.
    pub fn of(request: &HttpRequest) -> Rc<RequestContext> {
        let context = request.extensions().get::<Rc<RequestContext>>().cloned();
        context.unwrap_or_default()
    }

    pub(super) fn new(id: String) -> RequestContext {
        RequestContext {
            id,
            ..RequestContext::default()
        }
    }

    /// Sets the path template of the endpoint.
    pub fn set_route(&self, template: Arc<str>) {
        // A request reaches one endpoint.
        let _ = self.route.set(template);
    }

    /// Sets the name of the caller's tenant.
    pub fn set_tenant(&self, name: Arc<str>) {
        // A request is authenticated once.
        let _ = self.tenant.set(name);
    }

    /// Sets the name of the caller's connection.
    pub fn set_connection(&self, name: Arc<str>) {
        // A request is authenticated once.
        let _ = self.connection.set(name);
    }

    /// Sets the requests that the caller may still send.
    pub fn set_allowance(&self, allowance: Allowance) {
        // A request is counted once.
        let _ = self.allowance.set(allowance);
    }

    /// Returns the requests that the caller may still send, if there is a limit.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        self.allowance.get().copied()
    }

    /// Returns the path template of the endpoint, or `-`.
    pub(super) fn route(&self) -> &str {
        self.route.get().map_or(UNKNOWN, |it| it)
    }

    /// Returns the name of the caller's tenant, or `-`.
    pub(super) fn tenant(&self) -> &str {
        self.tenant.get().map_or(UNKNOWN, |it| it)
    }

    /// Returns the name of the caller's tenant, or an empty text.
    pub(super) fn known_tenant(&self) -> &str {
        self.tenant.get().map_or("", |it| it)
    }

    /// Returns the name of the caller's connection, or `-`.
    pub(super) fn connection(&self) -> &str {
        self.connection.get().map_or(UNKNOWN, |it| it)
    }
}
