//! The handlers of `/tenants/{tenant}/connections/{connection}/federations`.

use std::collections::BTreeMap;

use scim_model::store::{Client, CredentialKind, Federation};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::{self, Names};
use super::audit;
use super::clients::{ChangedClient, IssuedClient, client_tag, verb_of};
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::preconditions::IfMatch;
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::management::Access;
use crate::management::client_change::{self, FederationChange, NewValues};
use crate::management::clients::{self, Keys};
use crate::management::federations::{self, FederationRequest, FederationView, TrialView};

/// A federation to create. Values are compared character by character.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewFederation {
    /// A name that tells the federation from others.
    #[serde(default)]
    name: String,
    /// The operations that access tokens allow.
    #[serde(default)]
    scope: Access,
    /// The issuer, as in the claim `iss`.
    issuer: String,
    /// The subject, as in the claim `sub`.
    subject: String,
    /// Up to four audiences, as in the claim `aud`; an assertion names one of them.
    audiences: Vec<String>,
    /// Further claims that an assertion must have.
    #[serde(default)]
    claims: BTreeMap<String, String>,
    /// Accept each assertion once; Entra may send one several times.
    #[serde(default)]
    single_use: bool,
    /// The accepted algorithms: RS256, ES256, PS256 or EdDSA; without one, RS256 and ES256.
    #[serde(default)]
    algorithms: Vec<String>,
    /// The public keys of the issuer.
    keys: Keys,
}

/// A change of a federation. The members that are missing stay as they are, and a list replaces the whole list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FederationPatch {
    /// A name that tells the federation from others.
    name: Option<String>,
    /// Whether the federation and its access tokens are refused.
    disabled: Option<bool>,
    /// The issuer, as in the claim `iss`.
    issuer: Option<String>,
    /// The subject, as in the claim `sub`.
    subject: Option<String>,
    /// Up to four audiences, as in the claim `aud`.
    audiences: Option<Vec<String>>,
    /// Further claims that an assertion must have.
    claims: Option<BTreeMap<String, String>>,
    /// Accept each assertion once.
    single_use: Option<bool>,
    /// The accepted algorithms; without one, RS256 and ES256.
    algorithms: Option<Vec<String>>,
    /// The public keys of the issuer.
    keys: Option<Keys>,
}

/// An assertion to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Assertion {
    /// The assertion: a signed JWT.
    assertion: String,
}

impl Work<'_> {
    fn federation(&self, names: &Names) -> Result<Client, Problem> {
        let is_federation = |it: &Client| it.method.kind() == CredentialKind::Federation;
        let mut clients = self.clients(names)?.into_iter();
        let found = clients.find(|it| it.client_id == names.id && is_federation(it));
        found.ok_or_else(|| {
            Problem::not_found(format!("the connection has no federation `{}`", names.id)).at("id")
        })
    }
}

/// Lists the federations of a connection in order of creation.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/federations", tag = "federations", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of federations", body = Items<FederationView>)))]
pub(super) async fn list(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let clients = work.clients(&names)?;
            let views = clients.iter().filter_map(FederationView::of).collect();
            let key = |it: &FederationView| by_creation(it.client.created.0, it.client.id);
            Ok(paging.page(views, key, |it| it))
        })
        .await?;
    answers::json(&page)
}

/// Trusts the assertions of an external issuer, such as Entra.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/federations", tag = "federations",
    request_body = NewFederation, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
), responses((status = 201, description = "The federation", body = IssuedClient<FederationView>)))]
pub(super) async fn create(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<NewFederation>,
) -> Answer {
    let Input { value, bytes } = input;
    let of = names.clone();
    let create = move |work: &Work, id: Uuid| {
        let (_, connection) = work.connection(&names)?;
        let request = FederationRequest {
            id,
            name: &value.name,
            access: value.scope,
            trust: Federation {
                issuer: value.issuer.clone(),
                subject: value.subject.clone(),
                audiences: value.audiences.clone(),
                keys: value.keys.source()?,
                claims: value.claims.clone(),
                single_use: value.single_use,
                algorithms: value.algorithms.clone(),
            },
        };
        let management = work.management;
        let store = &*management.store;
        let new = federations::create(store, &connection, request, &management.egress, clock::now())?;
        created(work, &names, &new.client.client_id, new.warning)
    };
    let find = move |work: &Work, id: Uuid| {
        let found = work.clients(&of)?.into_iter().find(|it| it.id == id);
        let found = found.map(|it| created(work, &of, &it.client_id, None));
        found.transpose()
    };
    creation.answer(&operator, &bytes, create, find).await
}

