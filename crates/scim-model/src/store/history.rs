//! The port to the histories of single resources.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::connection::ConnectionId;
use super::error::StoreError;
use super::tenant::TenantId;
use crate::change::{Actor, Change, ChangePosition};

/// The journal, read by resource: its changes, and its state in the past.
pub trait ResourceHistory: Send + Sync {
    /// Returns changes of a resource, the newest first: those before a position, or with `None` the newest of all. A
    /// resource that was deleted keeps its history, and so does one that was created again with the same id.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn changes_of(
        &self,
        tenant: TenantId,
        id: Uuid,
        before: Option<ChangePosition>,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError>;

    /// Returns a resource as it was at a time, that is, after the last of its changes that are not later.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn resource_at(&self, tenant: TenantId, id: Uuid, at: DateTime<Utc>) -> Result<ResourceAt, StoreError>;

    /// Returns the resources that some changes concern, ordered by id. Reads the journal of the tenant once.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn changed_resources(
        &self,
        tenant: TenantId,
        selection: &ChangeSelection,
    ) -> Result<Vec<ChangedResource>, StoreError>;
}

/// A choice of changes. A change has to meet every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSelection {
    /// The connection of the originator.
    pub connection: Option<ConnectionId>,
    /// The credential of the originator: a token, a client, or an operator key.
    pub credential: Option<Uuid>,
    /// The id of the request that made the change.
    pub request: Option<String>,
    /// The earliest time.
    pub from: Option<DateTime<Utc>>,
    /// The latest time.
    pub to: Option<DateTime<Utc>>,
}

impl ChangeSelection {
    /// Returns whether no condition is set, so that all changes are chosen.
    pub fn is_empty(&self) -> bool {
        *self == ChangeSelection::default()
    }

    /// Returns whether a change is chosen.
    pub fn includes(&self, change: &Change) -> bool {
        let (connection, credential, request) = match &change.actor {
            Actor::Connection {
                connection,
                credential,
                request,
            } => (Some(*connection), Some(*credential), Some(request)),
            Actor::OperatorKey { key, request } => (None, Some(*key), Some(request)),
            _ => (None, None, None),
        };
        self.connection.is_none_or(|it| connection == Some(it))
            && self.credential.is_none_or(|it| credential == Some(it))
            && self.request.as_ref().is_none_or(|it| request == Some(it))
            && self.from.is_none_or(|it| change.at >= it)
            && self.to.is_none_or(|it| change.at <= it)
    }
}

/// A resource that chosen changes concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedResource {
    /// The name of its type.
    pub resource_type: Arc<str>,
    /// Its id.
    pub id: Uuid,
    /// The first chosen change.
    pub first: ChangePosition,
    /// The number of chosen changes.
    pub changes: u64,
}

/// A resource at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceAt {
    /// The resource existed.
    Existing(ResourceThen),
    /// The resource was not created yet, or was deleted.
    Absent,
    /// The journal has dropped entries after the time. States are known since the given time.
    Dropped(DateTime<Utc>),
    /// A later change cannot be read, because an earlier or a later version has written it, or the type of the resource
    /// is not served.
    Unreadable,
    /// The tenant has and had no resource with this id, as far as the journal knows.
    Unknown,
}

/// The state of a resource that existed at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceThen {
    /// The name of its type.
    pub resource_type: Arc<str>,
    /// The version; `None` if the change that led to it has been dropped.
    pub version: Option<i64>,
    /// The members of its JSON except `meta` and the members of a group, see [`PastState::to_json`].
    ///
    /// [`PastState::to_json`]: crate::change::PastState::to_json
    pub attributes: Map<String, Value>,
    /// The ids of the members of a group, in the order of the ids.
    pub members: Vec<Uuid>,
}
