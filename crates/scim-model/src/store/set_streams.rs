//! The port to streams of security event tokens: their settings and progress, and the keys that sign the tokens.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::delivery_attempt::DeliveryAttempt;
use super::error::StoreError;
use super::leases::Leases;
use super::tenant::TenantId;
use crate::change::ChangePosition;

/// The streams of security event tokens. A store keeps no tokens, which a server derives from the journal again, and no
/// secret that is not sealed.
///
/// **Invariants.** The position of a stream moves forward only, unless an operator sets it. No two workers have a lease
/// of one stream at the same time; the clock of leases is that of the store, which all workers share.
pub trait SetStreams: Send + Sync {
    /// Stores a stream.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_set_stream(&self, new: &NewSetStream) -> Result<(), StoreError>;

    /// Returns all streams in order of creation.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn set_streams(&self) -> Result<Vec<SetStream>, StoreError>;

    /// Returns the stream with an id.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn set_stream(&self, id: Uuid) -> Result<Option<SetStream>, StoreError>;

    /// Deletes a stream with everything that belongs to it, and returns whether it existed.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_set_stream(&self, id: Uuid) -> Result<bool, StoreError>;

    /// Changes the state of a stream as an operator, forgets its failures, and returns whether it exists. With
    /// `position`, the stream continues there, and everything after it counts as not delivered.
    ///
    /// # Errors
    /// `Unavailable`.
    fn change_set_stream(
        &self,
        id: Uuid,
        state: &SetStreamState,
        position: Option<ChangePosition>,
    ) -> Result<bool, StoreError>;

    /// Replaces the settings of a stream with a revision as an operator, forgets its failures, and returns whether it
    /// exists.
    ///
    /// # Errors
    /// `Stale` for another revision, `Unavailable`.
    fn change_set_stream_settings(
        &self,
        id: Uuid,
        revision: i64,
        settings: &SetStreamSettings,
    ) -> Result<bool, StoreError>;

    /// Stores an event about a stream for delivery, unless there is one of the same kind that was created after a time.
    ///
    /// # Errors
    /// `Unavailable`.
    fn add_set_stream_event(
        &self,
        stream: Uuid,
        event: &SetStreamEvent,
        last_before: DateTime<Utc>,
    ) -> Result<EventAdded, StoreError>;

    /// Returns the oldest events about a stream that are not delivered, in order of creation.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn set_stream_events(&self, id: Uuid, limit: u32) -> Result<Vec<SetStreamEvent>, StoreError>;

    /// Returns the tokens after the position of a stream that are finished already.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn finished_sets(&self, id: Uuid) -> Result<Vec<String>, StoreError>;

    /// Returns the latest tokens that the receiver refused, latest first.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn refused_sets(&self, id: Uuid, limit: u32) -> Result<Vec<RefusedSet>, StoreError>;

    /// Returns attempts to send tokens of a stream, latest first. With `before`, only those that are earlier than this one.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn set_attempts(
        &self,
        id: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryAttempt>, StoreError>;

    /// Stores the progress of a stream in one transaction. Returns whether it was stored: it is not if the stream has
    /// another revision, or if the worker has no lease; the attempts are stored anyway.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn store_set_progress(&self, progress: &SetProgress) -> Result<bool, StoreError>;

    /// Deletes at most `limit` refused tokens that are older than a time, and as many attempts. Returns the number of
    /// both.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn prune_sets(&self, before: DateTime<Utc>, limit: u32) -> Result<usize, StoreError>;

    /// Renews the leases of a worker, and leases streams that no worker has, up to the share of the worker: those that
    /// are pushed and not disabled. The leases end after `lease`, unless they are renewed. Returns what the worker has
    /// leased, and the most that it should have.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn lease_set_streams(&self, worker: Uuid, lease: TimeDelta) -> Result<Leases, StoreError>;

    /// Ends leases of a worker: those of some streams, or with `None` all, after which the worker is no longer counted.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn release_set_streams(&self, worker: Uuid, ids: Option<&[Uuid]>) -> Result<(), StoreError>;

    /// Returns the keys that sign tokens, in order of algorithm and creation.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// Stores the first keys, one of each algorithm, unless there is a key already. Returns whether they were stored: when
    /// several servers do this at the same time, one of them succeeds, with all of its keys.
    ///
    /// # Errors
    /// `Unavailable`.
    fn add_first_signing_keys(&self, keys: &[StoredSigningKey]) -> Result<bool, StoreError>;

    /// Stores a key as the successor of another one of its algorithm, or with `None` as the first one. Returns whether it
    /// was stored: when several servers add a key at the same time, one of them succeeds.
    ///
    /// # Errors
    /// `Unavailable`.
    fn add_signing_key(&self, key: &StoredSigningKey, after: Option<Uuid>) -> Result<bool, StoreError>;

    /// Deletes a key, and returns whether it existed.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_signing_key(&self, id: Uuid) -> Result<bool, StoreError>;
}

