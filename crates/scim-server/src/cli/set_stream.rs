//! `scim-server set-stream`: creates, lists, changes and deletes streams of security event tokens.

use std::path::Path;
use std::sync::Arc;

use scim_model::store::{
    ChangeFeed, Directory, SetDelivery, SetStream, SetStreamState, SetStreamStatus, SetStreams, Tenant,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::{CreateStreamArgs, SetStreamArgs, SetStreamCommand, StreamArgs, StreamStart};
use super::client_keys::{checked_url, settings};
use super::{CommandError, Terminal, find_tenant, names, timestamp};
use crate::clock;
use crate::config::database_url::DatabaseUrl;
use crate::delivery::security_events::registration::{
    self, Continue, NewDelivery, NewStream, StreamChange, StreamError,
};
use crate::delivery::security_events::{KeyRing, KeyRingError};
use crate::jose::SigningAlgorithm;
use crate::management::set_streams::{RefusedToken, StreamView, TokenDelivery};

/// Refused tokens, and attempts to send, that `show` prints.
const SHOWN: u32 = 20;

/// The longest file with a header.
const MAX_HEADER_FILE: u64 = 64 * 1024;

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run<S: Directory + SetStreams + ChangeFeed + 'static>(
    store: &Arc<S>,
    database: &DatabaseUrl,
    command: &SetStreamCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        SetStreamCommand::Create(arguments) => create(store, database, arguments, terminal),
        SetStreamCommand::List { json } => list(&**store, *json, terminal),
        SetStreamCommand::Show(stream) => show(&**store, stream, terminal),
        SetStreamCommand::Set(arguments) => set(store, database, arguments, terminal),
        SetStreamCommand::Pause { stream, reason } => change(
            &**store,
            stream,
            SetStreamStatus::Paused,
            reason,
            Continue::Here,
            terminal,
        ),
        SetStreamCommand::Disable { stream, reason } => change(
            &**store,
            stream,
            SetStreamStatus::Disabled,
            reason,
            Continue::Here,
            terminal,
        ),
        SetStreamCommand::Enable { stream, from } => {
            let StreamStart(from) = from.unwrap_or(StreamStart(Continue::Here));
            change(&**store, stream, SetStreamStatus::Enabled, "", from, terminal)
        }
        SetStreamCommand::Verify { stream, state } => verify(&**store, stream, state.as_deref(), terminal),
        SetStreamCommand::RotateKey { algorithm, key, json } => {
            let ring = KeyRing::new(store.clone(), Arc::new(key.key_file(database)));
            rotate(&ring, *algorithm, *json, terminal)
        }
        SetStreamCommand::Delete(stream) => {
            if !store.delete_set_stream(stream.id)? {
                return Err(StreamError::NoStream(stream.id).into());
            }
            done(stream, "deleted", terminal)
        }
    }
}

impl From<StreamError> for CommandError {
    fn from(error: StreamError) -> CommandError {
        match error {
            StreamError::Invalid { detail, .. } => CommandError::Usage(detail),
            StreamError::Gone { .. } => CommandError::PositionLost(format!("--from: {error}")),
            StreamError::Store(error) | StreamError::Key(KeyRingError::Store(error)) => error.into(),
            error => CommandError::Refused(error.to_string()),
        }
    }
}

