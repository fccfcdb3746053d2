//! Connections and credentials that were deleted, for the readers of the journal.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use scim_model::store::{
    ClientMethod, ConnectionId, CredentialKind, DeletedConnection, DeletedCredential, TenantId,
};

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{deleted_connection, deleted_credential, tenant};
use crate::sql::{Sql, sql};

/// Records a connection and its credentials, which are about to be deleted. The caller holds the lock of its row, so
/// that no credential is added in between. Literals, because the DSL cannot copy rows between tables on both
/// databases.
pub(super) fn record_connection(
    conn: &mut Conn,
    tenant: TenantId,
    ConnectionId(id): ConnectionId,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    record_clients(
        conn,
        &sql!("o.tenant_id = {tenant} AND o.connection_id = {id}"; tenant, id),
        now,
    )?;
    let bearer = CredentialKind::Bearer.as_str();
    conn.execute(sql!(
        "INSERT INTO deleted_credential
           (tenant_id, id, kind, client_id, name, connection_name, created, deleted)
         SELECT t.tenant_id, t.id, {bearer}, NULL, coalesce(t.name, ''), c.name, t.created, {now}
         FROM token t JOIN connection c ON c.tenant_id = t.tenant_id AND c.id = t.connection_id
         WHERE t.tenant_id = {tenant} AND t.connection_id = {id}";
        bearer, now, tenant, id
    ))?;
    conn.execute(sql!(
        "INSERT INTO deleted_connection (tenant_id, id, name, created, deleted)
         SELECT tenant_id, id, name, created, {now} FROM connection WHERE tenant_id = {tenant} AND id = {id}";
        now, tenant, id
    ))?;
    Ok(())
}

/// Records OAuth clients that are about to be deleted, and locks their rows. `which` is a condition on `oauth_client o`.
/// Returns the number of clients.
pub(crate) fn record_clients(conn: &mut Conn, which: &Sql, now: DateTime<Utc>) -> Result<usize, Failure> {
    let clients = sql!(
        "SELECT o.tenant_id, o.id, o.client_id, o.name, o.method, c.name, o.created
         FROM oauth_client o JOIN connection c ON c.tenant_id = o.tenant_id AND c.id = o.connection_id
         WHERE {which}{lock}";
        which = which.clone(), lock = conn.dialect().lock(" FOR UPDATE OF o")
    );
    let clients: Vec<(i64, Id, String, String, String, String, Time)> = conn.rows(&clients)?;
    let number = clients.len();
    for (tenant, id, client_id, name, method, connection_name, created) in clients {
        let method: ClientMethod = serde_json::from_str(&method).map_err(unavailable)?;
        let values = (
            deleted_credential::tenant_id.eq(tenant),
            deleted_credential::id.eq(id.0.as_bytes().as_slice()),
            deleted_credential::kind.eq(method.kind().as_str()),
            deleted_credential::client_id.eq(client_id),
            deleted_credential::name.eq(name),
            deleted_credential::connection_name.eq(connection_name),
            deleted_credential::created.eq(created.0.timestamp_millis()),
            deleted_credential::deleted.eq(now.timestamp_millis()),
        );
        conn.execute(diesel::insert_into(deleted_credential::table).values(values))?;
    }
    Ok(number)
}

pub(super) fn connections(conn: &mut Conn, of: TenantId) -> Result<Vec<DeletedConnection>, Failure> {
    let rows = deleted_connection::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .filter(deleted_connection::tenant_id.eq(of.0))
        .order((deleted_connection::deleted, deleted_connection::id))
        .select((
            deleted_connection::id,
            deleted_connection::name,
            deleted_connection::created,
            deleted_connection::deleted,
        ));
    let connection = |(id, name, created, deleted): (Id, String, Time, Time)| DeletedConnection {
        id: ConnectionId(id.0),
        name,
        created: created.0,
        deleted: deleted.0,
    };
    Ok(conn.load(rows)?.into_iter().map(connection).collect())
}

/// Returns the credentials of a tenant, or of all tenants.
pub(super) fn credentials(conn: &mut Conn, of: Option<TenantId>) -> Result<Vec<DeletedCredential>, Failure> {
    let is_wanted = deleted_credential::tenant_id.nullable().eq(of.map(|it| it.0));
    let rows = deleted_credential::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .filter(is_wanted.or(of.is_none().into_sql::<Bool>()))
        .order((tenant::name, deleted_credential::deleted, deleted_credential::id))
        .select((
            deleted_credential::id,
            deleted_credential::kind,
            deleted_credential::client_id,
            deleted_credential::name,
            tenant::name,
            deleted_credential::connection_name,
            deleted_credential::created,
            deleted_credential::deleted,
        ));
    let rows: Vec<CredentialRow> = conn.load(rows)?;
    rows.into_iter().map(CredentialRow::into_credential).collect()
}

#[derive(Queryable)]
struct CredentialRow {
    id: Id,
    kind: String,
    client_id: Option<String>,
    name: String,
    tenant_name: String,
    connection_name: String,
    created: Time,
    deleted: Time,
}

impl CredentialRow {
    fn into_credential(self) -> Result<DeletedCredential, Failure> {
        Ok(DeletedCredential {
            id: self.id.0,
            kind: self.kind.parse().map_err(unavailable)?,
            client_id: self.client_id,
            name: self.name,
            tenant_name: self.tenant_name,
            connection_name: self.connection_name,
            created: self.created.0,
            deleted: self.deleted.0,
        })
    }
}
