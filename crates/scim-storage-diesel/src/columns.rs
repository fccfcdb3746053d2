//! The Rust types of rows and their values.

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow, Result};
use diesel::sql_types::is_nullable::NotNull;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SqlType, Text};
use uuid::Uuid;

/// A row, or a value of one, with the type that the database has for it.
pub(crate) trait Columns {
    type SqlType;
}

macro_rules! columns {
    ({$($rust:ty => $sql:ty;)*} $(($($part:ident),+))*) => {
        $(impl Columns for $rust { type SqlType = $sql; })*
        $(impl<$($part: Columns),+> Columns for ($($part,)+) { type SqlType = ($($part::SqlType,)+); })*
    };
}

columns! {
    { bool => Bool; i32 => Integer; i64 => BigInt; String => Text; Id => Binary; Time => BigInt; }
    (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) (A, B, C, D, E, F, G)
}

impl<T: Columns> Columns for Option<T>
where
    T::SqlType: SqlType<IsNull = NotNull>,
{
    type SqlType = Nullable<T::SqlType>;
}

/// The id of a resource or a token, stored as its bytes.
#[derive(Debug, FromSqlRow)]
pub(crate) struct Id(pub(crate) Uuid);

impl<DB: Backend> FromSql<Binary, DB> for Id
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> Result<Id> {
        Ok(Id(Uuid::from_slice(&Vec::from_sql(bytes)?)?))
    }
}

/// A time, stored as milliseconds since 1970 in UTC.
#[derive(Debug, FromSqlRow)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

impl<DB: Backend> FromSql<BigInt, DB> for Time
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(milliseconds: DB::RawValue<'_>) -> Result<Time> {
        let milliseconds = i64::from_sql(milliseconds)?;
        let time = DateTime::from_timestamp_millis(milliseconds);
        Ok(Time(time.ok_or_else(|| {
            format!("the stored time {milliseconds} is out of range")
        })?))
    }
}
