//! The handlers of the resource endpoints. They translate requests to service calls and the results to responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpResponse, HttpResponseBuilder};
use scim_model::internal::{Body, Pieces, Projection, SearchRequest};
use scim_model::{ResourceType, ScimError, ScimType, json};

use super::params::Params;
use super::{body, etag};
use crate::http::context::{Answer, AuthenticatedCall, Http};
use crate::http::error::Failure;
use crate::http::media_type;
use crate::service::Representation;

/// Handles `GET /Users/{id}` (RFC 7644 section 3.4.1).
pub async fn get(http: &Http, call: AuthenticatedCall<'_>) -> Answer {
    let resource_type = call.resource_type()?;
    let projection = projection(http, &call)?;
    let preconditions = etag::preconditions(call.request.headers());
    let (tenant, id) = (call.caller.tenant, call.id);
    let representation = http
        .call_service(move |service| service.get(tenant, &resource_type, &id, &projection, &preconditions))
        .await?;
    Ok(resource(StatusCode::OK, representation))
}

/// Handles `GET /Users` (RFC 7644 section 3.4.2).
pub async fn query(http: &Http, call: AuthenticatedCall<'_>) -> Answer {
    let resource_type = call.resource_type()?;
    let params = Params::parse(call.request.query_string())?;
    if params.has_filter() && !http.service.settings().filters_in_urls {
        let detail = "filters may contain personal data and are not accepted in URLs: send the filter in the body \
                      of a POST to `/.search` below this endpoint";
        return Err(ScimError::new(ScimType::Sensitive, detail).into());
    }
    let search = params.search()?;
    let tenant = call.caller.tenant;
    let list = http
        .call_service(move |service| service.search(tenant, Some(&resource_type), &search))
        .await?;
    Ok(with_body(HttpResponse::build(StatusCode::OK), list))
}

/// Handles `POST /Users/.search` and `POST /.search` (RFC 7644 section 3.4.3).
pub async fn search(http: &Http, call: AuthenticatedCall<'_>, payload: Payload) -> Answer {
    let body = body::read(call.request.headers(), payload, http.max_body_bytes).await?;
    let (tenant, resource_type) = (call.caller.tenant, call.resource_type);
    let list = http
        .call_service(move |service| {
            let search = SearchRequest::parse(&json::parse(&body)?)?;
            service.search(tenant, resource_type.as_ref(), &search)
        })
        .await?;
    Ok(with_body(HttpResponse::build(StatusCode::OK), list))
}

/// Handles `POST /Users` (RFC 7644 section 3.3).
pub async fn create(http: &Http, call: AuthenticatedCall<'_>, payload: Payload) -> Answer {
    let resource_type = call.resource_type()?;
    let projection = projection(http, &call)?;
    let body = body::read(call.request.headers(), payload, http.max_body_bytes).await?;
    let tenant = call.caller.tenant;
    let representation = http
        .call_service(move |service| service.create(tenant, &resource_type, &body, &projection))
        .await?;
    Ok(resource(StatusCode::CREATED, representation))
}

/// Handles `PUT /Users/{id}` (RFC 7644 section 3.5.1).
pub async fn replace(http: &Http, call: AuthenticatedCall<'_>, payload: Payload) -> Answer {
    let resource_type = call.resource_type()?;
    let projection = projection(http, &call)?;
    let preconditions = etag::preconditions(call.request.headers());
    let body = body::read(call.request.headers(), payload, http.max_body_bytes).await?;
    let (tenant, id) = (call.caller.tenant, call.id);
    let representation = http
        .call_service(move |service| {
            service.replace(tenant, &resource_type, &id, &body, &projection, &preconditions)
        })
        .await?;
    Ok(resource(StatusCode::OK, representation))
}

/// Handles `PATCH /Users/{id}` (RFC 7644 section 3.5.2).
pub async fn patch(http: &Http, call: AuthenticatedCall<'_>, payload: Payload) -> Answer {
    let resource_type = call.resource_type()?;
    let projection = projection(http, &call)?;
    let preconditions = etag::preconditions(call.request.headers());
    let body = body::read(call.request.headers(), payload, http.max_body_bytes).await?;
    let (tenant, id) = (call.caller.tenant, call.id);
    let representation = http
        .call_service(move |service| {
            service.patch(tenant, &resource_type, &id, &body, &projection, &preconditions)
        })
        .await?;
    Ok(resource(StatusCode::OK, representation))
}

/// Handles `DELETE /Users/{id}` (RFC 7644 section 3.6).
pub async fn delete(http: &Http, call: AuthenticatedCall<'_>) -> Answer {
    let resource_type = call.resource_type()?;
    let preconditions = etag::preconditions(call.request.headers());
    let (tenant, id) = (call.caller.tenant, call.id);
    http.call_service(move |service| service.delete(tenant, &resource_type, &id, &preconditions))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

impl AuthenticatedCall<'_> {
    fn resource_type(&self) -> Result<Arc<ResourceType>, Failure> {
        let missing = || {
            Failure::Internal(format!(
                "the route table has no resource type at `{}`",
                self.request.path()
            ))
        };
        self.resource_type.clone().ok_or_else(missing)
    }
}

/// Reads `attributes` and `excludedAttributes`, which every operation that returns a resource accepts (RFC 7644
/// section 3.9).
fn projection(http: &Http, call: &AuthenticatedCall) -> Result<Projection, Failure> {
    let params = Params::parse(call.request.query_string())?;
    Ok(params.projection(http.service.settings().policy)?)
}

/// Returns a response with a resource, or 204 with its entity tag if the service returned no body.
fn resource(status: StatusCode, representation: Representation) -> HttpResponse {
    let tag = (ETAG, representation.etag);
    let Some(body) = representation.body else {
        return HttpResponse::NoContent().insert_header(tag).finish();
    };
    let location = if status == StatusCode::CREATED {
        LOCATION
    } else {
        CONTENT_LOCATION
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header(tag)
        .insert_header((location, representation.location));
    with_body(response, body)
}

/// Adds a body to a response. A body with a long list of members is serialized while the client reads it.
fn with_body(mut response: HttpResponseBuilder, body: Body) -> HttpResponse {
    response.insert_header((CONTENT_TYPE, media_type::SCIM_JSON));
    if body.is_whole() {
        response.body(body.into_text())
    } else {
        response.body(Streamed(body.into_pieces()))
    }
}

struct Streamed(Pieces);

impl MessageBody for Streamed {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.0.next().map(|it| Ok(it.into())))
    }
}

/// Returns a response of SCIM's media type.
pub(in crate::http) fn scim_json(status: StatusCode, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, media_type::SCIM_JSON))
        .body(body)
}
