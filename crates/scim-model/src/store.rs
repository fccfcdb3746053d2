//! The ports: the calls that a server makes to a store of SCIM resources, a directory of tenants, their credentials, operator keys
//! and a journal.

#[cfg(feature = "testing")]
pub mod conformance;
pub(crate) mod connection;
mod credentials;
mod deleted;
mod delivery_attempt;
mod directory;
mod error;
mod feed;
mod history;
mod idempotency;
mod journal;
mod leases;
mod name;
mod operator_keys;
mod query;
mod resource;
mod set_streams;
mod tenant;
mod transfer;
mod webhooks;

pub use connection::{Connection, ConnectionChange, ConnectionId, ConnectionSettings, ConnectionState};
pub use credentials::{
    AccessToken, Client, ClientChange, ClientMethod, Credentials, ExpiringSecret, Federation, KeySource,
    MethodChange, NewAccessToken, NewClient, NewSecret, Secret, SecretAdded, TokenIssued,
};
pub use deleted::{CredentialKind, DeletedConnection, DeletedCredential, UnknownCredentialKind};
pub use delivery_attempt::DeliveryAttempt;
pub use directory::{Directory, NewToken, Token};
pub use error::StoreError;
pub use feed::{ChangeFeed, FeedEntries, FeedEntry, FeedStart, FeedTenants, PastResource};
pub use history::{ChangeSelection, ChangedResource, ResourceAt, ResourceHistory, ResourceThen};
pub use idempotency::{Claim, Claimed, IdempotencyKeys};
pub use journal::{ChangeJournal, JournalError};
pub use leases::Leases;
pub use name::{InvalidName, check_label, check_name};
pub use operator_keys::{NewOperatorKey, OperatorKey, OperatorKeys, OperatorScope};
pub use query::{
    ConnectionFigures, Include, NextResources, Page, PageRequest, Position, Query, Reference, ResourceKey,
    RestOfMembers, ScanCount, Sort, Stored, WaitTimes,
};
pub use resource::{Deletion, NewResource, ResourceStore, Update, Updated};
pub use set_streams::{
    EventAdded, NewSetStream, RefusedSet, SetDelivery, SetHealth, SetProgress, SetStream, SetStreamEvent,
    SetStreamSettings, SetStreamState, SetStreamStatus, SetStreams, StoredSigningKey,
};
pub use tenant::{Tenant, TenantId};
pub use transfer::{ExportParts, Exported, ImportOutcome, ImportedMembers, ImportedResource, Transfer};
pub use webhooks::{
    NewWebhook, NewWebhookSecret, StoredWebhookSecret, Webhook, WebhookChange, WebhookHealth, WebhookMessage,
    WebhookProgress, WebhookSettings, WebhookState, Webhooks,
};

pub use crate::change::{MembersChange, MembersStep};
