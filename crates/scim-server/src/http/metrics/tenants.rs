//! The names of tenants as labels. Their number is bounded, because each value of a label makes a new series.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::service::OTHERS;

/// The tenants that have a label.
#[derive(Debug)]
pub(super) struct TenantLabels {
    most: usize,
    known: Mutex<HashSet<String>>,
}

impl TenantLabels {
    /// Creates labels for the first `most` tenants that are seen.
    pub(super) fn new(most: usize) -> TenantLabels {
        TenantLabels {
            most,
            known: Mutex::default(),
        }
    }

    /// Returns the label of a tenant: its name, or [`OTHERS`] for a tenant beyond the limit. Without a tenant, it is empty.
    pub(super) fn of<'a>(&self, name: &'a str) -> &'a str {
        if name.is_empty() {
            return "";
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) {
            return name;
        }
        if known.len() >= self.most {
            return OTHERS;
        }
        known.insert(name.to_owned());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_beyond_the_limit_share_a_label() {
        let labels = TenantLabels::new(2);
        let of = |names: &[&'static str]| names.iter().map(|it| labels.of(it)).collect::<Vec<_>>();
        assert_eq!(
            of(&["a", "", "b", "c", "a", "d"]),
            ["a", "", "b", OTHERS, "a", OTHERS]
        );
        assert_eq!(TenantLabels::new(0).of("a"), OTHERS);
    }
}
