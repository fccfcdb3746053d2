//! The hashes of a resource's secrets.

use diesel::prelude::*;
use scim_model::{SecretHash, SecretHashes};
use uuid::Uuid;

use super::subject::Subject;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{resource, secret};
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::sql;

impl Scope<'_> {
    pub(crate) fn secret(
        &self,
        conn: &mut Conn,
        layout: &Layout,
        id: Uuid,
        path: &str,
    ) -> Result<Option<SecretHash>, Failure> {
        let is_same_row = secret::tenant_id
            .eq(resource::tenant_id)
            .and(secret::pk.eq(resource::pk));
        let hash = resource::table
            .inner_join(secret::table.on(is_same_row))
            .filter(resource::tenant_id.eq(self.tenant.0))
            .filter(resource::id.eq(id.as_bytes().as_slice()))
            .filter(resource::kind.eq(layout.kind))
            .filter(secret::path.eq(path))
            .select(secret::hash);
        Ok(conn.only(hash)?.map(SecretHash))
    }
}

impl Subject<'_> {
    /// Sets and deletes secrets. Returns whether any of them changed.
    pub(crate) fn change_secrets(&self, conn: &mut Conn, secrets: &SecretHashes) -> Result<bool, Failure> {
        let (tenant, pk) = (self.tenant, self.pk);
        let mut changed = 0;
        for (path, hash) in secrets {
            changed += match hash {
                // A literal, because the DSL cannot make the update of a conflicting row conditional on both databases.
                Some(hash) => conn.execute(sql!(
                    "INSERT INTO secret (tenant_id, pk, path, hash) VALUES ({tenant}, {pk}, {path}, {hash})
                     ON CONFLICT (tenant_id, pk, path) DO UPDATE SET hash = excluded.hash
                     WHERE secret.hash <> excluded.hash";
                    tenant, pk, path, hash = &hash.0
                ))?,
                None => conn.execute(diesel::delete(secret::table.find((pk, tenant.0, path))))?,
            };
        }
        Ok(changed > 0)
    }
}
