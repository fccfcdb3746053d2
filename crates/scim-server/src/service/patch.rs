//! PATCH (RFC 7644 section 3.5.2): row operations when only members change, and otherwise reading the resource,
//! computing the new version, and writing it if the stored version is still the same.

use std::sync::Arc;

use scim_model::change::AttributeChanges;
use scim_model::internal::{Projection, etag, location};
use scim_model::store::{Include, MembersChange, MembersStep, Stored, TenantId, Update, Updated};
use scim_model::{AttributePath, Document, ResourceType, SecretHashes, Tolerances, json};
use scim_patch::{MembersPlan, Operation, Plan, Tolerance, apply, plan};
use serde_json::{Value, json};
use uuid::Uuid;

use super::core::{Representation, Service, include, now, parse_id};
use super::error::Error;
use super::members::check_not_own_member;
use super::precondition::Preconditions;
use super::secrets::HashedSecrets;

impl Service {
    /// Applies the operations of a PatchOp message to a resource.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn patch(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        body: &[u8],
        projection: &Projection,
        preconditions: &Preconditions,
    ) -> Result<Representation, Error> {
        let of_message = Tolerances::new(self.settings.policy);
        projection.check_names(std::slice::from_ref(resource_type), &of_message)?;
        let operations = Operation::read_all(json::parse(body)?, &of_message)?;
        Operation::check_keys(&operations, &self.registry, resource_type)?;
        let id = parse_id(id)?;
        let plan = plan(resource_type, &operations, self.settings.policy)?;
        self.check_member_types(tenant, &plan.member_types, &of_message)?;
        let patch = Patch {
            service: self,
            tenant,
            resource_type,
            id,
            plan: &plan,
            preconditions,
            tolerances: &of_message,
        };
        let mut hashed = HashedSecrets::default();
        let Patched {
            updated,
            requested,
            tolerances,
        } = self
            .retry_locks
            .retry(id, preconditions, || match &plan.members {
                MembersPlan::Steps(steps) if plan.rest.is_empty() => patch.members_only(steps),
                _ => patch.read_and_write(&mut hashed),
            })?;
        self.tolerances.record(&of_message.take());
        self.tolerances.record(plan.tolerances.iter().chain(&tolerances));
        // a group may have very many members, so the response contains the group only on request.
        if resource_type.has_members() && projection.is_default() && !self.settings.patch_shows_groups {
            if resource_type.shown_references().next().is_none() {
                return Ok(Representation {
                    etag: etag(updated.version),
                    is_derived: false,
                    location: location(&self.settings.base_url, resource_type, id),
                    body: None,
                });
            }
            // A group with an extension that refers to other resources, as `manager` does, has a derived entity tag.
            let stored = self.read(tenant, resource_type, id, Include::default())?;
            let mut representation = self.represent(tenant, resource_type, stored, projection)?;
            representation.body = None;
            return Ok(representation);
        }
        let stored = self.read(tenant, resource_type, id, include(resource_type, projection))?;
        self.represent(
            tenant,
            resource_type,
            stored,
            &projection.clone().with_sent(requested),
        )
    }
}

/// A PATCH that is being applied.
struct Patch<'a> {
    service: &'a Service,
    tenant: TenantId,
    resource_type: &'a Arc<ResourceType>,
    id: Uuid,
    plan: &'a Plan,
    preconditions: &'a Preconditions,
    /// The tolerances that are known when the plan is carried out.
    tolerances: &'a Tolerances,
}

/// A PATCH that has been written.
struct Patched {
    updated: Updated,
    /// The attributes with `returned` = `request` that the client wrote.
    requested: Vec<AttributePath>,
    /// The tolerances that the rest of the plan needed.
    tolerances: Vec<Tolerance>,
}

