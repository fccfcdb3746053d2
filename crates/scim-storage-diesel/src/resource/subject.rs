//! The resource that a write changes, and its row, locked until the transaction ends.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use scim_model::change::{Actor, Operation, ResourceNames};
use scim_model::store::{StoreError, TenantId};
use uuid::{NoContext, Timestamp, Uuid};

use crate::columns::{Columns, Time};
use crate::connection::Conn;
use crate::error::Failure;
use crate::journal::actor;
use crate::schema_map::derive::Keys;
use crate::schema_map::layout::Layout;
use crate::sql::{Sql, sql};

/// An existing resource with its row.
pub(crate) struct Subject<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) layout: &'a Layout,
    pub(crate) id: Uuid,
    pub(crate) pk: i64,
}

/// The time and the originator of a write.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) now: DateTime<Utc>,
    pub(crate) actor: Actor,
    /// Identifies the write: all entries that it leaves in the journal have this id.
    pub(crate) write: Uuid,
}

impl Origin {
    pub(crate) fn new(now: DateTime<Utc>, actor: &Actor) -> Origin {
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
        Origin {
            now,
            actor: actor.clone(),
            write: Uuid::new_v7(time),
        }
    }
}

/// The statement that writes an entry about a resource, named by its type, id and version, if the table `found` has a
/// row. A literal, because it is part of the one round trip of a write; see `Conn::together`. For `detail` see
/// [`scim_model::change::ChangeDetail::to_stored`]; `names` are those after the write.
pub(crate) fn journal_entry(
    tenant: TenantId,
    origin: &Origin,
    (kind, id, version): (i64, Uuid, i64),
    operation: Operation,
    (detail, names): (&str, &ResourceNames),
) -> Sql {
    sql!(
        "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, write_id, names, {columns})
         SELECT {tenant}, {at}, {kind}, {id}, {version}, {operation}, {detail}, {write}, {names}, {actor} FROM found";
        columns = Sql::text(actor::COLUMNS), tenant, at = origin.now, kind, id, version,
        operation = operation.as_str(), detail, write = origin.write, names = names.to_stored(),
        actor = actor::values(&origin.actor)
    )
}

/// The error for a value of the type's unique attribute that is taken.
pub(crate) fn conflict(layout: &Layout) -> Failure {
    let unique = layout.unique.as_ref();
    let attribute = unique.map_or_else(|| "id".to_owned(), ToString::to_string);
    StoreError::Conflict { attribute }.into()
}

/// A locked row of `resource`.
#[derive(Queryable)]
pub(crate) struct LockedRow {
    pub(crate) pk: i64,
    pub(crate) version: i64,
    pub(crate) modified: Time,
    pub(crate) keys: Keys,
    /// Whether the stored document equals the new one, or was not compared.
    pub(crate) is_same_document: bool,
    /// Empty if it was compared.
    pub(crate) document: String,
}

/// The purpose of the lock, which decides what happens to the stored document.
#[derive(Clone, Copy)]
pub(crate) enum LockFor<'a> {
    /// An update: the stored document is compared with the new one. Without a new one, it is read.
    Update(Option<&'a str>),
    /// A deletion: the document is read once more.
    Deletion,
}

impl Columns for LockedRow {
    type SqlType = <(i64, i64, Time, Keys, bool, String) as Columns>::SqlType;
}

impl LockedRow {
    pub(crate) fn check_version(&self, expected: Option<i64>) -> Result<(), Failure> {
        match expected {
            Some(expected) if expected != self.version => Err(StoreError::Stale.into()),
            _ => Ok(()),
        }
    }
}

/// Locks a resource; `None` when the tenant lacks it, or it has another type.
pub(crate) fn lock(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    purpose: LockFor,
) -> Result<Option<LockedRow>, Failure> {
    let document = match purpose {
        LockFor::Update(Some(document)) => sql!("document = {document}, ''"; document),
        LockFor::Update(None) | LockFor::Deletion => sql!("TRUE, document"),
    };
    let lock = match purpose {
        LockFor::Update(_) => " FOR NO KEY UPDATE",
        LockFor::Deletion => " FOR UPDATE",
    };
    // A literal, because the lock and the comparison depend on the database and the purpose.
    let select = sql!(
        "SELECT pk, version, modified, active, unique_key, external_key, display_key, family_key, label, {document}
         FROM resource WHERE tenant_id = {tenant} AND kind = {kind} AND id = {id}{lock}";
        document, tenant, kind = layout.kind, id, lock = conn.dialect().lock(lock)
    );
    Ok(conn.row(&select)?)
}
