//! Tenants and tokens.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use scim_model::store::{NewToken, StoreError, Tenant, TenantId, Token};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{journal_start, resource_count, tenant, token};
use crate::sql::{Sql, sql};

pub(crate) fn create_tenant(conn: &mut Conn, name: &str, now: DateTime<Utc>) -> Result<TenantId, Failure> {
    let values = (tenant::name.eq(name), tenant::created.eq(now.timestamp_millis()));
    let id: Option<i64> = conn.only(
        diesel::insert_into(tenant::table)
            .values(values)
            .on_conflict(tenant::name)
            .do_nothing()
            .returning(tenant::id),
    )?;
    match id {
        Some(id) => Ok(TenantId(id)),
        None => Err(StoreError::Conflict {
            attribute: "name".to_owned(),
        }
        .into()),
    }
}

pub(crate) fn tenants(conn: &mut Conn) -> Result<Vec<Tenant>, Failure> {
    let tenants = tenant::table
        .filter(tenant::deleted.eq(false))
        .order(tenant::name)
        .select((tenant::id, tenant::name, tenant::created));
    let rows: Vec<(i64, String, Time)> = conn.load(tenants)?;
    let tenant = |(id, name, Time(created))| Tenant {
        id: TenantId(id),
        name,
        created,
    };
    Ok(rows.into_iter().map(tenant).collect())
}

/// Hides a tenant, frees its name and ends all access to it: the first step of its deletion. `None` when no
/// tenant has that name.
pub(crate) fn hide_tenant(conn: &mut Conn, name: &str) -> Result<Option<TenantId>, Failure> {
    // No tenant can be created with a name such as `acme#7`. A literal, because the DSL cannot append a number to a
    // text.
    let hide = sql!(
        "UPDATE tenant SET deleted = TRUE, name = name || '#' || id
         WHERE name = {name} AND NOT deleted RETURNING id";
        name
    );
    let Some(id) = conn.row::<i64>(&hide)? else {
        return Ok(None);
    };
    conn.execute(diesel::delete(token::table.filter(token::tenant_id.eq(id))))?;
    Ok(Some(TenantId(id)))
}

/// A tenant whose deletion has begun; with a name, one that had it.
pub(crate) fn hidden_tenant(conn: &mut Conn, name: Option<&str>) -> Result<Option<TenantId>, Failure> {
    let had_name = match name {
        Some(name) => sql!(" AND name = {name} || '#' || id"; name),
        None => Sql::default(),
    };
    let select = sql!("SELECT id FROM tenant WHERE deleted{had_name} ORDER BY id LIMIT 1"; had_name);
    Ok(conn.row::<i64>(&select)?.map(TenantId))
}

/// Resources that one step of a deletion removes at most.
const RESOURCES_PER_STEP: i64 = 100;
/// Memberships and journal entries that one step removes at most.
const ROWS_PER_STEP: i64 = 1_000;

/// Takes one step of a deletion: removes a small part of what a hidden tenant owns, or in the end the tenant itself.
/// Each step is a transaction, so that others write in between.
pub(crate) fn delete_some(conn: &mut Conn, tenant: TenantId) -> Result<(), Failure> {
    // One step at a time, and after every request that has begun to create something.
    let hidden = sql!("SELECT id FROM tenant WHERE deleted AND id = {tenant}{lock}"; tenant, lock = conn.dialect().lock(" FOR UPDATE"));
    if conn.row::<i64>(&hidden)?.is_none() {
        return Ok(());
    }
    if delete_resources(conn, tenant)? {
        return Ok(());
    }
    // A tenant without resources gets no new journal entries.
    let entries = sql!(
        "DELETE FROM changes WHERE tenant_id = {tenant}
         AND sequence IN (SELECT sequence FROM changes WHERE tenant_id = {tenant}
                          ORDER BY sequence LIMIT {limit})";
        tenant, limit = ROWS_PER_STEP
    );
    if conn.execute(&entries)? > 0 {
        return Ok(());
    }
    conn.execute(diesel::delete(
        journal_start::table.filter(journal_start::tenant_id.eq(tenant.0)),
    ))?;
    conn.execute(diesel::delete(
        resource_count::table.filter(resource_count::tenant_id.eq(tenant.0)),
    ))?;
    conn.execute(diesel::delete(token::table.filter(token::tenant_id.eq(tenant.0))))?;
    conn.execute(diesel::delete(tenant::table.filter(tenant::id.eq(tenant.0))))?;
    Ok(())
}

