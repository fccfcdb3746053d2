//! Members of groups, which are rows of `membership`.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use scim_model::change::{ChangeDetail, Operation, ResourceNames};
use scim_model::store::{MembersStep, StoreError, TenantId};
use uuid::Uuid;

use super::membership_changes::MembershipChanges;
use super::subject::{Origin, Subject};
use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::journal::actor;
use crate::sql::{Dialect, Sql, sql};

/// The group that a write is about. It is locked together with the groups that become its members: groups can be
/// members of each other, and locking in any other order than that of `pk` could deadlock.
#[derive(Clone, Copy)]
pub(crate) struct ChangedGroup {
    pub(crate) id: Uuid,
    /// Whether the group may be renamed or deleted, which gives a new version to the groups that it is in.
    pub(crate) with_its_groups: bool,
}

/// Resources that will become members.
pub(crate) struct JoiningMembers {
    found: HashMap<Uuid, i64>,
    unknown: Vec<Uuid>,
}

impl JoiningMembers {
    /// Finds those that exist, and on PostgreSQL locks them until the transaction ends. Members are users and groups
    /// (RFC 7643 section 4.2).
    pub(crate) fn find(
        conn: &mut Conn,
        tenant: TenantId,
        ids: impl Iterator<Item = Uuid>,
        group: Option<ChangedGroup>,
    ) -> Result<JoiningMembers, Failure> {
        let ids: BTreeSet<Uuid> = ids.collect();
        let mut members = JoiningMembers {
            found: HashMap::new(),
            unknown: ids.into_iter().collect(),
        };
        let (dialect, has_unknown) = (conn.dialect(), !members.unknown.is_empty());
        let in_ids = Sql::in_ids(dialect, &members.unknown);
        if dialect == Dialect::Sqlite {
            if has_unknown {
                let select = sql!(
                    "SELECT id, pk FROM resource WHERE tenant_id = {tenant} AND kind IN (1, 2) AND id {in_ids}";
                    tenant, in_ids
                );
                members.add(conn, &select)?;
            }
            return Ok(members);
        }
        if has_unknown {
            let users = sql!(
                "SELECT id, pk FROM resource WHERE tenant_id = {tenant} AND kind = 1 AND id {in_ids}
                 ORDER BY pk FOR SHARE";
                tenant, in_ids
            );
            members.add(conn, &users)?;
        }
        members.lock_groups(conn, tenant, group)?;
        Ok(members)
    }

    fn lock_groups(
        &mut self,
        conn: &mut Conn,
        tenant: TenantId,
        group: Option<ChangedGroup>,
    ) -> Result<(), Failure> {
        let with_its_groups = group.is_some_and(|it| it.with_its_groups);
        if self.unknown.is_empty() && !with_its_groups {
            return Ok(());
        }
        let mut groups = vec![sql!("id {ids}"; ids = Sql::in_ids(conn.dialect(), &self.unknown))];
        groups.extend(group.map(|it| sql!("id = {id}"; id = it.id)));
        groups.extend(group.filter(|_| with_its_groups).map(|it| {
            sql!(
                "pk IN (SELECT m.group_pk FROM membership m
                        JOIN resource x ON x.tenant_id = m.tenant_id AND x.pk = m.member_pk
                        WHERE m.tenant_id = {tenant} AND x.id = {id})";
                tenant, id = it.id
            )
        }));
        let select = sql!(
            "SELECT id, pk FROM resource WHERE tenant_id = {tenant} AND kind = 2 AND ({groups})
             ORDER BY pk FOR NO KEY UPDATE";
            tenant, groups = Sql::join(groups, " OR ")
        );
        self.add(conn, &select)
    }

    fn add(&mut self, conn: &mut Conn, select: &Sql) -> Result<(), Failure> {
        let rows = conn.rows::<(Id, i64)>(select)?;
        self.found.extend(rows.into_iter().map(|(Id(id), pk)| (id, pk)));
        self.unknown.retain(|it| !self.found.contains_key(it));
        Ok(())
    }

    /// # Errors
    /// `UnknownMembers` when some of them do not exist.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        Err(StoreError::UnknownMembers(self.unknown.clone()).into())
    }

    /// Their `pk`, in the order given, each once.
    pub(crate) fn pks(&self, ids: &[Uuid]) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let pks = ids.iter().filter_map(|id| self.found.get(id).copied());
        pks.filter(|pk| seen.insert(*pk)).collect()
    }
}

