//! Reading the journal from a position, and dropping its oldest entries.

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document};
use crate::change::{Actor, Change, ChangePosition};
use crate::secret::SecretHashes;
use crate::store::{JournalError, NewResource};

pub(super) const CASES: &[Case] = cases![
    a_reader_continues_after_any_position,
    dropped_entries_are_reported_to_readers_that_miss_them,
    a_reader_that_starts_at_the_last_position_gets_later_changes_only,
    positions_of_other_journals_are_refused,
    the_journal_of_a_deleted_tenant_is_gone,
];

fn a_reader_continues_after_any_position(it: &Fixture) {
    for number in 0..7 {
        it.add_user(&format!("user{number}"));
    }
    let all = it.changes();
    let positions = all.iter().map(|it| it.position);
    let positions: Vec<_> = [ChangePosition::default()].into_iter().chain(positions).collect();
    for (index, position) in positions.into_iter().enumerate() {
        let text = position.to_string();
        let position = text.parse().expect("a position reads as it was written");
        for limit in [0, 1, 3, 7, 100] {
            let read = it.store.changes(it.tenant, position, limit);
            let expected = all[index..].iter().take(limit as usize);
            assert!(
                read.expect("no entry was dropped").iter().eq(expected),
                "{text} {limit}"
            );
        }
    }
}

/// Creates users at these times, in this order.
fn add_users_at(it: &Fixture, seconds: &[i64]) {
    for second in seconds {
        let id = Uuid::now_v7();
        let new = NewResource {
            resource_type: it.user.clone(),
            id,
            now: at(*second),
            actor: Actor::System,
            document: document(json!({ "userName": id.to_string() })),
            members: Vec::new(),
            secrets: SecretHashes::new(),
        };
        it.store.create(it.tenant, &new).expect("the name is free");
    }
}

/// Drops the changes before a time, two at once, and returns their number.
fn prune(it: &Fixture, seconds: i64) -> usize {
    let mut all = 0;
    loop {
        let dropped = it.store.prune_changes(it.tenant, at(seconds), 2);
        let dropped = dropped.expect("the store is available");
        assert!(dropped <= 2, "no more than the limit");
        all += dropped;
        if dropped < 2 {
            return all;
        }
    }
}

fn read(it: &Fixture, after: ChangePosition) -> Result<Vec<Change>, JournalError> {
    it.store.changes(it.tenant, after, 100)
}

fn expect_dropped(it: &Fixture, position: ChangePosition) {
    let refused = read(it, position);
    assert!(
        matches!(refused, Err(JournalError::Dropped(it)) if it == position),
        "{refused:?}"
    );
}

fn expect_unknown(it: &Fixture, position: ChangePosition) {
    let refused = read(it, position);
    assert!(
        matches!(refused, Err(JournalError::Unknown(it)) if it == position),
        "{refused:?}"
    );
}

fn dropped_entries_are_reported_to_readers_that_miss_them(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    add_users_at(&other, &[1, 2]);
    // The fifth change carries an earlier time than the fourth, which stays, and so it stays too.
    add_users_at(it, &[1, 2, 3, 9, 4, 10]);
    let (before, others) = (it.changes(), other.changes());
    assert_eq!(prune(it, 1), 0);
    assert_eq!(prune(it, 5), 3);
    assert_eq!(prune(it, 5), 0);
    assert_eq!(it.changes(), before[3..], "the journal has no gaps");
    assert_eq!(other.changes(), others, "the entries of another tenant stay");
    for missed in &before[..2] {
        expect_dropped(it, missed.position);
    }
    for (index, change) in before.iter().enumerate().skip(2) {
        let rest = read(it, change.position).expect("this reader has missed nothing");
        assert_eq!(rest, before[index + 1..]);
    }

    // After every entry was dropped, a reader that has seen the last one continues.
    assert_eq!(prune(it, 100), 3);
    assert!(it.changes().is_empty());
    add_users_at(it, &[11]);
    let next = it.changes();
    assert!(next[0].position > before[5].position);
    let rest = read(it, before[5].position);
    assert_eq!(rest.expect("this reader has missed nothing"), next);
    expect_dropped(it, before[4].position);
}

fn a_reader_that_starts_at_the_last_position_gets_later_changes_only(it: &Fixture) {
    let last = || it.store.last_position(it.tenant).expect("the store is available");
    let other = Fixture::new(it.store, "other");
    assert_eq!(last(), ChangePosition::default());
    add_users_at(it, &[1, 2]);
    add_users_at(&other, &[3]);
    let position = last();
    assert_eq!(position, it.changes()[1].position);
    add_users_at(it, &[4]);
    let later = read(it, position).expect("no entry has been dropped");
    assert_eq!(later, it.changes()[2..]);

    // After every entry was dropped, a reader can still start at the end.
    assert_eq!(prune(it, 100), 3);
    let position = last();
    add_users_at(it, &[5]);
    assert_eq!(
        read(it, position).expect("this reader has missed nothing"),
        it.changes()
    );
}

fn positions_of_other_journals_are_refused(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    add_users_at(&other, &[1]);
    add_users_at(it, &[1, 2]);
    let (mine, theirs) = (it.changes(), other.changes());
    expect_unknown(it, theirs[0].position);
    expect_unknown(&other, mine[1].position);
    let last = mine[1].position;
    // After a backup was restored, another entry may have the number of one that a reader saw.
    expect_unknown(
        it,
        ChangePosition {
            at: last.at + 1,
            ..last
        },
    );
    expect_unknown(
        it,
        ChangePosition {
            sequence: i64::MAX,
            ..last
        },
    );
}

fn the_journal_of_a_deleted_tenant_is_gone(it: &Fixture) {
    add_users_at(it, &[1, 2]);
    let seen = it.changes();
    assert_eq!(prune(it, 2), 1);
    let tenants = it.store.tenants().expect("the store is available");
    let tenant = tenants.iter().find(|tenant| tenant.id == it.tenant);
    let name = &tenant.expect("the fixture created it").name;
    assert!(it.store.delete_tenant(name).expect("the store is available"));
    assert!(it.changes().is_empty());
    for change in seen {
        expect_unknown(it, change.position);
    }
}
