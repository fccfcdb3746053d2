//! The errors of the operations.

use scim_model::ScimError;
use scim_model::store::StoreError;
use scim_patch::PatchError;

/// The reason why an operation failed, or has no representation to return.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is invalid.
    #[error("{0}")]
    Scim(#[from] ScimError),
    /// No resource of this type has the id in the tenant.
    #[error("not found")]
    NotFound,
    /// The client already has the current representation.
    #[error("not modified")]
    NotModified {
        /// The entity tag of the representation.
        etag: String,
        /// The location of the resource.
        location: String,
    },
    /// The version of the resource does not meet the preconditions of the request.
    #[error("precondition failed")]
    PreconditionFailed,
    /// Other requests changed the resource during each attempt.
    #[error("contended")]
    Contended,
    /// Too many requests wait for the store or for a secret to be hashed.
    #[error("overloaded")]
    Overloaded,
    /// The store returned an error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Error {
        Error::Scim(error.into())
    }
}
