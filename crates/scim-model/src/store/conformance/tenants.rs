//! Tenants and their tokens.

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, expect_taken};
use crate::change::MembersStep;
use crate::store::{Connection, ConnectionId, NewToken, StoreError};

pub(super) const CASES: &[Case] = cases![
    tenants_are_isolated_from_each_other,
    tokens_belong_to_tenants,
    the_expiry_of_a_token_only_comes_forward,
    the_use_of_a_token_is_recorded_once_a_minute,
    a_tenant_is_renamed_with_all_that_it_owns,
    a_deleted_tenant_leaves_no_data,
];

fn tenants_are_isolated_from_each_other(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let named = |it: &Fixture| {
        let user = json!({"userName": "bjensen", "displayName": "Babs"});
        it.add(&it.user, user, &[]).expect("the name is free")
    };
    let (mine, theirs) = (named(it), named(&other));
    let group = it.add_group("Guides", &[mine]);
    other.add_group("Guides", &[theirs]);
    assert!(it.read(&it.user, theirs).is_none());
    assert!(!it.delete(&it.user, theirs));
    let update = it.replace(&it.user, theirs, None, json!({"userName": "x"}));
    assert!(matches!(update, Ok(None)), "{update:?}");
    let join = it.change_members(group, vec![MembersStep::Add(vec![theirs])]);
    assert!(matches!(join, Err(StoreError::UnknownMembers(_))), "{join:?}");
    it.change_members(group, vec![MembersStep::Remove(vec![theirs])])
        .expect("nothing happens");
    assert_eq!(
        it.store
            .references(it.tenant, &[theirs])
            .expect("the store is available"),
        []
    );
    for filter in [
        "",
        "userName eq \"bjensen\"",
        "userName sw \"b\"",
        "not (title pr)",
        "groups.display eq \"guides\"",
    ] {
        let found = it.search(&it.user, filter, "");
        assert_eq!((found.total, found.resources[0].id), (1, mine), "{filter}");
    }
    for filter in [format!("members eq \"{theirs}\""), format!("id eq \"{theirs}\"")] {
        assert_eq!(it.search(&it.group, &filter, "").total, 0, "{filter}");
    }
    assert_eq!(it.search(&it.group, "members.display eq \"babs\"", "").total, 1);
    assert!(other.read(&other.user, theirs).is_some());
}

fn a_tenant_is_renamed_with_all_that_it_owns(it: &Fixture) {
    let new = |word: &str| format!("{word} {}", Uuid::now_v7());
    let (from, to, taken) = (new("from"), new("to"), new("taken"));
    let tenant = it.store.create_tenant(&from, at(0)).expect("the name is free");
    it.store.create_tenant(&taken, at(0)).expect("the name is free");
    let named = |name: &str| {
        let tenants = it.store.tenants().expect("the store is available");
        tenants.into_iter().find(|it| it.name == name).map(|it| it.id)
    };
    let rename = |from: &str, to: &str| it.store.rename_tenant(from, to).expect("the name is free");
    assert!(rename(&from, &to) && rename(&to, &to));
    assert_eq!((named(&from), named(&to)), (None, Some(tenant)));
    assert!(!rename(&from, &new("other")));
    expect_taken("name", it.store.rename_tenant(&to, &taken));
    assert_eq!(named(&to), Some(tenant));
    assert!(it.store.hide_tenant(&to).expect("the store is available"));
    assert!(!rename(&to, &from));
    assert!(!it.store.hide_tenant(&to).expect("the store is available"));
    assert!(it.store.delete_tenant(&to).expect("the store is available"));
    // The name is free again.
    assert!(rename(&taken, &to));
}

fn tokens_belong_to_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let new = |of: &Fixture, read_only: bool| {
        let id = Uuid::now_v7();
        let token = NewToken {
            created: at(5),
            expires: read_only.then(|| at(50)),
            read_only,
            name: "for Okta's \"job\"".to_owned(),
            ..of.new_token(id)
        };
        assert!(it.store.create_token(&token).expect("the id is free"));
        id
    };
    let (mine, theirs) = (new(it, true), new(&other, false));
    let found = it.token(mine).expect("it exists");
    assert_eq!(
        (found.id, found.connection.tenant, found.read_only),
        (mine, it.tenant, true)
    );
    assert_eq!(
        (found.created, found.expires, found.revoked, found.last_used),
        (at(5), Some(at(50)), None, None)
    );
    assert!(found.tenant_name.starts_with("tokens belong to tenants"));
    assert_eq!(
        (&*found.name, found.last_four.as_deref()),
        ("for Okta's \"job\"", Some("abcd"))
    );
    assert!(it.token(Uuid::now_v7()).is_none());
    let of_tenant = it
        .store
        .tokens(Some(other.tenant))
        .expect("the store is available");
    assert_eq!(of_tenant.iter().map(|it| it.id).collect::<Vec<_>>(), [theirs]);
    let all: Vec<Uuid> = it
        .store
        .tokens(None)
        .expect("the store is available")
        .iter()
        .map(|it| it.id)
        .collect();
    assert!(all.contains(&mine) && all.contains(&theirs));
    let revoke = |id, now| it.store.revoke_token(id, now).expect("the store is available");
    assert!(revoke(mine, at(6)));
    assert!(revoke(mine, at(7)));
    assert!(!revoke(Uuid::now_v7(), at(6)));
    let revoked = it.token(mine).expect("it exists");
    assert_eq!(revoked.revoked, Some(at(6)), "the first revocation counts");
}

