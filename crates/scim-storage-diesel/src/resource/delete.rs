//! Deleting a resource.

use std::sync::Arc;

use diesel::prelude::*;
use scim_model::change::{AttributeChanges, Operation, ResourceNames};
use scim_model::store::TenantId;
use uuid::Uuid;

use super::members::{ChangedGroup, JoiningMembers};
use super::subject::{LockFor, Origin, Subject, journal_entry, lock};
use crate::columns::Id;
use crate::connection::Conn;
use crate::counts;
use crate::error::Failure;
use crate::schema::{membership, resource};
use crate::schema_map::layout::Layout;
use crate::sql::sql;

/// A resource to delete.
pub(crate) struct Removal {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) expected_version: Option<i64>,
    pub(crate) origin: Origin,
}

/// Deletes a resource with everything that belongs to it. Returns `false` when the tenant lacks it, or it has another
/// type.
pub(crate) fn delete(conn: &mut Conn, tenant: TenantId, removal: &Removal) -> Result<bool, Failure> {
    let Removal {
        layout, id, origin, ..
    } = removal;
    let id = *id;
    let group = layout.resource_type.has_members().then_some(ChangedGroup {
        id,
        with_its_groups: true,
    });
    JoiningMembers::find(conn, tenant, std::iter::empty(), group)?;
    let Some(row) = lock(conn, tenant, layout, id, LockFor::Deletion)? else {
        return Ok(false);
    };
    row.check_version(removal.expected_version)?;
    let (pk, kind) = (row.pk, layout.kind);
    let subject = Subject {
        tenant,
        layout,
        id,
        pk,
    };
    subject.give_groups_new_version(conn, origin, Operation::MemberDeleted)?;
    let members = match layout.resource_type.has_members() {
        true => member_ids(conn, tenant, pk)?,
        false => Vec::new(),
    };
    let names = ResourceNames::of_document(&layout.resource_type, &row.document);
    let detail = AttributeChanges::of_deletion(&layout.resource_type, &row.document, &members).to_stored();
    // Literals, because they go to PostgreSQL in one round trip; see `Conn::together`.
    let found = sql!("SELECT pk FROM resource WHERE tenant_id = {tenant} AND pk = {pk}"; tenant, pk);
    let others = vec![
        sql!("DELETE FROM membership WHERE tenant_id = {tenant} AND member_pk = (SELECT pk FROM found)"; tenant),
        sql!("DELETE FROM membership WHERE tenant_id = {tenant} AND group_pk = (SELECT pk FROM found)"; tenant),
        // The rows in the other tables are deleted by their foreign keys.
        sql!("DELETE FROM resource WHERE tenant_id = {tenant} AND pk = (SELECT pk FROM found)"; tenant),
        counts::count(conn.dialect(), tenant, kind, -1),
        journal_entry(
            tenant,
            origin,
            (kind, id, row.version),
            Operation::Delete,
            (&detail, &names),
        ),
    ];
    conn.together(found, others)?;
    Ok(true)
}

/// The members of a group, in order of joining.
fn member_ids(conn: &mut Conn, tenant: TenantId, group_pk: i64) -> Result<Vec<Uuid>, Failure> {
    let is_member = resource::tenant_id
        .eq(membership::tenant_id)
        .and(resource::pk.eq(membership::member_pk));
    let members = membership::table
        .inner_join(resource::table.on(is_member))
        .filter(membership::tenant_id.eq(tenant.0))
        .filter(membership::group_pk.eq(group_pk))
        .order(membership::joined)
        .select(resource::id);
    let ids: Vec<Id> = conn.load(members)?;
    Ok(ids.into_iter().map(|it| it.0).collect())
}
