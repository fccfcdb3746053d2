//! The cost that one request may cause.

use scim_model::ScimError;

/// The number of values that one request may look at, so that a hostile request does not keep a server busy. Fifty
/// filters over 100,000 members that no index serves take about half a second.
const MAX_LOOKS: usize = 5_000_000;

/// The number of values that the request has looked at so far.
#[derive(Debug, Default)]
pub(super) struct Budget(usize);

impl Budget {
    /// # Errors
    /// `TooLarge` when the request has looked at too many values.
    pub(super) fn spend(&mut self, looks: usize) -> Result<(), ScimError> {
        self.0 = self.0.saturating_add(looks);
        if self.0 > MAX_LOOKS {
            return Err(ScimError::too_large(
                "the operations look at too many values: send fewer operations, or select values by `value eq`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_can_be_spent_to_the_last_look_and_no_further() {
        let mut budget = Budget::default();
        assert_eq!(budget.spend(MAX_LOOKS - 1), Ok(()));
        assert_eq!(budget.spend(1), Ok(()));
        assert!(budget.spend(1).is_err());
        assert!(budget.spend(usize::MAX).is_err());
    }
}
