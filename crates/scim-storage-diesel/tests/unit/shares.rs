//! The order in which tenants get connections.

use std::sync::mpsc::channel;
use std::thread;

use super::*;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);
const C: TenantId = TenantId(3);

const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::MAX;

fn is_waiting(shares: &Shares, tenant: TenantId, number: usize) -> bool {
    let state = shares.state();
    state
        .tenants
        .get(&tenant)
        .is_some_and(|it| it.waiting.len() == number)
}

#[test]
fn a_tenant_alone_uses_all_connections_but_one() {
    let shares = Shares::of(4, NEVER);
    let of_a: Vec<_> = (0..3).map(|_| shares.wait_for(A, SOON).ok()).collect();
    assert!(of_a.iter().all(Option::is_some));
    assert!(matches!(shares.wait_for(A, SOON), Err(StoreError::Busy)));
    let of_b = shares.wait_for(B, SOON);
    assert!(of_b.is_ok(), "one is left for another tenant");
    assert!(shares.wait_for(C, SOON).is_err(), "all are in use");
    drop((of_a, of_b));
    assert_eq!(shares.state().used.len(), 0);
    assert!(shares.state().tenants.is_empty());
}

#[test]
fn a_single_connection_is_for_all_tenants() {
    let shares = Shares::of(1, NEVER);
    drop(shares.wait_for(A, SOON).expect("it is free"));
    let of_b = shares.wait_for(B, SOON).expect("it is free again");
    assert!(shares.wait_for(A, SOON).is_err());
    drop(of_b);
}

/// The order of the admissions when A has all the connections that it may have and much more work, and others come later.
#[test]
fn the_next_connection_is_for_the_tenant_that_uses_the_fewest() {
    let shares = Shares::of(2, NEVER);
    let first = shares.wait_for(A, SOON).expect("it is free");
    let other = shares.wait_for(C, SOON).expect("it is free");
    let (admitted, order) = channel();
    let (end, _) = channel::<()>();
    drop(end);
    thread::scope(|scope| {
        for (tenant, number) in [(A, 1), (A, 2), (A, 3), (B, 1), (B, 2)] {
            let (shares, admitted) = (&shares, admitted.clone());
            scope.spawn(move || {
                let share = shares
                    .wait_for(tenant, Duration::from_secs(20))
                    .expect("its turn comes");
                admitted.send(tenant).expect("the test waits");
                drop(share);
            });
            while !is_waiting(shares, tenant, number) {
                thread::yield_now();
            }
        }
        // A connection is free again, and A still has the other one.
        drop(other);
        assert_eq!(order.recv(), Ok(B), "B uses none");
        drop(first);
        let rest: Vec<TenantId> = (0..4).map(|_| order.recv().expect("all are admitted")).collect();
        assert_eq!(rest.iter().filter(|it| **it == A).count(), 3);
    });
    assert!(shares.state().tenants.is_empty());
}

#[test]
fn work_that_gives_up_leaves_the_queue() {
    let shares = Shares::of(2, NEVER);
    let of_a = shares.wait_for(A, SOON).expect("it is free");
    assert!(shares.wait_for(A, SOON).is_err());
    assert!(is_waiting(&shares, A, 0));
    drop(of_a);
    assert!(shares.wait_for(A, SOON).is_ok());
}

#[test]
fn overdue_work_loses_its_share() {
    let shares = Shares::of(1, SOON);
    let overdue = shares.wait_for(A, SOON).expect("it is free");
    let next = shares.wait_for(A, SOON * 20).expect("the first one is overdue");
    drop(overdue);
    assert!(
        shares.wait_for(B, Duration::ZERO).is_err(),
        "the second one has the connection"
    );
    drop(next);
    assert!(shares.wait_for(B, SOON).is_ok());
    assert!(shares.state().tenants.is_empty());
}
