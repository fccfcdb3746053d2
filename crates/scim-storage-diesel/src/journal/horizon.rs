//! The entries that every reader can see.

use crate::connection::Conn;
use crate::error::Failure;
use crate::sql::{Dialect, sql};

/// On PostgreSQL, the highest number such that every entry up to it is visible to the statements that follow, and no
/// other will ever appear.
/// `None` on SQLite, where an entry is visible before the next one gets its number.
///
/// On PostgreSQL entries become visible in another order than they are numbered. But before a transaction numbers its
/// first entry, it takes a shared advisory lock that holds the last number given to any transaction, and keeps it until
/// its commit is visible (migration `journal_order`). Consider a transaction with an entry numbered `allocated` or
/// lower. If it had not ended when the locks were read, its lock was among them, because it was taken before
/// `allocated` was read; its entries come after the number in the lock, and so after the lowest of these numbers. If
/// it had ended, the next statement sees its entries. A lock that was not there yet belongs to entries after
/// `allocated`. The order of the two statements matters.
pub(crate) fn horizon(conn: &mut Conn) -> Result<Option<i64>, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let allocated = conn.row::<i64>(&sql!(
        "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM changes_sequence_seq"
    ))?;
    let announced = conn.row::<Option<i64>>(&sql!(
        "SELECT min(((classid::bigint & x'ffff'::bigint) << 32) | objid::bigint) FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = x'5343'::bigint
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ))?;
    let announced = announced.flatten();
    Ok(allocated.map(|it| announced.map_or(it, |announced| it.min(announced))))
}

/// Returns the number up to which every entry is visible to the statements that follow, and no other will ever appear.
pub(super) fn visible_up_to(conn: &mut Conn) -> Result<i64, Failure> {
    if let Some(horizon) = horizon(conn)? {
        return Ok(horizon);
    }
    // A literal, because the DSL casts a maximum on PostgreSQL only.
    let last = conn.row::<Option<i64>>(&sql!("SELECT max(sequence) FROM changes"))?;
    Ok(last.flatten().unwrap_or(0))
}
