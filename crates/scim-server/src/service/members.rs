//! The members of groups: resolving their ids, and checks of the values that a client sends.

use std::collections::HashMap;

use scim_model::store::{Reference, TenantId};
use scim_model::{ScimError, ScimType, Tolerance, Tolerances};
use uuid::Uuid;

use super::core::Service;
use super::error::Error;

impl Service {
    /// Returns the members to show for ids, in the given order. Unknown ids are left out; the store rejects them in
    /// the write.
    pub(super) fn members(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Reference>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.store.references(tenant, ids)?;
        let mut by_id: HashMap<Uuid, Reference> = found.into_iter().map(|it| (it.id, it)).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    /// Checks the `type` that a client sends for members. A word that names no resource type contradicts nothing:
    /// PingFederate sends `"type": "value"`, others `"direct"` or an empty text (trace
    /// `pingfederate/member-type-create`).
    ///
    /// # Errors
    /// `invalidValue` when a `type` differs from the resource type of the member.
    pub(super) fn check_member_types(
        &self,
        tenant: TenantId,
        named: &[(Uuid, String)],
        tolerances: &Tolerances,
    ) -> Result<(), Error> {
        let is_served = |name: &str| {
            let mut types = self.registry.resource_types.iter();
            types.any(|it| it.name.eq_ignore_ascii_case(name))
        };
        let is_ignored = |name: &str| !is_served(name) && tolerances.allow(Tolerance::MemberTypeIgnored);
        let named: Vec<_> = named.iter().filter(|(_, name)| !is_ignored(name)).collect();
        let ids: Vec<Uuid> = named.iter().map(|(id, _)| *id).collect();
        let references = self.members(tenant, &ids)?;
        let types: HashMap<Uuid, &str> = references.iter().map(|it| (it.id, &*it.resource_type)).collect();
        for (id, named) in named {
            if let Some(actual) = types.get(id).filter(|it| !it.eq_ignore_ascii_case(named)) {
                let detail = format!("`members.type` of `{id}` must be `{actual}` or omitted");
                return Err(ScimError::new(ScimType::InvalidValue, detail).into());
            }
        }
        Ok(())
    }
}

/// Checks that a group does not become a member of itself.
///
/// # Errors
/// `invalidValue` when `members` contains the group.
pub(super) fn check_not_own_member<'a>(
    group: Uuid,
    mut members: impl Iterator<Item = &'a Uuid>,
) -> Result<(), ScimError> {
    if members.any(|it| *it == group) {
        return Err(ScimError::new(
            ScimType::InvalidValue,
            "`members` must not contain the group itself",
        ));
    }
    Ok(())
}
