//! The shortest read for a page by index: where it starts, in which direction, and how many resources it skips.

use std::ops::Range;

use super::listing::{Listing, Part, Read};
use crate::connection::Conn;
use crate::counts;
use crate::error::Failure;
use crate::sql::sql;

/// Consecutive resources of the result, whose number is known.
struct Block {
    count: u64,
    /// Their range of `pk`; `None` when the block is the whole part.
    pks: Option<Range<i64>>,
}

impl Listing<'_> {
    /// Returns how to read the page after `skip` resources of a part, and the number of resources in the part if it
    /// had to be determined. A page past the end needs no read.
    pub(super) fn read_after(
        &self,
        conn: &mut Conn,
        part: &Part,
        skip: u64,
        wanted: u64,
    ) -> Result<(Option<Read>, Option<u64>), Failure> {
        if skip > 0 {
            let blocks = self.blocks(conn, part)?;
            let total = blocks.iter().map(|it| it.count).sum();
            return Ok((self.shortest_read(part, &blocks, skip, wanted), Some(total)));
        }
        let read = Read {
            part: part.clone(),
            is_ascending: !self.descending,
            limit: wanted,
            offset: 0,
        };
        Ok((Some(read), None))
    }

    /// The blocks of a part, in the order of the result. Counters know them where all resources of a type come in
    /// the order of creation; otherwise the whole part is one block.
    fn blocks(&self, conn: &mut Conn, part: &Part) -> Result<Vec<Block>, Failure> {
        if let ([(target, None)], false) = (&*part.targets, part.has_keys)
            && self.targets[*target].is_unfiltered()
        {
            self.refresh_statement_timeout(conn)?;
            let kind = self.targets[*target].layout().kind;
            if let Some(counted) = counts::blocks(conn, self.scope.tenant, kind)? {
                let blocks = counted.into_iter().map(|(pks, count)| Block {
                    count,
                    pks: Some(pks),
                });
                return Ok(match self.descending {
                    true => blocks.rev().collect(),
                    false => blocks.collect(),
                });
            }
        }
        let count = self.count(conn, part)?;
        Ok(vec![Block { count, pks: None }])
    }

    /// The read that skips the fewest resources: forward from the start of the block in which the page starts, or
    /// backward from the end of the block in which it ends.
    fn shortest_read(&self, part: &Part, blocks: &[Block], skip: u64, wanted: u64) -> Option<Read> {
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
                let (from, is_backward, offset) = match through - end {
                    left if left < skipped => (block, true, left),
                    _ => (start, false, skipped),
                };
                let is_ascending = self.descending == is_backward;
                let onwards = from.pks.as_ref().map(|pks| match is_ascending {
                    true => sql!("r.pk >= {start}"; start = pks.start),
                    false => sql!("r.pk < {end}"; end = pks.end),
                });
                let targets = part.targets.iter().map(|(target, _)| (*target, onwards.clone()));
                let part = Part {
                    targets: targets.collect(),
                    has_keys: part.has_keys,
                };
                return Some(Read {
                    part,
                    is_ascending,
                    limit,
                    offset,
                });
            }
            before = through;
        }
        None
    }
}
