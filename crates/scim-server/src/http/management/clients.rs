//! The handlers of `/tenants/{tenant}/connections/{connection}/clients`.

use scim_model::store::{Client, ClientMethod};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters, nullable};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::preconditions::{IfMatch, tag};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::management::client_change::{self, NewValues};
use crate::management::clients::{self, ClientRequest, ClientView, Keys, SecretView};
use crate::management::{Access, ManagementError, Timestamp};

/// A client to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewClient {
    /// A name that tells the client from others.
    #[serde(default)]
    name: String,
    /// The operations that access tokens allow.
    #[serde(default)]
    scope: Access,
    /// The days after which the secret expires, up to 1095; Entra asks for at least 365.
    #[serde(default = "usual_days")]
    #[schema(default = 730, minimum = 1, maximum = 1095)]
    days: u32,
    /// The public keys of a client that signs assertions; such a client gets no secret.
    keys: Option<Keys>,
}

/// A secret to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSecret {
    /// A name that tells the secret from others.
    #[serde(default)]
    name: String,
    /// The days after which the secret expires, up to 1095.
    #[serde(default = "usual_days")]
    #[schema(default = 730, minimum = 1, maximum = 1095)]
    days: u32,
}

fn usual_days() -> u32 {
    clients::SECRET_DAYS
}

/// A change of a client. The members that are missing stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClientPatch {
    /// A name that tells the client from others.
    name: Option<String>,
    /// The public keys of a client that signs assertions; `null` removes them.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Keys>)]
    keys: Option<Option<Keys>>,
    /// Whether the client and its access tokens are refused.
    disabled: Option<bool>,
}

/// A client or a federation after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedClient<V> {
    #[serde(flatten)]
    view: V,
    /// Consequences and problems of the change, such as a host that does not exist now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl<V: Serialize> ChangedClient<V> {
    /// Answers with the view and its entity tag.
    pub(super) fn answer(view: V, warnings: Vec<String>) -> Answer {
        let tag = client_tag(&view);
        answers::json_with_tag(&ChangedClient { view, warnings }, tag)
    }
}

/// Returns the entity tag of a client or a federation. A use of it does not change the tag.
pub(super) fn client_tag(view: &impl Serialize) -> String {
    let mut view = json!(view);
    if let Some(members) = view.as_object_mut() {
        members.remove("lastUsed");
        members.remove("secrets");
    }
    tag(&view)
}

/// A client or a federation that was created, with the values that the identity provider asks for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedClient<V> {
    #[serde(flatten)]
    pub(super) view: V,
    /// The secret. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_secret: Option<String>,
    /// The end of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Timestamp>,
    /// The URL of the token endpoint.
    pub(super) token_endpoint: String,
    /// The URL before `/Users`.
    pub(super) scim_url: String,
    /// A problem that may go away, such as a host that does not exist now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<String>,
}

/// A secret that was added.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedSecret {
    #[serde(flatten)]
    view: SecretView,
    /// The id of the client at the token endpoint.
    client_id: String,
    /// The secret. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl Work<'_> {
    /// Returns the clients and federations of a connection that the key may see.
    pub(super) fn clients(&self, names: &Names) -> Result<Vec<Client>, Problem> {
        let (tenant, connection) = self.connection(names)?;
        let mut clients = self.management.store.clients(Some(tenant.id))?;
        clients.retain(|it| it.connection.id == connection.id);
        Ok(clients)
    }

    fn client(&self, names: &Names) -> Result<Client, Problem> {
        let is_client = |it: &Client| matches!(it.method, ClientMethod::Client { .. });
        let mut clients = self.clients(names)?.into_iter();
        let found = clients.find(|it| it.client_id == names.id && is_client(it));
        found.ok_or_else(|| {
            Problem::not_found(format!("the connection has no client `{}`", names.id)).at("id")
        })
    }

    /// Adds the values that the identity provider asks for.
    pub(super) fn issued<V>(
        &self,
        view: V,
        client_secret: Option<String>,
        warning: Option<String>,
    ) -> IssuedClient<V> {
        let settings = &self.management.endpoint.settings;
        IssuedClient {
            view,
            client_secret,
            expires: None,
            token_endpoint: settings.token_endpoint.clone(),
            scim_url: settings.scim_url.clone(),
            warning,
        }
    }
}

