//! Updating a resource.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::SecretHashes;
use scim_model::change::Operation;
use scim_model::store::{MembersChange, MembersStep, StoreError, TenantId, Updated};
use uuid::Uuid;

use super::conflict;
use super::index_rows::{replace_index_rows, replace_unique_values};
use super::locked::{LockFor, LockedRow, lock};
use super::members::{ChangedGroup, JoiningMembers, change_members, give_groups_new_version};
use super::secrets::change_secrets;
use crate::connection::Conn;
use crate::error::{Failure, is_unique_violation};
use crate::journal::{self, Entry};
use crate::schema_map::derive::{Derived, Keys};
use crate::schema_map::layout::Layout;
use crate::sql::{Dialect, Sql, sql};
use crate::time::from_millis;

/// A change of a resource, ready for its rows.
pub(crate) struct Replacement {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) expected_version: Option<i64>,
    pub(crate) now: DateTime<Utc>,
    /// Of the new document; `None` when the document stays.
    pub(crate) derived: Option<Derived>,
    pub(crate) members: MembersChange,
    pub(crate) secrets: SecretHashes,
    /// The detail of the journal entry.
    pub(crate) detail: String,
}

impl Replacement {
    fn member_steps(&self) -> &[MembersStep] {
        match &self.members {
            MembersChange::Steps(steps) if self.layout.resource_type.has_members() => steps,
            _ => &[],
        }
    }
}

/// Updates a resource; `None` when the tenant lacks it, or it has another type.
pub(crate) fn update(
    conn: &mut Conn,
    tenant: TenantId,
    update: &Replacement,
) -> Result<Option<Updated>, Failure> {
    let steps = update.member_steps();
    let joining = steps.iter().flat_map(|step| match step {
        MembersStep::Add(ids) | MembersStep::ReplaceAll(ids) => ids.as_slice(),
        MembersStep::Remove(_) | MembersStep::RemoveAll => &[],
    });
    let group = update.layout.resource_type.has_members().then_some(ChangedGroup {
        id: update.id,
        with_its_groups: update.derived.is_some(),
    });
    let members = JoiningMembers::find(conn, tenant, joining.copied(), group)?;
    let document = update.derived.as_ref().map(|it| it.document.as_str());
    let Some(row) = lock(conn, tenant, &update.layout, update.id, LockFor::Update(document))? else {
        return Ok(None);
    };
    row.check_version(update.expected_version)?;
    members.check()?;

    let has_changed_members = change_members(conn, tenant, row.pk, update.now, &members, steps)?;
    let has_changed_secrets = change_secrets(conn, tenant, row.pk, &update.secrets)?;
    let derived = update.derived.as_ref().filter(|_| !row.is_same_document);
    if derived.is_none() && !has_changed_members && !has_changed_secrets {
        return Ok(Some(Updated {
            version: row.version,
            last_modified: from_millis(row.modified)?,
            changed: false,
        }));
    }
    let modified = update.now.timestamp_millis().max(row.modified);
    write_row(conn, tenant, update, &row, derived, modified)?;
    if let Some(derived) = derived {
        replace_unique_values(conn, &update.layout, tenant, row.pk, &derived.unique_values)?;
        if derived.keys.label != row.keys.label {
            let operation = Operation::MemberRenamed;
            give_groups_new_version(conn, tenant, row.pk, update.id, update.now, operation)?;
        }
    }
    Ok(Some(Updated {
        version: row.version + 1,
        last_modified: from_millis(modified)?,
        changed: true,
    }))
}

/// Writes the row, what is derived from its document, and the journal entry.
fn write_row(
    conn: &mut Conn,
    tenant: TenantId,
    update: &Replacement,
    row: &LockedRow,
    derived: Option<&Derived>,
    modified: i64,
) -> Result<(), Failure> {
    let (pk, version) = (row.pk, row.version);
    let mut assignments = vec![sql!("version = version + 1, modified = {modified}"; modified)];
    let mut others = Vec::new();
    if let Some(derived) = derived {
        // SQLite rewrites every index of a column that is assigned, even with the same value.
        let stored = (conn.dialect() == Dialect::Sqlite).then_some(&row.keys);
        assignments.extend(derived_assignments(derived, stored));
        others = replace_index_rows(conn, &update.layout, tenant, pk, derived)?;
    }
    let guarded = sql!(
        "UPDATE resource SET {assignments}
         WHERE tenant_id = {tenant} AND pk = {pk} AND version = {version} RETURNING pk";
        assignments = Sql::join(assignments, ", "), tenant, pk, version
    );
    others.push(journal::insert(
        tenant,
        &Entry {
            at: update.now.timestamp_millis(),
            kind: update.layout.kind,
            id: update.id,
            version: version + 1,
            operation: Operation::Update,
            detail: &update.detail,
        },
    ));
    match conn.together(guarded, others) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(StoreError::Stale.into()),
        Err(error) if is_unique_violation(&error) => Err(conflict(&update.layout)),
        Err(error) => Err(error.into()),
    }
}

/// Computes again what is derived from a stored document, which stays.
pub(crate) fn rewrite_derived(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    derived: &Derived,
) -> Result<(), Failure> {
    let update = sql!(
        "UPDATE resource SET {assignments} WHERE tenant_id = {tenant} AND pk = {pk} RETURNING pk";
        assignments = Sql::join(derived_assignments(derived, None), ", "), tenant, pk
    );
    let others = replace_index_rows(conn, layout, tenant, pk, derived)?;
    match conn.together(update, others) {
        Ok(_) => replace_unique_values(conn, layout, tenant, pk, &derived.unique_values),
        Err(error) if is_unique_violation(&error) => Err(conflict(layout)),
        Err(error) => Err(error.into()),
    }
}

/// The assignments of the columns that a document decides: of the keys those that differ from the stored ones, or
/// all when the stored ones are not known.
fn derived_assignments(derived: &Derived, stored: Option<&Keys>) -> Vec<Sql> {
    let keys = &derived.keys;
    let mut assignments = vec![sql!("document = {document}"; document = &derived.document)];
    if stored.is_none_or(|it| it.active != keys.active) {
        assignments.push(sql!("active = {active}"; active = keys.active));
    }
    type TextColumn = (&'static str, fn(&Keys) -> &Option<String>);
    let columns: [TextColumn; 5] = [
        ("unique_key", |it| &it.unique_key),
        ("external_key", |it| &it.external_key),
        ("display_key", |it| &it.display_key),
        ("family_key", |it| &it.family_key),
        ("label", |it| &it.label),
    ];
    for (name, key) in columns {
        if stored.is_none_or(|it| key(it) != key(keys)) {
            let column = Sql::text(name);
            assignments.push(sql!("{column} = {key}"; column, key = key(keys).clone()));
        }
    }
    assignments
}
