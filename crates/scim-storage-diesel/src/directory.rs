//! Tenants and tokens.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use scim_model::store::{NewToken, StoreError, Tenant, TenantId, Token};
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::sql::{Conn, Dialect, Sql};
use crate::write::time;

pub(crate) fn create_tenant(conn: &mut Conn, name: &str, now: DateTime<Utc>) -> Result<TenantId, Failure> {
    let insert = Sql::new("INSERT INTO tenant (name, created) VALUES (")
        .string(name)
        .text(", ")
        .int(now.timestamp_millis())
        .text(") ON CONFLICT (name) DO NOTHING RETURNING id");
    match conn.row::<BigInt, i64>(&insert)? {
        Some(id) => Ok(TenantId(id)),
        None => Err(StoreError::Conflict {
            attribute: "name".to_owned(),
        }
        .into()),
    }
}

pub(crate) fn tenants(conn: &mut Conn) -> Result<Vec<Tenant>, Failure> {
    let select = Sql::new("SELECT id, name, created FROM tenant WHERE NOT deleted ORDER BY name");
    let rows = conn.rows::<(BigInt, Text, BigInt), (i64, String, i64)>(&select)?;
    rows.into_iter()
        .map(|(id, name, created)| {
            Ok(Tenant {
                id: TenantId(id),
                name,
                created: time(created)?,
            })
        })
        .collect()
}

/// Hides a tenant, lets go of its name and ends all access to it: the first step of its deletion.
/// `None` when there is none of that name.
pub(crate) fn hide_tenant(conn: &mut Conn, name: &str) -> Result<Option<TenantId>, Failure> {
    // No tenant can be created with a name such as `acme#7`.
    let hide = Sql::new("UPDATE tenant SET deleted = TRUE, name = name || '#' || id WHERE name = ")
        .string(name)
        .text(" AND NOT deleted RETURNING id");
    let Some(id) = conn.row::<BigInt, i64>(&hide)? else {
        return Ok(None);
    };
    conn.execute(&Sql::new("DELETE FROM token WHERE tenant_id = ").int(id))?;
    Ok(Some(TenantId(id)))
}

/// A tenant whose deletion has begun; with a name, one that had it.
pub(crate) fn hidden_tenant(conn: &mut Conn, name: Option<&str>) -> Result<Option<TenantId>, Failure> {
    let mut select = Sql::new("SELECT id FROM tenant WHERE deleted");
    if let Some(name) = name {
        select = select.text(" AND name = ").string(name).text(" || '#' || id");
    }
    let id = conn.row::<BigInt, i64>(&select.text(" ORDER BY id LIMIT 1"))?;
    Ok(id.map(TenantId))
}

/// Resources that a step of a deletion takes at most.
const RESOURCES_AT_ONCE: i64 = 100;
/// Memberships, and lines of the journal, that a step takes at most.
const ROWS_AT_ONCE: i64 = 1_000;

/// Deletes a small part of what a hidden tenant owns, or in the end the tenant itself. Each step is a transaction of its own, so that others write in between.
pub(crate) fn delete_some(conn: &mut Conn, tenant: TenantId) -> Result<(), Failure> {
    let mut lock = Sql::new("SELECT id FROM tenant WHERE deleted AND id = ").int(tenant.0);
    if conn.dialect() == Dialect::Postgres {
        // One step at a time, and after every request that has begun to create something.
        lock = lock.text(" FOR UPDATE");
    }
    if conn.row::<BigInt, i64>(&lock)?.is_none() {
        return Ok(());
    }
    let of_tenant = |text| Sql::new(text).int(tenant.0);
    let pks = of_tenant("SELECT pk FROM resource WHERE tenant_id = ")
        .text(" ORDER BY kind, pk LIMIT ")
        .int(RESOURCES_AT_ONCE);
    let pks = conn.rows::<BigInt, i64>(&pks)?;
    if !pks.is_empty() {
        for column in ["member_pk", "group_pk"] {
            let memberships = of_tenant("DELETE FROM membership WHERE tenant_id = ")
                .text(
                    " AND (group_pk, joined) IN (SELECT group_pk, joined FROM membership WHERE tenant_id = ",
                )
                .int(tenant.0)
                .text(" AND ")
                .text(column)
                .in_pks(conn.dialect(), &pks)
                .text(" LIMIT ")
                .int(ROWS_AT_ONCE)
                .text(")");
            if conn.execute(&memberships)? == ROWS_AT_ONCE as usize {
                return Ok(());
            }
        }
        // Their rows in the other tables go with them.
        let resources =
            Sql::new("DELETE FROM resource WHERE ").found_by_pk(conn.dialect(), "tenant_id", tenant);
        conn.execute(&resources.text(" AND pk").in_pks(conn.dialect(), &pks))?;
        return Ok(());
    }
    // Without resources nobody adds lines.
    let lines = of_tenant("DELETE FROM changes WHERE tenant_id = ")
        .text(" AND sequence IN (SELECT sequence FROM changes WHERE tenant_id = ")
        .int(tenant.0)
        .text(" ORDER BY sequence LIMIT ")
        .int(ROWS_AT_ONCE)
        .text(")");
    if conn.execute(&lines)? > 0 {
        return Ok(());
    }
    for rest in [
        "DELETE FROM journal_start WHERE tenant_id = ",
        "DELETE FROM resource_count WHERE tenant_id = ",
        "DELETE FROM token WHERE tenant_id = ",
        "DELETE FROM tenant WHERE id = ",
    ] {
        conn.execute(&of_tenant(rest))?;
    }
    Ok(())
}

