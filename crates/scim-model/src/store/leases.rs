//! The leases of the servers that deliver events.

use uuid::Uuid;

/// The leases of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// The endpoints or streams that the worker has leased, including those that were disabled since.
    pub ids: Vec<Uuid>,
    /// The most leases that the worker should have: the number of all endpoints or streams, divided by the number of
    /// workers, and rounded up.
    pub share: usize,
}
