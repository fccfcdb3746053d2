//! The errors of operations.

use scim_model::store::StoreError;

use super::Timestamp;

/// Why an operation failed. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// No tenant has the name, or the operator must not know of it.
    #[error("there is no tenant `{0}`")]
    NoTenant(String),
    /// A part of a tenant, or a key, does not exist.
    #[error("{detail}")]
    NotFound {
        /// The part of the path that names it: `connection`, `id` or `secret`.
        field: &'static str,
        /// The name in words.
        detail: String,
    },
    /// A value is invalid.
    #[error("{field}: {detail}")]
    Invalid {
        /// The name of the member that has the value.
        field: String,
        /// The problem, and the values that are valid.
        detail: String,
    },
    /// The operation contradicts what is stored: a name that is taken, or an object in another state.
    #[error("{0}")]
    Refused(String),
    /// The journal no longer has the changes that the operation needs.
    #[error("the journal has dropped the changes before {since}: later states are known")]
    Dropped {
        /// The time since which states are known.
        since: Timestamp,
    },
    /// The store failed, or what it has is not what the operator expects.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl ManagementError {
    /// Returns the error for an object that does not exist; `field` is the part of the path that names it.
    pub fn not_found(field: &'static str, detail: impl Into<String>) -> ManagementError {
        let detail = detail.into();
        ManagementError::NotFound { field, detail }
    }

    /// Returns the error for a member with an invalid value.
    pub fn invalid(field: &str, detail: impl Into<String>) -> ManagementError {
        ManagementError::Invalid {
            field: field.to_owned(),
            detail: detail.into(),
        }
    }
}