fn the_expiry_of_a_token_only_comes_forward(it: &Fixture) {
    let new = |expires: Option<i64>| {
        let token = NewToken {
            expires: expires.map(at),
            ..it.new_token(Uuid::now_v7())
        };
        assert!(it.store.create_token(&token).expect("the id is free"));
        token.id
    };
    let (endless, late, early, revoked) = (new(None), new(Some(900)), new(Some(300)), new(Some(500)));
    it.store
        .revoke_token(revoked, at(1))
        .expect("the store is available");
    let expiring = |after: i64, before: i64| {
        let tokens = it.store.expiring_tokens(at(after), at(before));
        let tokens = tokens.expect("the store is available").into_iter();
        let of_tenant = tokens.filter(|token| token.connection.tenant == it.tenant);
        of_tenant.map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(expiring(300, 901), [early, late]);
    assert!(expiring(301, 900).is_empty());
    let expire = |id, time| {
        it.store
            .expire_token(id, at(time))
            .expect("the store is available")
    };
    for id in [endless, late, early] {
        assert!(expire(id, 600));
    }
    assert!(!expire(Uuid::now_v7(), 600));
    let expires = |id| it.token(id).expect("it exists").expires;
    assert_eq!(
        [endless, late, early].map(expires),
        [Some(at(600)), Some(at(600)), Some(at(300))]
    );
    let unreplaced = new(Some(600));
    assert_eq!(expiring(300, 901), [unreplaced], "the others were replaced");
}

fn the_use_of_a_token_is_recorded_once_a_minute(it: &Fixture) {
    let token = it.new_token(Uuid::now_v7());
    assert!(it.store.create_token(&token).expect("the id is free"));
    let last_used = || it.token(token.id).expect("it exists").last_used;
    for (used, recorded) in [(100, 100), (159, 100), (130, 100), (160, 160), (500, 500)] {
        it.store
            .record_token_use(token.id, at(used))
            .expect("the store is available");
        assert_eq!(last_used(), Some(at(recorded)), "{used}");
    }
    it.store
        .record_token_use(Uuid::now_v7(), at(600))
        .expect("an unknown token is no error");
}

fn a_deleted_tenant_leaves_no_data(it: &Fixture) {
    let user = it.add_user("bjensen");
    it.add_group("Guides", &[user]);
    let tenants = it.store.tenants().expect("the store is available");
    let tenant = tenants
        .iter()
        .find(|tenant| tenant.id == it.tenant)
        .expect("it exists");
    assert_eq!(tenant.created, at(0));
    expect_taken("name", it.store.create_tenant(&tenant.name, at(0)));
    let mut names: Vec<&str> = tenants.iter().map(|it| it.name.as_str()).collect();
    let sorted = names.clone();
    names.sort_unstable();
    assert_eq!(names, sorted, "tenants are listed by name");
    let (token, connection) = (it.new_token(Uuid::now_v7()), it.connection());
    assert!(it.store.create_token(&token).expect("the id is free"));
    assert!(
        it.store
            .delete_tenant(&tenant.name)
            .expect("the store is available")
    );
    assert!(
        !it.store
            .delete_tenant(&tenant.name)
            .expect("the store is available")
    );
    assert!(it.read(&it.user, user).is_none());
    assert_eq!(it.search(&it.user, "", "").total, 0);
    assert!(it.token(token.id).is_none());
    assert!(
        it.store
            .connections(it.tenant)
            .expect("the store is available")
            .is_empty()
    );
    let another = Connection {
        id: ConnectionId(Uuid::now_v7()),
        name: "entra".to_owned(),
        ..connection
    };
    assert!(
        !it.store
            .create_connection(&another)
            .expect("the store is available")
    );
    assert!(!it.store.create_token(&token).expect("the store is available"));
    let again = it
        .store
        .create_tenant(&tenant.name, at(8))
        .expect("the name is free again");
    assert_ne!(again, it.tenant, "ids are never reused");
}
