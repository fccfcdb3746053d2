//! The queue of one endpoint, without I/O and clock: which message is sent next, and what the result of an attempt means.
//!
//! The journal is the queue. This value knows how far it has been read, the messages that are under way, and those that
//! wait after a failure. Messages of one resource are sent in the order of the journal, and the others pass one that
//! fails. The position that is stored is that of the last event before the first one that is neither delivered nor
//! among the stored messages, so that nothing is lost when the process ends.

mod waiting;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{WebhookHealth, WebhookMessage};
use uuid::Uuid;

pub(super) use self::waiting::Backlog;
use self::waiting::{Waiting, WaitingMessages};
use super::message::{Gap, MessageId};
use super::schedule::{GIVE_UP_AFTER, delay};
use crate::delivery::event::EventId;

/// The most requests to one endpoint at the same time.
pub(super) const MAX_IN_FLIGHT: usize = 4;

/// The most requests of [`MAX_IN_FLIGHT`] that repeat failed messages, so that a few bad messages leave room for others.
const MAX_RETRIES_IN_FLIGHT: usize = 2;

/// Events that were read and not yet sent.
const MAX_READ: usize = 200;

/// Messages that wait after a failure. While there are as many, no further events are read.
pub(super) const MAX_WAITING: usize = 1_000;

/// Messages that are stored behind the first one of a resource, so that one resource leaves room for others.
const MAX_BEHIND: usize = 16;

/// The same, while many messages wait.
const FEW_BEHIND: usize = 1;

/// The longest pause after a 429, 502 or 504 that does not ask for one.
const PAUSE: TimeDelta = TimeDelta::minutes(5);

/// The queue of one endpoint.
#[derive(Debug)]
pub(super) struct Queue {
    /// The last event that was read.
    read_to: EventId,
    /// Events that were read and not yet sent, with their resources.
    fresh: VecDeque<(EventId, Uuid)>,
    /// Events that were read and are neither delivered nor stored, each with the event before it.
    unsettled: BTreeMap<EventId, EventId>,
    waiting: WaitingMessages,
    /// Messages under way, with their resources.
    in_flight: HashMap<MessageId, Option<Uuid>>,
    /// Resources of the messages under way.
    busy: HashSet<Uuid>,
    health: WebhookHealth,
    disabled: Option<(String, DateTime<Utc>)>,
    is_changed: bool,
}

/// A message to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dispatch {
    /// The id of the message.
    pub(super) id: MessageId,
    /// The number of the attempt, from 1.
    pub(super) attempt: u32,
    /// The time since which the message is stored; `None` for an event that was just read.
    pub(super) stored_since: Option<DateTime<Utc>>,
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The endpoint accepted the message.
    Delivered,
    /// The endpoint did not accept the message, or there was no answer.
    Failed {
        /// The reason.
        error: String,
        /// The pause that the endpoint asked for.
        retry_after: Option<TimeDelta>,
        /// Whether the endpoint as a whole has too much work.
        overloaded: bool,
    },
    /// The endpoint does not want any message any more (410).
    Gone,
    /// There is nothing to send: the journal no longer has the event.
    Lost,
    /// There is nothing to send: the endpoint no longer gets such events.
    Unwanted,
    /// The attempt was not made, for a reason that is not the endpoint's.
    NotSent,
}

/// The state that is stored.
#[derive(Clone, Debug)]
pub(super) struct Unsaved {
    pub(super) position: EventId,
    pub(super) health: WebhookHealth,
    pub(super) disabled: Option<(String, DateTime<Utc>)>,
    pub(super) stored: Vec<WebhookMessage>,
    pub(super) removed: Vec<String>,
}

