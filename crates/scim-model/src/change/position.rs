//! Positions in a journal.

use std::fmt;
use std::str::FromStr;

/// A place in a tenant's journal. `Display` writes it as text, `FromStr` reads that text.
///
/// The default is the beginning of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangePosition {
    /// Number of the entry; every change has a greater one than the changes before it.
    pub sequence: i64,
    /// Time of the entry in milliseconds since 1970. After a backup was restored, another entry may
    /// have the same number; the time tells them apart.
    pub at: i64,
}

impl fmt::Display for ChangePosition {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}-{}", self.sequence, self.at)
    }
}

impl FromStr for ChangePosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<ChangePosition, InvalidPosition> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or(InvalidPosition)
        };
        let (sequence, at) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(ChangePosition {
            sequence: number(sequence)?,
            at: number(at)?,
        })
    }
}

/// The text is not a [`ChangePosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is two numbers, as in `17-1735689600000`")]
pub struct InvalidPosition;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = ChangePosition {
            sequence: 3,
            at: 1_735_689_600_000,
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in [
            "",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "-1-2",
            "1-+2",
            "1-x",
            " 1-2",
            "1-99999999999999999999",
        ] {
            assert_eq!(text.parse::<ChangePosition>(), Err(InvalidPosition), "{text}");
        }
    }
}
