//! The handlers of `/webhooks`.

mod replay;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use scim_model::store::{Claim, Tenant, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use self::replay::{Queued, Replay, Replayed};
use super::action::{Acted, Action};
use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::delivery::filter::TypePattern;
use crate::delivery::webhooks::registration::{
    self, Header, LONGEST_ROTATION_OVERLAP, NewEndpoint, ROTATION_OVERLAP, RegistrationError,
};
use crate::management::webhooks::{DeadLetter, DeliveryView, View, WebhookView};
use crate::management::{ManagementError, Timestamp};

/// Messages that were given up, and deliveries, that an answer contains.
const SHOWN: u32 = 20;

/// The most deliveries in a list.
const MOST_DELIVERIES: u64 = 1000;

/// The most waiting messages that are counted.
const COUNTED: u32 = 10_000;

/// An endpoint to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// The URL that gets the messages.
    url: String,
    /// The names of the tenants whose events the endpoint gets; `null` for all.
    tenants: Option<Vec<String>>,
    /// The types of events, such as `user.deactivated` or `group.*`; empty for all.
    #[serde(default)]
    types: Vec<String>,
    /// The content of messages.
    #[serde(default)]
    view: View,
    /// Headers that the requests have in addition, for example `Authorization`. They are stored sealed.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// An endpoint that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedWebhook {
    #[serde(flatten)]
    view: WebhookView,
    /// The secret that the receiver verifies signatures with. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// A problem that may go away, such as a target that the server does not permit now.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// An endpoint with its messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookDetails {
    #[serde(flatten)]
    view: WebhookView,
    /// The number of messages that wait for a later attempt, up to 10000.
    waiting: usize,
    /// The latest messages that were given up.
    dead_letters: Vec<DeadLetter>,
    /// The latest deliveries, latest first.
    deliveries: Vec<DeliveryView>,
}

/// The rotation of a secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretRotation {
    /// The time for which the other secrets sign too, in seconds, up to 7 days.
    #[serde(default = "usual_overlap")]
    #[schema(default = 86400, maximum = 604800)]
    overlap_seconds: u32,
}

fn usual_overlap() -> u32 {
    u32::try_from(ROTATION_OVERLAP.num_seconds()).unwrap_or(u32::MAX)
}

/// A new secret of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotatedSecret {
    /// The id of the endpoint.
    id: Uuid,
    /// The secret. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The time until which the other secrets sign too.
    others_expire: Timestamp,
}

/// The way in which an endpoint is enabled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Enabling {
    /// Skip the events up to now.
    #[serde(default)]
    from_now: bool,
}

impl Work<'_> {
    /// Returns the endpoints that get no events of tenants that the key must not see.
    fn webhooks(&self) -> Result<Vec<Webhook>, Problem> {
        let mut webhooks = self.management.store.webhooks()?;
        if let Some(limits) = &self.key.tenants {
            webhooks.retain(|it| {
                let ids = it.settings.tenants.as_ref();
                ids.is_some_and(|ids| ids.iter().all(|id| limits.iter().any(|it| it.id == *id)))
            });
        }
        Ok(webhooks)
    }

    fn webhook(&self, names: &Names) -> Result<Webhook, Problem> {
        let mut webhooks = self.webhooks()?.into_iter();
        let found = webhooks.find(|it| Some(it.id) == names.uuid());
        found.ok_or_else(|| Problem::not_found(format!("there is no webhook endpoint `{}`", names.id)))
    }

    fn webhook_view(&self, webhook: &Webhook) -> Result<WebhookView, Problem> {
        let tenants = self.management.store.tenants()?;
        Ok(WebhookView::of(webhook, &tenants, clock::now()))
    }
}

/// Lists the endpoints in order of creation, without their secrets.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of endpoints", body = Items<WebhookView>)))]
pub(super) async fn list(operator: Operator, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let (tenants, now) = (work.management.store.tenants()?, clock::now());
            let key = |it: &Webhook| by_creation(it.created, it.id);
            Ok(paging.page(work.webhooks()?, key, |it| WebhookView::of(&it, &tenants, now)))
        })
        .await?;
    answers::json(&page)
}

