//! The handlers of the resource endpoints. They translate requests to service calls and the results to responses.

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION};
use actix_web::web::Path;
use scim_model::internal::{Projection, SearchRequest};
use scim_model::{ScimError, ScimType, Tolerances, json};

use super::body::Body;
use super::params::Params;
use super::streamed::with_content;
use super::target::Target;
use crate::http::auth::Caller;
use crate::http::endpoint::{Answer, Served};
use crate::http::media_type;
use crate::service::precondition::Preconditions;
use crate::service::{Representation, Request};

/// Handles `GET /Users/{id}` (RFC 7644 section 3.4.1).
pub(super) async fn get(caller: Caller, target: Target, id: Path<String>) -> Answer {
    let representation = caller
        .call(move |service, requester| service.get(&target.request(requester), &id))
        .await?;
    resource(StatusCode::OK, &caller, representation)
}

/// Handles `GET /Users` (RFC 7644 section 3.4.2).
pub(super) async fn query(caller: Caller, Served(resource_type): Served, params: Params) -> Answer {
    if params.has_filter() && !caller.requester().settings.filters_in_urls {
        let detail = "filters may contain personal data and are not accepted in URLs: send the filter in the body \
                      of a POST to `/.search` below this endpoint";
        return Err(ScimError::new(ScimType::Sensitive, detail).into());
    }
    let search = params.search()?;
    let list = caller
        .call(move |service, requester| {
            let tolerances = Tolerances::new(requester.settings.policy());
            service.search(requester, Some(&resource_type), &search, &tolerances)
        })
        .await?;
    with_content(HttpResponse::build(StatusCode::OK), &caller, list)
}

/// Handles `POST /Users/.search` and `POST /.search` (RFC 7644 section 3.4.3).
pub(super) async fn search(caller: Caller, served: Option<Served>, body: Body) -> Answer {
    let list = caller
        .call(move |service, requester| {
            let tolerances = Tolerances::new(requester.settings.policy());
            let search = SearchRequest::parse(&json::parse(&body.0)?, &tolerances)?;
            let resource_type = served.map(|Served(it)| it);
            service.search(requester, resource_type.as_ref(), &search, &tolerances)
        })
        .await?;
    with_content(HttpResponse::build(StatusCode::OK), &caller, list)
}

/// Handles `POST /Users` (RFC 7644 section 3.3).
pub(super) async fn create(caller: Caller, target: Target, body: Body) -> Answer {
    let representation = caller
        .call(move |service, requester| service.create(&target.request(requester), &body.0))
        .await?;
    resource(StatusCode::CREATED, &caller, representation)
}

/// Handles `PUT /Users/{id}` (RFC 7644 section 3.5.1).
pub(super) async fn replace(caller: Caller, target: Target, id: Path<String>, body: Body) -> Answer {
    let representation = caller
        .call(move |service, requester| service.replace(&target.request(requester), &id, &body.0))
        .await?;
    resource(StatusCode::OK, &caller, representation)
}

/// Handles `PATCH /Users/{id}` (RFC 7644 section 3.5.2).
pub(super) async fn patch(caller: Caller, target: Target, id: Path<String>, body: Body) -> Answer {
    let representation = caller
        .call(move |service, requester| service.patch(&target.request(requester), &id, &body.0))
        .await?;
    resource(StatusCode::OK, &caller, representation)
}

/// Handles `DELETE /Users/{id}` (RFC 7644 section 3.6).
pub(super) async fn delete(
    caller: Caller,
    Served(resource_type): Served,
    id: Path<String>,
    preconditions: Preconditions,
) -> Answer {
    caller
        .call(move |service, requester| {
            let request = Request {
                requester,
                resource_type: &resource_type,
                projection: &Projection::default(),
                preconditions: &preconditions,
            };
            service.delete(&request, &id)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Returns a response with a resource, or 204 if the service returned no body.
///
/// The examples of RFC 7644 have `Location` in every response with a resource, and RFC 7643 section 3.1 compares
/// `meta.location` with `Content-Location`. A 204 has the same headers, as the example of RFC 5789 section 2.1 does: its
/// metadata describe the resource after the change (RFC 9110 section 15.3.5).
fn resource(status: StatusCode, caller: &Caller, representation: Representation) -> Answer {
    let status = match representation.body {
        Some(_) => status,
        None => StatusCode::NO_CONTENT,
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((ETAG, representation.etag))
        .insert_header((LOCATION, representation.location.as_str()))
        .insert_header((CONTENT_LOCATION, representation.location));
    match representation.body {
        Some(body) => with_content(response, caller, body),
        None => Ok(response.finish()),
    }
}

/// Returns a response of SCIM's media type.
pub(super) fn scim_json(status: StatusCode, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, media_type::SCIM_JSON))
        .body(body)
}
