//! The SCIM surface: resources and discovery (RFC 7644).

pub mod body;
mod checks;
mod discovery;
pub(super) mod documents;
mod etag;
pub mod params;
mod resources;
mod route_table;
mod streamed;
mod target;

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use scim_model::{ScimError, ScimType};

use super::auth::Caller;
use super::context::Http;
use super::endpoint::{Answer, Endpoint};
use super::error::Failure;
use super::middleware;

/// Adds the endpoints of SCIM to an application, all of them below the path prefix. Unknown paths below the prefix
/// get a response too.
pub fn routes(http: Arc<Http>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(Data::from(http.metrics.clone()))
            .service(scope(http.options.path_prefix.as_str(), &http))
            .app_data(Data::from(http));
    }
}

/// Returns the route table.
pub fn endpoints(http: &Http) -> Vec<Endpoint> {
    route_table::endpoints(http.service.registry())
}

/// Serves the route table below a prefix.
pub(super) fn scope(prefix: &str, http: &Http) -> impl HttpServiceFactory + use<> {
    let mut scope = web::scope(prefix);
    for endpoint in endpoints(http) {
        let resource = endpoint.into_resource(http.options.path_prefix.as_str());
        scope = scope.service(resource.wrap(from_fn(checks::check)));
    }
    middleware::wrap!(scope.default_service(web::to(unknown_path)))
}

/// Handles a path that no endpoint has.
pub(super) async fn unknown_path(caller: Caller, request: HttpRequest) -> Answer {
    let prefix = &caller.http.options.path_prefix;
    Err(match prefix.other_version(request.path()) {
        Some(it) => ScimError::new(
            ScimType::InvalidVers,
            format!("version `{it}` is not supported: use version `2`"),
        )
        .into(),
        None => Failure::NoSuchPath,
    })
}
