//! The stored form of endpoints: positions, filters, and what is sealed.

use chrono::{DateTime, Utc};
use scim_model::store::{FeedTenants, Webhook, WebhookSettings};
use uuid::Uuid;

use super::signature::WebhookSecret;
use crate::delivery::event::{Event, EventId};
use crate::delivery::filter::{EventFilter, TypePattern};
use crate::sealing::{KeyFile, KeyFileError, Purpose};

/// The secrets and headers of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct OpenedEndpoint {
    secrets: Vec<(Option<DateTime<Utc>>, WebhookSecret)>,
    /// Names and values of headers.
    pub(super) headers: Vec<(String, String)>,
}

impl OpenedEndpoint {
    /// Returns the secrets that have not expired at a time, latest first.
    pub(super) fn secrets_at(&self, now: DateTime<Utc>) -> Vec<WebhookSecret> {
        let valid = self.secrets.iter().rev();
        let valid = valid.filter(|(expires, _)| expires.is_none_or(|it| it > now));
        valid.map(|(_, secret)| secret.clone()).collect()
    }
}

/// A secret or a list of headers cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// See [`KeyFileError`].
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The sealed text has another form than this version writes.
    #[error("a stored secret has an unknown form")]
    Form,
}

/// Opens the secrets and headers of an endpoint.
///
/// # Errors
/// See [`OpenError`].
pub(super) fn open(webhook: &Webhook, keys: &KeyFile) -> Result<OpenedEndpoint, OpenError> {
    let mut secrets = Vec::new();
    for stored in &webhook.secrets {
        let text = keys.open(Purpose::WebhookSecret, stored.id, &stored.sealed)?;
        let text = String::from_utf8(text).map_err(|_| OpenError::Form)?;
        secrets.push((stored.expires, text.parse().map_err(|_| OpenError::Form)?));
    }
    let headers = match &webhook.settings.headers {
        Some(sealed) => {
            let text = keys.open(Purpose::WebhookHeaders, webhook.id, sealed)?;
            serde_json::from_slice(&text).map_err(|_| OpenError::Form)?
        }
        None => Vec::new(),
    };
    Ok(OpenedEndpoint { secrets, headers })
}

/// Seals a secret for the row with an id.
///
/// # Errors
/// See [`KeyFileError`].
pub(super) fn seal_secret(
    keys: &KeyFile,
    row: Uuid,
    secret: &WebhookSecret,
) -> Result<Vec<u8>, KeyFileError> {
    keys.seal(Purpose::WebhookSecret, row, secret.to_text().as_bytes())
}

/// Seals the headers of an endpoint. Without headers, there is nothing to seal.
///
/// # Errors
/// See [`KeyFileError`].
pub(super) fn seal_headers(
    keys: &KeyFile,
    endpoint: Uuid,
    headers: &[(String, String)],
) -> Result<Option<Vec<u8>>, KeyFileError> {
    if headers.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_vec(headers).expect("texts are JSON");
    keys.seal(Purpose::WebhookHeaders, endpoint, &text).map(Some)
}

/// Returns the position of an endpoint.
///
/// # Errors
/// A text that names the position.
pub(super) fn position(webhook: &Webhook) -> Result<EventId, String> {
    let position = webhook.position.parse();
    position.map_err(|_| format!("its position `{}` is unknown to this version", webhook.position))
}

/// The events that an endpoint gets.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    /// The tenants.
    pub(super) tenants: FeedTenants,
    filter: EventFilter,
}

impl Subscription {
    /// Returns the subscription of an endpoint.
    ///
    /// # Errors
    /// A text that names a type.
    pub(super) fn of(webhook: &Webhook) -> Result<Subscription, String> {
        let types = webhook.settings.types.iter().map(|it| it.parse::<TypePattern>());
        let types = types.collect::<Result<_, _>>();
        Ok(Subscription {
            tenants: tenants(&webhook.settings),
            filter: EventFilter {
                types: types.map_err(|error| error.to_string())?,
                ..EventFilter::default()
            },
        })
    }

    /// Returns whether the endpoint gets an event of one of its tenants.
    pub(super) fn wants(&self, event: &Event) -> bool {
        self.filter.matches(event)
    }
}

/// Returns the tenants of an endpoint.
pub(super) fn tenants(settings: &WebhookSettings) -> FeedTenants {
    match &settings.tenants {
        None => FeedTenants::All,
        Some(tenants) => FeedTenants::Only(tenants.clone()),
    }
}
