//! The settings of streams in requests.

use std::str::FromStr;

use scim_model::store::SetStream;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::input::nullable;
use super::super::operator::Work;
use super::super::problem::Problem;
use crate::delivery::security_events::EventUri;
use crate::delivery::security_events::registration::{NewDelivery, NewStream, StreamChange};

/// A stream to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamInput {
    /// A name that tells the stream from others.
    #[serde(default)]
    pub(super) name: String,
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
    pub(super) fn checked(&self, work: &Work, id: Uuid) -> Result<NewStream, Problem> {
        let server = &work.management.endpoint.settings;
        let issuer = self.issuer.clone().unwrap_or_else(|| server.issuer.clone());
        if self.tenants.is_none() && work.key.tenants.is_some() {
            return Err(Problem::limited_key());
        }
        let tenant = |name: &String| {
            let found = work.tenant(name).map(|it| it.id);
            found.map_err(|error| Problem::invalid("tenants", error.to_string()))
        };
        let tenants = self.tenants.as_ref().map(|it| it.iter().map(tenant).collect());
        let events = listed(&self.events)?;
        Ok(NewStream {
            id,
            name: self.name.clone(),
            issuer,
            audience: self.audience.clone(),
            tenants: tenants.transpose()?,
            events,
            delivery: self.delivery(work)?,
            algorithm: parsed("algorithm", self.algorithm.as_deref())?,
            with_user_name: self.with_user_name,
            revoked_subject: parsed("revokedSubject", self.revoked_subject.as_deref())?,
            account_issuer: self.account_issuer.clone(),
            own_audiences: vec![server.issuer.clone(), server.token_endpoint.clone()],
        })
    }

    fn delivery(&self, work: &Work) -> Result<NewDelivery, Problem> {
        let Some(url) = &self.url else {
            return match self.authorization {
                None => Ok(NewDelivery::Poll),
                Some(_) => Err(Problem::invalid("authorization", "the stream has no `url`")),
            };
        };
        check_url(work, url)?;
        Ok(NewDelivery::Push {
            url: url.clone(),
            authorization: self.authorization.clone(),
        })
    }
}

fn check_url(work: &Work, url: &str) -> Result<(), Problem> {
    match work.management.egress.check(url) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::invalid("url", error.to_string())),
    }
}

fn listed(events: &[String]) -> Result<Vec<EventUri>, Problem> {
    EventUri::list(&events.join(",")).map_err(|error| Problem::invalid("events", error.to_string()))
}

/// A change of a stream. The members that are missing stay as they are, and `null` restores the value that a new stream
/// has without the member. The audience and the tenants always stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamPatch {
    /// A name that tells the stream from others.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// The issuer of the tokens, an `https` URL; `null` for that of the authorization server.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    issuer: Option<Option<String>>,
    /// The URIs of the events, or `notice`, `full` and `caep`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Option<Vec<String>>>,
    /// The URL that the server sends the tokens to; `null` for a receiver that polls.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    url: Option<Option<String>>,
    /// The value of the header `Authorization` of these requests; `null` for none. It is never shown.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    authorization: Option<Option<String>>,
    /// `RS256` or `ES256`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    algorithm: Option<Option<String>>,
    /// Whether the subjects contain the `userName` of users.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<bool>)]
    with_user_name: Option<Option<bool>>,
    /// The account whose sessions end: `externalId`, `userName` or `email`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    revoked_subject: Option<Option<String>>,
    /// The issuer of these accounts; `null` for the issuer of the tokens.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    account_issuer: Option<Option<String>>,
}

impl StreamPatch {
    pub(super) fn checked(self, work: &Work, stream: &SetStream) -> Result<StreamChange, Problem> {
        if let Some(Some(url)) = &self.url {
            check_url(work, url)?;
        }
        let name = self.name.map(Option::unwrap_or_default);
        if let Some(name) = &name {
            check_name(name)?;
        }
        let of_server = &work.management.endpoint.settings.issuer;
        let issuer = self.issuer.map(|it| it.unwrap_or_else(|| of_server.clone()));
        let of_tokens = issuer.as_ref().unwrap_or(&stream.settings.issuer);
        let account_issuer = self
            .account_issuer
            .map(|it| it.unwrap_or_else(|| of_tokens.clone()));
        let events = self.events.map(|it| listed(&it.unwrap_or_else(usual_events)));
        let algorithm = self.algorithm.map(|it| parsed("algorithm", it.as_deref()));
        let revoked_subject = self
            .revoked_subject
            .map(|it| parsed("revokedSubject", it.as_deref()));
        Ok(StreamChange {
            name,
            account_issuer,
            issuer,
            events: events.transpose()?,
            url: self.url,
            authorization: self.authorization,
            algorithm: algorithm.transpose()?,
            with_user_name: self.with_user_name.map(Option::unwrap_or_default),
            revoked_subject: revoked_subject.transpose()?,
        })
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let checked = scim_model::store::check_label(name);
    checked.map_err(|_| Problem::invalid("name", "expected a line of text"))
}

/// Reads a word, or returns the default for a missing one.
fn parsed<T: FromStr<Err = &'static str> + Default>(field: &str, text: Option<&str>) -> Result<T, Problem> {
    let parsed = text.map_or_else(|| Ok(T::default()), str::parse);
    parsed.map_err(|expected| Problem::invalid(field, expected))
}
