//! Storing resources with given ids, versions and times, unless they are there already.

use std::collections::{HashMap, HashSet};

use scim_model::store::{ImportOutcome, ImportedMembers, TenantId};
use uuid::Uuid;

use crate::columns::Id;
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::resource::create::{self, Creation};
use crate::resource::members::JoiningMembers;
use crate::resource::subject::{LockFor, Subject, lock};
use crate::schema_map::layout::{Layout, Layouts, Scope};
use crate::sql::{Sql, sql};

/// A resource that is stored unless the tenant has it.
pub(super) struct Candidate(pub(super) Creation);

/// A stored resource that may be one of the candidates.
struct Existing {
    id: Uuid,
    kind: i64,
    pk: i64,
    document: String,
}

/// The stored resources with the ids and with the unique values of candidates.
pub(super) struct Found {
    by_id: HashMap<Uuid, Existing>,
    by_key: HashMap<(i64, String), Existing>,
}

type Row = (Id, i64, i64, Option<String>, String);

/// Finds the stored resources that candidates may be.
pub(super) fn find(conn: &mut Conn, tenant: TenantId, candidates: &[Candidate]) -> Result<Found, Failure> {
    let dialect = conn.dialect();
    let ids: Vec<Uuid> = candidates.iter().map(|it| it.0.id).collect();
    let by_id = sql!(
        "SELECT id, kind, pk, unique_key, document FROM resource WHERE tenant_id = {tenant} AND id {ids}";
        tenant, ids = Sql::in_ids(dialect, &ids)
    );
    let keys: Vec<(i64, String)> = candidates.iter().filter_map(Candidate::key).collect();
    // The columns of the table are called `path` and `key`. `CROSS JOIN` keeps the order of the tables on SQLite.
    let by_key = sql!(
        "SELECT r.id, r.kind, r.pk, r.unique_key, r.document FROM {keys} AS a CROSS JOIN resource r
         WHERE r.tenant_id = {tenant} AND r.kind = a.path AND r.unique_key = a.key";
        keys = Sql::table_of_values(dialect, &keys), tenant
    );
    let existing = |(Id(id), kind, pk, key, document): Row| {
        let existing = Existing {
            id,
            kind,
            pk,
            document,
        };
        (existing, key.unwrap_or_default())
    };
    let by_id = conn.rows::<Row>(&by_id)?.into_iter().map(existing);
    let by_id = by_id.map(|(it, _)| (it.id, it)).collect();
    let by_key = match keys.is_empty() {
        true => Vec::new(),
        false => conn.rows::<Row>(&by_key)?,
    };
    let by_key = by_key.into_iter().map(existing);
    Ok(Found {
        by_id,
        by_key: by_key.map(|(it, key)| ((it.kind, key), it)).collect(),
    })
}

impl Candidate {
    /// The type and the value of the unique attribute.
    fn key(&self) -> Option<(i64, String)> {
        Some((self.0.layout.kind, self.0.derived.keys.unique_key.clone()?))
    }
}

impl Found {
    /// Returns the outcome for each candidate, as if those before it had not been stored.
    pub(super) fn outcomes(
        &self,
        conn: &mut Conn,
        scope: Scope,
        candidates: &[Candidate],
    ) -> Result<Vec<ImportOutcome>, Failure> {
        candidates
            .iter()
            .map(|it| self.outcome(conn, scope, it))
            .collect()
    }

    fn outcome(
        &self,
        conn: &mut Conn,
        scope: Scope,
        candidate: &Candidate,
    ) -> Result<ImportOutcome, Failure> {
        let layout = &candidate.0.layout;
        let unique = || {
            layout
                .unique
                .as_ref()
                .map_or_else(|| "id".to_owned(), ToString::to_string)
        };
        let by_key = || candidate.key().and_then(|it| self.by_key.get(&it));
        let (existing, attribute) = match (self.by_id.get(&candidate.0.id), by_key()) {
            (Some(existing), _) => (existing, "id".to_owned()),
            (None, Some(existing)) => (existing, unique()),
            (None, None) => return Ok(ImportOutcome::Created),
        };
        let is_same = existing.kind == layout.kind && existing.document == candidate.0.derived.document;
        if !is_same {
            return Ok(ImportOutcome::Differs { attribute });
        }
        let mut missing = Vec::new();
        if layout.resource_type.has_members() {
            let stored = scope.all_members(conn, existing.pk)?;
            let mut stored: HashSet<Uuid> = stored.into_iter().map(|it| it.id).collect();
            missing = candidate.0.members.clone();
            missing.retain(|it| !stored.remove(it));
            // It has members that the candidate lacks.
            if !stored.is_empty() {
                let attribute = "members".to_owned();
                return Ok(ImportOutcome::Differs { attribute });
            }
        }
        let id = existing.id;
        Ok(ImportOutcome::Same { id, missing })
    }
}

/// Stores the candidates that the tenant lacks.
pub(super) fn store(
    conn: &mut Conn,
    tenant: TenantId,
    layouts: &Layouts,
    candidates: &[Candidate],
) -> Result<Vec<ImportOutcome>, Failure> {
    let scope = Scope {
        dialect: conn.dialect(),
        tenant,
        layouts,
    };
    let outcomes = find(conn, tenant, candidates)?.outcomes(conn, scope, candidates)?;
    for (candidate, outcome) in candidates.iter().zip(&outcomes) {
        if *outcome == ImportOutcome::Created {
            create::create(conn, tenant, &candidate.0)?;
        }
    }
    Ok(outcomes)
}

/// Adds members to a group without a new version and without an entry of the journal.
pub(super) fn add_members(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    wanted: &ImportedMembers,
) -> Result<(), Failure> {
    let members = JoiningMembers::find(conn, tenant, wanted.members.iter().copied(), None)?;
    let Some(row) = lock(conn, tenant, layout, wanted.group, LockFor::Update(None))? else {
        return Err(unavailable("the group was deleted during the import").into());
    };
    members.check()?;
    let subject = Subject {
        tenant,
        layout,
        id: wanted.group,
        pk: row.pk,
    };
    let steps = [scim_model::store::MembersStep::Add(wanted.members.clone())];
    subject.change_members(conn, wanted.now, &members, &steps)?;
    Ok(())
}
