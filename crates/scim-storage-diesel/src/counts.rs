//! How many resources a tenant has of each type, and where they are in the order of creation: so a page by
//! index starts at a block of known number instead of at one of the two ends.

use std::ops::Range;

use diesel::sql_types::BigInt;
use scim_model::store::TenantId;

use crate::error::{Failure, is_lock_timeout};
use crate::sql::{Conn, Dialect, Sql};

/// So many `pk`s in a row are counted together. Smaller blocks shorten the way to a page, and lengthen the
/// list of numbers that each list request adds up. What is stored depends on it: another size needs other shards.
const BLOCK: i64 = 32_768;

/// On PostgreSQL a block has so many rows, so that writers do not wait for each other: `shard` is the number
/// of the block, from 1 on, times this, and the number of the writer. What versions without blocks counted
/// is less than that.
const WRITERS: i64 = 16;

/// Resources that are next to each other in the order of creation.
pub(crate) struct Block {
    pub(crate) pks: Range<i64>,
    pub(crate) number: u64,
}

/// Counts a resource that is `found`, or no longer.
pub(crate) fn count(dialect: Dialect, tenant: TenantId, kind: i64, by: i64) -> Sql {
    let writer = match dialect {
        Dialect::Sqlite => "0".to_owned(),
        Dialect::Postgres => format!("pg_backend_pid() % {WRITERS}"),
    };
    Sql::new("INSERT INTO resource_count (tenant_id, kind, shard, number) SELECT ")
        .int(tenant.0)
        .text(", ")
        .int(kind)
        .text(", ")
        .built(format!("{} + {writer}", shard_of_pk()))
        .text(", ")
        .int(by)
        .text(
            " FROM found WHERE TRUE ON CONFLICT (tenant_id, kind, shard) \
             DO UPDATE SET number = resource_count.number + excluded.number",
        )
}

/// The first shard of a resource's block.
fn shard_of_pk() -> String {
    format!("(pk / {BLOCK} + 1) * {WRITERS}")
}

/// How many resources of a type a tenant has.
pub(crate) fn total(tenant: TenantId, kind: i64) -> Sql {
    Sql::new("SELECT CAST(coalesce(sum(number), 0) AS BIGINT) FROM resource_count WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND kind = ")
        .int(kind)
}

/// The blocks of a tenant's resources of a type, in the order of creation. `None` when a version that knows
/// no blocks has counted some of them.
pub(crate) fn blocks(conn: &mut Conn, tenant: TenantId, kind: i64) -> Result<Option<Vec<Block>>, Failure> {
    let select = Sql::default()
        .built(format!(
            "SELECT CAST(shard / {WRITERS} AS BIGINT), CAST(sum(number) AS BIGINT) FROM resource_count \
             WHERE tenant_id = "
        ))
        .int(tenant.0)
        .text(" AND kind = ")
        .int(kind)
        .text(" GROUP BY 1 HAVING sum(number) > 0 OR min(shard) < ")
        .int(WRITERS)
        .text(" ORDER BY 1");
    let rows = conn.rows::<(BigInt, BigInt), (i64, i64)>(&select)?;
    if rows.first().is_some_and(|(block, _)| *block == 0) {
        return Ok(None);
    }
    let block = |(block, number): (i64, i64)| Block {
        pks: (block - 1) * BLOCK..block * BLOCK,
        number: u64::try_from(number).unwrap_or(0),
    };
    Ok(Some(rows.into_iter().map(block).collect()))
}

/// So many blocks are looked after in one transaction.
pub(crate) const EMPTY_AT_ONCE: usize = 200;

/// A tenant, a kind, and a number of a block.
type BlockOf = (i64, i64, i64);

/// Blocks in which nothing is left, which each list would add up for ever.
pub(crate) fn empty_blocks(conn: &mut Conn) -> Result<Vec<BlockOf>, Failure> {
    let select = Sql::default().built(format!(
        "SELECT tenant_id, kind, CAST(shard / {WRITERS} AS BIGINT) FROM resource_count \
         WHERE shard >= {WRITERS} GROUP BY 1, 2, 3 HAVING sum(number) = 0 LIMIT {EMPTY_AT_ONCE}"
    ));
    Ok(conn.rows::<(BigInt, BigInt, BigInt), BlockOf>(&select)?)
}

