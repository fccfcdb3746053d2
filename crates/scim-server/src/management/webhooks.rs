//! Endpoints of webhooks as operators see them. The operations are those of
//! [`registration`](crate::delivery::webhooks::registration).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{DeliveryAttempt, Tenant, Webhook, WebhookMessage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Timestamp;
use crate::delivery::feed::Feed;
use crate::sealing::KeyFile;

/// The things that the operations on webhooks need.
pub struct WebhookParts {
    /// The feed, for the current position.
    pub feed: Arc<Feed>,
    /// The key that seals secrets.
    pub keys: Arc<KeyFile>,
}

/// An endpoint without its secrets and headers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
    /// The id.
    pub id: Uuid,
    /// The URL that gets the messages.
    pub url: String,
    /// The names of the tenants whose events the endpoint gets; `null` for all.
    pub tenants: Option<Vec<String>>,
    /// The types of events; empty for all.
    pub types: Vec<String>,
    /// The content of messages.
    pub view: View,
    /// Whether the requests have headers in addition.
    pub has_headers: bool,
    /// Whether messages are sent.
    pub state: EndpointState,
    /// Why the endpoint is disabled; `null` if it is active.
    pub disabled_reason: Option<String>,
    /// The time since which the endpoint is disabled.
    pub disabled_at: Option<Timestamp>,
    /// Time of creation.
    pub created: Timestamp,
    /// The position in the journal. Each earlier message was delivered, waits, or was given up.
    pub position: String,
    /// The time of the first failure after the last success; `null` if none failed.
    pub failing_since: Option<Timestamp>,
    /// The endpoint has asked for a pause until this time.
    pub paused_until: Option<Timestamp>,
    /// The secrets that are valid, without their texts.
    pub secrets: Vec<WebhookSecretView>,
}

/// The content of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum View {
    /// Old and new values.
    #[default]
    Full,
    /// The names of the changed attributes.
    Notice,
}

/// Whether messages are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EndpointState {
    /// They are sent.
    Active,
    /// They are not, until an operator enables the endpoint.
    Disabled,
}

/// A secret of an endpoint, without its text.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecretView {
    /// The id.
    pub id: Uuid,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of expiry; `null` for the latest secret.
    pub expires: Option<Timestamp>,
}

impl WebhookView {
    /// Returns what operators see of an endpoint. `tenants` are those that exist.
    pub fn of(webhook: &Webhook, tenants: &[Tenant], now: DateTime<Utc>) -> WebhookView {
        let (reason, at) = webhook.disabled.clone().unzip();
        let is_valid = |expires: Option<DateTime<Utc>>| expires.is_none_or(|it| it > now);
        let secrets = webhook.secrets.iter().filter(|it| is_valid(it.expires));
        WebhookView {
            id: webhook.id,
            url: webhook.settings.url.clone(),
            tenants: tenant_names(webhook, tenants),
            types: webhook.settings.types.clone(),
            view: match webhook.settings.full {
                true => View::Full,
                false => View::Notice,
            },
            has_headers: webhook.settings.headers.is_some(),
            state: match webhook.disabled {
                Some(_) => EndpointState::Disabled,
                None => EndpointState::Active,
            },
            disabled_reason: reason,
            disabled_at: at.map(Timestamp),
            created: webhook.created.into(),
            position: webhook.position.clone(),
            failing_since: webhook.health.failing_since.map(Timestamp),
            paused_until: webhook.health.slow_until.filter(|it| *it > now).map(Timestamp),
            secrets: secrets
                .map(|it| WebhookSecretView {
                    id: it.id,
                    created: it.created.into(),
                    expires: it.expires.map(Timestamp),
                })
                .collect(),
        }
    }
}

/// Returns the names of the tenants, or `None` for all. Deleted tenants are left out.
pub fn tenant_names(webhook: &Webhook, tenants: &[Tenant]) -> Option<Vec<String>> {
    let ids = webhook.settings.tenants.as_ref()?;
    let chosen = tenants.iter().filter(|it| ids.contains(&it.id));
    Some(chosen.map(|it| it.name.clone()).collect())
}

/// A message that was given up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The id of the message.
    pub message: String,
    /// The number of attempts that have failed.
    pub attempts: u32,
    /// The reason why the last attempt failed.
    pub error: Option<String>,
    /// The time at which the message was given up.
    pub since: Timestamp,
}

impl DeadLetter {
    /// Returns what operators see of a message that was given up.
    pub fn of(message: &WebhookMessage) -> DeadLetter {
        DeadLetter {
            message: message.message.clone(),
            attempts: message.attempts,
            error: message.error.clone(),
            since: message.since.into(),
        }
    }
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// The id of the message.
    pub message: String,
    /// The time of the request.
    pub at: Timestamp,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The status of the response; `null` without one.
    pub status: Option<u16>,
    /// The time until the end of the response, in milliseconds.
    pub milliseconds: i64,
    /// Why there was no response, or why it was not accepted; `null` if the message was delivered.
    pub error: Option<String>,
    /// The beginning of the body of the response; `null` for operators who must not read it.
    pub response: Option<String>,
}

impl DeliveryView {
    /// Returns what operators see of an attempt.
    pub fn of(delivery: &DeliveryAttempt, shows_response: bool) -> DeliveryView {
        DeliveryView {
            message: delivery.message.clone(),
            at: delivery.at.into(),
            attempt: delivery.attempt,
            status: delivery.status,
            milliseconds: delivery.milliseconds,
            error: delivery.error.clone(),
            response: shows_response.then(|| delivery.response.clone()),
        }
    }
}
