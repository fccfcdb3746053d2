//! The messages of an endpoint that are stored, because they failed or are behind one that did.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use scim_model::store::WebhookMessage;
use uuid::Uuid;

use super::super::message::MessageId;

/// The messages, the order of those of each resource, and the changes that are not stored yet.
#[derive(Debug, Default)]
pub(super) struct WaitingMessages {
    messages: BTreeMap<MessageId, Waiting>,
    by_resource: HashMap<Uuid, BTreeSet<MessageId>>,
    /// Messages with a time, by that time.
    due: BTreeSet<(DateTime<Utc>, MessageId)>,
    changed: HashSet<MessageId>,
    given_up: Vec<WebhookMessage>,
    removed: Vec<MessageId>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) resource: Option<Uuid>,
    pub(super) attempts: u32,
    next_attempt: Option<DateTime<Utc>>,
    error: Option<String>,
    pub(super) since: DateTime<Utc>,
}

impl Waiting {
    /// A message that can be sent now.
    pub(super) fn due(resource: Option<Uuid>, now: DateTime<Utc>) -> Waiting {
        Waiting {
            resource,
            attempts: 0,
            next_attempt: Some(now),
            error: None,
            since: now,
        }
    }

    /// A message that can be sent after the earlier ones of its resource.
    pub(super) fn behind(resource: Uuid, now: DateTime<Utc>) -> Waiting {
        Waiting {
            next_attempt: None,
            ..Waiting::due(Some(resource), now)
        }
    }

    fn to_stored(&self, id: MessageId) -> WebhookMessage {
        WebhookMessage {
            message: id.to_string(),
            resource: self.resource.map(|it| it.to_string()),
            attempts: self.attempts,
            next_attempt: self.next_attempt,
            dead: false,
            error: self.error.clone(),
            since: self.since,
        }
    }
}

impl WaitingMessages {
    /// Adds a message that is stored, or replaces it.
    pub(super) fn restore(&mut self, stored: &WebhookMessage) {
        let Ok(id) = stored.message.parse() else { return };
        let waiting = Waiting {
            resource: stored.resource.as_deref().and_then(|it| it.parse().ok()),
            attempts: stored.attempts,
            next_attempt: stored.next_attempt,
            error: stored.error.clone(),
            since: stored.since,
        };
        self.insert(id, waiting);
    }

    /// Adds a message that is not stored yet.
    pub(super) fn put(&mut self, id: MessageId, waiting: Waiting) {
        self.insert(id, waiting);
        self.changed.insert(id);
    }

    /// Adds a message of a resource with others. It is due if it is the first of them: after a restart or a replay, events
    /// are read again that precede a message that waits.
    pub(super) fn put_in_order(&mut self, id: MessageId, resource: Uuid, now: DateTime<Utc>) {
        self.put(id, Waiting::behind(resource, now));
        self.release(Some(resource), now);
    }

    fn insert(&mut self, id: MessageId, waiting: Waiting) {
        self.take(&id);
        self.due.extend(waiting.next_attempt.map(|it| (it, id)));
        if let Some(resource) = waiting.resource {
            self.by_resource.entry(resource).or_default().insert(id);
        }
        self.messages.insert(id, waiting);
    }

    fn take(&mut self, id: &MessageId) -> Option<Waiting> {
        let waiting = self.messages.remove(id)?;
        if let Some(time) = waiting.next_attempt {
            self.due.remove(&(time, *id));
        }
        if let Some(resource) = waiting.resource
            && let Some(others) = self.by_resource.get_mut(&resource)
        {
            others.remove(id);
            if others.is_empty() {
                self.by_resource.remove(&resource);
            }
        }
        Some(waiting)
    }

    /// Removes a message that waits no longer, and lets the next one of its resource be sent.
    pub(super) fn remove(&mut self, id: &MessageId, now: DateTime<Utc>) {
        let Some(waiting) = self.take(id) else { return };
        self.changed.remove(id);
        self.removed.push(*id);
        self.release(waiting.resource, now);
    }

