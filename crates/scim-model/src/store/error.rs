//! Errors of the ports.

use uuid::Uuid;

/// An error of a port.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another resource of the tenant has the value of a unique attribute.
    #[error("`{attribute}` is already taken")]
    Conflict {
        /// Path of the attribute.
        attribute: String,
    },
    /// The stored version differs from the expected one.
    #[error("the resource has changed")]
    Stale,
    /// The tenant has neither a User nor a Group with these ids.
    #[error("unknown members")]
    UnknownMembers(Vec<Uuid>),
    /// The query needs a scan that exceeds the limits of scans.
    #[error("the query is too expensive")]
    TooExpensive {
        /// The attribute without a suitable index.
        attribute: String,
    },
    /// The query needs a scan, and the limit of simultaneous scans is reached. The same call may succeed later.
    #[error("too many scans at once")]
    TooManyScans {
        /// The attribute without a suitable index.
        attribute: String,
    },
    /// The groups of a page together have more members than one response may contain.
    #[error("the page has more than {most} members")]
    TooManyMembers {
        /// The limit.
        most: u64,
    },
    /// The store has too much work. The same call may succeed later.
    #[error("the store is busy")]
    Busy,
    /// The store failed. The source is for the log, and never for the client.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
