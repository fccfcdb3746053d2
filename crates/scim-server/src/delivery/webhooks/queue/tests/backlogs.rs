//! Resources with more messages than are stored.

use super::*;

/// evt-20
///
/// A resource with thousands of messages behind one that fails stops no other, and only some of them are stored. When the
/// first one is delivered, the others follow in order.
#[test]
fn evt_20_a_resource_with_many_messages_does_not_stop_others() {
    let mut it = Simulation::new();
    it.read(&[(1, 1)]);
    it.start();
    it.fail(1);
    let mut expected = vec![1];
    let mut number = 1;
    for other in 2..=6 {
        for _ in 0..1_000 {
            number += 1;
            expected.push(number);
            it.read(&[(number, 1)]);
        }
        number += 1;
        it.read(&[(number, other)]);
        assert_eq!(it.start(), [number]);
        it.finish(number, Outcome::Delivered);
        assert_eq!(it.queue.reads_after(), Some(event(number)));
        let (position, stored, _) = it.save();
        assert_eq!(position, number);
        assert!(stored.len() <= MAX_BEHIND + 1, "{}", stored.len());
        assert!(it.queue.waiting.len() <= MAX_BEHIND + 1);
    }
    it.pass(TimeDelta::seconds(5));
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let started = it.start();
        assert_eq!(started.len(), 1, "after {} messages", seen.len());
        it.finish(started[0], Outcome::Delivered);
        seen.extend(started);
        assert!(it.queue.waiting.len() <= MAX_BEHIND + 1);
    }
    assert!(seen == expected);
    assert_eq!((it.start(), it.queue.waiting.len()), (vec![], 0));
    it.read(&[(number + 1, 1)]);
    assert_eq!(it.start(), [number + 1], "it is a resource like others again");
}

/// evt-20
///
/// While many resources fail, few messages of each are stored, and reading stops in the end.
#[test]
fn evt_20_many_failing_resources_are_bounded() {
    let mut it = Simulation::new();
    let mut number = 0;
    while it.queue.reads_after().is_some() {
        // Three changes of a user. The first one fails.
        let events = [1, 2, 3].map(|change| (number + change, number as u128 + 1));
        number += 3;
        it.read(&events);
        for started in it.start() {
            it.fail(started);
        }
        assert!(number < 10_000, "it stops");
    }
    assert!(number >= 1_000, "{number}");
    assert!(
        it.queue.waiting.len() <= MAX_WAITING + 2,
        "{}",
        it.queue.waiting.len()
    );
    // They recover: everything is delivered, in order for each user.
    let mut seen = Vec::new();
    while seen.len() < usize::try_from(number).expect("it is small") {
        it.pass(TimeDelta::seconds(5));
        for started in it.start() {
            it.finish(started, Outcome::Delivered);
            seen.push(started);
        }
    }
    for user in (1..number).step_by(3) {
        let of_user = seen.iter().filter(|it| (user..user + 3).contains(*it));
        assert!(of_user.is_sorted(), "{user}");
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=number));
}

/// The rows that a store has of a queue.
#[derive(Default)]
struct Rows {
    position: EventId,
    messages: BTreeMap<String, WebhookMessage>,
}

impl Rows {
    fn store(&mut self, queue: &mut Queue) {
        let unsaved = queue.state();
        queue.saved();
        self.position = unsaved.position;
        for it in unsaved.removed {
            self.messages.remove(&it);
        }
        for it in unsaved.stored {
            self.messages.insert(it.message.clone(), it);
        }
    }

    fn restore(&self) -> Queue {
        let messages: Vec<WebhookMessage> = self.messages.values().cloned().collect();
        Queue::restore(self.position, WebhookHealth::default(), &messages)
    }
}

