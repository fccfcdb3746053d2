//! A follower of a tenant's journal: it yields every change after a position, in order, and can wait for the next.
//!
//! `scim-server journal` prints what it yields. Readers of events, which may concern several tenants, use the feed
//! (`feed.rs`) instead.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scim_model::change::{Change, ChangePosition};
use scim_model::store::{ChangeJournal, Directory, JournalError, StoreError, Tenant};

/// Changes that are read at once.
const PAGE: u32 = 100;

/// The pause between two polls of the journal.
const INTERVAL: Duration = Duration::from_millis(250);

/// Polls without a change before the follower checks that the tenant still exists.
const POLLS_PER_TENANT_CHECK: u32 = 4;

/// Returns the position of the last change, after which a [`Follower`] gets every later one.
///
/// A journal without changes has no such position. Its start is then marked with the time at which the tenant was
/// created, so that the journal of another tenant with the same name does not accept it.
///
/// # Errors
/// See [`JournalError`].
pub fn current_position(
    journal: &dyn ChangeJournal,
    tenant: &Tenant,
) -> Result<ChangePosition, JournalError> {
    let last = journal.last_position(tenant.id)?;
    Ok(match last == ChangePosition::default() {
        true => start(tenant),
        false => last,
    })
}

/// The position before the first change of a tenant. The changes themselves have numbers from 1.
fn start(tenant: &Tenant) -> ChangePosition {
    ChangePosition {
        sequence: 0,
        at: tenant.created.timestamp_millis(),
    }
}

/// A reader of one tenant's journal.
pub struct Follower<'a> {
    directory: &'a dyn Directory,
    journal: &'a dyn ChangeJournal,
    tenant: &'a Tenant,
    after: ChangePosition,
    /// Whether to wait for changes that are yet to come.
    waits: bool,
}

/// Why a follower cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The tenant was deleted, and its journal with it.
    #[error("the tenant `{0}` has been deleted, and its journal with it")]
    TenantDeleted(String),
    /// The position is older than the tenant, so the journal that it belongs to is another one.
    #[error(
        "the position is older than the tenant `{0}`: it belongs to a deleted tenant that had this name, or to another tenant"
    )]
    TenantReplaced(String),
    /// The journal cannot be read after the position.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl<'a> Follower<'a> {
    /// Starts after a position: that of a change, the result of [`current_position`], or [`ChangePosition::default`] for
    /// the oldest entry that is left. A follower that does not wait ends with the last change.
    pub fn new(
        directory: &'a dyn Directory,
        journal: &'a dyn ChangeJournal,
        tenant: &'a Tenant,
        after: ChangePosition,
        waits: bool,
    ) -> Follower<'a> {
        Follower {
            directory,
            journal,
            tenant,
            after,
            waits,
        }
    }

    /// Returns the next changes, at least one and at most `limit`. `None` at the end of the journal, or when all
    /// senders of `stop` are gone.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn next(&mut self, limit: u64, stop: &Receiver<()>) -> Result<Option<Vec<Change>>, FollowError> {
        let limit = u32::try_from(limit).map_or(PAGE, |it| it.min(PAGE));
        let mut polls = 0;
        loop {
            let changes = match self.read(limit) {
                // A follower can wait for a database that is busy or down for a while.
                Err(JournalError::Store(StoreError::Busy)) if self.waits => Vec::new(),
                Err(error @ (JournalError::Dropped(_) | JournalError::Unknown(_))) => {
                    return Err(self.explain(error));
                }
                result => result?,
            };
            // A deletion hides the tenant before it removes entries from the start of the journal. After the first
            // page, the position itself shows whether entries are missing.
            if self.after.sequence == 0 && !changes.is_empty() {
                self.check_tenant()?;
            }
            if let Some(last) = changes.last() {
                self.after = last.position;
                return Ok(Some(changes));
            }
            if !self.waits {
                self.check_tenant()?;
                return Ok(None);
            }
            polls += 1;
            if polls == POLLS_PER_TENANT_CHECK {
                polls = 0;
                self.check_tenant()?;
            }
            if stop.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return Ok(None);
            }
        }
    }

    fn read(&self, limit: u32) -> Result<Vec<Change>, JournalError> {
        let of = |after, limit| self.journal.changes(self.tenant.id, after, limit);
        if self.after != start(self.tenant) {
            return of(self.after, limit);
        }
        let changes = of(ChangePosition::default(), limit)?;
        // No entry is at the start, but if any was dropped, the journal says that one after the start is missing.
        match of(self.after, 1) {
            Err(JournalError::Unknown(_)) | Ok(_) => Ok(changes),
            Err(error) => Err(error),
        }
    }

    /// Returns the reason why the position is lost: usually retention or a restored backup, unless the tenant is gone.
    fn explain(&self, error: JournalError) -> FollowError {
        if let Err(deleted @ FollowError::TenantDeleted(_)) = self.check_tenant() {
            return deleted;
        }
        if self.after.at < self.tenant.created.timestamp_millis() {
            return FollowError::TenantReplaced(self.tenant.name.clone());
        }
        error.into()
    }

    /// Without this check, the follower of a deleted tenant would wait forever.
    fn check_tenant(&self) -> Result<(), FollowError> {
        match self.directory.tenants() {
            Err(StoreError::Busy) => Ok(()),
            Ok(tenants) if tenants.iter().any(|it| it.id == self.tenant.id) => Ok(()),
            Ok(_) => Err(FollowError::TenantDeleted(self.tenant.name.clone())),
            Err(error) => Err(JournalError::Store(error).into()),
        }
    }
}
