//! Idempotency keys.

use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::store::{Claim, Claimed};

pub(super) const CASES: &[Case] = cases![
    a_key_belongs_to_the_first_claim,
    a_released_key_can_be_claimed_again,
    a_finished_claim_says_so,
    old_claims_are_deleted,
];

fn new_claim() -> Claim {
    let mut key = [9; 32];
    key[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    Claim {
        key,
        request: [1; 32],
        object: Uuid::now_v7(),
        at: at(10),
    }
}

fn claim(it: &Fixture, claim: &Claim) -> Claimed {
    it.store.claim(claim).expect("the store is available")
}

fn a_key_belongs_to_the_first_claim(it: &Fixture) {
    let first = new_claim();
    assert_eq!(claim(it, &first), Claimed::Now);
    let second = Claim {
        request: [2; 32],
        object: Uuid::now_v7(),
        at: at(11),
        ..first
    };
    assert_eq!(claim(it, &second), Claimed::Before(first));
    assert_eq!(claim(it, &new_claim()), Claimed::Now);
}

fn a_released_key_can_be_claimed_again(it: &Fixture) {
    let first = new_claim();
    let second = Claim {
        object: Uuid::now_v7(),
        ..first
    };
    let release = |claim| it.store.release_claim(claim).expect("the store is available");
    assert_eq!(claim(it, &first), Claimed::Now);
    // It is not the one that has the key.
    release(&second);
    assert_eq!(claim(it, &second), Claimed::Before(first));
    release(&first);
    assert_eq!(claim(it, &second), Claimed::Now);
}

fn a_finished_claim_says_so(it: &Fixture) {
    let first = new_claim();
    let second = Claim {
        object: Uuid::now_v7(),
        ..first
    };
    let finish = |claim| it.store.finish_claim(claim).expect("the store is available");
    assert_eq!(claim(it, &first), Claimed::Now);
    // It is not the one that has the key.
    finish(&second);
    assert_eq!(claim(it, &second), Claimed::Before(first));
    finish(&first);
    assert_eq!(claim(it, &second), Claimed::Done(first));
    it.store.release_claim(&first).expect("the store is available");
    assert_eq!(claim(it, &second), Claimed::Now);
    assert_eq!(claim(it, &first), Claimed::Before(second));
}

fn old_claims_are_deleted(it: &Fixture) {
    let (old, new) = (
        Claim {
            at: at(-1_000_000),
            ..new_claim()
        },
        new_claim(),
    );
    assert_eq!(claim(it, &old), Claimed::Now);
    assert_eq!(claim(it, &new), Claimed::Now);
    let delete = |most| {
        it.store
            .delete_claims(at(-999_999), most)
            .expect("the store is available")
    };
    assert_eq!((delete(1), delete(1)), (1, 0));
    assert_eq!(claim(it, &old), Claimed::Now);
    assert_eq!(claim(it, &new), Claimed::Before(new));
    assert_eq!(delete(10), 1);
}