/// A stream to store.
#[derive(Clone, Debug)]
pub struct NewSetStream {
    /// Identifies the stream.
    pub id: Uuid,
    /// The settings of the stream.
    pub settings: SetStreamSettings,
    /// The position in the journal after which the stream begins.
    pub position: ChangePosition,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// The settings of a stream. The meaning of the texts is that of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStreamSettings {
    /// The name that its creator gave the stream; it may be empty.
    pub name: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// The audience of the tokens.
    pub audience: String,
    /// The tenants whose events the stream has; `None` for all, also those that are created later.
    pub tenants: Option<Vec<TenantId>>,
    /// The URIs of the events.
    pub events: Vec<String>,
    /// The way to the receiver.
    pub delivery: SetDelivery,
    /// The algorithm of the signatures.
    pub algorithm: String,
    /// Whether the subjects of tokens contain the names of users.
    pub with_user_name: bool,
    /// The kind of subject that tokens about sessions have.
    pub revoked_subject: String,
    /// The issuer of the accounts in such subjects.
    pub account_issuer: String,
}

/// The way of tokens to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetDelivery {
    /// The server sends them (RFC 8935).
    Push {
        /// The URL of the receiver.
        url: String,
        /// The value of the header `Authorization`, sealed.
        authorization: Option<Vec<u8>>,
    },
    /// The receiver asks for them (RFC 8936).
    Poll,
}

/// A stored stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStream {
    /// Identifies the stream.
    pub id: Uuid,
    /// The settings of the stream.
    pub settings: SetStreamSettings,
    /// The state.
    pub state: SetStreamState,
    /// The position in the journal after which tokens are unfinished.
    pub position: ChangePosition,
    /// Increases when an operator changes the stream.
    pub revision: i64,
    /// The failures of the receiver.
    pub health: SetHealth,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// The state of a stream, since a time and for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStreamState {
    /// The state.
    pub status: SetStreamStatus,
    /// The reason; it may be empty.
    pub reason: String,
    /// The time of the last change of the state.
    pub since: DateTime<Utc>,
}

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetStreamStatus {
    /// Tokens are delivered.
    Enabled,
    /// Tokens are kept and not delivered.
    Paused,
    /// Tokens are neither delivered nor kept.
    Disabled,
}

impl SetStreamStatus {
    /// All states.
    pub const ALL: [SetStreamStatus; 3] = [
        SetStreamStatus::Enabled,
        SetStreamStatus::Paused,
        SetStreamStatus::Disabled,
    ];

    /// Returns the word that a store keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            SetStreamStatus::Enabled => "enabled",
            SetStreamStatus::Paused => "paused",
            SetStreamStatus::Disabled => "disabled",
        }
    }
}

/// The failures of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetHealth {
    /// The number of failed attempts to send the next token.
    pub attempts: u32,
    /// The time of the first failure after the last success.
    pub failing_since: Option<DateTime<Utc>>,
    /// The next token is not sent before this time.
    pub next_attempt: Option<DateTime<Utc>>,
}

/// An event about a stream that waits for delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStreamEvent {
    /// Identifies the event.
    pub id: Uuid,
    /// The kind of event.
    pub kind: String,
    /// The content, which the server reads.
    pub content: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// The result of [`SetStreams::add_set_stream_event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAdded {
    /// The event was stored.
    Yes,
    /// There is another one of the same kind that was created too short a time ago.
    TooSoon,
    /// The stream does not exist.
    NoStream,
}

/// A token that the receiver refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSet {
    /// The identity of the token.
    pub jti: String,
    /// The word for the reason.
    pub error: String,
    /// The reason in the words of the receiver.
    pub description: String,
    /// Time of the refusal.
    pub at: DateTime<Utc>,
}

/// The progress of a stream.
#[derive(Clone, Debug)]
pub struct SetProgress {
    /// The stream.
    pub stream: Uuid,
    /// The revision on which the progress is based.
    pub revision: i64,
    /// The worker that must have a lease of the stream.
    pub worker: Option<Uuid>,
    /// The position after which tokens are unfinished. A position before the stored one has no effect.
    pub position: ChangePosition,
    /// The new failures; `None` leaves them as they are.
    pub health: Option<SetHealth>,
    /// Tokens after the position that are finished, each with the number of its journal entry.
    pub finished: Vec<(String, i64)>,
    /// Tokens that the receiver refused.
    pub refused: Vec<RefusedSet>,
    /// Attempts.
    pub attempts: Vec<DeliveryAttempt>,
    /// Events about the stream that are finished.
    pub finished_events: Vec<Uuid>,
    /// The state that the server gives the stream on its own, and the event that says so. A stream that is not
    /// enabled stays as it is.
    pub new_state: Option<(SetStreamState, SetStreamEvent)>,
}

impl SetProgress {
    /// Progress that changes nothing.
    pub fn unchanged(stream: Uuid, revision: i64, position: ChangePosition) -> SetProgress {
        SetProgress {
            stream,
            revision,
            worker: None,
            position,
            health: None,
            finished: Vec::new(),
            refused: Vec::new(),
            attempts: Vec::new(),
            finished_events: Vec::new(),
            new_state: None,
        }
    }
}

/// A key that signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Identifies the key.
    pub id: Uuid,
    /// The algorithm of its signatures.
    pub algorithm: String,
    /// The sealed private key.
    pub sealed: Vec<u8>,
    /// The public key as JSON text, an entry of a JWK set.
    pub public: String,
    /// Time of creation, since which the public key is published.
    pub created: DateTime<Utc>,
    /// The time from which the key signs.
    pub signs_from: DateTime<Utc>,
}
