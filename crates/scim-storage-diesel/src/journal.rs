//! The change journal: one line for each change of a resource, in the transaction that makes it.
//!
//! Lines leave it from its beginning only, so whoever finds the line he stopped at has missed none
//! behind it.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Text};
use scim_model::schema::Returned;
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
    transaction: i64,
    sequence: i64,
    /// Milliseconds since 1970 of the line: after a backup was restored, another line may have its
    /// number.
    at: i64,
}

impl fmt::Display for ChangePosition {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}-{}-{}", self.transaction, self.sequence, self.at)
    }
}

impl FromStr for ChangePosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<ChangePosition, InvalidPosition> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or(InvalidPosition)
        };
        let mut numbers = text.split('-').map(number);
        let mut next = || numbers.next().unwrap_or(Err(InvalidPosition));
        let position = ChangePosition {
            transaction: next()?,
            sequence: next()?,
            at: next()?,
        };
        match numbers.next() {
            None => Ok(position),
            Some(_) => Err(InvalidPosition),
        }
    }
}

/// A text is no [`ChangePosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is three numbers, as in `0-17-1735689600000`")]
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
        Some(attribute) if !hides(attribute) => json!({ side: value }),
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

/// Whether a value of it, or a part of one, is never returned.
fn hides(attribute: &Attribute) -> bool {
    let is_never = |it: &Attribute| it.returned == Returned::Never;
    is_never(attribute) || attribute.sub_attributes.iter().any(|it| is_never(it))
}

/// The changes behind a position, in an order in which nothing ever appears in front of what was read.
pub(crate) fn read(
    conn: &mut Conn,
    tenant: TenantId,
    after: ChangePosition,
    limit: u32,
) -> Result<Result<Vec<Change>, ChangesError>, Failure> {
    conn.snapshot(|conn| {
        let after = match find(conn, tenant, after)? {
            Ok(after) => after,
            Err(lost) => return Ok(Err(lost)),
        };
        let mut select = Sql::new(
            "SELECT transaction_id, sequence, at, (SELECT t.name FROM resource_type t WHERE t.id = kind), id, version, \
             action, change FROM changes WHERE tenant_id = ",
        )
        .int(tenant.0)
        .sql(compared(conn.dialect(), " > ", after));
        if conn.dialect() == Dialect::Postgres {
            select = select.text(" AND transaction_id < ").text(OLDEST_RUNNING);
        }
        select = select
            .text(" ORDER BY transaction_id, sequence LIMIT ")
            .int(limit.into());
        type Types = (BigInt, BigInt, BigInt, Text, Binary, BigInt, Text, Text);
        type Row = (i64, i64, i64, String, Vec<u8>, i64, String, String);
        let rows = conn.rows::<Types, Row>(&select)?;
        let changes = rows
            .into_iter()
            .map(
                |(transaction, sequence, at, resource_type, id, version, action, change)| {
                    Ok(Change {
                        position: ChangePosition {
                            transaction,
                            sequence,
                            at,
                        },
                        at: time(at)?,
                        resource_type: resource_type.into(),
                        id: Uuid::from_slice(&id).map_err(unavailable)?,
                        version,
                        action,
                        change,
                    })
                },
            )
            .collect::<Result<_, Failure>>()?;
        Ok(Ok(changes))
    })
}

/// Lines on one side of a position. SQLite, where all are of the transaction 0, takes no more than the first
/// column of a pair into an index, and would walk all lines of the tenant.
fn compared(dialect: Dialect, operator: &'static str, position: ChangePosition) -> Sql {
    match dialect {
        Dialect::Sqlite => Sql::new(" AND transaction_id = 0 AND sequence")
            .text(operator)
            .int(position.sequence),
        Dialect::Postgres => Sql::new(" AND (transaction_id, sequence)")
            .text(operator)
            .text("(")
            .int(position.transaction)
            .text(", ")
            .int(position.sequence)
            .text(")"),
    }
}

/// PostgreSQL: a transaction that still runs may have an earlier line.
const OLDEST_RUNNING: &str = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/// Where a position is now; an error if lines behind it may have gone.
fn find(
    conn: &mut Conn,
    tenant: TenantId,
    position: ChangePosition,
) -> Result<Result<ChangePosition, ChangesError>, Failure> {
    if position == ChangePosition::default() {
        return Ok(Ok(position));
    }
    // In a database that was restored from a dump, every line is of the transaction 0.
    let mut transactions = vec![position.transaction, 0];
    transactions.dedup();
    for transaction in transactions {
        let line = Sql::new("SELECT at FROM changes WHERE tenant_id = ")
            .int(tenant.0)
            .text(" AND transaction_id = ")
            .int(transaction)
            .text(" AND sequence = ")
            .int(position.sequence);
        if conn.row::<BigInt, i64>(&line)? == Some(position.at) {
            return Ok(Ok(ChangePosition {
                transaction,
                ..position
            }));
        }
    }
    let Some(start) = start(conn, tenant)? else {
        return Ok(Err(ChangesError::Unknown(position)));
    };
    if (start.sequence, start.at) == (position.sequence, position.at) {
        return Ok(Ok(start));
    }
    let is_earlier = if position.transaction.min(start.transaction) > 0 {
        position < start
    } else {
        position.sequence < start.sequence
    };
    Ok(Err(if is_earlier {
        ChangesError::Dropped(position)
    } else {
        ChangesError::Unknown(position)
    }))
}

