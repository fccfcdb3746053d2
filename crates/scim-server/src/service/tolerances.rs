//! Counters of the requests that needed a tolerance, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use scim_model::Tolerance;

use super::requester::{ClientNames, Requester};

/// The most clients that are counted separately. All others are counted together, under the name [`OTHERS`].
const MOST_CLIENTS: usize = 1_000;

/// The name under which the other clients are counted. No tenant and no connection can have it.
pub const OTHERS: &str = "(other)";

/// A counter for each client and tolerance.
#[derive(Debug, Default)]
pub struct ToleranceCounts {
    operations: Mutex<Counters>,
    requests: Mutex<Counters>,
}

type Counters = BTreeMap<ClientNames, [u64; Tolerance::ALL.len()]>;

/// How often a client needed a tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToleranceTotal {
    /// The client.
    pub client: ClientNames,
    /// The tolerance.
    pub tolerance: Tolerance,
    /// The number, which is not 0.
    pub number: u64,
}

impl ToleranceCounts {
    /// Returns the number of PATCH operations for each client and tolerance. A tolerance that the body needs outside
    /// its operations counts once for the request.
    pub fn totals(&self) -> Vec<ToleranceTotal> {
        totals(&self.operations)
    }

    /// Returns the number of other requests for each client and tolerance: POST, PUT and queries.
    pub fn request_totals(&self) -> Vec<ToleranceTotal> {
        totals(&self.requests)
    }

    pub(super) fn record<'a>(&self, requester: &Requester, needed: impl IntoIterator<Item = &'a Tolerance>) {
        add(&self.operations, &requester.names, needed);
    }

    pub(super) fn record_request<'a>(
        &self,
        requester: &Requester,
        needed: impl IntoIterator<Item = &'a Tolerance>,
    ) {
        add(&self.requests, &requester.names, needed);
    }
}

fn totals(counters: &Mutex<Counters>) -> Vec<ToleranceTotal> {
    let counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    let each = counters.iter().flat_map(|(client, numbers)| {
        let numbers = Tolerance::ALL.into_iter().zip(numbers);
        numbers.map(|(tolerance, number)| ToleranceTotal {
            client: client.clone(),
            tolerance,
            number: *number,
        })
    });
    each.filter(|it| it.number > 0).collect()
}

fn add<'a>(
    counters: &Mutex<Counters>,
    client: &ClientNames,
    needed: impl IntoIterator<Item = &'a Tolerance>,
) {
    let mut needed = needed.into_iter().peekable();
    if needed.peek().is_none() {
        return;
    }
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    let client = match counters.len() >= MOST_CLIENTS && !counters.contains_key(client) {
        true => &ClientNames {
            tenant: OTHERS.into(),
            connection: OTHERS.into(),
        },
        false => client,
    };
    let numbers = counters
        .entry(client.clone())
        .or_insert([0; Tolerance::ALL.len()]);
    for tolerance in needed {
        let numbers = Tolerance::ALL.iter().zip(numbers.iter_mut());
        for (_, number) in numbers.filter(|(it, _)| *it == tolerance) {
            *number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_beyond_the_limit_are_counted_together() {
        let counters = Mutex::default();
        for number in 0..MOST_CLIENTS + 5 {
            let client = ClientNames {
                tenant: format!("t{number}").into(),
                connection: "default".into(),
            };
            add(&counters, &client, [&Tolerance::ALL[0]]);
            add(&counters, &client, []);
        }
        let totals = totals(&counters);
        assert_eq!(totals.len(), MOST_CLIENTS + 1);
        let others = totals.iter().find(|it| &*it.client.tenant == OTHERS);
        assert_eq!(others.map(|it| it.number), Some(5));
    }
}
