//! Creating and changing endpoints: what the command line and the management interface share.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{
    NewWebhook, NewWebhookSecret, StoreError, TenantId, Webhook, WebhookChange, WebhookSettings,
    WebhookState, Webhooks,
};
use uuid::Uuid;

pub use super::header::Header;
use super::header::checked;
use super::message::MessageId;
use super::signature::WebhookSecret;
use super::stored::{self, seal_headers, seal_secret, tenants};
use crate::clock;
use crate::delivery::event::EventId;
use crate::delivery::feed::{After, Feed, FeedError, FeedRequest};
use crate::delivery::filter::TypePattern;
use crate::egress::{AllowEntry, Egress, EgressError, EgressSettings, host_and_port, system_lookup};
use crate::sealing::{KeyFile, KeyFileError};

/// The time for which an old secret is valid after a rotation, unless the operator chooses another.
pub const ROTATION_OVERLAP: TimeDelta = TimeDelta::hours(24);

/// The longest time for which an old secret is valid after a rotation.
pub const LONGEST_ROTATION_OVERLAP: TimeDelta = TimeDelta::days(7);

/// The most secrets of an endpoint that are valid at the same time. Each adds a signature to every request.
const MAX_SECRETS: usize = 5;

/// The reason of an endpoint that an operator has disabled.
const BY_OPERATOR: &str = "by an operator";

/// An endpoint to create.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Identifies the endpoint.
    pub id: Uuid,
    /// The URL, which [`check_url`] has accepted.
    pub url: String,
    /// The tenants whose events the endpoint gets; `None` for all.
    pub tenants: Option<Vec<TenantId>>,
    /// The types of events; empty for all.
    pub types: Vec<TypePattern>,
    /// Whether messages contain old and new values.
    pub full: bool,
    /// Additional headers.
    pub headers: Vec<Header>,
}

/// The reason why an endpoint could not be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A value is not permitted.
    #[error("{detail}")]
    Invalid {
        /// The name of the value, as the management interface has it.
        field: &'static str,
        /// The problem.
        detail: String,
    },
    /// Somebody else has changed the endpoint since it was read.
    #[error("the endpoint has changed since it was read")]
    Stale,
    /// The endpoint is disabled, for a reason.
    #[error("the endpoint is disabled: {0}; enable it first")]
    Disabled(String),
    /// There is no such endpoint.
    #[error("there is no webhook endpoint `{0}`")]
    NoEndpoint(Uuid),
    /// The secrets key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The events cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl RegistrationError {
    pub(super) fn invalid(field: &'static str, detail: impl Into<String>) -> RegistrationError {
        let detail = detail.into();
        RegistrationError::Invalid { field, detail }
    }
}

/// Checks a URL, and returns a warning if the operator's list of internal targets does not permit it now. The server
/// decides at each attempt.
///
/// # Errors
/// The URL can never be used.
pub fn check_url(url: &str, settings: &EgressSettings) -> Result<Option<EgressError>, EgressError> {
    let everything = ["0.0.0.0/0", "::/0"].into_iter();
    let host = host_and_port(url).map(|(host, _)| host);
    let everything = everything.chain(host.as_deref());
    let permissive = EgressSettings {
        allow: everything
            .filter_map(|it| it.parse::<AllowEntry>().ok())
            .collect(),
        ..settings.clone()
    };
    Egress::new(permissive, system_lookup()).target(url)?;
    Ok(Egress::new(settings.clone(), system_lookup()).check(url).err())
}

/// Creates an endpoint that gets the events after now, and returns its secret.
///
/// # Errors
/// See [`RegistrationError`].
pub fn create(
    store: &dyn Webhooks,
    feed: &Feed,
    keys: &KeyFile,
    new: NewEndpoint,
    now: DateTime<Utc>,
) -> Result<WebhookSecret, RegistrationError> {
    let id = new.id;
    let headers = sealed(keys, id, &new.headers)?;
    let (secret, stored) = new_secret(keys, now)?;
    let settings = WebhookSettings {
        url: new.url,
        tenants: new.tenants,
        types: new.types.iter().map(ToString::to_string).collect(),
        full: new.full,
        headers,
    };
    let position = current_position(feed, &settings)?;
    let new = NewWebhook {
        id,
        settings,
        position: position.to_string(),
        secret: stored,
        created: now,
    };
    store.create_webhook(&new)?;
    Ok(secret)
}

fn sealed(keys: &KeyFile, id: Uuid, headers: &[Header]) -> Result<Option<Vec<u8>>, RegistrationError> {
    let headers = checked(headers).map_err(|text| RegistrationError::invalid("headers", text))?;
    Ok(seal_headers(keys, id, &headers)?)
}

