//! The export and the import of a tenant.

mod export;
mod import;
mod journal;

use std::collections::HashMap;

use diesel::prelude::*;
use scim_model::change::{AttributeChanges, Change, ChangePosition, Operation};
use scim_model::store::{
    Connection, ConnectionId, ExportParts, Exported, ImportOutcome, ImportedMembers, ImportedResource,
    MembersChange, MembersStep, StoreError, TenantId, Transfer,
};
use uuid::Uuid;

use self::export::Export;
use self::import::Candidate;
use crate::columns::Id;
use crate::error::unavailable;
use crate::resource::create::{Creation, Meta};
use crate::resource::subject::Origin;
use crate::resource::update::{self, Replacement};
use crate::schema::{resource, token};
use crate::sql::sql;
use crate::store::DieselStore;

impl Transfer for DieselStore {
    fn export(
        &self,
        tenant: TenantId,
        wanted: ExportParts,
        take: &mut dyn FnMut(Exported) -> bool,
    ) -> Result<(), StoreError> {
        // A read may run again on another connection, but what was passed on cannot be taken back.
        let export = Export::new(self.scope(tenant), wanted, take);
        self.database.read_for(tenant, |conn| export.run(conn))
    }

    fn import(
        &self,
        tenant: TenantId,
        resources: &[ImportedResource],
        is_trial: bool,
    ) -> Result<Vec<ImportOutcome>, StoreError> {
        let candidates = resources.iter().map(|it| self.candidate(it));
        let candidates: Vec<Candidate> = candidates.collect::<Result<_, _>>()?;
        match is_trial {
            true => self.database.read_for(tenant, |conn| {
                let found = import::find(conn, tenant, &candidates)?;
                found.outcomes(conn, self.scope(tenant), &candidates)
            }),
            false => {
                let layouts = self.layouts.clone();
                self.database.write_for(tenant, move |conn| {
                    import::store(conn, tenant, &layouts, &candidates)
                })
            }
        }
    }

    fn import_members(&self, tenant: TenantId, members: &ImportedMembers) -> Result<(), StoreError> {
        let layout = self.layouts.of(&members.resource_type)?.clone();
        let Some(actor) = &members.recorded else {
            let members = members.clone();
            return self.database.write_for(tenant, move |conn| {
                import::add_members(conn, tenant, &layout, &members)
            });
        };
        let replacement = Replacement {
            layout,
            id: members.group,
            expected_version: None,
            origin: Origin::new(members.now, actor),
            derived: None,
            members: MembersChange::Steps(vec![MembersStep::Add(members.members.clone())]),
            secrets: Default::default(),
            operation: Operation::Update,
            changes: AttributeChanges::default(),
        };
        let modified = members.last_modified;
        self.database.write_for(tenant, move |conn| {
            if update::update(conn, tenant, &replacement)?.is_none() {
                return Err(unavailable("the group was deleted during the import").into());
            }
            if let Some(modified) = modified {
                let group = resource::table
                    .filter(resource::tenant_id.eq(tenant.0))
                    .filter(resource::id.eq(replacement.id.as_bytes().as_slice()));
                let set = resource::modified.eq(modified.timestamp_millis());
                conn.execute(diesel::update(group).set(set))?;
            }
            Ok(())
        })
    }

    fn token_hashes(&self, tenant: TenantId) -> Result<HashMap<Uuid, [u8; 32]>, StoreError> {
        self.database.read_for(tenant, |conn| {
            let hashes = token::table
                .filter(token::tenant_id.eq(tenant.0))
                .select((token::id, token::sha256));
            let hashes: Vec<(Id, Vec<u8>)> = conn.load(hashes)?;
            let hash = |(Id(id), hash): (Id, Vec<u8>)| Some((id, hash.try_into().ok()?));
            Ok(hashes.into_iter().filter_map(hash).collect())
        })
    }

    fn adopt_default_connection(&self, tenant: TenantId, id: ConnectionId) -> Result<bool, StoreError> {
        self.database.write_for(tenant, move |conn| {
            // A literal, because the DSL cannot compare with other rows of the table that is changed.
            let update = sql!(
                "UPDATE connection SET id = {id} WHERE tenant_id = {tenant} AND name = {name}
                 AND NOT EXISTS (SELECT 1 FROM token t
                   WHERE t.tenant_id = connection.tenant_id AND t.connection_id = connection.id)
                 AND NOT EXISTS (SELECT 1 FROM oauth_client o
                   WHERE o.tenant_id = connection.tenant_id AND o.connection_id = connection.id)
                 AND NOT EXISTS (SELECT 1 FROM connection c WHERE c.id = {id})";
                id = id.0, tenant, name = Connection::DEFAULT
            );
            Ok(conn.execute(update)? > 0)
        })
    }

    fn start_imported_journal(
        &self,
        tenant: TenantId,
        dropped: Option<ChangePosition>,
        end: ChangePosition,
    ) -> Result<(), StoreError> {
        self.database
            .write_for(tenant, move |conn| journal::start(conn, tenant, dropped, end))
    }

    fn import_changes(&self, tenant: TenantId, changes: &[Change]) -> Result<(), StoreError> {
        let changes = changes.to_vec();
        self.database
            .write_for(tenant, move |conn| journal::store(conn, tenant, &changes))
    }
}

impl DieselStore {
    /// A resource with all that is stored of it.
    fn candidate(&self, imported: &ImportedResource) -> Result<Candidate, StoreError> {
        let new = &imported.new;
        let layout = self.layouts.of(&new.resource_type)?.clone();
        let detail = imported.is_recorded.then(|| {
            AttributeChanges::of_creation(&new.resource_type, &new.document, &new.members, &new.secrets)
                .to_stored()
        });
        Ok(Candidate(Creation {
            derived: layout.derive(&new.document),
            detail,
            meta: Meta {
                version: imported.version,
                created: imported.created,
                modified: imported.last_modified,
            },
            layout,
            id: new.id,
            origin: Origin::new(new.now, &new.actor),
            members: new.members.clone(),
            secrets: new.secrets.clone(),
        }))
    }
}
