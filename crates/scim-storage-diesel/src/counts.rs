//! Counters: how many resources a tenant has of each type, for each block of the order of creation.
//!
//! `totalResults` of an unfiltered list is the sum of the counters. A page by index starts at the nearest block
//! instead of at one of the two ends, so that a deep page costs as little as a shallow one. The interface is
//! [`count`] for writers, [`total`] and [`blocks`] for lists, and the upkeep of counters that have reached zero.

use std::ops::Range;

use scim_model::store::TenantId;

use crate::connection::Conn;
use crate::error::{Failure, is_lock_timeout};
use crate::sql::{Dialect, Sql, sql};

/// Consecutive values of `pk` that are counted together. Smaller blocks shorten the read of a deep page, and lengthen
/// the list of counters that every list request adds up. The value must not change, because stored counters depend on
/// it.
const BLOCK: i64 = 32_768;

/// On PostgreSQL a block has this many counters, so that writers rarely wait for each other. `shard` is
/// `block * WRITERS + writer`, with blocks numbered from 1. Lower shards are counters of a version without blocks.
const WRITERS: i64 = 16;

/// The statement that adds `by` to the counter of the resource in the table `found`.
pub(crate) fn count(dialect: Dialect, tenant: TenantId, kind: i64, by: i64) -> Sql {
    let writer = match dialect {
        Dialect::Sqlite => Sql::text("0"),
        Dialect::Postgres => Sql::trusted(format!("pg_backend_pid() % {WRITERS}")),
    };
    sql!(
        "INSERT INTO resource_count (tenant_id, kind, shard, number)
         SELECT {tenant}, {kind}, {shard} + {writer}, {by} FROM found WHERE TRUE
         ON CONFLICT (tenant_id, kind, shard) DO UPDATE SET number = resource_count.number + excluded.number";
        tenant, kind, shard = shard_of_pk(), writer, by
    )
}

/// The first shard of the block of a `pk`.
fn shard_of_pk() -> Sql {
    Sql::trusted(format!("(pk / {BLOCK} + 1) * {WRITERS}"))
}

/// Constants are part of the text, so that the statements that use them stay prepared.
fn writers() -> Sql {
    Sql::trusted(WRITERS.to_string())
}

/// Selects how many resources of a type a tenant has. A literal, because it is a part of other statements.
pub(crate) fn total(tenant: TenantId, kind: i64) -> Sql {
    sql!(
        "SELECT CAST(coalesce(sum(number), 0) AS BIGINT) FROM resource_count
         WHERE tenant_id = {tenant} AND kind = {kind}";
        tenant, kind
    )
}

/// The `pk` of consecutive resources of one type, and the number of these resources.
type CountedBlock = (Range<i64>, u64);

/// Reads the blocks of a tenant's resources of a type, in the order of creation, with the number of resources in
/// each. Returns `None` when a version without blocks has counted some of them.
pub(crate) fn blocks(
    conn: &mut Conn,
    tenant: TenantId,
    kind: i64,
) -> Result<Option<Vec<CountedBlock>>, Failure> {
    // A literal, because diesel cannot group by an expression with a cast.
    let select = sql!(
        "SELECT CAST(shard / {writers} AS BIGINT), CAST(sum(number) AS BIGINT) FROM resource_count
         WHERE tenant_id = {tenant} AND kind = {kind}
         GROUP BY 1 HAVING sum(number) > 0 OR min(shard) < {first_shard} ORDER BY 1";
        writers = writers(), tenant, kind, first_shard = WRITERS
    );
    let rows = conn.rows::<(i64, i64)>(&select)?;
    if rows.first().is_some_and(|(block, _)| *block == 0) {
        return Ok(None);
    }
    let block = |(block, count): (i64, i64)| {
        let pks = (block - 1) * BLOCK..block * BLOCK;
        (pks, u64::try_from(count).unwrap_or(0))
    };
    Ok(Some(rows.into_iter().map(block).collect()))
}

/// Empty blocks that are deleted in one transaction.
pub(crate) const EMPTY_AT_ONCE: usize = 200;

/// A tenant, a kind, and the number of a block.
type BlockOf = (i64, i64, i64);

