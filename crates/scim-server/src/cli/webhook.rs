//! `scim-server webhook`: creates, lists, tests, replays and deletes endpoints of webhooks.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{ChangeFeed, DeliveryAttempt, Directory, Tenant, TenantId, Webhook, Webhooks};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::{CreateArgs, EndpointArgs, ReplayArgs, SetWebhookArgs, View, WebhookCommand};
use super::client_keys::checked_url;
use super::{CommandError, Terminal, find_tenant, timestamp};
use crate::clock;
use crate::config::database_url::DatabaseUrl;
use crate::delivery::feed::{Feed, FeedError};
use crate::delivery::webhooks::registration::{self, EndpointChange, NewEndpoint, RegistrationError};
use crate::delivery::webhooks::replays;
use crate::management::webhooks::{DeadLetter, DeliveryView, WebhookView, tenant_names};
use crate::sealing::KeyFile;

/// Deliveries, and messages that were given up, that `show` prints.
const SHOWN: u32 = 20;

/// The most waiting messages that `show` counts.
const COUNTED: u32 = 10_000;

/// The longest time in which a running server notices a change.
const NOTICED: Duration = Duration::from_secs(3);

/// The pause between two looks for the result of a test.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run<S: Directory + Webhooks + ChangeFeed + 'static>(
    store: &Arc<S>,
    database: &DatabaseUrl,
    command: &WebhookCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let feed = Feed::new(store.clone());
    match command {
        WebhookCommand::Create(arguments) => {
            let keys = arguments.key.key_file(database);
            create(&**store, &feed, &keys, arguments, terminal)
        }
        WebhookCommand::List { json } => list(&**store, *json, terminal),
        WebhookCommand::Show(endpoint) => show(&**store, endpoint, terminal),
        WebhookCommand::Set(arguments) => {
            let keys = arguments.key.key_file(database);
            set(&**store, &feed, &keys, arguments, terminal)
        }
        WebhookCommand::Test { endpoint, wait } => {
            test(&**store, endpoint, Duration::from_secs((*wait).into()), terminal)
        }
        WebhookCommand::Replay { endpoint, what } => replay(&**store, &feed, endpoint, what, terminal),
        WebhookCommand::Rotate {
            endpoint,
            overlap,
            key,
        } => {
            let keys = key.key_file(database);
            rotate(&**store, &keys, endpoint, *overlap, terminal)
        }
        WebhookCommand::Disable(endpoint) => {
            registration::disable(&**store, endpoint.id, terminal.now)?;
            wait_for_release(&**store, endpoint.id)?;
            done(true, endpoint, "disabled", terminal)
        }
        WebhookCommand::Enable { endpoint, from_now } => {
            registration::enable(&**store, &feed, endpoint.id, *from_now)?;
            done(true, endpoint, "enabled", terminal)
        }
        WebhookCommand::Delete(endpoint) => {
            let deleted = store.delete_webhook(endpoint.id)?;
            done(deleted, endpoint, "deleted", terminal)
        }
    }
}

impl From<RegistrationError> for CommandError {
    fn from(error: RegistrationError) -> CommandError {
        match error {
            RegistrationError::Invalid { detail, .. } => CommandError::Usage(detail),
            RegistrationError::NoEndpoint(_)
            | RegistrationError::Stale
            | RegistrationError::Disabled(_)
            | RegistrationError::Key(_) => CommandError::Refused(error.to_string()),
            RegistrationError::Feed(FeedError::Store(error)) | RegistrationError::Store(error) => {
                error.into()
            }
            RegistrationError::Feed(error) => CommandError::PositionLost(error.to_string()),
            RegistrationError::Random(error) => error.into(),
        }
    }
}

