//! The change journal: one line for each change of a resource, in the transaction that makes it.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Text};
use scim_model::store::TenantId;
use std::sync::Arc;
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::layouts::Layouts;
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
    /// JSON text: for updates as the caller gave it, for the last two `{"member":"<id>"}`.
    pub change: String,
}

/// A place in a tenant's journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    transaction: i64,
    sequence: i64,
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

/// The changes behind a position, in an order in which nothing ever appears in front of what was read.
pub(crate) fn read(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    after: ChangePosition,
    limit: u32,
) -> Result<Vec<Change>, Failure> {
    let mut select = Sql::new(
        "SELECT transaction_id, sequence, at, kind, id, version, action, change FROM changes WHERE tenant_id = ",
    )
    .int(tenant.0)
    .text(" AND (transaction_id, sequence) > (")
    .int(after.transaction)
    .text(", ")
    .int(after.sequence)
    .text(")");
    if conn.dialect() == Dialect::Postgres {
        // A transaction that still runs may have an earlier line.
        select = select.text(" AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
    }
    select = select
        .text(" ORDER BY transaction_id, sequence LIMIT ")
        .int(limit.into());
    type Types = (BigInt, BigInt, BigInt, BigInt, Binary, BigInt, Text, Text);
    type Row = (i64, i64, i64, i64, Vec<u8>, i64, String, String);
    let rows = conn.rows::<Types, Row>(&select)?;
    rows.into_iter()
        .map(|(transaction, sequence, at, kind, id, version, action, change)| {
            Ok(Change {
                position: ChangePosition {
                    transaction,
                    sequence,
                },
                at: time(at)?,
                resource_type: layouts.name(kind),
                id: Uuid::from_slice(&id).map_err(unavailable)?,
                version,
                action,
                change,
            })
        })
        .collect()
}