fn new_secret(
    keys: &KeyFile,
    now: DateTime<Utc>,
) -> Result<(WebhookSecret, NewWebhookSecret), RegistrationError> {
    let (id, secret) = (clock::new_id(), WebhookSecret::random()?);
    let stored = NewWebhookSecret {
        id,
        sealed: seal_secret(keys, id, &secret)?,
        created: now,
    };
    Ok((secret, stored))
}

fn current_position(feed: &Feed, settings: &WebhookSettings) -> Result<EventId, FeedError> {
    Ok(feed.page(&request(settings, After::Now))?.next)
}

pub(super) fn request(settings: &WebhookSettings, after: After) -> FeedRequest {
    FeedRequest {
        limit: 1,
        ..FeedRequest::new(tenants(settings), after)
    }
}

/// Returns the endpoint with an id.
///
/// # Errors
/// `NoEndpoint`, and the errors of the store.
pub fn find_endpoint(store: &dyn Webhooks, id: Uuid) -> Result<Webhook, RegistrationError> {
    let found = store.webhooks()?.into_iter().find(|it| it.id == id);
    found.ok_or(RegistrationError::NoEndpoint(id))
}

/// Gives an endpoint a new secret, and returns it. The others are valid for the time of the overlap.
///
/// # Errors
/// See [`RegistrationError`].
pub fn rotate_secret(
    store: &dyn Webhooks,
    keys: &KeyFile,
    id: Uuid,
    overlap: TimeDelta,
    now: DateTime<Utc>,
) -> Result<WebhookSecret, RegistrationError> {
    let endpoint = find_endpoint(store, id)?;
    let valid = endpoint
        .secrets
        .iter()
        .filter(|it| it.expires.is_none_or(|it| it > now));
    if overlap > TimeDelta::zero() && valid.count() >= MAX_SECRETS {
        let text = format!("the endpoint has {MAX_SECRETS} valid secrets: let the old ones expire at once");
        return Err(RegistrationError::invalid("overlapSeconds", text));
    }
    let (secret, stored) = new_secret(keys, now)?;
    let overlap = overlap.clamp(TimeDelta::zero(), LONGEST_ROTATION_OVERLAP);
    match store.rotate_webhook_secret(id, &stored, now + overlap)? {
        true => Ok(secret),
        false => Err(RegistrationError::NoEndpoint(id)),
    }
}

/// New values of an endpoint. Values that are missing stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// The URL, which [`check_url`] has accepted.
    pub url: Option<String>,
    /// The tenants whose events the endpoint gets; `Some(None)` for all.
    pub tenants: Option<Option<Vec<TenantId>>>,
    /// The types of events; empty for all.
    pub types: Option<Vec<TypePattern>>,
    /// Whether messages contain old and new values.
    pub full: Option<bool>,
    /// The additional headers, which replace the earlier ones.
    pub headers: Option<Vec<Header>>,
    /// Whether the endpoint is disabled. One that is enabled continues where it stopped.
    pub disabled: Option<bool>,
}

/// Changes an endpoint that was read before. The new values apply to all messages that are sent from then on.
///
/// # Errors
/// See [`RegistrationError`]; `Stale` if somebody else has changed the endpoint since it was read.
pub fn change(
    store: &dyn Webhooks,
    feed: &Feed,
    keys: &KeyFile,
    endpoint: &Webhook,
    change: EndpointChange,
    now: DateTime<Utc>,
) -> Result<(), RegistrationError> {
    let (id, old) = (endpoint.id, endpoint.settings.clone());
    let url = change.url.unwrap_or_else(|| old.url.clone());
    if change.headers.is_none() && old.headers.is_some() && url != old.url {
        // An operator who changes the URL may not know the headers, and could read them at the new URL.
        let text = "a new URL does not keep the additional headers: give them again, or remove them";
        return Err(RegistrationError::invalid("headers", text));
    }
    let headers = match &change.headers {
        Some(headers) => sealed(keys, id, headers)?,
        None => old.headers,
    };
    let settings = WebhookSettings {
        url,
        tenants: change.tenants.unwrap_or_else(|| old.tenants.clone()),
        types: match change.types {
            Some(types) => types.iter().map(ToString::to_string).collect(),
            None => old.types,
        },
        full: change.full.unwrap_or(old.full),
        headers,
    };
    let position = match settings.tenants == old.tenants {
        true => None,
        false => Some(position_of(feed, endpoint, &settings)?.to_string()),
    };
    let state = match (change.disabled, &endpoint.disabled) {
        (Some(true), None) => Some(WebhookState::Disabled(BY_OPERATOR.to_owned(), now)),
        (Some(false), Some(_)) => Some(WebhookState::Active),
        _ => None,
    };
    let change = WebhookChange {
        settings,
        position,
        state,
    };
    match store.change_webhook(id, endpoint.revision, &change) {
        Ok(true) => Ok(()),
        Ok(false) => Err(RegistrationError::NoEndpoint(id)),
        Err(StoreError::Stale) => Err(RegistrationError::Stale),
        Err(error) => Err(error.into()),
    }
}

