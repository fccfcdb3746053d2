//! A part of a result, and the direction in which it is read.

use scim_model::store::Position;

use crate::sql::Sql;

/// The resources that one statement reads, in one order.
pub(crate) struct Part {
    /// Each target by its index, with the test that limits it to positions of this part.
    pub(crate) targets: Vec<(usize, Option<Sql>)>,
    /// Whether some of the targets can have a sort key.
    pub(crate) has_keys: bool,
}

impl Part {
    pub(crate) fn whole(targets: impl IntoIterator<Item = usize>, has_keys: bool) -> Part {
        Part {
            targets: targets.into_iter().map(|it| (it, None)).collect(),
            has_keys,
        }
    }

    /// A whole part, limited to positions that pass a test.
    pub(crate) fn restricted_to(&self, position: Option<&Sql>) -> Part {
        let targets = self.targets.iter().map(|(it, _)| (*it, position.cloned()));
        Part {
            targets: targets.collect(),
            has_keys: self.has_keys,
        }
    }
}

/// Towards the end of the result, or towards its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub(crate) fn of(from: Option<&Position>) -> Direction {
        if from.is_some_and(|it| it.backwards) {
            Direction::Backward
        } else {
            Direction::Forward
        }
    }
}