/// Creates an endpoint that gets the events after now. The answer shows its secret once.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, description = "The endpoint", body = IssuedWebhook)))]
pub(super) async fn create(operator: Operator, creation: Creation, input: Input<NewWebhook>) -> Answer {
    let Input { value, bytes } = input;
    let created = |view: WebhookView, secret: Option<String>, warning: Option<String>| Created {
        path: format!("/webhooks/{}", view.id),
        body: json!(IssuedWebhook {
            view,
            secret,
            warning
        }),
    };
    let create = move |work: &Work, id: Uuid| {
        let parts = &work.management.webhooks;
        let url = value.url.trim();
        let refused = registration::check_url(url, &parts.egress)
            .map_err(|error| Problem::invalid("url", error.to_string()))?;
        let new = NewEndpoint {
            id,
            url: url.to_owned(),
            tenants: chosen(work, value.tenants.as_deref())?
                .map(|tenants| tenants.iter().map(|it| it.id).collect()),
            types: types(&value.types)?,
            full: value.view == View::Full,
            headers: headers(&value.headers)?,
        };
        let store = &*work.management.store;
        let secret = registration::create(store, &parts.feed, &parts.keys, new, clock::now());
        let secret = secret.map_err(|error| refusal("headers", error))?;
        let webhook = registration::find_endpoint(store, id).map_err(ManagementError::from)?;
        let warning = refused.map(|it| format!("{it}; the server decides at each attempt"));
        Ok(created(
            work.webhook_view(&webhook)?,
            Some(secret.to_text()),
            warning,
        ))
    };
    let find = move |work: &Work, id: Uuid| {
        let webhook = work.webhooks()?.into_iter().find(|it| it.id == id);
        let view = webhook.map(|it| work.webhook_view(&it)).transpose()?;
        Ok(view.map(|it| created(it, None, None)))
    };
    creation.answer(&operator, &bytes, create, find).await
}

/// Returns the tenants of a new endpoint; `None` for all.
fn chosen(work: &Work, names: Option<&[String]>) -> Result<Option<Vec<Tenant>>, Problem> {
    let Some(names) = names else {
        return match &work.key.tenants {
            None => Ok(None),
            Some(_) => Err(Problem::invalid(
                "tenants",
                "the operator key is limited to tenants: name those of the endpoint",
            )),
        };
    };
    if names.is_empty() {
        return Err(Problem::invalid(
            "tenants",
            "expected at least one tenant, or `null` for all",
        ));
    }
    let found = names.iter().map(|name| {
        work.tenant(name)
            .map_err(|error| Problem::invalid("tenants", error.to_string()))
    });
    found.collect::<Result<_, _>>().map(Some)
}

fn types(texts: &[String]) -> Result<Vec<TypePattern>, Problem> {
    let parsed = texts.iter().map(|it| it.parse::<TypePattern>());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| Problem::invalid("types", error.to_string()))
}

fn headers(headers: &BTreeMap<String, String>) -> Result<Vec<Header>, Problem> {
    let parsed = headers.iter().map(|(name, value)| {
        let header = format!("{name}: {value}").parse::<Header>();
        header.map_err(|problem| Problem::invalid("headers", problem))
    });
    parsed.collect()
}

/// Returns the problem for an error; a value that is not permitted is that of `field`.
fn refusal(field: &str, error: RegistrationError) -> Problem {
    match error {
        RegistrationError::Invalid(text) => Problem::invalid(field, text),
        error => ManagementError::from(error).into(),
    }
}

/// Shows an endpoint with the messages that were given up and the latest deliveries.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, description = "The endpoint", body = WebhookDetails)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let details = operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            let store = &work.management.store;
            let dead = store.webhook_messages(webhook.id, true, SHOWN)?;
            let deliveries = store.webhook_deliveries(webhook.id, SHOWN)?;
            Ok(WebhookDetails {
                view: work.webhook_view(&webhook)?,
                waiting: store.webhook_messages(webhook.id, false, COUNTED)?.len(),
                dead_letters: dead.iter().map(DeadLetter::of).collect(),
                deliveries: deliveries.iter().map(DeliveryView::of).collect(),
            })
        })
        .await?;
    answers::json(&details)
}

/// Lists the latest deliveries to an endpoint, latest first.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks", params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("limit" = Option<u32>, Query, description = "The most deliveries: 100 by default, at most 1000"),
), responses((status = 200, description = "The deliveries; there is no next page", body = Items<DeliveryView>)))]
pub(super) async fn deliveries(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let limit = parameters.limit_only(MOST_DELIVERIES)?;
    let items = operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            let deliveries = work.management.store.webhook_deliveries(webhook.id, limit)?;
            Ok(deliveries.iter().map(DeliveryView::of).collect())
        })
        .await?;
    answers::json(&Items { items, next: None })
}

/// Sends a test to an endpoint. Its delivery appears among the deliveries.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 202, description = "The message that is sent", body = Queued)))]
pub(super) async fn test(operator: Operator, names: Names, action: Action) -> Answer {
    let audited = ("test", format!("/webhooks/{}", names.id));
    let queued = |once: &Claim| {
        Acted::accepted(&Queued {
            message: Some(registration::test_message(once.object).to_string()),
            after: None,
        })
    };
    let test = move |work: &Work, once: &Claim| {
        let webhook = work.webhook(&names)?;
        if let Some((reason, _)) = webhook.disabled {
            return Err(Problem::conflict(format!("the endpoint is disabled: {reason}")));
        }
        registration::test(&*work.management.store, webhook.id, once.object, once.at)
            .map_err(ManagementError::from)?;
        Ok(queued(once))
    };
    let again = move |_: &Work, earlier: &Claim| Ok(queued(earlier));
    action.answer(&operator, &[], audited, test, again).await
}

