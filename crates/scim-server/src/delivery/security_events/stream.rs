//! A stream as it is stored, and its meaning.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::SchemaRegistry;
use scim_model::store::{
    ChangeFeed, FeedTenants, SetStream, SetStreamEvent, SetStreamState, SetStreamStatus, SetStreams,
};

use super::event_uri::EventUri;
use super::key_ring::KeyRing;
use super::token::{Token, TokenSettings, TokenSources, status_token, verification_token};
use crate::clock;
use crate::delivery::feed::Feed;
use crate::delivery::state_counts::StateCounts;
use crate::egress::Egress;
use crate::jose::SigningAlgorithm;
use crate::sealing::KeyFile;

/// The parts that delivery works with.
#[derive(Clone)]
pub struct StreamParts {
    /// The streams.
    pub store: Arc<dyn SetStreams>,
    /// The journal.
    pub journal: Arc<dyn ChangeFeed>,
    /// Tells when the journal has new entries.
    pub feed: Arc<Feed>,
    /// The keys that sign, and whether there are streams.
    pub security_events: SecurityEvents,
    /// The keys that open the secrets of streams.
    pub keys: Arc<KeyFile>,
    /// The client for requests to receivers.
    pub egress: Arc<Egress>,
    /// The resource types.
    pub registry: Arc<SchemaRegistry>,
    /// The URL before `/Users`, if it is known.
    pub base_url: Option<String>,
}

impl StreamParts {
    pub(super) fn sources(&self) -> TokenSources<'_> {
        TokenSources {
            registry: &self.registry,
            base_url: self.base_url.as_deref(),
        }
    }
}

/// The facts about security event tokens that the HTTP service needs.
#[derive(Clone)]
pub struct SecurityEvents {
    /// The keys that sign.
    pub ring: Arc<KeyRing>,
    /// The number of streams in each state.
    pub counts: StateCounts<4>,
}

/// The states of streams for the metrics. A stream that fails is enabled.
pub const STREAM_STATES: [&str; 4] = ["enabled", "failing", "paused", "disabled"];

impl SecurityEvents {
    /// Creates the value, which says that there are no streams.
    pub fn new(ring: Arc<KeyRing>) -> SecurityEvents {
        SecurityEvents {
            ring,
            counts: StateCounts::new(STREAM_STATES),
        }
    }

    /// Returns whether there were streams a few seconds ago.
    pub fn has_streams(&self) -> bool {
        self.counts.numbers().iter().any(|(_, number)| *number > 0)
    }

    /// Notes the streams that exist.
    pub(super) fn saw(&self, streams: &[SetStream]) {
        self.counts.saw(streams.iter().map(|it| match it.state.status {
            SetStreamStatus::Enabled if it.health.failing_since.is_some() => "failing",
            SetStreamStatus::Enabled => "enabled",
            SetStreamStatus::Paused => "paused",
            SetStreamStatus::Disabled => "disabled",
        }));
    }
}

/// The kind of the events about a stream that a receiver or an operator asked for.
pub(super) const VERIFICATION: &str = "verification";

/// The kind of the events that report a new state.
const STATUS: &str = "stream-updated";

/// Returns the settings of tokens.
///
/// # Errors
/// A later version has stored the stream; the text says what is unknown.
pub(super) fn token_settings(stream: &SetStream) -> Result<TokenSettings, String> {
    let settings = &stream.settings;
    let event = |uri: &String| {
        EventUri::requestable(uri).ok_or_else(|| format!("this version does not know the event `{uri}`"))
    };
    Ok(TokenSettings {
        stream: stream.id,
        issuer: settings.issuer.clone(),
        audience: settings.audience.clone(),
        events: settings.events.iter().map(event).collect::<Result<_, _>>()?,
        with_user_name: settings.with_user_name,
        revoked_subject: settings.revoked_subject.parse()?,
        account_issuer: settings.account_issuer.clone(),
    })
}

/// Returns the algorithm of a stream's signatures.
///
/// # Errors
/// A later version has stored the stream.
pub(super) fn algorithm(stream: &SetStream) -> Result<SigningAlgorithm, String> {
    let name = &stream.settings.algorithm;
    name.parse()
        .map_err(|_| format!("this version does not know the algorithm `{name}`"))
}

/// Returns the tenants whose events a stream has.
pub(super) fn tenants(stream: &SetStream) -> FeedTenants {
    match &stream.settings.tenants {
        None => FeedTenants::All,
        Some(ids) => FeedTenants::Only(ids.clone()),
    }
}

/// Returns the token of an event about a stream; `None` for an event of a later version.
pub(super) fn event_token(settings: &TokenSettings, event: &SetStreamEvent) -> Option<Token> {
    match event.kind.as_str() {
        VERIFICATION => {
            let state: Option<String> = serde_json::from_str(&event.content).ok()?;
            Some(verification_token(settings, event.id, state.as_deref()))
        }
        STATUS => {
            let (status, reason) = event.content.split_once(' ')?;
            let status = SetStreamStatus::ALL
                .into_iter()
                .find(|it| it.as_str() == status)?;
            Some(status_token(settings, event.id, status, reason))
        }
        _ => None,
    }
}

/// Returns the state of a stream that the server pauses, and the event that says so.
pub(super) fn paused(reason: &str, now: DateTime<Utc>) -> (SetStreamState, SetStreamEvent) {
    let state = SetStreamState {
        status: SetStreamStatus::Paused,
        reason: reason.to_owned(),
        since: now,
    };
    let event = SetStreamEvent {
        id: clock::new_id(),
        kind: STATUS.to_owned(),
        content: format!("{} {reason}", state.status.as_str()),
        created: now,
    };
    (state, event)
}

/// Returns the content of a verification with the text that the receiver gave.
pub(super) fn verification_content(state: Option<&str>) -> String {
    serde_json::json!(state).to_string()
}
