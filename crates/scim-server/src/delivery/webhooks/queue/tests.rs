//! The queue of an endpoint under a simulated clock.

mod backlogs;

use scim_model::change::ChangePosition;

use super::*;
use crate::delivery::webhooks::message::Gap;

fn event(number: i64) -> EventId {
    EventId {
        position: ChangePosition {
            sequence: number,
            at: 1_000 + number,
        },
        number: 0,
    }
}

fn message(number: i64) -> MessageId {
    MessageId::Event(event(number))
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A queue with a simulated clock and a simulated journal.
struct Simulation {
    queue: Queue,
    now: DateTime<Utc>,
    /// The events that were read, with their users.
    journal: Vec<(i64, u128)>,
}

impl Simulation {
    fn new() -> Simulation {
        Simulation {
            queue: Queue::restore(event(0), WebhookHealth::default(), &[]),
            now: DateTime::from_timestamp(1_800_000_000, 0).expect("it is a time"),
            journal: Vec::new(),
        }
    }

    /// Reads events from the journal: their numbers and users.
    fn read(&mut self, events: &[(i64, u128)]) {
        let last = events.last().expect("there are events").0;
        self.journal.extend(events);
        let events = events
            .iter()
            .map(|(number, resource)| (event(*number), user(*resource)));
        self.queue.take(events, event(last), self.now);
    }

    fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    /// Reads the messages of resources that are not all stored, some at once.
    fn read_backlogs(&mut self) {
        while let Some(backlog) = self.queue.backlog() {
            let events = self.journal.iter().filter(|(number, resource)| {
                let id = event(*number);
                user(*resource) == backlog.resource && id > backlog.after && id <= self.queue.read_to()
            });
            let mut events: Vec<EventId> = events.map(|(number, _)| event(*number)).collect();
            events.sort();
            events.dedup();
            let more_after = (events.len() > 25).then(|| events[24]);
            events.truncate(25);
            self.queue.fill(backlog, events, more_after, self.now);
        }
    }

    /// Starts everything that can be sent now, and returns the numbers of the events.
    fn start(&mut self) -> Vec<i64> {
        self.read_backlogs();
        let mut started = Vec::new();
        while let Some(dispatch) = self.queue.next(self.now) {
            let MessageId::Event(id) = dispatch.id else {
                panic!("{dispatch:?} is not an event");
            };
            started.push(id.position.sequence);
        }
        started
    }

    fn finish(&mut self, number: i64, outcome: Outcome) {
        self.queue.finish(message(number), outcome, self.now, 0.0);
    }

    fn fail(&mut self, number: i64) {
        self.finish(number, failure(None, false));
    }

    /// Stores the progress, and returns the position, and the stored messages with their state.
    fn save(&mut self) -> (i64, Vec<(String, &'static str)>, Vec<String>) {
        assert!(self.queue.is_unsaved(), "there is something to store");
        let unsaved = self.queue.state();
        self.queue.saved();
        assert!(!self.queue.is_unsaved());
        let mut stored: Vec<_> = unsaved
            .stored
            .into_iter()
            .map(|it| {
                let state = match (it.dead, it.next_attempt) {
                    (true, _) => "dead",
                    (false, Some(_)) => "due",
                    (false, None) => "behind",
                };
                (it.message, state)
            })
            .collect();
        stored.sort();
        (unsaved.position.position.sequence, stored, unsaved.removed)
    }
}

fn failure(retry_after: Option<i64>, overloaded: bool) -> Outcome {
    Outcome::Failed {
        error: "status 500".to_owned(),
        retry_after: retry_after.map(TimeDelta::seconds),
        overloaded,
    }
}

/// The reason for which an endpoint is disabled.
fn disabled(queue: &Queue) -> Option<String> {
    queue.state().disabled.map(|(reason, _)| reason)
}

fn text(number: i64) -> String {
    message(number).to_string()
}

#[test]
fn messages_are_sent_in_order_and_at_most_four_at_once() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
    assert_eq!(it.start(), [1, 2, 3, 4]);
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.start(), [5]);
    assert_eq!(it.queue.in_flight(), MAX_IN_FLIGHT);
    for number in [1, 2, 4, 5] {
        it.finish(number, Outcome::Delivered);
    }
    assert_eq!(it.start(), [6]);
    it.finish(6, Outcome::Delivered);
    assert_eq!(it.save(), (6, vec![], vec![]));
    assert_eq!(it.start(), [0; 0]);
}

