//! The extractor that authenticates an operator, and the checks that precede a handler.

use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use chrono::TimeDelta;
use scim_model::change::Actor;
use scim_model::store::{OperatorKey, OperatorScope, Tenant, TenantId};

use super::problem::Problem;
use super::resource::Resource;
use super::state::ManagementHttp;
use crate::clock;
use crate::http::auth::presented::presented;
use crate::http::middleware::request_context::RequestContext;
use crate::management::{Management, ManagementError, tenants};
use crate::service;
use crate::token;

/// The time in which a second use of a key is not recorded.
const USES_APART: TimeDelta = TimeDelta::minutes(1);

/// An authenticated operator, with the operations for its requests.
///
/// A handler with an `Operator` cannot run without a valid key. [`Operator::tenant`] finds tenants that the key may see,
/// and no other.
#[derive(Clone)]
pub(super) struct Operator {
    pub(super) key: Arc<OperatorKey>,
    pub(super) http: Data<ManagementHttp>,
    pub(super) request_id: Arc<str>,
    /// The digest of the key.
    sha256: [u8; 32],
}

/// The operations for one operator, on a thread that may block.
pub(super) struct Work<'a> {
    pub(super) management: &'a Management,
    pub(super) key: &'a OperatorKey,
}

impl Work<'_> {
    /// Finds a tenant that the key may see.
    pub(super) fn tenant(&self, name: &str) -> Result<Tenant, ManagementError> {
        let tenant = tenants::find(&*self.management.store, name)?;
        match may_see(self.key, tenant.id) {
            true => Ok(tenant),
            false => Err(ManagementError::NoTenant(name.to_owned())),
        }
    }

    /// Returns whether the key may read the responses of receivers. Otherwise, an operator of one tenant could read internal
    /// services through an endpoint or a stream.
    pub(super) fn may_read_responses(&self) -> bool {
        self.key.tenants.is_none() && self.key.scope == OperatorScope::Admin
    }

    /// Returns the tenants that the key may see.
    pub(super) fn tenants(&self) -> Result<Vec<Tenant>, ManagementError> {
        let mut tenants = self.management.store.tenants()?;
        tenants.retain(|it| may_see(self.key, it.id));
        Ok(tenants)
    }
}

fn may_see(key: &OperatorKey, tenant: TenantId) -> bool {
    let limits = key.tenants.as_ref();
    limits.is_none_or(|limits| limits.iter().any(|it| it.id == tenant))
}

impl Operator {
    /// Runs work on a thread that may block.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Work) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (key, http) = (self.key.clone(), self.http.clone());
        let run = move || -> Result<_, service::Error> {
            let management = &http.management;
            Ok(work(&Work {
                management,
                key: &key,
            }))
        };
        self.http.blocking.run(run).await?
    }

    /// Returns the originator of the changes that the request makes.
    pub(super) fn actor(&self) -> Actor {
        Actor::OperatorKey {
            key: self.key.id,
            request: self.request_id.to_string(),
        }
    }

    /// Checks that the key is for all tenants.
    pub(super) fn check_unlimited(&self) -> Result<(), Problem> {
        match self.key.tenants {
            None => Ok(()),
            Some(_) => Err(Problem::limited_key()),
        }
    }

    /// Returns whether the key has neither expired nor been revoked since the request began.
    pub(super) async fn is_still_valid(&self) -> Result<bool, Problem> {
        let key = self.http.find_key(self.sha256).await?;
        Ok(key.is_some_and(|it| {
            it.is_valid(clock::now()) && it.scope == self.key.scope && it.tenants == self.key.tenants
        }))
    }

    /// Returns whether the key allows an operation that needs a scope.
    fn allows(&self, method: &Method, needed: OperatorScope) -> bool {
        match self.key.scope {
            OperatorScope::Admin => true,
            // A poll acknowledges tokens, so that the receiver would miss what another reader has polled.
            OperatorScope::Read => needed != OperatorScope::Admin && method.is_safe(),
            OperatorScope::Events => needed == OperatorScope::Events,
        }
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Operator, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Operator>().cloned();
        if let Some(operator) = known {
            return Box::pin(ready(Ok(operator)));
        }
        let Some(http) = request.app_data::<Data<ManagementHttp>>().cloned() else {
            return Box::pin(ready(Err(Problem::internal("the routes are not mounted"))));
        };
        let request = request.clone();
        Box::pin(async move {
            let (key, sha256) = authenticate(&request, &http).await?;
            let operator = Operator {
                key: Arc::new(key),
                http,
                request_id: RequestContext::of(&request).id.as_str().into(),
                sha256,
            };
            request.extensions_mut().insert(operator.clone());
            Ok(operator)
        })
    }
}

/// Returns the key of a request, and its digest. Keys are looked up for each request, so that a revocation has effect at once.
async fn authenticate(
    request: &HttpRequest,
    http: &Data<ManagementHttp>,
) -> Result<(OperatorKey, [u8; 32]), Problem> {
    let presented = presented(request.headers())?;
    if presented.is_bare || !token::is_operator_key(presented.secret) {
        return Err(Problem::unauthenticated(!presented.is_bare));
    }
    let now = clock::now();
    let sha256 = token::digest(presented.secret);
    let key = http.find_key(sha256).await?;
    let key = key.filter(|it| it.is_valid(now));
    let key = key.ok_or_else(|| Problem::unauthenticated(true))?;
    if key.last_used.is_none_or(|it| now - it >= USES_APART) {
        record_use(&key, http);
    }
    Ok((key, sha256))
}

/// Records that a key was used, while the request goes on.
fn record_use(key: &OperatorKey, http: &Data<ManagementHttp>) {
    let (id, http) = (key.id, http.clone());
    actix_web::rt::spawn(async move {
        let store = http.management.store.clone();
        let record = move || Ok(store.record_operator_key_use(id, clock::now())?);
        if let Err(failure) = http.blocking.run(record).await {
            // The time is for information only, and the next request tries again.
            log::debug!("the use of the operator key {id} was not recorded: {failure}");
        }
    });
}

/// Checks the key and its scope, before the query or the body of a request is read.
pub(super) async fn check(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match checked(&mut request).await {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.error_response(problem)),
    }
}

async fn checked(request: &mut ServiceRequest) -> Result<(), Problem> {
    let resource = request.app_data::<Rc<Resource>>().cloned();
    let resource = resource.ok_or_else(|| Problem::internal("the resource is not in the route table"))?;
    let context = RequestContext::of(request.request());
    context.set_route(resource.template.clone());
    let operator = request.extract::<Operator>().await?;
    if let Some(tenant) = request.match_info().get("tenant")
        && operator
            .key
            .tenants
            .as_ref()
            .is_none_or(|it| it.iter().any(|it| it.name == tenant))
        && scim_model::store::check_name(tenant).is_ok()
    {
        context.set_tenant(tenant.into());
    }
    match resource.scope(request.method()) {
        Some(needed) if !operator.allows(request.method(), needed) => {
            Err(Problem::insufficient_scope(needed.as_str()))
        }
        // The default service answers a method without a handler.
        _ => Ok(()),
    }
}
