//! The parts that a worker works with.

use std::sync::Arc;

use scim_model::store::{ChangeFeed, Webhooks};
use uuid::Uuid;

use crate::delivery::feed::Feed;
use crate::delivery::state_counts::StateCounts;
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
    /// The number of endpoints in each state.
    pub counts: StateCounts<3>,
}

/// The states of endpoints for the metrics. An endpoint that fails is not disabled yet.
pub const ENDPOINT_STATES: [&str; 3] = ["active", "failing", "disabled"];
