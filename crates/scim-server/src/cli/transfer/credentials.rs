//! The lines of an export about connections and their credentials. Secrets are hashes, and never the secrets themselves.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Client, ClientMethod, Connection, ConnectionState, KeySource, NewSecret, Secret, Token,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cli::hex::{hex, sha256};
use crate::cli::timestamp;
use crate::oauth::key_set;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ConnectionLine {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) name: String,
    pub(in crate::cli) preset: String,
    pub(in crate::cli) settings: BTreeMap<String, String>,
    pub(in crate::cli) paused: bool,
    pub(in crate::cli) created: String,
}

impl ConnectionLine {
    pub(in crate::cli) fn of(connection: &Connection) -> ConnectionLine {
        ConnectionLine {
            id: connection.id.0,
            name: connection.name.clone(),
            preset: connection.preset.clone(),
            settings: connection.settings.clone(),
            paused: connection.state == ConnectionState::Paused,
            created: timestamp(connection.created),
        }
    }

    pub(in crate::cli) fn state(&self) -> ConnectionState {
        match self.paused {
            true => ConnectionState::Paused,
            false => ConnectionState::Active,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct TokenLine {
    pub(in crate::cli) id: Uuid,
    /// The name of the connection.
    pub(in crate::cli) connection: String,
    sha256: String,
    pub(in crate::cli) last_four: Option<String>,
    pub(in crate::cli) created: String,
    pub(in crate::cli) expires: Option<String>,
    pub(in crate::cli) read_only: bool,
    pub(in crate::cli) name: String,
}

impl TokenLine {
    pub(in crate::cli) fn of(token: &Token, sha256: &[u8; 32]) -> TokenLine {
        TokenLine {
            id: token.id,
            connection: token.connection.name.clone(),
            sha256: hex(sha256),
            last_four: token.last_four.clone(),
            created: timestamp(token.created),
            expires: token.expires.map(timestamp),
            read_only: token.read_only,
            name: token.name.clone(),
        }
    }

    /// The hash, unless the text is not one.
    pub(in crate::cli) fn hash(&self) -> Option<[u8; 32]> {
        sha256(&self.sha256)
    }
}

/// An OAuth client or a federation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ClientLine {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) client_id: String,
    /// The name of the connection.
    pub(in crate::cli) connection: String,
    pub(in crate::cli) name: String,
    /// The public keys, or the trust in an external issuer.
    pub(in crate::cli) method: ClientMethod,
    pub(in crate::cli) read_only: bool,
    pub(in crate::cli) disabled: bool,
    pub(in crate::cli) created: String,
    /// The valid secrets, in order of creation.
    pub(in crate::cli) secrets: Vec<SecretLine>,
}

impl ClientLine {
    /// The line without secrets that have expired. A key set has public keys only, also if an earlier version has
    /// stored private ones.
    pub(in crate::cli) fn of(client: &Client, now: DateTime<Utc>) -> ClientLine {
        let mut method = client.method.clone();
        let keys = match &mut method {
            ClientMethod::Client { keys } => keys.as_mut(),
            ClientMethod::Federation(federation) => Some(&mut federation.keys),
        };
        if let Some(KeySource::Inline(text)) = keys {
            *text = key_set::public_part(text).to_string();
        }
        let secrets = client.secrets.iter().filter(|it| it.expires > now);
        ClientLine {
            id: client.id,
            client_id: client.client_id.clone(),
            connection: client.connection.name.clone(),
            name: client.name.clone(),
            method,
            read_only: client.read_only,
            disabled: client.disabled,
            created: timestamp(client.created),
            secrets: secrets.map(SecretLine::of).collect(),
        }
    }
}

/// A secret of an OAuth client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct SecretLine {
    id: Uuid,
    sha256: String,
    last_four: String,
    name: String,
    created: String,
    expires: String,
}

impl SecretLine {
    fn of(secret: &Secret) -> SecretLine {
        SecretLine {
            id: secret.id,
            sha256: hex(&secret.sha256),
            last_four: secret.last_four.clone(),
            name: secret.name.clone(),
            created: timestamp(secret.created),
            expires: timestamp(secret.expires),
        }
    }

    /// # Errors
    /// The member that cannot be read.
    pub(in crate::cli) fn to_secret(&self) -> Result<NewSecret, String> {
        let at =
            |name: &str, text: &str| time(text).ok_or_else(|| format!("`secrets.{name}`: expected a time"));
        Ok(NewSecret {
            id: self.id,
            sha256: sha256(&self.sha256).ok_or("`secrets.sha256`: expected 64 hexadecimal digits")?,
            last_four: self.last_four.clone(),
            name: self.name.clone(),
            created: at("created", &self.created)?,
            expires: at("expires", &self.expires)?,
        })
    }
}

/// Reads a time as [`timestamp`] writes it.
pub(in crate::cli) fn time(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}
