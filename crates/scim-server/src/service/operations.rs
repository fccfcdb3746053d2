//! Get, create, replace and delete.

use scim_model::internal::check_keys;
use scim_model::store::{Deletion, Include, NewResource, Stored};
use scim_model::{Document, ScimType, Tolerances, json};
use serde_json::Value;

use super::core::{Representation, Service, now, parse_id};
use super::error::Error;
use super::interop;
use super::precondition::Unmet;
use super::requester::Request;
use super::secrets::HashedSecrets;
use crate::clock;

impl Service {
    /// Returns a resource by id (RFC 7644 section 3.4.1).
    ///
    /// # Errors
    /// `NotFound`, `NotModified`, `PreconditionFailed`.
    pub fn get(&self, request: &Request, id: &str) -> Result<Representation, Error> {
        let tolerances = check_projection(request)?;
        let id = parse_id(id)?;
        let stored = self.read_to_show(request, id)?;
        self.tolerances
            .record_request(request.requester, &tolerances.take());
        let version = stored.version;
        let representation = self.represent(request, stored, Vec::new())?;
        let derived_etag = representation.is_derived.then_some(&*representation.etag);
        match request.preconditions.check_read(version, derived_etag) {
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
    pub fn create(&self, request: &Request, body: &[u8]) -> Result<Representation, Error> {
        let (tenant, resource_type) = (request.tenant(), request.resource_type);
        let tolerances = check_projection(request)?;
        let body = json::parse(body)?;
        self.check_body(request, &body)?;
        let restored_by = request.settings().restores_users.then(|| body.clone());
        let mut sent = Document::for_create(resource_type, body, request.policy())?;
        if let Some(body) = restored_by
            && let Some(restored) = self.restore(request, &body, &sent.document, &tolerances)?
        {
            return Ok(restored);
        }
        if request.settings().active_by_default {
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
            actor: request.requester.actor.clone(),
            document: sent.document,
            members,
            secrets,
        };
        self.store.create(tenant, &new)?;
        let needed = tolerances.take();
        self.tolerances
            .record_request(request.requester, sent.tolerances.iter().chain(&needed));
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
        self.represent(request, stored, sent.requested)
    }

    /// Checks the names of a body, before it is read attribute by attribute.
    fn check_body(&self, request: &Request, body: &Value) -> Result<(), Error> {
        check_keys(
            &self.registry,
            request.resource_type,
            body,
            ScimType::InvalidSyntax,
        )?;
        if request.settings().is_interop() {
            interop::check_schemas(request.resource_type, body)?;
        }
        Ok(())
    }

    /// Replaces a resource with the body of a PUT (RFC 7644 section 3.5.1).
    ///
    /// # Errors
    /// See [`Error`].
    pub fn replace(&self, request: &Request, id: &str, body: &[u8]) -> Result<Representation, Error> {
        let tolerances = check_projection(request)?;
        let body = json::parse(body)?;
        self.check_body(request, &body)?;
        let id = parse_id(id)?;
        let mut hashed = HashedSecrets::default();
        self.retry_locks.retry(id, request.preconditions, || {
            let current = self.read(request, id, Include::default())?;
            let document = Document::from_stored_json(&current.document)?;
            let mut sent =
                Document::for_replace(request.resource_type, &document, body.clone(), request.policy())?;
            request
                .preconditions
                .check_write(current.version)
                .map_err(|_| Error::PreconditionFailed)?;
            let update =
                self.replacement(request, &current, &document, &mut sent, &mut hashed, &tolerances)?;
            self.write(request, &update)?;
            let needed = tolerances.take();
            self.tolerances
                .record_request(request.requester, sent.tolerances.iter().chain(&needed));
            let stored = self.read_to_show(request, id)?;
            self.represent(request, stored, sent.requested)
        })
    }

    /// Deletes a resource (RFC 7644 section 3.6).
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`.
    pub fn delete(&self, request: &Request, id: &str) -> Result<(), Error> {
        let id = parse_id(id)?;
        self.retry_locks.retry(id, request.preconditions, || {
            let deletion = Deletion {
                resource_type: request.resource_type.clone(),
                id,
                expected_version: self.expected_version(request, id)?,
                now: now(),
                actor: request.requester.actor.clone(),
            };
            if self.store.delete(request.tenant(), &deletion)? {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
    }
}

/// Checks the names that a client asks for, and returns the record of the tolerances that they need.
pub(super) fn check_projection(request: &Request) -> Result<Tolerances, Error> {
    let tolerances = Tolerances::new(request.policy());
    let types = std::slice::from_ref(request.resource_type);
    request.projection.check_names(types, &tolerances)?;
    Ok(tolerances)
}
