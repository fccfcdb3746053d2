//! The history of one resource: its entries, and its state at a time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeZone as _, Utc};
use diesel::prelude::*;
use scim_model::ResourceType;
use scim_model::change::{Change, ChangeDetail, ChangePosition, Operation, PastMembers, PastState};
use scim_model::store::{
    ChangeSelection, ChangedResource, ResourceAt, ResourceHistory, ResourceThen, StoreError, TenantId,
};
use uuid::Uuid;

use super::entry::{EntryRow, entry_columns};
use super::retention::last_dropped;
use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{changes, membership, resource};
use crate::schema_map::layout::Layouts;
use crate::sql::{Sql, sql};
use crate::store::DieselStore;

/// The most entries that are read at once.
const PAGE: i64 = 1_000;

impl ResourceHistory for DieselStore {
    fn changes_of(
        &self,
        tenant: TenantId,
        id: Uuid,
        before: Option<ChangePosition>,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let before = before.map_or(i64::MAX, |it| it.sequence);
        self.database.read_for(tenant, |conn| {
            let entries = changes::table
                .filter(changes::tenant_id.eq(tenant.0))
                .filter(changes::id.eq(id.as_bytes().to_vec()))
                .filter(changes::sequence.lt(before))
                .order(changes::sequence.desc())
                .limit(limit.into())
                .select(entry_columns!());
            let rows: Vec<EntryRow> = conn.load(entries)?;
            rows.into_iter().map(EntryRow::into_change).collect()
        })
    }

    fn resource_at(&self, tenant: TenantId, id: Uuid, at: DateTime<Utc>) -> Result<ResourceAt, StoreError> {
        self.database.read_for(tenant, |conn| {
            // The resource, its members and its entries belong to one state of the database.
            conn.snapshot(None, |conn| resource_at(conn, &self.layouts, tenant, id, at))
        })
    }

    fn changed_resources(
        &self,
        tenant: TenantId,
        selection: &ChangeSelection,
    ) -> Result<Vec<ChangedResource>, StoreError> {
        self.database.read_for(tenant, |conn| {
            changed_resources(conn, &self.layouts, tenant, selection)
        })
    }
}

/// A literal, because diesel's query builder has no optional conditions next to a grouping.
fn changed_resources(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    selection: &ChangeSelection,
) -> Result<Vec<ChangedResource>, Failure> {
    let condition = |is_set: bool, condition: Sql| if is_set { condition } else { Sql::default() };
    let connection = selection.connection.map(|it| it.0).unwrap_or_default();
    let credential = selection.credential.unwrap_or_default();
    let request = selection.request.clone().unwrap_or_default();
    let [from, to] = [selection.from, selection.to].map(|it| it.map_or(0, |it| it.timestamp_millis()));
    let conditions = [
        condition(
            selection.connection.is_some(),
            sql!(" AND connection_id = {connection}"; connection),
        ),
        condition(
            selection.credential.is_some(),
            sql!(" AND credential_id = {credential}"; credential),
        ),
        condition(
            selection.request.is_some(),
            sql!(" AND request_id = {request}"; request = &request),
        ),
        condition(selection.from.is_some(), sql!(" AND at >= {from}"; from)),
        condition(selection.to.is_some(), sql!(" AND at <= {to}"; to)),
    ];
    let [connection, credential, request, from, to] = conditions;
    let rows = conn.rows::<(i64, Id, i64, i64, i64)>(&sql!(
        "SELECT c.kind, c.id, f.sequence, f.at, c.number
         FROM (SELECT kind, id, min(sequence) AS first_sequence, count(*) AS number FROM changes
               WHERE tenant_id = {tenant}{connection}{credential}{request}{from}{to}
               GROUP BY kind, id) AS c
         JOIN changes f ON f.tenant_id = {tenant} AND f.sequence = c.first_sequence
         ORDER BY c.id";
        tenant, connection, credential, request, from, to
    ))?;
    let resource = |(kind, Id(id), sequence, at, number)| ChangedResource {
        resource_type: layouts.name(kind),
        id,
        first: ChangePosition { sequence, at },
        changes: u64::try_from(number).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(resource).collect())
}

/// The state of a resource, from which changes are undone.
struct State<'a> {
    resource_type: Option<&'a ResourceType>,
    version: Option<i64>,
    attributes: PastState,
    members: PastMembers,
}

/// An entry as far as undoing it needs.
struct Entry {
    sequence: i64,
    at: i64,
    kind: i64,
    version: i64,
    operation: String,
    detail: String,
}

