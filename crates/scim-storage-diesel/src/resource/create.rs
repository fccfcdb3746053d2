//! Creating a resource.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::SecretHashes;
use scim_model::change::Operation;
use scim_model::store::TenantId;
use uuid::Uuid;

use super::index_rows::insert_index_rows;
use super::members::{JoiningMembers, insert_members_of_new};
use super::subject::{Origin, Subject, conflict, journal_entry};
use crate::connection::Conn;
use crate::counts;
use crate::error::Failure;
use crate::schema::resource;
use crate::schema_map::derive::Derived;
use crate::schema_map::layout::Layout;
use crate::sql::{Sql, sql};

/// A resource to create, ready for its rows.
pub(crate) struct Creation {
    pub(crate) layout: Arc<Layout>,
    pub(crate) id: Uuid,
    pub(crate) origin: Origin,
    pub(crate) derived: Derived,
    pub(crate) members: Vec<Uuid>,
    pub(crate) secrets: SecretHashes,
    /// The version and the times to store.
    pub(crate) meta: Meta,
    /// The detail of the journal entry; `None` if the journal is imported together with the resource.
    pub(crate) detail: Option<String>,
}

/// The part of `meta` that is stored.
#[derive(Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) version: i64,
    pub(crate) created: DateTime<Utc>,
    pub(crate) modified: DateTime<Utc>,
}

impl Meta {
    /// Returns the version and the times of a resource that is created now.
    pub(crate) fn new(now: DateTime<Utc>) -> Meta {
        Meta {
            version: 1,
            created: now,
            modified: now,
        }
    }
}

/// Returns whether a resource with the id exists.
pub(crate) fn is_stored(conn: &mut Conn, tenant: TenantId, id: Uuid) -> Result<bool, Failure> {
    let pk = resource::table
        .filter(resource::tenant_id.eq(tenant.0))
        .filter(resource::id.eq(id.as_bytes().to_vec()))
        .select(resource::pk);
    Ok(conn.only::<i64, _>(pk)?.is_some())
}

pub(crate) fn create(conn: &mut Conn, tenant: TenantId, new: &Creation) -> Result<(), Failure> {
    let members = JoiningMembers::find(conn, tenant, new.members.iter().copied(), None)?;
    members.check()?;
    let Creation { layout, derived, .. } = new;
    let (dialect, kind) = (conn.dialect(), layout.kind);
    let keys = derived.keys.clone();
    // Literals, because the rows of a resource go to PostgreSQL in one round trip; see `Conn::together`.
    let resource = sql!(
        "INSERT INTO resource (tenant_id, kind, id, version, created, modified, active, unique_key, external_key,
                               display_key, family_key, label, document)
         VALUES ({tenant}, {kind}, {id}, {version}, {created}, {modified}, {active}, {unique_key}, {external_key},
                 {display_key}, {family_key}, {label}, {document})
         ON CONFLICT (tenant_id, kind, unique_key) DO NOTHING RETURNING pk";
        tenant, kind, id = new.id, version = new.meta.version, created = new.meta.created,
        modified = new.meta.modified, active = keys.active, unique_key = keys.unique_key,
        external_key = keys.external_key, display_key = keys.display_key, family_key = keys.family_key,
        label = keys.label, document = &derived.document
    );
    let mut others = vec![sql!(
        "INSERT INTO resource_normal (tenant_id, pk, normal) SELECT {tenant}, pk, {normal} FROM found";
        tenant, normal = Sql::json(dialect, derived.normal.clone())
    )];
    if !layout.indexed.is_empty() {
        others.push(insert_index_rows(dialect, tenant, &derived.values));
    }
    let members = members.pks(&new.members);
    if layout.resource_type.has_members() && !members.is_empty() {
        others.push(insert_members_of_new(dialect, tenant, new.origin.now, &members));
    }
    others.push(counts::count(dialect, tenant, kind, 1));
    if let Some(detail) = &new.detail {
        let named = (kind, new.id, new.meta.version);
        let entry = (detail.as_str(), &derived.names);
        others.push(journal_entry(
            tenant,
            &new.origin,
            named,
            Operation::Create,
            entry,
        ));
    }
    let Some(pk) = conn.together(resource, others)? else {
        return Err(conflict(layout));
    };
    let subject = Subject {
        tenant,
        layout,
        id: new.id,
        pk,
    };
    subject.insert_unique_values(conn, &derived.unique_values)?;
    subject.change_secrets(conn, &new.secrets)?;
    Ok(())
}
