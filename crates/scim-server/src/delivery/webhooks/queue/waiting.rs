//! The messages of an endpoint that are stored, because they failed or are behind one that did.
//!
//! Of a resource with many messages, only the first ones are stored. The last of them represents the later ones, which are
//! read from the journal again when it is the first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use scim_model::store::WebhookMessage;
use uuid::Uuid;

use super::super::message::MessageId;
use crate::delivery::event::EventId;

/// The messages, the order of those of each resource, and the changes that are not stored yet.
#[derive(Debug, Default)]
pub(super) struct WaitingMessages {
    messages: BTreeMap<MessageId, Waiting>,
    by_resource: HashMap<Uuid, BTreeSet<MessageId>>,
    /// Messages with a time, by that time.
    due: BTreeSet<(DateTime<Utc>, MessageId)>,
    /// Messages that represent later ones.
    partial: BTreeSet<MessageId>,
    changed: HashSet<MessageId>,
    given_up: Vec<WebhookMessage>,
    removed: BTreeSet<MessageId>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) resource: Option<Uuid>,
    pub(super) attempts: u32,
    next_attempt: Option<DateTime<Utc>>,
    error: Option<String>,
    pub(super) since: DateTime<Utc>,
    /// The events of the resource after this one are not among the messages.
    later: Option<EventId>,
}

/// A message whose resource has later events that are not among the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery::webhooks) struct Backlog {
    message: MessageId,
    pub(in crate::delivery::webhooks) resource: Uuid,
    /// The event after which the later ones come.
    pub(in crate::delivery::webhooks) after: EventId,
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
            later: None,
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
            and_later: self.later.is_some(),
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
            later: match id {
                MessageId::Event(event) if stored.and_later => Some(event),
                _ => None,
            },
        };
        self.insert(id, waiting);
    }

    /// Adds a message that is not stored yet.
    pub(super) fn put(&mut self, id: MessageId, waiting: Waiting) {
        self.insert(id, waiting);
        self.changed.insert(id);
    }

    /// Adds an event of a resource with others. It is due if it is the first of them: after a restart or a replay, events
    /// are read again that precede a message that waits. At most `most` messages stay behind the first one.
    pub(super) fn put_in_order(&mut self, event: EventId, resource: Uuid, most: usize, now: DateTime<Utc>) {
        let id = MessageId::Event(event);
        if self.is_covered(&id, resource) {
            return;
        }
        self.put(id, Waiting::behind(resource, now));
        self.release(Some(resource), now);
        while self.of_resource(resource).count() > most.max(1) + 1 {
            // The first message may be under way, but never the last one of several.
            let last = self.of_resource(resource).next_back();
            if let Some(last) = last {
                self.take(&last);
                self.changed.remove(&last);
                self.removed.insert(last);
            }
            self.cover_later(resource, None);
        }
    }

    fn of_resource(&self, resource: Uuid) -> impl DoubleEndedIterator<Item = MessageId> {
        self.by_resource.get(&resource).into_iter().flatten().copied()
    }

    /// Whether the last message of the resource represents this one.
    fn is_covered(&self, id: &MessageId, resource: Uuid) -> bool {
        let last = self.of_resource(resource).next_back();
        last.is_some_and(|last| last < *id && self.partial.contains(&last))
    }

    /// Lets the last message of a resource represent the events after it, or after a later one.
    fn cover_later(&mut self, resource: Uuid, after: Option<EventId>) {
        let Some(last) = self.of_resource(resource).next_back() else {
            return;
        };
        if let (MessageId::Event(event), Some(waiting)) = (last, self.messages.get_mut(&last)) {
            waiting.later = Some(after.map_or(event, |it| it.max(event)));
            self.partial.insert(last);
            self.changed.insert(last);
        }
    }

    /// Returns a message that is the first of its resource, and cannot be sent before the later ones are known.
    pub(super) fn backlog(&self) -> Option<Backlog> {
        self.partial.iter().find_map(|id| {
            let waiting = self.messages.get(id)?;
            let (resource, after) = (waiting.resource?, waiting.later?);
            self.is_first(id, Some(resource)).then_some(Backlog {
                message: *id,
                resource,
                after,
            })
        })
    }

    /// Adds the next events of a backlog. `more_after` is the event after which there may be others.
    pub(super) fn fill(
        &mut self,
        backlog: Backlog,
        events: impl IntoIterator<Item = EventId>,
        more_after: Option<EventId>,
        most: usize,
        now: DateTime<Utc>,
    ) {
        self.partial.remove(&backlog.message);
        if let Some(waiting) = self.messages.get_mut(&backlog.message) {
            waiting.later = None;
            self.changed.insert(backlog.message);
        }
        for event in events {
            if !self.contains(&MessageId::Event(event)) {
                self.put_in_order(event, backlog.resource, most, now);
            }
        }
        let last = self.of_resource(backlog.resource).next_back();
        if last.is_some_and(|it| !self.partial.contains(&it)) && more_after.is_some() {
            self.cover_later(backlog.resource, more_after);
        }
    }

    fn insert(&mut self, id: MessageId, waiting: Waiting) {
        self.take(&id);
        // It may have made room for others, or have been delivered, and is read again.
        self.removed.remove(&id);
        self.due.extend(waiting.next_attempt.map(|it| (it, id)));
        if let Some(resource) = waiting.resource {
            self.by_resource.entry(resource).or_default().insert(id);
        }
        if waiting.later.is_some() {
            self.partial.insert(id);
        }
        self.messages.insert(id, waiting);
    }

    fn take(&mut self, id: &MessageId) -> Option<Waiting> {
        let waiting = self.messages.remove(id)?;
        self.partial.remove(id);
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
        self.removed.insert(*id);
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
            and_later: false,
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
            .find(|(id, it)| it.later.is_none() && self.is_first(id, it.resource) && is_free(id, it.resource))
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