fn create<S: Directory + SetStreams + ChangeFeed + 'static>(
    store: &Arc<S>,
    database: &DatabaseUrl,
    arguments: &CreateStreamArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let server = settings(&arguments.urls)?;
    let issuer = match &arguments.issuer {
        Some(issuer) => issuer.as_str().to_owned(),
        None => server.issuer.clone(),
    };
    if !issuer.starts_with("https://") {
        return Err(CommandError::Usage(
            "--issuer is required, an `https` URL, because the base URL is not known or has no TLS"
                .to_owned(),
        ));
    }
    let tenants = arguments.tenant.iter();
    let tenants: Vec<Tenant> = tenants
        .map(|name| find_tenant(&**store, name))
        .collect::<Result<_, _>>()?;
    let id = clock::new_id();
    let new = NewStream {
        id,
        name: arguments.name.clone(),
        issuer,
        audience: arguments.audience.trim().to_owned(),
        tenants: (!tenants.is_empty()).then(|| tenants.iter().map(|it| it.id).collect()),
        events: arguments.events.0.clone(),
        delivery: delivery(arguments, terminal)?,
        algorithm: arguments.algorithm,
        with_user_name: arguments.with_user_name,
        revoked_subject: arguments.revoked_subject,
        account_issuer: arguments.account_issuer.clone(),
        own_audiences: vec![server.issuer, server.token_endpoint],
    };
    let keys = Arc::new(arguments.key.key_file(database));
    let ring = KeyRing::new(store.clone(), keys.clone());
    registration::create(&**store, &**store, &ring, &keys, new, terminal.now)?;
    let created = registration::find(&**store, id)?;
    if arguments.json {
        return terminal.print(&to_json(&created, &store.tenants()?));
    }
    writeln!(terminal.output, "Stream {id} of security event tokens:")?;
    writeln!(terminal.output, "  issuer    {}", created.settings.issuer)?;
    writeln!(terminal.output, "  audience  {}", created.settings.audience)?;
    writeln!(terminal.output, "  delivery  {}", method(&created))?;
    writeln!(
        terminal.output,
        "  keys      {}/.well-known/jwks.json",
        settings(&arguments.urls)?.issuer
    )?;
    let verify = terminal.hints.command(&format!("set-stream verify {id}"));
    writeln!(
        terminal.output,
        "It has the events from now on. To try it: {verify}"
    )?;
    Ok(())
}

fn delivery(arguments: &CreateStreamArgs, terminal: &mut Terminal) -> Result<NewDelivery, CommandError> {
    let Some(url) = &arguments.push else {
        return Ok(NewDelivery::Poll);
    };
    let url = checked_url("--push", url, (&arguments.egress, &arguments.urls), terminal)?;
    let authorization = arguments.authorization_file.as_deref();
    let authorization = authorization.map(|it| read_header(it, terminal)).transpose()?;
    Ok(NewDelivery::Push { url, authorization })
}

fn set<S: Directory + SetStreams + ChangeFeed + 'static>(
    store: &Arc<S>,
    database: &DatabaseUrl,
    arguments: &SetStreamArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let stream = registration::find(&**store, arguments.stream.id)?;
    let url = match &arguments.push {
        Some(url) => Some(Some(checked_url(
            "--push",
            url,
            (&arguments.egress, &arguments.urls),
            terminal,
        )?)),
        None => arguments.poll.then_some(None),
    };
    let authorization = match arguments.authorization_file.as_deref() {
        Some(file) => Some(Some(read_header(file, terminal)?)),
        None => arguments.no_authorization.then_some(None),
    };
    let change = StreamChange {
        name: arguments.name.clone(),
        issuer: arguments.issuer.as_ref().map(|it| it.as_str().to_owned()),
        events: arguments.events.as_ref().map(|it| it.0.clone()),
        url,
        authorization,
        algorithm: arguments.algorithm,
        with_user_name: arguments.with_user_name,
        revoked_subject: arguments.revoked_subject,
        account_issuer: arguments.account_issuer.clone(),
    };
    if change == StreamChange::default() {
        let text = "there is nothing to change: name at least one value";
        return Err(CommandError::Usage(text.to_owned()));
    }
    let keys = Arc::new(arguments.key.key_file(database));
    let ring = KeyRing::new(store.clone(), keys.clone());
    registration::change_settings(&**store, &ring, &keys, &stream, change, terminal.now)?;
    if arguments.stream.json {
        let changed = registration::find(&**store, stream.id)?;
        return terminal.print(&to_json(&changed, &store.tenants()?));
    }
    writeln!(terminal.output, "Changed the stream {}.", stream.id)?;
    Ok(())
}