/// Deletes the counters of blocks that are still empty; how many blocks it were. Nobody is waited for: counters
/// that are being written stay, unless the others add up to nothing without them.
pub(crate) fn delete_empty(conn: &mut Conn, blocks: &[BlockOf]) -> Result<usize, Failure> {
    if conn.dialect() == Dialect::Postgres {
        // Before any row is: see `lock`.
        conn.execute(&Sql::new("LOCK TABLE resource_count IN ROW EXCLUSIVE MODE"))?;
    }
    let mut deleted = 0;
    for (tenant, kind, block) in blocks {
        let of_block = |sql: Sql| {
            sql.text(" FROM resource_count WHERE tenant_id = ")
                .int(*tenant)
                .text(" AND kind = ")
                .int(*kind)
        };
        let select = of_block(Sql::new("SELECT shard, number"))
            .text(" AND shard >= ")
            .int(block * WRITERS)
            .text(" AND shard < ")
            .int((block + 1) * WRITERS);
        // What is locked keeps its number until it is deleted.
        let select = match conn.dialect() {
            Dialect::Sqlite => select,
            Dialect::Postgres => select.text(" FOR UPDATE SKIP LOCKED"),
        };
        let counters = conn.rows::<(BigInt, BigInt), (i64, i64)>(&select)?;
        if counters.is_empty() || counters.iter().map(|(_, number)| number).sum::<i64>() != 0 {
            continue;
        }
        for (shard, _) in counters {
            conn.execute(&of_block(Sql::new("DELETE")).text(" AND shard = ").int(shard))?;
        }
        deleted += 1;
    }
    Ok(deleted)
}

/// Counts anew, block by block, what a version without blocks has counted. Writers wait meanwhile; where they
/// would have to wait for one that is slow, it is left for the next time.
pub(crate) fn place(conn: &mut Conn) -> Result<(), Failure> {
    let without = Sql::default().built(format!(
        "SELECT DISTINCT tenant_id FROM resource_count WHERE shard < {WRITERS}"
    ));
    if conn.rows::<BigInt, i64>(&without)?.is_empty() {
        return Ok(());
    }
    if !lock(conn)? {
        log::info!("others write: the blocks of resources are counted when a server starts again");
        return Ok(());
    }
    for tenant in conn.rows::<BigInt, i64>(&without)? {
        conn.execute(&Sql::new("DELETE FROM resource_count WHERE tenant_id = ").int(tenant))?;
        let shard = shard_of_pk();
        let insert = Sql::default()
            .built(format!(
                "INSERT INTO resource_count (tenant_id, kind, shard, number) \
                 SELECT tenant_id, kind, {shard}, count(*) FROM resource WHERE tenant_id = "
            ))
            .int(tenant)
            .built(format!(" GROUP BY tenant_id, kind, {shard}"));
        conn.execute(&insert)?;
    }
    Ok(())
}

/// Keeps writers out until the transaction ends: who has written something has counted it as well, or waits
/// until all is counted. Whether that was possible at once; SQLite has one writer anyway.
fn lock(conn: &mut Conn) -> Result<bool, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(true);
    }
    conn.execute(&Sql::new("SAVEPOINT place"))?;
    conn.execute(&Sql::new("SET LOCAL lock_timeout = 200"))?;
    let lock = Sql::new("LOCK TABLE resource_count IN SHARE ROW EXCLUSIVE MODE");
    match conn.execute(&lock) {
        Ok(_) => {
            conn.execute(&Sql::new("SET LOCAL lock_timeout = 0"))?;
            Ok(true)
        }
        Err(error) if is_lock_timeout(&error) => {
            conn.execute(&Sql::new("ROLLBACK TO SAVEPOINT place"))?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
