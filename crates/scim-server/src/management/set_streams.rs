//! Streams of security event tokens as operators see them.

use scim_model::store::{DeliveryAttempt, RefusedSet, SetDelivery, SetStream, Tenant};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Timestamp;

/// A stream as operators see it, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// The id.
    pub id: Uuid,
    /// The name that tells the stream from others.
    pub name: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// The audience of the tokens.
    pub audience: String,
    /// The names of the tenants whose events the stream has; `null` for all tenants.
    pub tenants: Option<Vec<String>>,
    /// The URIs of the events.
    pub events: Vec<String>,
    /// The way to the receiver: `push` or `poll`.
    pub delivery: &'static str,
    /// The URL of the receiver that the server sends the tokens to.
    pub url: Option<String>,
    /// Whether the requests to the receiver have a header `Authorization`.
    pub has_authorization: bool,
    /// The algorithm of the signatures.
    pub algorithm: String,
    /// Whether the subjects contain the `userName` of users.
    pub with_user_name: bool,
    /// The kind of subject of tokens that end sessions.
    pub revoked_subject: String,
    /// The issuer of the accounts in such tokens.
    pub account_issuer: String,
    /// `enabled`, `paused` or `disabled`.
    pub state: &'static str,
    /// The reason for the state; it may be empty.
    pub reason: String,
    /// The time of the last change of the state.
    pub since: Timestamp,
    /// The position in the journal after which tokens are unfinished.
    pub position: String,
    /// The time of the first failure after the last success; `null` if the last request succeeded.
    pub failing_since: Option<Timestamp>,
    /// Time of creation.
    pub created: Timestamp,
}

/// A token that a receiver refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedToken {
    /// The identity of the token.
    pub jti: String,
    /// The word of the receiver for the reason.
    pub error: String,
    /// The reason in the words of the receiver.
    pub description: String,
    /// Time of the refusal.
    pub at: Timestamp,
}

/// An attempt to send a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenDelivery {
    /// The identity of the token.
    pub jti: String,
    /// The time of the request.
    pub at: Timestamp,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The status of the response; `null` without one.
    pub status: Option<u16>,
    /// The time until the end of the response, in milliseconds.
    pub milliseconds: i64,
    /// Why there was no response, or why it was not accepted; `null` if the token was delivered.
    pub error: Option<String>,
    /// The beginning of the body of the response; `null` for operators who must not read it.
    pub response: Option<String>,
}

impl TokenDelivery {
    /// Returns what operators see of an attempt.
    pub fn of(attempt: DeliveryAttempt, shows_response: bool) -> TokenDelivery {
        TokenDelivery {
            jti: attempt.message,
            at: attempt.at.into(),
            attempt: attempt.attempt,
            status: attempt.status,
            milliseconds: attempt.milliseconds,
            error: attempt.error,
            response: shows_response.then_some(attempt.response),
        }
    }
}

impl StreamView {
    /// Returns the view of a stream. Deleted tenants are left out.
    pub fn of(stream: &SetStream, tenants: &[Tenant]) -> StreamView {
        let settings = &stream.settings;
        let (delivery, url, has_authorization) = match &settings.delivery {
            SetDelivery::Push { url, authorization } => ("push", Some(url.clone()), authorization.is_some()),
            SetDelivery::Poll => ("poll", None, false),
        };
        let names = settings.tenants.as_ref().map(|ids| {
            let chosen = tenants.iter().filter(|it| ids.contains(&it.id));
            chosen.map(|it| it.name.clone()).collect()
        });
        StreamView {
            id: stream.id,
            name: settings.name.clone(),
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            tenants: names,
            events: settings.events.clone(),
            delivery,
            url,
            has_authorization,
            algorithm: settings.algorithm.clone(),
            with_user_name: settings.with_user_name,
            revoked_subject: settings.revoked_subject.clone(),
            account_issuer: settings.account_issuer.clone(),
            state: stream.state.status.as_str(),
            reason: stream.state.reason.clone(),
            since: stream.state.since.into(),
            position: stream.position.to_string(),
            failing_since: stream.health.failing_since.map(Timestamp),
            created: stream.created.into(),
        }
    }
}

impl From<RefusedSet> for RefusedToken {
    fn from(refused: RefusedSet) -> RefusedToken {
        RefusedToken {
            jti: refused.jti,
            error: refused.error,
            description: refused.description,
            at: refused.at.into(),
        }
    }
}
