//! `scim-server token`: creates, lists, rotates and revokes bearer tokens.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, CredentialKind, Directory, NewToken, Token};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::{Lifetime, Scope, TokenCommand};
use super::{CommandError, Terminal, connection, deleted, find_tenant, names, timestamp, wait_for_caches};
use crate::{clock, token};

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
            json,
        } => {
            let read_only = *read_only || *scope == Scope::Read;
            let new = NewSecret::random(terminal.now, expiry(*lifetime, terminal.now), name, read_only)?;
            let (tenant, connection) = connection::find(directory, tenant, connection)?;
            new.store(directory, &connection)?;
            print_new(&new, &tenant.name, &connection, None, *json, terminal)
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

/// Creates a token like another one, which ends at a time. The new token comes first, so that a failure in between
/// leaves two valid tokens, and not none.
fn rotate(
    directory: &dyn Directory,
    id: Uuid,
    end: DateTime<Utc>,
    lifetime: Lifetime,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let tokens = directory.tokens(None)?;
    let old = tokens
        .into_iter()
        .find(|it| it.id == id)
        .ok_or_else(|| no_token(id))?;
    if state(&old, terminal.now) != "valid" {
        let text = format!(
            "the token `{id}` is {}: create another one",
            state(&old, terminal.now)
        );
        return Err(CommandError::Refused(text));
    }
    let expires = expiry(lifetime, terminal.now);
    let new = NewSecret::random(terminal.now, expires, &old.name, old.read_only)?;
    new.store(directory, &old.connection)?;
    if !directory.expire_token(id, end)? {
        return Err(no_token(id));
    }
    if end <= terminal.now {
        wait_for_caches();
    }
    let replaced = Replaced {
        id,
        expires: old.expires.map_or(end, |it| it.min(end)),
    };
    print_new(
        &new,
        &old.tenant_name,
        &old.connection,
        Some(&replaced),
        as_json,
        terminal,
    )
}

/// The token that a new one replaces, and its end.
struct Replaced {
    id: Uuid,
    expires: DateTime<Utc>,
}

fn print_new(
    new: &NewSecret,
    tenant: &str,
    connection: &Connection,
    replaced: Option<&Replaced>,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let NewSecret { secret, id, .. } = new;
    if as_json {
        let mut printed = json!({
            "token": secret,
            "id": id.to_string(),
            "tenant": tenant,
            "connection": connection.name,
            "expires": new.expires.map(timestamp),
        });
        if let Some(old) = replaced {
            printed["replaced"] = json!({ "id": old.id.to_string(), "expires": timestamp(old.expires) });
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
    if let Some(old) = replaced {
        let end = timestamp(old.expires);
        writeln!(terminal.output, "The token {} is valid until {end}.", old.id)?;
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
        return terminal.print_items(tokens.iter().map(|it| to_json(it, now)));
    }
    for it in tokens {
        let access = if it.read_only { "read" } else { "write" };
        writeln!(
            terminal.output,
            "{} {:<24} {:<16} {:<8} {:<5} {:<16} {:<4} {:<21} {}",
            it.id,
            it.tenant_name,
            it.connection.name,
            state(&it, terminal.now),
            access,
            validity(it.expires),
            it.last_four.as_deref().unwrap_or("-"),
            last_use(it.last_used),
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
    if !directory.revoke_token(id, terminal.now)? {
        return Err(no_token(id));
    }
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "id": id.to_string(), "revoked": timestamp(terminal.now) }));
    }
    writeln!(terminal.output, "Revoked the token {id}.")?;
    Ok(())
}

fn no_token(id: Uuid) -> CommandError {
    CommandError::Refused(format!("there is no token `{id}`"))
}

fn expiry(lifetime: Lifetime, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (!lifetime.no_expiry).then(|| now + TimeDelta::days(i64::from(lifetime.days)))
}

/// A token that is yet to be stored, with its secret, which is never stored.
pub(super) struct NewSecret {
    pub(super) secret: String,
    pub(super) expires: Option<DateTime<Utc>>,
    id: Uuid,
    created: DateTime<Utc>,
    name: String,
    read_only: bool,
}

impl NewSecret {
    pub(super) fn random(
        created: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
        name: &str,
        read_only: bool,
    ) -> Result<NewSecret, CommandError> {
        Ok(NewSecret {
            secret: token::new_secret()?,
            expires,
            id: clock::new_id(),
            created,
            name: name.to_owned(),
            read_only,
        })
    }

    /// Makes the secret a credential of a connection.
    pub(super) fn store(
        &self,
        directory: &dyn Directory,
        connection: &Connection,
    ) -> Result<(), CommandError> {
        let is_stored = directory.create_token(&NewToken {
            id: self.id,
            tenant: connection.tenant,
            connection: connection.id,
            sha256: token::digest(&self.secret),
            last_four: token::last_four(&self.secret),
            created: self.created,
            expires: self.expires,
            read_only: self.read_only,
            name: self.name.clone(),
        })?;
        match is_stored {
            true => Ok(()),
            false => Err(connection::deleted_meanwhile(connection)),
        }
    }
}

fn to_json(token: &Token, now: DateTime<Utc>) -> Value {
    json!({
        "id": token.id.to_string(),
        "tenant": token.tenant_name,
        "connection": token.connection.name,
        "state": state(token, now),
        "scope": if token.read_only { "scim.read" } else { "scim" },
        "readOnly": token.read_only,
        "lastFour": token.last_four,
        "created": timestamp(token.created),
        "expires": token.expires.map(timestamp),
        "revoked": token.revoked.map(timestamp),
        "lastUsed": token.last_used.map(timestamp),
        "name": token.name,
    })
}

fn state(token: &Token, now: DateTime<Utc>) -> &'static str {
    if token.revoked.is_some() {
        "revoked"
    } else if token.expires.is_some_and(|it| it <= now) {
        "expired"
    } else {
        "valid"
    }
}

/// The last use is recorded to the minute.
fn last_use(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "never used".to_owned(),
        |it| format!("used {}", it.format("%Y-%m-%d %H:%M")),
    )
}

pub(super) fn validity(expires: Option<DateTime<Utc>>) -> String {
    expires.map_or_else(
        || "without end".to_owned(),
        |it| format!("until {}", it.format("%Y-%m-%d")),
    )
}
