//! The memory for responses that clients have not taken yet.
//!
//! A response of usual size is not counted: the buffers of its connection take it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use scim_model::store::TenantId;

/// The bytes of all large responses that are in memory, with a limit for the process and a limit of half of that for each
/// tenant.
#[derive(Clone, Debug)]
pub struct InFlight {
    limit: usize,
    used: Arc<Mutex<Used>>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    by_tenant: HashMap<TenantId, usize>,
}

/// The memory of one response, which is given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    in_flight: InFlight,
    tenant: TenantId,
    bytes: usize,
}

impl InFlight {
    pub(super) fn new(limit: usize) -> InFlight {
        InFlight {
            limit,
            used: Arc::default(),
        }
    }

    /// Returns the number of bytes of all large responses.
    pub fn bytes(&self) -> usize {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Reserves memory for a response; `None` when a limit is reached. The only response of a tenant may be larger than
    /// the limit of a tenant.
    pub(super) fn reserve(&self, tenant: TenantId, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation {
            in_flight: self.clone(),
            tenant,
            bytes: 0,
        };
        reservation.grow(bytes).then_some(reservation)
    }

    /// Replaces the bytes of a response. `limits` returns whether there is room for them, given the bytes of all other
    /// responses, and of those of the tenant.
    fn replace(
        &self,
        tenant: TenantId,
        before: usize,
        after: usize,
        limits: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = used.by_tenant.get(&tenant).copied().unwrap_or_default();
        let others = (used.all - before, of_tenant - before);
        if !limits(others.0, others.1) {
            return false;
        }
        used.all = others.0 + after;
        if others.1 + after == 0 {
            used.by_tenant.remove(&tenant);
        } else {
            used.by_tenant.insert(tenant, others.1 + after);
        }
        true
    }
}

impl Reservation {
    /// Reserves at least this number of bytes. Returns whether there was room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let limit = self.in_flight.limit;
        let has_room = |others: usize, limit: usize| others == 0 || others.saturating_add(bytes) <= limit;
        let has_grown = self
            .in_flight
            .replace(self.tenant, self.bytes, bytes, |all, of_tenant| {
                has_room(all, limit) && has_room(of_tenant, limit / 2)
            });
        if has_grown {
            self.bytes = bytes;
        }
        has_grown
    }

    /// Records the number of bytes that are in memory.
    pub(super) fn set(&mut self, bytes: usize) {
        self.in_flight
            .replace(self.tenant, self.bytes, bytes, |_, _| true);
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    #[test]
    fn responses_have_a_limit_for_the_process_and_for_each_tenant() {
        let in_flight = InFlight::new(1_000);
        let of_a = in_flight.reserve(A, 400).expect("it is the first");
        assert!(
            in_flight.reserve(A, 200).is_none(),
            "half of the limit is for one tenant"
        );
        let of_b = in_flight.reserve(B, 500).expect("it is another tenant");
        assert!(
            in_flight.reserve(TenantId(3), 200).is_none(),
            "the process has a limit"
        );
        assert_eq!(in_flight.bytes(), 900);
        drop(of_a);
        assert_eq!(in_flight.bytes(), 500);
        drop(of_b);
        assert_eq!(in_flight.bytes(), 0);
    }

    #[test]
    fn the_only_response_may_be_larger_than_the_limit() {
        let in_flight = InFlight::new(1_000);
        let only = in_flight
            .reserve(A, 5_000)
            .expect("it would never be sent otherwise");
        assert!(in_flight.reserve(A, 1).is_none() && in_flight.reserve(B, 1).is_none());
        drop(only);
        assert!(in_flight.reserve(A, 1).is_some());
    }

    #[test]
    fn a_reservation_grows_and_shrinks_with_its_response() {
        let in_flight = InFlight::new(1_000);
        let mut growing = in_flight.reserve(A, 100).expect("it is the first");
        let other = in_flight.reserve(A, 200).expect("there is room");
        assert!(growing.grow(300) && !growing.grow(400));
        assert_eq!(in_flight.bytes(), 500);
        growing.set(50);
        assert_eq!(in_flight.bytes(), 250);
        drop((growing, other));
        assert_eq!(in_flight.bytes(), 0);
    }
}
