//! The change journal: one line for each change of a resource, in the transaction that makes it.
//!
//! Lines leave it from its beginning only, so whoever finds the line he stopped at has missed none
//! behind it.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use scim_model::store::{StoreError, TenantId};
use scim_model::{Attribute, ResourceType, SecretHashes};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::sql::{Conn, Dialect, Sql};
use crate::write::time;

/// A change of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands; later changes of the tenant stand behind it.
    pub position: ChangePosition,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Name of the resource's type.
    pub resource_type: Arc<str>,
    /// Which resource.
    pub id: Uuid,
    /// The version it led to; of a deletion, the last one.
    pub version: i64,
    /// `create`, `update`, `delete`; of a group also `memberRenamed` and `memberDeleted`.
    pub action: String,
    /// JSON text of an object: for the first three, the changed attributes by their paths, each with
    /// `old` and `new` as far as there are any; for the last two `{"member":"<id>"}`. What is never
    /// returned is named without its values.
    pub change: String,
}

/// A place in a tenant's journal. It is kept as text: `Display` writes what `FromStr` reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    sequence: i64,
    /// Milliseconds since 1970 of the line: after a backup was restored, another line may have its
    /// number.
    at: i64,
}

impl fmt::Display for ChangePosition {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}-{}", self.sequence, self.at)
    }
}

impl FromStr for ChangePosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<ChangePosition, InvalidPosition> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or(InvalidPosition)
        };
        let (sequence, at) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(ChangePosition {
            sequence: number(sequence)?,
            at: number(at)?,
        })
    }
}

/// A text is no [`ChangePosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is two numbers, as in `17-1735689600000`")]
pub struct InvalidPosition;

/// Why the journal cannot be read on from a position.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// Retention has dropped lines behind it: whoever had read so far has missed them.
    #[error("lines behind the position `{0}` have been dropped")]
    Dropped(ChangePosition),
    /// The tenant has no such line: it is another tenant's, or a backup older than the line was
    /// restored since.
    #[error("`{0}` is no position of this journal")]
    Unknown(ChangePosition),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A line to write.
pub(crate) struct Line<'a> {
    pub(crate) at: i64,
    pub(crate) kind: i64,
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) action: &'static str,
    pub(crate) change: &'a str,
}

/// The statement that writes a line, for each row of what is appended as `FROM`.
pub(crate) fn insert(tenant: TenantId, line: &Line) -> Sql {
    Sql::new("INSERT INTO changes (tenant_id, at, kind, id, version, action, change) SELECT ")
        .int(tenant.0)
        .text(", ")
        .int(line.at)
        .text(", ")
        .int(line.kind)
        .text(", ")
        .id(line.id)
        .text(", ")
        .int(line.version)
        .text(", ")
        .string(line.action)
        .text(", ")
        .string(line.change)
}

/// What a creation changes: all that the resource has, from nothing.
pub(crate) fn creation(
    resource_type: &ResourceType,
    document: &Map<String, Value>,
    members: &[Uuid],
    secrets: &SecretHashes,
) -> String {
    let mut change = whole(resource_type, document, "new");
    for (path, _) in secrets.iter().filter(|(_, hash)| hash.is_some()) {
        change.insert(path.clone(), json!({ "changed": true }));
    }
    if resource_type.has_members() && !members.is_empty() {
        let mut seen = HashSet::new();
        let members: Vec<String> = members
            .iter()
            .filter(|it| seen.insert(**it))
            .map(Uuid::to_string)
            .collect();
        change.insert("members".to_owned(), json!({ "added": members, "removed": [] }));
    }
    Value::Object(change).to_string()
}

/// What a deletion changes: all that the resource had, to nothing. A stored document is no reason for
/// a deletion to fail, whatever it holds.
pub(crate) fn deletion(resource_type: &ResourceType, stored_document: &str, members: &[Uuid]) -> String {
    let document = serde_json::from_str(stored_document).unwrap_or_default();
    let mut change = whole(resource_type, &document, "old");
    if !members.is_empty() {
        let members: Vec<String> = members.iter().map(Uuid::to_string).collect();
        change.insert("members".to_owned(), json!({ "added": [], "removed": members }));
    }
    Value::Object(change).to_string()
}

/// Each attribute by its path, with its value as `side`.
fn whole(
    resource_type: &ResourceType,
    document: &Map<String, Value>,
    side: &'static str,
) -> Map<String, Value> {
    let entry = |attribute: Option<&Arc<Attribute>>, value: &Value| match attribute {
        Some(attribute) if !attribute.hides_values() => json!({ side: value }),
        // A schema that is gone no longer tells whether it may be shown.
        _ => json!({ "changed": true }),
    };
    let mut change = Map::new();
    for (name, value) in document.iter().filter(|(name, _)| *name != "schemas") {
        match (resource_type.extension_of(name), value) {
            (Some(schema), Value::Object(values)) => {
                for (name, value) in values {
                    let attribute = schema.attributes.iter().find(|it| it.name == *name);
                    change.insert(format!("{}:{name}", schema.id), entry(attribute, value));
                }
            }
            _ => {
                change.insert(name.clone(), entry(resource_type.core_attribute(name), value));
            }
        }
    }
    change
}

