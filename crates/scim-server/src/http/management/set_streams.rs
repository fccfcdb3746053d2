//! The handlers of `/set-streams`: what operators see and change, and the polls of receivers.

use std::str::FromStr;
use std::time::Instant;

use actix_web::rt::time::timeout;
use scim_model::store::{SetStream, SetStreamState, SetStreamStatus, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::delivery::security_events::poll::{LOOK, POLL_TIMEOUT, PollError, PollRequest, attempt};
use crate::delivery::security_events::registration::{self, Continue, NewDelivery, NewStream, StreamError};
use crate::delivery::security_events::{EventUri, StreamParts};
use crate::management::set_streams::{RefusedToken, StreamView};

/// The most refused tokens that are shown with a stream.
const SHOWN: u32 = 100;

/// A stream with the latest tokens that its receiver refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownStream {
    #[serde(flatten)]
    view: StreamView,
    /// The latest tokens that the receiver refused, latest first.
    refused: Vec<RefusedToken>,
}

/// A stream to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StreamInput {
    /// A name that tells the stream from others.
    #[serde(default)]
    name: String,
    /// The issuer of the tokens, an `https` URL; `null` for that of the authorization server.
    issuer: Option<String>,
    /// The audience of the tokens: the text that identifies the receiver.
    audience: String,
    /// The names of the tenants whose events the stream has; `null` for all tenants.
    tenants: Option<Vec<String>>,
    /// The URIs of the events, or `notice`, `full` and `caep`.
    #[serde(default = "usual_events")]
    events: Vec<String>,
    /// The URL that the server sends the tokens to; `null` for a receiver that polls.
    url: Option<String>,
    /// The value of the header `Authorization` of these requests. It is never shown.
    authorization: Option<String>,
    /// `RS256` or `ES256`.
    algorithm: Option<String>,
    /// Whether the subjects contain the `userName` of users.
    #[serde(default)]
    with_user_name: bool,
    /// The account whose sessions end: `externalId`, `userName` or `email`.
    revoked_subject: Option<String>,
    /// The issuer of these accounts; `null` for the issuer of the tokens.
    account_issuer: Option<String>,
}

fn usual_events() -> Vec<String> {
    vec!["notice".to_owned()]
}

impl StreamInput {
    fn checked(&self, work: &Work, id: Uuid) -> Result<NewStream, Problem> {
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => work.management.endpoint.settings.issuer.clone(),
        };
        if !issuer.starts_with("https://") {
            return Err(Problem::invalid("issuer", "expected an `https` URL"));
        }
        if self.tenants.is_none() && work.key.tenants.is_some() {
            return Err(Problem::limited_key());
        }
        let tenant = |name: &String| {
            let found = work.tenant(name).map(|it| it.id);
            found.map_err(|error| Problem::invalid("tenants", error.to_string()))
        };
        let tenants = self.tenants.as_ref().map(|it| it.iter().map(tenant).collect());
        let events = EventUri::list(&self.events.join(","));
        Ok(NewStream {
            id,
            name: self.name.clone(),
            issuer,
            audience: self.audience.clone(),
            tenants: tenants.transpose()?,
            events: events.map_err(|error| Problem::invalid("events", error.to_string()))?,
            delivery: self.delivery(work)?,
            algorithm: parsed("algorithm", self.algorithm.as_deref())?,
            with_user_name: self.with_user_name,
            revoked_subject: parsed("revokedSubject", self.revoked_subject.as_deref())?,
            account_issuer: self.account_issuer.clone(),
        })
    }

    fn delivery(&self, work: &Work) -> Result<NewDelivery, Problem> {
        let Some(url) = &self.url else {
            return match self.authorization {
                None => Ok(NewDelivery::Poll),
                Some(_) => Err(Problem::invalid("authorization", "the stream has no `url`")),
            };
        };
        let refused = work.management.egress.check(url);
        refused.map_err(|error| Problem::invalid("url", error.to_string()))?;
        Ok(NewDelivery::Push {
            url: url.clone(),
            authorization: self.authorization.clone(),
        })
    }
}

/// Reads a word, or returns the default for a missing one.
fn parsed<T: FromStr<Err = &'static str> + Default>(field: &str, text: Option<&str>) -> Result<T, Problem> {
    let parsed = text.map_or_else(|| Ok(T::default()), str::parse);
    parsed.map_err(|expected| Problem::invalid(field, expected))
}

/// A verification of a stream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verification {
    /// The text that the receiver expects in the event.
    state: Option<String>,
}

/// The reason for a change of the state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateReason {
    /// The reason, which the stream shows.
    #[serde(default)]
    reason: String,
}

