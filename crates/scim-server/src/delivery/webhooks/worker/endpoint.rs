//! An endpoint that the worker has leased.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_model::store::{DeliveryAttempt, FeedTenants, Webhook, WebhookMessage, WebhookProgress};

use super::super::message::MessageId;
use super::super::queue::{Dispatch, Queue};
use super::super::send::Sent;
use super::super::signature::WebhookSecret;
use super::super::stored::{self, OpenedEndpoint, Subscription};
use super::content::Content;
use super::places::Owners;
use crate::clock;
use crate::delivery::event::{Event, EventId};
use crate::sealing::KeyFile;

/// Requests that take longer than this make an endpoint a slow one.
const SLOW: Duration = Duration::from_secs(2);

/// An endpoint with its queue.
pub(super) struct Endpoint {
    /// The endpoint as it was read last.
    pub(super) webhook: Webhook,
    /// Distinguishes the queue from those that this process had for the endpoint before.
    pub(super) generation: u64,
    pub(super) queue: Queue,
    /// The secrets and headers, if they could be opened.
    opened: Result<OpenedEndpoint, String>,
    pub(super) subscription: Subscription,
    pub(super) owners: Owners,
    /// Events that were read and not yet sent.
    events: HashMap<EventId, Arc<Event>>,
    deliveries: Vec<DeliveryAttempt>,
    /// Whether the journal may have events that were not read.
    pub(super) is_behind: bool,
    /// Whether another worker should have the endpoint.
    pub(super) is_leaving: bool,
    is_slow: bool,
}

impl Endpoint {
    /// Continues with what was stored.
    ///
    /// # Errors
    /// The stored position or filter cannot be read; the text says what.
    pub(super) fn load(
        webhook: Webhook,
        messages: &[WebhookMessage],
        keys: &KeyFile,
        generation: u64,
    ) -> Result<Endpoint, String> {
        let position = stored::position(&webhook)?;
        let subscription = Subscription::of(&webhook)?;
        let opened = stored::open(&webhook, keys).map_err(|error| error.to_string());
        if let Err(error) = &opened {
            log::error!("the webhook endpoint {} gets nothing: {error}", webhook.id);
        }
        Ok(Endpoint {
            owners: Owners::of(&webhook.settings),
            queue: Queue::restore(position, webhook.health, messages),
            webhook,
            generation,
            opened,
            subscription,
            events: HashMap::new(),
            deliveries: Vec::new(),
            is_behind: true,
            is_leaving: false,
            is_slow: false,
        })
    }

    /// Takes over changes that an operator has made.
    pub(super) fn refresh(&mut self, webhook: Webhook, keys: &KeyFile) {
        if self.opened.is_err() || webhook.secrets != self.webhook.secrets {
            let opened = stored::open(&webhook, keys).map_err(|error| error.to_string());
            match (&self.opened, &opened) {
                (Ok(_), Err(error)) => {
                    log::error!("the webhook endpoint {} gets nothing: {error}", webhook.id);
                }
                (Err(_), Ok(_)) => {
                    log::info!("the secrets of the webhook endpoint {} open again", webhook.id);
                }
                _ => {}
            }
            self.opened = opened;
        }
        self.webhook = webhook;
    }

    /// Returns the tenants whose events the endpoint gets.
    pub(super) fn tenants(&self) -> FeedTenants {
        self.subscription.tenants.clone()
    }

    /// Takes the events of a page that the endpoint wants.
    pub(super) fn take(&mut self, events: &[Arc<Event>], read_to: EventId, now: DateTime<Utc>) {
        let wanted = events.iter().filter(|it| self.subscription.wants(it));
        let wanted: Vec<&Arc<Event>> = wanted.collect();
        let places = wanted.iter().map(|it| (it.id, it.resource_id));
        self.queue.take(places, read_to, now);
        // The others are stored messages now, whose content is read from the journal.
        let queue = &self.queue;
        self.events.retain(|id, _| queue.is_unsettled(*id));
        let unsettled = wanted.into_iter().filter(|it| queue.is_unsettled(it.id));
        self.events.extend(unsettled.map(|it| (it.id, Arc::clone(it))));
    }

    /// Whether the endpoint is likely to keep a request waiting.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_slow || self.queue.is_failing()
    }

    /// Chooses the next message. `None` also while the secrets cannot be opened.
    pub(super) fn next(&mut self, now: DateTime<Utc>) -> Option<Dispatch> {
        match self.is_leaving || self.opened.is_err() {
            true => None,
            false => self.queue.next(now),
        }
    }

    /// Returns the content of a message that is sent now.
    pub(super) fn content(&mut self, dispatch: &Dispatch) -> Content {
        let event = match dispatch.id {
            MessageId::Event(id) => self.events.remove(&id),
            MessageId::Gap { .. } | MessageId::Test(_) => None,
        };
        match event {
            Some(event) => Content::Event(event),
            None => Content::Stored(dispatch.id, dispatch.stored_since.unwrap_or_default()),
        }
    }

    /// Returns the secrets that sign at a time, and the additional headers.
    pub(super) fn credentials(&self, now: DateTime<Utc>) -> (Vec<WebhookSecret>, Vec<(String, String)>) {
        match &self.opened {
            Ok(opened) => (opened.secrets_at(now), opened.headers.clone()),
            Err(_) => Default::default(),
        }
    }

    /// Takes the result of a request. `jitter` is a random number from -1 to 1.
    pub(super) fn finish(&mut self, id: MessageId, sent: &Sent, now: DateTime<Utc>, jitter: f64) {
        self.is_slow = sent.took > SLOW;
        self.queue.finish(id, sent.outcome.clone(), now, jitter);
    }

    /// Adds an attempt to the log of deliveries.
    pub(super) fn log(&mut self, delivery: DeliveryAttempt) {
        self.deliveries.push(delivery);
    }

    /// Whether something should be stored now, and not only the position.
    pub(super) fn has_urgent_changes(&self) -> bool {
        !self.deliveries.is_empty() || self.queue.is_unsaved() && !self.queue.is_only_read()
    }

    /// Returns the progress to store, if there is any.
    pub(super) fn progress(&self) -> Option<WebhookProgress> {
        if !self.queue.is_unsaved() && self.deliveries.is_empty() {
            return None;
        }
        let unsaved = self.queue.state();
        Some(WebhookProgress {
            id: self.webhook.id,
            revision: self.webhook.revision,
            position: unsaved.position.to_string(),
            health: unsaved.health,
            disabled: unsaved.disabled,
            stored: unsaved.stored,
            removed: unsaved.removed,
            deliveries: self.deliveries.clone(),
        })
    }

    /// Confirms that the result of [`Endpoint::progress`] was stored.
    pub(super) fn saved(&mut self) {
        self.queue.saved();
        self.deliveries.clear();
    }
}

/// Returns the entry of the log for a request.
pub(super) fn delivery(id: MessageId, attempt: u32, sent: &Sent) -> DeliveryAttempt {
    DeliveryAttempt {
        id: clock::new_id(),
        message: id.to_string(),
        at: sent.at,
        attempt,
        status: sent.status,
        milliseconds: i64::try_from(sent.took.as_millis()).unwrap_or(i64::MAX),
        error: sent.error.clone(),
        response: sent.response.clone(),
    }
}
