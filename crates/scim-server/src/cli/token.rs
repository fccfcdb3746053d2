//! `scim-server token`: creates, lists, rotates and revokes bearer tokens.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, CredentialKind, Directory};
use serde_json::json;
use uuid::Uuid;

use super::arguments::{Lifetime, Scope, TokenCommand};
use super::client_keys::warn;
use super::{CommandError, Terminal, deleted, find_tenant, names, timestamp, wait_for_caches};
use crate::clock;
use crate::management::tokens::{self, PreparedToken, TokenView};
use crate::management::{Access, connections};

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run(
    directory: &dyn Directory,
    command: &TokenCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create {
            tenant,
            connection,
            name,
            scope,
            read_only,
            lifetime,
            urls,
            json,
        } => {
            let scim_url = urls.base_url().map_err(CommandError::Usage)?;
            let access = Access::of(*read_only || *scope == Scope::Read);
            let expires = expiry(*lifetime, terminal.now);
            let new = PreparedToken::random(clock::new_id(), name, access, terminal.now, expires)?;
            let (tenant, connection) = connections::find(directory, tenant, connection)?;
            new.store(directory, &connection)?;
            warn(urls.warning(), terminal)?;
            let more = More::ScimUrl(scim_url);
            print_new(&new, &tenant.name, &connection, &more, *json, terminal)
        }
        TokenCommand::Rotate {
            id,
            overlap,
            lifetime,
            json,
        } => {
            let end = terminal.now + *overlap;
            rotate(directory, *id, end, *lifetime, *json, terminal)
        }
        TokenCommand::List {
            tenant,
            deleted: true,
            json,
        } => {
            let tenant = tenant.as_deref();
            deleted::list_credentials(directory, CredentialKind::Bearer, tenant, *json, terminal)
        }
        TokenCommand::List { tenant, json, .. } => list(directory, tenant.as_deref(), *json, terminal),
        TokenCommand::Revoke { id, json } => revoke(directory, *id, *json, terminal),
    }
}

fn rotate(
    directory: &dyn Directory,
    id: Uuid,
    end: DateTime<Utc>,
    lifetime: Lifetime,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let old = directory.tokens(None)?.into_iter().find(|it| it.id == id);
    let old = old.ok_or_else(|| tokens::no_token(id))?;
    let expires = expiry(lifetime, terminal.now);
    let rotation = tokens::rotate(directory, old, clock::new_id(), end, expires, terminal.now)?;
    if end <= terminal.now {
        wait_for_caches();
    }
    let replaced = More::Replaced {
        id,
        expires: rotation.old_expires,
    };
    print_new(
        &rotation.new,
        &rotation.old.tenant_name,
        &rotation.old.connection,
        &replaced,
        as_json,
        terminal,
    )
}

/// The value that is printed with a new token.
enum More {
    /// The URL that the identity provider asks for.
    ScimUrl(String),
    /// The token that the new one replaces, and its end.
    Replaced { id: Uuid, expires: DateTime<Utc> },
}

fn print_new(
    new: &PreparedToken,
    tenant: &str,
    connection: &Connection,
    more: &More,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let PreparedToken { secret, id, .. } = new;
    if as_json {
        let mut printed = json!({
            "token": secret,
            "id": id.to_string(),
            "tenant": tenant,
            "connection": connection.name,
            "expires": new.expires.map(timestamp),
        });
        match more {
            More::ScimUrl(url) => printed["scimUrl"] = json!(url),
            More::Replaced { id, expires } => {
                printed["replaced"] = json!({ "id": id.to_string(), "expires": timestamp(*expires) });
            }
        }
        return terminal.print(&printed);
    }
    writeln!(
        terminal.output,
        "Token {id} of the tenant {tenant} and its connection {}, shown only now:",
        connection.name
    )?;
    writeln!(terminal.output, "  {secret}")?;
    writeln!(terminal.output, "It is valid {}.", validity(new.expires))?;
    match more {
        More::ScimUrl(url) => writeln!(terminal.output, "The SCIM URL is {url}")?,
        More::Replaced { id, expires } => {
            let end = timestamp(*expires);
            writeln!(terminal.output, "The token {id} is valid until {end}.")?;
        }
    }
    Ok(())
}

fn list(
    directory: &dyn Directory,
    tenant: Option<&str>,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let tenant = tenant.map(|name| find_tenant(directory, name)).transpose()?;
    let tokens = directory.tokens(tenant.map(|it| it.id))?;
    if as_json {
        let now = terminal.now;
        return terminal.print_items(tokens.iter().map(|it| json!(TokenView::of(it, now))));
    }
    for it in tokens {
        let access = if it.read_only { "read" } else { "write" };
        writeln!(
            terminal.output,
            "{} {:<24} {:<16} {:<8} {:<5} {} {:<16} {:<4} {:<21} {}",
            it.id,
            it.tenant_name,
            it.connection.name,
            tokens::state(&it, terminal.now).as_str(),
            access,
            names::creation(it.created),
            validity(it.expires),
            it.last_four.as_deref().unwrap_or("-"),
            names::last_use(it.last_used),
            names::shown(&it.name)
        )?;
    }
    Ok(())
}

fn revoke(
    directory: &dyn Directory,
    id: Uuid,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    tokens::revoke(directory, id, terminal.now)?;
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "id": id.to_string(), "revoked": timestamp(terminal.now) }));
    }
    writeln!(terminal.output, "Revoked the token {id}.")?;
    Ok(())
}

fn expiry(lifetime: Lifetime, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (!lifetime.no_expiry).then(|| now + TimeDelta::days(i64::from(lifetime.days)))
}

pub(super) fn validity(expires: Option<DateTime<Utc>>) -> String {
    expires.map_or_else(
        || "without end".to_owned(),
        |it| format!("until {}", it.format("%Y-%m-%d")),
    )
}
