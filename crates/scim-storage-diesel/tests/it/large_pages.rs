//! Pages that are too large to be read at once: the order of their rest, and what happens while it is read.

use scim_model::store::conformance::Fixture;
use scim_model::store::{Include, MembersStep, PageRequest, Reference, ResourceKey, Stored};
use scim_storage_diesel::StoreOptions;
use uuid::Uuid;

use crate::database::{Database, filled, of, on_each};

const USERS: i64 = 12_000;
const ALL: Include = Include {
    members: true,
    groups: true,
};

fn group(number: u128) -> Uuid {
    Uuid::from_u128(USERS as u128 + number)
}

/// A store with three large groups, the first with all users, and a user in many groups.
fn with_large_groups(test: impl Fn(&Database, &Fixture)) {
    on_each(|database| {
        let (store, tenant) = filled(database, USERS, &StoreOptions::default());
        for (group, members) in [(1, USERS), (2, 6_000), (3, 6_000)] {
            database.run(&format!(
                "INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
                 SELECT tenant_id, {USERS} + {group}, 1000000 + pk, pk FROM resource r WHERE kind = 1 AND pk <= {members}
                 AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.group_pk = {USERS} + {group} AND m.member_pk = r.pk)"
            ));
        }
        database.run(&format!(
            "INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
             SELECT tenant_id, pk, 2000000 + pk, 5 FROM resource r WHERE kind = 2 AND pk > {USERS} + 60
             AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.group_pk = r.pk AND m.member_pk = 5)"
        ));
        test(database, &of(&store, tenant));
    });
}

/// Reads all of a page.
fn read(it: &Fixture, count: u32, sort_by: &str) -> Vec<Stored> {
    let page = PageRequest::Index {
        start_index: 1,
        count,
    };
    let mut query = it.query(&it.group, "", sort_by, page);
    query.include = ALL;
    let page = it.store.list(it.tenant, &query).expect("it is available");
    let (mut found, mut rest) = (page.resources, &*page.rest);
    while !rest.is_empty() {
        let next = it
            .store
            .next_resources(it.tenant, rest, ALL)
            .expect("it is available");
        found.extend(next.resources);
        rest = &rest[next.keys..];
    }
    found
}

/// Returns all members of a group whose first members were read with it.
fn members(it: &Fixture, group: &Stored) -> Vec<Reference> {
    let mut members = group.members.clone().expect("they were requested");
    let mut rest = group.rest_of_members;
    while let Some(from) = rest {
        let (more, next) = it.store.next_members(it.tenant, from).expect("it is available");
        assert!(members.len() <= 10_000 && more.len() <= 10_000);
        members.extend(more);
        rest = next;
    }
    members
}

#[test]
fn groups_with_many_members_are_read_one_after_the_other() {
    with_large_groups(|database, it| {
        for sort_by in ["", "-id", "displayName"] {
            let found = read(it, 100, sort_by);
            assert_eq!(found.len(), 100, "{sort_by}");
            let counted = database.number(&format!(
                "SELECT count(*) FROM membership WHERE group_pk > {USERS} AND group_pk <= {USERS} + 100"
            ));
            if sort_by.is_empty() {
                let number: usize = found.iter().map(|group| members(it, group).len()).sum();
                assert_eq!(i64::try_from(number), Ok(counted));
            }
            for group in &found {
                let whole = it
                    .store
                    .get(it.tenant, &it.group, group.id, ALL)
                    .expect("it is available");
                let whole = whole
                    .expect("nobody has deleted it")
                    .members
                    .expect("they were requested");
                assert_eq!(members(it, group), whole, "{sort_by}");
            }
        }
    });
}

#[test]
fn members_that_join_or_leave_while_others_are_read_are_not_shown() {
    with_large_groups(|database, it| {
        let large = ResourceKey {
            resource_type: it.group.name.clone(),
            id: group(1),
        };
        let next = it
            .store
            .next_resources(it.tenant, &[large], ALL)
            .expect("it is available");
        let [found] = &*next.resources else {
            panic!("it exists")
        };
        assert_eq!(found.members.as_ref().map(Vec::len), Some(10_000));
        let new = it.add_user("newcomer");
        let gone = Uuid::from_u128(11_999);
        let again = Uuid::from_u128(11_998);
        for step in [
            MembersStep::Remove(vec![gone, again]),
            MembersStep::Add(vec![new, again]),
        ] {
            it.change_members(group(1), vec![step]).expect("it is free");
        }
        let shown = members(it, found);
        assert_eq!(shown.len(), 11_998);
        assert!(!shown.iter().any(|it| [new, gone, again].contains(&it.id)));
        assert_eq!(
            database.number(&format!(
                "SELECT count(*) FROM membership WHERE group_pk = {USERS} + 1"
            )),
            12_000
        );
        let version = it.store.get(it.tenant, &it.group, group(1), Include::default());
        let version = version.expect("it is available").expect("it exists").version;
        assert!(
            version > found.version,
            "a write with the version that was shown fails"
        );
    });
}

#[test]
fn a_list_shows_the_first_thousand_groups_of_a_user() {
    with_large_groups(|_, it| {
        let mut query = it.query(
            &it.user,
            "userName sw \"user5\"",
            "id",
            PageRequest::Index {
                start_index: 1,
                count: 100,
            },
        );
        query.include = ALL;
        let page = it.store.list(it.tenant, &query).expect("it is available");
        let user = Uuid::from_u128(5);
        assert!(page.resources.is_empty());
        assert_eq!((page.rest.len(), page.rest[0].id), (100, user));
        let next = it
            .store
            .next_resources(it.tenant, &page.rest, ALL)
            .expect("it is available");
        assert_eq!((next.keys, next.resources.len()), (1, 1));
        let listed = next.resources[0].groups.as_ref().expect("they were requested");
        let whole = it
            .store
            .get(it.tenant, &it.user, user, ALL)
            .expect("it is available");
        let all = whole.expect("it exists").groups.expect("they were requested");
        assert!(all.len() > 1_100, "{}", all.len());
        assert_eq!(**listed, all[..1_000]);
        let next = it
            .store
            .next_resources(it.tenant, &page.rest[1..], ALL)
            .expect("it is available");
        assert_eq!(next.keys, 32);
    });
}