/// Reads the blocks whose counters have reached zero. Until they are deleted, every list request adds them up.
pub(crate) fn empty_blocks(conn: &mut Conn) -> Result<Vec<BlockOf>, Failure> {
    let select = sql!(
        "SELECT tenant_id, kind, CAST(shard / {writers} AS BIGINT) FROM resource_count
         WHERE shard >= {writers} GROUP BY 1, 2, 3 HAVING sum(number) = 0 LIMIT {limit}";
        writers = writers(), limit = Sql::trusted(EMPTY_AT_ONCE.to_string())
    );
    Ok(conn.rows::<BlockOf>(&select)?)
}

/// Deletes the counters of blocks that are still empty, and returns the number of those blocks. It waits for
/// no writer: a counter that is being written stays, unless the others add up to zero without it.
pub(crate) fn delete_empty(conn: &mut Conn, blocks: &[BlockOf]) -> Result<usize, Failure> {
    if conn.dialect() == Dialect::Postgres {
        // Before any row is locked; see `lock_out_writers`.
        conn.execute(sql!("LOCK TABLE resource_count IN ROW EXCLUSIVE MODE"))?;
    }
    let mut deleted = 0;
    for (tenant, kind, block) in blocks.iter().copied() {
        // A locked counter keeps its number until it is deleted.
        let select = sql!(
            "SELECT shard, number FROM resource_count
             WHERE tenant_id = {tenant} AND kind = {kind} AND shard >= {first} AND shard < {end}{lock}";
            tenant, kind, first = block * WRITERS, end = (block + 1) * WRITERS,
            lock = conn.dialect().lock(" FOR UPDATE SKIP LOCKED")
        );
        let counters = conn.rows::<(i64, i64)>(&select)?;
        if counters.is_empty() || counters.iter().map(|(_, number)| number).sum::<i64>() != 0 {
            continue;
        }
        for (shard, _) in counters {
            conn.execute(sql!(
                "DELETE FROM resource_count WHERE tenant_id = {tenant} AND kind = {kind} AND shard = {shard}";
                tenant, kind, shard
            ))?;
        }
        deleted += 1;
    }
    Ok(deleted)
}

/// Recounts, block by block, what a version without blocks has counted. Writers wait for it; where it would have to
/// wait for a slow writer, the recount is left to the next start.
pub(crate) fn recount_without_blocks(conn: &mut Conn) -> Result<(), Failure> {
    let without_blocks = sql!(
        "SELECT DISTINCT tenant_id FROM resource_count WHERE shard < {writers}";
        writers = writers()
    );
    if conn.rows::<i64>(&without_blocks)?.is_empty() {
        return Ok(());
    }
    if !lock_out_writers(conn)? {
        log::info!("other servers are writing: resources will be recounted in blocks at the next start");
        return Ok(());
    }
    for tenant in conn.rows::<i64>(&without_blocks)? {
        conn.execute(sql!("DELETE FROM resource_count WHERE tenant_id = {tenant}"; tenant))?;
        conn.execute(sql!(
            "INSERT INTO resource_count (tenant_id, kind, shard, number)
             SELECT tenant_id, kind, {shard}, count(*) FROM resource WHERE tenant_id = {tenant}
             GROUP BY tenant_id, kind, {shard}";
            shard = shard_of_pk(), tenant
        ))?;
    }
    Ok(())
}

/// Keeps writers out until the transaction ends: every earlier write has also updated its counter, and every later
/// one waits until the recount is done. Returns whether the lock was free; SQLite has one writer anyway.
fn lock_out_writers(conn: &mut Conn) -> Result<bool, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(true);
    }
    conn.execute(sql!("SAVEPOINT recount"))?;
    conn.execute(sql!("SET LOCAL lock_timeout = 200"))?;
    match conn.execute(sql!("LOCK TABLE resource_count IN SHARE ROW EXCLUSIVE MODE")) {
        Ok(_) => {
            conn.execute(sql!("SET LOCAL lock_timeout = 0"))?;
            Ok(true)
        }
        Err(error) if is_lock_timeout(&error) => {
            conn.execute(sql!("ROLLBACK TO SAVEPOINT recount"))?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
