//! Creating and changing streams: what the command line and the management interface share.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::change::ChangePosition;
use scim_model::store::{
    ChangeFeed, EventAdded, FeedStart, FeedTenants, JournalError, NewSetStream, SetDelivery, SetStream,
    SetStreamEvent, SetStreamSettings, SetStreamState, SetStreamStatus, SetStreams, StoreError, TenantId,
};
use uuid::Uuid;

use super::event_uri::EventUri;
use super::key_ring::{KeyRing, KeyRingError};
use super::stream::{VERIFICATION, tenants, verification_content};
use super::subject::RevokedSubject;
use crate::clock;
use crate::delivery::feed::GoneReason;
use crate::jose::{Issuer, SigningAlgorithm};
use crate::sealing::{KeyFile, KeyFileError, Purpose};

/// The shortest time between two verifications of a stream.
pub const VERIFICATION_INTERVAL: TimeDelta = TimeDelta::seconds(10);

/// The most characters of an audience, of an issuer, and of the text of a verification.
const MAX_TEXT: usize = 1_000;

/// The most bytes of the header `Authorization`.
const MAX_AUTHORIZATION: usize = 4_096;

/// The path of the token endpoint, which is an audience of assertions.
const TOKEN_PATH: &str = "/oauth2/token";

/// A stream to create.
#[derive(Clone)]
pub struct NewStream {
    /// The id, which the caller has chosen.
    pub id: Uuid,
    /// A name; it may be empty.
    pub name: String,
    /// The issuer of the tokens: the `https` URL that identifies this server to receivers.
    pub issuer: String,
    /// The audience of the tokens: the text that identifies the receiver.
    pub audience: String,
    /// The tenants whose events the stream has; `None` for all.
    pub tenants: Option<Vec<TenantId>>,
    /// The events.
    pub events: Vec<EventUri>,
    /// The way to the receiver.
    pub delivery: NewDelivery,
    /// The algorithm of the signatures.
    pub algorithm: SigningAlgorithm,
    /// Whether subjects contain the `userName` of users.
    pub with_user_name: bool,
    /// The subject of tokens that end sessions.
    pub revoked_subject: RevokedSubject,
    /// The issuer of the accounts in such tokens; `None` for the issuer of the tokens.
    pub account_issuer: Option<String>,
    /// The audiences that this server accepts in assertions, which a token must not have.
    pub own_audiences: Vec<String>,
}

/// The way of tokens to a receiver.
#[derive(Clone)]
pub enum NewDelivery {
    /// The server sends them.
    Push {
        /// The URL, which [`check_url`](crate::delivery::webhooks::registration::check_url) has accepted.
        url: String,
        /// The value of the header `Authorization`.
        authorization: Option<String>,
    },
    /// The receiver asks for them.
    Poll,
}

