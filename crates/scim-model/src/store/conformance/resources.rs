//! Creation, reads, updates and deletion; unique names; references.

use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, EVERYTHING, Fixture, at, document, expect_taken, ids};
use crate::change::Actor;
use crate::change::MembersStep;
use crate::secret::SecretHashes;
use crate::store::{Include, NewResource, StoreError, Updated};

pub(super) const CASES: &[Case] = cases![
    a_created_resource_is_read_back,
    unique_names_are_compared_without_case,
    long_names_are_distinguished,
    an_update_increments_the_version,
    a_resource_is_found_under_its_own_type_only,
    an_update_without_effect_writes_nothing,
    references_to_missing_resources_are_left_out,
    derived_attributes_are_read_on_request,
];

fn a_created_resource_is_read_back(it: &Fixture) {
    let id = Uuid::now_v7();
    let new = NewResource {
        resource_type: it.user.clone(),
        id,
        now: DateTime::from_timestamp(1_700_000_000, 123_999_999).expect("it is a time"),
        actor: Actor::System,
        document: document(json!({"userName": "Ünal", "active": true, "title": "\"%_\\ \u{1F600}"})),
        members: Vec::new(),
        secrets: SecretHashes::new(),
    };
    it.store.create(it.tenant, &new).expect("nothing prevents it");
    let stored = it.read(&it.user, id).expect("it was created");
    assert_eq!(
        (stored.id, stored.version, &*stored.resource_type),
        (id, 1, "User")
    );
    assert_eq!(
        stored.created,
        DateTime::from_timestamp(1_700_000_000, 123_000_000).expect("a time")
    );
    assert_eq!(stored.last_modified, stored.created);
    assert_eq!(stored.document, new.document.to_stored_json(&it.user));
    assert_eq!(stored.groups, Some(Vec::new()));
    assert_eq!(stored.members, None);
    assert!(it.read(&it.group, id).is_none(), "a user is not a group");
    assert!(it.read(&it.user, Uuid::now_v7()).is_none());
}

fn unique_names_are_compared_without_case(it: &Fixture) {
    let jensen = it.add_user("Bjensen");
    expect_taken("userName", it.add(&it.user, json!({"userName": "BJENSEN"}), &[]));
    it.add_user("straße");
    expect_taken("userName", it.add(&it.user, json!({"userName": "STRASSE"}), &[]));
    let smith = it.add_user("smith");
    expect_taken(
        "userName",
        it.replace(&it.user, smith, None, json!({"userName": "bJensen"})),
    );
    assert_eq!(it.version(&it.user, smith), 1, "a failed update changes nothing");
    let own = it.replace(&it.user, jensen, Some(1), json!({"userName": "bjensen"}));
    assert!(own.expect("a user may keep its name").expect("it exists").changed);
    assert!(it.delete(&it.user, jensen));
    it.add_user("bjensen");

    it.add_group("Tour Guides", &[]);
    expect_taken(
        "displayName",
        it.add(&it.group, json!({"displayName": "tour guides"}), &[]),
    );
    it.add_user("Tour Guides");
    assert_eq!(it.search(&it.user, "", "").total, 4);
}

fn long_names_are_distinguished(it: &Fixture) {
    let long = "ß".repeat(1_500);
    let names = [&long[..], &format!("{long}a"), &format!("{long}b"), "b"];
    for name in names {
        it.add_user(name);
    }
    expect_taken(
        "userName",
        it.add(&it.user, json!({"userName": "SS".repeat(1_500)}), &[]),
    );
    for name in names {
        assert_eq!(it.names(&it.user, &format!("userName eq \"{name}\""), ""), [name]);
    }
    // A random text cannot be compressed.
    let random: String = (0..500)
        .map(|_| Uuid::now_v7().simple().to_string().split_off(16))
        .collect();
    let everywhere = json!({
        "userName": random, "externalId": random, "displayName": random, "name": {"familyName": random},
        "emails": [{"value": random}],
    });
    let user = it.add(&it.user, everywhere, &[]).expect("it is allowed");
    let group = it.add_group(&random, &[user]);
    let shown = it.read(&it.group, group).expect("the group exists").members;
    assert_eq!(shown.expect("it has members")[0].display.as_ref(), Some(&random));
    assert!(it.delete(&it.group, group) && it.delete(&it.user, user));
    let find = |filter: &str| it.search(&it.user, filter, "").total;
    assert_eq!(find(&format!("userName sw \"{}\"", &long[..200])), 3);
    assert_eq!(find(&format!("userName sw \"{long}\"")), 3);
    assert_eq!(find(&format!("userName ge \"{long}\"")), 3);
    assert_eq!(find("userName ew \"sb\""), 1);
    assert_eq!(find("userName co \"sb\""), 1);
    assert_eq!(
        find("userName co \"0\" or userName co \"1\" or userName co \"2\""),
        0
    );
    assert_eq!(find("not (userName co \"ss\")"), 1);
}