/// Removes some of a tenant's resources, or memberships of theirs. Returns whether there were any. Literals, because
/// the DSL has no `LIMIT` for a deletion, and lists are bound as one value.
fn delete_resources(conn: &mut Conn, tenant: TenantId) -> Result<bool, Failure> {
    let pks = conn.rows::<i64>(&sql!(
        "SELECT pk FROM resource WHERE tenant_id = {tenant} ORDER BY kind, pk LIMIT {limit}";
        tenant, limit = RESOURCES_PER_STEP
    ))?;
    if pks.is_empty() {
        return Ok(false);
    }
    let in_pks = Sql::in_pks(conn.dialect(), &pks);
    for end in ["member_pk", "group_pk"] {
        let deleted = conn.execute(sql!(
            "DELETE FROM membership WHERE tenant_id = {tenant} AND (group_pk, joined) IN
             (SELECT group_pk, joined FROM membership WHERE tenant_id = {tenant} AND {end} {in_pks} LIMIT {limit})";
            tenant, end = Sql::text(end), in_pks = in_pks.clone(), limit = ROWS_PER_STEP
        ))?;
        if deleted == ROWS_PER_STEP as usize {
            return Ok(true);
        }
    }
    // The rows in the other tables are deleted by their foreign keys.
    conn.execute(sql!(
        "DELETE FROM resource WHERE {owned} AND pk {in_pks}";
        owned = Sql::owned_by(conn.dialect(), "tenant_id", tenant), in_pks
    ))?;
    Ok(true)
}

pub(crate) fn create_token(conn: &mut Conn, new: &NewToken) -> Result<(), Failure> {
    let values = (
        token::id.eq(new.id.as_bytes().as_slice()),
        token::tenant_id.eq(new.tenant.0),
        token::sha256.eq(new.sha256.as_slice()),
        token::created.eq(new.created.timestamp_millis()),
        token::expires.eq(new.expires.map(|it| it.timestamp_millis())),
        token::read_only.eq(new.read_only),
        token::note.eq(&new.note),
    );
    conn.execute(diesel::insert_into(token::table).values(values))?;
    Ok(())
}

/// The tokens of a tenant, or all.
pub(crate) fn tokens(conn: &mut Conn, of: Option<TenantId>) -> Result<Vec<Token>, Failure> {
    let is_wanted = token::tenant_id.nullable().eq(of.map(|it| it.0));
    let rows: Vec<TokenRow> = conn.load(
        readable_tokens()
            .filter(is_wanted.or(of.is_none().into_sql::<Bool>()))
            .order((tenant::name, token::created, token::id)),
    )?;
    Ok(rows.into_iter().map(Token::from).collect())
}

pub(crate) fn token_by_hash(conn: &mut Conn, sha256: [u8; 32]) -> Result<Option<Token>, Failure> {
    let row: Option<TokenRow> = conn.only(readable_tokens().filter(token::sha256.eq(sha256.as_slice())))?;
    Ok(row.map(Token::from))
}

/// Revokes a token; one that is revoked already keeps its time. `false` when the token does not exist.
pub(crate) fn revoke_token(conn: &mut Conn, id: Uuid, now: DateTime<Utc>) -> Result<bool, Failure> {
    // A literal, because the DSL has no `coalesce` for both databases.
    let update = sql!("UPDATE token SET revoked = coalesce(revoked, {now}) WHERE id = {id}"; now, id);
    Ok(conn.execute(&update)? > 0)
}

/// The tokens of tenants that are not being deleted, with the name of the tenant.
#[diesel::dsl::auto_type]
fn readable_tokens() -> _ {
    token::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .select((
            token::id,
            token::tenant_id,
            tenant::name,
            token::created,
            token::expires,
            token::revoked,
            token::read_only,
            token::note,
        ))
}

#[derive(Queryable)]
struct TokenRow {
    id: Id,
    tenant_id: i64,
    tenant_name: String,
    created: Time,
    expires: Option<Time>,
    revoked: Option<Time>,
    read_only: bool,
    note: String,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Token {
        Token {
            id: row.id.0,
            tenant: TenantId(row.tenant_id),
            tenant_name: row.tenant_name,
            created: row.created.0,
            expires: row.expires.map(|it| it.0),
            revoked: row.revoked.map(|it| it.0),
            read_only: row.read_only,
            note: row.note,
        }
    }
}