fn create<S: Directory + Webhooks>(
    store: &S,
    feed: &Feed,
    keys: &KeyFile,
    arguments: &CreateArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let url = checked_url(
        "--url",
        &arguments.url,
        (&arguments.egress, &arguments.urls),
        terminal,
    )?;
    let id = clock::new_id();
    let new = NewEndpoint {
        id,
        url: url.clone(),
        tenants: chosen(store, &arguments.tenant)?,
        types: arguments.types.clone(),
        full: arguments.view == View::Full,
        headers: arguments.header.clone(),
    };
    let secret = registration::create(store, feed, keys, new, terminal.now)?;
    if arguments.json {
        let created = registration::find_endpoint(store, id)?;
        let mut shown = to_json(&created, &store.tenants()?, terminal.now);
        shown["secret"] = secret.to_text().into();
        return terminal.print(&shown);
    }
    writeln!(terminal.output, "Webhook endpoint {id}:")?;
    writeln!(terminal.output, "  URL     {url}")?;
    writeln!(terminal.output, "  secret  {} (shown only now)", secret.to_text())?;
    let test = terminal.hints.command(&format!("webhook test {id}"));
    writeln!(
        terminal.output,
        "It gets the events from now on. To try it: {test}"
    )?;
    Ok(())
}

/// Returns the tenants with these names; `None` without a name.
fn chosen(store: &impl Directory, names: &[String]) -> Result<Option<Vec<TenantId>>, CommandError> {
    let ids = names.iter().map(|name| Ok(find_tenant(store, name)?.id));
    let ids: Vec<TenantId> = ids.collect::<Result<_, CommandError>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

fn set<S: Directory + Webhooks>(
    store: &S,
    feed: &Feed,
    keys: &KeyFile,
    arguments: &SetWebhookArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let id = arguments.endpoint.id;
    let endpoint = registration::find_endpoint(store, id)?;
    let url = arguments.url.as_deref();
    let url = url.map(|it| checked_url("--url", it, (&arguments.egress, &arguments.urls), terminal));
    let tenants = match arguments.all_tenants {
        true => Some(None),
        false => chosen(store, &arguments.tenant)?.map(Some),
    };
    let change = EndpointChange {
        url: url.transpose()?,
        tenants,
        types: (arguments.all_types || !arguments.types.is_empty()).then(|| arguments.types.clone()),
        full: arguments.view.map(|it| it == View::Full),
        headers: (arguments.no_headers || !arguments.header.is_empty()).then(|| arguments.header.clone()),
        disabled: None,
    };
    if change == EndpointChange::default() {
        let text = "there is nothing to change: name at least one value";
        return Err(CommandError::Usage(text.to_owned()));
    }
    registration::change(store, feed, keys, &endpoint, change, terminal.now)?;
    if arguments.endpoint.json {
        let changed = registration::find_endpoint(store, id)?;
        return terminal.print(&to_json(&changed, &store.tenants()?, terminal.now));
    }
    writeln!(terminal.output, "Changed the webhook endpoint {id}.")?;
    Ok(())
}

fn list<S: Directory + Webhooks>(
    store: &S,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (webhooks, tenants) = (store.webhooks()?, store.tenants()?);
    if as_json {
        let now = terminal.now;
        return terminal.print_items(webhooks.iter().map(|it| to_json(it, &tenants, now)));
    }
    for it in webhooks {
        writeln!(
            terminal.output,
            "{} {:<8} {:<24} {}",
            it.id,
            state(&it),
            tenant_names(&it, &tenants).map_or_else(|| "all tenants".to_owned(), |names| names.join(",")),
            it.settings.url
        )?;
    }
    Ok(())
}

fn show<S: Directory + Webhooks>(
    store: &S,
    endpoint: &EndpointArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let webhook = registration::find_endpoint(store, endpoint.id)?;
    let mut shown = to_json(&webhook, &store.tenants()?, terminal.now);
    let waiting = store.webhook_messages(webhook.id, false, None, COUNTED)?;
    shown["waiting"] = waiting.len().into();
    let dead = store.webhook_messages(webhook.id, true, None, SHOWN)?;
    shown["deadLetters"] = dead.iter().map(|it| json!(DeadLetter::of(it))).collect();
    let deliveries = store.webhook_deliveries(webhook.id, None, SHOWN)?;
    let views = deliveries.iter().map(|it| json!(DeliveryView::of(it, true)));
    shown["deliveries"] = views.collect();
    if endpoint.json {
        return terminal.print(&shown);
    }
    writeln!(terminal.output, "{shown:#}")?;
    Ok(())
}

/// Returns an endpoint without its secrets and headers.
fn to_json(webhook: &Webhook, tenants: &[Tenant], now: DateTime<Utc>) -> Value {
    json!(WebhookView::of(webhook, tenants, now))
}

fn state(webhook: &Webhook) -> &'static str {
    match webhook.disabled {
        Some(_) => "disabled",
        None => "active",
    }
}

