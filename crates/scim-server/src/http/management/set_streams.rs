//! The handlers of `/set-streams`: what operators see and change, and the polls of receivers.

mod settings;

use std::time::Instant;

use actix_web::rt::time::timeout;
use scim_model::store::{Claim, DeliveryAttempt, SetStream, SetStreamState, SetStreamStatus, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use self::settings::{StreamInput, StreamPatch, check_name};
use super::action::{Acted, Action};
use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::preconditions::{IfMatch, tag};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::delivery::security_events::poll::{
    InvalidPoll, LOOK, POLL_TIMEOUT, PollError, PollRequest, attempt,
};
use crate::delivery::security_events::registration::{self, Continue, StreamError};
use crate::delivery::security_events::{KeyRingError, StreamParts};
use crate::management::set_streams::{RefusedToken, StreamView, TokenDelivery};

/// The most refused tokens that are shown with a stream.
const SHOWN: u32 = 100;

/// The most attempts that are shown with a stream.
const SHOWN_DELIVERIES: u32 = 20;

/// A stream with the latest tokens that its receiver refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownStream {
    #[serde(flatten)]
    view: StreamView,
    /// The latest tokens that the receiver refused, latest first.
    refused: Vec<RefusedToken>,
    /// The latest attempts to send tokens, latest first; none for a receiver that polls.
    deliveries: Vec<TokenDelivery>,
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

/// The way in which a stream is enabled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamStart {
    /// The reason, which the stream shows.
    #[serde(default)]
    reason: String,
    /// Where the stream continues instead: `now`, `oldest`, or after a position of the journal.
    from: Option<String>,
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

/// Returns the entity tag of a stream, which changes with every change by an operator.
fn tag_of(stream: &SetStream) -> String {
    tag(&(stream.id, stream.revision))
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
    Problem::not_found(format!("there is no stream `{}`", names.id)).at("id")
}

impl From<StreamError> for Problem {
    fn from(error: StreamError) -> Problem {
        match error {
            StreamError::NoStream(_) => Problem::not_found(error.to_string()).at("id"),
            StreamError::Gone { reason, oldest, .. } => {
                Problem::gone(error.to_string(), reason.as_str(), oldest.to_string()).at("from")
            }
            StreamError::Key(KeyRingError::Waiting(..)) => {
                Problem::conflict(error.to_string()).at("algorithm")
            }
            StreamError::Invalid { field, detail } => Problem::invalid(field, detail),
            StreamError::Stale => Problem::stale(),
            StreamError::TooSoon => Problem::too_soon(error.to_string()),
            StreamError::Store(error) => error.into(),
            StreamError::File(_) | StreamError::Key(_) => Problem::internal(error.to_string()),
        }
    }
}

impl From<InvalidPoll> for Problem {
    fn from(error: InvalidPoll) -> Problem {
        let problem = Problem::malformed(error.to_string());
        match error.member {
            Some(member) => problem.at(member),
            None => problem,
        }
    }
}

impl From<PollError> for Problem {
    fn from(error: PollError) -> Problem {
        match error {
            PollError::NoStream(_) => Problem::not_found(error.to_string()).at("id"),
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
    check_name(&value.name)?;
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
        tag: Some(tag_of(&it)),
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
    let (shown, tag) = operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            let store = &work.management.store;
            let refused = store.refused_sets(stream.id, SHOWN)?;
            let attempts = store.set_attempts(stream.id, None, SHOWN_DELIVERIES)?;
            let shown = ShownStream {
                view: StreamView::of(&stream, &work.tenants()?),
                refused: refused.into_iter().map(RefusedToken::from).collect(),
                deliveries: deliveries_of(work, attempts),
            };
            Ok((shown, tag_of(&stream)))
        })
        .await?;
    answers::json_with_tag(&shown, tag)
}

fn deliveries_of(work: &Work, attempts: Vec<DeliveryAttempt>) -> Vec<TokenDelivery> {
    let shows_responses = work.may_read_responses();
    let attempts = attempts.into_iter();
    attempts
        .map(|it| TokenDelivery::of(it, shows_responses))
        .collect()
}

/// Changes the settings of a stream. They apply to the tokens that are made from then on.
#[utoipa::path(patch, path = "/set-streams/{id}", tag = "set-streams", request_body = StreamPatch, params(
    ("id" = String, Path, description = "The id of the stream"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the stream as it was read"),
), responses((status = 200, description = "The stream after the change", body = StreamView)))]
pub(super) async fn set(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<StreamPatch>,
) -> Answer {
    let path = format!("/set-streams/{}", names.id);
    let parts = parts(&operator)?;
    let (view, tag) = operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            condition.check(&tag_of(&stream))?;
            let change = input.value.checked(work, &stream)?;
            let ring = &parts.security_events.ring;
            registration::change_settings(&*parts.store, ring, &parts.keys, &stream, change, clock::now())?;
            let changed = work.stream(&names)?;
            Ok((StreamView::of(&changed, &work.tenants()?), tag_of(&changed)))
        })
        .await?;
    audit::record(&operator, "change", &path);
    answers::json_with_tag(&view, tag)
}

