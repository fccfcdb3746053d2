//! The journals of several tenants as one feed.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use scim_model::change::ChangePosition;
use scim_model::store::{
    ChangeFeed, FeedEntries, FeedEntry, FeedStart, FeedTenants, JournalError, PastResource, StoreError,
    TenantId,
};

use super::entry::{EntryRow, entry_columns};
use super::horizon::visible_up_to;
use super::past;
use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{changes, deleted_change, journal_start, tenant};
use crate::sql::Dialect;
use crate::store::DieselStore;

/// Entries that are read at once. An entry can be large.
const MAX_ENTRIES: usize = 200;

/// The fewest entries that are read of each tenant, when several are chosen.
const MIN_SHARE: usize = 16;

impl ChangeFeed for DieselStore {
    fn entries(
        &self,
        tenants: &FeedTenants,
        start: FeedStart,
        limit: u32,
    ) -> Result<FeedEntries, JournalError> {
        self.database.read(|conn| {
            let visible_up_to = visible_up_to(conn)?;
            conn.snapshot(None, |conn| {
                let dropped = last_dropped(conn, tenants)?;
                let (from, dropped_parts) = match start {
                    FeedStart::Oldest => (0, None),
                    FeedStart::At(position) | FeedStart::After(position) => {
                        let parts = match check(conn, tenants, position, dropped.as_ref())? {
                            Ok(parts) => parts,
                            Err(error) => return Ok(Err(error)),
                        };
                        let skipped = i64::from(matches!(start, FeedStart::After(_)));
                        (position.sequence.saturating_add(skipped), parts)
                    }
                };
                let window = Window {
                    from,
                    to: visible_up_to,
                    limit: (limit as usize).min(MAX_ENTRIES),
                };
                let (rows, more) = window.read(conn, tenants)?;
                let last = rows.last().map(|it| it.entry.position());
                Ok(Ok(FeedEntries {
                    last,
                    entries: into_entries(rows)?,
                    more,
                    dropped_parts,
                    visible_up_to,
                    oldest: dropped.map(|it| it.position).unwrap_or_default(),
                }))
            })
        })?
    }

    fn resources_after(
        &self,
        entries: &[&FeedEntry],
        max_bytes: usize,
    ) -> Result<Vec<PastResource>, StoreError> {
        self.database.read(|conn| {
            conn.snapshot(None, |conn| {
                past::resources_after(conn, &self.layouts, entries, max_bytes)
            })
        })
    }

    fn current_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError> {
        self.database.read(|conn| {
            let visible_up_to = visible_up_to(conn)?;
            conn.snapshot(None, |conn| {
                let last = last_of(conn, tenants, visible_up_to)?;
                let dropped = last_dropped(conn, tenants)?.map(|it| it.position);
                Ok(last.max(dropped).unwrap_or_default())
            })
        })
    }

    fn later_of_resource(
        &self,
        position: ChangePosition,
        limit: u32,
    ) -> Result<Vec<FeedEntry>, JournalError> {
        self.database.read(|conn| {
            let visible_up_to = visible_up_to(conn)?;
            conn.snapshot(None, |conn| {
                later_of_resource(conn, position, visible_up_to, limit)
            })
        })?
    }

    fn position_at(&self, tenants: &FeedTenants, sequence: i64) -> Result<ChangePosition, StoreError> {
        self.database.read(|conn| {
            let up_to = visible_up_to(conn)?.min(sequence);
            conn.snapshot(None, |conn| match last_of(conn, tenants, up_to)? {
                // If later entries were dropped, a reader that continues there learns it.
                Some(last) => Ok(last),
                None => {
                    let dropped = last_dropped(conn, tenants)?.map(|it| it.position);
                    Ok(dropped.unwrap_or_default())
                }
            })
        })
    }

    fn oldest_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError> {
        self.database.read(|conn| {
            let dropped = last_dropped(conn, tenants)?;
            Ok(dropped.map(|it| it.position).unwrap_or_default())
        })
    }

    fn visible_up_to(&self) -> Result<i64, StoreError> {
        self.database.read(visible_up_to)
    }
}

/// The number of an entry, as the index of all tenants' entries has it.
fn of_all(dialect: Dialect) -> SqlLiteral<BigInt> {
    sql(match dialect {
        Dialect::Sqlite => "changes.sequence",
        // See the migration `event_feed`.
        Dialect::Postgres => "(changes.sequence + 0)",
    })
}

#[derive(Queryable)]
struct FeedRow {
    entry: EntryRow,
    tenant: i64,
    /// `None` while the tenant is being deleted.
    tenant_name: Option<String>,
}

