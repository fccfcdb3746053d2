//! The leases of streams that are pushed.

use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::fixture::{Case, Fixture};
use super::set_streams::{LONG, delete_others, polled, pushed, state};
use crate::store::SetStreamStatus;

pub(super) const CASES: &[Case] = cases![a_stream_has_one_worker_at_a_time, workers_share_the_streams];

fn workers_share_the_streams(it: &Fixture) {
    delete_others(it);
    let mut ids: Vec<Uuid> = (0..5).map(|_| pushed(it).id).collect();
    ids.sort();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let lease = |worker| {
        let leases = it.store.lease_set_streams(worker, LONG);
        let mut leases = leases.expect("the store is available");
        leases.ids.sort();
        (leases.ids, leases.share)
    };
    let release = |worker, ids: Option<&[Uuid]>| {
        let released = it.store.release_set_streams(worker, ids);
        released.expect("the store is available");
    };
    assert_eq!(lease(one), (ids.clone(), 5));
    assert_eq!(lease(other), (Vec::new(), 3));
    assert_eq!(
        lease(one),
        (ids.clone(), 3),
        "the worker decides which streams it gives up"
    );
    release(one, Some(&ids[3..]));
    assert_eq!(lease(other), (ids[3..].to_vec(), 3));
    assert_eq!(lease(one), (ids[..3].to_vec(), 3));
    release(one, None);
    assert_eq!(lease(other), (ids, 5));
    release(other, None);
    delete_others(it);
}

fn a_stream_has_one_worker_at_a_time(it: &Fixture) {
    delete_others(it);
    let (waiting, stream) = (polled(it), pushed(it));
    let off = pushed(it);
    let disabled = state(SetStreamStatus::Disabled, "", 9);
    let changed = it.store.change_set_stream(off.id, &disabled, None);
    assert!(changed.expect("the store is available"));
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    let lease = |worker, lease| {
        let leases = it.store.lease_set_streams(worker, lease);
        let ids = leases.expect("the store is available").ids;
        assert!(!ids.contains(&waiting.id) && !ids.contains(&off.id));
        ids.contains(&stream.id)
    };
    assert!(lease(one, LONG));
    assert!(!lease(other, LONG));
    assert!(lease(one, TimeDelta::milliseconds(50)), "a lease can be renewed");
    thread::sleep(Duration::from_millis(100));
    assert!(lease(other, LONG), "the lease has ended");
    assert!(!lease(one, LONG));
    it.store
        .release_set_streams(other, None)
        .expect("the store is available");
    assert!(lease(one, LONG));
    it.store
        .release_set_streams(one, None)
        .expect("the store is available");
}