/// The answer to a poll (RFC 8936 section 2.3).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolledSets {
    /// The tokens by their `jti`, oldest first.
    #[schema(value_type = Object)]
    sets: Value,
    /// Whether there are more tokens now.
    more_available: bool,
}

/// A request for tokens (RFC 8936 section 2.2). Unknown members are ignored.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code)] // It describes the members, which `PollRequest` reads.
pub(super) struct PollInput {
    /// The most tokens in the answer.
    max_events: Option<u64>,
    /// Whether the answer is sent at once, also if there are no tokens.
    return_immediately: Option<bool>,
    /// The tokens that the receiver has.
    ack: Option<Vec<String>>,
    /// The tokens that the receiver refuses, each with an object of `err` and `description`.
    #[schema(value_type = Object)]
    set_errs: Option<Value>,
}

impl Work<'_> {
    /// Returns the streams whose tenants the key may all see.
    fn streams(&self) -> Result<Vec<SetStream>, Problem> {
        let mut streams = self.management.store.set_streams()?;
        let tenants = self.tenants()?;
        streams.retain(|it| self.sees(it, &tenants));
        Ok(streams)
    }

    fn sees(&self, stream: &SetStream, tenants: &[Tenant]) -> bool {
        let is_seen = |id| tenants.iter().any(|it| it.id == id);
        match (&self.key.tenants, &stream.settings.tenants) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(ids)) => ids.iter().all(|it| is_seen(*it)),
        }
    }

    fn stream(&self, names: &Names) -> Result<SetStream, Problem> {
        let id = names.uuid().ok_or_else(|| no_stream(names))?;
        let stream = self
            .management
            .store
            .set_stream(id)?
            .ok_or_else(|| no_stream(names))?;
        match self.sees(&stream, &self.tenants()?) {
            true => Ok(stream),
            false => Err(Problem::limited_key()),
        }
    }
}

fn no_stream(names: &Names) -> Problem {
    Problem::not_found(format!("there is no stream `{}`", names.id))
}

impl From<StreamError> for Problem {
    fn from(error: StreamError) -> Problem {
        match error {
            StreamError::NoStream(_) => Problem::not_found(error.to_string()),
            StreamError::Invalid(text) => Problem::malformed(text),
            StreamError::TooSoon => Problem::too_soon(error.to_string()),
            StreamError::Store(error) => error.into(),
            StreamError::File(_) | StreamError::Key(_) => Problem::internal(error.to_string()),
        }
    }
}

impl From<PollError> for Problem {
    fn from(error: PollError) -> Problem {
        match error {
            PollError::NoStream(_) => Problem::not_found(error.to_string()),
            PollError::Store(error) => error.into(),
            PollError::Unusable(..) | PollError::Key(_) | PollError::Waiting(_) => {
                Problem::internal(error.to_string())
            }
        }
    }
}

/// Lists the streams of security event tokens in order of creation.
#[utoipa::path(get, path = "/set-streams", tag = "set-streams", params(
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of streams", body = Items<StreamView>)))]
pub(super) async fn list(operator: Operator, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let tenants = work.tenants()?;
            let key = |it: &SetStream| by_creation(it.created, it.id);
            Ok(paging.page(work.streams()?, key, |it| StreamView::of(&it, &tenants)))
        })
        .await?;
    answers::json(&page)
}

/// Creates a stream that has the events after now.
#[utoipa::path(post, path = "/set-streams", tag = "set-streams", request_body = StreamInput,
    responses((status = 201, description = "The stream", body = StreamView)))]
pub(super) async fn create(operator: Operator, creation: Creation, input: Input<StreamInput>) -> Answer {
    let Input { value, bytes } = input;
    if scim_model::store::check_label(&value.name).is_err() {
        return Err(Problem::invalid("name", "expected a line of text"));
    }
    let parts = parts(&operator)?;
    let create = move |work: &Work, id: Uuid| {
        let new = value.checked(work, id)?;
        let ring = &parts.security_events.ring;
        registration::create(
            &*parts.store,
            &*parts.journal,
            ring,
            &parts.keys,
            new,
            clock::now(),
        )?;
        created(work, id)?.ok_or_else(|| Problem::internal("the new stream is missing"))
    };
    creation.answer(&operator, &bytes, create, created).await
}

fn created(work: &Work, id: Uuid) -> Result<Option<Created>, Problem> {
    let stream = work.management.store.set_stream(id)?;
    let tenants = work.tenants()?;
    Ok(stream.map(|it| Created {
        path: format!("/set-streams/{id}"),
        body: json!(StreamView::of(&it, &tenants)),
    }))
}

