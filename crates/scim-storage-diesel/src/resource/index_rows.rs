//! The rows in other tables that are derived from a document: its normal form, its index rows and its unique values.

use diesel::prelude::*;
use scim_model::store::{StoreError, TenantId};

use super::subject::Subject;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::attribute_value;
use crate::schema_map::derive::{Derived, IndexRows};
use crate::sql::{Dialect, Sql, sql};

/// The statement that adds index rows to the resource in the table `found`; existing rows stay.
pub(crate) fn insert_index_rows(dialect: Dialect, tenant: TenantId, rows: &IndexRows) -> Sql {
    sql!(
        "INSERT INTO attribute_value (tenant_id, path, key, pk)
         SELECT {tenant}, a.path, a.key, found.pk FROM found, {rows} AS a WHERE TRUE ON CONFLICT DO NOTHING";
        tenant, rows = Sql::table_of_values(dialect, rows)
    )
}

impl Subject<'_> {
    /// Returns the statements that bring normal form and index rows in line with a changed document. Rows that stay
    /// are not touched.
    pub(crate) fn replace_index_rows(&self, conn: &mut Conn, derived: &Derived) -> Result<Vec<Sql>, Failure> {
        let (dialect, tenant, pk) = (conn.dialect(), self.tenant, self.pk);
        let normal = sql!(
            "UPDATE resource_normal SET normal = {normal} WHERE tenant_id = {tenant} AND pk = {pk}";
            normal = Sql::json(dialect, derived.normal.clone()), tenant, pk
        );
        // Most updates change no index row. On PostgreSQL, reading them first costs more than writing.
        let reads_first = dialect == Dialect::Sqlite;
        if self.layout.indexed.is_empty() || reads_first && self.stored_index_rows(conn)? == derived.values {
            return Ok(vec![normal]);
        }
        let outdated = sql!(
            "DELETE FROM attribute_value WHERE tenant_id = {tenant} AND pk = {pk}
             AND (path, key) NOT IN (SELECT path, key FROM {values} AS a)";
            tenant, pk, values = Sql::table_of_values(dialect, &derived.values)
        );
        Ok(vec![
            normal,
            outdated,
            insert_index_rows(dialect, tenant, &derived.values),
        ])
    }

    fn stored_index_rows(&self, conn: &mut Conn) -> Result<IndexRows, Failure> {
        let rows = attribute_value::table
            .filter(attribute_value::tenant_id.eq(self.tenant.0))
            .filter(attribute_value::pk.eq(self.pk))
            .select((attribute_value::path, attribute_value::key));
        Ok(conn.load(rows)?.into_iter().collect())
    }

    /// Brings the unique values in line with a changed document. Only schemas with a second unique attribute, which
    /// are rare, need a statement for this.
    pub(crate) fn replace_unique_values(&self, conn: &mut Conn, values: &IndexRows) -> Result<(), Failure> {
        if self.layout.more_unique.is_empty() {
            return Ok(());
        }
        conn.execute(sql!(
            "DELETE FROM unique_value WHERE tenant_id = {tenant} AND pk = {pk}
             AND (path, key) NOT IN (SELECT path, key FROM {values} AS a)";
            tenant = self.tenant, pk = self.pk, values = Sql::table_of_values(conn.dialect(), values)
        ))?;
        self.insert_unique_values(conn, values)
    }

    /// # Errors
    /// `Conflict` when another resource of the tenant has one of the values.
    pub(crate) fn insert_unique_values(&self, conn: &mut Conn, values: &IndexRows) -> Result<(), Failure> {
        for (path, key) in values {
            // A literal, because the DSL cannot make the update of a conflicting row conditional on both databases.
            // The update counts the rows that the resource itself already has.
            let inserted = conn.execute(sql!(
                "INSERT INTO unique_value (tenant_id, path, key, pk) VALUES ({tenant}, {path}, {key}, {pk})
                 ON CONFLICT (tenant_id, path, key) DO UPDATE SET pk = excluded.pk
                 WHERE unique_value.pk = excluded.pk";
                tenant = self.tenant, path = *path, key, pk = self.pk
            ))?;
            if inserted == 0 {
                let attribute = self.layout.more_unique.iter().find(|(number, _)| number == path);
                let attribute = attribute.map_or_else(String::new, |(_, it)| it.to_string());
                return Err(StoreError::Conflict { attribute }.into());
            }
        }
        Ok(())
    }
}
