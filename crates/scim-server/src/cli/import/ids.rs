//! The ids under which imported resources are stored.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid, Version};

/// The ids of an import.
///
/// A new id is computed from the tenant and the old id. It needs no memory, references to resources in later lines are
/// known, and a repeated import finds what it has stored.
pub(super) struct Ids {
    tenant: String,
    is_kept: bool,
    /// Resources that the tenant had before, under other ids.
    renamed: HashMap<Uuid, Uuid>,
}

impl Ids {
    pub(super) fn new(tenant: &str, is_kept: bool) -> Ids {
        Ids {
            tenant: tenant.to_owned(),
            is_kept,
            renamed: HashMap::new(),
        }
    }

    /// Returns the id that a resource of the export has in the tenant.
    pub(super) fn of(&self, old: Uuid) -> Uuid {
        self.stored(match self.is_kept {
            true => old,
            false => self.computed(old),
        })
    }

    /// Returns the id under which the resource with a new id is stored.
    pub(super) fn stored(&self, new: Uuid) -> Uuid {
        self.renamed.get(&new).copied().unwrap_or(new)
    }

    /// Records that the tenant has a resource under another id.
    pub(super) fn rename(&mut self, id: Uuid, stored: Uuid) {
        if id != stored {
            self.renamed.insert(id, stored);
        }
    }

    fn computed(&self, old: Uuid) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(b"import of ");
        hash.update(old.as_bytes());
        hash.update(self.tenant.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        if old.get_version() == Some(Version::SortRand) {
            // The time in it keeps neighbours together in indexes.
            bytes[..6].copy_from_slice(&old.as_bytes()[..6]);
        }
        Builder::from_bytes(bytes)
            .with_version(Version::SortRand)
            .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_depends_on_the_tenant_and_the_old_id_only() {
        let (one, other) = (Uuid::now_v7(), Uuid::from_u128(1));
        let new = |tenant: &str, id: Uuid| Ids::new(tenant, false).of(id);
        assert_eq!(new("acme", one), new("acme", one));
        assert_ne!(new("acme", one), new("globex", one));
        assert_ne!(new("acme", one), new("acme", other));
        assert_ne!(new("acme", one), one);
        assert_eq!(new("acme", one).get_timestamp(), one.get_timestamp());
        assert_eq!(new("acme", other).get_version(), Some(Version::SortRand));
        assert_eq!(Ids::new("acme", true).of(one), one);
    }

    #[test]
    fn a_resource_that_was_there_keeps_its_id() {
        let mut ids = Ids::new("acme", false);
        let (old, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        ids.rename(ids.of(old), there);
        assert_eq!(ids.of(old), there);
    }
}