pub(crate) fn create_token(conn: &mut Conn, token: &NewToken) -> Result<(), Failure> {
    let insert = Sql::new(
        "INSERT INTO token (id, tenant_id, sha256, created, expires, revoked, read_only, note) VALUES (",
    )
    .id(token.id)
    .text(", ")
    .int(token.tenant.0)
    .text(", ")
    .bytes(token.sha256)
    .text(", ")
    .int(token.created.timestamp_millis())
    .text(", ")
    .optional_int(token.expires.map(|it| it.timestamp_millis()))
    .text(", NULL, ")
    .bool(token.read_only)
    .text(", ")
    .string(&token.note)
    .text(")");
    conn.execute(&insert)?;
    Ok(())
}

pub(crate) fn tokens(conn: &mut Conn, tenant: Option<TenantId>) -> Result<Vec<Token>, Failure> {
    let mut select = Sql::new(SELECT_TOKENS);
    if let Some(tenant) = tenant {
        select = select.text(" WHERE o.tenant_id = ").int(tenant.0);
    }
    load_tokens(conn, &select.text(" ORDER BY t.name, o.created, o.id"))
}

pub(crate) fn token_by_hash(conn: &mut Conn, sha256: [u8; 32]) -> Result<Option<Token>, Failure> {
    let select = Sql::new(SELECT_TOKENS).text(" WHERE o.sha256 = ").bytes(sha256);
    Ok(load_tokens(conn, &select)?.into_iter().next())
}

/// `false` when there is none; one that is revoked already keeps its time.
pub(crate) fn revoke_token(conn: &mut Conn, id: Uuid, now: DateTime<Utc>) -> Result<bool, Failure> {
    let update = Sql::new("UPDATE token SET revoked = coalesce(revoked, ")
        .int(now.timestamp_millis())
        .text(") WHERE id = ")
        .id(id);
    Ok(conn.execute(&update)? > 0)
}

const SELECT_TOKENS: &str = "SELECT o.id, o.tenant_id, t.name, o.created, o.expires, o.revoked, o.read_only, \
                             o.note FROM token o JOIN tenant t ON t.id = o.tenant_id AND NOT t.deleted";

fn load_tokens(conn: &mut Conn, select: &Sql) -> Result<Vec<Token>, Failure> {
    type Types = (
        Binary,
        BigInt,
        Text,
        BigInt,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Bool,
        Text,
    );
    type Row = (Vec<u8>, i64, String, i64, Option<i64>, Option<i64>, bool, String);
    let rows = conn.rows::<Types, Row>(select)?;
    rows.into_iter()
        .map(
            |(id, tenant, tenant_name, created, expires, revoked, read_only, note)| {
                Ok(Token {
                    id: Uuid::from_slice(&id).map_err(unavailable)?,
                    tenant: TenantId(tenant),
                    tenant_name,
                    created: time(created)?,
                    expires: expires.map(time).transpose()?,
                    revoked: revoked.map(time).transpose()?,
                    read_only,
                    note,
                })
            },
        )
        .collect()
}
