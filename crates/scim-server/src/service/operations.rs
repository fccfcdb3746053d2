//! Get, create, replace and delete.

use std::sync::Arc;

use scim_model::change::AttributeChanges;
use scim_model::internal::{Projection, check_keys};
use scim_model::store::{Include, MembersChange, MembersStep, NewResource, Stored, TenantId, Update};
use scim_model::{Document, ResourceType, ScimType, Tolerances, json};

use super::core::{Representation, Service, now, parse_id};
use super::error::Error;
use super::members::check_not_own_member;
use super::precondition::{Preconditions, Unmet};
use super::secrets::HashedSecrets;
use crate::clock;

impl Service {
    /// Returns a resource by id (RFC 7644 section 3.4.1).
    ///
    /// # Errors
    /// `NotFound`, `NotModified`, `PreconditionFailed`.
    pub fn get(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        projection: &Projection,
        preconditions: &Preconditions,
    ) -> Result<Representation, Error> {
        let tolerances = self.check_projection(resource_type, projection)?;
        let id = parse_id(id)?;
        let stored = self.read_to_show(tenant, resource_type, id, projection)?;
        self.tolerances.record_request(&tolerances.take());
        let version = stored.version;
        let representation = self.represent(tenant, resource_type, stored, projection)?;
        let derived_etag = representation.is_derived.then_some(&*representation.etag);
        match preconditions.check_read(version, derived_etag) {
            Ok(()) => Ok(representation),
            Err(Unmet::NotModified) => Err(Error::NotModified {
                etag: representation.etag,
                location: representation.location,
            }),
            Err(Unmet::Failed) => Err(Error::PreconditionFailed),
        }
    }

    /// Creates a resource from the body of a POST (RFC 7644 section 3.3).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn create(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        body: &[u8],
        projection: &Projection,
    ) -> Result<Representation, Error> {
        let tolerances = self.check_projection(resource_type, projection)?;
        let body = json::parse(body)?;
        check_keys(&self.registry, resource_type, &body, ScimType::InvalidSyntax)?;
        let mut sent = Document::for_create(resource_type, body, self.settings.policy)?;
        if self.settings.active_by_default {
            sent.document.fill_defaults(resource_type);
        }
        let members = sent.members.unwrap_or_default();
        self.check_member_types(tenant, &sent.member_types, &tolerances)?;
        let references = self.members(tenant, &members)?;
        let secrets = HashedSecrets::default().hash_sent(self, &sent.secrets)?;
        let new = NewResource {
            resource_type: resource_type.clone(),
            id: clock::new_id(),
            now: now(),
            document: sent.document,
            members,
            secrets,
        };
        self.store.create(tenant, &new)?;
        self.tolerances
            .record_request(sent.tolerances.iter().chain(&tolerances.take()));
        let stored = Stored {
            resource_type: resource_type.name.clone(),
            id: new.id,
            version: 1,
            created: new.now,
            last_modified: new.now,
            document: new.document.to_stored_json(resource_type),
            members: resource_type.has_members().then_some(references),
            rest_of_members: None,
            // A resource that did not exist before is not a member of any group.
            groups: resource_type.has_groups().then(Vec::new),
        };
        self.represent(
            tenant,
            resource_type,
            stored,
            &projection.clone().with_sent(sent.requested),
        )
    }

    /// Replaces a resource with the body of a PUT (RFC 7644 section 3.5.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn replace(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        body: &[u8],
        projection: &Projection,
        preconditions: &Preconditions,
    ) -> Result<Representation, Error> {
        let tolerances = self.check_projection(resource_type, projection)?;
        let body = json::parse(body)?;
        check_keys(&self.registry, resource_type, &body, ScimType::InvalidSyntax)?;
        let id = parse_id(id)?;
        let mut hashed = HashedSecrets::default();
        self.retry_locks.retry(id, preconditions, || {
            let current = self.read(tenant, resource_type, id, Include::default())?;
            let document = Document::from_stored_json(&current.document)?;
            let mut sent =
                Document::for_replace(resource_type, &document, body.clone(), self.settings.policy)?;
            if self.settings.active_by_default {
                sent.document.fill_defaults(resource_type);
            }
            preconditions
                .check_write(current.version)
                .map_err(|_| Error::PreconditionFailed)?;
            let members = match sent.members {
                Some(members) => {
                    check_not_own_member(id, members.iter())?;
                    self.check_member_types(tenant, &sent.member_types, &tolerances)?;
                    MembersChange::Steps(vec![MembersStep::ReplaceAll(members)])
                }
                None => MembersChange::None,
            };
            let secrets = hashed.hash_sent(self, &sent.secrets)?;
            let secrets = self.drop_noop_removals(tenant, resource_type, id, secrets)?;
            let update = Update {
                resource_type: resource_type.clone(),
                id,
                expected_version: Some(current.version),
                now: now(),
                changes: AttributeChanges::between(resource_type, &document, &sent.document)
                    .with(&members, &secrets),
                document: Some(sent.document),
                members,
                secrets,
            };
            self.write(tenant, &update)?;
            self.tolerances
                .record_request(sent.tolerances.iter().chain(&tolerances.take()));
            let stored = self.read_to_show(tenant, resource_type, id, projection)?;
            self.represent(
                tenant,
                resource_type,
                stored,
                &projection.clone().with_sent(sent.requested),
            )
        })
    }

    /// Checks the names that a client asks for, and returns the record of the tolerances that they need.
    fn check_projection(
        &self,
        resource_type: &Arc<ResourceType>,
        projection: &Projection,
    ) -> Result<Tolerances, Error> {
        let tolerances = Tolerances::new(self.settings.policy);
        projection.check_names(std::slice::from_ref(resource_type), &tolerances)?;
        Ok(tolerances)
    }

    /// Deletes a resource (RFC 7644 section 3.6).
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`.
    pub fn delete(
        &self,
        tenant: TenantId,
        resource_type: &Arc<ResourceType>,
        id: &str,
        preconditions: &Preconditions,
    ) -> Result<(), Error> {
        let id = parse_id(id)?;
        self.retry_locks.retry(id, preconditions, || {
            let expected = self.expected_version(tenant, resource_type, id, preconditions)?;
            if self.store.delete(tenant, resource_type, id, expected, now())? {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
    }
}
