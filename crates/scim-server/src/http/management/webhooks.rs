//! The handlers of `/webhooks`.

pub(super) mod history;
mod replay;
mod settings;

use chrono::TimeDelta;
use scim_model::store::{Claim, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use self::replay::{Queued, Replay, Replayed};
use self::settings::{NewWebhook, WebhookPatch};
use super::action::{Acted, Action};
use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, NoInput, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::preconditions::{IfMatch, tag};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::delivery::webhooks::registration::{
    self, LONGEST_ROTATION_OVERLAP, ROTATION_OVERLAP, RegistrationError,
};
use crate::delivery::webhooks::replays;
use crate::management::Timestamp;
use crate::management::webhooks::{DeadLetter, DeliveryView, WebhookView};

/// Messages that were given up, and deliveries, that an answer contains.
const SHOWN: u32 = 20;

/// The most waiting messages that are counted.
const COUNTED: u32 = 10_000;

/// An endpoint that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedWebhook {
    #[serde(flatten)]
    view: WebhookView,
    /// The secret that the receiver verifies signatures with. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// A problem that may go away, such as a host that does not exist now.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// An endpoint after a change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedWebhook {
    #[serde(flatten)]
    view: WebhookView,
    /// A problem that may go away, such as a host that does not exist now.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// An endpoint with its messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookDetails {
    #[serde(flatten)]
    view: WebhookView,
    /// The number of stored messages that wait for a later attempt, up to 10000.
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

/// Returns the entity tag of an endpoint, which changes with every change by an operator, and when the endpoint is disabled.
fn tag_of(webhook: &Webhook) -> String {
    let secrets: Vec<Uuid> = webhook.secrets.iter().map(|it| it.id).collect();
    tag(&(webhook.id, webhook.revision, webhook.disabled.is_some(), secrets))
}

impl From<RegistrationError> for Problem {
    fn from(error: RegistrationError) -> Problem {
        match error {
            RegistrationError::Invalid { field, detail } => Problem::invalid(field, detail),
            RegistrationError::NoEndpoint(_) => Problem::not_found(error.to_string()).at("id"),
            RegistrationError::Stale => Problem::stale(),
            RegistrationError::Disabled(_) | RegistrationError::Key(_) => {
                Problem::conflict(error.to_string())
            }
            RegistrationError::Feed(error) => error.into(),
            RegistrationError::Store(error) => error.into(),
            RegistrationError::Random(error) => Problem::internal(error.to_string()),
        }
    }
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

    pub(super) fn webhook(&self, names: &Names) -> Result<Webhook, Problem> {
        let mut webhooks = self.webhooks()?.into_iter();
        let found = webhooks.find(|it| Some(it.id) == names.uuid());
        found.ok_or_else(|| {
            Problem::not_found(format!("there is no webhook endpoint `{}`", names.id)).at("id")
        })
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
    let create = move |work: &Work, id: Uuid| {
        let (new, warning) = value.checked(work, id)?;
        let parts = &work.management.webhooks;
        let store = &*work.management.store;
        let secret = registration::create(store, &parts.feed, &parts.keys, new, clock::now())?;
        let webhook = registration::find_endpoint(store, id)?;
        created(work, &webhook, Some(secret.to_text()), warning)
    };
    let find = move |work: &Work, id: Uuid| {
        let webhook = work.webhooks()?.into_iter().find(|it| it.id == id);
        webhook.map(|it| created(work, &it, None, None)).transpose()
    };
    creation.answer(&operator, &bytes, create, find).await
}

fn created(
    work: &Work,
    webhook: &Webhook,
    secret: Option<String>,
    warning: Option<String>,
) -> Result<Created, Problem> {
    let view = work.webhook_view(webhook)?;
    Ok(Created {
        path: format!("/webhooks/{}", webhook.id),
        body: json!(IssuedWebhook {
            view,
            secret,
            warning
        }),
        tag: Some(tag_of(webhook)),
    })
}

/// Shows an endpoint with the latest messages that were given up and the latest deliveries.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, description = "The endpoint", body = WebhookDetails)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let (details, tag) = operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            let store = &work.management.store;
            let dead = store.webhook_messages(webhook.id, true, None, SHOWN)?;
            let deliveries = store.webhook_deliveries(webhook.id, None, SHOWN)?;
            let shows_responses = work.may_read_responses();
            let shown = deliveries.iter().map(|it| DeliveryView::of(it, shows_responses));
            let details = WebhookDetails {
                view: work.webhook_view(&webhook)?,
                waiting: store.webhook_messages(webhook.id, false, None, COUNTED)?.len(),
                dead_letters: dead.iter().map(DeadLetter::of).collect(),
                deliveries: shown.collect(),
            };
            Ok((details, tag_of(&webhook)))
        })
        .await?;
    answers::json_with_tag(&details, tag)
}

