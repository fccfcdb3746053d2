//! Connections and credentials that were deleted. They remain known, because the journal names them by their ids.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::connection::ConnectionId;

/// A connection that was deleted. Another connection of the tenant may have its name now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedConnection {
    /// The id of the connection in the journal.
    pub id: ConnectionId,
    /// The name that the connection had.
    pub name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of deletion.
    pub deleted: DateTime<Utc>,
}

/// A credential that was deleted, alone or with its connection. A revoked token is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedCredential {
    /// The id of the credential in the journal.
    pub id: Uuid,
    /// The kind of credential.
    pub kind: CredentialKind,
    /// The id at the token endpoint; `None` for a bearer token.
    pub client_id: Option<String>,
    /// The name that its creator gave the credential; it may be empty.
    pub name: String,
    /// Name of the tenant.
    pub tenant_name: String,
    /// The name of the connection that the credential belonged to.
    pub connection_name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of deletion.
    pub deleted: DateTime<Utc>,
}

/// The way in which a credential proves the identity of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A long-lived bearer token.
    Bearer,
    /// An OAuth client with secrets or keys.
    Client,
    /// The trust in an external issuer.
    Federation,
}

impl CredentialKind {
    const ALL: [CredentialKind; 3] = [
        CredentialKind::Bearer,
        CredentialKind::Client,
        CredentialKind::Federation,
    ];

    /// Returns the word that stores keep and commands print; [`FromStr`] reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            CredentialKind::Bearer => "bearer",
            CredentialKind::Client => "client",
            CredentialKind::Federation => "federation",
        }
    }
}

impl FromStr for CredentialKind {
    type Err = UnknownCredentialKind;

    fn from_str(text: &str) -> Result<CredentialKind, UnknownCredentialKind> {
        let known = CredentialKind::ALL.into_iter().find(|it| it.as_str() == text);
        known.ok_or_else(|| UnknownCredentialKind(text.to_owned()))
    }
}

/// A word that this version does not know as a [`CredentialKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of credential that this version knows")]
pub struct UnknownCredentialKind(pub String);
