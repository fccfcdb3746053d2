//! Errors of the ports.

use uuid::Uuid;

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique attribute is already taken in this tenant.
    #[error("`{attribute}` is already taken")]
    Conflict {
        /// Path of the attribute.
        attribute: String,
    },
    /// The stored version is not the expected one.
    #[error("the resource has changed")]
    Stale,
    /// These members exist in this tenant neither as User nor as Group.
    #[error("unknown members")]
    UnknownMembers(Vec<Uuid>),
    /// The query needs a scan beyond its limits.
    #[error("the query is too expensive")]
    TooExpensive {
        /// The attribute that no index serves.
        attribute: String,
    },
    /// The query needs a scan, and as many run as may; the same call may succeed later.
    #[error("too many scans at once")]
    TooManyScans {
        /// The attribute that no index serves.
        attribute: String,
    },
    /// The groups of a page have more members together than one answer takes.
    #[error("the page has more than {most} members")]
    TooManyMembers {
        /// So many would be taken.
        most: u64,
    },
    /// Too much to do just now; the same call may succeed later.
    #[error("the store is busy")]
    Busy,
    /// The source is for the log, never for the client.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