impl Queue {
    /// Continues from what was stored. Messages whose ids cannot be read, because a later version wrote them, stay
    /// where they are.
    pub(super) fn restore(position: EventId, health: WebhookHealth, messages: &[WebhookMessage]) -> Queue {
        let mut waiting = WaitingMessages::default();
        for it in messages {
            waiting.restore(it);
        }
        Queue {
            read_to: position,
            fresh: VecDeque::new(),
            unsettled: BTreeMap::new(),
            waiting,
            in_flight: HashMap::new(),
            busy: HashSet::new(),
            health,
            disabled: None,
            is_changed: false,
        }
    }

    /// Adds messages that an operator has queued, and makes those due that wait already.
    pub(super) fn add_queued(&mut self, messages: &[WebhookMessage]) {
        for it in messages {
            if let Ok(id) = it.message.parse()
                && !self.in_flight.contains_key(&id)
            {
                self.waiting.restore(it);
            }
        }
    }

    /// Returns the event after which reading continues, or `None` while no more events should be read.
    pub(super) fn reads_after(&self) -> Option<EventId> {
        let has_room =
            self.disabled.is_none() && self.fresh.len() < MAX_READ / 2 && self.waiting.len() < MAX_WAITING;
        has_room.then_some(self.read_to)
    }

    /// Adds events of the feed that the endpoint wants, in their order. `read_to` is the last event that was read.
    pub(super) fn take(
        &mut self,
        events: impl IntoIterator<Item = (EventId, Uuid)>,
        read_to: EventId,
        now: DateTime<Utc>,
    ) {
        let mut before = self.read_to;
        for (id, resource) in events {
            let message = MessageId::Event(id);
            let is_known = self.waiting.contains(&message) || self.in_flight.contains_key(&message);
            if !is_known && self.waiting.has_resource(resource) {
                let most = self.most_behind();
                self.waiting.put_in_order(id, resource, most, now);
            } else if !is_known {
                self.fresh.push_back((id, resource));
                self.unsettled.insert(id, before);
            }
            before = id;
        }
        if read_to > self.read_to {
            self.read_to = read_to;
            self.is_changed = true;
        }
    }

    fn most_behind(&self) -> usize {
        match self.waiting.len() < MAX_WAITING / 2 {
            true => MAX_BEHIND,
            false => FEW_BEHIND,
        }
    }

    /// Returns a resource whose next message has to wait until further events are read.
    pub(super) fn backlog(&self) -> Option<Backlog> {
        self.waiting.backlog()
    }

    /// Returns the last event that was read. The events of a backlog end there, because later ones are read with those of
    /// other resources.
    pub(super) fn read_to(&self) -> EventId {
        self.read_to
    }

    /// Adds the next events of a backlog that the endpoint wants, in their order. `more_after` is the event after which
    /// there may be others.
    pub(super) fn fill(
        &mut self,
        backlog: Backlog,
        events: Vec<EventId>,
        more_after: Option<EventId>,
        now: DateTime<Utc>,
    ) {
        let events = events.into_iter();
        let new = events.filter(|it| !self.in_flight.contains_key(&MessageId::Event(*it)));
        let most = self.most_behind();
        self.waiting.fill(backlog, new, more_after, most, now);
        self.is_changed = true;
    }

    /// Tells the endpoint that events of a backlog are missing.
    pub(super) fn lose_backlog(&mut self, backlog: Backlog, reason: Gap, now: DateTime<Utc>) {
        self.waiting.fill(backlog, [], None, 0, now);
        let gap = MessageId::Gap {
            reason,
            after: backlog.after,
            oldest: self.read_to,
        };
        self.waiting.put(gap, Waiting::due(None, now));
        self.is_changed = true;
    }

    /// Returns whether an event was read, and was neither delivered nor stored.
    pub(super) fn is_unsettled(&self, event: EventId) -> bool {
        self.unsettled.contains_key(&event)
    }

    /// Tells the endpoint about a gap, before later events, and continues after it.
    pub(super) fn skip_gap(&mut self, gap: MessageId, continue_after: EventId, now: DateTime<Utc>) {
        self.fresh.clear();
        self.unsettled.clear();
        self.waiting.put(gap, Waiting::due(None, now));
        self.read_to = continue_after;
        self.is_changed = true;
    }

