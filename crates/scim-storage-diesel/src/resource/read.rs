//! Reading resources, with their members and groups.

use std::collections::HashMap;

use scim_model::store::{Include, Reference, StoreError, Stored, TenantId};
use uuid::Uuid;

use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema_map::layout::Layout;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Dialect, Sql, sql};
use crate::time::from_millis;

/// `pk, id, version, created, modified, document` and the groups; see [`groups_column`].
pub(crate) type ResourceRow = (i64, Vec<u8>, i64, i64, i64, String, Option<String>);

/// A stored resource with its place in the order of creation.
pub(crate) struct Row {
    pub(crate) pk: i64,
    pub(crate) stored: Stored,
}

pub(crate) fn get(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    include: Include,
) -> Result<Option<Stored>, Failure> {
    let include = restrict_to_type(layout, include);
    // A literal, because the groups are a column in the database's own JSON.
    let select = sql!(
        "SELECT d.pk, d.id, d.version, d.created, d.modified, d.document, {groups}
         FROM resource d WHERE d.tenant_id = {tenant} AND d.id = {id} AND d.kind = {kind}";
        groups = groups_column("d.pk", conn.dialect(), tenant, include), tenant, id, kind = layout.kind
    );
    let row = |conn: &mut Conn| {
        let row = conn.row::<ResourceRow>(&select)?;
        row.map(|row| stored(layouts, layout, row)).transpose()
    };
    if !include.members {
        return Ok(row(conn)?.map(|it| it.stored));
    }
    // A group's version covers its members, so both have to come from one snapshot.
    conn.snapshot(None, |conn| {
        let Some(mut group) = row(conn)? else {
            return Ok(None);
        };
        add_members(conn, layouts, tenant, vec![&mut group], u32::MAX)?;
        Ok(Some(group.stored))
    })
}

pub(crate) fn references(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<Vec<Reference>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // A literal, because the list is bound as one value.
    let select = sql!(
        "SELECT id, kind, label FROM resource WHERE tenant_id = {tenant} AND id {ids}";
        tenant, ids = Sql::in_ids(conn.dialect(), ids)
    );
    let rows = conn.rows::<(Vec<u8>, i64, Option<String>)>(&select)?;
    rows.into_iter()
        .map(|(id, kind, display)| reference(layouts, &id, kind, display))
        .collect()
}

/// Leaves out what the type does not have.
pub(crate) fn restrict_to_type(layout: &Layout, include: Include) -> Include {
    Include {
        members: include.members && layout.resource_type.has_members(),
        groups: include.groups && layout.resource_type.has_groups(),
    }
}

/// Adds the members of groups, in order of joining, with one statement for all. Several groups together may have at
/// most `max_members`; a single group is read whole.
pub(crate) fn add_members(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    groups: Vec<&mut Row>,
    max_members: u32,
) -> Result<(), Failure> {
    if groups.is_empty() {
        return Ok(());
    }
    let pks: Vec<i64> = groups.iter().map(|it| it.pk).collect();
    if pks.len() > 1 {
        let count = sql!(
            "SELECT count(*) FROM (SELECT 1 FROM membership m
                                   WHERE m.tenant_id = {tenant} AND m.group_pk {pks} LIMIT {limit}) AS c";
            tenant, pks = Sql::in_pks(conn.dialect(), &pks), limit = i64::from(max_members) + 1
        );
        if conn.row::<i64>(&count.one_off())? > Some(max_members.into()) {
            return Err(StoreError::TooManyMembers {
                most: max_members.into(),
            }
            .into());
        }
    }
    let select = members_select(conn.dialect(), tenant, &pks);
    let mut members: HashMap<i64, Vec<Reference>> = HashMap::new();
    conn.each(
        &select,
        |(pk, id, kind, display): (i64, Vec<u8>, i64, Option<String>)| {
            let reference = reference(layouts, &id, kind, display)?;
            members.entry(pk).or_default().push(reference);
            Ok(())
        },
    )?;
    for Row { pk, stored } in groups {
        stored.members = Some(members.remove(pk).unwrap_or_default());
    }
    Ok(())
}

