//! The client that an operation serves, and the part of a request that all operations on one resource type share.

use std::sync::Arc;

use scim_model::change::Actor;
use scim_model::internal::Projection;
use scim_model::store::TenantId;
use scim_model::{Policy, ResourceType};

use super::client_settings::ClientSettings;
use super::precondition::Preconditions;

/// The client that an operation serves.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The tenant whose resources the client uses.
    pub tenant: TenantId,
    /// The names of the tenant and the connection, for the metrics.
    pub names: ClientNames,
    /// The originator of changes, for the journal.
    pub actor: Actor,
    /// The settings that apply to the client.
    pub settings: Arc<ClientSettings>,
}

/// The names that operators know a client by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientNames {
    /// The name of the tenant.
    pub tenant: Arc<str>,
    /// The name of the connection; empty for a client without one.
    pub connection: Arc<str>,
}

/// A request about resources of one type.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The client.
    pub requester: &'a Requester,
    /// The type of the resources.
    pub resource_type: &'a Arc<ResourceType>,
    /// The attributes that the response shows.
    pub projection: &'a Projection,
    /// The versions for which the request is meant.
    pub preconditions: &'a Preconditions,
}

impl Request<'_> {
    pub(super) fn tenant(&self) -> TenantId {
        self.requester.tenant
    }

    pub(super) fn settings(&self) -> &ClientSettings {
        &self.requester.settings
    }

    pub(super) fn policy(&self) -> Policy {
        self.requester.settings.policy()
    }
}
