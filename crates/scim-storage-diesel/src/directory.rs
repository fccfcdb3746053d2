//! The directory of tenants, connections and tokens.

pub(crate) mod connections;
pub(crate) mod deleted;
mod tokens;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use scim_model::store::{
    Connection, ConnectionChange, ConnectionId, DeletedConnection, DeletedCredential, Directory, NewToken,
    StoreError, Tenant, TenantId, Token,
};
use uuid::Uuid;

use crate::columns::Time;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{connection, journal_start, resource_count, tenant};
use crate::sql::{Sql, sql};
use crate::store::DieselStore;

/// The pauses between two steps of a deletion.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Directory for DieselStore {
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError> {
        let name = name.to_owned();
        self.database.write(move |conn| {
            // A trigger of the table creates the connection `default`: see the migration `connections`.
            let values = (tenant::name.eq(&name), tenant::created.eq(now.timestamp_millis()));
            let insert = diesel::insert_into(tenant::table).values(values);
            let insert = insert
                .on_conflict(tenant::name)
                .do_nothing()
                .returning(tenant::id);
            let attribute = "name".to_owned();
            let id = conn.only(insert)?.map(TenantId);
            Ok(id.ok_or(StoreError::Conflict { attribute })?)
        })
    }

    fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let tenant = |(id, name, Time(created))| Tenant {
            id: TenantId(id),
            name,
            created,
        };
        self.database.read(|conn| {
            let tenants = tenant::table
                .filter(tenant::deleted.eq(false))
                .order(tenant::name)
                .select((tenant::id, tenant::name, tenant::created));
            Ok(conn.load(tenants)?.into_iter().map(tenant).collect())
        })
    }

    fn rename_tenant(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.database.write(move |conn| rename_tenant(conn, &from, &to))
    }

    fn hide_tenant(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.database.write(move |conn| hide_tenant(conn, &name))
    }

    fn delete_tenant(&self, name: &str) -> Result<bool, StoreError> {
        let mut found = self.hide_tenant(name)?;
        loop {
            let began = Instant::now();
            match self.continue_deletion(Some(name)) {
                Ok(true) => found = true,
                Ok(false) => return Ok(found),
                // Other writers go first: a hidden tenant can wait.
                Err(StoreError::Busy) => {}
                Err(error) => return Err(error),
            }
            // SQLite's lock goes to whichever process asks while it is free, not to the one that asked first, so
            // others need time to take it.
            std::thread::sleep(began.elapsed().clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        }
    }

    fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError> {
        let hidden = self.database.read(|conn| {
            // With a name, only a tenant that had it.
            let had_name = match name {
                Some(name) => sql!(" AND name = {name} || '#' || id"; name),
                None => Sql::default(),
            };
            let select = sql!("SELECT id FROM tenant WHERE deleted{had_name} ORDER BY id LIMIT 1"; had_name);
            Ok(conn.row(&select)?.map(TenantId))
        })?;
        if let Some(tenant) = hidden {
            self.database.write(move |conn| delete_some(conn, tenant))?;
        }
        Ok(hidden.is_some())
    }

    fn create_connection(&self, new: &Connection) -> Result<bool, StoreError> {
        let new = new.clone();
        self.database.write(move |conn| connections::create(conn, &new))
    }

    fn connections(&self, tenant: TenantId) -> Result<Vec<Connection>, StoreError> {
        self.database.read(|conn| connections::of_tenant(conn, tenant))
    }

    fn connection(&self, tenant: TenantId, name: &str) -> Result<Option<Connection>, StoreError> {
        self.database.read(|conn| connections::named(conn, tenant, name))
    }

    fn change_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        change: &ConnectionChange,
    ) -> Result<Option<Connection>, StoreError> {
        let change = change.clone();
        self.database
            .write(move |conn| connections::change(conn, tenant, id, &change))
    }

    fn delete_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.database
            .write(move |conn| connections::delete(conn, tenant, id, now))
    }

    fn deleted_connections(&self, tenant: TenantId) -> Result<Vec<DeletedConnection>, StoreError> {
        self.database.read(|conn| deleted::connections(conn, tenant))
    }

    fn deleted_credentials(&self, of: Option<TenantId>) -> Result<Vec<DeletedCredential>, StoreError> {
        self.database.read(|conn| deleted::credentials(conn, of))
    }

    fn create_token(&self, new: &NewToken) -> Result<bool, StoreError> {
        let new = new.clone();
        self.database.write(move |conn| tokens::create(conn, &new))
    }

    fn tokens(&self, of: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
        self.database.read(|conn| tokens::of(conn, of))
    }

    fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.database.write(move |conn| {
            // A literal, because the DSL has no `coalesce` for both databases. A revoked token keeps its time.
            let update = sql!("UPDATE token SET revoked = coalesce(revoked, {now}) WHERE id = {id}"; now, id);
            Ok(conn.execute(update)? > 0)
        })
    }

    fn expire_token(&self, id: Uuid, at: DateTime<Utc>) -> Result<bool, StoreError> {
        self.database.write(move |conn| tokens::expire(conn, id, at))
    }

    fn record_token_use(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.database.write(move |conn| tokens::record_use(conn, id, now))
    }

    fn expiring_tokens(&self, after: DateTime<Utc>, before: DateTime<Utc>) -> Result<Vec<Token>, StoreError> {
        self.database.read(|conn| tokens::expiring(conn, after, before))
    }

    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.database.read(|conn| tokens::by_hash(conn, sha256))
    }
}