/// Selects the members of groups as `group_pk, id, kind, label`.
pub(crate) fn members_select(dialect: Dialect, tenant: TenantId, groups: &[i64]) -> Sql {
    let groups = match groups {
        [group] => sql!("= {group}"; group = *group),
        groups => Sql::in_pks(dialect, groups),
    };
    match dialect {
        Dialect::Sqlite => sql!(
            "SELECT m.group_pk, x.id, x.kind, x.label FROM membership m
             JOIN resource x ON {owned} AND x.pk = m.member_pk
             WHERE m.tenant_id = {tenant} AND m.group_pk {groups} ORDER BY m.group_pk, m.joined";
            owned = Sql::owned_by(dialect, "x.tenant_id", tenant), tenant, groups
        ),
        // For a large group PostgreSQL would read the whole table, rows of all tenants included; `OFFSET 0` prevents
        // it. No plan is kept, because it may stem from a time when the groups were small.
        Dialect::Postgres => sql!(
            "SELECT m.group_pk, x.id, x.kind, x.label FROM membership m
             JOIN LATERAL (SELECT r.id, r.kind, r.label FROM resource r
                           WHERE r.tenant_id = {tenant} AND r.pk = m.member_pk OFFSET 0) x ON TRUE
             WHERE m.tenant_id = {tenant} AND m.group_pk {groups} ORDER BY m.group_pk, m.joined";
            tenant, groups
        )
        .one_off(),
    }
}

/// The groups of a resource in order of joining, as a column of the statement that reads the resource: the JSON text of
/// an array of `[id in hexadecimal, number of its type, display name]`. `NULL` when the groups are not asked for.
pub(crate) fn groups_column(pk: &'static str, dialect: Dialect, tenant: TenantId, include: Include) -> Sql {
    let member = Sql::text(pk);
    let owned = Sql::owned_by(dialect, "x.tenant_id", tenant);
    match (include.groups, dialect) {
        (false, Dialect::Sqlite) => Sql::text("NULL"),
        (false, Dialect::Postgres) => Sql::text("CAST(NULL AS TEXT)"),
        (true, Dialect::Sqlite) => sql!(
            "(SELECT json_group_array(json_array(hex(x.id), x.kind, x.label) ORDER BY m.joined, m.group_pk)
              FROM membership m JOIN resource x ON {owned} AND x.pk = m.group_pk
              WHERE m.tenant_id = {tenant} AND m.member_pk = {member})";
            owned, tenant, member
        ),
        (true, Dialect::Postgres) => sql!(
            "(SELECT coalesce(json_agg(json_build_array(encode(x.id, 'hex'), x.kind, x.label)
                                       ORDER BY m.joined, m.group_pk)::text, '[]')
              FROM membership m JOIN resource x ON {owned} AND x.pk = m.group_pk
              WHERE m.tenant_id = {tenant} AND m.member_pk = {member})";
            owned, tenant, member
        ),
    }
}

/// A resource as the port describes it.
pub(crate) fn stored(
    layouts: &Layouts,
    layout: &Layout,
    (pk, id, version, created, modified, document, groups): ResourceRow,
) -> Result<Row, Failure> {
    let stored = Stored {
        resource_type: layout.resource_type.name.clone(),
        id: resource_id(&id)?,
        version,
        created: from_millis(created)?,
        last_modified: from_millis(modified)?,
        document,
        members: None,
        groups: groups.map(|it| parse_groups(layouts, &it)).transpose()?,
    };
    Ok(Row { pk, stored })
}

fn parse_groups(layouts: &Layouts, text: &str) -> Result<Vec<Reference>, StoreError> {
    let groups: Vec<(String, i64, Option<String>)> = serde_json::from_str(text).map_err(unavailable)?;
    let group = |(id, kind, display): (String, i64, Option<String>)| {
        Ok(Reference {
            id: Uuid::try_parse(&id).map_err(unavailable)?,
            resource_type: layouts.name(kind),
            display,
        })
    };
    groups.into_iter().map(group).collect()
}

fn reference(layouts: &Layouts, id: &[u8], kind: i64, display: Option<String>) -> Result<Reference, Failure> {
    Ok(Reference {
        id: resource_id(id)?,
        resource_type: layouts.name(kind),
        display,
    })
}

fn resource_id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(unavailable)
}
