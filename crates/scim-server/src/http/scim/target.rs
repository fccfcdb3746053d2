//! The part of a request that all operations on resources share.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use scim_model::ResourceType;
use scim_model::internal::Projection;

use super::params::Params;
use crate::http::auth::Caller;
use crate::http::endpoint::Served;
use crate::http::error::Failure;
use crate::service::precondition::Preconditions;
use crate::service::{Request, Requester};

/// Extracts the resource type, the projection of the query string, and the preconditions of the headers.
pub(super) struct Target {
    resource_type: Arc<ResourceType>,
    projection: Projection,
    preconditions: Preconditions,
}

impl Target {
    /// Returns the request for the service.
    pub(super) fn request<'a>(&'a self, requester: &'a Requester) -> Request<'a> {
        Request {
            requester,
            resource_type: &self.resource_type,
            projection: &self.projection,
            preconditions: &self.preconditions,
        }
    }
}

impl FromRequest for Target {
    type Error = Failure;
    type Future = Ready<Result<Target, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let served = Served::from_request(request, payload).into_inner();
        ready(served.and_then(|Served(resource_type)| target(request, resource_type)))
    }
}

fn target(request: &HttpRequest, resource_type: Arc<ResourceType>) -> Result<Target, Failure> {
    let caller = Caller::of(request).ok_or_else(Failure::not_mounted)?;
    let params = Params::parse(request.query_string())?;
    Ok(Target {
        resource_type,
        projection: params.projection(caller.requester().settings.policy())?,
        preconditions: Preconditions::of(request.headers()),
    })
}