/// Returns whether a tenant had the name.
fn rename_tenant(conn: &mut Conn, from: &str, to: &str) -> Result<bool, Failure> {
    if from == to {
        let same = tenant::table.filter(tenant::name.eq(to)).select(tenant::id);
        return Ok(conn.only::<i64, _>(same)?.is_some());
    }
    let named = tenant::table
        .filter(tenant::name.eq(from))
        .filter(tenant::deleted.eq(false));
    match conn.execute(diesel::update(named).set(tenant::name.eq(to))) {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            let attribute = "name".to_owned();
            Err(StoreError::Conflict { attribute }.into())
        }
        result => Ok(result? > 0),
    }
}

/// Hides a tenant, frees its name and ends all access to it: the first step of its deletion. Returns `false` when no
/// tenant has that name.
fn hide_tenant(conn: &mut Conn, name: &str) -> Result<bool, Failure> {
    // No tenant can be created with a name such as `acme#7`. A literal, because the DSL cannot append a number to a
    // text.
    let hide = sql!(
        "UPDATE tenant SET deleted = TRUE, name = name || '#' || id
         WHERE name = {name} AND NOT deleted RETURNING id";
        name
    );
    let hidden = conn.row::<i64>(&hide)?;
    if let Some(id) = hidden {
        // The credentials are deleted by their foreign keys.
        conn.execute(diesel::delete(
            connection::table.filter(connection::tenant_id.eq(id)),
        ))?;
    }
    Ok(hidden.is_some())
}

/// The most resources that one step of a deletion removes.
const RESOURCES_PER_STEP: i64 = 100;
/// The most memberships, and the most journal entries, that one step removes.
const ROWS_PER_STEP: i64 = 1_000;

/// Takes one step of a deletion: removes a small part of what a hidden tenant owns, or at last the tenant itself.
/// Each step is a transaction, so that others can write in between.
fn delete_some(conn: &mut Conn, tenant: TenantId) -> Result<(), Failure> {
    // One step at a time, and after every request that has begun to create something.
    let hidden = sql!(
        "SELECT id FROM tenant WHERE deleted AND id = {tenant}{lock}";
        tenant, lock = conn.dialect().lock(" FOR UPDATE")
    );
    if conn.row::<i64>(&hidden)?.is_none() {
        return Ok(());
    }
    if delete_resources(conn, tenant)? {
        return Ok(());
    }
    // A tenant without resources gets no new journal entries. Their positions remain, see the migration `event_feed`.
    conn.execute(sql!(
        "INSERT INTO deleted_change (sequence, at)
         SELECT sequence, at FROM changes WHERE tenant_id = {tenant} ORDER BY sequence LIMIT {limit}
         ON CONFLICT DO NOTHING";
        tenant, limit = ROWS_PER_STEP
    ))?;
    let entries = sql!(
        "DELETE FROM changes WHERE tenant_id = {tenant}
         AND sequence IN (SELECT sequence FROM changes WHERE tenant_id = {tenant}
                          ORDER BY sequence LIMIT {limit})";
        tenant, limit = ROWS_PER_STEP
    );
    if conn.execute(&entries)? > 0 {
        return Ok(());
    }
    conn.execute(sql!(
        "INSERT INTO deleted_change (sequence, at)
         SELECT sequence, at FROM journal_start WHERE tenant_id = {tenant} ON CONFLICT DO NOTHING";
        tenant
    ))?;
    let id = tenant.0;
    conn.execute(diesel::delete(journal_start::table.find(id)))?;
    conn.execute(diesel::delete(
        resource_count::table.filter(resource_count::tenant_id.eq(id)),
    ))?;
    conn.execute(diesel::delete(
        connection::table.filter(connection::tenant_id.eq(id)),
    ))?;
    conn.execute(diesel::delete(tenant::table.find(id)))?;
    Ok(())
}

/// Removes some of a tenant's resources, or some of their memberships. Returns whether there were any. Literals,
/// because the DSL has no `LIMIT` for a deletion, and lists are bound as one value.
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
