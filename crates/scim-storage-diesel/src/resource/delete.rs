//! Deleting a resource.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::change::{AttributeChanges, Operation};
use scim_model::store::TenantId;
use uuid::Uuid;

use super::locked::{LockFor, lock};
use super::members::{ChangedGroup, JoiningMembers, give_groups_new_version};
use crate::connection::Conn;
use crate::counts;
use crate::error::{Failure, unavailable};
use crate::journal::{self, Entry};
use crate::schema::{membership, resource};
use crate::schema_map::layout::Layout;
use crate::sql::sql;

/// Deletes a resource with everything that belongs to it; `false` when the tenant lacks it, or
/// it has another type.
pub(crate) fn delete(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    expected_version: Option<i64>,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let group = layout.resource_type.has_members().then_some(ChangedGroup {
        id,
        with_its_groups: true,
    });
    JoiningMembers::find(conn, tenant, std::iter::empty(), group)?;
    let Some(row) = lock(conn, tenant, layout, id, LockFor::Deletion)? else {
        return Ok(false);
    };
    row.check_version(expected_version)?;
    give_groups_new_version(conn, tenant, row.pk, id, now, Operation::MemberDeleted)?;
    let members = match layout.resource_type.has_members() {
        true => member_ids(conn, tenant, row.pk)?,
        false => Vec::new(),
    };
    let detail = AttributeChanges::of_deletion(&layout.resource_type, &row.document, &members).to_stored();
    let (pk, kind) = (row.pk, layout.kind);
    // Literals, because they go to PostgreSQL in one round trip; see `Conn::together`.
    let found = sql!("SELECT pk FROM resource WHERE tenant_id = {tenant} AND pk = {pk}"; tenant, pk);
    let entry = Entry {
        at: now.timestamp_millis(),
        kind,
        id,
        version: row.version,
        operation: Operation::Delete,
        detail: &detail,
    };
    let others = vec![
        sql!("DELETE FROM membership WHERE tenant_id = {tenant} AND member_pk = (SELECT pk FROM found)"; tenant),
        sql!("DELETE FROM membership WHERE tenant_id = {tenant} AND group_pk = (SELECT pk FROM found)"; tenant),
        // The rows in the other tables are deleted by their foreign keys.
        sql!("DELETE FROM resource WHERE tenant_id = {tenant} AND pk = (SELECT pk FROM found)"; tenant),
        counts::count(conn.dialect(), tenant, kind, -1),
        journal::insert(tenant, &entry),
    ];
    conn.together(found, others)?;
    Ok(true)
}

/// The members of a group, in order of joining.
fn member_ids(conn: &mut Conn, tenant: TenantId, group_pk: i64) -> Result<Vec<Uuid>, Failure> {
    let members = membership::table
        .inner_join(
            resource::table.on(resource::tenant_id
                .eq(membership::tenant_id)
                .and(resource::pk.eq(membership::member_pk))),
        )
        .filter(membership::tenant_id.eq(tenant.0))
        .filter(membership::group_pk.eq(group_pk))
        .order(membership::joined)
        .select(resource::id);
    let ids: Vec<Vec<u8>> = conn.load(members)?;
    let ids = ids.iter().map(|it| Uuid::from_slice(it).map_err(unavailable));
    Ok(ids.collect::<Result<_, _>>()?)
}
