//! Sending messages again: one, or all after an event.

use chrono::{DateTime, Utc};
use scim_model::store::{ChangeFeed, StoreError, WebhookMessage, Webhooks};
use uuid::Uuid;

use super::message::{InvalidMessageId, MessageId};
use super::registration::{RegistrationError, active, queue, request};
use super::stored::Subscription;
use super::worker::find;
use crate::delivery::event::EventId;
use crate::delivery::feed::{After, Feed};

/// The number of messages that are read at once.
const MESSAGES_AT_ONCE: u32 = 1_000;

/// Lets the server send a message again, with the same id: an event that the journal has and the endpoint gets, or a
/// message of another kind that was given up or waits.
///
/// # Errors
/// See [`RegistrationError`]. `Invalid` when there is no such message for the endpoint, and `Disabled` for an endpoint
/// that gets nothing.
pub fn one(
    store: &dyn Webhooks,
    journal: &dyn ChangeFeed,
    id: Uuid,
    message: &str,
    now: DateTime<Utc>,
) -> Result<MessageId, RegistrationError> {
    let endpoint = active(store, id)?;
    let invalid = |text: String| RegistrationError::invalid("message", text);
    let parsed: MessageId = message
        .parse()
        .map_err(|error: InvalidMessageId| invalid(format!("`{message}`: {error}")))?;
    let is_known = match parsed {
        MessageId::Event(event) => {
            let subscription = Subscription::of(&endpoint).map_err(invalid)?;
            let found = find(journal, event)?;
            let found = found.filter(|(tenant, _)| subscription.tenants.includes(*tenant));
            if let Some((_, event)) = &found
                && !subscription.wants(event)
            {
                let kind = event.event_type.as_str();
                return Err(invalid(format!(
                    "the endpoint gets no events of the type `{kind}`"
                )));
            }
            found.is_some()
        }
        MessageId::Gap { .. } | MessageId::Test(_) => store.webhook_message(id, message)?.is_some(),
    };
    if !is_known {
        return Err(invalid(format!(
            "the endpoint has no message `{message}`, or no longer"
        )));
    }
    queue(store, id, parsed, now)?;
    Ok(parsed)
}

/// Lets the server send all events after one again, or with `None` all that the journal has. Returns the event after which
/// the endpoint continues: an earlier one if it has not come so far, so that a replay leaves nothing out. Messages that were
/// given up are forgotten if they are sent again.
///
/// # Errors
/// See [`RegistrationError`]. `Disabled` for an endpoint that gets nothing.
pub fn all_after(
    store: &dyn Webhooks,
    feed: &Feed,
    id: Uuid,
    after: Option<EventId>,
) -> Result<EventId, RegistrationError> {
    let endpoint = active(store, id)?;
    let page = feed.page(&request(
        &endpoint.settings,
        after.map_or(After::Oldest, After::Event),
    ))?;
    let wanted = after.unwrap_or(page.oldest);
    let position = match endpoint.position.parse::<EventId>() {
        Ok(reached) => wanted.min(reached),
        Err(_) => wanted,
    };
    let sent_again =
        |it: &WebhookMessage| matches!(it.message.parse(), Ok(MessageId::Event(id)) if id > position);
    let mut dead = dead_letters(store, id)?;
    dead.retain(sent_again);
    let forgotten: Vec<String> = dead.into_iter().map(|it| it.message).collect();
    match store.rewind_webhook(id, &position.to_string(), &forgotten)? {
        true => Ok(position),
        false => Err(RegistrationError::NoEndpoint(id)),
    }
}

/// Returns all messages that were given up.
fn dead_letters(store: &dyn Webhooks, id: Uuid) -> Result<Vec<WebhookMessage>, StoreError> {
    let mut all: Vec<WebhookMessage> = Vec::new();
    loop {
        let before = all.last().map(|it| (it.since, it.message.clone()));
        let before = before.as_ref().map(|(since, id)| (*since, id.as_str()));
        let page = store.webhook_messages(id, true, before, MESSAGES_AT_ONCE)?;
        let is_last = page.len() < MESSAGES_AT_ONCE as usize;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
