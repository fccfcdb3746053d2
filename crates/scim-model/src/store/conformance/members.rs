//! Members of groups.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, ids};
use crate::change::{Actor, AttributeChanges, MembersChange, MembersStep};
use crate::secret::SecretHashes;
use crate::store::{Reference, StoreError, Update, Updated};

pub(super) const CASES: &[Case] = cases![
    members_are_listed_in_order_of_joining,
    members_are_changed_in_steps,
    a_change_of_members_checks_the_expected_version,
    members_must_exist,
    a_deleted_member_leaves_its_groups,
    a_deleted_group_leaves_its_members,
    a_renamed_member_increments_the_version_of_its_groups,
];

fn members_are_listed_in_order_of_joining(it: &Fixture) {
    let users: Vec<Uuid> = (0..6)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let group = it.add_group("Guides", &[users[4], users[1], users[4]]);
    assert_eq!(it.members(group), [users[4], users[1]]);
    let updated = it.change_members(group, vec![MembersStep::Add(vec![users[3], users[1], users[0]])]);
    assert_eq!(updated.expect("they exist").expect("it exists").version, 2);
    assert_eq!(it.members(group), [users[4], users[1], users[3], users[0]]);
    let other = it.add_group("Others", &[group, users[0]]);
    let member = it
        .read(&it.group, other)
        .expect("it exists")
        .members
        .expect("they were requested")
        .remove(0);
    let expected = Reference {
        id: group,
        resource_type: "Group".into(),
        display: Some("Guides".to_owned()),
    };
    assert_eq!(member, expected);
    let groups = it
        .read(&it.user, users[0])
        .expect("it exists")
        .groups
        .expect("they were requested");
    assert_eq!(
        ids(&groups).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([group, other])
    );
    let before = it.version(&it.user, users[0]);
    it.change_members(other, vec![MembersStep::Remove(vec![users[0]])])
        .expect("it exists");
    assert_eq!(
        it.version(&it.user, users[0]),
        before,
        "a membership is not part of the user"
    );
    assert_eq!(it.members(other), [group]);
}

fn members_are_changed_in_steps(it: &Fixture) {
    let users: Vec<Uuid> = (0..4)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let group = it.add_group("Guides", &[users[0], users[1]]);
    let change = |steps| {
        let updated = it
            .change_members(group, steps)
            .expect("they exist")
            .expect("it exists");
        assert!(updated.changed);
        it.members(group)
    };
    let remove_all_add = vec![MembersStep::RemoveAll, MembersStep::Add(vec![users[2]])];
    assert_eq!(change(remove_all_add), [users[2]]);
    let add_remove = vec![
        MembersStep::Add(vec![users[3], users[0]]),
        MembersStep::Remove(vec![users[2]]),
    ];
    assert_eq!(change(add_remove), [users[3], users[0]]);
    let replace = vec![MembersStep::ReplaceAll(vec![users[1], users[0]])];
    assert_eq!(
        change(replace),
        [users[0], users[1]],
        "a member that stays keeps its place"
    );
    assert_eq!(
        change(vec![MembersStep::ReplaceAll(Vec::new())]),
        Vec::<Uuid>::new()
    );
    assert_eq!(it.version(&it.group, group), 5);
    assert_eq!(it.read(&it.group, group).expect("it exists").last_modified, at(3));
}