impl Patch<'_> {
    /// Changes only the members, with row operations that are valid for any version. The group is not read, so the cost
    /// does not depend on its size.
    fn members_only(&self, steps: &[MembersStep]) -> Result<Patched, Error> {
        let Patch {
            service,
            tenant,
            resource_type,
            id,
            preconditions,
            ..
        } = *self;
        check_not_own_member(id, added_ids(steps))?;
        let expected_version = service.expected_version(tenant, resource_type, id, preconditions)?;
        let members = MembersChange::Steps(steps.to_vec());
        let secrets = SecretHashes::new();
        let update = Update {
            resource_type: resource_type.clone(),
            id,
            expected_version,
            now: now(),
            document: None,
            changes: AttributeChanges::default().with(&members, &secrets),
            members,
            secrets,
        };
        Ok(Patched {
            updated: service.write(tenant, &update)?,
            requested: Vec::new(),
            tolerances: Vec::new(),
        })
    }

    /// Reads the resource, applies the operations, and writes the result if the version has not changed since.
    fn read_and_write(&self, hashed: &mut HashedSecrets) -> Result<Patched, Error> {
        let Patch {
            service,
            tenant,
            resource_type,
            id,
            plan,
            preconditions,
            tolerances,
        } = *self;
        let needs_list = plan.members == MembersPlan::NeedsList;
        let current = service.read(
            tenant,
            resource_type,
            id,
            Include {
                members: needs_list,
                groups: false,
            },
        )?;
        let document = self.document(&current)?;
        let outcome = apply(resource_type, &document, &plan.rest, service.settings.policy)?;
        preconditions
            .check_write(current.version)
            .map_err(|_| Error::PreconditionFailed)?;
        service.check_member_types(tenant, &outcome.member_types, tolerances)?;
        let members = match &plan.members {
            MembersPlan::Untouched => MembersChange::None,
            MembersPlan::NeedsList => outcome.changes.members()?,
            MembersPlan::Steps(steps) => MembersChange::Steps(steps.clone()),
        };
        if let MembersChange::Steps(steps) = &members {
            check_not_own_member(id, added_ids(steps))?;
        }
        let secrets = hashed.hash_sent(service, &outcome.secrets)?;
        let secrets = service.drop_noop_removals(tenant, resource_type, id, secrets)?;
        let mut changed = outcome.document;
        changed.remove("id");
        if resource_type.has_members() {
            changed.remove("members");
        }
        let update = Update {
            resource_type: resource_type.clone(),
            id,
            expected_version: Some(current.version),
            now: now(),
            document: Some(changed),
            changes: outcome.changes.with(&members, &secrets),
            members,
            secrets,
        };
        Ok(Patched {
            updated: service.write(tenant, &update)?,
            requested: outcome.requested,
            tolerances: outcome.tolerances,
        })
    }

    /// Returns the stored document, with its members if they were read.
    fn document(&self, current: &Stored) -> Result<Document, Error> {
        let mut document = Document::from_stored_json(&current.document)?;
        if !self.service.settings.policy.lenient {
            // In strict mode a client may repeat a readOnly value but not change it (7644-3.5.2-10).
            document.insert("id", current.id.to_string().into());
        }
        let Some(members) = current.members.as_ref().filter(|it| !it.is_empty()) else {
            return Ok(document);
        };
        let registry = &self.service.registry;
        let members = members.iter().map(|it| {
            let mut member = json!({ "value": it.id.to_string(), "type": &*it.resource_type });
            if let Some(display) = &it.display {
                member["display"] = display.as_str().into();
            }
            if let Some(resource_type) = registry.resource_type(&it.resource_type) {
                member["$ref"] = location(&self.service.settings.base_url, resource_type, it.id).into();
            }
            member
        });
        document.insert("members", Value::Array(members.collect()));
        Ok(document)
    }
}

/// Returns the ids that the steps add.
fn added_ids(steps: &[MembersStep]) -> impl Iterator<Item = &Uuid> {
    steps.iter().flat_map(|it| match it {
        MembersStep::Add(ids) | MembersStep::ReplaceAll(ids) => ids.as_slice(),
        MembersStep::Remove(_) | MembersStep::RemoveAll => &[],
    })
}
