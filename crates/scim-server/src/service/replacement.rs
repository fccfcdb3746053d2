//! The replacement of a stored resource by a document that a client sent: for a PUT, and for a POST that restores a
//! user.

use scim_model::change::AttributeChanges;
use scim_model::store::{MembersChange, MembersStep, Stored, Update};
use scim_model::{Document, Sent, Tolerances};

use super::core::{Service, now};
use super::error::Error;
use super::members::check_not_own_member;
use super::requester::Request;
use super::secrets::HashedSecrets;

impl Service {
    /// Returns the update that replaces a resource, and takes the document out of `sent`. `stored` is the document of
    /// `current`.
    ///
    /// # Errors
    /// `invalidValue` for members and passwords that are not valid, `Overloaded`.
    pub(super) fn replacement(
        &self,
        request: &Request,
        current: &Stored,
        stored: &Document,
        sent: &mut Sent,
        hashed: &mut HashedSecrets,
        tolerances: &Tolerances,
    ) -> Result<Update, Error> {
        let resource_type = request.resource_type;
        let mut document = std::mem::take(&mut sent.document);
        if request.settings().active_by_default {
            document.fill_defaults(resource_type);
        }
        let members = match sent.members.take() {
            Some(members) => {
                check_not_own_member(current.id, members.iter())?;
                self.check_member_types(request.tenant(), &sent.member_types, tolerances)?;
                MembersChange::Steps(vec![MembersStep::ReplaceAll(members)])
            }
            None => MembersChange::None,
        };
        let secrets = hashed.hash_sent(self, &sent.secrets)?;
        let secrets = self.drop_noop_removals(request, current.id, secrets)?;
        Ok(Update {
            resource_type: resource_type.clone(),
            id: current.id,
            expected_version: Some(current.version),
            now: now(),
            actor: request.requester.actor.clone(),
            changes: AttributeChanges::between(resource_type, stored, &document).with_secrets(&secrets),
            document: Some(document),
            members,
            secrets,
        })
    }
}