/// evt-20, evt-22
///
/// The stored position is before an event that is under way. A server that takes over reads an event again that precedes
/// a failed one of the same resource, and sends both in order.
#[test]
fn evt_22_events_that_are_read_again_precede_a_failed_one() {
    let mut it = Simulation::new();
    let events = [(1, 2), (2, 1), (3, 1), (4, 1)];
    it.read(&events);
    assert_eq!(it.start(), [1, 2]);
    it.finish(2, Outcome::Delivered);
    assert_eq!(it.start(), [3]);
    it.fail(3);
    let stored = it.queue.state();
    assert_eq!(stored.position, event(0));

    let mut it = Simulation::new();
    it.queue = Queue::restore(stored.position, stored.health, &stored.stored);
    it.queue.health = WebhookHealth::default();
    it.read(&events);
    it.pass(TimeDelta::minutes(1));
    assert_eq!(it.start(), [2, 1]);
    it.finish(2, Outcome::Delivered);
    assert_eq!(it.start(), [3]);
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.start(), [4]);
    it.finish(4, Outcome::Delivered);
    it.finish(1, Outcome::Delivered);
    assert_eq!(it.save().0, 4);
}

/// evt-20
#[test]
fn evt_20_later_messages_of_a_resource_wait_and_those_of_others_pass() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 1), (3, 2), (4, 1), (5, 2)]);
    assert_eq!(it.start(), [1, 3], "one message of each resource at a time");
    it.fail(1);
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.start(), [5]);
    it.finish(5, Outcome::Delivered);
    it.read(&[(6, 1), (7, 3)]);
    assert_eq!(it.start(), [7]);
    it.finish(7, Outcome::Delivered);
    let behind = [2, 4, 6].map(|number| (text(number), "behind"));
    let expected = [vec![(text(1), "due")], behind.to_vec()].concat();
    assert_eq!(it.save(), (7, expected, vec![]));
    it.pass(TimeDelta::seconds(5));
    for (number, next) in [(1, 2), (2, 4), (4, 6)] {
        assert_eq!(it.start(), [number]);
        it.finish(number, Outcome::Delivered);
        assert_eq!(it.save(), (7, vec![(text(next), "due")], vec![text(number)]));
    }
}

/// evt-22
#[test]
fn evt_22_the_position_stays_before_the_first_message_that_is_neither_delivered_nor_stored() {
    let mut it = Simulation::new();
    it.read(&[(3, 1), (5, 2), (8, 3), (9, 1)]);
    assert_eq!(it.start(), [3, 5, 8]);
    it.finish(5, Outcome::Delivered);
    assert_eq!(it.save().0, 0);
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.save().0, 5, "8 is under way, and the event before it is 5");
    it.finish(8, failure(None, false));
    let (position, stored, _) = it.save();
    assert_eq!((position, stored), (8, vec![(text(8), "due")]));
    // A process that starts again sends what was not acknowledged, with the same ids.
    let unsaved = WebhookMessage {
        message: text(8),
        resource: Some(user(3).to_string()),
        attempts: 1,
        next_attempt: Some(it.now),
        dead: false,
        error: None,
        since: it.now,
        and_later: false,
    };
    it.queue = Queue::restore(event(8), WebhookHealth::default(), &[unsaved]);
    it.read(&[(9, 1), (10, 3)]);
    assert_eq!(it.start(), [8, 9]);
    it.finish(8, Outcome::Delivered);
    assert_eq!(it.start(), [10]);
}