fn resource_at(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<ResourceAt, Failure> {
    let (mut state, exists) = match current(conn, layouts, tenant, id)? {
        Some(state) => (state, true),
        None => (State::absent(), false),
    };
    let (mut before, mut has_entries) = (i64::MAX, false);
    loop {
        let entries = entries(conn, tenant, id, before)?;
        let Some(oldest) = entries.last() else { break };
        (before, has_entries) = (oldest.sequence, true);
        for entry in &entries {
            if entry.at <= at.timestamp_millis() {
                // The state after a deletion has the last version, which the resource no longer has.
                state.version = Some(entry.version);
                return Ok(state.into_resource(id));
            }
            state.undo(layouts, entry);
        }
    }
    if state.attributes == PastState::Absent && has_entries {
        return Ok(ResourceAt::Absent);
    }
    match last_dropped(conn, tenant)?.and_then(|it| Utc.timestamp_millis_opt(it.at).single()) {
        Some(dropped) if at < dropped => Ok(ResourceAt::Dropped(dropped)),
        _ if !exists && !has_entries => Ok(ResourceAt::Unknown),
        _ => Ok(state.into_resource(id)),
    }
}

/// Returns the state of a resource as it is now.
fn current<'a>(
    conn: &mut Conn,
    layouts: &'a Layouts,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<State<'a>>, Failure> {
    let row = resource::table
        .filter(resource::tenant_id.eq(tenant.0))
        .filter(resource::id.eq(id.as_bytes().to_vec()))
        .select((
            resource::pk,
            resource::kind,
            resource::version,
            resource::document,
        ));
    let row: Option<(i64, i64, i64, String)> = conn.only(row)?;
    let Some((pk, kind, version, document)) = row else {
        return Ok(None);
    };
    let Some(resource_type) = resource_type(layouts, kind) else {
        return Ok(Some(State::unreadable()));
    };
    let mut members = BTreeSet::new();
    if resource_type.has_members() {
        let ids = membership::table
            .inner_join(resource::table)
            .filter(membership::tenant_id.eq(tenant.0))
            .filter(membership::group_pk.eq(pk))
            .filter(resource::tenant_id.eq(tenant.0))
            .select(resource::id);
        let ids: Vec<Id> = conn.load(ids)?;
        members.extend(ids.into_iter().map(|it| it.0));
    }
    Ok(Some(State {
        resource_type: Some(resource_type),
        version: Some(version),
        attributes: PastState::of_document(resource_type, &document),
        members: PastMembers::Known(members),
    }))
}

/// Returns entries of a resource before a number, the newest first.
fn entries(conn: &mut Conn, tenant: TenantId, id: Uuid, before: i64) -> Result<Vec<Entry>, Failure> {
    let entries = changes::table
        .filter(changes::tenant_id.eq(tenant.0))
        .filter(changes::id.eq(id.as_bytes().to_vec()))
        .filter(changes::sequence.lt(before))
        .order(changes::sequence.desc())
        .limit(PAGE)
        .select((
            changes::sequence,
            changes::at,
            changes::kind,
            changes::version,
            changes::action,
            changes::change,
        ));
    let rows: Vec<(i64, i64, i64, i64, String, String)> = conn.load(entries)?;
    let entry = |(sequence, at, kind, version, operation, detail)| Entry {
        sequence,
        at,
        kind,
        version,
        operation,
        detail,
    };
    Ok(rows.into_iter().map(entry).collect())
}

fn resource_type(layouts: &Layouts, kind: i64) -> Option<&ResourceType> {
    let layout = layouts.named(&layouts.name(kind))?;
    Some(&layout.resource_type)
}

impl<'a> State<'a> {
    fn absent() -> State<'a> {
        State {
            resource_type: None,
            version: None,
            attributes: PastState::Absent,
            members: PastMembers::Known(BTreeSet::new()),
        }
    }

    /// The state of a resource whose type is not served.
    fn unreadable() -> State<'a> {
        State {
            attributes: PastState::Unknown,
            members: PastMembers::Unknown,
            ..State::absent()
        }
    }

    fn undo(&mut self, layouts: &'a Layouts, entry: &Entry) {
        // A later version of this server may have written an operation that this one does not know.
        let operation = entry.operation.parse::<Operation>().ok();
        let known = resource_type(layouts, entry.kind).zip(operation);
        let Some((resource_type, operation)) = known else {
            *self = State::unreadable();
            return;
        };
        let detail = ChangeDetail::from_stored(&entry.detail);
        let (attributes, members) = (&mut self.attributes, &mut self.members);
        *attributes =
            std::mem::replace(attributes, PastState::Unknown).undo(resource_type, operation, &detail);
        *members = std::mem::replace(members, PastMembers::Unknown).undo(operation, &detail);
        self.resource_type = Some(resource_type);
        self.version = None;
    }

    fn into_resource(self, id: Uuid) -> ResourceAt {
        if self.attributes == PastState::Absent {
            return ResourceAt::Absent;
        }
        let PastMembers::Known(members) = self.members else {
            return ResourceAt::Unreadable;
        };
        let existing = self.resource_type.and_then(|resource_type| {
            Some(ResourceThen {
                resource_type: resource_type.name.clone(),
                version: self.version,
                attributes: self.attributes.to_json(resource_type, id)?,
                members: members.into_iter().collect(),
            })
        });
        existing.map_or(ResourceAt::Unreadable, ResourceAt::Existing)
    }
}