/// The reason why a stream could not be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A value is not permitted.
    #[error("{detail}")]
    Invalid {
        /// The name of the value, as the management interface has it.
        field: &'static str,
        /// The problem, which names the value in words.
        detail: String,
    },
    /// Somebody else has changed the stream since it was read.
    #[error("the stream has changed since it was read")]
    Stale,
    /// The journal cannot go on from the position without a gap.
    #[error("the stream cannot continue after `{position}`: {}", reason.explanation())]
    Gone {
        /// The position.
        position: ChangePosition,
        /// Why tokens would be missing.
        reason: GoneReason,
        /// The oldest position after which none are.
        oldest: ChangePosition,
    },
    /// There is no such stream.
    #[error("there is no stream `{0}`")]
    NoStream(Uuid),
    /// A verification was asked for a moment ago.
    #[error("the stream was verified less than {} seconds ago: try again later", VERIFICATION_INTERVAL.num_seconds())]
    TooSoon,
    /// The secrets key cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A signing key could not be made.
    #[error(transparent)]
    Key(#[from] KeyRingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a stream that has the events after now, and the first signing keys.
///
/// # Errors
/// See [`StreamError`].
pub fn create(
    store: &dyn SetStreams,
    journal: &dyn ChangeFeed,
    ring: &KeyRing,
    file: &KeyFile,
    new: NewStream,
    now: DateTime<Utc>,
) -> Result<(), StreamError> {
    check(&new)?;
    let id = new.id;
    ring.ensure(new.algorithm, now)?;
    let delivery = match new.delivery {
        NewDelivery::Poll => SetDelivery::Poll,
        NewDelivery::Push { url, authorization } => SetDelivery::Push {
            url,
            authorization: authorization.map(|it| seal(file, id, &it)).transpose()?,
        },
    };
    let tenants = match &new.tenants {
        None => FeedTenants::All,
        Some(ids) => FeedTenants::Only(ids.clone()),
    };
    let new = NewSetStream {
        id,
        settings: SetStreamSettings {
            name: new.name,
            account_issuer: new.account_issuer.unwrap_or_else(|| new.issuer.clone()),
            issuer: new.issuer,
            audience: new.audience,
            tenants: new.tenants,
            events: new.events.iter().map(ToString::to_string).collect(),
            delivery,
            algorithm: new.algorithm.to_string(),
            with_user_name: new.with_user_name,
            revoked_subject: new.revoked_subject.to_string(),
        },
        position: journal.current_position(&tenants)?,
        created: now,
    };
    Ok(store.create_set_stream(&new)?)
}

fn seal(file: &KeyFile, stream: Uuid, authorization: &str) -> Result<Vec<u8>, KeyFileError> {
    file.seal(Purpose::ReceiverAuthorization, stream, authorization.as_bytes())
}

fn invalid(field: &'static str, detail: impl Into<String>) -> Result<(), StreamError> {
    let detail = detail.into();
    Err(StreamError::Invalid { field, detail })
}

fn check(new: &NewStream) -> Result<(), StreamError> {
    check_issuer(&new.issuer)?;
    check_texts(&new.audience, new.account_issuer.as_deref())?;
    check_audience("audience", &new.audience, &new.issuer, &new.own_audiences)?;
    if new.events.is_empty() {
        return invalid("events", "the stream asks for no events");
    }
    if new.tenants.as_ref().is_some_and(Vec::is_empty) {
        return invalid("tenants", "the stream has no tenant");
    }
    match &new.delivery {
        NewDelivery::Push {
            authorization: Some(value),
            ..
        } => check_authorization(value),
        _ => Ok(()),
    }
}

/// An issuer is a URL that receivers compare character by character.
fn check_issuer(issuer: &str) -> Result<(), StreamError> {
    let parsed = issuer.parse::<Issuer>();
    match parsed.as_ref().map(Issuer::as_str) {
        Ok(text) if text == issuer && text.len() <= MAX_TEXT => Ok(()),
        Ok(_) => invalid(
            "issuer",
            format!("the issuer must be a URL of at most {MAX_TEXT} characters"),
        ),
        Err(problem) => invalid("issuer", format!("the issuer must be an `https` URL: {problem}")),
    }
}

fn check_texts(audience: &str, account_issuer: Option<&str>) -> Result<(), StreamError> {
    let is_visible = |it: &str| it.bytes().all(|it| (b'!'..=b'~').contains(&it));
    let texts = [
        ("audience", "audience", Some(audience)),
        ("accountIssuer", "account issuer", account_issuer),
    ];
    for (field, name, text) in texts {
        if text.is_some_and(|it| it.is_empty() || it.len() > MAX_TEXT || !is_visible(it)) {
            let detail = format!("the {name} must have 1 to {MAX_TEXT} visible ASCII characters");
            return invalid(field, detail);
        }
    }
    Ok(())
}

/// A token must not pass for an assertion to this server (RFC 8417 section 4.6). `field` is the value that is new.
fn check_audience(
    field: &'static str,
    audience: &str,
    issuer: &str,
    own: &[String],
) -> Result<(), StreamError> {
    let issuer = issuer.trim_end_matches('/');
    let of_issuer = [issuer.to_owned(), format!("{issuer}{TOKEN_PATH}")];
    let mut own = own.iter().chain(&of_issuer).map(|it| it.trim_end_matches('/'));
    match own.any(|it| it == audience.trim_end_matches('/')) {
        true => invalid(field, "the audience must name the receiver, and not this server"),
        false => Ok(()),
    }
}

fn check_authorization(value: &str) -> Result<(), StreamError> {
    let is_valid = (1..=MAX_AUTHORIZATION).contains(&value.len());
    match is_valid && value.bytes().all(|it| (b' '..=b'~').contains(&it)) {
        true => Ok(()),
        false => invalid(
            "authorization",
            format!("the authorization header must have 1 to {MAX_AUTHORIZATION} visible ASCII characters"),
        ),
    }
}

/// New values of a stream. Settings without a new value stay as they are. The audience and the tenants always stay: they
/// decide which receiver may have which events, so that another choice is another stream.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StreamChange {
    /// The name; it may be empty.
    pub name: Option<String>,
    /// The issuer of the tokens.
    pub issuer: Option<String>,
    /// The events.
    pub events: Option<Vec<EventUri>>,
    /// The URL, which [`check_url`](crate::delivery::webhooks::registration::check_url) has accepted; `Some(None)` for a
    /// receiver that polls.
    pub url: Option<Option<String>>,
    /// The value of the header `Authorization`; `Some(None)` for none.
    pub authorization: Option<Option<String>>,
    /// The algorithm of the signatures.
    pub algorithm: Option<SigningAlgorithm>,
    /// Whether subjects contain the `userName` of users.
    pub with_user_name: Option<bool>,
    /// The subject of tokens that end sessions.
    pub revoked_subject: Option<RevokedSubject>,
    /// The issuer of the accounts in such tokens.
    pub account_issuer: Option<String>,
}

