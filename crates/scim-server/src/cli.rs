//! The commands that manage tenants and tokens, and what the first start does by itself.

pub mod arguments;
pub mod journal;

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use scim_model::store::{Directory, NewToken, StoreError, Tenant, TenantId, Token};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::arguments::{DEFAULT_TOKEN_DAYS, TenantCommand, TokenCommand};
use crate::http::auth::CACHE_LIFETIME;
use crate::token;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// For the person at the keyboard.
    #[error("{0}")]
    Refused(String),
    /// The directory failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Reading or printing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The system has no randomness.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Where a command reads and prints, and the time it takes as now.
pub struct Terminal<'a> {
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
    /// The questions; not among the results, which may be read by a program.
    pub questions: &'a mut dyn Write,
    /// Results.
    pub output: &'a mut dyn Write,
    /// Time of creation and revocation.
    pub now: DateTime<Utc>,
}

/// Runs `tenant …`.
///
/// # Errors
/// See [`CommandError`].
pub fn tenant(
    directory: &dyn Directory,
    command: &TenantCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        TenantCommand::Create { name, json } => {
            match directory.create_tenant(name, terminal.now) {
                Err(StoreError::Conflict { .. }) => {
                    return refuse(format!("there is a tenant `{name}` already"));
                }
                result => result?,
            };
            if *json {
                return print(
                    terminal,
                    &json!({ "name": name, "created": timestamp(terminal.now) }),
                );
            }
            writeln!(terminal.output, "Created the tenant {name}. Give it a token:")?;
            writeln!(terminal.output, "  scim-server token create --tenant {name}")?;
        }
        TenantCommand::List { json } => {
            let tenants = directory.tenants()?;
            if *json {
                return print(terminal, &tenants.iter().map(tenant_json).collect());
            }
            for tenant in tenants {
                writeln!(
                    terminal.output,
                    "{:<24} {}",
                    tenant.name,
                    timestamp(tenant.created)
                )?;
            }
        }
        TenantCommand::Delete { name, yes, json } => {
            match find_tenant(directory, name) {
                // A deletion that was interrupted is gone on with: it was asked for then.
                Err(CommandError::Refused(text)) => {
                    if !finish_deletion(directory, name)? {
                        return refuse(text);
                    }
                }
                Err(error) => return Err(error),
                Ok(_) => {
                    if !yes && !confirm(name, terminal)? {
                        return refuse("nothing was deleted".to_owned());
                    }
                    if !directory.delete_tenant(name)? {
                        return refuse(format!("there is no tenant `{name}`"));
                    }
                }
            }
            wait_for_caches();
            if *json {
                return print(terminal, &json!({ "name": name, "deleted": true }));
            }
            writeln!(
                terminal.output,
                "Deleted the tenant {name} with all its users, groups and tokens."
            )?;
        }
    }
    Ok(())
}

/// Runs `token …`.
///
/// # Errors
/// See [`CommandError`].
pub fn token(
    directory: &dyn Directory,
    command: &TokenCommand,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create {
            tenant,
            note,
            read_only,
            days,
            no_expiry,
            json,
        } => {
            let tenant = find_tenant(directory, tenant)?;
            let expires = (!no_expiry).then(|| terminal.now + TimeDelta::days(i64::from(*days)));
            let (secret, new) = create_token(directory, tenant.id, terminal.now, expires, note, *read_only)?;
            if *json {
                let token = json!({
                    "token": secret,
                    "id": new.id.to_string(),
                    "tenant": tenant.name,
                    "expires": expires.map(timestamp),
                });
                return print(terminal, &token);
            }
            writeln!(
                terminal.output,
                "Token {} of the tenant {}, shown only now:",
                new.id, tenant.name
            )?;
            writeln!(terminal.output, "  {secret}")?;
            writeln!(terminal.output, "It is valid {}.", until(expires))?;
        }
        TokenCommand::List { tenant, json } => {
            let tenant = tenant
                .as_ref()
                .map(|name| find_tenant(directory, name))
                .transpose()?;
            let tokens = directory.tokens(tenant.map(|it| it.id))?;
            if *json {
                return print(
                    terminal,
                    &tokens.iter().map(|it| token_json(it, terminal.now)).collect(),
                );
            }
            for it in tokens {
                let access = if it.read_only { "read" } else { "write" };
                writeln!(
                    terminal.output,
                    "{} {:<24} {:<8} {:<5} {} {}",
                    it.id,
                    it.tenant_name,
                    state(&it, terminal.now),
                    access,
                    until(it.expires),
                    it.note
                )?;
            }
        }
        TokenCommand::Revoke { id, json } => {
            if !directory.revoke_token(*id, terminal.now)? {
                return refuse(format!("there is no token `{id}`"));
            }
            wait_for_caches();
            if *json {
                return print(
                    terminal,
                    &json!({ "id": id.to_string(), "revoked": timestamp(terminal.now) }),
                );
            }
            writeln!(terminal.output, "Revoked the token {id}.")?;
        }
    }
    Ok(())
}

