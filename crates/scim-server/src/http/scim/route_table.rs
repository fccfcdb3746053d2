//! The route table of SCIM: each path with its methods and their handlers.

use std::future::{Ready, ready};

use actix_web::http::Method;
use scim_model::SchemaRegistry;

use super::discovery as d;
use super::resources as r;
use crate::http::endpoint::{Answer, Endpoint};
use crate::http::error::Failure;

/// Returns the table. Of the endpoints that match a path, the first one is served.
pub(super) fn endpoints(registry: &SchemaRegistry) -> Vec<Endpoint> {
    use Method as M;
    let new = |path: &str| Endpoint::new(path);
    let mut table = Vec::new();
    for it in &registry.resource_types {
        let path = &it.endpoint;
        let of_type = |rest: &str| Endpoint::new(format!("{path}{rest}")).of(it);
        table.extend([
            of_type("").get(r::query).write(M::POST, r::create),
            of_type("/.search").post_to_read(r::search),
            of_type("/{id}")
                .get(r::get)
                .write(M::PUT, r::replace)
                .write(M::PATCH, r::patch)
                .write(M::DELETE, r::delete),
        ]);
    }
    table.extend([
        new("/ServiceProviderConfig")
            .public()
            .get(d::service_provider_config),
        new("/ResourceTypes").public().get(d::resource_types),
        new("/ResourceTypes/{id}").public().get(d::resource_type),
        new("/Schemas").public().get(d::schemas),
        new("/Schemas/{id}").public().get(d::schema),
        new("/.search").post_to_read(r::search),
        new("").get(not_supported("a GET query of the base URL")),
        // RFC 7644 sections 3.7 and 3.11, A-70: every method of an optional feature is 501.
        new("/Bulk").any(not_supported("bulk")),
        new("/Me").any(not_supported("`/Me`")),
        new("/Me/{rest}").any(not_supported("`/Me`")),
    ]);
    table
}

/// Returns the handler of an optional SCIM feature that this server lacks.
fn not_supported(feature: &'static str) -> impl Fn() -> Ready<Answer> + Copy {
    move || ready(Err(Failure::NotSupported(feature)))
}
