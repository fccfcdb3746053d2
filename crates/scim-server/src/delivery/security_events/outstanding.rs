//! The tokens of a stream after a position, derived from the journal.

use scim_model::change::ChangePosition;
use scim_model::store::{FeedStart, JournalError, SetStream, StoreError};

use super::stream::{StreamParts, tenants};
use super::token::{Token, TokenSettings, tokens_of};
use crate::delivery::feed::GoneReason;

/// Entries of the journal that are read at once.
const ENTRIES: u32 = 100;

/// A part of the journal with its tokens.
pub(super) struct Outstanding {
    /// The changes, oldest first, each with its tokens. A change can have no token.
    pub(super) changes: Vec<(ChangePosition, Vec<Token>)>,
    /// The last position that was looked at; the next call continues after it.
    pub(super) last: ChangePosition,
    /// Whether there are later changes.
    pub(super) more: bool,
    /// See [`FeedEntries::visible_up_to`](scim_model::store::FeedEntries::visible_up_to).
    pub(super) visible_up_to: i64,
}

/// The reason why tokens cannot be derived.
#[derive(Debug)]
pub(super) enum OutstandingError {
    /// The journal no longer has all entries after the position.
    Gap(GoneReason),
    /// The store failed.
    Store(StoreError),
}

/// Reads the changes after a position, and derives their tokens.
///
/// # Errors
/// See [`OutstandingError`].
pub(super) fn read(
    parts: &StreamParts,
    stream: &SetStream,
    settings: &TokenSettings,
    after: ChangePosition,
) -> Result<Outstanding, OutstandingError> {
    let start = match after == ChangePosition::default() {
        true => FeedStart::Oldest,
        false => FeedStart::After(after),
    };
    let read = parts.journal.entries(&tenants(stream), start, ENTRIES);
    let read = read.map_err(|error| match error {
        JournalError::Dropped(_) => OutstandingError::Gap(GoneReason::Dropped),
        JournalError::Unknown(_) => OutstandingError::Gap(GoneReason::Unknown),
        JournalError::Store(error) => OutstandingError::Store(error),
    })?;
    let sources = parts.sources();
    let changes = read.entries.iter().map(|entry| {
        let tokens = tokens_of(entry, settings, &sources);
        (entry.change.position, tokens)
    });
    Ok(Outstanding {
        changes: changes.collect(),
        last: read.last.unwrap_or(after),
        more: read.more,
        visible_up_to: read.visible_up_to,
    })
}
