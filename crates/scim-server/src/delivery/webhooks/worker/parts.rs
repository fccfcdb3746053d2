//! The parts that a worker works with.

use std::sync::Arc;

use scim_model::store::{ChangeFeed, Webhooks};
use uuid::Uuid;

use crate::delivery::feed::Feed;
use crate::egress::Egress;
use crate::sealing::KeyFile;

/// The parts that a worker works with.
#[derive(Clone)]
pub struct WorkerParts {
    /// Identifies the worker among those that use the same store. A worker continues with the leases that it had.
    pub id: Uuid,
    /// The endpoints.
    pub store: Arc<dyn Webhooks>,
    /// The journal.
    pub journal: Arc<dyn ChangeFeed>,
    /// The events of the journal.
    pub feed: Arc<Feed>,
    /// The client for requests to endpoints.
    pub egress: Arc<Egress>,
    /// The keys that open the secrets of endpoints.
    pub keys: Arc<KeyFile>,
}
