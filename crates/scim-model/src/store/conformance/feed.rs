//! The feed: the journals of several tenants in one order.

use std::slice;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::change::{ChangePosition, EventKind, ResourceNames};
use crate::store::{FeedEntries, FeedEntry, FeedStart, FeedTenants, JournalError, MembersStep, TenantId};

pub(super) const CASES: &[Case] = cases![
    the_feed_has_the_entries_of_the_chosen_tenants_in_one_order,
    a_feed_continues_at_any_entry_of_its_tenants,
    positions_of_tenants_that_were_not_chosen_are_refused,
    positions_that_never_existed_are_refused,
    a_reader_of_several_tenants_learns_what_was_dropped_from_one,
    the_beginning_is_a_position_until_entries_are_dropped,
    a_reader_inside_a_dropped_change_can_tell,
    a_feed_continues_after_an_entry_of_a_deleted_tenant,
    a_position_of_a_deleted_tenant_is_refused_for_younger_tenants,
    the_current_position_is_that_of_the_last_entry,
    a_position_has_a_place_in_the_journals_of_other_tenants,
    the_later_entries_of_a_resource_are_read,
    the_entries_of_one_write_belong_together,
    each_entry_has_the_names_of_its_resource,
];

fn only(fixtures: &[&Fixture]) -> FeedTenants {
    FeedTenants::Only(fixtures.iter().map(|it| it.tenant).collect())
}

fn read(it: &Fixture, tenants: &FeedTenants, start: FeedStart) -> Result<FeedEntries, JournalError> {
    it.store.entries(tenants, start, 100)
}

/// Reads the feed in parts of this size, at least one entry more often than needed.
fn read_in_parts(it: &Fixture, tenants: &FeedTenants, mut start: FeedStart, limit: u32) -> Vec<FeedEntry> {
    let mut entries = Vec::new();
    for _ in 0..1_000 {
        let part = it
            .store
            .entries(tenants, start, limit)
            .expect("no entry is dropped");
        assert!(part.entries.len() <= limit as usize);
        entries.extend(part.entries);
        match part.last {
            Some(last) => start = FeedStart::After(last),
            None => {
                assert!(!part.more);
                return entries;
            }
        }
    }
    panic!("the feed has no end")
}

/// The current end of the feed of all tenants. The store may have tenants of other cases.
fn end(it: &Fixture) -> ChangePosition {
    current(it, &FeedTenants::All)
}

fn current(it: &Fixture, tenants: &FeedTenants) -> ChangePosition {
    it.store
        .current_position(tenants)
        .expect("the store is available")
}

fn ids(entries: &[FeedEntry]) -> Vec<(TenantId, Uuid)> {
    entries.iter().map(|it| (it.tenant, it.change.id)).collect()
}

fn last_position(it: &Fixture) -> ChangePosition {
    it.changes().last().expect("there is an entry").position
}

fn expect_unknown(it: &Fixture, tenants: &FeedTenants, position: ChangePosition) {
    for start in [FeedStart::At(position), FeedStart::After(position)] {
        let refused = read(it, tenants, start);
        assert!(
            matches!(refused, Err(JournalError::Unknown(it)) if it == position),
            "{refused:?}"
        );
    }
}

fn expect_dropped(it: &Fixture, tenants: &FeedTenants, position: ChangePosition) {
    for start in [FeedStart::At(position), FeedStart::After(position)] {
        let refused = read(it, tenants, start);
        assert!(
            matches!(refused, Err(JournalError::Dropped(it)) if it == position),
            "{refused:?}"
        );
    }
}

fn prune_all(it: &Fixture, seconds: i64) {
    let pruned = it.store.prune_changes(it.tenant, at(seconds), 1_000);
    assert!(pruned.expect("the store is available") > 0);
}

