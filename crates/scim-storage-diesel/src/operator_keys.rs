//! Operator keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::{
    NewOperatorKey, OperatorKey, OperatorKeys, OperatorScope, StoreError, Tenant, TenantId,
};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::{operator_key, operator_key_tenant, tenant};
use crate::sql::sql;
use crate::store::DieselStore;

/// The time within which a second use of a key is not recorded, in milliseconds.
const USES_APART: i64 = 60_000;

impl OperatorKeys for DieselStore {
    fn create_operator_key(&self, new: &NewOperatorKey) -> Result<bool, StoreError> {
        let new = new.clone();
        self.database.write(move |conn| create(conn, &new))
    }

    fn operator_keys(&self) -> Result<Vec<OperatorKey>, StoreError> {
        self.database.read(all)
    }

    fn operator_key_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<OperatorKey>, StoreError> {
        self.database.read(|conn| by_hash(conn, sha256))
    }

    fn revoke_operator_key(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.database.write(move |conn| {
            // A literal, because the DSL has no `coalesce` for both databases.
            let update = sql!(
                "UPDATE operator_key SET revoked = coalesce(revoked, {now}) WHERE id = {id}";
                now, id
            );
            Ok(conn.execute(update)? > 0)
        })
    }

    fn record_operator_key_use(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.database.write(move |conn| record_use(conn, id, now))
    }
}

fn create(conn: &mut Conn, new: &NewOperatorKey) -> Result<bool, Failure> {
    let mut limits = new.tenants.clone().unwrap_or_default();
    limits.sort();
    limits.dedup();
    for TenantId(id) in &limits {
        let tenant = tenant::table
            .filter(tenant::id.eq(id))
            .filter(tenant::deleted.eq(false))
            .select(tenant::id);
        if conn.only::<i64, _>(tenant)?.is_none() {
            return Ok(false);
        }
    }
    let values = (
        operator_key::id.eq(new.id.as_bytes().as_slice()),
        operator_key::name.eq(&new.name),
        operator_key::scope.eq(new.scope.as_str()),
        operator_key::limited.eq(new.tenants.is_some()),
        operator_key::sha256.eq(new.sha256.as_slice()),
        operator_key::last_four.eq(&new.last_four),
        operator_key::created.eq(new.created.timestamp_millis()),
        operator_key::expires.eq(new.expires.map(|it| it.timestamp_millis())),
    );
    conn.execute(diesel::insert_into(operator_key::table).values(values))?;
    for TenantId(id) in limits {
        let values = (
            operator_key_tenant::tenant_id.eq(id),
            operator_key_tenant::operator_key.eq(new.id.as_bytes().as_slice()),
        );
        conn.execute(diesel::insert_into(operator_key_tenant::table).values(values))?;
    }
    Ok(true)
}

fn all(conn: &mut Conn) -> Result<Vec<OperatorKey>, Failure> {
    let rows = operator_key::table
        .order((operator_key::created, operator_key::id))
        .select(columns());
    let rows: Vec<KeyRow> = conn.load(rows)?;
    let limits = operator_key_tenant::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .order(tenant::name)
        .select((
            operator_key_tenant::operator_key,
            (tenant::id, tenant::name, tenant::created),
        ));
    let mut by_key: HashMap<Uuid, Vec<Tenant>> = HashMap::new();
    for (Id(key), tenant) in conn.load::<(Id, (i64, String, Time)), _>(limits)? {
        by_key.entry(key).or_default().push(into_tenant(tenant));
    }
    rows.into_iter()
        .map(|row| {
            let tenants = by_key.remove(&row.id.0).unwrap_or_default();
            row.into_key(tenants)
        })
        .collect()
}

fn by_hash(conn: &mut Conn, sha256: &[u8; 32]) -> Result<Option<OperatorKey>, Failure> {
    let row = operator_key::table
        .filter(operator_key::sha256.eq(sha256.as_slice()))
        .select(columns());
    let Some(row) = conn.only::<KeyRow, _>(row)? else {
        return Ok(None);
    };
    let limits = operator_key_tenant::table
        .inner_join(tenant::table)
        .filter(tenant::deleted.eq(false))
        .filter(operator_key_tenant::operator_key.eq(row.id.0.as_bytes().as_slice()))
        .order(tenant::name)
        .select((tenant::id, tenant::name, tenant::created));
    let limits = conn.load::<(i64, String, Time), _>(limits)?;
    row.into_key(limits.into_iter().map(into_tenant).collect())
        .map(Some)
}

fn record_use(conn: &mut Conn, id: Uuid, now: DateTime<Utc>) -> Result<(), Failure> {
    let now = now.timestamp_millis();
    let is_due = operator_key::last_used
        .is_null()
        .or(operator_key::last_used.le(now - USES_APART));
    let unrecorded = operator_key::table
        .filter(operator_key::id.eq(id.as_bytes().as_slice()))
        .filter(is_due);
    conn.execute(diesel::update(unrecorded).set(operator_key::last_used.eq(now)))?;
    Ok(())
}

fn into_tenant((id, name, Time(created)): (i64, String, Time)) -> Tenant {
    Tenant {
        id: TenantId(id),
        name,
        created,
    }
}

/// The columns of a [`KeyRow`].
#[diesel::dsl::auto_type]
fn columns() -> _ {
    (
        operator_key::id,
        operator_key::name,
        operator_key::scope,
        operator_key::limited,
        operator_key::last_four,
        operator_key::created,
        operator_key::expires,
        operator_key::revoked,
        operator_key::last_used,
    )
}

#[derive(Queryable)]
struct KeyRow {
    id: Id,
    name: String,
    scope: String,
    limited: bool,
    last_four: String,
    created: Time,
    expires: Option<Time>,
    revoked: Option<Time>,
    last_used: Option<Time>,
}

impl KeyRow {
    fn into_key(self, tenants: Vec<Tenant>) -> Result<OperatorKey, Failure> {
        let scope = OperatorScope::named(&self.scope);
        Ok(OperatorKey {
            id: self.id.0,
            name: self.name,
            scope: scope.ok_or_else(|| unavailable("a stored operator key has an unknown scope"))?,
            tenants: self.limited.then_some(tenants),
            last_four: self.last_four,
            created: self.created.0,
            expires: self.expires.map(|it| it.0),
            revoked: self.revoked.map(|it| it.0),
            last_used: self.last_used.map(|it| it.0),
        })
    }
}
