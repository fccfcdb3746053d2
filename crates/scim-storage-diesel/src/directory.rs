//! Tenants and tokens.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use scim_model::store::{NewToken, StoreError, Tenant, TenantId, Token};
use uuid::Uuid;

use crate::error::{Failure, unavailable};
use crate::sql::{Conn, Sql};
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
    let select = Sql::new("SELECT id, name, created FROM tenant ORDER BY name");
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

pub(crate) fn delete_tenant(conn: &mut Conn, name: &str) -> Result<bool, Failure> {
    let select = Sql::new("SELECT id FROM tenant WHERE name = ").string(name);
    let Some(id) = conn.row::<BigInt, i64>(&select)? else {
        return Ok(false);
    };
    let owned = [
        "DELETE FROM membership WHERE tenant_id = ",
        "DELETE FROM attribute_value WHERE tenant_id = ",
        "DELETE FROM unique_value WHERE tenant_id = ",
        "DELETE FROM secret WHERE tenant_id = ",
        "DELETE FROM resource_normal WHERE tenant_id = ",
        "DELETE FROM changes WHERE tenant_id = ",
        "DELETE FROM resource_count WHERE tenant_id = ",
        "DELETE FROM resource WHERE tenant_id = ",
        "DELETE FROM token WHERE tenant_id = ",
        "DELETE FROM tenant WHERE id = ",
    ];
    for delete in owned {
        conn.execute(&Sql::new(delete).int(id))?;
    }
    Ok(true)
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
                             o.note FROM token o JOIN tenant t ON t.id = o.tenant_id";

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
