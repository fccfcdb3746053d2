//! The tolerances that the operations of a PATCH needed.

use scim_model::{Policy, Tolerance};

/// The tolerances that a PATCH has needed so far, each once for an operation.
#[derive(Debug)]
pub(crate) struct Tolerances {
    /// The tolerances of the current operation, with the policy.
    current: scim_model::Tolerances,
    /// The tolerances of earlier operations.
    earlier: Vec<Tolerance>,
}

impl Tolerances {
    pub(crate) fn new(policy: Policy) -> Tolerances {
        Tolerances {
            current: scim_model::Tolerances::new(policy),
            earlier: Vec::new(),
        }
    }

    /// Begins an operation.
    pub(crate) fn next_operation(&mut self) {
        self.earlier.extend(self.current.take());
    }

    /// Drops the entries of the current operation, because the operation will be carried out elsewhere and
    /// reported there.
    pub(crate) fn forget_operation(&mut self) {
        self.current.take();
    }

    pub(crate) fn into_used(mut self) -> Vec<Tolerance> {
        self.next_operation();
        self.earlier
    }

    pub(crate) fn is_lenient(&self) -> bool {
        self.current.is_lenient()
    }

    /// Returns whether the policy accepts the tolerance, and records its use if so.
    pub(crate) fn allow(&mut self, tolerance: Tolerance) -> bool {
        self.current.allow(tolerance)
    }

    /// Returns the record of the current operation, for functions of `scim-model`.
    pub(crate) fn current(&self) -> &scim_model::Tolerances {
        &self.current
    }
}