/// Lists the OAuth clients of a connection in order of creation, without the texts of their secrets.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/clients", tag = "clients", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of clients", body = Items<ClientView>)))]
pub(super) async fn list(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let now = clock::now();
            let clients = work.clients(&names)?;
            let views = clients.iter().filter_map(|it| ClientView::of(it, now)).collect();
            let key = |it: &ClientView| by_creation(it.client.created.0, it.client.id);
            Ok(paging.page(views, key, |it| it))
        })
        .await?;
    answers::json(&page)
}

/// Creates an OAuth client. The answer shows its secret once.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/clients", tag = "clients",
    request_body = NewClient, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
), responses((status = 201, description = "The client", body = IssuedClient<ClientView>)))]
pub(super) async fn create(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<NewClient>,
) -> Answer {
    let Input { value, bytes } = input;
    let of = names.clone();
    let create = move |work: &Work, id| {
        let (_, connection) = work.connection(&names)?;
        let request = ClientRequest {
            id,
            name: &value.name,
            access: value.scope,
            days: value.days,
            keys: value.keys.as_ref().map(Keys::source).transpose()?,
        };
        let management = work.management;
        let new = clients::create(
            &*management.store,
            &connection,
            &request,
            &management.egress,
            clock::now(),
        )?;
        created(work, &names, &new.client.client_id, new.secret, new.warning)
    };
    let find = move |work: &Work, id| {
        let found = work.clients(&of)?.into_iter().find(|it| it.id == id);
        let found = found.map(|it| created(work, &of, &it.client_id, None, None));
        found.transpose()
    };
    creation.answer(&operator, &bytes, create, find).await
}

fn created(
    work: &Work,
    names: &Names,
    client_id: &str,
    secret: Option<String>,
    warning: Option<String>,
) -> Result<Created, Problem> {
    let client = clients::find(&*work.management.store, client_id)?;
    let view = ClientView::of(&client, clock::now()).ok_or_else(|| clients::no_client(client_id))?;
    let tag = client_tag(&view);
    let expires = view.secrets.first().map(|it| it.expires);
    let body = IssuedClient {
        expires,
        ..work.issued(view, secret, warning)
    };
    Ok(Created {
        path: names.of_connection(&format!("/clients/{client_id}")),
        body: json!(body),
        tag: Some(tag),
    })
}

/// Shows a client with its secrets, without their texts.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/clients/{id}", tag = "clients", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
), responses((status = 200, description = "The client", body = ClientView)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let client = operator.call(move |work| work.client(&names)).await?;
    let view = ClientView::of(&client, clock::now());
    let tag = client_tag(&view);
    answers::json_with_tag(&view, tag)
}

/// Changes the name or the keys of a client, or disables or enables it. Servers follow within a second.
#[utoipa::path(patch, path = "/tenants/{tenant}/connections/{connection}/clients/{id}", tag = "clients",
    request_body = ClientPatch, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the client as it was read"),
), responses((status = 200, description = "The client after the change", body = ChangedClient<ClientView>)))]
pub(super) async fn change(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<ClientPatch>,
) -> Answer {
    let path = names.of_connection(&format!("/clients/{}", names.id));
    let patch = input.value;
    let verb = verb_of(patch.disabled, patch.name.is_none() && patch.keys.is_none());
    let (view, warnings) = operator
        .call(move |work| {
            let (client, now) = (work.client(&names)?, clock::now());
            condition.check(&client_tag(&ClientView::of(&client, now)))?;
            let values = NewValues {
                name: patch.name,
                disabled: patch.disabled,
                if_unchanged: condition.is_given(),
            };
            let keys = patch.keys.map(|it| it.map(|it| it.source()).transpose());
            let management = work.management;
            let changed = client_change::change_client(
                &*management.store,
                &client,
                values,
                keys.transpose()?,
                &management.egress,
                now,
            )?;
            Ok((ClientView::of(&changed.client, now), changed.warnings))
        })
        .await?;
    audit::record(&operator, verb, &path);
    ChangedClient::answer(view, warnings)
}