/// The parts that delivery works with.
fn parts(operator: &Operator) -> Result<StreamParts, Problem> {
    let parts = operator.http.set_streams.clone();
    parts.ok_or_else(|| Problem::not_found("this server delivers no security event tokens"))
}

/// Shows a stream with the latest tokens that its receiver refused.
#[utoipa::path(get, path = "/set-streams/{id}", tag = "set-streams",
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 200, description = "The stream", body = ShownStream)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let shown = operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            let refused = work.management.store.refused_sets(stream.id, SHOWN)?;
            Ok(ShownStream {
                view: StreamView::of(&stream, &work.tenants()?),
                refused: refused.into_iter().map(RefusedToken::from).collect(),
            })
        })
        .await?;
    answers::json(&shown)
}

/// Deletes a stream.
#[utoipa::path(delete, path = "/set-streams/{id}", tag = "set-streams",
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names) -> Answer {
    let path = format!("/set-streams/{}", names.id);
    operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            Ok(work.management.store.delete_set_stream(stream.id)?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}

/// Delivers the tokens of a stream again. A stream that was paused continues where it stopped, and one that was disabled
/// with the events after now.
#[utoipa::path(post, path = "/set-streams/{id}/enable", tag = "set-streams", request_body = StateReason,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is enabled")))]
pub(super) async fn enable(operator: Operator, names: Names, input: Input<StateReason>) -> Answer {
    change(operator, names, SetStreamStatus::Enabled, input.value).await
}

/// Keeps the tokens of a stream, and delivers none.
#[utoipa::path(post, path = "/set-streams/{id}/pause", tag = "set-streams", request_body = StateReason,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is paused")))]
pub(super) async fn pause(operator: Operator, names: Names, input: Input<StateReason>) -> Answer {
    change(operator, names, SetStreamStatus::Paused, input.value).await
}

/// Neither keeps nor delivers the tokens of a stream.
#[utoipa::path(post, path = "/set-streams/{id}/disable", tag = "set-streams", request_body = StateReason,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is disabled")))]
pub(super) async fn disable(operator: Operator, names: Names, input: Input<StateReason>) -> Answer {
    change(operator, names, SetStreamStatus::Disabled, input.value).await
}

async fn change(operator: Operator, names: Names, status: SetStreamStatus, input: StateReason) -> Answer {
    if scim_model::store::check_label(&input.reason).is_err() {
        return Err(Problem::invalid("reason", "expected a line of text"));
    }
    let path = format!("/set-streams/{}", names.id);
    operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            let state = SetStreamState {
                status,
                reason: input.reason,
                since: clock::now(),
            };
            let store = &*work.management.store;
            Ok(registration::change_state(
                store,
                store,
                stream.id,
                &state,
                Continue::Here,
            )?)
        })
        .await?;
    audit::record(&operator, status.as_str(), &path);
    answers::done()
}

/// Lets a verification event be the next token of a stream.
#[utoipa::path(post, path = "/set-streams/{id}/verify", tag = "set-streams", request_body = Verification,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The event will be delivered")))]
pub(super) async fn verify(operator: Operator, names: Names, input: Input<Verification>) -> Answer {
    operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            let state = input.value.state.as_deref();
            registration::verify(&*work.management.store, stream.id, state, clock::now())?;
            Ok(())
        })
        .await?;
    answers::done()
}

/// Acknowledges tokens and returns the next ones (RFC 8936). Without tokens, the answer waits up to 30 seconds for them,
/// unless `returnImmediately` is true.
#[utoipa::path(post, path = "/set-streams/{id}/poll", tag = "set-streams", request_body = PollInput,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 200, description = "The tokens", body = PolledSets)))]
pub(super) async fn poll(operator: Operator, names: Names, input: Input<Value>) -> Answer {
    let invalid = |error| Problem::malformed(format!("{error}"));
    let mut request = PollRequest::parse(&input.bytes).map_err(invalid)?;
    let parts = parts(&operator)?;
    let stream = operator.call(move |work| work.stream(&names)).await?;
    let mut waiter = parts.feed.waiter().map_err(PollError::from)?;
    let end = Instant::now() + POLL_TIMEOUT;
    loop {
        let (parts, asked) = (parts.clone(), request.clone());
        let left = end.saturating_duration_since(Instant::now());
        let attempt = operator
            .call(move |_| Ok(attempt(&parts, stream.id, &asked, left <= LOOK, clock::now())?))
            .await?;
        if attempt.is_final || left.is_zero() {
            return answers::json(&attempt.answer.to_json());
        }
        request.acknowledged();
        if !attempt.is_behind {
            // An elapsed time leads to a look at the events about the stream.
            let _ = timeout(left.min(LOOK), waiter.changed(attempt.visible_up_to)).await;
        }
    }
}
