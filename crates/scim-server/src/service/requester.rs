//! The client that an operation serves, and the part of a request that all operations on one resource type share.

use std::sync::Arc;

use scim_model::change::Actor;
use scim_model::internal::Projection;
use scim_model::store::TenantId;
use scim_model::{Policy, ResourceType};

use super::precondition::Preconditions;

/// The client that an operation serves.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The tenant whose resources the client uses.
    pub tenant: TenantId,
    /// The originator of changes, for the journal.
    pub actor: Actor,
    /// The settings that apply to the client.
    pub settings: Arc<ClientSettings>,
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

/// The settings that depend on the kind of client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// The strictness with which requests are read.
    pub leniency: Leniency,
    /// Whether a user without `active` is stored and shown as active. Filters treat such a user as active in any
    /// case.
    pub active_by_default: bool,
    /// Whether the response to a PATCH of a group contains the group with all its members.
    pub patch_shows_groups: bool,
    /// Whether URLs may contain a filter. Otherwise clients have to send it in the body of a POST to `/.search`
    /// (RFC 7644 section 7.5.2, A-45).
    pub filters_in_urls: bool,
}

impl ClientSettings {
    /// Returns the strictness with which values are read.
    pub fn policy(&self) -> Policy {
        Policy {
            lenient: self.leniency == Leniency::Clients,
        }
    }
}

impl Default for ClientSettings {
    fn default() -> ClientSettings {
        ClientSettings {
            leniency: Leniency::Clients,
            active_by_default: false,
            patch_shows_groups: false,
            filters_in_urls: true,
        }
    }
}

/// The strictness with which requests are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// As real clients send them.
    Clients,
    /// By the RFC alone.
    Strict,
}
