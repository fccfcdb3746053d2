//! The connections of an export, and their tokens, OAuth clients and federations.

use std::collections::BTreeMap;

use scim_model::store::{
    Client, ClientMethod, Connection, ConnectionChange, ConnectionId, ConnectionState, KeySource, NewClient,
    NewSecret, NewToken, SecretAdded, StoreError, TenantId, check_label, check_name,
};

use super::setting::{NO_TENANT, Setting};
use crate::cli::CommandError;
use crate::cli::transfer::{ClientLine, ConnectionLine, SecretLine, TokenLine, time};
use crate::clock;
use crate::management::connections::{check_preset, check_setting};
use crate::management::federations::twin_of;
use crate::oauth::key_set;

/// The result of a line: stored, or the reason why not.
type Outcome = Result<(), String>;

/// The connections that credentials of the export can belong to.
#[derive(Default)]
pub(super) struct Credentials {
    /// By name. In a trial, also those that would be created.
    connections: BTreeMap<String, ConnectionId>,
}

impl Credentials {
    /// Creates a connection. One that exists under the same name stays, except that the connection of a new tenant gets the
    /// preset and the settings.
    pub(super) fn connection(
        &mut self,
        setting: &Setting,
        line: &ConnectionLine,
    ) -> Result<Outcome, CommandError> {
        if let Err(problem) = check(line) {
            return Ok(Err(problem));
        }
        let tenant = setting.tenant_to_fill()?;
        let existing = match tenant {
            NO_TENANT => None,
            tenant => setting.store.connection(tenant, &line.name)?,
        };
        let Some(existing) = existing else {
            let connection = Connection {
                id: ConnectionId(line.id),
                tenant,
                name: line.name.clone(),
                preset: line.preset.clone(),
                settings: line.settings.clone(),
                state: line.state(),
                created: time(&line.created).unwrap_or(setting.now),
            };
            let id = create(setting, connection)?;
            self.connections.insert(line.name.clone(), id);
            return Ok(Ok(()));
        };
        let mut id = existing.id;
        if existing.is_default() && id.0 != line.id && !setting.arguments.dry_run {
            // The entries of an imported journal name the connection by the id that it had.
            let old = ConnectionId(line.id);
            if setting.store.adopt_default_connection(tenant, old)? {
                id = old;
            }
        }
        self.connections.insert(line.name.clone(), id);
        adapt(setting, &Connection { id, ..existing }, line)
    }

    /// Stores a token, unless it is there.
    pub(super) fn token(&self, setting: &Setting, line: &TokenLine) -> Result<Outcome, CommandError> {
        let store = setting.store;
        let Some(sha256) = line.hash() else {
            return Ok(Err("`sha256`: expected 64 hexadecimal digits".to_owned()));
        };
        if let Err(problem) = check_label(&line.name) {
            return Ok(Err(format!("`name`: {problem}")));
        }
        let connection = match self.owner(&line.connection) {
            Ok(connection) => connection,
            Err(problem) => return Ok(Err(problem)),
        };
        let tenant = setting.tenant_to_fill()?;
        if let Some(existing) = store.token_by_hash(&sha256)? {
            let object = format!("the token {}", line.id);
            let owner = (existing.connection.tenant, &*existing.tenant_name);
            return Ok(same_tenant(&object, owner, tenant));
        }
        let expires = match &line.expires {
            None => None,
            Some(text) => match time(text) {
                Some(time) => Some(time),
                None => return Ok(Err("`expires`: expected a time".to_owned())),
            },
        };
        let token = NewToken {
            id: line.id,
            tenant,
            connection,
            sha256,
            last_four: line.last_four.clone().unwrap_or_default(),
            created: time(&line.created).unwrap_or(setting.now),
            expires,
            read_only: line.read_only,
            name: line.name.clone(),
        };
        if !setting.arguments.dry_run {
            store.create_token(&token)?;
        }
        Ok(Ok(()))
    }

    /// Stores an OAuth client or a federation with its secrets, unless it is there.
    pub(super) fn client(&self, setting: &Setting, line: &ClientLine) -> Result<Outcome, CommandError> {
        let new = match self.new_client(setting, line) {
            Ok(new) => new,
            Err(problem) => return Ok(Err(problem)),
        };
        let tenant = setting.tenant_to_fill()?;
        if let Some(existing) = setting.store.client(&line.client_id)? {
            let object = format!("the client {}", line.client_id);
            let owner = (existing.connection.tenant, &*existing.tenant_name);
            return match same_tenant(&object, owner, tenant) {
                Ok(()) => add_secrets(setting, &existing, new.secrets),
                refused => Ok(refused),
            };
        }
        if let ClientMethod::Federation(trust) = &new.method
            && let Some(twin) = twin_of(setting.store, tenant, trust, None)?
        {
            return Ok(Err(format!(
                "the client {}: the federation {} accepts the same assertions",
                line.client_id, twin.client_id
            )));
        }
        if !setting.arguments.dry_run {
            setting.store.create_client(&NewClient { tenant, ..new })?;
        }
        Ok(Ok(()))
    }