/// Reads the value of a header, which no error repeats.
fn read_header(file: &Path, terminal: &mut Terminal) -> Result<String, CommandError> {
    use std::io::Read as _;

    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => terminal.input.take(MAX_HEADER_FILE).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|it| it.take(MAX_HEADER_FILE).read_to_string(&mut text)),
    };
    read.map_err(|error| CommandError::Usage(format!("--authorization-file {}: {error}", file.display())))?;
    Ok(text.trim().to_owned())
}

fn list<S: Directory + SetStreams>(
    store: &S,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (streams, tenants) = (store.set_streams()?, store.tenants()?);
    if as_json {
        return terminal.print_items(streams.iter().map(|it| to_json(it, &tenants)));
    }
    for it in &streams {
        writeln!(
            terminal.output,
            "{} {:<9} {:<40} {}",
            it.id,
            it.state.status.as_str(),
            method(it),
            names::shown(&it.settings.name)
        )?;
    }
    Ok(())
}

fn show<S: Directory + SetStreams>(
    store: &S,
    stream: &StreamArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let found = registration::find(store, stream.id)?;
    let mut shown = to_json(&found, &store.tenants()?);
    let refused = store.refused_sets(stream.id, SHOWN)?;
    shown["refused"] = json!(refused.into_iter().map(RefusedToken::from).collect::<Vec<_>>());
    let attempts = store.set_attempts(stream.id, None, SHOWN)?;
    let attempts = attempts.into_iter().map(|it| TokenDelivery::of(it, true));
    shown["deliveries"] = json!(attempts.collect::<Vec<_>>());
    if stream.json {
        return terminal.print(&shown);
    }
    writeln!(terminal.output, "{shown:#}")?;
    Ok(())
}

fn method(stream: &SetStream) -> &str {
    match &stream.settings.delivery {
        SetDelivery::Push { url, .. } => url,
        SetDelivery::Poll => "poll",
    }
}

fn to_json(stream: &SetStream, tenants: &[Tenant]) -> Value {
    json!(StreamView::of(stream, tenants))
}

fn change<S: SetStreams + ChangeFeed>(
    store: &S,
    stream: &StreamArgs,
    status: SetStreamStatus,
    reason: &str,
    from: Continue,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let state = SetStreamState {
        status,
        reason: reason.to_owned(),
        since: terminal.now,
    };
    registration::change_state(store, store, stream.id, &state, from)?;
    done(stream, status.as_str(), terminal)
}

fn done(stream: &StreamArgs, what: &str, terminal: &mut Terminal) -> Result<(), CommandError> {
    if stream.json {
        return terminal.print(&json!({ "id": stream.id.to_string(), what: true }));
    }
    writeln!(terminal.output, "The stream {} is {what}.", stream.id)?;
    Ok(())
}

fn verify(
    store: &dyn SetStreams,
    stream: &StreamArgs,
    state: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let event: Uuid = registration::verify(store, stream.id, state, terminal.now)?;
    if stream.json {
        return terminal.print(&json!({ "id": stream.id.to_string(), "event": event.to_string() }));
    }
    writeln!(
        terminal.output,
        "The next token of the stream is a verification event."
    )?;
    Ok(())
}

fn rotate(
    ring: &KeyRing,
    algorithm: SigningAlgorithm,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let key = ring.rotate(algorithm, terminal.now).map_err(StreamError::from)?;
    let (kid, signs_from) = (key.id.simple().to_string(), timestamp(key.signs_from));
    if as_json {
        return terminal.print(&json!({"kid": kid, "algorithm": key.algorithm, "signsFrom": signs_from}));
    }
    writeln!(
        terminal.output,
        "The key {kid} is published, and signs from {signs_from} on."
    )?;
    Ok(())
}