/// Waits until the server that has leased an endpoint has noticed that it is disabled. A server that was killed never
/// does.
fn wait_for_release(store: &dyn Webhooks, id: Uuid) -> Result<(), CommandError> {
    let end = Instant::now() + NOTICED;
    let is_leased = |it: &Webhook| it.id == id && it.lease_owner.is_some();
    while Instant::now() < end && store.webhooks()?.iter().any(is_leased) {
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Queues a test for the server, and waits until the server has sent it.
fn test(
    store: &dyn Webhooks,
    endpoint: &EndpointArgs,
    wait: Duration,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let message = registration::test(store, endpoint.id, clock::new_id(), terminal.now)?.to_string();
    let result = wait_for_delivery(store, endpoint.id, &message, wait)?;
    let is_delivered = result.as_ref().map(|it| it.error.is_none());
    if endpoint.json {
        let mut shown = result.as_ref().map_or_else(
            || json!({ "message": message }),
            |it| json!(DeliveryView::of(it, true)),
        );
        shown["id"] = endpoint.id.to_string().into();
        shown["delivered"] = is_delivered.into();
        terminal.print(&shown)?;
    }
    match result {
        Some(DeliveryAttempt {
            error: Some(error), ..
        }) => Err(CommandError::Refused(format!(
            "the test was not delivered: {error}"
        ))),
        Some(it) if !endpoint.json => {
            let (status, time) = (it.status.unwrap_or_default(), it.milliseconds);
            writeln!(
                terminal.output,
                "The test {message} was delivered: status {status} after {time} ms."
            )?;
            Ok(())
        }
        None if !endpoint.json => {
            writeln!(
                terminal.output,
                "The test {message} waits: no server has sent it yet."
            )?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn wait_for_delivery(
    store: &dyn Webhooks,
    id: Uuid,
    message: &str,
    wait: Duration,
) -> Result<Option<DeliveryAttempt>, CommandError> {
    let end = Instant::now() + wait;
    loop {
        let deliveries = store.webhook_deliveries(id, None, SHOWN)?;
        if let Some(it) = deliveries.into_iter().find(|it| it.message == message) {
            return Ok(Some(it));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

fn replay<S: Webhooks + ChangeFeed>(
    store: &S,
    feed: &Feed,
    endpoint: &EndpointArgs,
    what: &ReplayArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let id = endpoint.id;
    let (name, value) = match &what.event {
        Some(message) => {
            let message = message.trim();
            let message = replays::one(store, store, id, message, terminal.now)?;
            ("message", message.to_string())
        }
        None => {
            let after = replays::all_after(store, feed, id, what.after)?;
            ("after", after.to_string())
        }
    };
    if endpoint.json {
        return terminal.print(&json!({ "id": id.to_string(), name: value }));
    }
    match name {
        "message" => writeln!(terminal.output, "The server sends {value} again.")?,
        _ => writeln!(
            terminal.output,
            "The server sends the events after {value} again."
        )?,
    }
    Ok(())
}

fn rotate(
    store: &dyn Webhooks,
    keys: &KeyFile,
    endpoint: &EndpointArgs,
    overlap: TimeDelta,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let secret = registration::rotate_secret(store, keys, endpoint.id, overlap, terminal.now)?;
    let expire = timestamp(terminal.now + overlap);
    if endpoint.json {
        return terminal.print(&json!({
            "id": endpoint.id.to_string(),
            "secret": secret.to_text(),
            "othersExpire": expire,
        }));
    }
    writeln!(
        terminal.output,
        "New secret of the webhook endpoint, shown only now:\n  {}\nThe other secrets sign until {expire}.",
        secret.to_text()
    )?;
    Ok(())
}

fn done(
    is_done: bool,
    endpoint: &EndpointArgs,
    what: &str,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let id = endpoint.id;
    if !is_done {
        return Err(RegistrationError::NoEndpoint(id).into());
    }
    if endpoint.json {
        return terminal.print(&json!({ "id": id.to_string(), what: true }));
    }
    writeln!(terminal.output, "The webhook endpoint {id} is {what}.")?;
    Ok(())
}
