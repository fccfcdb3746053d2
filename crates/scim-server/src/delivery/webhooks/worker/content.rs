//! The content of messages. For a stored message, it is made from the journal again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{ChangeFeed, FeedStart, FeedTenants, JournalError, StoreError, TenantId};

use super::super::message::{MessageId, event_body, other_body};
use super::super::stored::Subscription;
use crate::delivery::event::{Event, EventId, events_of};

/// The source of a message's content.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An event that was just read.
    Event(Arc<Event>),
    /// A message that is stored since a time.
    Stored(MessageId, DateTime<Utc>),
}

/// The body of a message, or the reason why there is none.
pub(super) enum Body {
    Text(String),
    /// The journal no longer has the event.
    Lost,
    /// The endpoint no longer gets such events.
    Unwanted,
}

/// Returns the body of a message to an endpoint.
///
/// # Errors
/// The store failed.
pub(super) fn body(
    journal: &dyn ChangeFeed,
    content: &Content,
    subscription: &Subscription,
    full: bool,
) -> Result<Body, StoreError> {
    let text = match content {
        Content::Event(event) => event_body(event, full),
        Content::Stored(MessageId::Event(id), _) => match find(journal, *id)? {
            None => return Ok(Body::Lost),
            // The endpoint may have been changed since the message was stored.
            Some((tenant, event))
                if !subscription.tenants.includes(tenant) || !subscription.wants(&event) =>
            {
                return Ok(Body::Unwanted);
            }
            Some((_, event)) => event_body(&event, full),
        },
        Content::Stored(id, since) => match other_body(id, *since) {
            Some(text) => text,
            None => return Ok(Body::Lost),
        },
    };
    Ok(Body::Text(text))
}

/// Reads an event from the journal, with its tenant.
///
/// # Errors
/// The store failed.
pub(in crate::delivery::webhooks) fn find(
    journal: &dyn ChangeFeed,
    id: EventId,
) -> Result<Option<(TenantId, Event)>, StoreError> {
    let read = match journal.entries(&FeedTenants::All, FeedStart::At(id.position), 1) {
        Ok(read) => read,
        Err(JournalError::Dropped(_) | JournalError::Unknown(_)) => return Ok(None),
        Err(JournalError::Store(error)) => return Err(error),
    };
    for entry in &read.entries {
        if let Some(event) = events_of(entry).into_iter().find(|it| it.id == id) {
            return Ok(Some((entry.tenant, event)));
        }
    }
    Ok(None)
}
