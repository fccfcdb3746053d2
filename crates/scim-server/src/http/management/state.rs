//! The shared state of the management listener.

use std::sync::Arc;

use scim_model::store::OperatorKey;

use super::streams::Streams;
use crate::delivery::security_events::StreamParts;
use crate::http::blocking::Blocking;
use crate::http::context::Http;
use crate::http::error::Failure;
use crate::http::metrics::Exposition;
use crate::management::Management;

/// The shared state of the management listener. It has its own threads, so that neither side waits for the other.
pub struct ManagementHttp {
    pub(super) management: Management,
    /// The SCIM side.
    pub http: Arc<Http>,
    pub(super) metrics: Exposition,
    pub(super) blocking: Blocking,
    pub(super) streams: Streams,
    /// The streams of security event tokens, whose receivers may poll.
    pub(super) set_streams: Option<StreamParts>,
}

impl ManagementHttp {
    /// Creates the state for operations. `http` is the SCIM side, whose readiness and counters it shows.
    pub fn new(management: Management, http: Arc<Http>, metrics: Exposition) -> ManagementHttp {
        ManagementHttp {
            management,
            http,
            metrics,
            blocking: Blocking::default(),
            streams: Streams::default(),
            set_streams: None,
        }
    }

    /// Adds the streams of security event tokens.
    #[must_use]
    pub fn with_set_streams(self, streams: StreamParts) -> ManagementHttp {
        ManagementHttp {
            set_streams: Some(streams),
            ..self
        }
    }

    pub(super) async fn find_key(&self, sha256: [u8; 32]) -> Result<Option<OperatorKey>, Failure> {
        let store = self.management.store.clone();
        self.blocking
            .run(move || Ok(store.operator_key_by_hash(&sha256)?))
            .await
    }
}
