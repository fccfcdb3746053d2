//! `scim-server federation`: creates, changes, tries and deletes the trust in external issuers.

use std::io::Read as _;
use std::sync::Arc;

use scim_model::store::{CredentialKind, Credentials, Directory, Federation};
use serde_json::json;

use super::client::delete;
use super::client_args::{CheckArgs, ClientScope, FederationArgs, FederationCommand};
use super::client_keys::{guarded_client, key_source, refused, settings, warn};
use super::client_list::{list, no_client, show};
use super::client_set::set_federation;
use super::{CommandError, Terminal};
use crate::clock;
use crate::management::federations::{self, FederationRequest};
use crate::management::{Access, connections};
use crate::oauth::key_cache::{KeyCache, Now};
use crate::oauth::trial::Trial;
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
        FederationCommand::Set(arguments) => set_federation(&**store, arguments, terminal),
        FederationCommand::Check(arguments) => check(store.clone(), arguments, terminal),
        FederationCommand::Delete(it) => delete(&**store, &it.client_id, it.json, terminal),
    }
}

fn create<S: Directory + Credentials>(
    store: &S,
    arguments: &FederationArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let owner = &arguments.owner;
    let (tenant, connection) = connections::find(store, &owner.tenant, &owner.connection)?;
    let settings = settings(&arguments.urls)?;
    warn(arguments.urls.warning(), terminal)?;
    let keys = key_source(&arguments.keys)?;
    let keys = keys.ok_or_else(|| CommandError::Usage("--jwks-url or --jwks-file is required".to_owned()))?;
    let federation = Federation {
        issuer: arguments.issuer.clone(),
        subject: arguments.subject.clone(),
        audiences: arguments.audience.clone(),
        keys,
        claims: arguments.claim.iter().cloned().collect(),
        single_use: arguments.single_use,
        algorithms: arguments.algorithm.clone(),
    };
    let egress = guarded_client(&arguments.keys.egress, &arguments.urls)?;
    let request = FederationRequest {
        id: clock::new_id(),
        name: &owner.name,
        access: Access::of(owner.scope == ClientScope::ScimRead),
        trust: federation,
    };
    let issued = federations::create(store, &connection, request, &egress, terminal.now).map_err(refused)?;
    warn(issued.warning, terminal)?;
    let client = issued.client;
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

/// Tries an assertion. The result is printed, and a failed check has an exit code of its own.
fn check<S: Credentials + 'static>(
    store: Arc<S>,
    arguments: &CheckArgs,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let client_id = &*arguments.client_id;
    let client = store.client(client_id)?.ok_or_else(|| no_client(client_id))?;
    if client.method.kind() != CredentialKind::Federation {
        return Err(CommandError::Refused(format!("`{client_id}` is no federation")));
    }
    let assertion = match &arguments.assertion_file {
        Some(file) => std::fs::read_to_string(file)?,
        None => {
            let mut text = String::new();
            terminal.input.take(64 * 1024).read_to_string(&mut text)?;
            text
        }
    };
    let settings = OAuthSettings {
        clock_skew: arguments.clock.oauth_clock_skew,
        ..settings(&arguments.urls)?
    };
    let now: Now = Arc::new(clock::now);
    let egress = guarded_client(&arguments.egress, &arguments.urls)?;
    let keys = Arc::new(KeyCache::new(key_fetch::over(Arc::new(egress)), now.clone()));
    let endpoint = TokenEndpoint::new(store, keys, settings, now);
    let Trial { failed, claims } = endpoint.try_assertion(client_id, assertion.trim());
    if arguments.json {
        terminal.print(&json!({
            "clientId": client_id,
            "accepted": failed.is_none(),
            "failed": failed.as_ref().map(|(check, _)| check),
            "problem": failed.as_ref().map(|(_, problem)| problem),
            "claims": claims,
        }))?;
    } else {
        for (name, value) in &claims {
            writeln!(terminal.output, "{name:<6} {value}")?;
        }
        if failed.is_none() {
            writeln!(terminal.output, "The assertion would be accepted.")?;
        }
    }
    match failed {
        None => Ok(()),
        Some((check, problem)) => {
            let text = format!("the assertion is refused by the check of `{check}`: {problem}");
            Err(CommandError::AssertionRefused(text))
        }
    }
}