/// evt-18
///
/// Ten attempts at the times of the schedule. After the last one, the message is given up, and the next message of the
/// resource is sent.
#[test]
fn evt_18_ten_attempts_are_made_over_three_days() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 1)]);
    let began = it.now;
    let mut times = Vec::new();
    while times.len() < 10 {
        if it.start() == [1] {
            times.push((it.now - began).num_seconds());
            it.fail(1);
        }
        it.pass(TimeDelta::seconds(5));
    }
    assert_eq!(
        times,
        [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 272_105]
    );
    let (position, stored, _) = it.save();
    assert_eq!((position, stored), (2, vec![(text(1), "dead"), (text(2), "due")]));
    assert_eq!(it.start(), [2]);
    let mut other = Simulation::new();
    other.read(&[(1, 1)]);
    other.start();
    other
        .queue
        .finish(message(1), failure(None, false), other.now, 1.0);
    other.pass(TimeDelta::milliseconds(5_999));
    assert_eq!(other.start(), [0; 0], "jitter");
    other.pass(TimeDelta::milliseconds(1));
    assert_eq!(other.start(), [1]);
}

#[test]
fn evt_15_an_endpoint_that_is_gone_gets_no_further_attempt() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 2), (3, 1)]);
    it.start();
    it.finish(1, Outcome::Gone);
    assert_eq!(
        disabled(&it.queue).as_deref(),
        Some("the endpoint answered with status 410 (gone)")
    );
    it.finish(2, Outcome::Delivered);
    it.pass(TimeDelta::days(1));
    assert_eq!(it.start(), [0; 0]);
    assert_eq!(it.queue.reads_after(), None);
    let unsaved = it.queue.state();
    assert!(unsaved.disabled.is_some());
    assert_eq!(unsaved.stored.len(), 2, "nothing is lost if it is enabled again");
}

#[test]
fn evt_16_an_overloaded_endpoint_gets_no_request_until_its_pause_is_over() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 2), (3, 3)]);
    assert_eq!(it.start(), [1, 2, 3]);
    it.finish(2, Outcome::Delivered);
    it.finish(1, failure(Some(120), true));
    it.finish(3, failure(None, false));
    it.read(&[(4, 4)]);
    it.pass(TimeDelta::seconds(119));
    assert_eq!(it.start(), [0; 0]);
    it.pass(TimeDelta::seconds(1));
    assert_eq!(it.start(), [3], "one request shows whether it has recovered");
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.start(), [1, 4]);
    // An answer without `Retry-After` causes the delay of the message.
    it.finish(4, failure(None, true));
    it.finish(1, failure(None, false));
    it.pass(TimeDelta::seconds(4));
    assert_eq!(it.start(), [0; 0]);
    it.pass(TimeDelta::seconds(1));
    assert_eq!(it.start(), [4]);
    // A delay that is longer than the pause counts.
    it.finish(4, failure(Some(1), true));
    it.pass(TimeDelta::seconds(200));
    assert_eq!(it.start(), [0; 0]);
}

#[test]
fn evt_19_an_endpoint_without_a_success_for_five_days_is_disabled() {
    let mut it = Simulation::new();
    let mut number = 0;
    let began = it.now;
    while disabled(&it.queue).is_none() {
        number += 1;
        it.read(&[(number, number as u128)]);
        for started in it.start() {
            it.fail(started);
        }
        it.pass(TimeDelta::hours(1));
        assert!(it.now - began < TimeDelta::days(6));
    }
    assert!(it.now - began > TimeDelta::days(5));
    assert_eq!(
        disabled(&it.queue).as_deref(),
        Some("no delivery has succeeded for 5 days")
    );
    let mut recovering = Simulation::new();
    recovering.read(&[(1, 1)]);
    recovering.start();
    recovering.fail(1);
    recovering.pass(TimeDelta::days(4));
    recovering.start();
    recovering.finish(1, Outcome::Delivered);
    recovering.pass(TimeDelta::days(2));
    recovering.read(&[(2, 1)]);
    recovering.start();
    recovering.fail(2);
    assert_eq!(disabled(&recovering.queue), None);
}