/// Sends an event again, or all events after one, with the same ids.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", request_body = Replay,
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 202, description = "The messages that are sent", body = Queued)))]
pub(super) async fn replay(operator: Operator, names: Names, action: Action, input: Input<Replay>) -> Answer {
    let audited = ("replay", format!("/webhooks/{}", names.id));
    let Input { value, bytes } = input;
    let chosen = value.checked()?;
    let queued = chosen.queued();
    let replay = move |work: &Work, once: &Claim| {
        let id = work.webhook(&names)?.id;
        let (store, feed) = (&*work.management.store, &work.management.webhooks.feed);
        match &chosen {
            Replayed::Message(message) => {
                let sent = registration::replay(store, store, id, message, once.at);
                sent.map_err(|error| refusal("message", error))?;
            }
            Replayed::After(event) => {
                let after = registration::replay_after(store, feed, id, Some(*event));
                after.map_err(|error| match error {
                    RegistrationError::Feed(error) => error.into(),
                    error => refusal("after", error),
                })?;
            }
        }
        Ok(Acted::accepted(&chosen.queued()))
    };
    let again = move |_: &Work, _: &Claim| Ok(Acted::accepted(&queued));
    action.answer(&operator, &bytes, audited, replay, again).await
}

/// Replaces the secret of an endpoint. The answer shows the new one once; the others sign too for some time.
#[utoipa::path(post, path = "/webhooks/{id}/rotate-secret", tag = "webhooks", request_body = SecretRotation,
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, description = "The new secret", body = RotatedSecret)))]
pub(super) async fn rotate_secret(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<SecretRotation>,
) -> Answer {
    let audited = ("rotate secret of", format!("/webhooks/{}", names.id));
    let overlap = TimeDelta::seconds(i64::from(input.value.overlap_seconds));
    if overlap > LONGEST_ROTATION_OVERLAP {
        let text = format!("expected at most {}", LONGEST_ROTATION_OVERLAP.num_seconds());
        return Err(Problem::invalid("overlapSeconds", text));
    }
    let of = names.clone();
    let rotated = move |id, once: &Claim, secret: Option<String>| {
        Acted::object(&RotatedSecret {
            id,
            secret,
            others_expire: (once.at + overlap).into(),
        })
    };
    let rotate = move |work: &Work, once: &Claim| {
        let id = work.webhook(&names)?.id;
        let keys = &work.management.webhooks.keys;
        let secret = registration::rotate_secret(&*work.management.store, keys, id, overlap, once.at);
        let secret = secret.map_err(|error| refusal("overlapSeconds", error))?;
        Ok(rotated(id, once, Some(secret.to_text())))
    };
    let again = move |work: &Work, earlier: &Claim| Ok(rotated(work.webhook(&of)?.id, earlier, None));
    action
        .answer(&operator, &input.bytes, audited, rotate, again)
        .await
}

/// Sends nothing to an endpoint until it is enabled.
#[utoipa::path(post, path = "/webhooks/{id}/disable", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, description = "The endpoint", body = WebhookView)))]
pub(super) async fn disable(operator: Operator, names: Names, action: Action) -> Answer {
    let audited = ("disable", format!("/webhooks/{}", names.id));
    let of = names.clone();
    let disable = move |work: &Work, once: &Claim| {
        let id = work.webhook(&names)?.id;
        let store = &work.management.store;
        store.disable_webhook(id, "by an operator", once.at)?;
        shown(work, &names)
    };
    let again = move |work: &Work, _: &Claim| shown(work, &of);
    action.answer(&operator, &[], audited, disable, again).await
}

/// Enables an endpoint, which continues where it stopped.
#[utoipa::path(post, path = "/webhooks/{id}/enable", tag = "webhooks", request_body = Enabling,
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, description = "The endpoint", body = WebhookView)))]
pub(super) async fn enable(
    operator: Operator,
    names: Names,
    action: Action,
    input: Input<Enabling>,
) -> Answer {
    let audited = ("enable", format!("/webhooks/{}", names.id));
    let of = names.clone();
    let Input { value, bytes } = input;
    let enable = move |work: &Work, _: &Claim| {
        let id = work.webhook(&names)?.id;
        let (store, feed) = (&*work.management.store, &work.management.webhooks.feed);
        registration::enable(store, feed, id, value.from_now).map_err(ManagementError::from)?;
        shown(work, &names)
    };
    let again = move |work: &Work, _: &Claim| shown(work, &of);
    action.answer(&operator, &bytes, audited, enable, again).await
}

fn shown(work: &Work, names: &Names) -> Result<Acted, Problem> {
    let view = work.webhook_view(&work.webhook(names)?)?;
    Ok(Acted::object(&view))
}

/// Deletes an endpoint.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 204, description = "The endpoint is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names) -> Answer {
    let path = format!("/webhooks/{}", names.id);
    operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            match work.management.store.delete_webhook(webhook.id)? {
                true => Ok(()),
                false => Err(ManagementError::from(RegistrationError::NoEndpoint(webhook.id)).into()),
            }
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