    fn new_client(&self, setting: &Setting, line: &ClientLine) -> Result<NewClient, String> {
        check_label(&line.name).map_err(|it| format!("`name`: {it}"))?;
        check_label(&line.client_id).map_err(|it| format!("`clientId`: {it}"))?;
        if let Some(KeySource::Inline(text)) = keys(&line.method) {
            key_set::refuse_secret_keys(text).map_err(|it| format!("`method`: {it}"))?;
        }
        let secrets: Vec<NewSecret> = line
            .secrets
            .iter()
            .map(SecretLine::to_secret)
            .collect::<Result<_, _>>()?;
        if secrets.len() > Client::MAX_SECRETS {
            return Err(format!("`secrets`: a client has at most {}", Client::MAX_SECRETS));
        }
        Ok(NewClient {
            id: line.id,
            tenant: NO_TENANT,
            connection: self.owner(&line.connection)?,
            client_id: line.client_id.clone(),
            name: line.name.clone(),
            method: line.method.clone(),
            read_only: line.read_only,
            disabled: line.disabled,
            created: time(&line.created).unwrap_or(setting.now),
            secrets,
        })
    }

    fn owner(&self, connection: &str) -> Result<ConnectionId, String> {
        let known = self.connections.get(connection).copied();
        known.ok_or_else(|| format!("`connection`: no earlier line has the connection `{connection}`"))
    }
}

fn check(line: &ConnectionLine) -> Outcome {
    check_name(&line.name).map_err(|it| format!("`name`: {it}"))?;
    check_preset(&line.preset).map_err(|it| it.to_string())?;
    let settings = line.settings.iter();
    let mut checked = settings.map(|(name, value)| check_setting(name, value));
    checked.try_for_each(|it| it.map_err(|it| it.to_string()))
}

/// Stores a connection under its id, or under a new one if another connection of the database has that.
fn create(setting: &Setting, connection: Connection) -> Result<ConnectionId, CommandError> {
    if setting.arguments.dry_run {
        return Ok(connection.id);
    }
    match setting.store.create_connection(&connection) {
        Err(StoreError::Conflict { attribute }) if attribute == "id" => {
            let id = ConnectionId(clock::new_id());
            setting
                .store
                .create_connection(&Connection { id, ..connection })?;
            Ok(id)
        }
        result => {
            result?;
            Ok(connection.id)
        }
    }
}

fn adapt(setting: &Setting, existing: &Connection, line: &ConnectionLine) -> Result<Outcome, CommandError> {
    let is_same = existing.preset == line.preset
        && existing.settings == line.settings
        && existing.state == line.state();
    if is_same {
        return Ok(Ok(()));
    }
    let is_untouched = existing.preset == Connection::GENERIC
        && existing.settings.is_empty()
        && existing.state == ConnectionState::Active;
    if !is_untouched {
        let name = &line.name;
        let text = format!("the connection `{name}` exists with other settings, and keeps them");
        return Ok(Err(text));
    }
    let settings = line.settings.iter();
    let change = ConnectionChange {
        preset: Some(line.preset.clone()),
        settings: settings
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect(),
        state: Some(line.state()),
        expected: None,
    };
    if !setting.arguments.dry_run {
        setting
            .store
            .change_connection(existing.tenant, existing.id, &change)?;
    }
    Ok(Ok(()))
}

/// Refuses a credential that another tenant has.
fn same_tenant(object: &str, (owner, name): (TenantId, &str), tenant: TenantId) -> Outcome {
    match owner == tenant {
        true => Ok(()),
        false => Err(format!(
            "{object} belongs to the tenant {name} already, and can have one only"
        )),
    }
}

/// Adds the secrets that an earlier import, or an earlier export, did not have.
fn add_secrets(
    setting: &Setting,
    existing: &Client,
    secrets: Vec<NewSecret>,
) -> Result<Outcome, CommandError> {
    for secret in secrets {
        let is_known = existing.secrets.iter().any(|it| it.id == secret.id);
        if is_known || setting.arguments.dry_run {
            continue;
        }
        if setting.store.add_secret(&existing.client_id, &secret)? == SecretAdded::TooMany {
            let most = Client::MAX_SECRETS;
            return Ok(Err(format!(
                "`secrets`: the client has {most} valid secrets already"
            )));
        }
    }
    Ok(Ok(()))
}

fn keys(method: &ClientMethod) -> Option<&KeySource> {
    match method {
        ClientMethod::Client { keys } => keys.as_ref(),
        ClientMethod::Federation(federation) => Some(&federation.keys),
    }
}