    /// Chooses the message to send next, and counts it as under way.
    pub(super) fn next(&mut self, now: DateTime<Utc>) -> Option<Dispatch> {
        let is_paused = self.health.slow_until.is_some_and(|it| it > now);
        let most = match self.is_failing() {
            // One request is enough to find out whether the endpoint has recovered.
            true => 1,
            false => MAX_IN_FLIGHT,
        };
        if self.disabled.is_some() || is_paused || self.in_flight.len() >= most {
            return None;
        }
        if let Some((id, waiting)) = self.waiting.untold_gap() {
            let dispatch = self.waiting_dispatch(id, waiting);
            return self.in_flight.is_empty().then(|| self.start(dispatch, None));
        }
        let repeats = |id: &&MessageId| self.waiting.contains(id);
        if self.in_flight.keys().filter(repeats).count() < MAX_RETRIES_IN_FLIGHT {
            let is_free = |id: &MessageId, resource: Option<Uuid>| {
                !self.in_flight.contains_key(id) && resource.is_none_or(|it| !self.busy.contains(&it))
            };
            if let Some((id, waiting)) = self.waiting.first_due(now, is_free) {
                let (resource, dispatch) = (waiting.resource, self.waiting_dispatch(id, waiting));
                return Some(self.start(dispatch, resource));
            }
        }
        let place = self.fresh.iter().position(|(_, it)| !self.busy.contains(it))?;
        let (id, resource) = self.fresh.remove(place)?;
        let dispatch = Dispatch {
            id: MessageId::Event(id),
            attempt: 1,
            stored_since: None,
        };
        Some(self.start(dispatch, Some(resource)))
    }

    fn waiting_dispatch(&self, id: MessageId, waiting: &Waiting) -> Dispatch {
        Dispatch {
            id,
            attempt: waiting.attempts + 1,
            stored_since: Some(waiting.since),
        }
    }

    fn start(&mut self, dispatch: Dispatch, resource: Option<Uuid>) -> Dispatch {
        self.in_flight.insert(dispatch.id, resource);
        self.busy.extend(resource);
        dispatch
    }

    /// Takes the result of an attempt. `jitter` is a random number from -1 to 1.
    pub(super) fn finish(&mut self, id: MessageId, outcome: Outcome, now: DateTime<Utc>, jitter: f64) {
        let Some(resource) = self.in_flight.remove(&id) else {
            return;
        };
        if let Some(resource) = resource {
            self.busy.remove(&resource);
        }
        self.is_changed = true;
        match outcome {
            Outcome::Delivered => {
                self.health = WebhookHealth::default();
                self.settle(id, now);
            }
            Outcome::Failed {
                error,
                retry_after,
                overloaded,
            } => {
                let retry_after = retry_after.unwrap_or_default();
                let pause = self.fail(id, resource, error, retry_after, now, jitter);
                if overloaded {
                    let pause = retry_after.max(pause.min(PAUSE));
                    self.health.slow_until = self.health.slow_until.max(Some(now + pause));
                }
                let since = *self.health.failing_since.get_or_insert(now);
                if now - since >= GIVE_UP_AFTER {
                    self.disable("no delivery has succeeded for 5 days", now);
                }
            }
            Outcome::Gone => {
                let error = "status 410".to_owned();
                self.fail(id, resource, error, TimeDelta::zero(), now, jitter);
                self.health.failing_since.get_or_insert(now);
                self.disable("the endpoint answered with status 410 (gone)", now);
            }
            Outcome::Lost => {
                let error = "the journal no longer has the event".to_owned();
                self.give_up(id, resource, error, now);
            }
            Outcome::Unwanted => self.settle(id, now),
            Outcome::NotSent => self.put_back(id, resource),
        }
    }

    /// The message is delivered, or is no longer wanted.
    fn settle(&mut self, id: MessageId, now: DateTime<Utc>) {
        if let MessageId::Event(event) = id {
            self.unsettled.remove(&event);
        }
        self.waiting.remove(&id, now);
    }