/// Returns the position of an endpoint in the feed of other tenants: an event of a tenant that the reader does not want is
/// no position.
fn position_of(
    feed: &Feed,
    endpoint: &Webhook,
    settings: &WebhookSettings,
) -> Result<EventId, RegistrationError> {
    match stored::position(endpoint) {
        Ok(position) => Ok(feed.position_at(&tenants(settings), position)?),
        Err(text) => Err(RegistrationError::invalid("tenants", text)),
    }
}

/// Disables an endpoint. Requests under way end.
///
/// # Errors
/// See [`RegistrationError`].
pub fn disable(store: &dyn Webhooks, id: Uuid, now: DateTime<Utc>) -> Result<(), RegistrationError> {
    match store.disable_webhook(id, BY_OPERATOR, now)? {
        true => Ok(()),
        false => Err(RegistrationError::NoEndpoint(id)),
    }
}

/// Returns the id of the message of a test.
pub fn test_message(test: Uuid) -> MessageId {
    MessageId::Test(test)
}

/// Lets the server send a test with a new id to an endpoint, and returns the id of the message.
///
/// # Errors
/// See [`RegistrationError`]. `Disabled` for an endpoint that gets nothing.
pub fn test(
    store: &dyn Webhooks,
    id: Uuid,
    test: Uuid,
    now: DateTime<Utc>,
) -> Result<MessageId, RegistrationError> {
    active(store, id)?;
    let message = test_message(test);
    queue(store, id, message, now)?;
    Ok(message)
}

/// Returns an endpoint that gets messages.
pub(super) fn active(store: &dyn Webhooks, id: Uuid) -> Result<Webhook, RegistrationError> {
    let endpoint = find_endpoint(store, id)?;
    match endpoint.disabled {
        Some((reason, _)) => Err(RegistrationError::Disabled(reason)),
        None => Ok(endpoint),
    }
}

/// Makes a message due at once.
pub(super) fn queue(
    store: &dyn Webhooks,
    id: Uuid,
    message: MessageId,
    now: DateTime<Utc>,
) -> Result<(), RegistrationError> {
    match store.queue_webhook_message(id, &message.to_string(), now)? {
        true => Ok(()),
        false => Err(RegistrationError::NoEndpoint(id)),
    }
}

/// Enables an endpoint, which continues where it stopped, or with `from_now` with the events after now.
///
/// # Errors
/// See [`RegistrationError`].
pub fn enable(store: &dyn Webhooks, feed: &Feed, id: Uuid, from_now: bool) -> Result<(), RegistrationError> {
    let endpoint = find_endpoint(store, id)?;
    let position = match from_now {
        true => Some(current_position(feed, &endpoint.settings)?.to_string()),
        false => None,
    };
    match store.enable_webhook(id, position.as_deref())? {
        true => Ok(()),
        false => Err(RegistrationError::NoEndpoint(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::OwnAddresses;

    /// evt-30, evt-131, evt-141
    #[test]
    fn evt_137_a_url_is_checked_when_it_is_stored() {
        let settings = EgressSettings {
            own: OwnAddresses::new("https://scim.example.com/scim/v2", &[]),
            ..EgressSettings::default()
        };
        for url in [
            "",
            "ftp://example.com/",
            "https://a@example.com/",
            "https://example.com/#a",
            "https://scim.example.com/scim/v2",
        ] {
            assert!(check_url(url, &settings).is_err(), "{url}");
        }
        for url in [
            "https://127.0.0.1/",
            "http://127.0.0.1:8080/hook",
            "http://8.8.8.8/",
            "https://8.8.8.8:8443/",
            "http://app:8080/",
        ] {
            let warning = check_url(url, &settings).expect("an operator may permit it");
            assert!(warning.is_some(), "{url}");
        }
        let warning = check_url("https://8.8.8.8/hook", &settings).expect("it is public");
        assert!(warning.is_none(), "{warning:?}");
        let listed = EgressSettings {
            allow: ["127.0.0.1"].iter().filter_map(|it| it.parse().ok()).collect(),
            ..settings
        };
        let warning = check_url("http://127.0.0.1:8080/hook", &listed).expect("it is permitted");
        assert!(warning.is_none(), "{warning:?}");
    }
}
