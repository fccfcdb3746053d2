//! The shortest read for a page by index: where it starts, in which direction, and how many it skips.

use std::ops::Range;

use super::listing::Listing;
use super::part::{Direction, Part};
use crate::connection::Conn;
use crate::counts;
use crate::error::Failure;
use crate::sql::{Sql, sql};

/// One statement of a page: the part that it reads, and how.
pub(crate) struct PartRead {
    pub(crate) part: Part,
    pub(crate) direction: Direction,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
}

/// Neighbours in the result whose number is known.
struct Block {
    count: u64,
    /// Where they are; `None` when the block is everything.
    pks: Option<Range<i64>>,
}

impl Block {
    /// The test for the position of these resources and all after them in a direction.
    fn onwards(&self, is_ascending: bool) -> Option<Sql> {
        let pks = self.pks.as_ref()?;
        Some(match is_ascending {
            true => sql!("r.pk >= {start}"; start = pks.start),
            false => sql!("r.pk < {end}"; end = pks.end),
        })
    }
}

impl Listing<'_> {
    /// How to read the page after `skip` resources of a part, and how many resources the part has. A page
    /// past the end needs no read.
    pub(crate) fn part_read(
        &self,
        conn: &mut Conn,
        part: &Part,
        skip: u64,
        wanted: u64,
    ) -> Result<(Option<PartRead>, u64), Failure> {
        let blocks = self.blocks(conn, part)?;
        let total = blocks.iter().map(|it| it.count).sum();
        Ok((self.shortest_read(part, &blocks, skip, wanted), total))
    }

    /// The blocks of a part, in the order of the result. Counters know them where all resources of a type come in
    /// the order of creation; otherwise the whole part is one block.
    fn blocks(&self, conn: &mut Conn, part: &Part) -> Result<Vec<Block>, Failure> {
        if let ([(target, None)], false) = (&*part.targets, part.has_keys)
            && self.targets[*target].is_unfiltered()
        {
            self.refresh_statement_timeout(conn)?;
            let kind = self.targets[*target].layout.kind;
            if let Some(counted) = counts::blocks(conn, self.tenant, kind)? {
                let blocks = counted.into_iter().map(|it| Block {
                    count: it.count,
                    pks: Some(it.pks),
                });
                let mut blocks: Vec<Block> = blocks.collect();
                if self.descending {
                    blocks.reverse();
                }
                return Ok(blocks);
            }
        }
        Ok(vec![Block {
            count: self.count(conn, part)?,
            pks: None,
        }])
    }

    /// The read that skips the fewest resources: forward from the start of the block in which the page starts, or
    /// backward from the end of the block in which it ends.
    fn shortest_read(&self, part: &Part, blocks: &[Block], skip: u64, wanted: u64) -> Option<PartRead> {
        let total: u64 = blocks.iter().map(|it| it.count).sum();
        let limit = wanted.min(total.saturating_sub(skip));
        let end = skip + limit;
        let mut before = 0;
        let mut forward = None;
        for block in blocks.iter().filter(|_| limit > 0) {
            let through = before + block.count;
            if forward.is_none() && skip < through {
                forward = Some((block, skip - before));
            }
            if end <= through {
                let (start, skipped) = forward?;
                let (from, direction, offset) = match through - end {
                    left if left < skipped => (block, Direction::Backward, left),
                    _ => (start, Direction::Forward, skipped),
                };
                return Some(PartRead {
                    part: part.restricted_to(from.onwards(self.is_ascending(direction)).as_ref()),
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
