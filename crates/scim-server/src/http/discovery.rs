//! The three public discovery endpoints (RFC 7644 section 4). Their documents are the same for every caller and are
//! serialized once, at startup.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use scim_model::internal::discovery::{self, Features, Limits};
use serde_json::Value;

use super::error::Failure;
use super::params::Params;
use super::resources::scim_json;
use super::{Answer, Call, Http};
use crate::service::Service;

/// Handles `GET /ServiceProviderConfig`.
pub(super) fn service_provider_config(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.service_provider_config))
}

/// Handles `GET /ResourceTypes`.
pub(super) fn resource_types(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.resource_types))
}

/// Handles `GET /ResourceTypes/{name}`. The name is case-exact (7643-6-02).
pub(super) fn resource_type(http: &Http, call: &Call) -> Answer {
    answer(call, http.discovery.resource_type_by_name.get(&call.id))
}

/// Handles `GET /Schemas`.
pub(super) fn schemas(http: &Http, call: &Call) -> Answer {
    answer(call, Some(&http.discovery.schemas))
}

/// Handles `GET /Schemas/{urn}`. URNs are case-insensitive (7644-3.10-03).
pub(super) fn schema(http: &Http, call: &Call) -> Answer {
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

/// The serialized documents.
pub(super) struct Documents {
    service_provider_config: Bytes,
    resource_types: Bytes,
    resource_type_by_name: HashMap<String, Bytes>,
    schemas: Bytes,
    schema_by_urn: HashMap<String, Bytes>,
}

impl Documents {
    pub(super) fn new(service: &Service) -> Documents {
        let (registry, settings) = (service.registry(), service.settings());
        let base_url = &settings.base_url;
        let limits = Limits {
            default_page_size: settings.default_page_size,
            max_page_size: settings.max_page_size,
            cursor_timeout: settings.cursor_lifetime.map(|it| it.as_secs()),
        };
        let features = Features {
            // Passwords are stored at most. This server offers no login that would use them.
            change_password: false,
            documentation_uri: None,
        };
        let text = |document: &Value| Bytes::from(document.to_string());
        let resource_types = registry.resource_types.iter();
        let schemas = registry.schemas.iter();
        Documents {
            service_provider_config: text(&discovery::service_provider_config(&limits, &features, base_url)),
            resource_types: discovery::resource_types(registry, base_url).into(),
            resource_type_by_name: resource_types
                .map(|it| (it.name.to_string(), text(&discovery::resource_type(it, base_url))))
                .collect(),
            schemas: discovery::schemas(registry, base_url).into(),
            schema_by_urn: schemas
                .map(|it| (it.id.to_ascii_lowercase(), text(&discovery::schema(it, base_url))))
                .collect(),
        }
    }
}
