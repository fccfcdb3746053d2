//! PATCH (RFC 7644 section 3.5.2): as row operations where only members change, else by reading,
//! computing and writing over the version that was read.

use std::sync::Arc;

use scim_model::change::AttributeChanges;
use scim_model::internal::{Projection, etag, location};
use scim_model::store::{Include, MembersChange, MembersStep, Stored, TenantId, Update, Updated};
use scim_model::{AttributePath, Document, ResourceType, SecretHashes, json};
use scim_patch::{MembersPlan, Operation, Plan, Tolerance, apply, plan};
use serde_json::{Value, json};
use uuid::Uuid;

use super::members::check_not_itself;
use super::precondition::Preconditions;
use super::secrets::Hashed;
use super::{Error, Service, Shown, include, now, parse_id};

impl Service {
    /// Changes a resource by the operations of a PatchOp message.
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
    ) -> Result<Shown, Error> {
        let operations = Operation::parse_all(json::parse(body)?, self.settings.policy)?;
        let id = parse_id(id)?;
        let plan = plan(resource_type, &operations, self.settings.policy)?;
        self.check_member_types(tenant, &plan.member_types)?;
        let patch = Patch {
            service: self,
            tenant,
            resource_type,
            id,
            plan: &plan,
            preconditions,
        };
        let mut hashed = Hashed::default();
        let Patched {
            updated,
            requested,
            tolerances,
        } = self.turns.retry(id, preconditions, || match &plan.members {
            MembersPlan::Steps(steps) if plan.rest.is_empty() => patch.members_only(steps),
            _ => patch.whole(&mut hashed),
        })?;
        self.tolerances.record(plan.tolerances.iter().chain(&tolerances));
        // a group may have very many members, so it is not shown unless that is asked for.
        if resource_type.has_members() && projection.is_default() && !self.settings.patch_shows_groups {
            if resource_type.shown_references().next().is_none() {
                return Ok(Shown {
                    etag: etag(updated.version),
                    is_derived: false,
                    location: location(&self.settings.base_url, resource_type, id),
                    body: None,
                });
            }
            // Of a group with an extension that refers to others as `manager` does, the tag tells that too.
            let stored = self.read(tenant, resource_type, id, Include::default())?;
            let mut shown = self.show(tenant, resource_type, stored, projection)?;
            shown.body = None;
            return Ok(shown);
        }
        let stored = self.read(tenant, resource_type, id, include(resource_type, projection))?;
        self.show(
            tenant,
            resource_type,
            stored,
            &projection.clone().with_sent(requested),
        )
    }
}

/// A PATCH on its way.
struct Patch<'a> {
    service: &'a Service,
    tenant: TenantId,
    resource_type: &'a Arc<ResourceType>,
    id: Uuid,
    plan: &'a Plan,
    preconditions: &'a Preconditions,
}

/// A PATCH that has been written.
struct Patched {
    updated: Updated,
    /// Attributes with `returned` = `request` that the client wrote.
    requested: Vec<AttributePath>,
    /// The tolerances that the rest of the plan needed.
    tolerances: Vec<Tolerance>,
}

impl Patch<'_> {
    /// Row operations that hold for any version: nothing is read, however large the group is.
    fn members_only(&self, steps: &[MembersStep]) -> Result<Patched, Error> {
        let Patch {
            service,
            tenant,
            resource_type,
            id,
            preconditions,
            ..
        } = *self;
        check_not_itself(id, added(steps))?;
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

    /// Read, compute, write over what was read.
    fn whole(&self, hashed: &mut Hashed) -> Result<Patched, Error> {
        let Patch {
            service,
            tenant,
            resource_type,
            id,
            plan,
            preconditions,
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
        let members = match &plan.members {
            MembersPlan::Untouched => MembersChange::None,
            MembersPlan::NeedsList => outcome.changes.members()?,
            MembersPlan::Steps(steps) => MembersChange::Steps(steps.clone()),
        };
        if let MembersChange::Steps(steps) = &members {
            check_not_itself(id, added(steps))?;
        }
        let secrets = hashed.of(service, &outcome.secrets)?;
        let secrets = service.without_idle(tenant, resource_type, id, secrets)?;
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

    /// The stored document, with the members in it if they were read.
    fn document(&self, current: &Stored) -> Result<Document, Error> {
        let mut document = Document::from_stored_json(&current.document)?;
        if !self.service.settings.policy.lenient {
            // By the RFC alone a client may repeat a readOnly value, and no other (7644-3.5.2-10).
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

/// The ids that become members.
fn added(steps: &[MembersStep]) -> impl Iterator<Item = &Uuid> {
    steps.iter().flat_map(|it| match it {
        MembersStep::Add(ids) | MembersStep::ReplaceAll(ids) => ids.as_slice(),
        MembersStep::Remove(_) | MembersStep::RemoveAll => &[],
    })
}
