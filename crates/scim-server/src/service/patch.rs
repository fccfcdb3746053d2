//! PATCH (RFC 7644 section 3.5.2): row operations when only members change, and otherwise reading the resource,
//! computing the new version, and writing it if the stored version is still the same.

use scim_model::change::AttributeChanges;
use scim_model::internal::{etag, location};
use scim_model::store::{Include, MembersChange, MembersStep, Stored, Update, Updated};
use scim_model::{AttributePath, Document, SecretHashes, Tolerances, json};
use scim_patch::{MembersPlan, Operation, Plan, Tolerance, apply, plan};
use serde_json::{Value, json};
use uuid::Uuid;

use super::core::{Representation, Service, include, now, parse_id};
use super::error::Error;
use super::interop;
use super::members::check_not_own_member;
use super::operations::check_projection;
use super::requester::Request;
use super::secrets::HashedSecrets;

impl Service {
    /// Applies the operations of a PatchOp message to a resource.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn patch(&self, request: &Request, id: &str, body: &[u8]) -> Result<Representation, Error> {
        let (resource_type, projection) = (request.resource_type, request.projection);
        let of_message = check_projection(request)?;
        let body = json::parse(body)?;
        let is_interop = request.settings().is_interop();
        if is_interop {
            interop::check_message_schemas(&body)?;
        }
        let mut operations = Operation::read_all(body, &of_message)?;
        if is_interop {
            interop::check_operations(resource_type, &mut operations)?;
        }
        Operation::check_keys(&operations, &self.registry, resource_type)?;
        let id = parse_id(id)?;
        let plan = plan(resource_type, &operations, request.policy())?;
        self.check_member_types(request.tenant(), &plan.member_types, &of_message)?;
        let patch = Patch {
            service: self,
            request,
            id,
            plan: &plan,
            tolerances: &of_message,
        };
        let mut hashed = HashedSecrets::default();
        let Patched {
            updated,
            requested,
            tolerances,
        } = self
            .retry_locks
            .retry(id, request.preconditions, || match &plan.members {
                MembersPlan::Steps(steps) if plan.rest.is_empty() => patch.members_only(steps),
                _ => patch.read_and_write(&mut hashed),
            })?;
        self.tolerances.record(request.requester, &of_message.take());
        let needed = plan.tolerances.iter().chain(&tolerances);
        self.tolerances.record(request.requester, needed);
        // a group may have very many members, so the response contains the group only on request.
        if resource_type.has_members() && projection.is_default() && !request.settings().patch_shows_groups {
            if resource_type.shown_references().next().is_none() {
                return Ok(Representation {
                    etag: etag(updated.version),
                    is_derived: false,
                    location: location(&self.settings.base_url, resource_type, id),
                    body: None,
                });
            }
            // A group with an extension that refers to other resources, like `manager`, has a derived entity tag.
            let stored = self.read(request, id, Include::default())?;
            let mut representation = self.represent(request, stored, Vec::new())?;
            representation.body = None;
            return Ok(representation);
        }
        let stored = self.read(request, id, include(resource_type, projection))?;
        self.represent(request, stored, requested)
    }
}

/// A PATCH that is being applied.
struct Patch<'a> {
    service: &'a Service,
    request: &'a Request<'a>,
    id: Uuid,
    plan: &'a Plan,
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
            service, request, id, ..
        } = *self;
        check_not_own_member(id, added_ids(steps))?;
        let expected_version = service.expected_version(request, id)?;
        let update = Update {
            resource_type: request.resource_type.clone(),
            id,
            expected_version,
            now: now(),
            actor: request.requester.actor.clone(),
            document: None,
            changes: AttributeChanges::default(),
            members: MembersChange::Steps(steps.to_vec()),
            secrets: SecretHashes::new(),
        };
        Ok(Patched {
            updated: service.write(request, &update)?,
            requested: Vec::new(),
            tolerances: Vec::new(),
        })
    }

    /// Reads the resource, applies the operations, and writes the result if the version has not changed since.
    fn read_and_write(&self, hashed: &mut HashedSecrets) -> Result<Patched, Error> {
        let Patch {
            service,
            request,
            id,
            plan,
            tolerances,
        } = *self;
        let resource_type = request.resource_type;
        let needs_list = plan.members == MembersPlan::NeedsList;
        let include = Include {
            members: needs_list,
            groups: false,
        };
        let current = service.read(request, id, include)?;
        let document = self.document(&current)?;
        let outcome = apply(resource_type, &document, &plan.rest, request.policy())?;
        request
            .preconditions
            .check_write(current.version)
            .map_err(|_| Error::PreconditionFailed)?;
        service.check_member_types(request.tenant(), &outcome.member_types, tolerances)?;
        let members = match &plan.members {
            MembersPlan::Untouched => MembersChange::None,
            MembersPlan::NeedsList => outcome.changes.members()?,
            MembersPlan::Steps(steps) => MembersChange::Steps(steps.clone()),
        };
        if let MembersChange::Steps(steps) = &members {
            check_not_own_member(id, added_ids(steps))?;
        }
        let secrets = hashed.hash_sent(service, &outcome.secrets)?;
        let secrets = service.drop_noop_removals(request, id, secrets)?;
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
            actor: request.requester.actor.clone(),
            document: Some(changed),
            changes: outcome.changes.with_secrets(&secrets),
            members,
            secrets,
        };
        Ok(Patched {
            updated: service.write(request, &update)?,
            requested: outcome.requested,
            tolerances: outcome.tolerances,
        })
    }

    /// Returns the stored document, with its members if they were read.
    fn document(&self, current: &Stored) -> Result<Document, Error> {
        let mut document = Document::from_stored_json(&current.document)?;
        if !self.request.policy().lenient {
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
