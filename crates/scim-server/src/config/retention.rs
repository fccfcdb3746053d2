//! The time for which journal entries are kept.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// The days for which journal entries are kept; `None` keeps all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(pub Option<u32>);

impl Retention {
    /// Returns the time before which entries are dropped; `None` if all are kept.
    pub fn drops_before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(TimeDelta::days(self.0?.into()))
    }
}

impl FromStr for Retention {
    type Err = String;

    /// Reads a number of days. `0`, which other tools use for "no limit" too, is `forever`.
    fn from_str(text: &str) -> Result<Retention, String> {
        if text == "forever" {
            return Ok(Retention(None));
        }
        match text.parse() {
            Ok(0) => Ok(Retention(None)),
            Ok(days @ 1..=36_500) => Ok(Retention(Some(days))),
            _ => Err("expected 1 to 36500 days, or `forever` or 0 to keep all".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_kept_for_some_days_or_forever() {
        assert_eq!("1".parse(), Ok(Retention(Some(1))));
        assert_eq!("36500".parse(), Ok(Retention(Some(36_500))));
        assert_eq!("0".parse(), Ok(Retention(None)));
        assert_eq!("forever".parse(), Ok(Retention(None)));
        for text in ["", "-1", "x", "36501", "99999999999"] {
            let error = text.parse::<Retention>().unwrap_err();
            assert!(error.contains("`forever` or 0 to keep all"), "{error}");
        }
    }
}