fn a_change_of_members_checks_the_expected_version(it: &Fixture) {
    let (one, two) = (it.add_user("one"), it.add_user("two"));
    let group = it.add_group("Guides", &[one]);
    let change = |expected_version, steps| {
        let update = Update {
            resource_type: it.group.clone(),
            id: group,
            expected_version: Some(expected_version),
            now: at(3),
            actor: Actor::System,
            document: None,
            members: MembersChange::Steps(steps),
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        it.store.update(it.tenant, &update)
    };
    let updated = change(1, vec![MembersStep::Add(vec![two])]);
    assert_eq!(
        updated.expect("the version matches").expect("it exists").version,
        2
    );
    for steps in [
        vec![MembersStep::RemoveAll],
        vec![MembersStep::Remove(vec![one])],
        // A step without effect fails too: the client's view of the group is out of date.
        vec![MembersStep::Add(vec![two])],
    ] {
        let stale = change(1, steps.clone());
        assert!(matches!(stale, Err(StoreError::Stale)), "{steps:?}: {stale:?}");
    }
    assert_eq!(
        (it.members(group), it.version(&it.group, group)),
        (vec![one, two], 2)
    );
    let updated = change(2, vec![MembersStep::Remove(vec![one])]);
    assert_eq!(
        updated.expect("the version matches").expect("it exists").version,
        3
    );
    assert_eq!(it.members(group), [two]);
}

fn members_must_exist(it: &Fixture) {
    let (known, unknown) = (it.add_user("bjensen"), Uuid::now_v7());
    let refused = |result: Result<Option<Updated>, StoreError>| match result {
        Err(StoreError::UnknownMembers(ids)) => assert_eq!(ids, [unknown]),
        other => panic!("expected unknown members, not {other:?}"),
    };
    refused(
        it.add(&it.group, json!({"displayName": "a"}), &[known, unknown])
            .map(|_| None),
    );
    let group = it.add_group("a", &[]);
    refused(it.change_members(group, vec![MembersStep::Add(vec![unknown, known])]));
    refused(it.change_members(group, vec![MembersStep::ReplaceAll(vec![known, unknown])]));
    assert_eq!((it.members(group), it.version(&it.group, group)), (Vec::new(), 1));
    let missing = it.change_members(unknown, vec![MembersStep::Add(vec![known])]);
    assert!(matches!(missing, Ok(None)), "{missing:?}");
}

fn a_deleted_member_leaves_its_groups(it: &Fixture) {
    let (one, two) = (it.add_user("one"), it.add_user("two"));
    let groups = [it.add_group("a", &[one, two]), it.add_group("b", &[one])];
    let other = it.add_group("c", &[two]);
    assert!(it.delete(&it.user, one));
    assert_eq!(it.members(groups[0]), [two]);
    assert!(it.members(groups[1]).is_empty());
    for group in groups {
        let stored = it.read(&it.group, group).expect("it exists");
        assert_eq!((stored.version, stored.last_modified), (2, at(4)));
    }
    assert_eq!(it.version(&it.group, other), 1);
}

fn a_deleted_group_leaves_its_members(it: &Fixture) {
    let user = it.add_user("one");
    let inner = it.add_group("inner", &[user]);
    let outer = it.add_group("outer", &[inner]);
    assert!(it.delete(&it.group, inner));
    assert_eq!(
        it.read(&it.user, user).expect("it exists").groups,
        Some(Vec::new())
    );
    assert_eq!((it.members(outer), it.version(&it.group, outer)), (Vec::new(), 2));
    assert_eq!(it.search(&it.group, "", "").total, 1);
}

fn a_renamed_member_increments_the_version_of_its_groups(it: &Fixture) {
    let user = it.add_user("bjensen");
    let group = it.add_group("Guides", &[user]);
    let display = || {
        let stored = it.read(&it.group, group).expect("it exists");
        (
            stored.version,
            stored
                .members
                .expect("they were requested")
                .remove(0)
                .display
                .unwrap_or_default(),
        )
    };
    let replace = |value| {
        it.replace(&it.user, user, None, value)
            .expect("nothing prevents it")
    };
    replace(json!({"userName": "bjensen", "title": "Guide"}));
    assert_eq!(
        display(),
        (1, String::new()),
        "nothing that the group shows has changed"
    );
    replace(json!({"userName": "babs", "title": "Guide"}));
    assert_eq!(display(), (1, String::new()), "a group does not show user names");
    replace(json!({"userName": "babs", "displayName": "Babs"}));
    assert_eq!(display(), (2, "Babs".to_owned()));
    replace(json!({"userName": "babs", "displayName": "Babs Jensen"}));
    assert_eq!(display(), (3, "Babs Jensen".to_owned()));
    replace(json!({"userName": "bjensen", "displayName": "Babs Jensen"}));
    assert_eq!(display(), (3, "Babs Jensen".to_owned()));
    replace(json!({"userName": "bjensen", "displayName": ""}));
    assert_eq!(display(), (4, String::new()));
}
