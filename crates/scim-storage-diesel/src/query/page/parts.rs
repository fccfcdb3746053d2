//! The parts of a result, in the order in which they are read.

use scim_model::store::Position;

use super::listing::{Listing, Part};
use crate::query::sort::{SortKey, SortKind};
use crate::sql::{Sql, sql};

impl Listing<'_> {
    /// The parts of the whole result.
    pub(super) fn whole_parts(&self) -> Vec<Part> {
        if !self.is_merged {
            return self.parts_by_type(None, !self.descending);
        }
        vec![Part {
            targets: self.order.iter().map(|target| (*target, None)).collect(),
            has_keys: true,
        }]
    }

    /// The parts after a position. They are split where sort keys begin or end, and where keys equal to the
    /// position's end.
    pub(super) fn parts_after(&self, from: Option<&Position>) -> Vec<Part> {
        let is_ascending = self.is_ascending(from);
        if !self.is_merged {
            return self.parts_by_type(from, is_ascending);
        }
        let with_key = || self.with_key(|sort| Some(sort.is_present()));
        // Resources without a key come last in ascending and first in descending order.
        let parts = match from.map(|it| (it, it.key.as_deref())) {
            None if is_ascending => vec![with_key(), self.without_key(None)],
            None => vec![self.without_key(None), with_key()],
            Some((position, Some(key))) => {
                let mut parts = self.after_key(position, key, is_ascending);
                parts.extend(is_ascending.then(|| self.without_key(None)));
                parts
            }
            Some((position, None)) => {
                let mut parts = vec![self.without_key(Some(&rows_after(position, is_ascending)))];
                parts.extend((!is_ascending).then(with_key));
                parts
            }
        };
        parts.into_iter().filter(|it| !it.targets.is_empty()).collect()
    }

    /// The resources whose sort key passes a test; `None` where no resource of a target does.
    fn with_key(&self, test: impl Fn(&SortKey) -> Option<Sql>) -> Part {
        let targets = self.order.iter().filter_map(|target| {
            let sort = self.targets[*target].sort.as_ref()?;
            Some((*target, Some(test(sort)?)))
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
    fn after_key(&self, position: &Position, key: &str, is_ascending: bool) -> Vec<Part> {
        // If every resource has to be examined for its key, reading once is cheaper.
        let is_split = !self.order.iter().any(|it| self.targets[*it].sort_reads_normal);
        let equal = |sort: &SortKey| {
            let (equal, after) = (sort.equals(key), rows_after(position, is_ascending));
            // Ids are unique.
            (sort.kind != SortKind::Id).then(|| sql!("{equal} AND {after}"; equal, after))
        };
        let beyond = |sort: &SortKey| {
            let is_beyond = sort.is_beyond(key, is_ascending);
            Some(match equal(sort).filter(|_| !is_split) {
                Some(equal) => sql!("({is_beyond} OR {equal})"; is_beyond, equal),
                None => is_beyond,
            })
        };
        vec![
            self.with_key(|sort| equal(sort).filter(|_| is_split)),
            self.with_key(beyond),
        ]
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
