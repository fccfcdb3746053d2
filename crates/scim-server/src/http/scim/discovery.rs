//! The three public discovery endpoints (RFC 7644 section 4). Their documents are the same for every caller and are
//! serialized once, at startup.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};

use super::params::Params;
use super::resources::scim_json;
use crate::http::context::Http;
use crate::http::endpoint::Answer;
use crate::http::error::Failure;

/// Handles `GET /ServiceProviderConfig`.
pub(super) async fn service_provider_config(http: Data<Http>, params: Params) -> Answer {
    answer(&params, Some(&http.discovery.service_provider_config))
}

/// Handles `GET /ResourceTypes`.
pub(super) async fn resource_types(http: Data<Http>, params: Params) -> Answer {
    answer(&params, Some(&http.discovery.resource_types))
}

/// Handles `GET /ResourceTypes/{name}`. The name is case-exact (7643-6-02).
pub(super) async fn resource_type(http: Data<Http>, params: Params, name: Path<String>) -> Answer {
    answer(&params, http.discovery.resource_type_by_name.get(&*name))
}

/// Handles `GET /Schemas`.
pub(super) async fn schemas(http: Data<Http>, params: Params) -> Answer {
    answer(&params, Some(&http.discovery.schemas))
}

/// Handles `GET /Schemas/{urn}`. URNs are case-insensitive (7644-3.10-03).
pub(super) async fn schema(http: Data<Http>, params: Params, urn: Path<String>) -> Answer {
    let urn = urn.to_ascii_lowercase();
    answer(&params, http.discovery.schema_by_urn.get(&urn))
}

/// Answers with a document. Paging, sorting and projection parameters are ignored, and a filter is an error (RFC 7644
/// section 4, A-48).
fn answer(params: &Params, document: Option<&Bytes>) -> Answer {
    if params.has_filter() {
        return Err(Failure::DiscoveryFilter);
    }
    let document = document.ok_or(Failure::NoSuchDocument)?;
    Ok(scim_json(StatusCode::OK, document.clone()))
}