fn the_feed_has_the_entries_of_the_chosen_tenants_in_one_order(it: &Fixture) {
    let (other, third) = (Fixture::new(it.store, "other"), Fixture::new(it.store, "third"));
    let before = end(it);
    let mut expected = Vec::new();
    for number in 0..40 {
        // The tenants take turns, one of them more often.
        let writer = [it, &other, it, &third][number % 4];
        expected.push((writer.tenant, writer.add_user(&format!("user{number}"))));
    }
    let chosen = |tenants: &[TenantId]| -> Vec<(TenantId, Uuid)> {
        let is_chosen = |(tenant, _): &&(TenantId, Uuid)| tenants.contains(tenant);
        expected.iter().filter(is_chosen).copied().collect()
    };
    for limit in [1, 2, 7, 39, 100] {
        let all = read_in_parts(it, &FeedTenants::All, FeedStart::After(before), limit);
        assert_eq!(ids(&all), expected, "{limit}");
        let positions: Vec<ChangePosition> = all.iter().map(|it| it.change.position).collect();
        assert!(positions.is_sorted_by(|a, b| a < b), "positions ascend");
        for fixtures in [&[it][..], &[it, &other], &[&third, it, &other], &[&third]] {
            let tenants = only(fixtures);
            let some = read_in_parts(it, &tenants, FeedStart::Oldest, limit);
            let FeedTenants::Only(wanted) = &tenants else {
                continue;
            };
            assert_eq!(ids(&some), chosen(wanted), "{limit}");
            assert!(
                some.iter().all(|entry| all.contains(entry)),
                "an entry is the same in every feed"
            );
        }
    }
    let tenants = it.store.tenants().expect("the store is available");
    let name = &tenants
        .iter()
        .find(|tenant| tenant.id == it.tenant)
        .expect("it exists")
        .name;
    let entries = read(it, &only(&[it]), FeedStart::Oldest).expect("no entry is dropped");
    assert_eq!(&*entries.entries[0].tenant_name, name);
    let changes: Vec<_> = entries.entries.into_iter().map(|it| it.change).collect();
    assert_eq!(changes, it.changes(), "the entries are those of the journal");
    let nobody = read(it, &FeedTenants::Only(Vec::new()), FeedStart::Oldest).expect("it is empty");
    assert_eq!(
        (nobody.entries, nobody.more, nobody.last),
        (Vec::new(), false, None)
    );
}

fn a_feed_continues_at_any_entry_of_its_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    for number in 0..6 {
        [it, &other][number % 2].add_user(&format!("user{number}"));
    }
    let tenants = only(&[it, &other]);
    let all = read(it, &tenants, FeedStart::Oldest)
        .expect("no entry is dropped")
        .entries;
    assert_eq!(all.len(), 6);
    for (index, entry) in all.iter().enumerate() {
        let position = entry.change.position;
        let part = |start| read(it, &tenants, start).expect("no entry is dropped");
        assert_eq!(part(FeedStart::At(position)).entries, all[index..]);
        assert_eq!(part(FeedStart::After(position)).entries, all[index + 1..]);
        let one = it
            .store
            .entries(&tenants, FeedStart::At(position), 1)
            .expect("no entry is dropped");
        assert_eq!(
            (one.entries.len(), one.last, one.dropped_parts),
            (1, Some(position), None)
        );
    }
    let last = all[5].change.position;
    let rest = read(it, &tenants, FeedStart::After(last)).expect("no entry is dropped");
    assert_eq!((rest.entries, rest.more, rest.last), (Vec::new(), false, None));
    assert!(rest.visible_up_to >= last.sequence);
    let later = it.add_user("later");
    let now = it.store.visible_up_to().expect("the store is available");
    assert!(
        now > rest.visible_up_to,
        "a waiting reader notices that there is more"
    );
    let rest = read(it, &tenants, FeedStart::After(last)).expect("no entry is dropped");
    assert_eq!(ids(&rest.entries), [(it.tenant, later)]);
}

fn positions_of_tenants_that_were_not_chosen_are_refused(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    it.add_user("bjensen");
    other.add_user("bjensen");
    let theirs = last_position(&other);
    expect_unknown(it, &only(&[it]), theirs);
    for tenants in [FeedTenants::All, only(&[&other, it])] {
        read(it, &tenants, FeedStart::At(theirs)).expect("the tenant was chosen");
    }
}

/// After a backup was restored, other entries get the numbers of those that were lost.
fn positions_that_never_existed_are_refused(it: &Fixture) {
    it.add_user("bjensen");
    let last = last_position(it);
    for tenants in [FeedTenants::All, only(&[it])] {
        expect_unknown(
            it,
            &tenants,
            ChangePosition {
                at: last.at + 1,
                ..last
            },
        );
        expect_unknown(
            it,
            &tenants,
            ChangePosition {
                at: last.at - 1,
                ..last
            },
        );
        let lost = ChangePosition {
            sequence: i64::MAX,
            ..last
        };
        expect_unknown(it, &tenants, lost);
        let next = ChangePosition {
            sequence: last.sequence + 1,
            ..last
        };
        expect_unknown(it, &tenants, next);
    }
}

fn a_reader_of_several_tenants_learns_what_was_dropped_from_one(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    it.add_user("first");
    let (mine, both) = (only(&[it]), only(&[it, &other]));
    let seen = last_position(it);
    other.add_user("missed");
    let missed = last_position(&other);
    it.add_user("second");
    prune_all(&other, 100);
    for tenants in [&both, &FeedTenants::All] {
        expect_dropped(it, tenants, seen);
        let oldest = it.store.oldest_position(tenants).expect("the store is available");
        assert!(oldest >= missed);
        let rest = read(it, tenants, FeedStart::After(oldest)).expect("nothing after it was dropped");
        assert_eq!(rest.oldest, oldest);
    }
    let rest = read(it, &mine, FeedStart::After(seen)).expect("this reader has missed nothing");
    assert_eq!((rest.entries.len(), rest.oldest), (1, ChangePosition::default()));
    // A reader that had seen the dropped entry continues, even from the later one of the first tenant.
    for position in [missed, last_position(it)] {
        read(it, &both, FeedStart::After(position)).expect("this reader has missed nothing");
    }
    let left = read(it, &both, FeedStart::Oldest).expect("the oldest entry is always there");
    assert_eq!(ids(&left.entries).len(), 2);
}