/// Leaves out the entries of tenants that are being deleted.
fn into_entries(rows: Vec<FeedRow>) -> Result<Vec<FeedEntry>, Failure> {
    let mut names: HashMap<i64, Arc<str>> = HashMap::new();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(name) = row.tenant_name else { continue };
        let name = names.entry(row.tenant).or_insert_with(|| name.into());
        entries.push(FeedEntry {
            tenant: TenantId(row.tenant),
            tenant_name: name.clone(),
            stored_bytes: row.entry.detail.len(),
            change: row.entry.into_change()?,
        });
    }
    Ok(entries)
}

/// The numbers of the entries to read, both ends included, and the most entries.
struct Window {
    from: i64,
    to: i64,
    limit: usize,
}

impl Window {
    /// Reads entries in the order of their numbers. The second value is whether there are more.
    fn read(&self, conn: &mut Conn, tenants: &FeedTenants) -> Result<(Vec<FeedRow>, bool), Failure> {
        // One more than wanted, to know whether there are more.
        let wanted = self.limit + 1;
        let (mut rows, mut is_cut) = match tenants {
            FeedTenants::All => (self.read_of(conn, None, wanted)?, false),
            FeedTenants::Only(ids) => self.merge(conn, ids, wanted)?,
        };
        is_cut |= rows.len() > self.limit;
        rows.truncate(self.limit);
        Ok((rows, is_cut))
    }

    /// Reads entries of a tenant, or of all.
    fn read_of(&self, conn: &mut Conn, of: Option<TenantId>, limit: usize) -> Result<Vec<FeedRow>, Failure> {
        let tenant_name = tenant::table
            .filter(tenant::id.eq(changes::tenant_id))
            .filter(tenant::deleted.eq(false))
            .select(tenant::name)
            .single_value();
        let rows = changes::table
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select((entry_columns!(), changes::tenant_id, tenant_name));
        let all = of_all(conn.dialect());
        Ok(match of {
            None => conn.load(rows.filter(all.clone().between(self.from, self.to)).order(all))?,
            Some(id) => {
                let of_tenant = rows
                    .filter(changes::tenant_id.eq(id.0))
                    .filter(changes::sequence.between(self.from, self.to));
                conn.load(of_tenant.order(changes::sequence))?
            }
        })
    }

    /// Merges the entries of several tenants. Each costs an index lookup, which reads a share of the
    /// limit. The second value is whether a tenant may have more entries.
    fn merge(
        &self,
        conn: &mut Conn,
        ids: &[TenantId],
        limit: usize,
    ) -> Result<(Vec<FeedRow>, bool), Failure> {
        let share = (2 * limit / ids.len().max(1)).max(MIN_SHARE).min(limit);
        let mut rows = Vec::new();
        // The entries of all tenants are known up to this number.
        let mut complete_to = i64::MAX;
        for id in ids {
            let of_tenant = self.read_of(conn, Some(*id), share)?;
            if let Some(last) = of_tenant.last().filter(|_| of_tenant.len() == share) {
                complete_to = complete_to.min(last.entry.sequence);
            }
            rows.extend(of_tenant);
        }
        rows.sort_unstable_by_key(|it| it.entry.sequence);
        rows.dedup_by_key(|it| it.entry.sequence);
        rows.truncate(rows.partition_point(|it| it.entry.sequence <= complete_to));
        Ok((rows, complete_to < i64::MAX))
    }
}

fn later_of_resource(
    conn: &mut Conn,
    position: ChangePosition,
    visible_up_to: i64,
    limit: u32,
) -> Result<Result<Vec<FeedEntry>, JournalError>, Failure> {
    let entry = changes::table
        .filter(of_all(conn.dialect()).eq(position.sequence))
        .select((changes::tenant_id, changes::id, changes::at));
    let (tenant, id) = match conn.only::<(i64, Id, i64), _>(entry)? {
        Some((tenant, id, at)) if at == position.at => (tenant, id.0),
        Some(_) => return Ok(Err(JournalError::Unknown(position))),
        None if was_deleted(conn, position)? => return Ok(Ok(Vec::new())),
        None => {
            let dropped = last_dropped(conn, &FeedTenants::All)?;
            let is_dropped = dropped.is_some_and(|it| it.position.sequence >= position.sequence);
            return Ok(Err(match is_dropped {
                true => JournalError::Dropped(position),
                false => JournalError::Unknown(position),
            }));
        }
    };
    let tenant_name = tenant::table
        .filter(tenant::id.eq(changes::tenant_id))
        .filter(tenant::deleted.eq(false))
        .select(tenant::name)
        .single_value();
    let rows = changes::table
        .filter(changes::tenant_id.eq(tenant))
        .filter(changes::id.eq(id.as_bytes().to_vec()))
        .filter(changes::sequence.between(position.sequence, visible_up_to))
        .order(changes::sequence)
        .limit(limit.into())
        .select((entry_columns!(), changes::tenant_id, tenant_name));
    let rows: Vec<FeedRow> = conn.load(rows)?;
    Ok(Ok(into_entries(rows)?))
}