/// Changes an endpoint. The new values apply to all messages that are sent from then on.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", request_body = WebhookPatch, params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the endpoint as it was read"),
), responses((status = 200, description = "The endpoint after the change", body = ChangedWebhook)))]
pub(super) async fn change(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<WebhookPatch>,
) -> Answer {
    let path = format!("/webhooks/{}", names.id);
    let (changed, tag) = operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            condition.check(&tag_of(&webhook))?;
            let (change, warning) = input.value.checked(work)?;
            let parts = &work.management.webhooks;
            let store = &*work.management.store;
            registration::change(store, &parts.feed, &parts.keys, &webhook, change, clock::now())?;
            let webhook = work.webhook(&names)?;
            let view = work.webhook_view(&webhook)?;
            Ok((ChangedWebhook { view, warning }, tag_of(&webhook)))
        })
        .await?;
    audit::record(&operator, "change", &path);
    answers::json_with_tag(&changed, tag)
}

/// Sends a test to an endpoint. Its delivery appears among the deliveries.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 202, description = "The message that is sent", body = Queued)))]
pub(super) async fn test(operator: Operator, names: Names, action: Action, _: NoInput) -> Answer {
    let audited = ("test", format!("/webhooks/{}", names.id));
    let queued = |once: &Claim| {
        Acted::accepted(&Queued {
            message: Some(registration::test_message(once.object).to_string()),
            after: None,
        })
    };
    let test = move |work: &Work, once: &Claim| {
        let id = work.webhook(&names)?.id;
        registration::test(&*work.management.store, id, once.object, once.at)?;
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
                replays::one(store, store, id, message, once.at)?;
            }
            Replayed::After(event) => {
                replays::all_after(store, feed, id, Some(*event))?;
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
        let secret = registration::rotate_secret(&*work.management.store, keys, id, overlap, once.at)?;
        Ok(rotated(id, once, Some(secret.to_text())))
    };
    let again = move |work: &Work, earlier: &Claim| Ok(rotated(work.webhook(&of)?.id, earlier, None));
    action
        .answer(&operator, &input.bytes, audited, rotate, again)
        .await
}

/// Sends nothing to an endpoint until it is enabled.
#[utoipa::path(post, path = "/webhooks/{id}/disable", tag = "webhooks", params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the endpoint as it was read"),
), responses((status = 200, description = "The endpoint", body = WebhookView)))]
pub(super) async fn disable(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    action: Action,
    _: NoInput,
) -> Answer {
    let audited = ("disable", format!("/webhooks/{}", names.id));
    let of = names.clone();
    let disable = move |work: &Work, once: &Claim| {
        let webhook = work.webhook(&names)?;
        condition.check(&tag_of(&webhook))?;
        registration::disable(&*work.management.store, webhook.id, once.at)?;
        shown(work, &names)
    };
    let again = move |work: &Work, _: &Claim| shown(work, &of);
    action.answer(&operator, &[], audited, disable, again).await
}

/// Enables an endpoint, which continues where it stopped.
#[utoipa::path(post, path = "/webhooks/{id}/enable", tag = "webhooks", request_body = Enabling, params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the endpoint as it was read"),
), responses((status = 200, description = "The endpoint", body = WebhookView)))]
pub(super) async fn enable(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    action: Action,
    input: Input<Enabling>,
) -> Answer {
    let audited = ("enable", format!("/webhooks/{}", names.id));
    let of = names.clone();
    let Input { value, bytes } = input;
    let enable = move |work: &Work, _: &Claim| {
        let webhook = work.webhook(&names)?;
        condition.check(&tag_of(&webhook))?;
        let (store, feed) = (&*work.management.store, &work.management.webhooks.feed);
        registration::enable(store, feed, webhook.id, value.from_now)?;
        shown(work, &names)
    };
    let again = move |work: &Work, _: &Claim| shown(work, &of);
    action.answer(&operator, &bytes, audited, enable, again).await
}

fn shown(work: &Work, names: &Names) -> Result<Acted, Problem> {
    let webhook = work.webhook(names)?;
    Ok(Acted::object(&work.webhook_view(&webhook)?).with_tag(tag_of(&webhook)))
}

/// Deletes an endpoint.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(
    ("id" = String, Path, description = "The id of the endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the endpoint as it was read"),
), responses((status = 204, description = "The endpoint is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = format!("/webhooks/{}", names.id);
    operator
        .call(move |work| {
            let webhook = work.webhook(&names)?;
            condition.check(&tag_of(&webhook))?;
            match work.management.store.delete_webhook(webhook.id)? {
                true => Ok(()),
                false => Err(RegistrationError::NoEndpoint(webhook.id).into()),
            }
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
