//! Clients and their secrets.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use scim_model::store::{
    Client, ClientChange, ClientMethod, ExpiringSecret, Federation, NewClient, NewSecret, Secret,
    SecretAdded, StoreError, TenantId,
};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::directory::connections::{self, ConnectionRow, columns};
use crate::error::{Failure, unavailable};
use crate::schema::{access_token, connection, oauth_client, oauth_secret, tenant};
use crate::sql::sql;

/// Returns whether the tenant has the connection.
pub(super) fn create(conn: &mut Conn, new: &NewClient) -> Result<bool, Failure> {
    if !connections::exists(conn, new.tenant, new.connection)? {
        return Ok(false);
    }
    if let ClientMethod::Federation(trust) = &new.method {
        refuse_twin(conn, new.tenant.0, trust, new.id)?;
    }
    let values = (
        oauth_client::id.eq(new.id.as_bytes().as_slice()),
        oauth_client::tenant_id.eq(new.tenant.0),
        oauth_client::connection_id.eq(new.connection.0.as_bytes().as_slice()),
        oauth_client::client_id.eq(&new.client_id),
        oauth_client::name.eq(&new.name),
        oauth_client::method.eq(method_text(&new.method)),
        oauth_client::read_only.eq(new.read_only),
        oauth_client::disabled.eq(new.disabled),
        oauth_client::created.eq(new.created.timestamp_millis()),
    );
    let insert = diesel::insert_into(oauth_client::table).values(values);
    if conn.execute(insert.on_conflict(oauth_client::client_id).do_nothing())? == 0 {
        let attribute = "clientId".to_owned();
        return Err(StoreError::Conflict { attribute }.into());
    }
    for secret in &new.secrets {
        insert_secret(conn, new.tenant.0, new.id, secret)?;
    }
    Ok(true)
}

/// Refuses a federation if another one of the tenant accepts the same assertions. The lock on the tenant, which only
/// PostgreSQL has, keeps two federations apart that are stored at the same time, and no other writer waits for it.
fn refuse_twin(conn: &mut Conn, tenant: i64, new: &Federation, id: Uuid) -> Result<(), Failure> {
    conn.row::<i64>(&sql!(
        "SELECT id FROM tenant WHERE id = {tenant}{lock}";
        tenant, lock = conn.dialect().lock(" FOR NO KEY UPDATE")
    ))?;
    let others = oauth_client::table
        .filter(oauth_client::tenant_id.eq(tenant))
        .filter(oauth_client::id.ne(id.as_bytes().as_slice()))
        .select(oauth_client::method);
    for method in conn.load::<String, _>(others)? {
        let method: ClientMethod = serde_json::from_str(&method).map_err(unavailable)?;
        if matches!(&method, ClientMethod::Federation(other) if other.is_twin(new)) {
            let attribute = "federation".to_owned();
            return Err(StoreError::Conflict { attribute }.into());
        }
    }
    Ok(())
}

fn method_text(method: &ClientMethod) -> String {
    serde_json::to_string(method).expect("texts and lists are JSON")
}

/// Returns whether the client exists.
pub(super) fn change(conn: &mut Conn, client_id: &str, change: &ClientChange) -> Result<bool, Failure> {
    // A literal, because only PostgreSQL has a lock, which keeps two changes apart.
    let lock = sql!(
        "SELECT tenant_id, id, method, name, disabled FROM oauth_client WHERE client_id = {client_id}{lock}";
        client_id, lock = conn.dialect().lock(" FOR UPDATE")
    );
    let row = conn.row::<(i64, Id, String, String, bool)>(&lock)?;
    let Some((tenant, Id(client), method, name, disabled)) = row else {
        return Ok(false);
    };
    let stored: ClientMethod = serde_json::from_str(&method).map_err(unavailable)?;
    if let Some(expected) = &change.expected
        && (expected.name != name || expected.disabled != disabled || expected.method != stored)
    {
        return Err(StoreError::Stale.into());
    }
    let row = oauth_client::table
        .filter(oauth_client::tenant_id.eq(tenant))
        .filter(oauth_client::id.eq(client.as_bytes().as_slice()));
    if let Some(change) = &change.method {
        if stored != change.old {
            return Err(StoreError::Stale.into());
        }
        if let (ClientMethod::Federation(old), ClientMethod::Federation(new)) = (&change.old, &change.new)
            // Federations of an earlier version may have twins, which can still change their other values.
            && !old.is_twin(new)
        {
            refuse_twin(conn, tenant, new, client)?;
        }
        conn.execute(diesel::update(row).set(oauth_client::method.eq(method_text(&change.new))))?;
        if change.ends_tokens {
            let tokens = access_token::table
                .filter(access_token::tenant_id.eq(tenant))
                .filter(access_token::client.eq(client.as_bytes().as_slice()))
                .filter(access_token::secret.is_null());
            conn.execute(diesel::delete(tokens))?;
        }
    }
    if let Some(name) = &change.name {
        conn.execute(diesel::update(row).set(oauth_client::name.eq(name)))?;
    }
    if let Some(disabled) = change.disabled {
        set_disabled(conn, tenant, client, disabled)?;
    }
    Ok(true)
}

