//! The port to operator keys, the credentials of the management API.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;
use super::tenant::{Tenant, TenantId};

/// The keys of operators. A store keeps the SHA-256 of a key, and never the key.
///
/// **Invariant.** A key that is limited to tenants stays limited when these tenants are deleted.
pub trait OperatorKeys: Send + Sync {
    /// Stores a key, and returns whether all its tenants exist. Otherwise nothing is stored.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_operator_key(&self, key: &NewOperatorKey) -> Result<bool, StoreError>;

    /// Returns all keys in order of creation, including those that are revoked or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    fn operator_keys(&self) -> Result<Vec<OperatorKey>, StoreError>;

    /// Returns the key with this hash, even if it is revoked or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    fn operator_key_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<OperatorKey>, StoreError>;

    /// Revokes a key, and returns whether it exists. The time of the first revocation stays.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revoke_operator_key(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Records that a key was used, unless a use within the previous minute is recorded.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn record_operator_key_use(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError>;
}

/// The operations that a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorScope {
    /// All operations.
    Admin,
    /// Reading.
    Read,
    /// Reading events, and acknowledging them.
    Events,
}

impl OperatorScope {
    /// All scopes.
    pub const ALL: [OperatorScope; 3] = [OperatorScope::Admin, OperatorScope::Read, OperatorScope::Events];

    /// Returns the word that operators read and write.
    pub fn as_str(self) -> &'static str {
        match self {
            OperatorScope::Admin => "admin",
            OperatorScope::Read => "read",
            OperatorScope::Events => "events",
        }
    }

    /// Returns the scope with this word.
    pub fn named(word: &str) -> Option<OperatorScope> {
        OperatorScope::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A key to store.
#[derive(Clone, Debug)]
pub struct NewOperatorKey {
    /// Identifies the key without being secret.
    pub id: Uuid,
    /// The name that its creator gave the key.
    pub name: String,
    /// The operations that the key allows.
    pub scope: OperatorScope,
    /// The tenants that the key is limited to; `None` for all tenants, including those that are created later.
    pub tenants: Option<Vec<TenantId>>,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// The last four characters of the key, for an operator to recognise it.
    pub last_four: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
}

/// A stored key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorKey {
    /// Identifies the key without being secret.
    pub id: Uuid,
    /// The name that its creator gave the key.
    pub name: String,
    /// The operations that the key allows.
    pub scope: OperatorScope,
    /// The tenants that the key is limited to, without those that were deleted; `None` for all tenants.
    pub tenants: Option<Vec<Tenant>>,
    /// The last four characters of the key.
    pub last_four: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Time of revocation, if it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// The approximate time of the last request with the key; `None` if there was none, or it was not recorded.
    pub last_used: Option<DateTime<Utc>>,
}

impl OperatorKey {
    /// Returns whether the key is accepted at a time: it is neither revoked nor expired.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|it| it > now)
    }
}