fn the_beginning_is_a_position_until_entries_are_dropped(it: &Fixture) {
    let tenants = only(&[it]);
    let beginning = current(it, &tenants);
    assert_eq!(beginning, ChangePosition::default());
    it.add_user("bjensen");
    let all = read(it, &tenants, FeedStart::At(beginning)).expect("nothing was dropped");
    assert_eq!(all.entries.len(), 1);
    prune_all(it, 100);
    it.add_user("smith");
    expect_dropped(it, &tenants, beginning);
    let left = read(it, &tenants, FeedStart::Oldest).expect("the oldest entry is always there");
    assert_eq!(left.entries.len(), 1);
}

fn a_reader_inside_a_dropped_change_can_tell(it: &Fixture) {
    let user = it.add_user("bjensen");
    let tenants = only(&[it]);
    it.add_group("Guides", &[user]);
    let position = last_position(it);
    let kinds: Vec<EventKind> = it.changes()[1].parts().iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [EventKind::Created, EventKind::MemberAdded]);
    prune_all(it, 100);
    for start in [FeedStart::At(position), FeedStart::After(position)] {
        let rest = read(it, &tenants, start).expect("it was the last one");
        assert_eq!((rest.dropped_parts, rest.entries.len()), (Some(2), 0));
    }
}

fn delete_tenant(it: &Fixture) {
    let tenants = it.store.tenants().expect("the store is available");
    let tenant = tenants.into_iter().find(|tenant| tenant.id == it.tenant);
    let name = tenant.expect("the fixture created it").name;
    assert!(it.store.delete_tenant(&name).expect("the store is available"));
}

fn a_feed_continues_after_an_entry_of_a_deleted_tenant(it: &Fixture) {
    let gone = Fixture::new(it.store, "gone");
    it.add_user("first");
    gone.add_user("dropped");
    let dropped = last_position(&gone);
    prune_all(&gone, 100);
    gone.add_user("bjensen");
    let seen = last_position(&gone);
    delete_tenant(&gone);
    let id = it.add_user("second");
    for tenants in [FeedTenants::All, only(&[it])] {
        for position in [dropped, seen] {
            for start in [FeedStart::At(position), FeedStart::After(position)] {
                let rest = read(it, &tenants, start).expect("the tenant's deletion is no gap");
                assert_eq!(ids(&rest.entries), [(it.tenant, id)]);
            }
            // A position that the tenant never had is still one of a lost backup.
            let other = ChangePosition {
                at: position.at + 1,
                ..position
            };
            expect_unknown(it, &tenants, other);
        }
    }
    expect_unknown(it, &only(&[&gone]), seen);
}

fn a_position_of_a_deleted_tenant_is_refused_for_younger_tenants(it: &Fixture) {
    let gone = Fixture::new(it.store, "gone");
    gone.add_user("bjensen");
    let seen = last_position(&gone);
    delete_tenant(&gone);
    let name = format!("gone {}", Uuid::now_v7());
    let again = it.store.create_tenant(&name, at(50)).expect("the name is free");
    expect_unknown(it, &FeedTenants::Only(vec![again]), seen);
    read(
        it,
        &FeedTenants::Only(vec![again, it.tenant]),
        FeedStart::At(seen),
    )
    .expect("one tenant is older");
}

fn the_current_position_is_that_of_the_last_entry(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let both = only(&[it, &other]);
    it.add_user("first");
    let mine = last_position(it);
    assert_eq!(current(it, &both), mine);
    other.add_user("second");
    let theirs = last_position(&other);
    assert_eq!((current(it, &both), current(it, &only(&[it]))), (theirs, mine));
    assert_eq!(current(it, &FeedTenants::All), theirs);
    // Also when retention has dropped it, and an earlier entry of another tenant is left.
    prune_all(&other, 100);
    assert_eq!(current(it, &both), theirs);
    let rest = read(it, &both, FeedStart::At(theirs)).expect("it is the end");
    assert!(rest.entries.is_empty());
}

