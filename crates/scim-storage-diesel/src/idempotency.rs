//! Idempotency keys.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::{Claim, Claimed, IdempotencyKeys, StoreError};

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema::idempotency_key as table;
use crate::sql::sql;
use crate::store::DieselStore;

impl IdempotencyKeys for DieselStore {
    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = *claim;
        self.database.write(move |conn| claim_key(conn, &claim))
    }

    fn release_claim(&self, claim: &Claim) -> Result<(), StoreError> {
        let claim = *claim;
        self.database.write(move |conn| {
            let row = table::table
                .filter(table::digest.eq(claim.key.as_slice()))
                .filter(table::object.eq(claim.object.as_bytes().as_slice()));
            conn.execute(diesel::delete(row))?;
            Ok(())
        })
    }

    fn finish_claim(&self, claim: &Claim) -> Result<(), StoreError> {
        let claim = *claim;
        self.database.write(move |conn| {
            let row = table::table
                .filter(table::digest.eq(claim.key.as_slice()))
                .filter(table::object.eq(claim.object.as_bytes().as_slice()));
            conn.execute(diesel::update(row).set(table::done.eq(true)))?;
            Ok(())
        })
    }

    fn delete_claims(&self, before: DateTime<Utc>, most: u32) -> Result<usize, StoreError> {
        self.database.write(move |conn| {
            // A literal, because the DSL has no `LIMIT` for a deletion.
            let delete = sql!(
                "DELETE FROM idempotency_key WHERE digest IN
                 (SELECT digest FROM idempotency_key WHERE at < {before} ORDER BY at LIMIT {most})";
                before, most = i64::from(most)
            );
            Ok(conn.execute(delete)?)
        })
    }
}

fn claim_key(conn: &mut Conn, claim: &Claim) -> Result<Claimed, Failure> {
    let values = (
        table::digest.eq(claim.key.as_slice()),
        table::request.eq(claim.request.as_slice()),
        table::object.eq(claim.object.as_bytes().as_slice()),
        table::at.eq(claim.at.timestamp_millis()),
    );
    let insert = diesel::insert_into(table::table).values(values);
    if conn.execute(insert.on_conflict(table::digest).do_nothing())? > 0 {
        return Ok(Claimed::Now);
    }
    let row = table::table
        .filter(table::digest.eq(claim.key.as_slice()))
        .select((table::request, table::object, table::at, table::done));
    let Some((request, Id(object), Time(at), done)) = conn.only::<(Vec<u8>, Id, Time, bool), _>(row)? else {
        // The other claim was released after the insertion had failed.
        return Err(StoreError::Busy.into());
    };
    let request = request.try_into();
    let earlier = Claim {
        key: claim.key,
        request: request.map_err(|_| unavailable("a stored hash does not have 32 bytes"))?,
        object,
        at,
    };
    Ok(match done {
        true => Claimed::Done(earlier),
        false => Claimed::Before(earlier),
    })
}
