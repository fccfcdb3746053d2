//! The HTTP service with actix-web: the surfaces of the server, and the steps that all of them share.

pub mod auth;
pub mod blocking;
pub(crate) mod context;
pub mod endpoint;
pub mod error;
pub mod in_flight;
mod jwks;
pub mod management;
mod media_type;
pub mod metrics;
pub mod middleware;
pub mod oauth;
mod probes;
pub mod rate_limits;
pub mod scim;
pub mod server;
mod tenant_shares;
pub mod tls;
mod write_deadline;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

pub use self::context::{Http, HttpOptions};

/// Configures an application that serves nothing but this server: SCIM, the token endpoint,
/// the keys of security event tokens and the probes. Every other path needs
/// credentials too, so that only authenticated clients learn which paths exist.
///
/// [`scim::routes`] adds SCIM to an application that serves other paths as well.
pub fn routes(http: Arc<Http>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .service(web::resource("/livez").to(probes::livez))
            .service(web::resource("/readyz").to(probes::readyz))
            .configure(scim::routes(http.clone()));
        if let Some(prefix) = http.options.path_prefix.unversioned() {
            config.service(scim::scope(prefix, &http));
        }
        if let Some(oauth) = &http.oauth {
            config.configure(oauth::routes(oauth));
        }
        if http.security_events.is_some() {
            config.configure(jwks::routes);
        }
        config.default_service(middleware::wrap!(web::to(scim::unknown_path)));
    }
}