/// Changes the settings of a stream that was read before. They apply to the tokens that are made from then on, also for
/// earlier changes of resources.
///
/// # Errors
/// See [`StreamError`]; `Stale` if somebody else has changed the stream since it was read.
pub fn change_settings(
    store: &dyn SetStreams,
    ring: &KeyRing,
    file: &KeyFile,
    stream: &SetStream,
    change: StreamChange,
    now: DateTime<Utc>,
) -> Result<(), StreamError> {
    let old = stream.settings.clone();
    if change.events.as_ref().is_some_and(Vec::is_empty) {
        return invalid("events", "the stream asks for no events");
    }
    let delivery = changed_delivery(file, stream.id, &change, old.delivery)?;
    let settings = SetStreamSettings {
        name: change.name.unwrap_or(old.name),
        issuer: change.issuer.clone().unwrap_or(old.issuer),
        audience: old.audience,
        tenants: old.tenants,
        events: match change.events {
            Some(events) => events.iter().map(ToString::to_string).collect(),
            None => old.events,
        },
        delivery,
        algorithm: change.algorithm.map_or(old.algorithm, |it| it.to_string()),
        with_user_name: change.with_user_name.unwrap_or(old.with_user_name),
        revoked_subject: change
            .revoked_subject
            .map_or(old.revoked_subject, |it| it.to_string()),
        account_issuer: change.account_issuer.clone().unwrap_or(old.account_issuer),
    };
    if change.issuer.is_some() {
        check_issuer(&settings.issuer)?;
        check_audience("issuer", &settings.audience, &settings.issuer, &[])?;
    }
    if change.account_issuer.is_some() {
        check_texts(&settings.audience, Some(&settings.account_issuer))?;
    }
    if let Some(algorithm) = change.algorithm {
        ring.ensure(algorithm, now)?;
    }
    match store.change_set_stream_settings(stream.id, stream.revision, &settings) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StreamError::NoStream(stream.id)),
        Err(StoreError::Stale) => Err(StreamError::Stale),
        Err(error) => Err(error.into()),
    }
}

fn changed_delivery(
    file: &KeyFile,
    stream: Uuid,
    change: &StreamChange,
    old: SetDelivery,
) -> Result<SetDelivery, StreamError> {
    let (old_url, old_authorization) = match old {
        SetDelivery::Push { url, authorization } => (Some(url), authorization),
        SetDelivery::Poll => (None, None),
    };
    let Some(url) = change.url.clone().unwrap_or_else(|| old_url.clone()) else {
        if matches!(change.authorization, Some(Some(_))) {
            invalid(
                "authorization",
                "the receiver polls, so that no request has this header",
            )?;
        }
        return Ok(SetDelivery::Poll);
    };
    let keeps_authorization = change.authorization.is_none() && old_authorization.is_some();
    if keeps_authorization && old_url.as_ref() != Some(&url) {
        // An operator who changes the URL may not know the header, and could read it at the new URL.
        invalid(
            "authorization",
            "a new URL does not keep the Authorization header: give it again, or remove it",
        )?;
    }
    let authorization = match &change.authorization {
        None => old_authorization,
        Some(None) => None,
        Some(Some(value)) => {
            check_authorization(value)?;
            Some(seal(file, stream, value)?)
        }
    };
    Ok(SetDelivery::Push { url, authorization })
}

