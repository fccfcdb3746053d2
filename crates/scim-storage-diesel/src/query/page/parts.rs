//! The parts of a result: each is read by one statement and is, for every resource type, a range of an index.

use scim_model::store::Position;

use super::listing::Listing;
use super::part::{Direction, Part};
use crate::query::sort::{SortKey, SortKind};
use crate::sql::{Sql, sql};

impl Listing<'_> {
    /// Whether a read meets greater keys, later types and later resources. Descending order is the exact reverse
    /// of ascending order, ties included, so that one index serves both.
    pub(crate) fn is_ascending(&self, direction: Direction) -> bool {
        self.descending == (direction == Direction::Backward)
    }

    /// The parts of the whole result.
    pub(crate) fn whole_parts(&self) -> Vec<Part> {
        if self.is_merged {
            return vec![Part::whole(self.order.iter().copied(), true)];
        }
        let part = |target: &usize| Part::whole([*target], self.targets[*target].sort.is_some());
        let parts = self.order.iter().map(part);
        match self.descending {
            true => parts.rev().collect(),
            false => parts.collect(),
        }
    }

    /// The parts after a position, in the order of reading. They are split where sort keys begin or end, and
    /// where keys equal to the position's end.
    pub(crate) fn parts_after(&self, from: Option<&Position>, direction: Direction) -> Vec<Part> {
        let is_ascending = self.is_ascending(direction);
        if !self.is_merged {
            return self.parts_by_type(from, is_ascending);
        }
        // Resources without a key come last in ascending and first in descending order.
        let parts = match (from, from.and_then(|it| it.key.as_deref())) {
            (None, _) if is_ascending => vec![self.with_key(), self.without_key(None)],
            (None, _) => vec![self.without_key(None), self.with_key()],
            (Some(position), Some(key)) => {
                let [equal, beyond] = self.after_key(position, key, is_ascending);
                match is_ascending {
                    true => vec![equal, beyond, self.without_key(None)],
                    false => vec![equal, beyond],
                }
            }
            (Some(position), None) => {
                let rest = self.without_key(Some(&rows_after(position, is_ascending)));
                match is_ascending {
                    true => vec![rest],
                    false => vec![rest, self.with_key()],
                }
            }
        };
        parts.into_iter().filter(|it| !it.targets.is_empty()).collect()
    }

    /// All resources that have a sort key.
    fn with_key(&self) -> Part {
        let targets = self.order.iter().filter_map(|target| {
            let sort = self.targets[*target].sort.as_ref()?;
            Some((*target, Some(sort.is_present())))
        });
        Part {
            targets: targets.collect(),
            has_keys: true,
        }
    }

    /// All resources without a sort key whose position passes a test.
    fn without_key(&self, position: Option<&Sql>) -> Part {
        let targets = self.order.iter().filter_map(|target| {
            let sort = self.targets[*target].sort.as_ref();
            // Every resource has an id and its times.
            if sort.is_some_and(|it| it.kind != SortKind::Text) {
                return None;
            }
            let tests: Vec<Sql> = sort
                .map(SortKey::is_absent)
                .into_iter()
                .chain(position.cloned())
                .collect();
            Some((*target, (!tests.is_empty()).then(|| Sql::join(tests, " AND "))))
        });
        Part {
            targets: targets.collect(),
            has_keys: false,
        }
    }

    /// The resources after a position with this key: those with an equal key, then those with a key beyond it.
    fn after_key(&self, position: &Position, key: &str, is_ascending: bool) -> [Part; 2] {
        // Where every resource has to be examined for its key, reading once is cheaper.
        let is_split = self.order.iter().all(|it| self.targets[*it].sorts_by_column());
        let (mut equal, mut beyond) = (Vec::new(), Vec::new());
        for target in &self.order {
            let Some(sort) = &self.targets[*target].sort else {
                continue;
            };
            let is_beyond = sort.is_beyond(key, is_ascending);
            let is_equal = || sql!("{equal} AND {after}"; equal = sort.equals(key), after = rows_after(position, is_ascending));
            let test = match sort.kind {
                // Ids are unique.
                SortKind::Id => is_beyond,
                _ if is_split => {
                    equal.push((*target, Some(is_equal())));
                    is_beyond
                }
                _ => sql!("({is_beyond} OR {equal})"; is_beyond, equal = is_equal()),
            };
            beyond.push((*target, Some(test)));
        }
        [equal, beyond].map(|targets| Part {
            targets,
            has_keys: true,
        })
    }

    /// The parts after a position where one type comes after the other.
    fn parts_by_type(&self, from: Option<&Position>, is_ascending: bool) -> Vec<Part> {
        let mut order = self.order.clone();
        if !is_ascending {
            order.reverse();
        }
        let position_in = |target: usize| from.filter(|it| usize::from(it.target) == target);
        let part = |target: usize| {
            let sort = self.targets[target].sort.as_ref();
            let test = |it: &Position| match (sort, &it.key) {
                // Only ids are compared here, and ids are unique.
                (Some(sort), Some(key)) => sort.is_beyond(key, is_ascending),
                _ => rows_after(it, is_ascending),
            };
            Part {
                targets: vec![(target, position_in(target).map(test))],
                has_keys: sort.is_some(),
            }
        };
        let is_before = |target: &usize| from.is_some() && position_in(*target).is_none();
        order.into_iter().skip_while(is_before).map(part).collect()
    }
}

/// The test for resources created after a position, or before it in descending order.
fn rows_after(position: &Position, is_ascending: bool) -> Sql {
    let pk = position.row;
    match is_ascending {
        true => sql!("r.pk > {pk}"; pk),
        false => sql!("r.pk < {pk}"; pk),
    }
}
