//! The connections of an export, and its tokens.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_model::store::{Connection, ConnectionChange, ConnectionId, ConnectionState, NewToken, TenantId};

use super::setting::{ImportStore, NO_TENANT};
use crate::cli::CommandError;
use crate::cli::transfer::{ConnectionLine, TokenLine, time};
use crate::clock;

/// The connections that tokens of the export can belong to.
pub(super) struct Credentials {
    tenant: TenantId,
    now: DateTime<Utc>,
    /// By name. In a trial, also those that would be created.
    connections: BTreeMap<String, ConnectionId>,
}

impl Credentials {
    pub(super) fn new(tenant: TenantId, now: DateTime<Utc>) -> Credentials {
        Credentials {
            tenant,
            now,
            connections: BTreeMap::new(),
        }
    }

    /// Creates a connection. One that exists under the same name stays, except that the connection of a new tenant gets the
    /// preset and the settings. Returns the reason if the existing one is another.
    pub(super) fn connection(
        &mut self,
        store: &dyn ImportStore,
        line: &ConnectionLine,
        is_trial: bool,
    ) -> Result<Option<String>, CommandError> {
        let existing = match self.tenant {
            NO_TENANT => None,
            tenant => store.connection(tenant, &line.name)?,
        };
        if let Some(existing) = existing {
            self.connections.insert(line.name.clone(), existing.id);
            return self.adapt(store, &existing, line, is_trial);
        }
        let connection = Connection {
            id: ConnectionId(clock::new_id()),
            tenant: self.tenant,
            name: line.name.clone(),
            preset: line.preset.clone(),
            settings: line.settings.clone(),
            state: line.state(),
            created: time(&line.created).unwrap_or(self.now),
        };
        self.connections.insert(line.name.clone(), connection.id);
        if !is_trial {
            store.create_connection(&connection)?;
        }
        Ok(None)
    }

    fn adapt(
        &self,
        store: &dyn ImportStore,
        existing: &Connection,
        line: &ConnectionLine,
        is_trial: bool,
    ) -> Result<Option<String>, CommandError> {
        let is_same = existing.preset == line.preset
            && existing.settings == line.settings
            && existing.state == line.state();
        if is_same {
            return Ok(None);
        }
        let is_untouched = existing.preset == Connection::GENERIC
            && existing.settings.is_empty()
            && existing.state == ConnectionState::Active;
        if !is_untouched {
            let name = &line.name;
            let text = format!("the connection `{name}` exists with other settings, and keeps them");
            return Ok(Some(text));
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
        if !is_trial {
            store.change_connection(self.tenant, existing.id, &change)?;
        }
        Ok(None)
    }

    /// Stores a token, unless it is there. Returns the reason if it cannot be stored.
    pub(super) fn token(
        &self,
        store: &dyn ImportStore,
        line: &TokenLine,
        is_trial: bool,
    ) -> Result<Result<(), String>, CommandError> {
        let Some(sha256) = line.hash() else {
            return Ok(Err("`sha256`: expected 64 hexadecimal digits".to_owned()));
        };
        let Some(connection) = self.connections.get(&line.connection) else {
            return Ok(Err(format!(
                "`connection`: no earlier line has the connection `{}`",
                line.connection
            )));
        };
        if let Some(existing) = store.token_by_hash(&sha256)? {
            return Ok(match existing.connection.tenant == self.tenant {
                true => Ok(()),
                false => Err(format!(
                    "the token {} belongs to the tenant {} already, and can have one only",
                    line.id, existing.tenant_name
                )),
            });
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
            tenant: self.tenant,
            connection: *connection,
            sha256,
            last_four: line.last_four.clone().unwrap_or_default(),
            created: time(&line.created).unwrap_or(self.now),
            expires,
            read_only: line.read_only,
            name: line.name.clone(),
        };
        if !is_trial {
            store.create_token(&token)?;
        }
        Ok(Ok(()))
    }
}
