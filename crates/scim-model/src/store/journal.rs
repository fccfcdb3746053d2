//! The port to the journal.

use chrono::{DateTime, Utc};

use super::error::StoreError;
use super::tenant::TenantId;
use crate::change::{Change, ChangePosition};

/// The journal: the log of all changes of a tenant's resources, written by the [`ResourceStore`](crate::store::ResourceStore).
///
/// **Invariant.** The journal is complete, and gaps are detectable: entries are only ever dropped from
/// its beginning, and a reader that continues from the last position it has seen gets each later change
/// once, or an error.
pub trait ChangeJournal: Send + Sync {
    /// The changes after a position, oldest first; [`ChangePosition::default`] is before the oldest entry
    /// that retention has left. A change is returned only when no earlier one can appear any more.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn changes(
        &self,
        tenant: TenantId,
        after: ChangePosition,
        limit: u32,
    ) -> Result<Vec<Change>, JournalError>;

    /// Returns the position of the last change that a reader can get now: a reader that continues from
    /// it gets each later change, and no earlier one. A journal without changes has the default position.
    ///
    /// The default reads the whole journal, so a store that can look the position up should override it.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn last_position(&self, tenant: TenantId) -> Result<ChangePosition, JournalError> {
        let mut position = ChangePosition::default();
        while let Some(last) = self.changes(tenant, position, 100)?.last() {
            position = last.position;
        }
        Ok(position)
    }

    /// Drops at most `limit` changes that are older than a time, from the beginning of the journal, and
    /// returns their number. When it is less than `limit`, no more can be dropped now, or another process
    /// is dropping them.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn prune_changes(&self, tenant: TenantId, before: DateTime<Utc>, limit: u32)
    -> Result<usize, StoreError>;
}

/// The reason why a journal cannot be read from a position.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Retention has dropped entries after the position: a reader that stopped there has missed them.
    #[error("entries after the position `{0}` have been dropped")]
    Dropped(ChangePosition),
    /// The tenant's journal has no such entry. The position belongs to another tenant, or a backup that
    /// is older than the entry was restored.
    #[error("`{0}` is not a position of this journal")]
    Unknown(ChangePosition),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
