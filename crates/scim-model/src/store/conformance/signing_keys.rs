//! The keys that sign security event tokens.

use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::store::StoredSigningKey;

pub(super) const CASES: &[Case] = cases![
    the_first_keys_are_stored_together_and_once,
    one_of_several_keys_follows_another,
];

fn the_first_keys_are_stored_together_and_once(it: &Fixture) {
    let keys = || it.store.signing_keys().expect("the store is available");
    // Keys belong to no tenant, so that other rules and tests may have left some.
    for key in keys() {
        it.store
            .delete_signing_key(key.id)
            .expect("the store is available");
    }
    let key = |algorithm: &str| StoredSigningKey {
        id: Uuid::now_v7(),
        algorithm: algorithm.to_owned(),
        sealed: vec![1, 2],
        public: "{}".to_owned(),
        created: at(1),
        signs_from: at(1),
    };
    let add = |keys: &[StoredSigningKey]| {
        it.store
            .add_first_signing_keys(keys)
            .expect("the store is available")
    };
    let first = [key("A"), key("B")];
    assert!(add(&first));
    assert!(!add(&[key("A"), key("B")]), "another server was faster");
    assert!(!add(&[key("C")]), "these are not the first ones");
    assert_eq!(keys(), first);
    for key in first {
        it.store
            .delete_signing_key(key.id)
            .expect("the store is available");
    }
}

fn one_of_several_keys_follows_another(it: &Fixture) {
    let keys = || it.store.signing_keys().expect("the store is available");
    // The algorithm is that of this rule alone.
    let algorithm = format!("A{}", Uuid::now_v7().simple());
    let mine = || -> Vec<_> {
        keys()
            .into_iter()
            .filter(|it| it.algorithm == algorithm)
            .collect()
    };
    let key = |seconds| StoredSigningKey {
        id: Uuid::now_v7(),
        algorithm: algorithm.clone(),
        sealed: vec![1, 2],
        public: "{}".to_owned(),
        created: at(seconds),
        signs_from: at(seconds + 10),
    };
    let add = |key: &StoredSigningKey, after| {
        it.store
            .add_signing_key(key, after)
            .expect("the store is available")
    };
    let [first, second] = [key(1), key(2)];
    assert!(add(&first, None));
    assert!(!add(&key(1), None), "another server was faster");
    assert!(add(&second, Some(first.id)));
    assert!(!add(&key(2), Some(first.id)), "another server was faster");
    assert!(!add(&key(2), Some(Uuid::now_v7())));
    assert_eq!(mine(), [first.clone(), second.clone()]);
    let delete = |id| it.store.delete_signing_key(id).expect("the store is available");
    assert!(delete(first.id));
    assert!(!delete(first.id));
    assert_eq!(mine(), [second]);
}
