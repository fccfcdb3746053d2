//! The layouts of all resource types of a store.

use std::collections::HashMap;
use std::sync::Arc;

use scim_model::ResourceType;
use scim_model::store::{StoreError, TenantId};

use super::layout::Layout;
use crate::error::unavailable;
use crate::sql::Dialect;

/// The setting of a read: a tenant, and the database and layouts of the store.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: TenantId,
    pub(crate) layouts: &'a Layouts,
}

/// The layouts of the types that the store was opened with, and the names of all types that were ever stored.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    layouts: Vec<Arc<Layout>>,
    names: HashMap<i64, Arc<str>>,
}

impl Layouts {
    pub(crate) fn new(layouts: Vec<Arc<Layout>>, names: impl IntoIterator<Item = (i64, String)>) -> Layouts {
        let names = names.into_iter().map(|(kind, name)| (kind, name.into()));
        Layouts {
            layouts,
            names: names.collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Layout> {
        self.layouts.iter().map(|it| &**it)
    }

    /// The layout of a type.
    ///
    /// # Errors
    /// `Unavailable` when the store was opened without the type.
    pub(crate) fn of(&self, resource_type: &ResourceType) -> Result<&Arc<Layout>, StoreError> {
        let name = &resource_type.name;
        let layout = self.layouts.iter().find(|it| it.resource_type.name == *name);
        layout.ok_or_else(|| unavailable(format!("the store was opened without the resource type `{name}`")))
    }

    /// The layout of the type with this name, if the store was opened with it.
    pub(crate) fn named(&self, name: &str) -> Option<&Layout> {
        self.iter().find(|it| &*it.resource_type.name == name)
    }

    /// The name of the type with this number.
    pub(crate) fn name(&self, kind: i64) -> Arc<str> {
        self.names.get(&kind).cloned().unwrap_or_else(|| "".into())
    }
}
