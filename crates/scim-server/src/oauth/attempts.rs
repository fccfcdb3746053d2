//! The limits of failed attempts: one for each pair of client and source, and one for each source.
//!
//! Only failures count, so a client with the right secret is never limited, and an attacker at another source cannot
//! lock it out. The limit for each source does not apply to a shared source.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

/// The failures that are permitted within [`WINDOW`].
const PER_CLIENT_AND_SOURCE: u32 = 10;
const PER_SOURCE: u32 = 60;

const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The shortest time between two searches for old entries.
const CLEANING: TimeDelta = TimeDelta::seconds(5);

/// The most entries of each table. When it is full of recent failures, new sources are not counted.
const CAPACITY: usize = 10_000;

/// The place that a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address of the client, as far as the server knows it.
    pub address: IpAddr,
    /// Whether the address can be that of a proxy on this machine that the operator has not named. The limit for the
    /// source alone would then stop all clients.
    pub is_shared: bool,
}

/// The failed attempts of the last minute.
#[derive(Default)]
pub(super) struct Attempts {
    pairs: Mutex<Table<(IpAddr, String)>>,
    sources: Mutex<Table<IpAddr>>,
}

struct Table<K> {
    entries: HashMap<K, Failures>,
    /// The time at which old entries were removed for the last time, which takes long in a full table.
    cleaned: DateTime<Utc>,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table {
            entries: HashMap::new(),
            cleaned: DateTime::UNIX_EPOCH,
        }
    }
}

#[derive(Clone, Copy)]
struct Failures {
    since: DateTime<Utc>,
    number: u32,
}

const POISONED: &str = "no code panics while it holds the lock";

impl Attempts {
    /// Returns the seconds to wait, if a source has failed too often.
    pub(super) fn wait(&self, source: Source, client_id: &str, now: DateTime<Utc>) -> Option<u64> {
        let address = network(source.address);
        let pair = (address, client_id.to_owned());
        let pairs = remaining(
            &self.pairs.lock().expect(POISONED),
            &pair,
            PER_CLIENT_AND_SOURCE,
            now,
        );
        if source.is_shared {
            return pairs;
        }
        let sources = remaining(&self.sources.lock().expect(POISONED), &address, PER_SOURCE, now);
        pairs.max(sources)
    }

    /// Counts a failure.
    pub(super) fn record(&self, source: Source, client_id: &str, now: DateTime<Utc>) {
        let address = network(source.address);
        count(
            &mut self.pairs.lock().expect(POISONED),
            (address, client_id.to_owned()),
            now,
        );
        count(&mut self.sources.lock().expect(POISONED), address, now);
    }
}

/// A host on IPv6 usually has a network of 64 bits to itself.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        it => it,
    }
}

fn remaining<K: Eq + Hash>(table: &Table<K>, key: &K, most: u32, now: DateTime<Utc>) -> Option<u64> {
    let failures = table.entries.get(key)?;
    let left = WINDOW - (now - failures.since);
    (failures.number >= most && left > TimeDelta::zero()).then(|| left.num_seconds().unsigned_abs() + 1)
}

fn count<K: Eq + Hash>(table: &mut Table<K>, key: K, now: DateTime<Utc>) {
    let is_recent = |it: &Failures| now - it.since < WINDOW;
    if table.entries.len() >= CAPACITY && !table.entries.contains_key(&key) {
        if now - table.cleaned >= CLEANING {
            table.cleaned = now;
            table.entries.retain(|_, it| is_recent(it));
        }
        if table.entries.len() >= CAPACITY {
            return;
        }
    }
    let first = Failures {
        since: now,
        number: 0,
    };
    let failures = table.entries.entry(key).or_insert(first);
    if !is_recent(failures) {
        *failures = first;
    }
    failures.number += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("it is a time")
    }

    fn address(text: &str) -> Source {
        Source {
            address: text.parse().expect("it is an address"),
            is_shared: false,
        }
    }

    /// cred-19
    #[test]
    fn cred_19_failures_are_limited_by_client_and_source() {
        let attempts = Attempts::default();
        let (here, elsewhere) = (address("192.0.2.1"), address("192.0.2.2"));
        for number in 0..10 {
            assert_eq!(attempts.wait(here, "a", at(0)), None, "{number}");
            attempts.record(here, "a", at(number));
        }
        assert_eq!(attempts.wait(here, "a", at(10)), Some(51));
        assert_eq!(attempts.wait(elsewhere, "a", at(10)), None);
        assert_eq!(attempts.wait(here, "b", at(10)), None);
        assert_eq!(attempts.wait(address("::ffff:192.0.2.1"), "a", at(10)), Some(51));
        assert_eq!(attempts.wait(here, "a", at(60)), None, "the minute is over");
        attempts.record(here, "a", at(61));
        assert_eq!(attempts.wait(here, "a", at(61)), None);
    }

    /// cred-19
    #[test]
    fn cred_19_failures_are_limited_by_source() {
        let attempts = Attempts::default();
        for number in 0..60 {
            let host = address(&format!("2001:db8:0:7::{number}"));
            assert_eq!(attempts.wait(host, "x", at(0)), None, "{number}");
            attempts.record(host, &format!("client {number}"), at(0));
        }
        assert!(
            attempts
                .wait(address("2001:db8:0:7:ffff::1"), "x", at(1))
                .is_some()
        );
        assert_eq!(attempts.wait(address("2001:db8:0:8::1"), "x", at(1)), None);
    }

    /// cred-19
    #[test]
    fn cred_19_a_shared_source_is_limited_for_each_client_only() {
        let attempts = Attempts::default();
        let proxy = Source {
            is_shared: true,
            ..address("127.0.0.1")
        };
        for number in 0..100 {
            attempts.record(proxy, &format!("client {number}"), at(0));
        }
        assert_eq!(attempts.wait(proxy, "a", at(1)), None);
        for _ in 0..10 {
            attempts.record(proxy, "a", at(1));
        }
        assert_eq!(attempts.wait(proxy, "a", at(1)), Some(61));
        assert_eq!(attempts.wait(proxy, "b", at(1)), None);
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let attempts = Attempts::default();
        for number in 0..20_000_u32 {
            attempts.record(
                address(&IpAddr::from(number.to_be_bytes()).to_string()),
                "a",
                at(0),
            );
        }
        assert_eq!(attempts.sources.lock().unwrap().entries.len(), CAPACITY);
        attempts.record(address("192.0.2.1"), "a", at(61));
        assert_eq!(attempts.sources.lock().unwrap().entries.len(), 1);
    }
}