/// Returns the word for the log.
pub(super) fn verb_of(disabled: Option<bool>, is_state_only: bool) -> &'static str {
    match disabled {
        Some(true) if is_state_only => "disable",
        Some(false) if is_state_only => "enable",
        _ => "change",
    }
}

/// Deletes a client with its access tokens. Servers follow within a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/connections/{connection}/clients/{id}", tag = "clients", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the client as it was read"),
), responses((status = 204, description = "The client is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = names.of_connection(&format!("/clients/{}", names.id));
    operator
        .call(move |work| {
            let client = work.client(&names)?;
            condition.check(&client_tag(&ClientView::of(&client, clock::now())))?;
            let store = &*work.management.store;
            Ok(clients::delete(store, &client.client_id, clock::now())?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}

/// Lists the secrets of a client, without their texts.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/clients/{id}/secrets", tag = "clients", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of secrets", body = Items<SecretView>)))]
pub(super) async fn list_secrets(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let client = operator.call(move |work| work.client(&names)).await?;
    let view = ClientView::of(&client, clock::now());
    let secrets = view.map(|it| it.secrets).unwrap_or_default();
    let key = |it: &SecretView| by_creation(it.created.0, it.id);
    answers::json(&paging.page(secrets, key, |it| it))
}

/// Adds a secret to a client, which may have up to five valid ones. The answer shows it once.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/clients/{id}/secrets", tag = "clients",
    request_body = NewSecret, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
), responses((status = 201, description = "The secret", body = IssuedSecret)))]
pub(super) async fn add_secret(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<NewSecret>,
) -> Answer {
    let Input { value, bytes } = input;
    let of = names.clone();
    let issued = |names: &Names, view: SecretView, client_secret: Option<String>| Created {
        path: names.of_connection(&format!("/clients/{}/secrets/{}", names.id, view.id)),
        body: json!(IssuedSecret {
            view,
            client_id: names.id.clone(),
            client_secret,
        }),
        tag: None,
    };
    let create = move |work: &Work, id: Uuid| {
        let client = work.client(&names)?;
        let store = &*work.management.store;
        let added = clients::add_secret(
            store,
            &client.client_id,
            id,
            &value.name,
            value.days,
            clock::now(),
        )?;
        Ok(issued(&names, added.view, Some(added.text)))
    };
    let find = move |work: &Work, id: Uuid| {
        let view = ClientView::of(&work.client(&of)?, clock::now());
        let mut secrets = view.map(|it| it.secrets).unwrap_or_default().into_iter();
        Ok(secrets.find(|it| it.id == id).map(|it| issued(&of, it, None)))
    };
    creation.answer(&operator, &bytes, create, find).await
}

/// Deletes a secret with the access tokens that were issued for it. Servers follow within a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/connections/{connection}/clients/{id}/secrets/{secret}",
    tag = "clients", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the client at the token endpoint"),
    ("secret" = String, Path, description = "The id of the secret"),
), responses((status = 204, description = "The secret is deleted")))]
pub(super) async fn delete_secret(operator: Operator, names: Names) -> Answer {
    let path = names.of_connection(&format!("/clients/{}/secrets/{}", names.id, names.secret));
    operator
        .call(move |work| {
            let client = work.client(&names)?;
            let Ok(id) = names.secret.parse() else {
                let text = format!("the client has no secret `{}`", names.secret);
                return Err(Problem::not_found(text).at("secret"));
            };
            let deleted: Result<(), ManagementError> =
                clients::delete_secret(&*work.management.store, &client.client_id, id);
            Ok(deleted?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
