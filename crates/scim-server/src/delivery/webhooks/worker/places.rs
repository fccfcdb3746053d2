//! The places for requests of this process, and who may take one.
//!
//! A tenant whose endpoints are many, slow or busy must not delay the webhooks of another one. An endpoint starts a
//! request only while its tenant has fewer requests under way than there are free places. A tenant alone thus gets half of
//! the places, two get a third each, and a place is always left for one more.

use std::collections::HashMap;

use scim_model::store::{TenantId, WebhookSettings};
use uuid::Uuid;

/// The most requests of this process at the same time.
const MAX_IN_FLIGHT: usize = 64;

/// The most requests at the same time to endpoints that are slow or fail, so that they never take the room of others.
const MAX_SUSPECT_IN_FLIGHT: usize = 32;

/// The tenants that a request counts for; `None` for the operator, whose endpoints get the events of all tenants.
#[derive(Clone, Debug)]
pub(super) struct Owners(Vec<Option<TenantId>>);

impl Owners {
    pub(super) fn of(settings: &WebhookSettings) -> Owners {
        Owners(match &settings.tenants {
            None => vec![None],
            Some(tenants) => tenants.iter().map(|it| Some(*it)).collect(),
        })
    }
}

/// A place that a request has taken.
#[derive(Clone, Debug)]
pub(super) struct Place {
    endpoint: Uuid,
    owners: Owners,
    is_suspect: bool,
}

/// The requests under way, also those that an earlier queue of an endpoint has started.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_endpoint: HashMap<Uuid, usize>,
    by_owner: HashMap<Option<TenantId>, usize>,
    all: usize,
    suspects: usize,
}

impl Places {
    /// Returns the number of requests to an endpoint.
    pub(super) fn of(&self, endpoint: Uuid) -> usize {
        self.by_endpoint.get(&endpoint).copied().unwrap_or_default()
    }

    /// Returns whether no request is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// Returns whether there is a place for a request. `is_suspect` says whether the endpoint is likely to keep it.
    pub(super) fn has_room(&self, owners: &Owners, is_suspect: bool) -> bool {
        let free = MAX_IN_FLIGHT - self.all;
        let has_share = |owner| self.by_owner.get(owner).copied().unwrap_or_default() < free;
        (!is_suspect || self.suspects < MAX_SUSPECT_IN_FLIGHT) && owners.0.iter().all(has_share)
    }

    /// Takes a place, which [`Places::has_room`] has promised.
    pub(super) fn take(&mut self, endpoint: Uuid, owners: &Owners, is_suspect: bool) -> Place {
        *self.by_endpoint.entry(endpoint).or_default() += 1;
        for owner in &owners.0 {
            *self.by_owner.entry(*owner).or_default() += 1;
        }
        self.all += 1;
        self.suspects += usize::from(is_suspect);
        Place {
            endpoint,
            owners: owners.clone(),
            is_suspect,
        }
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, place: &Place) {
        let Place {
            endpoint,
            owners,
            is_suspect,
        } = place;
        count_down(&mut self.by_endpoint, endpoint);
        for owner in &owners.0 {
            count_down(&mut self.by_owner, owner);
        }
        self.all -= 1;
        self.suspects -= usize::from(*is_suspect);
    }
}

fn count_down<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenants: Option<&[i64]>) -> Owners {
        Owners::of(&WebhookSettings {
            url: String::new(),
            tenants: tenants.map(|ids| ids.iter().map(|it| TenantId(*it)).collect()),
            types: Vec::new(),
            full: true,
            headers: None,
        })
    }

    /// Takes as many places as possible.
    fn flood(places: &mut Places, owners: &Owners, is_suspect: bool) -> Vec<Place> {
        let mut taken = Vec::new();
        while places.has_room(owners, is_suspect) {
            taken.push(places.take(Uuid::from_u128(taken.len() as u128 / 4), owners, is_suspect));
        }
        taken
    }

    #[test]
    fn evt_29_a_tenant_leaves_places_for_others() {
        let mut places = Places::default();
        let mut taken = Vec::new();
        let floods = [Some(&[1][..]), Some(&[2]), Some(&[3]), None, Some(&[4])];
        for (tenants, expected) in floods.into_iter().zip([32, 16, 8, 4, 2]) {
            let more = flood(&mut places, &of(tenants), false);
            assert_eq!(more.len(), expected, "{tenants:?}");
            taken.extend(more);
        }
        // An endpoint of two tenants has no more than each of them.
        assert!(!places.has_room(&of(Some(&[1, 9])), false));
        assert!(places.has_room(&of(Some(&[9])), false));
        assert_eq!(places.of(Uuid::from_u128(0)), 4 * 4 + 2);
        taken.iter().for_each(|it| places.give_back(it));
        assert!(places.is_empty() && places.by_endpoint.is_empty() && places.by_owner.is_empty());
        assert_eq!(places.suspects, 0);
    }

    #[test]
    fn evt_29_busy_tenants_end_with_equal_shares() {
        let (one, other) = (of(Some(&[1])), of(Some(&[2])));
        let mut places = Places::default();
        let mut taken = flood(&mut places, &one, false);
        let mut others = flood(&mut places, &other, false);
        // Each request that ends makes room for one of the tenant that has fewer.
        for _ in 0..40 {
            if let Some(place) = taken.pop() {
                places.give_back(&place);
            }
            others.extend(flood(&mut places, &other, false));
            taken.extend(flood(&mut places, &one, false));
        }
        assert!(
            taken.len().abs_diff(others.len()) <= 1,
            "{} {}",
            taken.len(),
            others.len()
        );
        assert!(places.all < MAX_IN_FLIGHT);
    }

    #[test]
    fn slow_endpoints_have_half_of_the_places() {
        let mut places = Places::default();
        for tenant in 1..10 {
            flood(&mut places, &of(Some(&[tenant])), true);
        }
        assert_eq!(places.suspects, MAX_SUSPECT_IN_FLIGHT);
        assert!(places.has_room(&of(Some(&[20])), false));
    }
}
