//! Get, references and secrets, and what stands beside a row: members and groups.

use std::collections::HashMap;

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use scim_model::SecretHash;
use scim_model::store::{Include, Reference, StoreError, Stored, TenantId};
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::schema_map::layout::Layout;
use crate::schema_map::layouts::Layouts;
use crate::sql::{Conn, Dialect, Sql};
use crate::write::time;

/// `pk, id, version, created, modified, document` and the groups, see [`groups_of`].
pub(crate) type ResourceTypes = (BigInt, Binary, BigInt, BigInt, BigInt, Text, Nullable<Text>);
pub(crate) type ResourceRow = (i64, Vec<u8>, i64, i64, i64, String, Option<String>);

pub(crate) fn get(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    include: Include,
) -> Result<Option<Stored>, Failure> {
    let include = narrowed(layout, include);
    let select = Sql::new("SELECT d.pk, d.id, d.version, d.created, d.modified, d.document, ")
        .sql(groups_of("d.pk", conn.dialect(), tenant, include))
        .text(" FROM resource d WHERE d.tenant_id = ")
        .int(tenant.0)
        .text(" AND d.id = ")
        .id(id)
        .text(" AND d.kind = ")
        .int(layout.kind);
    let one = |conn: &mut Conn| {
        let row = conn.row::<ResourceTypes, ResourceRow>(&select)?;
        row.map(|row| stored(layouts, layout, row)).transpose()
    };
    if !include.members {
        return Ok(one(conn)?.map(|it| it.stored));
    }
    // A group's version tells its members, so both must be of one moment.
    conn.snapshot(|conn| {
        let Some(found) = one(conn)? else {
            return Ok(None);
        };
        let mut found = [found];
        add_members(conn, layouts, tenant, found.iter_mut().collect(), u32::MAX)?;
        let [found] = found;
        Ok(Some(found.stored))
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
    let select = Sql::new("SELECT id, kind, label FROM resource WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND id")
        .in_ids(conn.dialect(), ids);
    let rows = conn.rows::<(Binary, BigInt, Nullable<Text>), (Vec<u8>, i64, Option<String>)>(&select)?;
    rows.into_iter()
        .map(|(id, kind, display)| reference(layouts, &id, kind, display))
        .collect()
}

pub(crate) fn secret(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    path: &str,
) -> Result<Option<SecretHash>, Failure> {
    let select = Sql::new(
        "SELECT s.hash FROM resource r JOIN secret s ON s.tenant_id = r.tenant_id AND s.pk = r.pk \
         WHERE r.tenant_id = ",
    )
    .int(tenant.0)
    .text(" AND r.id = ")
    .id(id)
    .text(" AND r.kind = ")
    .int(layout.kind)
    .text(" AND s.path = ")
    .string(path);
    Ok(conn.row::<Text, String>(&select)?.map(SecretHash))
}

/// Only what the type has.
pub(crate) fn narrowed(layout: &Layout, include: Include) -> Include {
    Include {
        members: include.members && layout.resource_type.has_members(),
        groups: include.groups && layout.resource_type.has_groups(),
    }
}

/// A resource with its place in the order of creation.
pub(crate) struct Row {
    pub(crate) pk: i64,
    pub(crate) stored: Stored,
}

/// Adds the members of groups, in order of joining, in one statement for all. Of a single group it is all of
/// them, of several so many at most.
pub(crate) fn add_members(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    groups: Vec<&mut Row>,
    most: u32,
) -> Result<(), Failure> {
    if groups.is_empty() {
        return Ok(());
    }
    let pks: Vec<i64> = groups.iter().map(|it| it.pk).collect();
    if pks.len() > 1 {
        let count = Sql::new("SELECT count(*) FROM (SELECT 1 FROM membership m WHERE m.tenant_id = ")
            .int(tenant.0)
            .text(" AND m.group_pk")
            .in_pks(conn.dialect(), &pks)
            .text(" LIMIT ")
            .int(i64::from(most) + 1)
            .text(") AS c")
            .one_off();
        if conn.row::<BigInt, i64>(&count)? > Some(most.into()) {
            return Err(StoreError::TooManyMembers { most: most.into() }.into());
        }
    }
    let select = members_of(conn.dialect(), tenant, &pks);
    type Types = (BigInt, Binary, BigInt, Nullable<Text>);
    type Columns = (i64, Vec<u8>, i64, Option<String>);
    let mut members: HashMap<i64, Vec<Reference>> = HashMap::new();
    conn.each::<Types, Columns>(&select, |(pk, id, kind, display)| {
        let reference = reference(layouts, &id, kind, display)?;
        members.entry(pk).or_default().push(reference);
        Ok(())
    })?;
    for Row { pk, stored } in groups {
        stored.members = Some(members.remove(pk).unwrap_or_default());
    }
    Ok(())
}

/// Selects the members of groups as `group_pk, id, kind, label`.
pub(crate) fn members_of(dialect: Dialect, tenant: TenantId, groups: &[i64]) -> Sql {
    let select = Sql::new("SELECT m.group_pk, x.id, x.kind, x.label FROM membership m JOIN ");
    let select = match dialect {
        Dialect::Sqlite => select
            .text("resource x ON ")
            .found_by_pk(dialect, "x.tenant_id", tenant)
            .text(" AND x.pk = m.member_pk"),
        // For a large group PostgreSQL would read the whole table, everybody's; `OFFSET 0` keeps it from that.
        Dialect::Postgres => select
            .text("LATERAL (SELECT r.id, r.kind, r.label FROM resource r WHERE r.tenant_id = ")
            .int(tenant.0)
            .text(" AND r.pk = m.member_pk OFFSET 0) x ON TRUE"),
    };
    let select = select
        .text(" WHERE m.tenant_id = ")
        .int(tenant.0)
        .text(" AND m.group_pk");
    let select = match groups {
        [group] => select.text(" = ").int(*group),
        groups => select.in_pks(dialect, groups),
    };
    let select = select.text(" ORDER BY m.group_pk, m.joined");
    match dialect {
        Dialect::Sqlite => select,
        // A kept plan may stem from a time when the groups were small.
        Dialect::Postgres => select.one_off(),
    }
}

/// The groups of a resource in order of joining, as a column of the statement that reads the resource:
/// the JSON text of an array of `[id in hexadecimal, number of its type, display name]`. `NULL` when they
/// are not asked for.
pub(crate) fn groups_of(pk: &'static str, dialect: Dialect, tenant: TenantId, include: Include) -> Sql {
    if !include.groups {
        return Sql::new(match dialect {
            Dialect::Sqlite => "NULL",
            Dialect::Postgres => "CAST(NULL AS TEXT)",
        });
    }
    let (array, end) = match dialect {
        Dialect::Sqlite => ("json_group_array(json_array(hex(x.id), x.kind, x.label)", ")"),
        Dialect::Postgres => (
            "coalesce(json_agg(json_build_array(encode(x.id, 'hex'), x.kind, x.label)",
            ")::text, '[]')",
        ),
    };
    Sql::new("(SELECT ")
        .text(array)
        .text(" ORDER BY m.joined, m.group_pk")
        .text(end)
        .text(" FROM membership m JOIN resource x ON ")
        .found_by_pk(dialect, "x.tenant_id", tenant)
        .text(" AND x.pk = m.group_pk WHERE m.tenant_id = ")
        .int(tenant.0)
        .text(" AND m.member_pk = ")
        .text(pk)
        .text(")")
}

fn reference(layouts: &Layouts, id: &[u8], kind: i64, display: Option<String>) -> Result<Reference, Failure> {
    Ok(Reference {
        id: resource_id(id)?,
        resource_type: layouts.name(kind),
        display,
    })
}

pub(crate) fn stored(
    layouts: &Layouts,
    layout: &Layout,
    (pk, id, version, created, modified, document, groups): ResourceRow,
) -> Result<Row, Failure> {
    let group = |(id, kind, display): (String, i64, Option<String>)| {
        Ok(Reference {
            id: Uuid::try_parse(&id).map_err(unavailable)?,
            resource_type: layouts.name(kind),
            display,
        })
    };
    let groups = match groups {
        Some(text) => {
            let groups: Vec<(String, i64, Option<String>)> =
                serde_json::from_str(&text).map_err(unavailable)?;
            let groups = groups.into_iter().map(group);
            Some(groups.collect::<Result<Vec<_>, StoreError>>()?)
        }
        None => None,
    };
    let stored = Stored {
        resource_type: layout.resource_type.name.clone(),
        id: resource_id(&id)?,
        version,
        created: time(created)?,
        last_modified: time(modified)?,
        document,
        members: None,
        groups,
    };
    Ok(Row { pk, stored })
}

fn resource_id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(unavailable)
}