    /// Makes the first message of a resource due, if it has only waited for earlier ones.
    fn release(&mut self, resource: Option<Uuid>, now: DateTime<Utc>) {
        let first = resource.and_then(|it| self.by_resource.get(&it)?.first().copied());
        let Some(first) = first else { return };
        if let Some(waiting) = self.messages.get_mut(&first)
            && waiting.next_attempt.is_none()
        {
            waiting.next_attempt = Some(now);
            self.due.insert((now, first));
            self.changed.insert(first);
        }
    }

    /// Plans the next attempt of a message.
    pub(super) fn retry(&mut self, id: &MessageId, attempts: u32, next: DateTime<Utc>, error: String) {
        let Some(waiting) = self.messages.get_mut(id) else {
            return;
        };
        if let Some(time) = waiting.next_attempt {
            self.due.remove(&(time, *id));
        }
        waiting.attempts = attempts;
        waiting.next_attempt = Some(next);
        waiting.error = Some(error);
        self.due.insert((next, *id));
        self.changed.insert(*id);
    }

    /// Gives a message up, and lets the next one of its resource be sent.
    pub(super) fn give_up(&mut self, id: &MessageId, error: String, now: DateTime<Utc>) {
        let Some(waiting) = self.take(id) else { return };
        self.changed.remove(id);
        self.given_up.push(WebhookMessage {
            attempts: waiting.attempts + 1,
            next_attempt: None,
            dead: true,
            error: Some(error),
            since: now,
            ..waiting.to_stored(*id)
        });
        self.release(waiting.resource, now);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn contains(&self, id: &MessageId) -> bool {
        self.messages.contains_key(id)
    }

    /// The number of attempts that have failed.
    pub(super) fn attempts(&self, id: &MessageId) -> u32 {
        self.messages.get(id).map_or(0, |it| it.attempts)
    }

    /// Whether a message of the resource waits.
    pub(super) fn has_resource(&self, resource: Uuid) -> bool {
        self.by_resource.contains_key(&resource)
    }

    /// A message about a gap that has not been tried yet.
    pub(super) fn untold_gap(&self) -> Option<(MessageId, &Waiting)> {
        // The messages about gaps are the first ones.
        let mut gaps = self
            .messages
            .iter()
            .take_while(|(id, _)| matches!(id, MessageId::Gap { .. }));
        gaps.find(|(_, it)| it.attempts == 0).map(|(id, it)| (*id, it))
    }

    /// The message that has been due for the longest time, if it is the first one of its resource and is free.
    pub(super) fn first_due(
        &self,
        now: DateTime<Utc>,
        is_free: impl Fn(&MessageId, Option<Uuid>) -> bool,
    ) -> Option<(MessageId, &Waiting)> {
        let due = self.due.iter().take_while(|(time, _)| *time <= now);
        due.filter_map(|(_, id)| Some((*id, self.messages.get(id)?)))
            .find(|(id, it)| self.is_first(id, it.resource) && is_free(id, it.resource))
    }

    fn is_first(&self, id: &MessageId, resource: Option<Uuid>) -> bool {
        let first = resource.and_then(|it| self.by_resource.get(&it)?.first());
        first.is_none_or(|it| it == id)
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty() || !self.given_up.is_empty() || !self.removed.is_empty()
    }

    /// The messages to store, and the ids of those to remove.
    pub(super) fn changes(&self) -> (Vec<WebhookMessage>, Vec<String>) {
        let changed = self.changed.iter().filter_map(|id| {
            let waiting = self.messages.get(id)?;
            Some(waiting.to_stored(*id))
        });
        let stored = changed.chain(self.given_up.iter().cloned()).collect();
        (stored, self.removed.iter().map(ToString::to_string).collect())
    }

    pub(super) fn saved(&mut self) {
        self.changed.clear();
        self.given_up.clear();
        self.removed.clear();
    }
}
