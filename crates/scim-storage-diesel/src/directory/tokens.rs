//! Bearer tokens of connections.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use scim_model::store::{NewToken, TenantId, Token};
use uuid::Uuid;

use super::connections::{self, ConnectionRow, columns};
use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{connection, tenant, token};
use crate::sql::sql;

/// Returns whether the tenant has the connection.
pub(super) fn create(conn: &mut Conn, new: &NewToken) -> Result<bool, Failure> {
    if !connections::exists(conn, new.tenant, new.connection)? {
        return Ok(false);
    }
    let values = (
        token::id.eq(new.id.as_bytes().as_slice()),
        token::tenant_id.eq(new.tenant.0),
        token::connection_id.eq(new.connection.0.as_bytes().as_slice()),
        token::sha256.eq(new.sha256.as_slice()),
        token::last_four.eq(&new.last_four),
        token::created.eq(new.created.timestamp_millis()),
        token::expires.eq(new.expires.map(|it| it.timestamp_millis())),
        token::read_only.eq(new.read_only),
        token::name.eq(&new.name),
        // Read by the previous version of the server.
        token::note.eq(&new.name),
    );
    conn.execute(diesel::insert_into(token::table).values(values))?;
    Ok(true)
}

/// Returns the tokens of a tenant, or of all tenants.
pub(super) fn of(conn: &mut Conn, of: Option<TenantId>) -> Result<Vec<Token>, Failure> {
    let is_wanted = token::tenant_id.nullable().eq(of.map(|it| it.0));
    let tokens = readable()
        .filter(is_wanted.or(of.is_none().into_sql::<Bool>()))
        .order((tenant::name, token::created, token::id));
    let rows: Vec<TokenRow> = conn.load(tokens)?;
    rows.into_iter().map(TokenRow::into_token).collect()
}

/// Brings forward the expiry of a token that another one replaces. Returns whether the token exists.
pub(super) fn expire(conn: &mut Conn, id: Uuid, at: DateTime<Utc>) -> Result<bool, Failure> {
    let at = at.timestamp_millis();
    // A literal, because the DSL has no conditional value.
    let update = sql!(
        "UPDATE token SET replaced = TRUE, expires = CASE WHEN expires <= {at} THEN expires ELSE {at} END
         WHERE id = {id}";
        at, id
    );
    Ok(conn.execute(update)? > 0)
}

/// The time within which a second use of a token is not recorded, in milliseconds.
const USES_APART: i64 = 60_000;

pub(super) fn record_use(conn: &mut Conn, id: Uuid, now: DateTime<Utc>) -> Result<(), Failure> {
    let now = now.timestamp_millis();
    let is_due = token::last_used
        .is_null()
        .or(token::last_used.le(now - USES_APART));
    let unrecorded = token::table
        .filter(token::id.eq(id.as_bytes().as_slice()))
        .filter(is_due);
    conn.execute(diesel::update(unrecorded).set(token::last_used.eq(now)))?;
    Ok(())
}

pub(super) fn expiring(
    conn: &mut Conn,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
) -> Result<Vec<Token>, Failure> {
    let tokens = readable()
        .filter(token::expires.ge(after.timestamp_millis()))
        .filter(token::expires.lt(before.timestamp_millis()))
        .filter(token::revoked.is_null())
        .filter(token::replaced.eq(false))
        .order((token::expires, token::id));
    let rows: Vec<TokenRow> = conn.load(tokens)?;
    rows.into_iter().map(TokenRow::into_token).collect()
}

pub(super) fn by_hash(conn: &mut Conn, sha256: &[u8; 32]) -> Result<Option<Token>, Failure> {
    let token = readable().filter(token::sha256.eq(sha256.as_slice()));
    let row: Option<TokenRow> = conn.only(token)?;
    row.map(TokenRow::into_token).transpose()
}

/// The tokens of tenants that are not being deleted, with the name of the tenant and the connection.
#[diesel::dsl::auto_type]
fn readable() -> _ {
    let is_owner = connection::tenant_id
        .eq(token::tenant_id)
        .and(connection::id.nullable().eq(token::connection_id));
    token::table
        .inner_join(tenant::table)
        .inner_join(connection::table.on(is_owner))
        .filter(tenant::deleted.eq(false))
        .select((
            token::id,
            tenant::name,
            columns(),
            token::last_four,
            token::created,
            token::expires,
            token::revoked,
            token::last_used,
            token::read_only,
            token::name,
        ))
}

#[derive(Queryable)]
struct TokenRow {
    id: Id,
    tenant_name: String,
    connection: ConnectionRow,
    last_four: Option<String>,
    created: Time,
    expires: Option<Time>,
    revoked: Option<Time>,
    last_used: Option<Time>,
    read_only: bool,
    name: Option<String>,
}

impl TokenRow {
    fn into_token(self) -> Result<Token, Failure> {
        Ok(Token {
            id: self.id.0,
            connection: self.connection.into_connection()?,
            tenant_name: self.tenant_name,
            last_four: self.last_four,
            created: self.created.0,
            expires: self.expires.map(|it| it.0),
            revoked: self.revoked.map(|it| it.0),
            last_used: self.last_used.map(|it| it.0),
            read_only: self.read_only,
            name: self.name.unwrap_or_default(),
        })
    }
}
