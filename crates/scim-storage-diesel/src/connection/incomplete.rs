//! The mark of a PostgreSQL database into which another one is being moved.
//!
//! The mark is a table, so that it is committed before the first row and removed together with the last one. An interrupted
//! move leaves it, and no server starts on such a database.

use crate::connection::conn::Conn;
use crate::error::Failure;
use crate::open_error::OpenError;
use crate::sql::{Dialect, sql};

/// Sets the mark; an earlier one may be there.
pub(crate) fn mark(conn: &mut Conn) -> Result<(), Failure> {
    conn.execute(sql!("CREATE TABLE IF NOT EXISTS __scim_move (started BIGINT)"))?;
    Ok(())
}

/// Removes the mark.
pub(crate) fn unmark(conn: &mut Conn) -> Result<(), Failure> {
    conn.execute(sql!("DROP TABLE __scim_move"))?;
    Ok(())
}

/// Checks that the database has no mark.
///
/// # Errors
/// `Incomplete`
pub(crate) fn check(conn: &mut Conn) -> Result<(), OpenError> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let marks = sql!("SELECT count(to_regclass('__scim_move'))");
    match conn.row::<i64>(&marks)? {
        Some(1) => Err(OpenError::Incomplete),
        _ => Ok(()),
    }
}