fn an_update_increments_the_version(it: &Fixture) {
    let id = it.add_user("bjensen");
    let updated = it
        .replace(
            &it.user,
            id,
            Some(1),
            json!({"userName": "bjensen", "title": "Guide"}),
        )
        .expect("nothing prevents it")
        .expect("it exists");
    assert_eq!(
        updated,
        Updated {
            version: 2,
            last_modified: at(2),
            changed: true
        }
    );
    let stored = it.read(&it.user, id).expect("it exists");
    assert_eq!(
        (stored.version, stored.last_modified, stored.created),
        (2, at(2), at(1))
    );
    assert!(stored.document.contains("Guide"));
    let stale = it.replace(&it.user, id, Some(1), json!({"userName": "other"}));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(it.names(&it.user, "title eq \"guide\"", ""), ["bjensen"]);
    assert_eq!(it.names(&it.user, "userName eq \"other\"", ""), [""; 0]);
    let missing = it.replace(&it.user, Uuid::now_v7(), None, json!({"userName": "x"}));
    assert!(matches!(missing, Ok(None)), "{missing:?}");
    let stale = it.delete_version(&it.user, id, Some(1));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert!(matches!(it.delete_version(&it.user, id, Some(2)), Ok(true)));
    assert!(!it.delete(&it.user, id));
}

fn a_resource_is_found_under_its_own_type_only(it: &Fixture) {
    let (user, other) = (it.add_user("bjensen"), it.add_user("smith"));
    let group = it.add_group("Guides", &[user]);
    for (wrong_type, id) in [(&it.group, user), (&it.user, group)] {
        assert!(it.read(wrong_type, id).is_none());
        assert!(!it.delete(wrong_type, id), "deleted as a {}", wrong_type.name);
        let stale = it.delete_version(wrong_type, id, Some(7));
        assert!(matches!(stale, Ok(false)), "{stale:?}");
        let document = json!({"userName": "changed", "displayName": "changed"});
        let replaced = it.replace(wrong_type, id, None, document);
        assert!(
            matches!(replaced, Ok(None)),
            "replaced as a {}: {replaced:?}",
            wrong_type.name
        );
    }
    for steps in [
        vec![MembersStep::Add(vec![other])],
        vec![MembersStep::RemoveAll],
        vec![MembersStep::ReplaceAll(Vec::new())],
    ] {
        let changed = it.change_members(user, steps.clone());
        assert!(matches!(changed, Ok(None)), "{steps:?}: {changed:?}");
    }
    assert_eq!((it.version(&it.user, user), it.version(&it.group, group)), (1, 1));
    assert_eq!(it.members(group), [user]);
    assert_eq!(
        (
            it.search(&it.user, "", "").total,
            it.search(&it.group, "", "").total
        ),
        (2, 1)
    );
}

fn an_update_without_effect_writes_nothing(it: &Fixture) {
    let id = it
        .add(&it.user, json!({"userName": "bjensen", "title": "Guide"}), &[])
        .expect("the name is free");
    let same = it
        .replace(
            &it.user,
            id,
            Some(1),
            json!({"title": "Guide", "userName": "bjensen"}),
        )
        .expect("nothing prevents it")
        .expect("it exists");
    assert_eq!(
        same,
        Updated {
            version: 1,
            last_modified: at(1),
            changed: false
        }
    );
    let group = it.add_group("Guides", &[id]);
    for steps in [
        vec![],
        vec![MembersStep::Add(vec![id])],
        vec![MembersStep::Remove(vec![Uuid::now_v7()])],
        vec![MembersStep::ReplaceAll(vec![id])],
    ] {
        let same = it
            .change_members(group, steps.clone())
            .expect("nothing prevents it")
            .expect("it exists");
        assert_eq!((same.version, same.changed), (1, false), "{steps:?}");
    }
    assert_eq!(it.version(&it.group, group), 1);
}

fn references_to_missing_resources_are_left_out(it: &Fixture) {
    let user = it
        .add(
            &it.user,
            json!({"userName": "bjensen", "displayName": "Babs"}),
            &[],
        )
        .expect("the name is free");
    let group = it.add_group("Guides", &[]);
    let mut found = it
        .store
        .references(it.tenant, &[user, Uuid::now_v7(), group])
        .expect("the store is available");
    found.sort_by_key(|it| it.id);
    let shown: Vec<_> = found
        .iter()
        .map(|it| (it.id, &*it.resource_type, it.display.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [(user, "User", Some("Babs")), (group, "Group", Some("Guides"))]
    );
    assert_eq!(
        it.store
            .references(it.tenant, &[])
            .expect("the store is available"),
        []
    );
}

fn derived_attributes_are_read_on_request(it: &Fixture) {
    let users = [it.add_user("one"), it.add_user("two"), it.add_user("three")];
    let groups = [it.add_group("a", &users[..2]), it.add_group("b", &[users[0]])];
    let list = |resource_type, members, groups| {
        let mut query = it.query(resource_type, "", "", EVERYTHING);
        query.include = Include { members, groups };
        it.list(&query).resources
    };
    let found = list(&it.group, true, true);
    let members: Vec<_> = found
        .iter()
        .map(|it| ids(it.members.as_deref().expect("they were requested")))
        .collect();
    assert_eq!(members, [vec![users[0], users[1]], vec![users[0]]]);
    assert!(
        found.iter().all(|it| it.groups.is_none()),
        "a group has no groups"
    );
    let found = list(&it.user, true, true);
    let of: Vec<_> = found
        .iter()
        .map(|it| ids(it.groups.as_deref().expect("they were requested")))
        .collect();
    assert_eq!(of, [vec![groups[0], groups[1]], vec![groups[0]], vec![]]);
    assert!(found.iter().all(|it| it.members.is_none()));
    for found in list(&it.group, false, true)
        .iter()
        .chain(&list(&it.user, true, false))
    {
        assert!(found.members.is_none() && found.groups.is_none());
    }
}