fn created(work: &Work, names: &Names, client_id: &str, warning: Option<String>) -> Result<Created, Problem> {
    let client = clients::find(&*work.management.store, client_id)?;
    let view = FederationView::of(&client).ok_or_else(|| clients::no_client(client_id))?;
    let tag = client_tag(&view);
    Ok(Created {
        path: names.of_connection(&format!("/federations/{client_id}")),
        tag: Some(tag),
        body: json!(work.issued(view, None, warning)),
    })
}

/// Shows a federation.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/federations/{id}", tag = "federations", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the federation at the token endpoint"),
), responses((status = 200, description = "The federation", body = FederationView)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let client = operator.call(move |work| work.federation(&names)).await?;
    let view = FederationView::of(&client);
    let tag = client_tag(&view);
    answers::json_with_tag(&view, tag)
}

/// Changes values of a federation, or disables or enables it. Servers follow within a second.
#[utoipa::path(patch, path = "/tenants/{tenant}/connections/{connection}/federations/{id}", tag = "federations",
    request_body = FederationPatch, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the federation at the token endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the federation as it was read"),
), responses((status = 200, description = "The federation after the change", body = ChangedClient<FederationView>)))]
pub(super) async fn change(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<FederationPatch>,
) -> Answer {
    let path = names.of_connection(&format!("/federations/{}", names.id));
    let patch = input.value;
    let change = FederationChange {
        issuer: patch.issuer,
        subject: patch.subject,
        audiences: patch.audiences,
        claims: patch.claims,
        single_use: patch.single_use,
        algorithms: patch.algorithms,
        keys: patch.keys.map(|it| it.source()).transpose()?,
    };
    let is_state_only = patch.name.is_none() && change == FederationChange::default();
    let verb = verb_of(patch.disabled, is_state_only);
    let values = NewValues {
        name: patch.name,
        disabled: patch.disabled,
        if_unchanged: condition.is_given(),
    };
    let (view, warnings) = operator
        .call(move |work| {
            let client = work.federation(&names)?;
            condition.check(&client_tag(&FederationView::of(&client)))?;
            let management = work.management;
            let (store, egress) = (&*management.store, &management.egress);
            let changed = client_change::change_federation(store, &client, values, change, egress)?;
            Ok((FederationView::of(&changed.client), changed.warnings))
        })
        .await?;
    audit::record(&operator, verb, &path);
    ChangedClient::answer(view, warnings)
}

/// Tries an assertion, and says which check fails. No token is issued.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/federations/{id}/check", tag = "federations",
    request_body = Assertion, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the federation at the token endpoint"),
), responses((status = 200, description = "The result", body = TrialView)))]
pub(super) async fn check(operator: Operator, names: Names, input: Input<Assertion>) -> Answer {
    let path = names.of_connection(&format!("/federations/{}", names.id));
    let trial = operator
        .call(move |work| {
            let client = work.federation(&names)?;
            Ok(work.management.try_assertion(&client, &input.value.assertion)?)
        })
        .await?;
    audit::record(&operator, "check an assertion for", &path);
    answers::json(&trial)
}

/// Deletes a federation with its access tokens. Servers follow within a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/connections/{connection}/federations/{id}", tag = "federations",
    params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the federation at the token endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the federation as it was read"),
), responses((status = 204, description = "The federation is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = names.of_connection(&format!("/federations/{}", names.id));
    operator
        .call(move |work| {
            let client = work.federation(&names)?;
            condition.check(&client_tag(&FederationView::of(&client)))?;
            let store = &*work.management.store;
            Ok(clients::delete(store, &client.client_id, clock::now())?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
