//! Create, update and delete, each inside one transaction.
//!
//! Locks are always taken in the order users, groups, and among each in the order of their keys;
//! PostgreSQL then has few deadlocks to find. A member is locked against renaming while it joins, so that
//! every change of its display name moves on the version of every group it is in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use scim_model::SecretHashes;
use scim_model::change::{AttributeChanges, ChangeDetail, Operation};
use scim_model::store::{MembersChange, MembersStep, StoreError, TenantId, Updated};
use uuid::Uuid;

use crate::counts::count;
use crate::error::{Failure, is_unique_violation, unavailable};
use crate::journal::{self, Line};
use crate::schema_map::layout::{Derived, Keys, Layout};
use crate::sql::{Conn, Dialect, Sql};

/// A resource to create, ready for its rows.
pub(crate) struct Creation {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) now: DateTime<Utc>,
    pub(crate) derived: Derived,
    pub(crate) members: Vec<Uuid>,
    pub(crate) secrets: SecretHashes,
    /// For the journal.
    pub(crate) detail: String,
}

pub(crate) fn create(conn: &mut Conn, tenant: TenantId, new: &Creation) -> Result<(), Failure> {
    let members = Members::find(conn, tenant, new.members.iter().copied(), None)?;
    members.check()?;
    let at = new.now.timestamp_millis();
    let derived = &new.derived;
    let keys = &derived.keys;
    let insert = Sql::new(
        "INSERT INTO resource (tenant_id, kind, id, version, created, modified, active, unique_key, \
         external_key, display_key, family_key, label, document) VALUES (",
    )
    .int(tenant.0)
    .text(", ")
    .int(new.layout.kind)
    .text(", ")
    .id(new.id)
    .text(", 1, ")
    .int(at)
    .text(", ")
    .int(at)
    .text(", ")
    .optional_bool(keys.active)
    .text(", ")
    .optional_string(keys.unique_key.clone())
    .text(", ")
    .optional_string(keys.external_key.clone())
    .text(", ")
    .optional_string(keys.display_key.clone())
    .text(", ")
    .optional_string(keys.family_key.clone())
    .text(", ")
    .optional_string(keys.label.clone())
    .text(", ")
    .string(derived.document.clone())
    .text(") ON CONFLICT (tenant_id, kind, unique_key) DO NOTHING RETURNING pk");
    let dialect = conn.dialect();
    let normal = Sql::new("INSERT INTO resource_normal (tenant_id, pk, normal) SELECT ")
        .int(tenant.0)
        .text(", pk, ")
        .json(dialect, derived.normal.clone())
        .text(" FROM found");
    let mut others = vec![normal];
    if !new.layout.indexed.is_empty() {
        others.push(insert_values(dialect, tenant, &derived.values));
    }
    let members = members.pks(&new.members);
    if new.layout.resource_type.has_members() && !members.is_empty() {
        others.push(insert_members(dialect, tenant, None, new.now, &members));
    }
    others.push(count(dialect, tenant, new.layout.kind, 1));
    let line = Line {
        at,
        kind: new.layout.kind,
        id: new.id,
        version: 1,
        operation: Operation::Create,
        detail: &new.detail,
    };
    others.push(journal::insert(tenant, &line).text(" FROM found"));
    let Some(pk) = conn.together(insert, others)? else {
        return Err(conflict(&new.layout));
    };
    insert_unique_values(conn, &new.layout, tenant, pk, &derived.unique_values)?;
    change_secrets(conn, tenant, pk, &new.secrets)?;
    Ok(())
}

/// A change, ready for its rows.
pub(crate) struct Replacement {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) expected_version: Option<i64>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) derived: Option<Derived>,
    pub(crate) members: MembersChange,
    pub(crate) secrets: SecretHashes,
    /// For the journal.
    pub(crate) detail: String,
}