/// The last line that was dropped.
fn start(conn: &mut Conn, tenant: TenantId) -> Result<Option<ChangePosition>, Failure> {
    let select = Sql::new("SELECT transaction_id, sequence, at FROM journal_start WHERE tenant_id = ");
    let row = conn.row::<(BigInt, BigInt, BigInt), (i64, i64, i64)>(&select.int(tenant.0))?;
    Ok(row.map(|(transaction, sequence, at)| ChangePosition {
        transaction,
        sequence,
        at,
    }))
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
    let mut select =
        Sql::new("SELECT transaction_id, sequence, at FROM changes WHERE tenant_id = ").int(tenant.0);
    if conn.dialect() == Dialect::Postgres {
        let lock = Sql::new("SELECT 1::bigint WHERE pg_try_advisory_xact_lock(")
            .int(TRIM_LOCK)
            .text(")");
        if conn.row::<BigInt, i64>(&lock)?.is_none() {
            return Ok(0);
        }
        select = select.text(" AND transaction_id < ").text(OLDEST_RUNNING);
    }
    select = select
        .text(" ORDER BY transaction_id, sequence LIMIT ")
        .int(limit.into());
    let lines = conn.rows::<(BigInt, BigInt, BigInt), (i64, i64, i64)>(&select)?;
    // Up to the first one that stays, for no line may be missing in between.
    let old = |(_, _, at): &(i64, i64, i64)| *at < before.timestamp_millis();
    let Some((transaction, sequence, at)) = lines.into_iter().take_while(old).last() else {
        return Ok(0);
    };
    let mark = Sql::new("INSERT INTO journal_start (tenant_id, transaction_id, sequence, at) VALUES (")
        .int(tenant.0)
        .text(", ")
        .int(transaction)
        .text(", ")
        .int(sequence)
        .text(", ")
        .int(at)
        .text(
            ") ON CONFLICT (tenant_id) DO UPDATE SET transaction_id = excluded.transaction_id, \
             sequence = excluded.sequence, at = excluded.at",
        );
    conn.execute(&mark)?;
    let last = ChangePosition {
        transaction,
        sequence,
        at,
    };
    let delete = Sql::new("DELETE FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .sql(compared(conn.dialect(), " <= ", last));
    Ok(conn.execute(&delete)?)
}

/// On PostgreSQL, a dump may have been restored into a server whose transactions are numbered lower than
/// the lines': readers would wait for them to catch up, and new lines would stand in front of old ones.
/// Then the old lines become those of the transaction 0, in the order of their sequence.
pub(crate) fn settle_after_restore(conn: &mut Conn) -> Result<(), Failure> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let from_the_future = " >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let affected = Sql::new(
        "SELECT t.id FROM tenant t WHERE (SELECT c.transaction_id FROM changes c WHERE c.tenant_id = t.id \
         ORDER BY c.transaction_id DESC, c.sequence DESC LIMIT 1)",
    )
    .text(from_the_future)
    .text(" OR EXISTS (SELECT 1 FROM journal_start s WHERE s.tenant_id = t.id AND s.transaction_id")
    .text(from_the_future)
    .text(")");
    for tenant in conn.rows::<BigInt, i64>(&affected)? {
        log::info!("the database was restored from a dump: numbering the journal of tenant {tenant} anew");
        for table in ["changes", "journal_start"] {
            let update = Sql::new("UPDATE ")
                .text(table)
                .text(" SET transaction_id = 0 WHERE tenant_id = ")
                .int(tenant);
            conn.execute(&update)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = ChangePosition {
            transaction: 12,
            sequence: 3,
            at: 1_735_689_600_000,
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in [
            "",
            "1",
            "1-2",
            "1-2-3-4",
            "1-2-",
            "-1-2-3",
            "1-+2-3",
            "1-2-x",
            " 1-2-3",
            "1-2-99999999999999999999",
        ] {
            assert_eq!(text.parse::<ChangePosition>(), Err(InvalidPosition), "{text}");
        }
    }
}