fn set_disabled(conn: &mut Conn, tenant: i64, client: Uuid, disabled: bool) -> Result<(), Failure> {
    let client = client.as_bytes().as_slice();
    let row = oauth_client::table
        .filter(oauth_client::tenant_id.eq(tenant))
        .filter(oauth_client::id.eq(client));
    conn.execute(diesel::update(row).set(oauth_client::disabled.eq(disabled)))?;
    if disabled {
        let tokens = access_token::table
            .filter(access_token::tenant_id.eq(tenant))
            .filter(access_token::client.eq(client));
        conn.execute(diesel::delete(tokens))?;
    }
    Ok(())
}

pub(super) fn add_secret(conn: &mut Conn, client_id: &str, new: &NewSecret) -> Result<SecretAdded, Failure> {
    // A literal, because only PostgreSQL has a lock, which keeps two additions apart.
    let lock = sql!(
        "SELECT tenant_id, id FROM oauth_client WHERE client_id = {client_id}{lock}";
        client_id, lock = conn.dialect().lock(" FOR UPDATE")
    );
    let Some((tenant, Id(client))) = conn.row::<(i64, Id)>(&lock)? else {
        return Ok(SecretAdded::NoClient);
    };
    let valid = oauth_secret::table
        .filter(oauth_secret::tenant_id.eq(tenant))
        .filter(oauth_secret::client.eq(client.as_bytes().as_slice()))
        .filter(oauth_secret::expires.gt(new.created.timestamp_millis()))
        .select(oauth_secret::tenant_id);
    if conn.load::<i64, _>(valid)?.len() >= Client::MAX_SECRETS {
        return Ok(SecretAdded::TooMany);
    }
    insert_secret(conn, tenant, client, new)?;
    Ok(SecretAdded::Done)
}

fn insert_secret(conn: &mut Conn, tenant: i64, client: Uuid, new: &NewSecret) -> Result<(), Failure> {
    let values = (
        oauth_secret::id.eq(new.id.as_bytes().as_slice()),
        oauth_secret::tenant_id.eq(tenant),
        oauth_secret::client.eq(client.as_bytes().as_slice()),
        oauth_secret::sha256.eq(new.sha256.as_slice()),
        oauth_secret::last_four.eq(&new.last_four),
        oauth_secret::name.eq(&new.name),
        oauth_secret::created.eq(new.created.timestamp_millis()),
        oauth_secret::expires.eq(new.expires.timestamp_millis()),
    );
    conn.execute(diesel::insert_into(oauth_secret::table).values(values))?;
    Ok(())
}

/// Returns the clients of a tenant, or of all tenants.
pub(super) fn of(conn: &mut Conn, of: Option<TenantId>) -> Result<Vec<Client>, Failure> {
    let is_wanted = oauth_client::tenant_id.nullable().eq(of.map(|it| it.0));
    let rows = readable()
        .filter(is_wanted.or(of.is_none().into_sql::<Bool>()))
        .order((tenant::name, oauth_client::created, oauth_client::id));
    let rows: Vec<ClientRow> = conn.load(rows)?;
    let is_wanted = oauth_secret::tenant_id.nullable().eq(of.map(|it| it.0));
    let secrets = oauth_secret::table
        .filter(is_wanted.or(of.is_none().into_sql::<Bool>()))
        .order((oauth_secret::created, oauth_secret::id))
        .select(secret_columns());
    let mut by_client: HashMap<Uuid, Vec<Secret>> = HashMap::new();
    for row in conn.load::<SecretRow, _>(secrets)? {
        let client = row.client.0;
        by_client.entry(client).or_default().push(row.into_secret()?);
    }
    rows.into_iter()
        .map(|row| {
            let secrets = by_client.remove(&row.id.0).unwrap_or_default();
            row.into_client(secrets)
        })
        .collect()
}