    /// Plans the next attempt, or gives the message up. Returns the delay.
    fn fail(
        &mut self,
        id: MessageId,
        resource: Option<Uuid>,
        error: String,
        retry_after: TimeDelta,
        now: DateTime<Utc>,
        jitter: f64,
    ) -> TimeDelta {
        let attempts = self.waiting.attempts(&id) + 1;
        let Some(delay) = delay(attempts, jitter) else {
            self.give_up(id, resource, error, now);
            return TimeDelta::zero();
        };
        let delay = delay.max(retry_after);
        self.wait(id, resource, now);
        self.waiting.retry(&id, attempts, now + delay, error);
        delay
    }

    fn give_up(&mut self, id: MessageId, resource: Option<Uuid>, error: String, now: DateTime<Utc>) {
        self.wait(id, resource, now);
        self.waiting.give_up(&id, error, now);
    }

    /// Moves a message to the waiting ones, and behind it the events of its resource.
    fn wait(&mut self, id: MessageId, resource: Option<Uuid>, now: DateTime<Utc>) {
        if !self.waiting.contains(&id) {
            self.waiting.put(id, Waiting::due(resource, now));
        }
        if let MessageId::Event(event) = id {
            self.unsettled.remove(&event);
        }
        let Some(resource) = resource else { return };
        for (event, _) in self.fresh.extract_if_resource(resource) {
            self.unsettled.remove(&event);
            let most = self.most_behind();
            self.waiting.put_in_order(event, resource, most, now);
        }
    }

    /// Undoes [`Queue::next`].
    fn put_back(&mut self, id: MessageId, resource: Option<Uuid>) {
        if let (MessageId::Event(event), Some(resource)) = (id, resource)
            && !self.waiting.contains(&id)
        {
            let place = self.fresh.partition_point(|(it, _)| *it < event);
            self.fresh.insert(place, (event, resource));
        }
    }

    fn disable(&mut self, reason: &str, now: DateTime<Utc>) {
        self.disabled.get_or_insert((reason.to_owned(), now));
    }

    /// Returns whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.health.failing_since.is_some()
    }

    /// Returns the number of requests under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns the last event before the first one that is neither delivered nor in the result of [`Queue::state`].
    fn position(&self) -> EventId {
        let before_first = self.unsettled.values().next();
        before_first.copied().unwrap_or(self.read_to)
    }

    /// Returns whether something has changed since the last call of [`Queue::saved`].
    pub(super) fn is_unsaved(&self) -> bool {
        self.is_changed || self.waiting.is_changed()
    }

    /// Returns the state to store, with the messages that have changed.
    pub(super) fn state(&self) -> Unsaved {
        let (stored, removed) = self.waiting.changes();
        Unsaved {
            position: self.position(),
            health: self.health,
            disabled: self.disabled.clone(),
            stored,
            removed,
        }
    }

    /// Returns whether only the position has changed, which can be stored later.
    pub(super) fn is_only_read(&self) -> bool {
        self.in_flight.is_empty() && self.unsettled.is_empty() && !self.waiting.is_changed()
    }

    /// Confirms that the result of [`Queue::state`] was stored.
    pub(super) fn saved(&mut self) {
        self.is_changed = false;
        self.waiting.saved();
    }
}

/// Removing the events of a resource from those that were read.
trait ExtractResource {
    fn extract_if_resource(&mut self, resource: Uuid) -> Vec<(EventId, Uuid)>;
}

impl ExtractResource for VecDeque<(EventId, Uuid)> {
    fn extract_if_resource(&mut self, resource: Uuid) -> Vec<(EventId, Uuid)> {
        let (taken, kept) = self.drain(..).partition(|(_, it)| *it == resource);
        *self = kept;
        let taken: VecDeque<_> = taken;
        taken.into()
    }
}

#[cfg(test)]
mod tests;
