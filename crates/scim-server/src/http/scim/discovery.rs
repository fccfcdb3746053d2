//! The three public discovery endpoints (RFC 7644 section 4). Their documents are the same for every caller and are
//! serialized once, at startup.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::params::Params;
use super::resources::scim_json;
use crate::http::context::{Answer, Call, Http};
use crate::http::error::Failure;

/// Handles `GET /ServiceProviderConfig`.
pub(in crate::http) fn service_provider_config(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.service_provider_config))
}

/// Handles `GET /ResourceTypes`.
pub(in crate::http) fn resource_types(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.resource_types))
}

/// Handles `GET /ResourceTypes/{name}`. The name is case-exact (7643-6-02).
pub(in crate::http) fn resource_type(http: &Http, call: &Call) -> Answer {
    answer(call, http.discovery.resource_type_by_name.get(&call.id))
}

/// Handles `GET /Schemas`.
pub(in crate::http) fn schemas(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.schemas))
}

/// Handles `GET /Schemas/{urn}`. URNs are case-insensitive (7644-3.10-03).
pub(in crate::http) fn schema(http: &Http, call: &Call) -> Answer {
    answer(
        call,
        http.discovery.schema_by_urn.get(&call.id.to_ascii_lowercase()),
    )
}

/// Answers with a document. Paging, sorting and projection parameters are ignored, and a filter is an error (RFC 7644
/// section 4, A-48).
fn answer(call: &Call, document: Option<&Bytes>) -> Answer {
    if Params::parse(call.request.query_string())?.has_filter() {
        return Err(Failure::DiscoveryFilter);
    }
    let document = document.ok_or(Failure::NoSuchDocument)?;
    Ok(scim_json(StatusCode::OK, document.clone()))
}
