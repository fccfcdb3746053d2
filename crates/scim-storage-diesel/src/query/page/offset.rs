//! How a page by index is read: from which place, in which direction, past how many resources.

use std::ops::Range;

use crate::counts;
use crate::error::Failure;
use crate::sql::{Conn, Sql};

use super::{Direction, Listing};

/// What one statement reads, in one order: of some targets all resources, or those that fulfil a
/// condition on their place.
pub(crate) struct Part {
    pub(crate) targets: Vec<(usize, Option<Sql>)>,
    /// Some of them can have a key to be sorted by.
    pub(crate) has_keys: bool,
}

impl Part {
    pub(crate) fn whole(targets: impl IntoIterator<Item = usize>, has_keys: bool) -> Part {
        Part {
            targets: targets.into_iter().map(|it| (it, None)).collect(),
            has_keys,
        }
    }

    /// What of a whole part fulfils a condition on its place.
    fn within(&self, place: Option<&Sql>) -> Part {
        let targets = self.targets.iter().map(|(it, _)| (*it, place.cloned()));
        Part {
            targets: targets.collect(),
            has_keys: self.has_keys,
        }
    }
}

/// How to read a page.
pub(crate) struct Way {
    pub(crate) part: Part,
    pub(super) direction: Direction,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
}

/// Resources that are next to each other in the result.
struct Counted {
    number: u64,
    /// Where they are; `None` when they are all that there is.
    pks: Option<Range<i64>>,
}

impl Counted {
    /// The place of these and all that come after them in a direction.
    fn onwards(&self, ascending: bool) -> Option<Sql> {
        let pks = self.pks.as_ref()?;
        Some(match ascending {
            true => Sql::new("r.pk >= ").int(pks.start),
            false => Sql::new("r.pk < ").int(pks.end),
        })
    }
}

impl Listing<'_> {
    /// How to read a page far into a part, if one is there, and how many resources the part has.
    pub(crate) fn way(
        &self,
        conn: &mut Conn,
        part: &Part,
        skip: u64,
        wanted: u64,
    ) -> Result<(Option<Way>, u64), Failure> {
        let blocks = self.blocks(conn, part)?;
        let total = blocks.iter().map(|it| it.number).sum();
        Ok((self.shortest_way(part, &blocks, skip, wanted), total))
    }

    /// The blocks of a part, in the order of the result: those whose numbers are at hand where all resources of a
    /// type come in the order of creation, else all as one.
    fn blocks(&self, conn: &mut Conn, part: &Part) -> Result<Vec<Counted>, Failure> {
        if let ([(target, None)], false) = (&*part.targets, part.has_keys)
            && self.targets[*target].is_unfiltered()
        {
            self.tell_what_is_left(conn)?;
            let kind = self.targets[*target].layout.kind;
            if let Some(blocks) = counts::blocks(conn, self.tenant, kind)? {
                let counted = blocks.into_iter().map(|it| Counted {
                    number: it.number,
                    pks: Some(it.pks),
                });
                let mut blocks: Vec<Counted> = counted.collect();
                if self.descending {
                    blocks.reverse();
                }
                return Ok(blocks);
            }
        }
        Ok(vec![Counted {
            number: self.count(conn, part)?,
            pks: None,
        }])
    }

    /// The way to a page behind so many resources that passes the fewest: from the start of the block in which
    /// the page starts, or back from the end of the one in which it ends. `None` when nothing is there.
    fn shortest_way(&self, part: &Part, blocks: &[Counted], skip: u64, wanted: u64) -> Option<Way> {
        let total: u64 = blocks.iter().map(|it| it.number).sum();
        let limit = wanted.min(total.saturating_sub(skip));
        let end = skip + limit;
        let mut before = 0;
        let mut forward = None;
        for block in blocks.iter().filter(|_| limit > 0) {
            let through = before + block.number;
            if forward.is_none() && skip < through {
                forward = Some((block, skip - before));
            }
            if end <= through {
                let (start, ahead) = forward?;
                let (from, direction, offset) = match through - end {
                    behind if behind < ahead => (block, Direction::Backward, behind),
                    _ => (start, Direction::Forward, ahead),
                };
                return Some(Way {
                    part: part.within(from.onwards(self.is_ascending(direction)).as_ref()),
                    direction,
                    limit,
                    offset,
                });
            }
            before = through;
        }
        None
    }
}