/// evt-26
#[test]
fn evt_26_a_gap_comes_before_later_events() {
    let mut it = Simulation::new();
    let gap = MessageId::Gap {
        reason: Gap::Dropped,
        after: event(0),
        oldest: event(40),
    };
    it.queue.skip_gap(gap, event(40), it.now);
    assert_eq!(it.queue.reads_after(), Some(event(40)));
    it.read(&[(41, 1), (42, 2)]);
    let dispatch = it.queue.next(it.now).expect("the gap is due");
    assert_eq!(
        (dispatch.id, dispatch.attempt, dispatch.stored_since),
        (gap, 1, Some(it.now))
    );
    assert_eq!(it.start(), [0; 0]);
    it.queue.finish(gap, failure(None, false), it.now, 0.0);
    assert_eq!(it.start(), [41], "the receiver may not know this type");
    it.finish(41, Outcome::Delivered);
    it.pass(TimeDelta::seconds(5));
    let dispatch = it.queue.next(it.now).expect("the gap is due again");
    assert_eq!((dispatch.id, dispatch.attempt), (gap, 2));
    it.queue.finish(gap, Outcome::Delivered, it.now, 0.0);
    assert_eq!(it.start(), [42]);
}

#[test]
fn repeated_messages_leave_room_for_new_ones() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 2), (3, 3)]);
    it.start();
    for number in [1, 2, 3] {
        it.fail(number);
    }
    it.read(&[(4, 4), (5, 5), (6, 6), (7, 7)]);
    assert_eq!(it.start(), [4]);
    it.finish(4, Outcome::Delivered);
    it.pass(TimeDelta::seconds(5));
    assert_eq!(it.start(), [1, 2, 5, 6]);
}

#[test]
fn reading_stops_while_many_events_are_not_sent() {
    let mut it = Simulation::new();
    let events: Vec<_> = (1..=100).map(|number| (number, number as u128)).collect();
    it.read(&events);
    assert_eq!(it.queue.reads_after(), None);
}

#[test]
fn a_message_that_the_endpoint_no_longer_gets_is_not_sent_again() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 1)]);
    it.start();
    it.fail(1);
    it.save();
    it.pass(TimeDelta::seconds(5));
    assert_eq!(it.start(), [1]);
    it.finish(1, Outcome::Unwanted);
    assert_eq!(it.start(), [2]);
    let (_, stored, removed) = it.save();
    assert_eq!((stored, removed), (vec![(text(2), "due")], vec![text(1)]));
}

#[test]
fn a_message_that_was_not_sent_keeps_its_place() {
    let mut it = Simulation::new();
    it.read(&[(1, 1), (2, 2)]);
    assert_eq!(it.start(), [1, 2]);
    it.finish(2, Outcome::NotSent);
    it.finish(1, Outcome::NotSent);
    assert_eq!(it.save().0, 0);
    assert_eq!(it.start(), [1, 2]);
    it.finish(1, Outcome::Lost);
    let (_, stored, _) = it.save();
    assert_eq!(stored, [(text(1), "dead")]);
}

/// evt-25
///
/// Events that are read again after a replay, and that wait already, are sent once.
#[test]
fn evt_25_a_queued_message_is_sent_at_once_and_once() {
    let queued = |id: String, resource: Option<u128>| WebhookMessage {
        message: id,
        resource: resource.map(|it| user(it).to_string()),
        attempts: 0,
        next_attempt: Some(DateTime::UNIX_EPOCH),
        dead: false,
        error: None,
        since: DateTime::UNIX_EPOCH,
        and_later: false,
    };
    let mut it = Simulation::new();
    it.read(&[(1, 1)]);
    it.start();
    let messages = [
        queued(text(7), None),
        queued(text(1), None),
        queued("?".to_owned(), None),
    ];
    it.queue.add_queued(&messages);
    assert_eq!(it.start(), [7], "1 is under way");
    it.finish(7, Outcome::Delivered);
    assert_eq!(it.save().2, [text(7)]);
    let waiting = [queued(text(3), Some(3))];
    it.queue = Queue::restore(event(1), WebhookHealth::default(), &waiting);
    it.read(&[(2, 2), (3, 3), (4, 3)]);
    assert_eq!(it.start(), [3, 2]);
    it.finish(3, Outcome::Delivered);
    assert_eq!(it.start(), [4]);
}
