//! Updating a resource.

use std::sync::Arc;

use chrono::SubsecRound;
use scim_model::SecretHashes;
use scim_model::change::{AttributeChanges, Operation, ResourceNames};
use scim_model::store::{MembersChange, MembersStep, StoreError, TenantId, Updated};
use uuid::Uuid;

use super::members::{ChangedGroup, JoiningMembers};
use super::membership_changes::MembershipChanges;
use super::subject::{LockFor, Origin, Subject, conflict, journal_entry, lock};
use crate::connection::Conn;
use crate::error::{Failure, is_unique_violation};
use crate::schema_map::derive::{Derived, Keys};
use crate::schema_map::layout::Layout;
use crate::sql::{Dialect, Sql, sql};

/// A change of a resource, ready for its rows.
pub(crate) struct Replacement {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) expected_version: Option<i64>,
    pub(crate) origin: Origin,
    /// The data to store for the new document; `None` when the document stays.
    pub(crate) derived: Option<Derived>,
    pub(crate) members: MembersChange,
    pub(crate) secrets: SecretHashes,
    /// The operation for the journal entry.
    pub(crate) operation: Operation,
    /// The changes for the journal entry, without those of the members.
    pub(crate) changes: AttributeChanges,
}

impl Replacement {
    fn member_steps(&self) -> &[MembersStep] {
        match &self.members {
            MembersChange::Steps(steps) if self.layout.resource_type.has_members() => steps,
            _ => &[],
        }
    }

    /// The detail of the journal entry.
    fn detail(&self, memberships: &MembershipChanges) -> String {
        if memberships.is_empty() {
            return self.changes.to_stored();
        }
        let (added, removed) = memberships.added_and_removed();
        let mut changes = self.changes.clone();
        changes.record_members(&added, &removed);
        changes.to_stored()
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

    let subject = Subject {
        tenant,
        layout: &update.layout,
        id: update.id,
        pk: row.pk,
    };
    let memberships = subject.change_members(conn, update.origin.now, &members, steps)?;
    let has_changed_secrets = subject.change_secrets(conn, &update.secrets)?;
    let derived = update.derived.as_ref().filter(|_| !row.is_same_document);
    if derived.is_none() && memberships.is_empty() && !has_changed_secrets {
        return Ok(Some(Updated {
            version: row.version,
            last_modified: row.modified.0,
            changed: false,
        }));
    }
    let (version, last_modified) = (
        row.version + 1,
        update.origin.now.trunc_subsecs(3).max(row.modified.0),
    );
    let mut assignments = vec![sql!("version = version + 1, modified = {last_modified}"; last_modified)];
    let mut others = Vec::new();
    if let Some(derived) = derived {
        // SQLite rewrites every index of a column that is assigned, even with the same value.
        let stored = (conn.dialect() == Dialect::Sqlite).then_some(&row.keys);
        assignments.extend(derived_assignments(derived, stored));
        others = subject.replace_index_rows(conn, derived)?;
    }
    let detail = update.detail(&memberships);
    let names = match &update.derived {
        Some(derived) => derived.names.clone(),
        None => ResourceNames::of_document(&update.layout.resource_type, &row.document),
    };
    let named = (update.layout.kind, update.id, version);
    others.push(journal_entry(
        tenant,
        &update.origin,
        named,
        update.operation,
        (&detail, &names),
    ));
    let guard = sql!(" AND version = {version}"; version = row.version);
    if !subject.update_row(conn, assignments, guard, others)? {
        return Err(StoreError::Stale.into());
    }
    if let Some(derived) = derived {
        subject.replace_unique_values(conn, &derived.unique_values)?;
        if derived.keys.label != row.keys.label {
            subject.give_groups_new_version(conn, &update.origin, Operation::MemberRenamed)?;
        }
    }
    Ok(Some(Updated {
        version,
        last_modified,
        changed: true,
    }))
}

impl Subject<'_> {
    /// Updates the row and runs the statements that read it as the table `found`. Returns whether the row passed the
    /// guard.
    fn update_row(
        &self,
        conn: &mut Conn,
        assignments: Vec<Sql>,
        guard: Sql,
        others: Vec<Sql>,
    ) -> Result<bool, Failure> {
        let update = sql!(
            "UPDATE resource SET {assignments} WHERE tenant_id = {tenant} AND pk = {pk}{guard} RETURNING pk";
            assignments = Sql::join(assignments, ", "), tenant = self.tenant, pk = self.pk, guard
        );
        match conn.together(update, others) {
            Ok(pk) => Ok(pk.is_some()),
            Err(error) if is_unique_violation(&error) => Err(conflict(self.layout)),
            Err(error) => Err(error.into()),
        }
    }

    /// Computes again what is derived from a stored document. The document itself stays.
    pub(crate) fn rewrite_derived(&self, conn: &mut Conn, derived: &Derived) -> Result<(), Failure> {
        let others = self.replace_index_rows(conn, derived)?;
        self.update_row(conn, derived_assignments(derived, None), Sql::default(), others)?;
        self.replace_unique_values(conn, &derived.unique_values)
    }
}

/// The assignments of the columns that are derived from a document: only the keys that differ from the stored ones,
/// or all keys when the stored ones are not known.
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