/// The changes behind a position, in an order in which nothing ever appears in front of what was read.
pub(crate) fn read(
    conn: &mut Conn,
    tenant: TenantId,
    after: ChangePosition,
    limit: u32,
) -> Result<Result<Vec<Change>, ChangesError>, Failure> {
    let horizon = horizon(conn)?;
    conn.snapshot(|conn| {
        if let Err(lost) = find(conn, tenant, after)? {
            return Ok(Err(lost));
        }
        let mut select = Sql::new(
            "SELECT sequence, at, (SELECT t.name FROM resource_type t WHERE t.id = kind), id, version, action, \
             change FROM changes WHERE tenant_id = ",
        )
        .int(tenant.0)
        .text(" AND sequence > ")
        .int(after.sequence);
        if let Some(horizon) = horizon {
            select = select.text(" AND sequence <= ").int(horizon);
        }
        select = select.text(" ORDER BY sequence LIMIT ").int(limit.into());
        type Types = (BigInt, BigInt, Text, Binary, BigInt, Text, Text);
        type Row = (i64, i64, String, Vec<u8>, i64, String, String);
        let rows = conn.rows::<Types, Row>(&select)?;
        let changes = rows
            .into_iter()
            .map(|(sequence, at, resource_type, id, version, action, change)| {
                Ok(Change {
                    position: ChangePosition { sequence, at },
                    at: time(at)?,
                    resource_type: resource_type.into(),
                    id: Uuid::from_slice(&id).map_err(unavailable)?,
                    version,
                    action,
                    change,
                })
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Ok(changes))
    })
}

/// PostgreSQL: every line up to this number that will ever be there is visible to the statements that come
/// after. `None` is SQLite, where a line is visible before the next one gets its number.
///
/// Lines become visible in another order than they are numbered, but before a transaction numbers its first
/// one it takes a shared advisory lock that holds the last number given to anybody, and keeps it until it is
/// visible whether it committed (migration `journal_order`). So of a transaction that has a line numbered
/// `allocated` or lower, and that had not ended when the locks were read, the lock was among them: it took it
/// before `allocated` was read. Its lines are behind what the lock holds, and so behind the lowest of them.
/// Of those that had ended, the next statement sees the lines. A lock that was not there yet is of lines behind
/// `allocated`. The order of the two statements matters.
fn horizon(conn: &mut Conn) -> Result<Option<i64>, Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let allocated = Sql::new(
        "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM changes_sequence_seq",
    );
    let allocated = conn.row::<BigInt, i64>(&allocated)?;
    let announced = Sql::new(
        "SELECT min(((classid::bigint & x'ffff'::bigint) << 32) | objid::bigint) FROM pg_locks \
         WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = x'5343'::bigint \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    let announced = conn.row::<Nullable<BigInt>, Option<i64>>(&announced)?.flatten();
    Ok(allocated.map(|it| announced.map_or(it, |announced| it.min(announced))))
}

/// Whether nothing behind a position has gone.
fn find(
    conn: &mut Conn,
    tenant: TenantId,
    position: ChangePosition,
) -> Result<Result<(), ChangesError>, Failure> {
    if position == ChangePosition::default() {
        return Ok(Ok(()));
    }
    let line = Sql::new("SELECT at FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND sequence = ")
        .int(position.sequence);
    if conn.row::<BigInt, i64>(&line)? == Some(position.at) {
        return Ok(Ok(()));
    }
    Ok(match start(conn, tenant)? {
        Some(start) if start == position => Ok(()),
        Some(start) if position.sequence < start.sequence => Err(ChangesError::Dropped(position)),
        _ => Err(ChangesError::Unknown(position)),
    })
}

/// The last line that was dropped.
fn start(conn: &mut Conn, tenant: TenantId) -> Result<Option<ChangePosition>, Failure> {
    let select = Sql::new("SELECT sequence, at FROM journal_start WHERE tenant_id = ").int(tenant.0);
    let row = conn.row::<(BigInt, BigInt), (i64, i64)>(&select)?;
    Ok(row.map(|(sequence, at)| ChangePosition { sequence, at }))
}

/// Any number that nobody else uses.
const TRIM_LOCK: i64 = 0x5343_494e;

/// Drops at most so many lines from the beginning of a journal that are older than a time; how many it
/// were. Fewer than asked for means that there is no more to do, or that another server does it.
pub(crate) fn trim(
    conn: &mut Conn,
    tenant: TenantId,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<usize, Failure> {
    if conn.dialect() == Dialect::Postgres {
        let lock = Sql::new("SELECT 1::bigint WHERE pg_try_advisory_xact_lock(")
            .int(TRIM_LOCK)
            .text(")");
        if conn.row::<BigInt, i64>(&lock)?.is_none() {
            return Ok(0);
        }
    }
    let mut select = Sql::new("SELECT sequence, at FROM changes WHERE tenant_id = ").int(tenant.0);
    if let Some(horizon) = horizon(conn)? {
        select = select.text(" AND sequence <= ").int(horizon);
    }
    select = select.text(" ORDER BY sequence LIMIT ").int(limit.into());
    let lines = conn.rows::<(BigInt, BigInt), (i64, i64)>(&select)?;
    // Up to the first one that stays, for no line may be missing in between.
    let old = |(_, at): &(i64, i64)| *at < before.timestamp_millis();
    let Some((sequence, at)) = lines.into_iter().take_while(old).last() else {
        return Ok(0);
    };
    // The column `transaction_id` is for the version before.
    let mark = Sql::new("INSERT INTO journal_start (tenant_id, transaction_id, sequence, at) VALUES (")
        .int(tenant.0)
        .text(", 0, ")
        .int(sequence)
        .text(", ")
        .int(at)
        .text(") ON CONFLICT (tenant_id) DO UPDATE SET sequence = excluded.sequence, at = excluded.at");
    conn.execute(&mark)?;
    let delete = Sql::new("DELETE FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND sequence <= ")
        .int(sequence);
    Ok(conn.execute(&delete)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = ChangePosition {
            sequence: 3,
            at: 1_735_689_600_000,
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in [
            "",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "-1-2",
            "1-+2",
            "1-x",
            " 1-2",
            "1-99999999999999999999",
        ] {
            assert_eq!(text.parse::<ChangePosition>(), Err(InvalidPosition), "{text}");
        }
    }
}
