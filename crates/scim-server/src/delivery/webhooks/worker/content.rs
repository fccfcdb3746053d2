//! The content of messages. For a stored message, it is made from the journal again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{ChangeFeed, FeedStart, FeedTenants, JournalError, StoreError};

use super::super::message::{MessageId, event_body, other_body};
use crate::delivery::event::{Event, EventId, events_of};

/// The source of a message's content.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An event that was just read.
    Event(Arc<Event>),
    /// A message that is stored since a time.
    Stored(MessageId, DateTime<Utc>),
}

/// Returns the body of a message, or `None` if the journal no longer has its event.
///
/// # Errors
/// The store failed.
pub(super) fn body(
    journal: &dyn ChangeFeed,
    content: &Content,
    full: bool,
) -> Result<Option<String>, StoreError> {
    match content {
        Content::Event(event) => Ok(Some(event_body(event, full))),
        Content::Stored(MessageId::Event(id), _) => {
            let event = find(journal, &FeedTenants::All, *id)?;
            Ok(event.map(|it| event_body(&it, full)))
        }
        Content::Stored(id, since) => Ok(other_body(id, *since)),
    }
}

/// Reads an event from the journal.
///
/// # Errors
/// The store failed.
pub(in crate::delivery::webhooks) fn find(
    journal: &dyn ChangeFeed,
    tenants: &FeedTenants,
    id: EventId,
) -> Result<Option<Event>, StoreError> {
    let read = match journal.entries(tenants, FeedStart::At(id.position), 1) {
        Ok(read) => read,
        Err(JournalError::Dropped(_) | JournalError::Unknown(_)) => return Ok(None),
        Err(JournalError::Store(error)) => return Err(error),
    };
    let events = read.entries.iter().flat_map(events_of);
    Ok(events.into_iter().find(|it| it.id == id))
}
