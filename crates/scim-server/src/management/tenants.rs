//! The operations on tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Client, ClientMethod, Directory, Include, PageRequest, Query, StoreError, Tenant, Token, check_name,
};
use scim_model::{Condition, ResourceType};
use serde::Serialize;
use utoipa::ToSchema;

use super::tokens::{self, TokenState};
use super::{Management, ManagementError, Timestamp};

/// A tenant as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    /// Identifies the tenant.
    pub name: String,
    /// Time of creation.
    pub created: Timestamp,
}

impl TenantView {
    /// Returns what operators see of a tenant.
    pub fn of(tenant: &Tenant) -> TenantView {
        TenantView {
            name: tenant.name.clone(),
            created: tenant.created.into(),
        }
    }
}

/// A tenant with the number of the things that it owns.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantDetails {
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
    /// The number of the things that it owns.
    pub counts: TenantCounts,
}

/// The number of the things that a tenant owns.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantCounts {
    /// Connections.
    pub connections: usize,
    /// Valid bearer tokens.
    pub tokens: usize,
    /// OAuth clients.
    pub clients: usize,
    /// Federations.
    pub federations: usize,
    /// Resources, by the name of their type.
    pub resources: BTreeMap<String, u64>,
}

/// Finds a tenant by its name.
///
/// # Errors
/// `NoTenant`.
pub fn find(directory: &(impl Directory + ?Sized), name: &str) -> Result<Tenant, ManagementError> {
    let tenant = directory.tenants()?.into_iter().find(|it| it.name == name);
    tenant.ok_or_else(|| ManagementError::NoTenant(name.to_owned()))
}

/// Creates a tenant.
///
/// # Errors
/// `Invalid` for a name with other characters than names have; `Refused` when the name is taken.
pub fn create(
    directory: &(impl Directory + ?Sized),
    name: &str,
    now: DateTime<Utc>,
) -> Result<TenantView, ManagementError> {
    check_name(name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    match directory.create_tenant(name, now) {
        Ok(_) => Ok(TenantView {
            name: name.to_owned(),
            created: now.into(),
        }),
        Err(StoreError::Conflict { .. }) => Err(name_taken(name)),
        Err(error) => Err(error.into()),
    }
}

/// Renames a tenant. Its tokens, connections and resources stay.
///
/// # Errors
/// As [`create`]; `NoTenant`.
pub fn rename(
    directory: &(impl Directory + ?Sized),
    from: &str,
    to: &str,
) -> Result<TenantView, ManagementError> {
    check_name(to).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    match directory.rename_tenant(from, to) {
        Ok(true) => Ok(TenantView::of(&find(directory, to)?)),
        Ok(false) => Err(ManagementError::NoTenant(from.to_owned())),
        Err(StoreError::Conflict { .. }) => Err(name_taken(to)),
        Err(error) => Err(error.into()),
    }
}

fn name_taken(name: &str) -> ManagementError {
    ManagementError::Refused(format!("the tenant `{name}` already exists"))
}

impl Management {
    /// Returns a tenant with the number of the things that it owns.
    ///
    /// # Errors
    /// `NoTenant`.
    pub fn tenant_details(&self, name: &str, now: DateTime<Utc>) -> Result<TenantDetails, ManagementError> {
        let tenant = find(&*self.store, name)?;
        let is_valid = |it: &&Token| tokens::state(it, now) == TokenState::Valid;
        let clients = self.store.clients(Some(tenant.id))?;
        let is_federation = |it: &&Client| matches!(it.method, ClientMethod::Federation(_));
        let federations = clients.iter().filter(is_federation).count();
        let mut resources = BTreeMap::new();
        for resource_type in &self.registry.resource_types {
            let number = self.count(&tenant, resource_type)?;
            resources.insert(resource_type.name.to_string(), number);
        }
        Ok(TenantDetails {
            counts: TenantCounts {
                connections: self.store.connections(tenant.id)?.len(),
                tokens: self
                    .store
                    .tokens(Some(tenant.id))?
                    .iter()
                    .filter(is_valid)
                    .count(),
                clients: clients.len() - federations,
                federations,
                resources,
            },
            tenant: TenantView::of(&tenant),
        })
    }

    fn count(&self, tenant: &Tenant, resource_type: &Arc<ResourceType>) -> Result<u64, StoreError> {
        let query = Query {
            targets: vec![(resource_type.clone(), Condition::Always(true))],
            sort: None,
            page: PageRequest::Index {
                start_index: 1,
                count: 0,
            },
            include: Include::default(),
            base_url: "".into(),
        };
        Ok(self.store.list(tenant.id, &query)?.total)
    }
}