/// The statement that adds members to the new group in the table `found`.
pub(crate) fn insert_members_of_new(
    dialect: Dialect,
    tenant: TenantId,
    now: DateTime<Utc>,
    pks: &[i64],
) -> Sql {
    sql!(
        "INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
         SELECT {tenant}, found.pk, a.position + {now}, a.pk FROM found, {pks} AS a
         WHERE TRUE ON CONFLICT DO NOTHING";
        tenant, now = now.timestamp_micros(), pks = Sql::table_of_pks(dialect, pks)
    )
}

/// Returns the ids whose resources joined, in the order given.
fn ids_of(ids: &[Uuid], members: &JoiningMembers, joined: &HashSet<i64>) -> Vec<Uuid> {
    let has_joined = |id: &&Uuid| members.found.get(id).is_some_and(|pk| joined.contains(pk));
    let mut seen = HashSet::new();
    let ids = ids.iter().filter(has_joined).copied();
    ids.filter(|id| seen.insert(*id)).collect()
}

/// Runs a statement that deletes memberships. Returns the ids of the members, in order of joining.
fn removed_ids(conn: &mut Conn, delete: Sql) -> Result<Vec<Uuid>, Failure> {
    let delete = sql!(
        "{delete} RETURNING joined,
         (SELECT r.id FROM resource r WHERE r.tenant_id = membership.tenant_id AND r.pk = membership.member_pk)";
        delete
    );
    let mut removed = conn.rows::<(i64, Id)>(&delete)?;
    removed.sort_unstable_by_key(|(joined, _)| *joined);
    Ok(removed.into_iter().map(|(_, Id(id))| id).collect())
}

