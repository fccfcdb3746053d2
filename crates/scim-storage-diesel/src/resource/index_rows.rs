//! The rows in other tables that are derived from a document: its normal form, its index rows and its unique values.

use diesel::prelude::*;
use scim_model::store::{StoreError, TenantId};

use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{attribute_value, unique_value};
use crate::schema_map::derive::{Derived, IndexRows};
use crate::schema_map::layout::Layout;
use crate::sql::{Dialect, Sql, sql};

/// The statements that bring normal form and index rows in line with a changed document. Rows that stay are not
/// touched.
pub(crate) fn replace_index_rows(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    derived: &Derived,
) -> Result<Vec<Sql>, Failure> {
    let dialect = conn.dialect();
    let normal = sql!(
        "UPDATE resource_normal SET normal = {normal} WHERE tenant_id = {tenant} AND pk = {pk}";
        normal = Sql::json(dialect, derived.normal.clone()), tenant, pk
    );
    // Most updates change no index row. On PostgreSQL, reading them first costs more than writing.
    let reads_first = dialect == Dialect::Sqlite;
    if layout.indexed.is_empty() || reads_first && stored_index_rows(conn, tenant, pk)? == derived.values {
        return Ok(vec![normal]);
    }
    let outdated = sql!(
        "DELETE FROM attribute_value WHERE tenant_id = {tenant} AND pk = {pk}
         AND (path, key) NOT IN (SELECT path, key FROM {values} AS a)";
        tenant, pk, values = Sql::table_of_values(dialect, &derived.values)
    );
    let missing = insert_index_rows(dialect, tenant, &derived.values);
    Ok(vec![normal, outdated, missing])
}

fn stored_index_rows(conn: &mut Conn, tenant: TenantId, pk: i64) -> Result<IndexRows, Failure> {
    let rows = attribute_value::table
        .filter(attribute_value::tenant_id.eq(tenant.0))
        .filter(attribute_value::pk.eq(pk))
        .select((attribute_value::path, attribute_value::key));
    let rows: Vec<(i64, String)> = conn.load(rows)?;
    Ok(rows.into_iter().collect())
}

/// The statement that gives the resource in the table `found` its index rows; those that exist stay.
pub(crate) fn insert_index_rows(dialect: Dialect, tenant: TenantId, rows: &IndexRows) -> Sql {
    sql!(
        "INSERT INTO attribute_value (tenant_id, path, key, pk)
         SELECT {tenant}, a.path, a.key, found.pk FROM found, {rows} AS a WHERE TRUE ON CONFLICT DO NOTHING";
        tenant, rows = Sql::table_of_values(dialect, rows)
    )
}

/// Brings the unique values in line with a changed document. Few schemas have a second unique attribute; the others
/// cost no statement.
pub(crate) fn replace_unique_values(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    values: &IndexRows,
) -> Result<(), Failure> {
    if layout.more_unique.is_empty() {
        return Ok(());
    }
    conn.execute(&sql!(
        "DELETE FROM unique_value WHERE tenant_id = {tenant} AND pk = {pk}
         AND (path, key) NOT IN (SELECT path, key FROM {values} AS a)";
        tenant, pk, values = Sql::table_of_values(conn.dialect(), values)
    ))?;
    let stored = unique_value::table
        .filter(unique_value::tenant_id.eq(tenant.0))
        .filter(unique_value::pk.eq(pk))
        .select((unique_value::path, unique_value::key));
    let stored: Vec<(i64, String)> = conn.load(stored)?;
    let stored: IndexRows = stored.into_iter().collect();
    let new = values.difference(&stored).cloned().collect();
    insert_unique_values(conn, layout, tenant, pk, &new)
}

/// # Errors
/// `Conflict` when another resource of the tenant has one of the values.
pub(crate) fn insert_unique_values(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    values: &IndexRows,
) -> Result<(), Failure> {
    for (path, key) in values {
        let value = (
            unique_value::tenant_id.eq(tenant.0),
            unique_value::path.eq(path),
            unique_value::key.eq(key),
            unique_value::pk.eq(pk),
        );
        let inserted = conn.execute(
            diesel::insert_into(unique_value::table)
                .values(value)
                .on_conflict((unique_value::tenant_id, unique_value::path, unique_value::key))
                .do_nothing(),
        )?;
        if inserted == 0 {
            let attribute = layout.more_unique.iter().find(|(number, _)| number == path);
            let attribute = attribute.map_or_else(String::new, |(_, it)| it.to_string());
            return Err(StoreError::Conflict { attribute }.into());
        }
    }
    Ok(())
}
