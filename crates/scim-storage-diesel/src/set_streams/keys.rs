//! The keys that sign tokens.

use diesel::prelude::*;
use scim_model::store::StoredSigningKey;
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::signing_key;

pub(super) fn all(conn: &mut Conn) -> Result<Vec<StoredSigningKey>, Failure> {
    let keys = signing_key::table
        .order((signing_key::algorithm, signing_key::number))
        .select((
            signing_key::id,
            signing_key::algorithm,
            signing_key::sealed,
            signing_key::public,
            signing_key::created,
            signing_key::signs_from,
        ));
    let rows: Vec<KeyRow> = conn.load(keys)?;
    Ok(rows.into_iter().map(KeyRow::into_key).collect())
}

#[derive(Queryable)]
struct KeyRow {
    id: Id,
    algorithm: String,
    sealed: Vec<u8>,
    public: String,
    created: Time,
    signs_from: Time,
}

impl KeyRow {
    fn into_key(self) -> StoredSigningKey {
        StoredSigningKey {
            id: self.id.0,
            algorithm: self.algorithm,
            sealed: self.sealed,
            public: self.public,
            created: self.created.0,
            signs_from: self.signs_from.0,
        }
    }
}

/// Of several servers that add the first keys, the unique number of the first key lets one succeed. The others wait there
/// for its transaction.
pub(super) fn add_first(conn: &mut Conn, keys: &[StoredSigningKey]) -> Result<bool, Failure> {
    let any = signing_key::table.select(signing_key::number).limit(1);
    if conn.only::<i64, _>(any)?.is_some() {
        return Ok(false);
    }
    for key in keys {
        if !add(conn, key, None)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Of several servers that add a key after the same one, the unique number lets one succeed.
pub(super) fn add(conn: &mut Conn, key: &StoredSigningKey, after: Option<Uuid>) -> Result<bool, Failure> {
    let number = match after {
        None => 1,
        Some(id) => {
            let before = signing_key::table
                .filter(signing_key::id.eq(id.as_bytes().as_slice()))
                .filter(signing_key::algorithm.eq(&key.algorithm))
                .select(signing_key::number);
            let Some(number) = conn.only::<i64, _>(before)? else {
                return Ok(false);
            };
            number + 1
        }
    };
    let values = (
        signing_key::id.eq(key.id.as_bytes().as_slice()),
        signing_key::algorithm.eq(&key.algorithm),
        signing_key::number.eq(number),
        signing_key::sealed.eq(key.sealed.as_slice()),
        signing_key::public.eq(&key.public),
        signing_key::created.eq(key.created.timestamp_millis()),
        signing_key::signs_from.eq(key.signs_from.timestamp_millis()),
    );
    let insert = diesel::insert_into(signing_key::table).values(values);
    let insert = insert
        .on_conflict((signing_key::algorithm, signing_key::number))
        .do_nothing();
    Ok(conn.execute(insert)? > 0)
}

pub(super) fn delete(conn: &mut Conn, id: Uuid) -> Result<bool, Failure> {
    let key = signing_key::table.filter(signing_key::id.eq(id.as_bytes().as_slice()));
    Ok(conn.execute(diesel::delete(key))? > 0)
}
