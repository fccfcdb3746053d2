//! The permits of scans.

use super::*;

fn examined() -> Vec<Examined> {
    vec![Examined {
        resource_type: "User".into(),
        attribute: "title".to_owned(),
    }]
}

fn is_refused(permit: Result<Permit, StoreError>) -> bool {
    matches!(permit, Err(StoreError::TooManyScans { attribute }) if attribute == "title")
}

#[test]
fn one_tenant_cannot_take_all_permits() {
    for (permits, of_one) in [(2, 1), (3, 2), (4, 2), (8, 4)] {
        let admission = ScanAdmission::new(permits, Duration::from_secs(10));
        let admit = |tenant| admission.admit(TenantId(tenant), &examined());
        let mut held: Vec<Permit> = (0..of_one).map(|_| admit(1).expect("a permit is free")).collect();
        assert!(is_refused(admit(1)), "of {permits}");
        held.extend((of_one..permits).map(|_| admit(2).expect("permits are left for others")));
        assert!(is_refused(admit(3)), "of {permits}");
        // A permit that is dropped is free for every tenant.
        held.remove(0);
        drop(admit(3).expect("a permit is free"));
        let counts = &admission.counts()[0];
        assert_eq!((counts.begun, counts.refused), (u64::from(permits) + 1, 2));
    }
}

#[test]
fn every_tenant_can_take_the_only_permit() {
    let admission = ScanAdmission::new(1, Duration::from_secs(10));
    for tenant in [1, 1, 2] {
        assert!(admission.admit(TenantId(tenant), &examined()).is_ok());
    }
}
