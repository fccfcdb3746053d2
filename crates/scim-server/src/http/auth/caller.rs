//! The extractor that authenticates a request.

use std::future::ready;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use scim_model::store::TenantId;

use super::Identity;
use crate::http::context::Http;
use crate::http::error::Failure;
use crate::http::middleware::request_context::RequestContext;
use crate::service::{self, Service};

/// An authenticated client, with the service for its requests.
///
/// Extraction authenticates the request unless an earlier extraction has done so. A handler with a `Caller` therefore
/// cannot run without valid credentials, and its calls of the service have the tenant of the caller.
#[derive(Clone)]
pub struct Caller {
    /// The result of the authentication.
    pub identity: Identity,
    /// The shared state of the HTTP service.
    pub http: Data<Http>,
}

impl Caller {
    /// Calls the service on a thread that may block, with the tenant of the caller.
    ///
    /// # Errors
    /// See [`Blocking::run`](crate::http::blocking::Blocking::run).
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service, TenantId) -> Result<T, service::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let (service, tenant) = (self.http.service.clone(), self.identity.tenant);
        let share = self.http.tenant_shares.wait(tenant).await?;
        let work = move || {
            // It is given back when the work has ended, even if the client has disconnected before.
            let _share = share;
            work(&service, tenant)
        };
        self.http.blocking.run(work).await
    }
}

impl FromRequest for Caller {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Caller, Failure>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(http) = request.app_data::<Data<Http>>().cloned() else {
            return Box::pin(ready(Err(Failure::not_mounted())));
        };
        if let Some(identity) = request.extensions().get::<Identity>().cloned() {
            return Box::pin(ready(Ok(Caller { identity, http })));
        }
        let request = request.clone();
        Box::pin(async move {
            let identity = http.authenticator.authenticate(&request).await?;
            RequestContext::of(&request).set_tenant(identity.tenant_name.clone());
            request.extensions_mut().insert(identity.clone());
            Ok(Caller { identity, http })
        })
    }
}