/// Checks that a reader can continue after a position without a gap. The value is the number of parts that the change
/// at the position had, if retention has dropped it.
fn check(
    conn: &mut Conn,
    tenants: &FeedTenants,
    position: ChangePosition,
    dropped: Option<&Dropped>,
) -> Result<Result<Option<usize>, JournalError>, Failure> {
    match dropped {
        Some(it) if it.position == position => return Ok(Ok(it.parts)),
        Some(it) if it.position.sequence > position.sequence => {
            return Ok(Err(JournalError::Dropped(position)));
        }
        // The beginning, which is no entry.
        _ if position == ChangePosition::default() => return Ok(Ok(None)),
        _ => {}
    }
    let is_deleted = tenant::table
        .filter(tenant::id.eq(changes::tenant_id))
        .select(tenant::deleted)
        .single_value();
    let entry = changes::table
        .filter(of_all(conn.dialect()).eq(position.sequence))
        .select((changes::tenant_id, changes::at, is_deleted));
    let entry: Option<(i64, i64, Option<bool>)> = conn.only(entry)?;
    // An entry with another time is one that was made after a backup was restored.
    let is_known = match entry {
        Some((_, at, _)) if at != position.at => false,
        Some((id, _, Some(false))) => tenants.includes(TenantId(id)),
        Some(_) => is_any_older(conn, tenants, position)?,
        None => was_deleted(conn, position)? && is_any_older(conn, tenants, position)?,
    };
    Ok(is_known.then_some(None).ok_or(JournalError::Unknown(position)))
}

/// Whether a tenant that was deleted had an entry at the position.
fn was_deleted(conn: &mut Conn, position: ChangePosition) -> Result<bool, Failure> {
    let deleted = deleted_change::table
        .filter(deleted_change::sequence.eq(position.sequence))
        .select(deleted_change::at);
    Ok(conn.only(deleted)? == Some(position.at))
}

/// Whether one of the tenants existed at the time of a position. A tenant with the name of a deleted one did not.
fn is_any_older(conn: &mut Conn, tenants: &FeedTenants, position: ChangePosition) -> Result<bool, Failure> {
    let FeedTenants::Only(ids) = tenants else {
        return Ok(true);
    };
    let older = tenant::table
        .filter(tenant::id.eq_any(ids.iter().map(|it| it.0)))
        .filter(tenant::created.le(position.at))
        .select(tenant::id)
        .limit(1);
    let older: Option<i64> = conn.only(older)?;
    Ok(older.is_some())
}

/// The last entry that retention has dropped.
struct Dropped {
    position: ChangePosition,
    parts: Option<usize>,
}

/// Returns the last entry that retention has dropped from any of the journals.
fn last_dropped(conn: &mut Conn, tenants: &FeedTenants) -> Result<Option<Dropped>, Failure> {
    let existing = tenant::table.filter(tenant::deleted.eq(false)).select(tenant::id);
    let last = journal_start::table
        .filter(journal_start::tenant_id.eq_any(existing))
        .order(journal_start::sequence.desc())
        .limit(1)
        .select((journal_start::sequence, journal_start::at, journal_start::parts));
    let last: Option<(i64, i64, Option<i64>)> = match tenants {
        FeedTenants::All => conn.only(last)?,
        FeedTenants::Only(ids) => {
            conn.only(last.filter(journal_start::tenant_id.eq_any(ids.iter().map(|it| it.0))))?
        }
    };
    Ok(last.map(|(sequence, at, parts)| Dropped {
        position: ChangePosition { sequence, at },
        parts: parts.and_then(|it| usize::try_from(it).ok()),
    }))
}

/// Returns the position of the last entry of tenants up to a number.
fn last_of(conn: &mut Conn, tenants: &FeedTenants, up_to: i64) -> Result<Option<ChangePosition>, Failure> {
    let FeedTenants::Only(ids) = tenants else {
        return last_entry(conn, None, up_to);
    };
    let mut last = None;
    for id in ids {
        last = last.max(last_entry(conn, Some(*id), up_to)?);
    }
    Ok(last)
}

/// Returns the position of the last entry of a tenant, or of all, up to a number.
fn last_entry(conn: &mut Conn, of: Option<TenantId>, up_to: i64) -> Result<Option<ChangePosition>, Failure> {
    let last = changes::table.limit(1).select((changes::sequence, changes::at));
    let all = of_all(conn.dialect());
    let last: Option<(i64, i64)> = match of {
        None => conn.only(last.filter(all.clone().le(up_to)).order(all.desc()))?,
        Some(id) => {
            let of_tenant = last
                .filter(changes::tenant_id.eq(id.0))
                .filter(changes::sequence.le(up_to));
            conn.only(of_tenant.order(changes::sequence.desc()))?
        }
    };
    Ok(last.map(|(sequence, at)| ChangePosition { sequence, at }))
}
