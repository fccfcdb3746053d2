//! The checks that a request to an endpoint passes before its handler.

use std::rc::Rc;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::body::check_accept;
use crate::http::auth::Caller;
use crate::http::endpoint::Endpoint;
use crate::http::error::Failure;
use crate::http::middleware::request_context::RequestContext;

/// Checks the credentials, the permission to write, and the accepted media types.
pub(super) async fn check(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match checked(&mut request).await {
        Ok(()) => next.call(request).await,
        Err(failure) => Ok(request.error_response(failure)),
    }
}

async fn checked(request: &mut ServiceRequest) -> Result<(), Failure> {
    let endpoint = request.app_data::<Rc<Endpoint>>().cloned();
    let endpoint = endpoint.ok_or_else(Failure::not_mounted)?;
    RequestContext::of(request.request()).set_route(endpoint.template.clone());
    let mut read_only = false;
    if !endpoint.public {
        read_only = request.extract::<Caller>().await?.identity.read_only;
    }
    if !endpoint.has_handler(request.method()) {
        // The default service of the endpoint handles the request.
        return Ok(());
    }
    if read_only && endpoint.writes(request.method()) {
        return Err(Failure::InsufficientScope);
    }
    check_accept(request.headers())
}
