//! Error responses, which need the method and the id of the request.

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::request_context::RequestContext;
use crate::http::error::Failure;

/// Turns the [`Failure`] of a handler or an extractor into its response, and logs the part that the client must not
/// see.
pub async fn render(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let response = next.call(request).await?;
    let Some(error) = response.response().error() else {
        return Ok(response);
    };
    let rendered = match error.as_error::<Failure>() {
        Some(failure) => rendered(failure, &response),
        // An extractor of actix-web failed.
        None => rendered(&Failure::Internal(error.to_string()), &response),
    };
    Ok(response.into_response(rendered))
}

fn rendered(failure: &Failure, response: &ServiceResponse) -> actix_web::HttpResponse {
    let context = RequestContext::of(response.request());
    if let Some((level, text)) = failure.log_message() {
        log::log!(level, request_id = context.id; "{} {text}", context.id);
    }
    failure.to_response(response.request().method(), &context.id)
}