/// The place where a stream continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// Where it stopped.
    Here,
    /// With the events after now.
    Now,
    /// With the oldest events of the journal.
    Oldest,
    /// With the events after a position.
    After(ChangePosition),
}

impl FromStr for Continue {
    type Err = String;

    /// Reads `now`, `oldest`, or a position of the journal.
    fn from_str(text: &str) -> Result<Continue, String> {
        match text {
            "now" => Ok(Continue::Now),
            "oldest" => Ok(Continue::Oldest),
            position => match position.parse() {
                Ok(position) => Ok(Continue::After(position)),
                Err(error) => Err(format!("expected `now`, `oldest` or a position: {error}")),
            },
        }
    }
}

/// Changes the state of a stream, and where it continues. A stream that was disabled continues now: it has kept nothing.
///
/// # Errors
/// `NoStream`; `Gone` for a position that the journal cannot go on from; and the errors of the store.
pub fn change_state(
    store: &dyn SetStreams,
    journal: &dyn ChangeFeed,
    id: Uuid,
    state: &SetStreamState,
    from: Continue,
) -> Result<(), StreamError> {
    let stream = find(store, id)?;
    let now = || journal.current_position(&tenants(&stream));
    let position = match from {
        Continue::Here if stream.state.status == SetStreamStatus::Disabled => Some(now()?),
        Continue::Here => None,
        Continue::Now => Some(now()?),
        Continue::Oldest => Some(journal.oldest_position(&tenants(&stream))?),
        Continue::After(position) => Some(checked_position(journal, &tenants(&stream), position)?),
    };
    match store.change_set_stream(id, state, position)? {
        true => Ok(()),
        false => Err(StreamError::NoStream(id)),
    }
}

/// Returns a position if a stream can continue after it without a gap.
fn checked_position(
    journal: &dyn ChangeFeed,
    tenants: &FeedTenants,
    position: ChangePosition,
) -> Result<ChangePosition, StreamError> {
    let reason = match journal.entries(tenants, FeedStart::At(position), 1) {
        Ok(_) => return Ok(position),
        Err(JournalError::Dropped(_)) => GoneReason::Dropped,
        Err(JournalError::Unknown(_)) => GoneReason::Unknown,
        Err(JournalError::Store(error)) => return Err(error.into()),
    };
    Err(StreamError::Gone {
        position,
        reason,
        oldest: journal.oldest_position(tenants)?,
    })
}

/// Lets a verification event go to the receiver, with a text that the receiver gave. Returns its identity.
///
/// # Errors
/// See [`StreamError`].
pub fn verify(
    store: &dyn SetStreams,
    id: Uuid,
    state: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Uuid, StreamError> {
    if state.is_some_and(|it| it.chars().count() > MAX_TEXT) {
        let detail = format!("the state has more than {MAX_TEXT} characters");
        return Err(StreamError::Invalid {
            field: "state",
            detail,
        });
    }
    let event = SetStreamEvent {
        id: clock::new_id(),
        kind: VERIFICATION.to_owned(),
        content: verification_content(state),
        created: now,
    };
    match store.add_set_stream_event(id, &event, now - VERIFICATION_INTERVAL)? {
        EventAdded::Yes => Ok(event.id),
        EventAdded::TooSoon => Err(StreamError::TooSoon),
        EventAdded::NoStream => Err(StreamError::NoStream(id)),
    }
}

/// Returns the stream with an id.
///
/// # Errors
/// `NoStream`, and the errors of the store.
pub fn find(store: &dyn SetStreams, id: Uuid) -> Result<SetStream, StreamError> {
    store.set_stream(id)?.ok_or(StreamError::NoStream(id))
}