impl Subject<'_> {
    /// Changes the members of a group, step by step. Returns the memberships that changed.
    pub(crate) fn change_members(
        &self,
        conn: &mut Conn,
        now: DateTime<Utc>,
        members: &JoiningMembers,
        steps: &[MembersStep],
    ) -> Result<MembershipChanges, Failure> {
        let mut changes = MembershipChanges::default();
        for step in steps {
            match step {
                MembersStep::Add(ids) => {
                    let pks = members.pks(ids);
                    let joined = self.add_members(conn, now, &pks)?;
                    changes.add(ids_of(ids, members, &joined));
                }
                MembersStep::Remove(ids) => {
                    let removed = self.remove_members(conn.dialect(), ids);
                    let mut removed: HashSet<Uuid> = removed_ids(conn, removed)?.into_iter().collect();
                    changes.remove(ids.iter().copied().filter(|it| removed.remove(it)));
                }
                MembersStep::RemoveAll => changes.remove(removed_ids(conn, self.remove_others(None))?),
                MembersStep::ReplaceAll(ids) => {
                    let pks = members.pks(ids);
                    let others = self.remove_others(Some(Sql::table_of_pks(conn.dialect(), &pks)));
                    changes.remove(removed_ids(conn, others)?);
                    let joined = self.add_members(conn, now, &pks)?;
                    changes.add(ids_of(ids, members, &joined));
                }
            }
        }
        Ok(changes)
    }

    /// The statement that removes all members, or all but those of a table of pks.
    fn remove_others(&self, kept: Option<Sql>) -> Sql {
        let kept = kept.map_or_else(
            Sql::default,
            |kept| sql!(" AND member_pk NOT IN (SELECT pk FROM {kept} AS a)"; kept),
        );
        sql!(
            "DELETE FROM membership WHERE tenant_id = {tenant} AND group_pk = {group_pk}{kept}";
            tenant = self.tenant, group_pk = self.pk, kept
        )
    }

    /// The statement that removes the named members and reads no other, however many there are.
    fn remove_members(&self, dialect: Dialect, ids: &[Uuid]) -> Sql {
        let (tenant, group_pk, ids) = (self.tenant, self.pk, Sql::in_ids(dialect, ids));
        match dialect {
            // SQLite would read the whole group for its members. `CROSS JOIN` keeps the order of the tables.
            Dialect::Sqlite => sql!(
                "DELETE FROM membership WHERE tenant_id = {tenant} AND group_pk = {group_pk}
                 AND joined IN (SELECT m.joined FROM resource x CROSS JOIN membership m
                                ON m.member_pk = x.pk AND m.tenant_id = x.tenant_id AND m.group_pk = {group_pk}
                                WHERE x.tenant_id = {tenant} AND x.id {ids})";
                tenant, group_pk, ids
            ),
            Dialect::Postgres => sql!(
                "DELETE FROM membership WHERE tenant_id = {tenant} AND group_pk = {group_pk}
                 AND member_pk IN (SELECT x.pk FROM resource x WHERE x.tenant_id = {tenant} AND x.id {ids})";
                tenant, group_pk, ids
            ),
        }
    }

    /// Adds members to an existing group, after those that it has. Returns those that were not members before.
    fn add_members(&self, conn: &mut Conn, now: DateTime<Utc>, pks: &[i64]) -> Result<HashSet<i64>, Failure> {
        if pks.is_empty() {
            return Ok(HashSet::new());
        }
        // Not `max(joined)`: SQLite reads the whole group for it when the statement has two aggregates.
        // `WHERE TRUE` tells SQLite that `ON` does not belong to a join.
        let insert = sql!(
            "INSERT INTO membership (tenant_id, group_pk, joined, member_pk)
             SELECT {tenant}, {group_pk}, a.position + b.first, a.pk
             FROM (SELECT CASE WHEN l.last >= {now} THEN l.last + 1 ELSE {now} END AS first
                   FROM (SELECT (SELECT joined FROM membership WHERE tenant_id = {tenant} AND group_pk = {group_pk}
                                 ORDER BY joined DESC LIMIT 1) AS last) AS l) AS b, {pks} AS a
             WHERE TRUE ON CONFLICT DO NOTHING RETURNING member_pk";
            tenant = self.tenant, group_pk = self.pk, now = now.timestamp_micros(),
            pks = Sql::table_of_pks(conn.dialect(), pks)
        );
        Ok(conn.rows(&insert)?.into_iter().collect())
    }

    /// Gives a new version to every group that the resource is in, because the version covers the display names of
    /// members. Writes a journal entry for each group.
    pub(crate) fn give_groups_new_version(
        &self,
        conn: &mut Conn,
        origin: &Origin,
        operation: Operation,
    ) -> Result<(), Failure> {
        let (dialect, tenant, now) = (conn.dialect(), self.tenant, origin.now);
        let groups = sql!(
            "SELECT g.pk, g.document FROM resource g
             WHERE g.pk IN (SELECT m.group_pk FROM membership m WHERE m.tenant_id = {tenant} AND m.member_pk = {pk})
             AND {owned} ORDER BY g.pk{lock}";
            tenant, pk = self.pk, owned = Sql::owned_by(dialect, "g.tenant_id", tenant),
            lock = dialect.lock(" FOR NO KEY UPDATE")
        );
        let groups = conn.rows::<(i64, String)>(&groups)?;
        if groups.is_empty() {
            return Ok(());
        }
        let pks: Vec<i64> = groups.iter().map(|(pk, _)| *pk).collect();
        let names = groups
            .into_iter()
            .map(|(pk, document)| (pk, ResourceNames::of_group(&document).to_stored()));
        let names: Vec<(i64, String)> = names.collect();
        let changed = sql!(
            "{owned} AND pk {pks}";
            owned = Sql::owned_by(dialect, "tenant_id", tenant), pks = Sql::in_pks(dialect, &pks)
        );
        conn.execute(sql!(
            "UPDATE resource SET version = version + 1,
                    modified = CASE WHEN modified < {now} THEN {now} ELSE modified END
             WHERE {changed}";
            now, changed
        ))?;
        conn.execute(sql!(
            "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, write_id, names, {columns})
             SELECT r.tenant_id, {now}, r.kind, r.id, r.version, {operation}, {detail}, {write}, n.key, {actor}
             FROM {names} AS n CROSS JOIN resource r WHERE r.pk = n.path AND {owned} ORDER BY r.pk";
            columns = Sql::text(actor::COLUMNS), now, operation = operation.as_str(),
            detail = ChangeDetail::Member(self.id).to_stored(), write = origin.write,
            // The columns are called `path` and `key`.
            names = Sql::table_of_values(dialect, &names), actor = actor::values(&origin.actor),
            owned = Sql::owned_by(dialect, "r.tenant_id", tenant)
        ))?;
        Ok(())
    }
}
