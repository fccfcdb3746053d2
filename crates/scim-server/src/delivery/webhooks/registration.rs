//! Creating and changing endpoints: what the command line and the management interface share.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{
    ChangeFeed, NewWebhook, NewWebhookSecret, StoreError, TenantId, Webhook, WebhookSettings, Webhooks,
};
use uuid::Uuid;

use super::message::{InvalidMessageId, MessageId};
use super::signature::WebhookSecret;
use super::stored::{seal_headers, seal_secret, tenants};
use super::worker::find;
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

/// The most additional headers.
const MAX_HEADERS: usize = 16;

/// The most bytes of all additional headers.
const MAX_HEADER_BYTES: usize = 4096;

/// The beginnings of names of headers that belong to the protocol, or that carry state.
const RESERVED: [&str; 14] = [
    "host",
    "content-",
    "webhook-",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "cookie",
    "accept-encoding",
];

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

/// A header that an endpoint gets in addition. `Debug` does not show its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Header({})", self.name)
    }
}

/// The reason why an endpoint could not be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A value is not permitted. The text names it.
    #[error("{0}")]
    Invalid(String),
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

impl std::str::FromStr for Header {
    type Err = String;

    /// Reads `Name: value`.
    fn from_str(text: &str) -> Result<Header, String> {
        let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
        let name = name.trim().to_ascii_lowercase();
        let is_token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("expected `Name: value`, with a name of letters, digits and `-`".to_owned());
        }
        let is_reserved = |it: &str| match it.ends_with('-') {
            true => name.starts_with(it),
            false => name == it,
        };
        if RESERVED.into_iter().any(is_reserved) {
            return Err(format!("the header `{name}` cannot be set"));
        }
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|it| (b' '..=b'~').contains(&it)) {
            return Err(format!("the value of the header `{name}` must be visible ASCII"));
        }
        Ok(Header {
            name,
            value: value.to_owned(),
        })
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
    let headers = checked_headers(&new.headers)?;
    let id = new.id;
    let (secret, stored) = new_secret(keys, now)?;
    let settings = WebhookSettings {
        url: new.url,
        tenants: new.tenants,
        types: new.types.iter().map(ToString::to_string).collect(),
        full: new.full,
        headers: seal_headers(keys, id, &headers)?,
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

fn checked_headers(headers: &[Header]) -> Result<Vec<(String, String)>, RegistrationError> {
    let invalid = |text: String| Err(RegistrationError::Invalid(text));
    let bytes: usize = headers.iter().map(|it| it.name.len() + it.value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return invalid(format!(
            "at most {MAX_HEADERS} headers with {MAX_HEADER_BYTES} bytes are possible"
        ));
    }
    let mut checked: Vec<(String, String)> = Vec::new();
    for Header { name, value } in headers {
        if checked.iter().any(|(it, _)| it == name) {
            return invalid(format!("the header `{name}` is set twice"));
        }
        checked.push((name.clone(), value.clone()));
    }
    Ok(checked)
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

fn request(settings: &WebhookSettings, after: After) -> FeedRequest {
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
        return Err(RegistrationError::Invalid(text));
    }
    let (secret, stored) = new_secret(keys, now)?;
    let overlap = overlap.clamp(TimeDelta::zero(), LONGEST_ROTATION_OVERLAP);
    match store.rotate_webhook_secret(id, &stored, now + overlap)? {
        true => Ok(secret),
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
/// See [`RegistrationError`].
pub fn test(
    store: &dyn Webhooks,
    id: Uuid,
    test: Uuid,
    now: DateTime<Utc>,
) -> Result<MessageId, RegistrationError> {
    let message = test_message(test);
    queue(store, id, message, now)?;
    Ok(message)
}

/// Lets the server send a message again, with the same id: an event that the journal has, or a message that waits or was
/// given up.
///
/// # Errors
/// See [`RegistrationError`]. `Invalid` when there is no such message for the endpoint.
pub fn replay(
    store: &dyn Webhooks,
    journal: &dyn ChangeFeed,
    id: Uuid,
    message: &str,
    now: DateTime<Utc>,
) -> Result<MessageId, RegistrationError> {
    let endpoint = find_endpoint(store, id)?;
    let invalid = |text: String| RegistrationError::Invalid(text);
    let parsed: MessageId = message
        .parse()
        .map_err(|error: InvalidMessageId| invalid(format!("`{message}`: {error}")))?;
    let is_known = match parsed {
        MessageId::Event(event) => find(journal, &tenants(&endpoint.settings), event)?.is_some(),
        MessageId::Gap { .. } | MessageId::Test(_) => {
            let dead = store.webhook_messages(id, true, u32::MAX)?;
            dead.iter().any(|it| it.message == message)
        }
    };
    if !is_known {
        return Err(invalid(format!(
            "the endpoint has no message `{message}`, or no longer"
        )));
    }
    queue(store, id, parsed, now)?;
    Ok(parsed)
}

fn queue(
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

/// Lets the server send all events after one again, or with `None` all that the journal has. Returns the event.
///
/// # Errors
/// See [`RegistrationError`].
pub fn replay_after(
    store: &dyn Webhooks,
    feed: &Feed,
    id: Uuid,
    after: Option<EventId>,
) -> Result<EventId, RegistrationError> {
    let endpoint = find_endpoint(store, id)?;
    let page = feed.page(&request(
        &endpoint.settings,
        after.map_or(After::Oldest, After::Event),
    ))?;
    let position = after.unwrap_or(page.oldest);
    match store.rewind_webhook(id, &position.to_string())? {
        true => Ok(position),
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

    #[test]
    fn evt_28_headers_of_the_protocol_cannot_be_set() {
        for (text, name, value) in [
            ("Authorization: Bearer abc", "authorization", "Bearer abc"),
            ("x-api-key:7", "x-api-key", "7"),
            ("Telephone: a: b ", "telephone", "a: b"),
        ] {
            let header: Header = text.parse().expect("it is a header");
            assert_eq!((header.name.as_str(), header.value.as_str()), (name, value));
            assert!(!format!("{header:?}").contains(value));
        }
        for text in [
            "",
            "a",
            ": b",
            "a b: c",
            "a:",
            "a: é",
            "a: b\r\nc: d",
            "Host: a",
            "Content-Type: text/plain",
            "content-encoding: gzip",
            "webhook-id: 7",
            "User-Agent: a",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "TE: trailers",
            "Proxy-Authorization: a",
            "Cookie: a",
            "Accept-Encoding: gzip",
        ] {
            assert!(text.parse::<Header>().is_err(), "{text}");
        }
        let twice: Vec<Header> = ["a: 1", "A: 2"].iter().filter_map(|it| it.parse().ok()).collect();
        assert!(matches!(
            checked_headers(&twice),
            Err(RegistrationError::Invalid(_))
        ));
        let large: Header = format!("a: {}", "b".repeat(5000))
            .parse()
            .expect("it is a header");
        assert!(matches!(
            checked_headers(&[large]),
            Err(RegistrationError::Invalid(_))
        ));
    }

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
