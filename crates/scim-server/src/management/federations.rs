//! Federations: the trust of connections in external issuers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Client, ClientMethod, Connection, CredentialKind, Credentials, Federation, StoreError, TenantId,
    check_label,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::clients::{self, CredentialView, IssuedClient, Keys};
use super::{Access, Management, ManagementError};
use crate::egress::Egress;
use crate::oauth::registration;
use crate::oauth::trial::Trial;

/// A federation as operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationView {
    /// The federation.
    #[serde(flatten)]
    pub client: CredentialView,
    /// The issuer, character by character as in the claim `iss`.
    pub issuer: String,
    /// The subject, character by character as in the claim `sub`.
    pub subject: String,
    /// The audiences, character by character as in the claim `aud`; an assertion names one of them.
    pub audiences: Vec<String>,
    /// Further claims that an assertion must have.
    pub claims: BTreeMap<String, String>,
    /// Whether an assertion is good for one token only.
    pub single_use: bool,
    /// The accepted algorithms; empty for RS256 and ES256.
    pub algorithms: Vec<String>,
    /// The public keys of the issuer.
    pub keys: Keys,
}

impl FederationView {
    /// Returns what operators see of a federation; `None` for another client.
    pub fn of(client: &Client) -> Option<FederationView> {
        let ClientMethod::Federation(trust) = &client.method else {
            return None;
        };
        Some(FederationView {
            client: CredentialView::of(client),
            issuer: trust.issuer.clone(),
            subject: trust.subject.clone(),
            audiences: trust.audiences.clone(),
            claims: trust.claims.clone(),
            single_use: trust.single_use,
            algorithms: trust.algorithms.clone(),
            keys: Keys::of(&trust.keys),
        })
    }
}

/// The properties of a federation to create.
#[derive(Clone, Debug)]
pub struct FederationRequest<'a> {
    /// Identifies the federation in the journal.
    pub id: Uuid,
    /// A name for the federation; it may be empty.
    pub name: &'a str,
    /// The access that the client gets.
    pub access: Access,
    /// The trust.
    pub trust: Federation,
}

/// Creates a federation of a connection. `egress` has the rules for the URL of its keys.
///
/// # Errors
/// `Invalid` for a value that is not valid; `Refused` if another federation of the tenant has the same issuer, subject and
/// audiences; `NotFound` when the connection has just been deleted.
pub fn create(
    store: &(impl Credentials + ?Sized),
    connection: &Connection,
    request: FederationRequest,
    egress: &Egress,
    now: DateTime<Utc>,
) -> Result<IssuedClient, ManagementError> {
    check_label(request.name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    let warning = registration::check_federation(&request.trust, egress)?;
    let trust = request.trust;
    let method = ClientMethod::Federation(trust.clone());
    let read_only = request.access.is_read_only();
    let mut client = registration::new_client(connection, request.name, method, read_only, now)?;
    client.id = request.id;
    let stored = clients::store(store, connection, &client);
    stored.map_err(|error| explain_twin(error, store, connection.tenant, &trust, client.id))?;
    Ok(IssuedClient {
        client,
        secret: None,
        warning,
    })
}

/// Returns the error with which a store refused a federation, in words: it names the other one with the same issuer,
/// subject and audiences.
pub(super) fn explain_twin(
    error: ManagementError,
    store: &(impl Credentials + ?Sized),
    tenant: TenantId,
    new: &Federation,
    id: Uuid,
) -> ManagementError {
    if !matches!(&error, ManagementError::Store(StoreError::Conflict { attribute }) if attribute == "federation")
    {
        return error;
    }
    let twin = match twin_of(store, tenant, new, Some(id)) {
        Ok(twin) => twin,
        Err(error) => return error.into(),
    };
    ManagementError::Refused(match twin {
        Some(twin) => format!(
            "the federation `{}` of the connection `{}` has the same issuer, subject and audiences: change that one, \
             or delete it first",
            twin.client_id, twin.connection.name
        ),
        None => "a federation with the same issuer, subject and audiences was deleted just now: try again"
            .to_owned(),
    })
}

/// Returns a federation of the tenant that accepts the same assertions, other than the one with the id `except`.
///
/// # Errors
/// `Unavailable`.
pub fn twin_of(
    store: &(impl Credentials + ?Sized),
    tenant: TenantId,
    new: &Federation,
    except: Option<Uuid>,
) -> Result<Option<Client>, StoreError> {
    let clients = store.clients(Some(tenant))?;
    let is_twin = |it: &Client| match &it.method {
        ClientMethod::Federation(trust) => trust.is_twin(new) && Some(it.id) != except,
        ClientMethod::Client { .. } => false,
    };
    Ok(clients.into_iter().find(is_twin))
}

/// The result of trying an assertion.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialView {
    /// The id at the token endpoint.
    pub client_id: String,
    /// Whether the assertion would be accepted.
    pub accepted: bool,
    /// The check that failed, mostly the name of a claim; `null` if none did.
    pub failed: Option<String>,
    /// The problem in words; `null` if there is none.
    pub problem: Option<String>,
    /// The claims of the assertion that the checks read.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub claims: BTreeMap<String, Value>,
}

impl TrialView {
    /// Returns what operators see of a trial.
    pub fn of(client_id: &str, trial: Trial) -> TrialView {
        let Trial { failed, claims } = trial;
        let (check, problem) = failed.unzip();
        TrialView {
            client_id: client_id.to_owned(),
            accepted: check.is_none(),
            failed: check.map(str::to_owned),
            problem,
            claims: claims
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

impl Management {
    /// Tries an assertion without issuing a token, and says which check fails. Fetches the keys of the issuer if needed.
    ///
    /// # Errors
    /// `Refused` for another client.
    pub fn try_assertion(&self, client: &Client, assertion: &str) -> Result<TrialView, ManagementError> {
        if client.method.kind() != CredentialKind::Federation {
            let text = format!("`{}` is no federation", client.client_id);
            return Err(ManagementError::Refused(text));
        }
        let trial = self.endpoint.try_assertion(&client.client_id, assertion.trim());
        Ok(TrialView::of(&client.client_id, trial))
    }
}