/// The name of the tenant of the first start.
pub const FIRST_TENANT: &str = "default";

/// Prints what a server that starts has to say: at the very first start it creates a tenant with a
/// token and shows it, the only time; later it names the tenants.
///
/// # Errors
/// See [`CommandError`].
pub fn welcome(
    directory: &dyn Directory,
    base_url: &str,
    output: &mut dyn Write,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let tenants = directory.tenants()?;
    if tenants.is_empty() {
        match directory.create_tenant(FIRST_TENANT, now) {
            Ok(tenant) => return welcome_first(directory, tenant, base_url, output, now),
            // Another server of the same database was faster.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let names: Vec<String> = directory.tenants()?.into_iter().map(|it| it.name).collect();
    writeln!(output, "SCIM 2.0 at {base_url}")?;
    writeln!(
        output,
        "Tenants: {}. A new token: scim-server token create --tenant NAME",
        names.join(", ")
    )?;
    Ok(())
}

fn welcome_first(
    directory: &dyn Directory,
    tenant: TenantId,
    base_url: &str,
    output: &mut dyn Write,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let expires = Some(now + TimeDelta::days(i64::from(DEFAULT_TOKEN_DAYS)));
    let (secret, _) = create_token(
        directory,
        tenant,
        now,
        expires,
        "created at the first start",
        false,
    )?;
    writeln!(
        output,
        r#"SCIM 2.0 at {base_url}

First start: created the tenant `{FIRST_TENANT}`. Its token is shown only now; keep it.

  Base URL  {base_url}
  Token     {secret}
  Valid     {until}

Try it:

  curl -H "Authorization: Bearer {secret}" "{base_url}/Users"
  curl -X POST -H "Authorization: Bearer {secret}" -H "Content-Type: application/scim+json" -d '{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen"}}' "{base_url}/Users"
"#,
        until = until(expires),
    )?;
    Ok(())
}

fn create_token(
    directory: &dyn Directory,
    tenant: TenantId,
    now: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    note: &str,
    read_only: bool,
) -> Result<(String, NewToken), CommandError> {
    let secret = token::new_secret()?;
    let new = NewToken {
        id: Uuid::now_v7(),
        tenant,
        sha256: token::digest(&secret),
        created: now,
        expires,
        read_only,
        note: note.to_owned(),
    };
    directory.create_token(&new)?;
    Ok((secret, new))
}

/// The tenant of a name.
///
/// # Errors
/// `Refused` when there is none.
pub(crate) fn find_tenant(directory: &dyn Directory, name: &str) -> Result<Tenant, CommandError> {
    let found = directory.tenants()?.into_iter().find(|it| it.name == name);
    found.ok_or_else(|| CommandError::Refused(format!("there is no tenant `{name}`")))
}

/// Whether a deletion of a tenant that had this name had been interrupted.
fn finish_deletion(directory: &dyn Directory, name: &str) -> Result<bool, CommandError> {
    let mut found = false;
    loop {
        match directory.continue_deletion(Some(name)) {
            Ok(false) => return Ok(found),
            Ok(true) => found = true,
            Err(StoreError::Busy) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn confirm(name: &str, terminal: &mut Terminal) -> Result<bool, CommandError> {
    write!(
        terminal.questions,
        "This deletes all users, groups and tokens of the tenant {name} for good.\nType its name to go on: "
    )?;
    terminal.questions.flush()?;
    let mut answer = String::new();
    terminal.input.read_line(&mut answer)?;
    Ok(answer.trim() == name)
}

/// A server that looked a token up just before it ended goes by that for a moment longer.
fn wait_for_caches() {
    thread::sleep(CACHE_LIFETIME + Duration::from_millis(100));
}

fn refuse(text: String) -> Result<(), CommandError> {
    Err(CommandError::Refused(text))
}

fn print(terminal: &mut Terminal, value: &Value) -> Result<(), CommandError> {
    Ok(writeln!(terminal.output, "{value}")?)
}

fn tenant_json(tenant: &Tenant) -> Value {
    json!({ "name": tenant.name, "created": timestamp(tenant.created) })
}

fn token_json(token: &Token, now: DateTime<Utc>) -> Value {
    json!({
        "id": token.id.to_string(),
        "tenant": token.tenant_name,
        "state": state(token, now),
        "readOnly": token.read_only,
        "created": timestamp(token.created),
        "expires": token.expires.map(timestamp),
        "revoked": token.revoked.map(timestamp),
        "note": token.note,
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

fn until(expires: Option<DateTime<Utc>>) -> String {
    expires.map_or_else(
        || "without end".to_owned(),
        |it| format!("until {}", it.format("%Y-%m-%d")),
    )
}

pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
