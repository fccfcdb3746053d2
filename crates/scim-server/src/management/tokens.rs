//! Bearer tokens of connections.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Connection, Directory, NewToken, Token, check_label};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Access, ManagementError, Timestamp};
use crate::token;

/// The usual lifetime of tokens in days: it is limited (RFC 7644 section 7.4), but clients keep their tokens for long.
pub const TOKEN_DAYS: u32 = 365;

/// The longest lifetime of tokens in days, if it is limited.
pub const LONGEST_TOKEN_DAYS: u32 = 36_500;

/// The usual time for which a token stays valid after its rotation.
pub const OVERLAP: TimeDelta = TimeDelta::days(7);

/// The longest such time: a token that is not replaced within a year is no rotation.
pub const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(366);

/// A token as operators see it, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// The id, which the journal and events name.
    pub id: Uuid,
    /// The name that tells the token from others; it may be empty.
    pub name: String,
    /// The name of the tenant.
    pub tenant: String,
    /// The name of the connection.
    pub connection: String,
    /// Whether the token is accepted.
    pub state: TokenState,
    /// The operations that the token allows.
    pub scope: Access,
    /// Whether the token allows reading only.
    pub read_only: bool,
    /// The last four characters of the secret; `null` for a token that an early version created.
    pub last_four: Option<String>,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of expiry; `null` is never.
    pub expires: Option<Timestamp>,
    /// Time of revocation; `null` if it was not revoked.
    pub revoked: Option<Timestamp>,
    /// The approximate time of the last use; `null` before the first one.
    pub last_used: Option<Timestamp>,
}

/// Whether a token or an operator key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenState {
    /// It is accepted.
    Valid,
    /// Its time is over.
    Expired,
    /// An operator has revoked it.
    Revoked,
}

impl TokenState {
    /// Returns the state of a token or a key with these times.
    pub fn of(
        revoked: Option<DateTime<Utc>>,
        expires: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> TokenState {
        if revoked.is_some() {
            TokenState::Revoked
        } else if expires.is_some_and(|it| it <= now) {
            TokenState::Expired
        } else {
            TokenState::Valid
        }
    }

    /// Returns the word that operators read.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenState::Valid => "valid",
            TokenState::Expired => "expired",
            TokenState::Revoked => "revoked",
        }
    }
}

/// Returns whether a token is accepted at a time.
pub fn state(token: &Token, now: DateTime<Utc>) -> TokenState {
    TokenState::of(token.revoked, token.expires, now)
}

impl TokenView {
    /// Returns what operators see of a token.
    pub fn of(token: &Token, now: DateTime<Utc>) -> TokenView {
        TokenView {
            id: token.id,
            name: token.name.clone(),
            tenant: token.tenant_name.clone(),
            connection: token.connection.name.clone(),
            state: state(token, now),
            scope: Access::of(token.read_only),
            read_only: token.read_only,
            last_four: token.last_four.clone(),
            created: token.created.into(),
            expires: token.expires.map(Timestamp),
            revoked: token.revoked.map(Timestamp),
            last_used: token.last_used.map(Timestamp),
        }
    }
}

/// A token that is yet to be stored, with its secret, which is never stored.
#[derive(Debug)]
pub struct PreparedToken {
    /// The token itself, which is shown once.
    pub secret: String,
    /// Identifies the token without being secret.
    pub id: Uuid,
    /// The name of the token.
    pub name: String,
    /// The operations that the token allows.
    pub access: Access,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
}

impl PreparedToken {
    /// Makes a token with a random secret.
    ///
    /// # Errors
    /// `Invalid` for a name that is too long or not printable; `Random`.
    pub fn random(
        id: Uuid,
        name: &str,
        access: Access,
        created: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<PreparedToken, ManagementError> {
        check_label(name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
        Ok(PreparedToken {
            secret: token::new_secret()?,
            id,
            name: name.to_owned(),
            access,
            created,
            expires,
        })
    }

    /// Makes the token a credential of a connection.
    ///
    /// # Errors
    /// `NotFound` when the connection has just been deleted.
    pub fn store(
        &self,
        directory: &(impl Directory + ?Sized),
        connection: &Connection,
    ) -> Result<(), ManagementError> {
        let is_stored = directory.create_token(&NewToken {
            id: self.id,
            tenant: connection.tenant,
            connection: connection.id,
            sha256: token::digest(&self.secret),
            last_four: token::last_four(&self.secret),
            created: self.created,
            expires: self.expires,
            read_only: self.access.is_read_only(),
            name: self.name.clone(),
        })?;
        if is_stored {
            return Ok(());
        }
        let text = format!("the connection `{}` has just been deleted", connection.name);
        Err(ManagementError::not_found("connection", text))
    }

    /// Returns what operators see of the token once it is stored.
    pub fn view(&self, tenant: &str, connection: &Connection) -> TokenView {
        TokenView {
            id: self.id,
            name: self.name.clone(),
            tenant: tenant.to_owned(),
            connection: connection.name.clone(),
            state: TokenState::Valid,
            scope: self.access,
            read_only: self.access.is_read_only(),
            last_four: Some(token::last_four(&self.secret)),
            created: self.created.into(),
            expires: self.expires.map(Timestamp),
            revoked: None,
            last_used: None,
        }
    }
}

/// The new token of a rotation, and the end of the old one.
#[derive(Debug)]
pub struct Rotation {
    /// The token that was replaced, as it was before.
    pub old: Token,
    /// The time until which the old token is valid.
    pub old_expires: DateTime<Utc>,
    /// The new token.
    pub new: PreparedToken,
}

/// Creates a token like another one, which ends at a time. The new token comes first, so that a failure in between
/// leaves two valid tokens, and not none.
///
/// # Errors
/// `Refused` for a token that is not valid; `NotFound`.
pub fn rotate(
    directory: &(impl Directory + ?Sized),
    old: Token,
    new_id: Uuid,
    end: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Rotation, ManagementError> {
    let state = state(&old, now);
    if state != TokenState::Valid {
        let text = format!("the token `{}` is {}: create another one", old.id, state.as_str());
        return Err(ManagementError::Refused(text));
    }
    // The name was valid when the old token was created.
    let new = PreparedToken {
        secret: token::new_secret()?,
        id: new_id,
        name: old.name.clone(),
        access: Access::of(old.read_only),
        created: now,
        expires,
    };
    new.store(directory, &old.connection)?;
    if !directory.expire_token(old.id, end)? {
        return Err(no_token(old.id));
    }
    Ok(Rotation {
        old_expires: old.expires.map_or(end, |it| it.min(end)),
        old,
        new,
    })
}

/// Revokes a token. Servers follow within a second.
///
/// # Errors
/// `NotFound`.
pub fn revoke(
    directory: &(impl Directory + ?Sized),
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ManagementError> {
    match directory.revoke_token(id, now)? {
        true => Ok(()),
        false => Err(no_token(id)),
    }
}

/// Returns the error for an unknown token.
pub fn no_token(id: Uuid) -> ManagementError {
    ManagementError::not_found("id", format!("there is no token `{id}`"))
}
