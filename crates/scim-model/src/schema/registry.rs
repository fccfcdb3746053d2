//! The schemas and resource types of a server: the built-in ones, and those of an operator.

use std::sync::Arc;

use crate::schema::{ResourceType, Schema};

/// All schemas and resource types that a server knows.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    /// Every schema, the meta-schemas included.
    pub schemas: Vec<Arc<Schema>>,
    /// Every resource type.
    pub resource_types: Vec<Arc<ResourceType>>,
}

impl SchemaRegistry {
    /// A schema by URN in any case.
    pub fn schema(&self, urn: &str) -> Option<&Arc<Schema>> {
        self.schemas.iter().find(|it| it.id.eq_ignore_ascii_case(urn))
    }

    /// A resource type by name, case-exact.
    pub fn resource_type(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|it| &*it.name == name)
    }

    /// A resource type by endpoint, for example `/Users`, case-exact.
    pub fn resource_type_at(&self, endpoint: &str) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|it| &*it.endpoint == endpoint)
    }
}
