//! `scim-server federation`: creates, lists, tries and deletes the trust in external issuers.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use scim_model::store::{ClientMethod, CredentialKind, Credentials, Directory, Federation};
use serde_json::json;

use super::client::{delete, find_owner, guarded_client, key_source, list, no_client, settings, show, warn};
use super::client_args::{ClientScope, FederationArgs, FederationCommand};
use super::oauth_args::EgressArgs;
use super::{CommandError, Terminal};
use crate::clock;
use crate::oauth::key_cache::{KeyCache, Now};
use crate::oauth::registration::{self, new_client};
use crate::oauth::verification::Trial;
use crate::oauth::{OAuthSettings, TokenEndpoint, key_fetch};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run<S: Directory + Credentials + 'static>(
    store: &Arc<S>,
    command: &FederationCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        FederationCommand::Create(arguments) => create(&**store, arguments, terminal),
        FederationCommand::List(arguments) => list(&**store, arguments, CredentialKind::Federation, terminal),
        FederationCommand::Show(it) => show(&**store, &it.client_id, it.json, terminal),
        FederationCommand::Check {
            client_id,
            assertion_file,
            egress,
            json,
        } => check(
            store.clone(),
            client_id,
            assertion_file.as_deref(),
            egress,
            *json,
            terminal,
        ),
        FederationCommand::Delete(it) => delete(&**store, &it.client_id, it.json, terminal),
    }
}

fn create<S: Directory + Credentials>(
    store: &S,
    arguments: &FederationArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (tenant, connection) = find_owner(store, &arguments.owner)?;
    let settings = settings(&arguments.urls)?;
    let keys = key_source(&arguments.keys)?;
    let keys = keys.ok_or_else(|| CommandError::Usage("--jwks-url or --jwks-file is required".to_owned()))?;
    let federation = Federation {
        issuer: arguments.issuer.clone(),
        subject: arguments.subject.clone(),
        audiences: arguments.audience.clone(),
        keys,
        claims: claims(&arguments.claim)?,
        single_use: arguments.single_use,
        algorithms: arguments.algorithm.clone(),
    };
    let egress = guarded_client(&arguments.keys.egress, Some(&settings.scim_url))?;
    let checked = registration::check_federation(&federation, &egress).map_err(CommandError::Refused)?;
    warn(checked, terminal)?;
    let owner = &arguments.owner;
    let read_only = owner.scope == ClientScope::ScimRead;
    let method = ClientMethod::Federation(federation);
    let client = new_client(&connection, &owner.name, method, read_only, terminal.now)?;
    store.create_client(&client)?;
    if arguments.json {
        return terminal.print(&json!({
            "clientId": client.client_id,
            "tokenEndpoint": settings.token_endpoint,
            "scimUrl": settings.scim_url,
            "tenant": tenant.name,
            "connection": connection.name,
        }));
    }
    writeln!(
        terminal.output,
        "Federation of the connection {} of {}:",
        connection.name, tenant.name
    )?;
    writeln!(terminal.output, "  client id       {}", client.client_id)?;
    writeln!(terminal.output, "  token endpoint  {}", settings.token_endpoint)?;
    writeln!(terminal.output, "  SCIM URL        {}", settings.scim_url)?;
    Ok(())
}

fn claims(arguments: &[String]) -> Result<BTreeMap<String, String>, CommandError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    arguments
        .iter()
        .map(|it| pair(it).ok_or_else(|| CommandError::Usage(format!("--claim `{it}`: expected NAME=VALUE"))))
        .collect()
}

/// Tries an assertion. A failed check is the answer of the command, and not its failure.
fn check<S: Credentials + 'static>(
    store: Arc<S>,
    client_id: &str,
    file: Option<&Path>,
    egress: &EgressArgs,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    let assertion = match file {
        Some(file) => std::fs::read_to_string(file)?,
        None => {
            let mut text = String::new();
            terminal.input.take(64 * 1024).read_to_string(&mut text)?;
            text
        }
    };
    let now: Now = Arc::new(clock::now);
    let keys = key_fetch::over(Arc::new(guarded_client(egress, None)?));
    let keys = Arc::new(KeyCache::new(keys, now.clone()));
    // The URLs of the server do not matter to the assertions of external issuers.
    let endpoint = TokenEndpoint::new(store, keys, OAuthSettings::of(""), now);
    let trial = match &client.method {
        ClientMethod::Federation(_) => endpoint.try_assertion(&client, assertion.trim(), terminal.now),
        ClientMethod::Client { .. } => None,
    };
    let Some(Trial { failed, claims }) = trial else {
        return Err(CommandError::Refused(format!("`{client_id}` is no federation")));
    };
    if as_json {
        return terminal.print(&json!({
            "clientId": client_id,
            "accepted": failed.is_none(),
            "failed": failed.as_ref().map(|(check, _)| check),
            "problem": failed.as_ref().map(|(_, problem)| problem),
            "claims": claims,
        }));
    }
    for (name, value) in &claims {
        writeln!(terminal.output, "{name:<6} {value}")?;
    }
    match failed {
        None => writeln!(terminal.output, "The assertion would be accepted.")?,
        Some((check, problem)) => writeln!(terminal.output, "Refused by the check of `{check}`: {problem}.")?,
    }
    Ok(())
}
