//! The management listener: probes, metrics, and the management API for operators.

mod action;
mod answers;
mod audit;
mod clients;
mod connections;
mod creation;
mod events;
mod federations;
mod feed;
mod history;
mod idempotency;
mod input;
mod keys;
mod openapi;
mod operator;
mod paging;
mod preconditions;
mod problem;
pub mod resource;
mod resources;
pub mod route_table;
mod set_streams;
mod state;
mod stream;
mod streams;
mod target;
mod tenants;
mod tokens;
mod undo;
mod webhooks;

use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};

pub use self::openapi::document as openapi_document;
use self::operator::Operator;
use self::problem::Problem;
use self::resource::{Answer, PREFIX};
pub use self::state::ManagementHttp;
use super::metrics;
use super::middleware::{self, access_log, request_id};
use super::probes;

/// Wraps a scope or a route in the steps that every request of the API passes. The last step is the first one that a
/// request reaches.
macro_rules! wrap {
    ($service:expr) => {
        $service
            .wrap(from_fn(problem::render))
            .wrap(middleware::headers())
            .wrap(from_fn(access_log::record))
            .wrap(from_fn(request_id::assign))
    };
}

/// Configures the application of the management listener. Paths other than the probes and the metrics need an operator
/// key, so that only operators learn which paths exist.
pub fn routes(state: Arc<ManagementHttp>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let mut scope = web::scope(PREFIX);
        for resource in route_table::resources() {
            scope = scope.service(resource.into_resource().wrap(from_fn(operator::check)));
        }
        config
            .app_data(Data::from(state.http.clone()))
            .app_data(Data::from(state.http.metrics.clone()))
            .app_data(Data::new(state.metrics.clone()))
            .app_data(Data::from(state))
            .service(web::resource("/livez").to(probes::livez))
            .service(web::resource("/readyz").to(probes::readyz))
            .route("/metrics", web::get().to(metrics::exposition))
            .service(wrap!(scope.default_service(web::to(unknown_path))))
            .default_service(wrap!(web::to(unknown_path)));
    }
}

/// Answers a path that is not in the route table.
async fn unknown_path(_: Operator) -> Answer {
    Err(Problem::not_found("no operation has this path"))
}