/// Lists the attempts to send tokens of a stream, latest first.
#[utoipa::path(get, path = "/set-streams/{id}/deliveries", tag = "set-streams", params(
    ("id" = String, Path, description = "The id of the stream"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of deliveries", body = Items<TokenDelivery>)))]
pub(super) async fn deliveries(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            let store = &work.management.store;
            let shows_responses = work.may_read_responses();
            paging.read_page(
                |before: Option<Uuid>, limit| store.set_attempts(stream.id, before, limit),
                |it: &DeliveryAttempt| it.id.to_string(),
                |it| TokenDelivery::of(it, shows_responses),
            )
        })
        .await?;
    answers::json(&page)
}

/// Deletes a stream.
#[utoipa::path(delete, path = "/set-streams/{id}", tag = "set-streams", params(
    ("id" = String, Path, description = "The id of the stream"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the stream as it was read"),
), responses((status = 204, description = "The stream is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = format!("/set-streams/{}", names.id);
    operator
        .call(move |work| {
            let stream = work.stream(&names)?;
            condition.check(&tag_of(&stream))?;
            Ok(work.management.store.delete_set_stream(stream.id)?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}

/// Delivers the tokens of a stream again. A stream that was paused continues where it stopped, and one that was disabled
/// with the events after now.
#[utoipa::path(post, path = "/set-streams/{id}/enable", tag = "set-streams", request_body = StreamStart,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is enabled")))]
pub(super) async fn enable(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<StreamStart>,
) -> Answer {
    let StreamStart { reason, from } = input.value;
    let from = from.as_deref().map_or(Ok(Continue::Here), str::parse);
    let from = from.map_err(|error| Problem::invalid("from", error))?;
    let change = (SetStreamStatus::Enabled, reason, from);
    set_state(operator, names, action, &input.bytes, change).await
}

/// Keeps the tokens of a stream, and delivers none.
#[utoipa::path(post, path = "/set-streams/{id}/pause", tag = "set-streams", request_body = StateReason,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is paused")))]
pub(super) async fn pause(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<StateReason>,
) -> Answer {
    let change = (SetStreamStatus::Paused, input.value.reason, Continue::Here);
    set_state(operator, names, action, &input.bytes, change).await
}

/// Neither keeps nor delivers the tokens of a stream.
#[utoipa::path(post, path = "/set-streams/{id}/disable", tag = "set-streams", request_body = StateReason,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The stream is disabled")))]
pub(super) async fn disable(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<StateReason>,
) -> Answer {
    let change = (SetStreamStatus::Disabled, input.value.reason, Continue::Here);
    set_state(operator, names, action, &input.bytes, change).await
}

async fn set_state(
    operator: Operator,
    names: Names,
    action: Action,
    body: &[u8],
    (status, reason, from): (SetStreamStatus, String, Continue),
) -> Answer {
    if scim_model::store::check_label(&reason).is_err() {
        return Err(Problem::invalid("reason", "expected a line of text"));
    }
    let audited = (status.as_str(), format!("/set-streams/{}", names.id));
    let act = move |work: &Work, once: &Claim| {
        let stream = work.stream(&names)?;
        let state = SetStreamState {
            status,
            reason: reason.clone(),
            since: once.at,
        };
        let store = &*work.management.store;
        registration::change_state(store, store, stream.id, &state, from)?;
        Ok(Acted::done())
    };
    let again = |_: &Work, _: &Claim| Ok(Acted::done());
    action.answer(&operator, body, audited, act, again).await
}

/// Lets a verification event be the next token of a stream.
#[utoipa::path(post, path = "/set-streams/{id}/verify", tag = "set-streams", request_body = Verification,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 204, description = "The event will be delivered")))]
pub(super) async fn verify(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<Verification>,
) -> Answer {
    let audited = ("verify", format!("/set-streams/{}", names.id));
    let Input { value, bytes } = input;
    let act = move |work: &Work, once: &Claim| {
        let stream = work.stream(&names)?;
        registration::verify(
            &*work.management.store,
            stream.id,
            value.state.as_deref(),
            once.at,
        )?;
        Ok(Acted::done())
    };
    let again = |_: &Work, _: &Claim| Ok(Acted::done());
    action.answer(&operator, &bytes, audited, act, again).await
}

/// Acknowledges tokens and returns the next ones (RFC 8936). Without tokens, the answer waits up to 30 seconds for them,
/// unless `returnImmediately` is true.
#[utoipa::path(post, path = "/set-streams/{id}/poll", tag = "set-streams", request_body = PollInput,
    params(("id" = String, Path, description = "The id of the stream")),
    responses((status = 200, description = "The tokens", body = PolledSets)))]
pub(super) async fn poll(operator: Operator, names: Names, input: Input<Value>) -> Answer {
    let mut request = PollRequest::parse(&input.bytes)?;
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
