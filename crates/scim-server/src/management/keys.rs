//! Operator keys.

use chrono::{DateTime, Utc};
use scim_model::store::{
    Directory, NewOperatorKey, OperatorKey, OperatorKeys, OperatorScope, Tenant, TenantId, check_label,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::tokens::TokenState;
use super::{ManagementError, Timestamp, tenants};
use crate::token;

/// An operator key as operators see it, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// The id.
    pub id: Uuid,
    /// The name that tells the key from others.
    pub name: String,
    /// Whether the key is accepted.
    pub state: TokenState,
    /// The operations that the key allows.
    pub scope: KeyScope,
    /// The names of the tenants that the key is limited to; `null` for all tenants.
    pub tenants: Option<Vec<String>>,
    /// The last four characters of the key.
    pub last_four: String,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of expiry; `null` is never.
    pub expires: Option<Timestamp>,
    /// Time of revocation; `null` if it was not revoked.
    pub revoked: Option<Timestamp>,
    /// The approximate time of the last use; `null` before the first one.
    pub last_used: Option<Timestamp>,
}

/// The operations that an operator key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyScope {
    /// All operations.
    Admin,
    /// Reading.
    Read,
    /// Reading events.
    Events,
}

impl From<KeyScope> for OperatorScope {
    fn from(scope: KeyScope) -> OperatorScope {
        match scope {
            KeyScope::Admin => OperatorScope::Admin,
            KeyScope::Read => OperatorScope::Read,
            KeyScope::Events => OperatorScope::Events,
        }
    }
}

impl From<OperatorScope> for KeyScope {
    fn from(scope: OperatorScope) -> KeyScope {
        match scope {
            OperatorScope::Admin => KeyScope::Admin,
            OperatorScope::Read => KeyScope::Read,
            OperatorScope::Events => KeyScope::Events,
        }
    }
}

impl KeyView {
    /// Returns what operators see of a key.
    pub fn of(key: &OperatorKey, now: DateTime<Utc>) -> KeyView {
        let names =
            |tenants: &Vec<Tenant>| -> Vec<String> { tenants.iter().map(|it| it.name.clone()).collect() };
        KeyView {
            id: key.id,
            name: key.name.clone(),
            state: TokenState::of(key.revoked, key.expires, now),
            scope: key.scope.into(),
            tenants: key.tenants.as_ref().map(names),
            last_four: key.last_four.clone(),
            created: key.created.into(),
            expires: key.expires.map(Timestamp),
            revoked: key.revoked.map(Timestamp),
            last_used: key.last_used.map(Timestamp),
        }
    }
}

/// The properties of a key to create.
#[derive(Clone, Copy, Debug)]
pub struct KeyRequest<'a> {
    /// Identifies the key without being secret.
    pub id: Uuid,
    /// A name that tells the key from others, such as its purpose.
    pub name: &'a str,
    /// The operations that the key allows.
    pub scope: KeyScope,
    /// The names of the tenants that the key is limited to; without one, it is for all tenants.
    pub tenants: &'a [String],
    /// The time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
}

/// A key that was created, with its secret, which is shown once.
#[derive(Debug)]
pub struct IssuedKey {
    /// The view of the key for operators.
    pub view: KeyView,
    /// The key itself.
    pub secret: String,
}

/// Creates a key.
///
/// # Errors
/// `Invalid` for a name that is empty, too long or not printable; `NoTenant`.
pub fn create<S: Directory + OperatorKeys + ?Sized>(
    store: &S,
    request: &KeyRequest,
    now: DateTime<Utc>,
) -> Result<IssuedKey, ManagementError> {
    check_label(request.name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    if request.name.is_empty() {
        return Err(ManagementError::invalid("name", "a key needs a name"));
    }
    let limits = request.tenants.iter().map(|name| tenants::find(store, name));
    let limits = limits.collect::<Result<Vec<_>, _>>()?;
    let (new, issued) = prepare(request, limits.iter().map(|it| it.id).collect(), now)?;
    if !store.create_operator_key(&new)? {
        let text = "a tenant of the key has just been deleted";
        return Err(ManagementError::not_found("tenants", text));
    }
    Ok(issued)
}

/// Returns a key for these tenants that is yet to be stored.
pub(crate) fn prepare(
    request: &KeyRequest,
    limits: Vec<TenantId>,
    now: DateTime<Utc>,
) -> Result<(NewOperatorKey, IssuedKey), getrandom::Error> {
    let secret = token::new_operator_key()?;
    let new = NewOperatorKey {
        id: request.id,
        name: request.name.to_owned(),
        scope: request.scope.into(),
        tenants: (!limits.is_empty()).then_some(limits),
        sha256: token::digest(&secret),
        last_four: token::last_four(&secret),
        created: now,
        expires: request.expires,
    };
    let view = KeyView {
        id: new.id,
        name: new.name.clone(),
        state: TokenState::Valid,
        scope: request.scope,
        tenants: (!request.tenants.is_empty()).then(|| request.tenants.to_vec()),
        last_four: new.last_four.clone(),
        created: now.into(),
        expires: new.expires.map(Timestamp),
        revoked: None,
        last_used: None,
    };
    Ok((new, IssuedKey { view, secret }))
}

/// Finds a key by its id.
///
/// # Errors
/// `NotFound`.
pub fn find(store: &(impl OperatorKeys + ?Sized), id: Uuid) -> Result<OperatorKey, ManagementError> {
    let key = store.operator_keys()?.into_iter().find(|it| it.id == id);
    key.ok_or_else(|| no_key(id))
}

/// Revokes a key. Every server refuses it from then on, because none remembers keys.
///
/// # Errors
/// `NotFound`.
pub fn revoke(
    store: &(impl OperatorKeys + ?Sized),
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ManagementError> {
    match store.revoke_operator_key(id, now)? {
        true => Ok(()),
        false => Err(no_key(id)),
    }
}

fn no_key(id: Uuid) -> ManagementError {
    ManagementError::not_found("id", format!("there is no operator key `{id}`"))
}
