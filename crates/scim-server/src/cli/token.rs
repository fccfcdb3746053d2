//! `scim-server token`: creates, lists and revokes bearer tokens.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, Directory, NewToken, Tenant, Token};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::TokenCommand;
use super::{CommandError, Terminal, connection, find_tenant, timestamp, wait_for_caches};
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
            read_only,
            days,
            no_expiry,
            json,
        } => {
            let expires = (!no_expiry).then(|| terminal.now + TimeDelta::days(i64::from(*days)));
            let new = NewSecret::random(terminal.now, expires, name, *read_only)?;
            let (tenant, connection) = connection::find(directory, tenant, connection)?;
            new.store(directory, &connection)?;
            print_new(&new, &tenant, &connection, *json, terminal)
        }
        TokenCommand::List { tenant, json } => list(directory, tenant.as_deref(), *json, terminal),
        TokenCommand::Revoke { id, json } => revoke(directory, *id, *json, terminal),
    }
}

fn print_new(
    new: &NewSecret,
    tenant: &Tenant,
    connection: &Connection,
    as_json: bool,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let NewSecret { secret, id, .. } = new;
    if as_json {
        return terminal.print(&json!({
            "token": secret,
            "id": id.to_string(),
            "tenant": tenant.name,
            "connection": connection.name,
            "expires": new.expires.map(timestamp),
        }));
    }
    writeln!(
        terminal.output,
        "Token {id} of the tenant {} and its connection {}, shown only now:",
        tenant.name, connection.name
    )?;
    writeln!(terminal.output, "  {secret}")?;
    writeln!(terminal.output, "It is valid {}.", validity(new.expires))?;
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
        return terminal.print(&tokens.iter().map(|it| to_json(it, terminal.now)).collect());
    }
    for it in tokens {
        let access = if it.read_only { "read" } else { "write" };
        writeln!(
            terminal.output,
            "{} {:<24} {:<16} {:<8} {:<5} {} {}",
            it.id,
            it.tenant_name,
            it.connection.name,
            state(&it, terminal.now),
            access,
            validity(it.expires),
            it.name
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
        return Err(CommandError::Refused(format!("there is no token `{id}`")));
    }
    wait_for_caches();
    if as_json {
        return terminal.print(&json!({ "id": id.to_string(), "revoked": timestamp(terminal.now) }));
    }
    writeln!(terminal.output, "Revoked the token {id}.")?;
    Ok(())
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
        if is_stored {
            return Ok(());
        }
        let text = format!("the connection `{}` has been deleted meanwhile", connection.name);
        Err(CommandError::Refused(text))
    }
}

fn to_json(token: &Token, now: DateTime<Utc>) -> Value {
    json!({
        "id": token.id.to_string(),
        "tenant": token.tenant_name,
        "connection": token.connection.name,
        "state": state(token, now),
        "readOnly": token.read_only,
        "created": timestamp(token.created),
        "expires": token.expires.map(timestamp),
        "revoked": token.revoked.map(timestamp),
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

pub(super) fn validity(expires: Option<DateTime<Utc>>) -> String {
    expires.map_or_else(
        || "without end".to_owned(),
        |it| format!("until {}", it.format("%Y-%m-%d")),
    )
}
