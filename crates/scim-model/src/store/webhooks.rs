//! The port to webhook endpoints: their settings, the messages that wait for them, and the log of deliveries.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::delivery_attempt::DeliveryAttempt;
use super::error::StoreError;
use super::leases::Leases;
use super::tenant::TenantId;

/// The endpoints of webhooks. A store keeps no content of messages, which a server reads from the journal again, and no
/// secret that is not sealed.
///
/// A worker is a server process that delivers. It delivers to the endpoints that it has leased, and no two workers have
/// a lease of one endpoint at the same time. The clock of leases is that of the store, which all workers share.
pub trait Webhooks: Send + Sync {
    /// Stores an endpoint with its first secret.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_webhook(&self, new: &NewWebhook) -> Result<(), StoreError>;

    /// Returns all endpoints in order of creation.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn webhooks(&self) -> Result<Vec<Webhook>, StoreError>;

    /// Deletes an endpoint with everything that belongs to it, and returns whether it existed.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_webhook(&self, id: Uuid) -> Result<bool, StoreError>;

    /// Changes the settings of an endpoint, and its state if the change names one, and returns whether the endpoint
    /// exists. With another URL, the endpoint forgets its failures, and its messages are due at once.
    ///
    /// # Errors
    /// `Stale` if the endpoint has another revision, `Unavailable`.
    fn change_webhook(&self, id: Uuid, revision: i64, change: &WebhookChange) -> Result<bool, StoreError>;

    /// Disables an endpoint, and returns whether it exists. One that is disabled keeps its reason.
    ///
    /// # Errors
    /// `Unavailable`.
    fn disable_webhook(&self, id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Enables an endpoint, forgets its failures, makes its messages due at once, and returns whether it exists. With
    /// `position`, the endpoint continues there, and the messages that waited are given up.
    ///
    /// # Errors
    /// `Unavailable`.
    fn enable_webhook(&self, id: Uuid, position: Option<&str>) -> Result<bool, StoreError>;

    /// Stores a new secret of an endpoint, lets its other secrets expire at a time unless they expire earlier, deletes
    /// those that have expired, and returns whether the endpoint exists.
    ///
    /// # Errors
    /// `Unavailable`.
    fn rotate_webhook_secret(
        &self,
        id: Uuid,
        new: &NewWebhookSecret,
        others_expire: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Lets an endpoint continue at a position, forgets messages that were given up, and returns whether the endpoint
    /// exists. `forgotten` has the ids of the messages.
    ///
    /// # Errors
    /// `Unavailable`.
    fn rewind_webhook(&self, id: Uuid, position: &str, forgotten: &[String]) -> Result<bool, StoreError>;

    /// Makes a message due at once, also one that is not among the waiting ones, and returns whether the endpoint exists.
    ///
    /// # Errors
    /// `Unavailable`.
    fn queue_webhook_message(&self, id: Uuid, message: &str, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Renews the leases of a worker and leases active endpoints that no worker has, up to the share of the worker. The
    /// leases end after `lease`, unless they are renewed. Returns the endpoints that the worker has leased, and the most
    /// that it should have: the number of active endpoints, divided by that of workers, and rounded up.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn lease_webhooks(&self, worker: Uuid, lease: TimeDelta) -> Result<Leases, StoreError>;

    /// Ends leases of a worker: those of some endpoints, or with `None` all, after which the worker is no longer counted.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn release_webhooks(&self, worker: Uuid, ids: Option<&[Uuid]>) -> Result<(), StoreError>;

    /// Stores the progress of endpoints in one transaction. Returns the endpoints whose progress was not stored, because
    /// the worker has lost the lease or the endpoint has another revision; their deliveries are stored anyway.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn store_webhook_progress(
        &self,
        worker: Uuid,
        progress: &[WebhookProgress],
    ) -> Result<Vec<Uuid>, StoreError>;

    /// Returns the messages that wait, or those that were given up, latest first. With `before`, only those that follow
    /// the message with this time and id in this order.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn webhook_messages(
        &self,
        id: Uuid,
        dead: bool,
        before: Option<(DateTime<Utc>, &str)>,
        limit: u32,
    ) -> Result<Vec<WebhookMessage>, StoreError>;

    /// Returns a message that waits or was given up.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn webhook_message(&self, id: Uuid, message: &str) -> Result<Option<WebhookMessage>, StoreError>;

    /// Returns deliveries to an endpoint, latest first. With `before`, only those that are earlier than this one.
    ///
    /// # Errors
    /// `Unavailable`.
    fn webhook_deliveries(
        &self,
        id: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryAttempt>, StoreError>;

    /// Deletes at most `limit` deliveries that are older than a time, and as many messages that were given up before it.
    /// Returns the number of both.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn prune_webhook_deliveries(&self, before: DateTime<Utc>, limit: u32) -> Result<usize, StoreError>;
}

/// An endpoint to store.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Identifies the endpoint.
    pub id: Uuid,
    /// The settings of the endpoint.
    pub settings: WebhookSettings,
    /// The place in the journal after which the endpoint gets events, as the deliverer writes it.
    pub position: String,
    /// The first secret.
    pub secret: NewWebhookSecret,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// The settings of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The URL that gets the messages.
    pub url: String,
    /// The tenants whose events the endpoint gets; `None` for all, also those that are created later.
    pub tenants: Option<Vec<TenantId>>,
    /// The types of events that the endpoint gets, such as `user.deactivated` or `group.*`; empty for all.
    pub types: Vec<String>,
    /// Whether messages contain old and new values.
    pub full: bool,
    /// Headers that the requests have in addition, sealed.
    pub headers: Option<Vec<u8>>,
}

/// A change of an endpoint.
#[derive(Clone, Debug)]
pub struct WebhookChange {
    /// The new settings.
    pub settings: WebhookSettings,
    /// The new place in the journal, as the deliverer writes it; `None` if it stays.
    pub position: Option<String>,
    /// The new state; `None` if it stays. An endpoint that is enabled continues where it stopped.
    pub state: Option<WebhookState>,
}

/// Whether messages are sent to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// They are sent.
    Active,
    /// They are not, for a reason, since a time.
    Disabled(String, DateTime<Utc>),
}

