//! Storing the journal of another store at its positions.

use std::collections::HashMap;

use diesel::prelude::*;
use scim_model::change::{Change, ChangePosition};
use scim_model::store::{StoreError, TenantId};

use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::journal::actor;
use crate::journal::last_position_until;
use crate::schema::{journal_start, resource_type};
use crate::sql::{Dialect, Sql, sql};

/// Makes sure that new entries get numbers after `end`, and records the last dropped entry.
pub(super) fn start(
    conn: &mut Conn,
    tenant: TenantId,
    dropped: Option<ChangePosition>,
    end: ChangePosition,
) -> Result<(), Failure> {
    if last_position_until(conn, tenant, i64::MAX)?.sequence > end.sequence {
        return Err(conflict());
    }
    let last = end.sequence;
    match conn.dialect() {
        Dialect::Sqlite => {
            conn.execute(sql!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'changes', 0
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'changes')"
            ))?;
            conn.execute(sql!(
                "UPDATE sqlite_sequence SET seq = {last} WHERE name = 'changes' AND seq < {last}";
                last
            ))?;
        }
        Dialect::Postgres if last > 0 => {
            // Before any row is locked, as by every writer. New numbers wait for it.
            conn.execute(sql!("LOCK TABLE changes IN EXCLUSIVE MODE"))?;
            conn.row::<i64>(&sql!(
                "SELECT setval('changes_sequence_seq', greatest(last_value, {last})) FROM changes_sequence_seq";
                last
            ))?;
        }
        Dialect::Postgres => {}
    }
    if let Some(ChangePosition { sequence, at }) = dropped {
        let row = (
            journal_start::tenant_id.eq(tenant.0),
            journal_start::transaction_id.eq(0),
            journal_start::sequence.eq(sequence),
            journal_start::at.eq(at),
        );
        let insert = diesel::insert_into(journal_start::table).values(row);
        conn.execute(insert.on_conflict_do_nothing())?;
    }
    Ok(())
}

/// Stores the entries that are not there yet.
pub(super) fn store(conn: &mut Conn, tenant: TenantId, changes: &[Change]) -> Result<(), Failure> {
    let kinds = resource_type::table.select((resource_type::name, resource_type::id));
    let kinds: Vec<(String, i64)> = conn.load(kinds)?;
    let kinds: HashMap<String, i64> = kinds.into_iter().collect();
    let known = owners(conn, changes)?;
    for change in changes {
        match known.get(&change.position.sequence) {
            Some((owner, at)) if *owner == tenant.0 && *at == change.position.at => continue,
            Some(_) => return Err(conflict()),
            None => {}
        }
        let kind = kinds.get(&*change.resource_type).copied().ok_or_else(|| {
            unavailable(format!(
                "the store has no resource type `{}`",
                change.resource_type
            ))
        })?;
        insert(conn, tenant, kind, change)?;
    }
    Ok(())
}

/// The tenants and times of the entries that have the numbers of these.
fn owners(conn: &mut Conn, changes: &[Change]) -> Result<HashMap<i64, (i64, i64)>, Failure> {
    let numbers: Vec<i64> = changes.iter().map(|it| it.position.sequence).collect();
    // The index of all tenants together is on this expression; see the migration `event_feed`.
    let number = match conn.dialect() {
        Dialect::Sqlite => Sql::text("sequence"),
        Dialect::Postgres => Sql::text("(sequence + 0)"),
    };
    let select = sql!(
        "SELECT sequence, tenant_id, at FROM changes WHERE {number} {numbers}";
        number, numbers = Sql::in_pks(conn.dialect(), &numbers)
    );
    let rows = conn.rows::<(i64, i64, i64)>(&select)?;
    Ok(rows
        .into_iter()
        .map(|(number, tenant, at)| (number, (tenant, at)))
        .collect())
}

fn insert(conn: &mut Conn, tenant: TenantId, kind: i64, change: &Change) -> Result<(), Failure> {
    let overriding = match conn.dialect() {
        Dialect::Sqlite => Sql::default(),
        Dialect::Postgres => Sql::text(" OVERRIDING SYSTEM VALUE"),
    };
    let write = match change.transaction {
        Some(id) => Sql::from(id),
        None => Sql::text("NULL"),
    };
    // A literal, because the DSL cannot override the number on PostgreSQL.
    conn.execute(sql!(
        "INSERT INTO changes (sequence, tenant_id, at, kind, id, version, action, change, write_id, names, {columns})
         {overriding} VALUES ({sequence}, {tenant}, {at}, {kind}, {id}, {version}, {operation}, {detail}, {write}, {names},
                 {actor})";
        columns = Sql::text(actor::COLUMNS), overriding, sequence = change.position.sequence, tenant,
        at = change.position.at, kind, id = change.id, version = change.version,
        operation = change.operation.as_str(), detail = change.detail.to_stored(), write,
        names = change.names.as_ref().map(scim_model::change::ResourceNames::to_stored),
        actor = actor::values(&change.actor)
    ))?;
    Ok(())
}

fn conflict() -> Failure {
    let attribute = "position".to_owned();
    StoreError::Conflict { attribute }.into()
}
