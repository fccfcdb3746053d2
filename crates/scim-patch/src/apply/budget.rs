//! The cost that one request may cause.

use scim_model::ScimError;

/// The number of values that one request may examine, so that a hostile request does not keep a server busy. Fifty
/// filters over 100,000 members that no index serves take about half a second.
const MAX_EXAMINED: usize = 5_000_000;

/// The number of values that the request has examined so far.
#[derive(Debug, Default)]
pub(super) struct Budget(usize);

impl Budget {
    /// # Errors
    /// `TooLarge` when the request has examined too many values.
    pub(super) fn spend(&mut self, values: usize) -> Result<(), ScimError> {
        self.0 = self.0.saturating_add(values);
        if self.0 > MAX_EXAMINED {
            return Err(ScimError::too_large(
                "the operations examine too many values: send fewer operations, or select values by `value eq`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_can_be_spent_to_the_last_value_and_no_further() {
        let mut budget = Budget::default();
        assert_eq!(budget.spend(MAX_EXAMINED - 1), Ok(()));
        assert_eq!(budget.spend(1), Ok(()));
        assert!(budget.spend(1).is_err());
        assert!(budget.spend(usize::MAX).is_err());
    }
}
