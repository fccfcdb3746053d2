//! Access tokens, and single-use assertions.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use scim_model::store::{AccessToken, ClientMethod, NewAccessToken, TokenIssued};

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::directory::connections::{ConnectionRow, columns};
use crate::error::{Failure, unavailable};
use crate::schema::{access_token, connection, oauth_client, oauth_secret, tenant, used_assertion};
use crate::sql::sql;

/// The accuracy of the time of the last use. It avoids a write for most tokens.
const USE_ACCURACY: TimeDelta = TimeDelta::minutes(1);

pub(super) fn issue(conn: &mut Conn, new: &NewAccessToken) -> Result<TokenIssued, Failure> {
    let client = new.client.as_bytes().as_slice();
    let secret = new.secret.as_ref().map(|it| it.as_bytes().as_slice());
    match stored_method(conn, new)? {
        None => return Ok(TokenIssued::Gone),
        Some((_, true)) => return Ok(TokenIssued::Changed),
        Some((method, false)) if new.checked.as_ref().is_some_and(|it| *it != method) => {
            return Ok(TokenIssued::Changed);
        }
        Some(_) => {}
    }
    if let Some((digest, expires)) = &new.assertion {
        let values = (
            used_assertion::digest.eq(digest.as_slice()),
            used_assertion::expires.eq(expires.timestamp_millis()),
        );
        let insert = diesel::insert_into(used_assertion::table).values(values);
        if conn.execute(insert.on_conflict(used_assertion::digest).do_nothing())? == 0 {
            return Ok(TokenIssued::Replayed);
        }
    }
    let values = (
        access_token::sha256.eq(new.sha256.as_slice()),
        access_token::tenant_id.eq(new.tenant.0),
        access_token::client.eq(client),
        access_token::secret.eq(secret),
        access_token::read_only.eq(new.read_only),
        access_token::created.eq(new.created.timestamp_millis()),
        access_token::expires.eq(new.expires.timestamp_millis()),
    );
    conn.execute(diesel::insert_into(access_token::table).values(values))?;
    let now = new.created.timestamp_millis();
    let before = now - USE_ACCURACY.num_milliseconds();
    let used = oauth_client::table
        .filter(oauth_client::tenant_id.eq(new.tenant.0))
        .filter(oauth_client::id.eq(client))
        .filter(
            oauth_client::last_used
                .is_null()
                .or(oauth_client::last_used.lt(before)),
        );
    conn.execute(diesel::update(used).set(oauth_client::last_used.eq(now)))?;
    if let Some(secret) = secret {
        let used = oauth_secret::table
            .filter(oauth_secret::tenant_id.eq(new.tenant.0))
            .filter(oauth_secret::id.eq(secret))
            .filter(
                oauth_secret::last_used
                    .is_null()
                    .or(oauth_secret::last_used.lt(before)),
            );
        conn.execute(diesel::update(used).set(oauth_secret::last_used.eq(now)))?;
    }
    Ok(TokenIssued::Done)
}

/// Returns whether an assertion is remembered.
pub(super) fn is_used(conn: &mut Conn, digest: &[u8; 32]) -> Result<bool, Failure> {
    let remembered = used_assertion::table
        .filter(used_assertion::digest.eq(digest.as_slice()))
        .select(used_assertion::expires);
    Ok(conn.only::<i64, _>(remembered)?.is_some())
}

/// Returns the method of the client and whether it is disabled, if the client and the secret still exist. On PostgreSQL,
/// they are kept until the end of the transaction.
fn stored_method(conn: &mut Conn, new: &NewAccessToken) -> Result<Option<(ClientMethod, bool)>, Failure> {
    // Literals, because only PostgreSQL has a lock.
    let lock = conn.dialect().lock(" FOR KEY SHARE");
    let client = sql!(
        "SELECT method, disabled FROM oauth_client WHERE tenant_id = {tenant} AND id = {client}{lock}";
        tenant = new.tenant, client = new.client, lock = lock.clone()
    );
    let Some((method, disabled)) = conn.row::<(String, bool)>(&client)? else {
        return Ok(None);
    };
    let method = serde_json::from_str(&method).map_err(unavailable)?;
    let Some(secret) = new.secret else {
        return Ok(Some((method, disabled)));
    };
    let secret = sql!(
        "SELECT id FROM oauth_secret WHERE tenant_id = {tenant} AND id = {secret} AND client = {client}{lock}";
        tenant = new.tenant, secret, client = new.client, lock
    );
    Ok(conn.row::<Id>(&secret)?.map(|_| (method, disabled)))
}

pub(super) fn by_hash(conn: &mut Conn, sha256: &[u8; 32]) -> Result<Option<AccessToken>, Failure> {
    let token = readable().filter(access_token::sha256.eq(sha256.as_slice()));
    let row: Option<TokenRow> = conn.only(token)?;
    row.map(TokenRow::into_token).transpose()
}

/// The tokens of clients that are not disabled, of tenants that are not being deleted.
#[diesel::dsl::auto_type]
fn readable() -> _ {
    let is_client = oauth_client::tenant_id
        .eq(access_token::tenant_id)
        .and(oauth_client::id.eq(access_token::client));
    let is_owner = connection::tenant_id
        .eq(oauth_client::tenant_id)
        .and(connection::id.eq(oauth_client::connection_id));
    let is_tenant = tenant::id.eq(access_token::tenant_id);
    access_token::table
        .inner_join(oauth_client::table.on(is_client))
        .inner_join(connection::table.on(is_owner))
        .inner_join(tenant::table.on(is_tenant))
        .filter(tenant::deleted.eq(false))
        .filter(oauth_client::disabled.eq(false))
        .select((
            access_token::client,
            oauth_client::name,
            tenant::name,
            columns(),
            access_token::read_only,
            access_token::expires,
        ))
}

#[derive(Queryable)]
struct TokenRow {
    client: Id,
    client_name: String,
    tenant_name: String,
    connection: ConnectionRow,
    read_only: bool,
    expires: Time,
}

impl TokenRow {
    fn into_token(self) -> Result<AccessToken, Failure> {
        Ok(AccessToken {
            client: self.client.0,
            client_name: self.client_name,
            connection: self.connection.into_connection()?,
            tenant_name: self.tenant_name,
            read_only: self.read_only,
            expires: self.expires.0,
        })
    }
}

/// Literals, because the DSL has no `LIMIT` for a deletion.
pub(super) fn delete_expired(conn: &mut Conn, before: DateTime<Utc>, most: u32) -> Result<usize, Failure> {
    let most = i64::from(most);
    let tokens = sql!(
        "DELETE FROM access_token WHERE sha256 IN
         (SELECT sha256 FROM access_token WHERE expires < {before} ORDER BY expires LIMIT {most})";
        before, most
    );
    let assertions = sql!(
        "DELETE FROM used_assertion WHERE digest IN
         (SELECT digest FROM used_assertion WHERE expires < {before} ORDER BY expires LIMIT {most})";
        before, most
    );
    Ok(conn.execute(&tokens)? + conn.execute(&assertions)?)
}