/// evt-20, evt-22
///
/// A server that takes over continues with the messages that are not stored, and loses none of them.
#[test]
fn evt_22_a_restart_loses_nothing_of_many_messages_of_a_resource() {
    for restart in [1, 2, 5, 16, 17, 18, 19, 40] {
        let events: Vec<(i64, u128)> = (1..=150)
            .map(|number| (number, if number % 7 == 0 { 2 } else { 1 }))
            .collect();
        let mut it = Simulation::new();
        let mut rows = Rows::default();
        it.read(&events[..1]);
        it.start();
        it.fail(1);
        it.read(&events[1..100]);
        rows.store(&mut it.queue);
        let mut seen = Vec::new();
        for round in 1..1_000 {
            if round % restart == 0 {
                // Messages that were delivered since the last time are delivered again.
                it.queue = rows.restore();
                it.now += TimeDelta::minutes(1);
                let again = events.iter().filter(|(number, _)| event(*number) > rows.position);
                let again: Vec<(i64, u128)> = again.copied().collect();
                if !again.is_empty() {
                    it.read(&again);
                }
            }
            it.pass(TimeDelta::seconds(5));
            for started in it.start() {
                it.finish(started, Outcome::Delivered);
                seen.push(started);
            }
            if round % 3 == 0 || restart == 1 {
                rows.store(&mut it.queue);
            }
        }
        for user in [1, 2] {
            let mut first = Vec::new();
            for number in &seen {
                if events[usize::try_from(number - 1).expect("it is small")].1 == user
                    && !first.contains(number)
                {
                    first.push(*number);
                }
            }
            let of_user = events.iter().filter(|(_, it)| *it == user);
            assert!(
                first.into_iter().eq(of_user.map(|(number, _)| *number)),
                "{restart}, user {user}"
            );
        }
        assert_eq!(it.queue.waiting.len(), 0, "{restart}");
    }
}

/// evt-25
///
/// Events that are read again after a replay precede those that wait, which make room for them.
#[test]
fn evt_25_a_replay_of_a_resource_with_many_messages_is_bounded() {
    let mut it = Simulation::new();
    let mut rows = Rows::default();
    let events: Vec<(i64, u128)> = (1..=60).map(|number| (number, 1)).collect();
    it.read(&events[..20]);
    for number in 1..=20 {
        assert_eq!(it.start(), [number]);
        match number {
            20 => it.fail(number),
            _ => it.finish(number, Outcome::Delivered),
        }
    }
    it.read(&events[20..]);
    rows.store(&mut it.queue);
    // The operator replays everything.
    rows.position = event(0);
    it.queue = rows.restore();
    it.read(&events);
    assert!(
        it.queue.waiting.len() <= MAX_BEHIND + 2,
        "{}",
        it.queue.waiting.len()
    );
    it.pass(TimeDelta::seconds(5));
    for number in 1..=60 {
        assert_eq!(it.start(), [number]);
        it.finish(number, Outcome::Delivered);
    }
    assert_eq!(it.start(), [0; 0]);
}

/// evt-20, evt-26
///
/// The journal has dropped some of the messages that were not stored: the endpoint learns it before later ones.
#[test]
fn evt_26_a_backlog_with_a_gap_is_told() {
    let mut it = Simulation::new();
    it.read(&[(1, 1)]);
    it.start();
    it.fail(1);
    let events: Vec<(i64, u128)> = (2..=100).map(|number| (number, 1)).collect();
    it.read(&events);
    it.pass(TimeDelta::seconds(5));
    let mut last = 0;
    while it.queue.backlog().is_none() {
        last = it.start()[0];
        it.finish(last, Outcome::Delivered);
    }
    let backlog = it.queue.backlog().expect("it has more");
    it.queue.lose_backlog(backlog, Gap::Dropped, it.now);
    let gap = MessageId::Gap {
        reason: Gap::Dropped,
        after: event(last + 1),
        oldest: event(100),
    };
    assert_eq!(it.queue.next(it.now).map(|it| it.id), Some(gap));
    it.queue.finish(gap, Outcome::Delivered, it.now, 0.0);
    assert_eq!(it.start(), [last + 1]);
    it.finish(last + 1, Outcome::Lost);
    it.read(&[(101, 1)]);
    assert_eq!(it.start(), [101]);
}
