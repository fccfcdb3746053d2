//! The status, `scimType` and detail of errors of the model and the store.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use scim_model::internal::error_body;
use scim_model::store::StoreError;
use scim_model::{ErrorKind, ScimError, ScimType};
use serde_json::Value;

/// The status and the body of an error.
pub(super) struct ErrorResponse {
    pub(super) status: StatusCode,
    pub(super) scim_type: Option<ScimType>,
    pub(super) detail: String,
}

impl ErrorResponse {
    pub(super) fn new(
        status: StatusCode,
        scim_type: Option<ScimType>,
        detail: impl Into<String>,
    ) -> ErrorResponse {
        ErrorResponse {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    fn with_scim_type(scim_type: ScimType, detail: impl Into<String>) -> ErrorResponse {
        let status = match scim_type {
            //
            ScimType::Uniqueness => StatusCode::CONFLICT,
            ScimType::Sensitive => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        ErrorResponse::new(status, Some(scim_type), detail)
    }

    pub(super) fn to_json(&self) -> Value {
        error_body(self.status.as_u16(), self.scim_type, &self.detail)
    }
}

impl From<&ScimError> for ErrorResponse {
    fn from(error: &ScimError) -> ErrorResponse {
        let detail = error.detail.as_str();
        match error.kind {
            ErrorKind::Scim(scim_type) => ErrorResponse::with_scim_type(scim_type, detail),
            ErrorKind::TooLarge => ErrorResponse::new(StatusCode::PAYLOAD_TOO_LARGE, None, detail),
            ErrorKind::Internal => ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, None, detail),
        }
    }
}

/// Maps an error of the store.
pub(super) fn store_error(error: &StoreError, request_id: &str) -> ErrorResponse {
    let unavailable = |detail: String| ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, None, detail);
    match error {
        StoreError::Conflict { attribute } => {
            ErrorResponse::with_scim_type(ScimType::Uniqueness, format!("`{attribute}` is already taken"))
        }
        StoreError::Stale => ErrorResponse::new(
            StatusCode::PRECONDITION_FAILED,
            None,
            "the version of the resource does not meet the precondition of the request",
        ),
        StoreError::UnknownMembers(ids) => {
            // A few ids are enough for a diagnosis and keep the response short.
            let mut names = String::new();
            for id in ids.iter().take(5) {
                let _ = write!(names, "{}`{id}`", if names.is_empty() { "" } else { ", " });
            }
            let more = if ids.len() > 5 {
                format!(" and {} more", ids.len() - 5)
            } else {
                String::new()
            };
            ErrorResponse::with_scim_type(
                ScimType::InvalidValue,
                format!("`members` refers to resources that do not exist: {names}{more}"),
            )
        }
        StoreError::TooExpensive { attribute } => ErrorResponse::with_scim_type(
            ScimType::TooMany,
            format!(
                "the query would scan too many resources because of `{attribute}`: use `eq` or `sw` on an indexed \
                 attribute, omit `sortBy`, or set `\"indexed\": true` for the attribute in its schema"
            ),
        ),
        StoreError::TooManyScans { attribute } => unavailable(format!(
            "too many scans are running, and this query needs one because of `{attribute}`: try again later"
        )),
        StoreError::TooManyMembers { most } => ErrorResponse::with_scim_type(
            ScimType::TooMany,
            format!(
                "the groups on this page have more than {most} `members` in total: omit them with \
                 `excludedAttributes=members`, or request fewer groups with `count`"
            ),
        ),
        StoreError::Busy => unavailable("the server is overloaded: try again later".to_owned()),
        StoreError::Unavailable(_) => unavailable(format!(
            "the storage failed: see request {request_id} in the log of the server"
        )),
    }
}
