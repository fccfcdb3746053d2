//! The access that a token or an OAuth client gives.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The operations that a token or an OAuth client allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Access {
    /// Reading and writing.
    #[default]
    #[serde(rename = "scim")]
    ReadAndWrite,
    /// Reading.
    #[serde(rename = "scim.read")]
    Read,
}

impl Access {
    /// Returns the access of a stored credential.
    pub fn of(read_only: bool) -> Access {
        match read_only {
            true => Access::Read,
            false => Access::ReadAndWrite,
        }
    }

    /// Returns whether writing is refused.
    pub fn is_read_only(self) -> bool {
        self == Access::Read
    }
}