fn a_position_has_a_place_in_the_journals_of_other_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    it.add_user("first");
    let mine = last_position(it);
    let second = other.add_user("second");
    let theirs = last_position(&other);
    it.add_user("third");
    let end = last_position(it);
    let at = |tenants: &FeedTenants, position: ChangePosition| {
        it.store
            .position_at(tenants, position.sequence)
            .expect("the store is available")
    };
    assert_eq!((at(&only(&[it]), mine), at(&only(&[it]), theirs)), (mine, mine));
    assert_eq!(at(&only(&[it, &other]), theirs), theirs);
    assert_eq!(at(&FeedTenants::All, theirs), theirs);
    assert_eq!(at(&only(&[it]), end), end);
    // A tenant without an entry up to there.
    let start = at(&only(&[&other]), mine);
    let rest = read(it, &only(&[&other]), FeedStart::After(start)).expect("nothing is missing");
    assert_eq!(ids(&rest.entries), [(other.tenant, second)]);
}

fn the_later_entries_of_a_resource_are_read(it: &Fixture) {
    let user = it.add_user("bjensen");
    let first = last_position(it);
    let rename = |name: &str| {
        it.replace(
            &it.user,
            user,
            None,
            json!({"userName": "bjensen", "displayName": name}),
        )
        .expect("nothing prevents it");
        last_position(it)
    };
    let second = rename("Babs");
    it.add_user("kim");
    let third = rename("Barbara");
    let later = |position, limit| it.store.later_of_resource(position, limit);
    let positions = |position, limit| -> Vec<ChangePosition> {
        let entries = later(position, limit).expect("nothing is missing");
        assert!(
            entries
                .iter()
                .all(|entry| ids(slice::from_ref(entry)) == [(it.tenant, user)])
        );
        entries.iter().map(|it| it.change.position).collect()
    };
    assert_eq!(positions(first, 10), [first, second, third]);
    assert_eq!(positions(first, 2), [first, second]);
    assert_eq!(positions(second, 10), [second, third]);
    let wrong = ChangePosition {
        at: first.at + 1,
        ..first
    };
    assert!(matches!(later(wrong, 10), Err(JournalError::Unknown(_))));
    let other = Fixture::new(it.store, "deleted");
    other.add_user("bjensen");
    let theirs = last_position(&other);
    delete_tenant(&other);
    assert_eq!(positions(theirs, 10), []);
    prune_all(it, 100);
    for dropped in [first, third] {
        assert!(matches!(later(dropped, 10), Err(JournalError::Dropped(_))));
    }
}

fn the_entries_of_one_write_belong_together(it: &Fixture) {
    let user = it.add_user("bjensen");
    let groups: Vec<Uuid> = (0..3)
        .map(|number| it.add_group(&format!("group{number}"), &[user]))
        .collect();
    it.replace(
        &it.user,
        user,
        None,
        json!({"userName": "bjensen", "displayName": "Babs"}),
    )
    .expect("nothing prevents it");
    assert!(it.delete(&it.user, user));
    let changes = it.changes();
    let writes: Vec<_> = changes
        .iter()
        .map(|it| it.transaction.expect("it is recorded"))
        .collect();
    let mut distinct = writes.clone();
    distinct.dedup();
    assert_eq!(writes.len(), 4 + 4 + 4);
    assert_eq!(
        distinct.len(),
        4 + 1 + 1,
        "the renaming and the deletion have four entries each"
    );
    let count = |index: usize| writes.iter().filter(|it| **it == writes[index]).count();
    assert_eq!((count(0), count(4), count(11)), (1, 4, 4));
    assert_eq!(groups.len(), 3);
}

fn each_entry_has_the_names_of_its_resource(it: &Fixture) {
    let names = |name: &str, external_id: Option<&str>| {
        Some(ResourceNames {
            name: Some(name.to_owned()),
            external_id: external_id.map(str::to_owned),
        })
    };
    let user = it
        .add(&it.user, json!({"userName": "BJensen", "externalId": "é1"}), &[])
        .expect("the name is free");
    let group = it
        .add(
            &it.group,
            json!({"displayName": "Tour Guides", "externalId": "g1"}),
            &[user],
        )
        .expect("the name is free");
    it.replace(
        &it.user,
        user,
        None,
        json!({"userName": "Babs", "displayName": "B"}),
    )
    .expect("nothing prevents it");
    it.change_members(group, vec![MembersStep::RemoveAll, MembersStep::Add(vec![user])])
        .expect("the group exists");
    assert!(it.delete(&it.user, user));
    assert!(it.delete(&it.group, group));
    let found: Vec<_> = it.changes().into_iter().map(|it| (it.id, it.names)).collect();
    let of_group = || (group, names("Tour Guides", Some("g1")));
    assert_eq!(
        found,
        [
            (user, names("BJensen", Some("é1"))),
            of_group(),
            (user, names("Babs", None)),
            // The member got another display name.
            of_group(),
            // Its members changed.
            of_group(),
            // The member was deleted.
            of_group(),
            (user, names("Babs", None)),
            of_group(),
        ]
    );
}