/// A secret to store.
#[derive(Clone, Debug)]
pub struct NewWebhookSecret {
    /// Identifies the secret.
    pub id: Uuid,
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// A stored endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Identifies the endpoint.
    pub id: Uuid,
    /// The settings of the endpoint.
    pub settings: WebhookSettings,
    /// The secrets in order of creation, also those that have expired.
    pub secrets: Vec<StoredWebhookSecret>,
    /// The reason and the time, if the endpoint is disabled.
    pub disabled: Option<(String, DateTime<Utc>)>,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// The position in the journal. Each earlier message was delivered, waits, or was given up.
    pub position: String,
    /// Increases when an operator changes the settings, sets the position or enables the endpoint.
    pub revision: i64,
    /// Increases when an operator queues a message.
    pub queued: i64,
    /// The failures of the endpoint.
    pub health: WebhookHealth,
    /// The worker that has leased the endpoint, or had when the lease ended.
    pub lease_owner: Option<Uuid>,
}

/// The failures of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// The time of the first failure after the last success.
    pub failing_since: Option<DateTime<Utc>>,
    /// The endpoint gets no request before this time, because it asked for a pause.
    pub slow_until: Option<DateTime<Utc>>,
}

/// A stored secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWebhookSecret {
    /// Identifies the secret.
    pub id: Uuid,
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` for the latest secret.
    pub expires: Option<DateTime<Utc>>,
}

/// A message that waits for a later attempt, or that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Identifies the message, and tells the deliverer where its content is.
    pub message: String,
    /// The resource that the message is about, which the deliverer writes; messages of one resource keep their order.
    pub resource: Option<String>,
    /// The number of attempts that have failed.
    pub attempts: u32,
    /// The time of the next attempt; `None` for a message that waits for an earlier one of the same resource.
    pub next_attempt: Option<DateTime<Utc>>,
    /// Whether the message was given up.
    pub dead: bool,
    /// The reason why the last attempt failed.
    pub error: Option<String>,
    /// The time since which the message is stored, and for a message that was given up the time of that.
    pub since: DateTime<Utc>,
    /// Whether the message also represents later ones of its resource, which are not stored.
    pub and_later: bool,
}

/// The progress of one endpoint.
#[derive(Clone, Debug)]
pub struct WebhookProgress {
    /// The endpoint.
    pub id: Uuid,
    /// The revision on which the progress is based.
    pub revision: i64,
    /// The new position.
    pub position: String,
    /// The new failures.
    pub health: WebhookHealth,
    /// The reason and the time, if the endpoint is disabled now.
    pub disabled: Option<(String, DateTime<Utc>)>,
    /// Messages that wait or are given up.
    pub stored: Vec<WebhookMessage>,
    /// Messages that wait no longer.
    pub removed: Vec<String>,
    /// Attempts.
    pub deliveries: Vec<DeliveryAttempt>,
}