pub(super) fn named(conn: &mut Conn, client_id: &str) -> Result<Option<Client>, Failure> {
    let row = readable().filter(oauth_client::client_id.eq(client_id));
    let Some(row) = conn.only::<ClientRow, _>(row)? else {
        return Ok(None);
    };
    let secrets = oauth_secret::table
        .filter(oauth_secret::client.eq(row.id.0.as_bytes().as_slice()))
        .order((oauth_secret::created, oauth_secret::id))
        .select(secret_columns());
    let secrets = conn.load::<SecretRow, _>(secrets)?;
    let secrets = secrets
        .into_iter()
        .map(SecretRow::into_secret)
        .collect::<Result<_, _>>()?;
    row.into_client(secrets).map(Some)
}

/// Returns the secrets that expire between two times and have no successor. A literal, because four tables are joined
/// for five columns.
pub(super) fn expiring(
    conn: &mut Conn,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
) -> Result<Vec<ExpiringSecret>, Failure> {
    let secrets = sql!(
        "SELECT s.id, o.client_id, t.name, c.name, s.expires
         FROM oauth_secret s
         JOIN oauth_client o ON o.tenant_id = s.tenant_id AND o.id = s.client
         JOIN connection c ON c.tenant_id = o.tenant_id AND c.id = o.connection_id
         JOIN tenant t ON t.id = o.tenant_id AND NOT t.deleted
         WHERE s.expires > {after} AND s.expires < {before} AND NOT EXISTS
         (SELECT 1 FROM oauth_secret n WHERE n.tenant_id = s.tenant_id AND n.client = s.client
          AND n.created > s.created AND n.expires > s.expires)
         ORDER BY s.expires, s.id";
        after, before
    );
    let secret =
        |(id, client_id, tenant_name, connection_name, expires): (Id, String, String, String, Time)| {
            ExpiringSecret {
                id: id.0,
                client_id,
                tenant_name,
                connection_name,
                expires: expires.0,
            }
        };
    Ok(conn.rows(&secrets)?.into_iter().map(secret).collect())
}

/// The clients of tenants that are not being deleted, with the name of the tenant and the connection.
#[diesel::dsl::auto_type]
fn readable() -> _ {
    let is_owner = connection::tenant_id
        .eq(oauth_client::tenant_id)
        .and(connection::id.eq(oauth_client::connection_id));
    let is_tenant = tenant::id.eq(oauth_client::tenant_id);
    oauth_client::table
        .inner_join(connection::table.on(is_owner))
        .inner_join(tenant::table.on(is_tenant))
        .filter(tenant::deleted.eq(false))
        .select((
            oauth_client::id,
            tenant::name,
            columns(),
            oauth_client::client_id,
            oauth_client::name,
            oauth_client::method,
            oauth_client::read_only,
            oauth_client::disabled,
            oauth_client::created,
            oauth_client::last_used,
        ))
}

#[derive(Queryable)]
struct ClientRow {
    id: Id,
    tenant_name: String,
    connection: ConnectionRow,
    client_id: String,
    name: String,
    method: String,
    read_only: bool,
    disabled: bool,
    created: Time,
    last_used: Option<Time>,
}

impl ClientRow {
    fn into_client(self, secrets: Vec<Secret>) -> Result<Client, Failure> {
        Ok(Client {
            id: self.id.0,
            connection: self.connection.into_connection()?,
            tenant_name: self.tenant_name,
            client_id: self.client_id,
            name: self.name,
            method: serde_json::from_str(&self.method).map_err(unavailable)?,
            read_only: self.read_only,
            disabled: self.disabled,
            created: self.created.0,
            last_used: self.last_used.map(|it| it.0),
            secrets,
        })
    }
}

/// The columns of a [`SecretRow`].
#[diesel::dsl::auto_type]
fn secret_columns() -> _ {
    (
        oauth_secret::id,
        oauth_secret::client,
        oauth_secret::sha256,
        oauth_secret::last_four,
        oauth_secret::name,
        oauth_secret::created,
        oauth_secret::expires,
        oauth_secret::last_used,
    )
}

#[derive(Queryable)]
struct SecretRow {
    id: Id,
    client: Id,
    sha256: Vec<u8>,
    last_four: String,
    name: String,
    created: Time,
    expires: Time,
    last_used: Option<Time>,
}

impl SecretRow {
    fn into_secret(self) -> Result<Secret, Failure> {
        let sha256 = self.sha256.try_into();
        Ok(Secret {
            id: self.id.0,
            sha256: sha256.map_err(|_| unavailable("a stored hash does not have 32 bytes"))?,
            last_four: self.last_four,
            name: self.name,
            created: self.created.0,
            expires: self.expires.0,
            last_used: self.last_used.map(|it| it.0),
        })
    }
}
