//! The extractor that authenticates a request.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::rt::time::sleep;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use super::Identity;
use crate::http::context::Http;
use crate::http::error::Failure;
use crate::http::middleware::request_context::RequestContext;
use crate::http::rate_limits::Client;
use crate::service::{self, ClientNames, Requester, Service};

/// The pause before the response to a client that exceeds its rate. A client that ignores the answer would otherwise send
/// thousands of requests a second on each connection, and take the processors from other tenants.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);

/// An authenticated client, with the service for its requests.
///
/// Extraction authenticates the request unless an earlier extraction has done so. A handler with a `Caller` therefore
/// cannot run without valid credentials, and its calls to the service have the tenant of the caller.
#[derive(Clone)]
pub struct Caller {
    /// The result of the authentication.
    pub identity: Identity,
    requester: Arc<Requester>,
    /// The shared state of the HTTP service.
    pub http: Data<Http>,
}

impl Caller {
    /// Returns the caller that an earlier extraction has authenticated.
    pub(crate) fn of(request: &HttpRequest) -> Option<Caller> {
        request.extensions().get::<Caller>().cloned()
    }

    /// Counts a request of the client against its rate limit.
    fn take_from_allowance(&self, context: &RequestContext) -> Result<(), Failure> {
        let client = match &self.identity.credential {
            Some(credential) => Client::Connection(credential.connection),
            None => Client::Tenant(self.identity.tenant),
        };
        let rate = self.requester.settings.rate_limit;
        let Some(taken) = self.http.rate_limits.take(client, rate) else {
            return Ok(());
        };
        let (Ok(allowance) | Err(allowance)) = taken;
        context.set_allowance(allowance);
        taken
            .map(|_| ())
            .map_err(|allowance| Failure::RateLimited { rate, allowance })
    }

    /// Returns the client for the service.
    pub fn requester(&self) -> &Arc<Requester> {
        &self.requester
    }

    /// Calls the service on a thread that may block, for the caller.
    ///
    /// # Errors
    /// See [`Blocking::run`](crate::http::blocking::Blocking::run).
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service, &Requester) -> Result<T, service::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let (service, requester) = (self.http.service.clone(), self.requester.clone());
        let share = self.http.tenant_shares.wait(requester.tenant).await?;
        let work = move || {
            // The share is released when the work has ended, even if the client has disconnected before.
            let _share = share;
            work(&service, &requester)
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
        if let Some(caller) = Caller::of(request) {
            return Box::pin(ready(Ok(caller)));
        }
        let request = request.clone();
        Box::pin(async move {
            let identity = http.authenticator.authenticate(&request).await?;
            let context = RequestContext::of(&request);
            context.set_tenant(identity.tenant_name.clone());
            if let Some(credential) = &identity.credential {
                context.set_connection(credential.connection_name.clone());
            }
            let requester = Requester {
                tenant: identity.tenant,
                names: ClientNames {
                    tenant: identity.tenant_name.clone(),
                    connection: match &identity.credential {
                        Some(credential) => credential.connection_name.clone(),
                        None => "".into(),
                    },
                },
                actor: identity.actor(&context.id),
                settings: match &identity.settings {
                    Some(settings) => settings.clone(),
                    None => http.service.default_client_settings().clone(),
                },
            };
            let caller = Caller {
                identity,
                requester: Arc::new(requester),
                http,
            };
            if let Err(refused) = caller.take_from_allowance(&context) {
                sleep(REFUSAL_PAUSE).await;
                return Err(refused);
            }
            request.extensions_mut().insert(caller.clone());
            Ok(caller)
        })
    }
}
