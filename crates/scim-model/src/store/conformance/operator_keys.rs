//! Operator keys, their limits and their end.

use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::store::{NewOperatorKey, OperatorKey, OperatorScope, TenantId};

pub(super) const CASES: &[Case] = cases![
    an_operator_key_is_found_by_its_hash,
    an_operator_key_may_be_limited_to_tenants,
    a_limited_operator_key_stays_limited_when_its_tenants_are_deleted,
    an_operator_key_for_an_unknown_tenant_is_not_stored,
    the_first_revocation_of_an_operator_key_counts,
    the_use_of_an_operator_key_is_recorded_once_a_minute,
];

fn new_key(tenants: Option<Vec<TenantId>>) -> NewOperatorKey {
    let id = Uuid::now_v7();
    NewOperatorKey {
        id,
        name: "for the product's \"job\"".to_owned(),
        scope: OperatorScope::Events,
        tenants,
        sha256: hash(id),
        last_four: "abcd".to_owned(),
        created: at(1),
        expires: Some(at(100)),
    }
}

fn hash(id: Uuid) -> [u8; 32] {
    let mut sha256 = [7; 32];
    sha256[..16].copy_from_slice(id.as_bytes());
    sha256
}

fn create(it: &Fixture, key: &NewOperatorKey) -> bool {
    it.store.create_operator_key(key).expect("the store is available")
}

fn found(it: &Fixture, id: Uuid) -> Option<OperatorKey> {
    it.store
        .operator_key_by_hash(&hash(id))
        .expect("the store is available")
}

/// The names of the tenants that a key is limited to.
fn tenants(it: &Fixture, id: Uuid) -> Option<Vec<TenantId>> {
    let key = found(it, id).expect("it is stored");
    Some(key.tenants?.into_iter().map(|it| it.id).collect())
}

fn an_operator_key_is_found_by_its_hash(it: &Fixture) {
    let new = new_key(None);
    assert!(create(it, &new));
    let unlimited = NewOperatorKey {
        scope: OperatorScope::Admin,
        expires: None,
        created: at(2),
        ..new_key(None)
    };
    assert!(create(it, &unlimited));
    let key = found(it, new.id).expect("it is stored");
    let expected = OperatorKey {
        id: new.id,
        name: new.name,
        scope: OperatorScope::Events,
        tenants: None,
        last_four: "abcd".to_owned(),
        created: at(1),
        expires: Some(at(100)),
        revoked: None,
        last_used: None,
    };
    assert_eq!(key, expected);
    assert!(key.is_valid(at(99)) && !key.is_valid(at(100)));
    assert!(
        found(it, unlimited.id)
            .expect("it is stored")
            .is_valid(at(1_000_000))
    );
    assert_eq!(found(it, Uuid::now_v7()), None);
    let keys = it.store.operator_keys().expect("the store is available");
    let ids: Vec<Uuid> = keys
        .iter()
        .map(|it| it.id)
        .filter(|it| [new.id, unlimited.id].contains(it))
        .collect();
    assert_eq!(ids, [new.id, unlimited.id]);
    assert!(keys.contains(&expected));
}

fn an_operator_key_may_be_limited_to_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let both = new_key(Some(vec![it.tenant, other.tenant]));
    let one = new_key(Some(vec![other.tenant, other.tenant]));
    assert!(create(it, &both) && create(it, &one));
    let mut of_both = tenants(it, both.id).expect("it is limited");
    of_both.sort();
    assert_eq!(of_both, [it.tenant, other.tenant]);
    assert_eq!(tenants(it, one.id), Some(vec![other.tenant]));
    let keys = it.store.operator_keys().expect("the store is available");
    let listed = keys.into_iter().find(|it| it.id == one.id);
    assert_eq!(listed, found(it, one.id));
}

fn a_limited_operator_key_stays_limited_when_its_tenants_are_deleted(it: &Fixture) {
    let name = format!("limited {}", Uuid::now_v7());
    let tenant = it.store.create_tenant(&name, at(0)).expect("the name is free");
    let new = new_key(Some(vec![tenant]));
    assert!(create(it, &new));
    assert!(it.store.delete_tenant(&name).expect("the store is available"));
    assert_eq!(tenants(it, new.id), Some(vec![]));
    // A new tenant with the name is another one.
    it.store.create_tenant(&name, at(0)).expect("the name is free");
    assert_eq!(tenants(it, new.id), Some(vec![]));
}

fn an_operator_key_for_an_unknown_tenant_is_not_stored(it: &Fixture) {
    let new = new_key(Some(vec![it.tenant, TenantId(i64::MAX)]));
    assert!(!create(it, &new));
    assert_eq!(found(it, new.id), None);
}

fn the_first_revocation_of_an_operator_key_counts(it: &Fixture) {
    let new = new_key(None);
    assert!(create(it, &new));
    let revoke = |id, time| {
        it.store
            .revoke_operator_key(id, at(time))
            .expect("the store is available")
    };
    assert!(revoke(new.id, 5) && revoke(new.id, 9));
    let key = found(it, new.id).expect("it stays");
    assert_eq!(key.revoked, Some(at(5)));
    assert!(!key.is_valid(at(2)));
    assert!(!revoke(Uuid::now_v7(), 5));
}

fn the_use_of_an_operator_key_is_recorded_once_a_minute(it: &Fixture) {
    let new = new_key(None);
    assert!(create(it, &new));
    let used = |time| {
        it.store
            .record_operator_key_use(new.id, at(time))
            .expect("the store is available");
        found(it, new.id).expect("it exists").last_used
    };
    assert_eq!(used(10), Some(at(10)));
    assert_eq!(used(69), Some(at(10)));
    assert_eq!(used(70), Some(at(70)));
}
