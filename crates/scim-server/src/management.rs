//! The operations of operators, without HTTP. The command line and the management API share them.

mod access;
pub mod client_change;
pub mod clients;
pub mod connections;
mod error;
pub mod federations;
pub mod history;
pub mod keys;
pub mod set_streams;
pub mod tenants;
mod timestamp;
pub mod tokens;
pub mod undo;
pub mod webhooks;

use std::sync::Arc;

use chrono::TimeDelta;
use scim_model::SchemaRegistry;
use scim_model::store::{
    ChangeFeed, Credentials, Directory, IdempotencyKeys, OperatorKeys, ResourceHistory, ResourceStore,
    SetStreams, Webhooks,
};

pub use self::access::Access;
pub use self::error::ManagementError;
pub use self::timestamp::Timestamp;
use self::webhooks::WebhookParts;
use crate::egress::Egress;
use crate::oauth::TokenEndpoint;
use crate::service::ClientSettings;

/// The ports that the operations use.
pub trait ManagementStore:
    Directory
    + Credentials
    + OperatorKeys
    + IdempotencyKeys
    + ResourceStore
    + Webhooks
    + SetStreams
    + ChangeFeed
    + ResourceHistory
{
}

impl<T> ManagementStore for T where
    T: Directory
        + Credentials
        + OperatorKeys
        + IdempotencyKeys
        + ResourceStore
        + Webhooks
        + SetStreams
        + ChangeFeed
        + ResourceHistory
{
}

/// The things that the operations of a server need.
pub struct Management {
    /// The ports.
    pub store: Arc<dyn ManagementStore>,
    /// The resource types, whose resources are counted.
    pub registry: Arc<SchemaRegistry>,
    /// The settings of the server, for what a connection does not set.
    pub server: ServerSettings,
    /// The token endpoint: its URLs, and the trial of assertions.
    pub endpoint: Arc<TokenEndpoint>,
    /// The client for outgoing requests, whose rules apply to the URLs of keys.
    pub egress: Arc<Egress>,
    /// The feed, and what else the operations on webhooks need.
    pub webhooks: WebhookParts,
}

/// The time for which idempotency keys are kept.
pub const IDEMPOTENCY_KEYS_KEPT: TimeDelta = TimeDelta::hours(24);

/// The settings that apply to connections without a value of their own.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// The values.
    pub client: ClientSettings,
    /// The names of the settings that were given to the server.
    pub given: Vec<&'static str>,
}