pub(crate) fn update(
    conn: &mut Conn,
    tenant: TenantId,
    update: &Replacement,
) -> Result<Option<Updated>, Failure> {
    let steps: &[MembersStep] = match &update.members {
        MembersChange::Steps(steps) if update.layout.resource_type.has_members() => steps,
        _ => &[],
    };
    let joining = steps.iter().flat_map(|step| match step {
        MembersStep::Add(ids) | MembersStep::ReplaceAll(ids) => ids.as_slice(),
        MembersStep::Remove(_) | MembersStep::RemoveAll => &[],
    });
    let circle = Circle {
        group: update.id,
        with_its_groups: update.derived.is_some(),
    };
    let circle = update.layout.resource_type.has_members().then_some(circle);
    let members = Members::find(conn, tenant, joining.copied(), circle)?;
    let document = update.derived.as_ref().map(|it| it.document.as_str());
    let Some(row) = lock(conn, tenant, &update.layout, update.id, Look::Compare(document))? else {
        return Ok(None);
    };
    row.check(update.expected_version)?;
    members.check()?;

    let members_changed = change_members(conn, tenant, row.pk, update.now, &members, steps)?;
    let secrets_changed = change_secrets(conn, tenant, row.pk, &update.secrets)?;
    let derived = update.derived.as_ref().filter(|_| !row.same_document);
    if derived.is_none() && !members_changed && !secrets_changed {
        return Ok(Some(Updated {
            version: row.version,
            last_modified: time(row.modified)?,
            changed: false,
        }));
    }

    let modified = update.now.timestamp_millis().max(row.modified);
    let mut guarded = Sql::new("UPDATE resource SET version = version + 1, modified = ").int(modified);
    if let Some(derived) = derived {
        guarded = set_derived(guarded.text(", "), derived, row.keys_to_compare(conn.dialect()));
    }
    guarded = guarded
        .text(" WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(row.pk)
        .text(" AND version = ")
        .int(row.version)
        .text(" RETURNING pk");
    let mut others = Vec::new();
    if let Some(derived) = derived {
        others = replace_derived(conn, &update.layout, tenant, row.pk, derived)?;
    }
    let version = row.version + 1;
    let line = Line {
        at: update.now.timestamp_millis(),
        kind: update.layout.kind,
        id: update.id,
        version,
        operation: Operation::Update,
        detail: &update.detail,
    };
    others.push(journal::insert(tenant, &line).text(" FROM found"));
    match conn.together(guarded, others) {
        Ok(Some(_)) => {}
        Ok(None) => return Err(StoreError::Stale.into()),
        Err(error) if is_unique_violation(&error) => return Err(conflict(&update.layout)),
        Err(error) => return Err(error.into()),
    }
    if let Some(derived) = derived {
        replace_unique_values(conn, &update.layout, tenant, row.pk, derived)?;
        if derived.keys.label != row.keys.label {
            let operation = Operation::MemberRenamed;
            move_groups_on(conn, tenant, row.pk, update.id, update.now, operation)?;
        }
    }
    Ok(Some(Updated {
        version,
        last_modified: time(modified)?,
        changed: true,
    }))
}

pub(crate) fn delete(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    expected_version: Option<i64>,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let circle = Circle {
        group: id,
        with_its_groups: true,
    };
    let circle = layout.resource_type.has_members().then_some(circle);
    Members::find(conn, tenant, std::iter::empty(), circle)?;
    let Some(row) = lock(conn, tenant, layout, id, Look::Read)? else {
        return Ok(false);
    };
    row.check(expected_version)?;
    move_groups_on(conn, tenant, row.pk, id, now, Operation::MemberDeleted)?;
    let members = if layout.resource_type.has_members() {
        member_ids(conn, tenant, row.pk)?
    } else {
        Vec::new()
    };
    let detail = AttributeChanges::of_deletion(&layout.resource_type, &row.document, &members).to_stored();
    let of_tenant = |statement: &'static str| Sql::new(statement).int(tenant.0);
    let found = of_tenant("SELECT pk FROM resource WHERE tenant_id = ")
        .text(" AND pk = ")
        .int(row.pk);
    let line = Line {
        at: now.timestamp_millis(),
        kind: layout.kind,
        id,
        version: row.version,
        operation: Operation::Delete,
        detail: &detail,
    };
    let others = vec![
        of_tenant("DELETE FROM membership WHERE tenant_id = ")
            .text(" AND member_pk = (SELECT pk FROM found)"),
        of_tenant("DELETE FROM membership WHERE tenant_id = ").text(" AND group_pk = (SELECT pk FROM found)"),
        // Its rows in the other tables go with it.
        of_tenant("DELETE FROM resource WHERE tenant_id = ").text(" AND pk = (SELECT pk FROM found)"),
        count(conn.dialect(), tenant, layout.kind, -1),
        journal::insert(tenant, &line).text(" FROM found"),
    ];
    conn.together(found, others)?;
    Ok(true)
}

/// Who is in a group, in order of joining.
fn member_ids(conn: &mut Conn, tenant: TenantId, group_pk: i64) -> Result<Vec<Uuid>, Failure> {
    let select = Sql::new(
        "SELECT r.id FROM membership m JOIN resource r ON r.tenant_id = m.tenant_id AND r.pk = m.member_pk \
         WHERE m.tenant_id = ",
    )
    .int(tenant.0)
    .text(" AND m.group_pk = ")
    .int(group_pk)
    .text(" ORDER BY m.joined");
    let ids = conn.rows::<Binary, Vec<u8>>(&select)?;
    let ids = ids.iter().map(|it| Uuid::from_slice(it).map_err(unavailable));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// The row that a change is about, locked until the transaction ends.
struct Locked {
    pk: i64,
    version: i64,
    modified: i64,
    keys: Keys,
    same_document: bool,
    /// Empty where it was only compared.
    document: String,
}

/// What is done with the stored document while its row is being locked.
#[derive(Clone, Copy)]
enum Look<'a> {
    /// It stays, or is compared with the one that is to take its place.
    Compare(Option<&'a str>),
    /// It is going, and read once more.
    Read,
}

impl Locked {
    fn check(&self, expected_version: Option<i64>) -> Result<(), Failure> {
        match expected_version {
            Some(expected) if expected != self.version => Err(StoreError::Stale.into()),
            _ => Ok(()),
        }
    }

    /// SQLite writes every index of a column that is assigned anew, even to the same value.
    fn keys_to_compare(&self, dialect: Dialect) -> Option<&Keys> {
        (dialect == Dialect::Sqlite).then_some(&self.keys)
    }
}

fn lock(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    look: Look,
) -> Result<Option<Locked>, Failure> {
    let mut select = Sql::new(
        "SELECT pk, version, modified, active, unique_key, external_key, display_key, family_key, label, ",
    );
    select = match look {
        Look::Compare(Some(document)) => select.text("document = ").string(document).text(", ''"),
        Look::Compare(None) => select.text("TRUE, ''"),
        Look::Read => select.text("TRUE, document"),
    };
    select = select
        .text(" FROM resource WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND kind = ")
        .int(layout.kind)
        .text(" AND id = ")
        .id(id);
    // SQLite has one writer: it holds the lock already.
    if conn.dialect() == Dialect::Postgres {
        select = select.text(match look {
            Look::Compare(_) => " FOR NO KEY UPDATE",
            Look::Read => " FOR UPDATE",
        });
    }
    type KeyTypes = (
        Nullable<Bool>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Text>,
    );
    type KeyColumns = (
        Option<bool>,
        Option<String>,
        Option<String>,
        Option<String>,
        Option<String>,
        Option<String>,
    );
    type Types = (BigInt, BigInt, BigInt, KeyTypes, Bool, Text);
    type Row = (i64, i64, i64, KeyColumns, bool, String);
    let row = conn.row::<Types, Row>(&select)?;
    Ok(row.map(|(pk, version, modified, keys, same_document, document)| {
        let (active, unique_key, external_key, display_key, family_key, label) = keys;
        let keys = Keys {
            active,
            unique_key,
            external_key,
            display_key,
            family_key,
            label,
        };
        Locked {
            pk,
            version,
            modified,
            keys,
            same_document,
            document,
        }
    }))
}

/// What a change of a group locks at once with the groups that become members: groups can be in each other, and
/// who locks them in any other order than that of their keys waits in a circle.
#[derive(Clone, Copy)]
struct Circle {
    group: Uuid,
    /// It may be renamed or go, which those that it is in show.
    with_its_groups: bool,
}

/// The resources that are to become members.
struct Members {
    found: HashMap<Uuid, i64>,
    unknown: Vec<Uuid>,
}

impl Members {
    /// Finds those that exist, and on PostgreSQL keeps them as they are until the transaction ends.
    fn find(
        conn: &mut Conn,
        tenant: TenantId,
        ids: impl Iterator<Item = Uuid>,
        circle: Option<Circle>,
    ) -> Result<Members, Failure> {
        let ids: BTreeSet<Uuid> = ids.collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut members = Members {
            found: HashMap::new(),
            unknown: ids,
        };
        let select = || Sql::new("SELECT id, pk FROM resource WHERE tenant_id = ").int(tenant.0);
        // Members are Users and Groups (RFC 7643 section 4.2).
        match conn.dialect() {
            Dialect::Sqlite if members.unknown.is_empty() => {}
            Dialect::Sqlite => {
                let select = select().text(" AND kind IN (1, 2) AND id");
                members.note(conn, &select.in_ids(Dialect::Sqlite, &members.unknown))?;
            }
            Dialect::Postgres => {
                if !members.unknown.is_empty() {
                    let select = select().text(" AND kind = 1 AND id");
                    let select = select.in_ids(Dialect::Postgres, &members.unknown);
                    members.note(conn, &select.text(" ORDER BY pk FOR SHARE"))?;
                }
                let with_its_groups = circle.is_some_and(|it| it.with_its_groups);
                if !members.unknown.is_empty() || with_its_groups {
                    let mut select = select()
                        .text(" AND kind = 2 AND (id")
                        .in_ids(Dialect::Postgres, &members.unknown);
                    if let Some(Circle { group, .. }) = circle {
                        select = select.text(" OR id = ").id(group);
                        if with_its_groups {
                            select = select
                                .text(
                                    " OR pk IN (SELECT m.group_pk FROM membership m JOIN resource x \
                                     ON x.tenant_id = m.tenant_id AND x.pk = m.member_pk WHERE m.tenant_id = ",
                                )
                                .int(tenant.0)
                                .text(" AND x.id = ")
                                .id(group)
                                .text(")");
                        }
                    }
                    members.note(conn, &select.text(") ORDER BY pk FOR NO KEY UPDATE"))?;
                }
            }
        }
        Ok(members)
    }

    fn note(&mut self, conn: &mut Conn, select: &Sql) -> Result<(), Failure> {
        let rows = conn.rows::<(Binary, BigInt), (Vec<u8>, i64)>(select)?;
        let rows = rows.into_iter();
        self.found
            .extend(rows.filter_map(|(id, pk)| Some((Uuid::from_slice(&id).ok()?, pk))));
        self.unknown.retain(|it| !self.found.contains_key(it));
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        Err(StoreError::UnknownMembers(self.unknown.clone()).into())
    }

    /// In the order given, each once.
    fn pks(&self, ids: &[Uuid]) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let pks = ids.iter().filter_map(|id| self.found.get(id).copied());
        pks.filter(|pk| seen.insert(*pk)).collect()
    }
}

/// Whether any row changed.
fn change_members(
    conn: &mut Conn,
    tenant: TenantId,
    group_pk: i64,
    now: DateTime<Utc>,
    members: &Members,
    steps: &[MembersStep],
) -> Result<bool, Failure> {
    let mut changed = 0;
    for step in steps {
        changed += match step {
            MembersStep::Add(ids) => add_members(conn, tenant, group_pk, now, &members.pks(ids))?,
            MembersStep::Remove(ids) => {
                conn.execute(&remove_members(conn.dialect(), tenant, group_pk, ids))?
            }
            MembersStep::RemoveAll => conn.execute(&delete_members(tenant, group_pk))?,
            MembersStep::ReplaceAll(ids) => {
                let pks = members.pks(ids);
                let others = delete_members(tenant, group_pk)
                    .text(" AND member_pk NOT IN (SELECT pk FROM ")
                    .table_of_pks(conn.dialect(), &pks)
                    .text(" AS a)");
                conn.execute(&others)? + add_members(conn, tenant, group_pk, now, &pks)?
            }
        };
    }
    Ok(changed > 0)
}

fn delete_members(tenant: TenantId, group_pk: i64) -> Sql {
    Sql::new("DELETE FROM membership WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND group_pk = ")
        .int(group_pk)
}

/// Deletes those that are named and nothing else, however many there are.
fn remove_members(dialect: Dialect, tenant: TenantId, group_pk: i64, ids: &[Uuid]) -> Sql {
    let delete = delete_members(tenant, group_pk);
    match dialect {
        // SQLite would read all of the group for its members, and leaves a joined table in its place.
        Dialect::Sqlite => delete
            .text(
                " AND joined IN (SELECT m.joined FROM resource x CROSS JOIN membership m \
                 ON m.member_pk = x.pk AND m.tenant_id = x.tenant_id AND m.group_pk = ",
            )
            .int(group_pk),
        Dialect::Postgres => delete.text(" AND member_pk IN (SELECT x.pk FROM resource x"),
    }
    .text(" WHERE x.tenant_id = ")
    .int(tenant.0)
    .text(" AND x.id")
    .in_ids(dialect, ids)
    .text(")")
}

fn add_members(
    conn: &mut Conn,
    tenant: TenantId,
    group_pk: i64,
    now: DateTime<Utc>,
    pks: &[i64],
) -> Result<usize, Failure> {
    if pks.is_empty() {
        return Ok(0);
    }
    let insert = insert_members(conn.dialect(), tenant, Some(group_pk), now, pks);
    Ok(conn.execute(&insert)?)
}

/// Without `group_pk`, of a group that is new: the one in `found`.
fn insert_members(
    dialect: Dialect,
    tenant: TenantId,
    group_pk: Option<i64>,
    now: DateTime<Utc>,
    pks: &[i64],
) -> Sql {
    let insert = Sql::new("INSERT INTO membership (tenant_id, group_pk, joined, member_pk) SELECT ")
        .int(tenant.0)
        .text(", ");
    let now = now.timestamp_micros();
    let insert = match group_pk {
        None => insert
            .text("found.pk, a.position + ")
            .int(now)
            .text(", a.pk FROM found, "),
        Some(pk) => insert
            .int(pk)
            .text(", a.position + b.first, a.pk FROM (SELECT CASE WHEN l.last >= ")
            .int(now)
            .text(" THEN l.last + 1 ELSE ")
            .int(now)
            // Not `max`: SQLite reads all of the group for it as soon as there are two.
            .text(" END AS first FROM (SELECT (SELECT joined FROM membership WHERE tenant_id = ")
            .int(tenant.0)
            .text(" AND group_pk = ")
            .int(pk)
            .text(" ORDER BY joined DESC LIMIT 1) AS last) AS l) AS b, "),
    };
    // `WHERE TRUE` tells SQLite that `ON` does not belong to a join.
    insert
        .table_of_pks(dialect, pks)
        .text(" AS a WHERE TRUE ON CONFLICT DO NOTHING")
}

/// Whether any secret changed.
fn change_secrets(
    conn: &mut Conn,
    tenant: TenantId,
    pk: i64,
    secrets: &SecretHashes,
) -> Result<bool, Failure> {
    let mut changed = 0;
    for (path, hash) in secrets {
        let change = match hash {
            Some(hash) => Sql::new("INSERT INTO secret (tenant_id, pk, path, hash) VALUES (")
                .int(tenant.0)
                .text(", ")
                .int(pk)
                .text(", ")
                .string(path)
                .text(", ")
                .string(&hash.0)
                .text(
                    ") ON CONFLICT (tenant_id, pk, path) DO UPDATE SET hash = excluded.hash \
                     WHERE secret.hash <> excluded.hash",
                ),
            None => Sql::new("DELETE FROM secret WHERE tenant_id = ")
                .int(tenant.0)
                .text(" AND pk = ")
                .int(pk)
                .text(" AND path = ")
                .string(path),
        };
        changed += conn.execute(&change)?;
    }
    Ok(changed > 0)
}

/// A group's version covers its members' display names: it moves on with them, and when they go.
fn move_groups_on(
    conn: &mut Conn,
    tenant: TenantId,
    member_pk: i64,
    member: Uuid,
    now: DateTime<Utc>,
    operation: Operation,
) -> Result<(), Failure> {
    let mut select = Sql::new(
        "SELECT g.pk FROM resource g WHERE g.pk IN (SELECT m.group_pk FROM membership m WHERE m.tenant_id = ",
    )
    .int(tenant.0)
    .text(" AND m.member_pk = ")
    .int(member_pk)
    .text(") AND ")
    .found_by_pk(conn.dialect(), "g.tenant_id", tenant)
    .text(" ORDER BY g.pk");
    if conn.dialect() == Dialect::Postgres {
        select = select.text(" FOR NO KEY UPDATE");
    }
    let pks = conn.rows::<BigInt, i64>(&select)?;
    if pks.is_empty() {
        return Ok(());
    }
    let at = now.timestamp_millis();
    let bump = Sql::new("UPDATE resource SET version = version + 1, modified = CASE WHEN modified < ")
        .int(at)
        .text(" THEN ")
        .int(at)
        .text(" ELSE modified END WHERE ")
        .found_by_pk(conn.dialect(), "tenant_id", tenant)
        .text(" AND pk")
        .in_pks(conn.dialect(), &pks);
    conn.execute(&bump)?;
    let lines =
        Sql::new("INSERT INTO changes (tenant_id, at, kind, id, version, action, change) SELECT tenant_id, ")
            .int(at)
            .text(", kind, id, version, ")
            .string(operation.as_str())
            .text(", ")
            .string(ChangeDetail::Member(member).to_stored())
            .text(" FROM resource WHERE ")
            .found_by_pk(conn.dialect(), "tenant_id", tenant)
            .text(" AND pk")
            .in_pks(conn.dialect(), &pks)
            .text(" ORDER BY pk");
    conn.execute(&lines)?;
    Ok(())
}

/// A stored document whose columns and rows were computed anew.
pub(crate) struct Rewritten {
    pub(crate) tenant: TenantId,
    pub(crate) pk: i64,
    pub(crate) derived: Derived,
}

/// Writes what is derived from a document that has not changed.
pub(crate) fn rewrite(conn: &mut Conn, layout: &Layout, it: &Rewritten) -> Result<(), Failure> {
    let update = set_derived(Sql::new("UPDATE resource SET "), &it.derived, None)
        .text(" WHERE tenant_id = ")
        .int(it.tenant.0)
        .text(" AND pk = ")
        .int(it.pk)
        .text(" RETURNING pk");
    let others = replace_derived(conn, layout, it.tenant, it.pk, &it.derived)?;
    match conn.together(update, others) {
        Ok(_) => replace_unique_values(conn, layout, it.tenant, it.pk, &it.derived),
        Err(error) if is_unique_violation(&error) => Err(conflict(layout)),
        Err(error) => Err(error.into()),
    }
}

/// Assigns the columns that a document decides; of the keys, those that differ from what is stored, or all.
fn set_derived(update: Sql, derived: &Derived, stored: Option<&Keys>) -> Sql {
    let keys = &derived.keys;
    let mut update = update.text("document = ").string(derived.document.clone());
    if stored.is_none_or(|it| it.active != keys.active) {
        update = update.text(", active = ").optional_bool(keys.active);
    }
    type Column = (&'static str, fn(&Keys) -> &Option<String>);
    let columns: [Column; 5] = [
        (", unique_key = ", |it| &it.unique_key),
        (", external_key = ", |it| &it.external_key),
        (", display_key = ", |it| &it.display_key),
        (", family_key = ", |it| &it.family_key),
        (", label = ", |it| &it.label),
    ];
    for (name, key) in columns {
        if stored.is_none_or(|it| key(it) != key(keys)) {
            update = update.text(name).optional_string(key(keys).clone());
        }
    }
    update
}

type Values = BTreeSet<(i64, String)>;

/// What brings the rows beside `resource` in line with a changed document; those that stay are not
/// touched.
fn replace_derived(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    derived: &Derived,
) -> Result<Vec<Sql>, Failure> {
    let dialect = conn.dialect();
    let normal = Sql::new("UPDATE resource_normal SET normal = ")
        .json(dialect, derived.normal.clone())
        .text(" WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(pk);
    // Most changes are of something else. On PostgreSQL to look costs more than not to know.
    let can_look = dialect == Dialect::Sqlite;
    if layout.indexed.is_empty() || can_look && stored_values(conn, tenant, pk)? == derived.values {
        return Ok(vec![normal]);
    }
    let outdated = Sql::new("DELETE FROM attribute_value WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(pk)
        .text(" AND (path, key) NOT IN (SELECT path, key FROM ")
        .table_of_values(dialect, derived.values.iter())
        .text(" AS a)");
    let missing = insert_values(dialect, tenant, &derived.values);
    Ok(vec![normal, outdated, missing])
}

fn stored_values(conn: &mut Conn, tenant: TenantId, pk: i64) -> Result<Values, Failure> {
    let select = Sql::new("SELECT path, key FROM attribute_value WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(pk);
    let values = conn.rows::<(BigInt, Text), (i64, String)>(&select)?;
    Ok(values.into_iter().collect())
}

/// What gives the resource in `found` its values; those that are there already stay.
fn insert_values(dialect: Dialect, tenant: TenantId, values: &Values) -> Sql {
    Sql::new("INSERT INTO attribute_value (tenant_id, path, key, pk) SELECT ")
        .int(tenant.0)
        .text(", a.path, a.key, found.pk FROM found, ")
        .table_of_values(dialect, values.iter())
        .text(" AS a WHERE TRUE ON CONFLICT DO NOTHING")
}

/// Few schemas have a second unique attribute: no statement for the others.
fn replace_unique_values(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    derived: &Derived,
) -> Result<(), Failure> {
    if layout.more_unique.is_empty() {
        return Ok(());
    }
    let outdated = Sql::new("DELETE FROM unique_value WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(pk)
        .text(" AND (path, key) NOT IN (SELECT path, key FROM ")
        .table_of_values(conn.dialect(), derived.unique_values.iter())
        .text(" AS a)");
    conn.execute(&outdated)?;
    let stored = Sql::new("SELECT path, key FROM unique_value WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND pk = ")
        .int(pk);
    let stored = conn.rows::<(BigInt, Text), (i64, String)>(&stored)?;
    let stored: Values = stored.into_iter().collect();
    let new = derived.unique_values.difference(&stored).cloned().collect();
    insert_unique_values(conn, layout, tenant, pk, &new)
}

fn insert_unique_values(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    pk: i64,
    values: &Values,
) -> Result<(), Failure> {
    for (path, key) in values {
        let insert = Sql::new("INSERT INTO unique_value (tenant_id, path, key, pk) VALUES (")
            .int(tenant.0)
            .text(", ")
            .int(*path)
            .text(", ")
            .string(key)
            .text(", ")
            .int(pk)
            .text(") ON CONFLICT (tenant_id, path, key) DO NOTHING");
        if conn.execute(&insert)? == 0 {
            let attribute = layout.more_unique.iter().find(|(number, _)| number == path);
            let attribute = attribute.map_or_else(String::new, |(_, it)| it.to_string());
            return Err(StoreError::Conflict { attribute }.into());
        }
    }
    Ok(())
}

fn conflict(layout: &Layout) -> Failure {
    let attribute = layout
        .unique
        .as_ref()
        .map_or_else(|| "id".to_owned(), ToString::to_string);
    StoreError::Conflict { attribute }.into()
}

/// A stored time.
pub(crate) fn time(milliseconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(milliseconds)
        .ok_or_else(|| crate::error::unavailable(format!("{milliseconds} is no time")))
}
