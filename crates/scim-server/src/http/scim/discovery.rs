//! The three public discovery endpoints (RFC 7644 section 4). Their documents are serialized once, at startup: one set for
//! clients for which the server conforms to the interoperability profile, and one for all others.

use actix_web::http::StatusCode;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{FromRequest, HttpRequest};

use super::documents::Documents;
use super::params::Params;
use super::resources::scim_json;
use crate::delivery::security_events::SecurityEvents;
use crate::http::auth::Caller;
use crate::http::context::Http;
use crate::http::endpoint::Answer;
use crate::http::error::Failure;

/// Handles `GET /ServiceProviderConfig`.
pub(super) async fn service_provider_config(documents: Served, params: Params) -> Answer {
    let all = documents.get();
    let has_events = documents
        .http
        .security_events
        .as_ref()
        .is_some_and(SecurityEvents::has_streams);
    let document = match has_events {
        true => &all.service_provider_config_with_events,
        false => &all.service_provider_config,
    };
    answer(&params, Some(document))
}

/// Handles `GET /ResourceTypes`.
pub(super) async fn resource_types(documents: Served, params: Params) -> Answer {
    answer(&params, Some(&documents.get().resource_types))
}

/// Handles `GET /ResourceTypes/{name}`. The name is case-exact (7643-6-02).
pub(super) async fn resource_type(documents: Served, params: Params, name: Path<String>) -> Answer {
    answer(&params, documents.get().resource_type_by_name.get(&*name))
}

/// Handles `GET /Schemas`.
pub(super) async fn schemas(documents: Served, params: Params) -> Answer {
    answer(&params, Some(&documents.get().schemas))
}

/// Handles `GET /Schemas/{urn}`. URNs are case-insensitive (7644-3.10-03).
pub(super) async fn schema(documents: Served, params: Params, urn: Path<String>) -> Answer {
    let urn = urn.to_ascii_lowercase();
    answer(&params, documents.get().schema_by_urn.get(&urn))
}

/// Extracts the documents for the client. The endpoints are public, so wrong credentials are treated like missing
/// ones.
pub(super) struct Served {
    http: Data<Http>,
    is_conformant: bool,
}

impl Served {
    fn get(&self) -> &Documents {
        match self.is_conformant {
            true => &self.http.interop_discovery,
            false => &self.http.discovery,
        }
    }
}

impl FromRequest for Served {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Served, Failure>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let http = request.app_data::<Data<Http>>().cloned();
        let has_credentials = request.headers().contains_key(AUTHORIZATION);
        let caller = has_credentials.then(|| Caller::from_request(request, payload));
        Box::pin(async move {
            let http = http.ok_or_else(Failure::not_mounted)?;
            let caller = match caller {
                Some(caller) => caller.await.ok(),
                None => None,
            };
            let is_conformant = match &caller {
                Some(caller) => caller.requester().settings.is_interop_conformant(),
                None => http.service.default_client_settings().is_interop_conformant(),
            };
            Ok(Served { http, is_conformant })
        })
    }
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
