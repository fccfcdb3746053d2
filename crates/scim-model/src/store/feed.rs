//! The port to the journals of several tenants as one feed.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::StoreError;
use super::journal::JournalError;
use super::tenant::TenantId;
use crate::change::{Change, ChangePosition};

/// The journals of several tenants in one order: that of the positions, which no two entries of a store share.
///
/// **Invariant.** A reader that continues after the last position that it has seen gets each later change of the chosen
/// tenants once, or an error. The changes of a deleted tenant are no longer part of a feed, and do not count as missing.
pub trait ChangeFeed: Send + Sync {
    /// Reads entries, oldest first. An entry is returned only when no earlier one can appear any more.
    ///
    /// # Errors
    /// See [`JournalError`]. `Dropped` when an entry of a chosen tenant after the position has been dropped. `Unknown`
    /// when none of the chosen tenants has an entry at the position. A position of a deleted tenant is valid unless all
    /// chosen tenants are younger.
    fn entries(
        &self,
        tenants: &FeedTenants,
        start: FeedStart,
        limit: u32,
    ) -> Result<FeedEntries, JournalError>;

    /// Returns the resources of entries, each in the state right after its change. The result can be shorter than the
    /// list: it ends before the resources have more than `max_bytes` of JSON, but not before the first one, and at an
    /// entry that the store no longer has.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn resources_after(
        &self,
        entries: &[&FeedEntry],
        max_bytes: usize,
    ) -> Result<Vec<PastResource>, StoreError>;

    /// Returns the position of the last entry that a reader can get now. Without entries, it is that of the last one
    /// that was dropped, or the default position.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn current_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError>;

    /// Returns the entries of the resource that has changed at a position, from this entry on and oldest first: at most
    /// `limit` of those that are visible, and none if the tenant is deleted.
    ///
    /// # Errors
    /// `Dropped` if the journal no longer has the entry, `Unknown` if it never had it, `Store` with `Busy`, `Unavailable`.
    fn later_of_resource(&self, position: ChangePosition, limit: u32)
    -> Result<Vec<FeedEntry>, JournalError>;

    /// Returns the last position of tenants whose number is at most that of another one: the place in their journals of a
    /// reader that has read the journals of others up to there.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn position_at(&self, tenants: &FeedTenants, sequence: i64) -> Result<ChangePosition, StoreError>;

    /// Returns the oldest position that a reader can continue after: every later entry has been kept.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn oldest_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError>;

    /// Returns the last number such that all entries of all tenants up to it are visible. Entries that become visible later have
    /// greater numbers.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn visible_up_to(&self) -> Result<i64, StoreError>;
}

/// The tenants whose changes a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedTenants {
    /// All tenants.
    All,
    /// These tenants. Each of them costs a lookup.
    Only(Vec<TenantId>),
}

impl FeedTenants {
    /// Returns whether the reader wants the changes of a tenant.
    pub fn includes(&self, tenant: TenantId) -> bool {
        match self {
            FeedTenants::All => true,
            FeedTenants::Only(tenants) => tenants.contains(&tenant),
        }
    }
}

/// The place where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStart {
    /// The oldest entry that is left.
    Oldest,
    /// The entry at the position, if retention or the deletion of its tenant has left it, and those after it.
    At(ChangePosition),
    /// The entries after the position.
    After(ChangePosition),
}

/// A part of the journals.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntries {
    /// The entries, oldest first. There may be fewer than the limit although `more` is true.
    pub entries: Vec<FeedEntry>,
    /// The last position that was looked at; the next call continues after it. `None` if there was nothing to look at.
    pub last: Option<ChangePosition>,
    /// Whether later entries may be visible.
    pub more: bool,
    /// The number of parts that the change at the start had ([`Change::parts`]), if retention has dropped this change.
    pub dropped_parts: Option<usize>,
    /// The last number such that all entries up to it were visible, see [`ChangeFeed::visible_up_to`].
    pub visible_up_to: i64,
    /// See [`ChangeFeed::oldest_position`].
    pub oldest: ChangePosition,
}

/// An entry of a tenant's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// The tenant.
    pub tenant: TenantId,
    /// The name of the tenant.
    pub tenant_name: Arc<str>,
    /// The entry.
    pub change: Change,
    /// The length of the entry's stored text, in bytes.
    pub stored_bytes: usize,
}

/// A resource in the state right after a change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastResource {
    /// The members of its JSON except `meta`, see [`PastState::to_json`]. `None` if the change deleted it, if its type is
    /// not served, or if a later change cannot be read.
    ///
    /// [`PastState::to_json`]: crate::change::PastState::to_json
    pub members: Option<Arc<Map<String, Value>>>,
    /// The length of the JSON text, in bytes.
    pub bytes: usize,
}
