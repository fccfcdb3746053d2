//! The attempts to deliver messages to an endpoint, and the messages that were given up.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use scim_model::store::{DeliveryAttempt, WebhookMessage};
use uuid::Uuid;

use super::super::answers::{self, Names};
use super::super::input::Parameters;
use super::super::operator::Operator;
use super::super::paging::{Items, Paging};
use super::super::resource::Answer;
use crate::management::webhooks::{DeadLetter, DeliveryView};

/// Lists the deliveries to an endpoint, latest first.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks", params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of deliveries", body = Items<DeliveryView>)))]
pub(crate) async fn deliveries(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let id = work.webhook(&names)?.id;
            let store = &work.management.store;
            let shows_responses = work.may_read_responses();
            paging.read_page(
                |before: Option<Uuid>, limit| store.webhook_deliveries(id, before, limit),
                |it: &DeliveryAttempt| it.id.to_string(),
                |it| DeliveryView::of(&it, shows_responses),
            )
        })
        .await?;
    answers::json(&page)
}

/// The place of a message among those that were given up.
struct Place(DateTime<Utc>, String);

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let (millis, message) = text.split_once(' ').ok_or(())?;
        let since = millis.parse().ok().and_then(DateTime::from_timestamp_millis);
        Ok(Place(since.ok_or(())?, message.to_owned()))
    }
}

/// Lists the messages that were given up, latest first.
#[utoipa::path(get, path = "/webhooks/{id}/dead-letters", tag = "webhooks", params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of messages", body = Items<DeadLetter>)))]
pub(crate) async fn dead_letters(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let id = work.webhook(&names)?.id;
            let store = &work.management.store;
            paging.read_page(
                |before: Option<Place>, limit| {
                    let before = before.as_ref().map(|it| (it.0, it.1.as_str()));
                    store.webhook_messages(id, true, before, limit)
                },
                |it: &WebhookMessage| format!("{} {}", it.since.timestamp_millis(), it.message),
                |it| DeadLetter::of(&it),
            )
        })
        .await?;
    answers::json(&page)
}
