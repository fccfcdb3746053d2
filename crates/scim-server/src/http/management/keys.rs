//! The handlers of `/keys`.

use scim_model::store::OperatorKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging, by_creation};
use super::problem::Problem;
use super::resource::Answer;
use super::tokens::expiry;
use crate::clock;
use crate::management::ManagementError;
use crate::management::keys::{self, KeyRequest, KeyScope, KeyView};

/// An operator key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    /// A name that tells the key from others, such as its purpose.
    name: String,
    /// The operations that the key allows.
    scope: KeyScope,
    /// The names of the tenants that the key is limited to; `null` for all tenants.
    tenants: Option<Vec<String>>,
    /// The days after which the key expires, up to 36500; `null` is never.
    #[schema(minimum = 1, maximum = 36500)]
    days: Option<u32>,
}

/// An operator key that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedKey {
    #[serde(flatten)]
    view: KeyView,
    /// The key itself. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Lists the operator keys in order of creation, without the keys themselves.
#[utoipa::path(get, path = "/keys", tag = "keys", params(
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of keys", body = Items<KeyView>)))]
pub(super) async fn list(operator: Operator, parameters: Parameters) -> Answer {
    operator.check_unlimited()?;
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let now = clock::now();
            let key = |it: &OperatorKey| by_creation(it.created, it.id);
            let keys = work.management.store.operator_keys()?;
            Ok(paging.page(keys, key, |it| KeyView::of(&it, now)))
        })
        .await?;
    answers::json(&page)
}

/// Creates an operator key. The answer shows it once.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, description = "The key", body = IssuedKey)))]
pub(super) async fn create(operator: Operator, creation: Creation, input: Input<NewKey>) -> Answer {
    operator.check_unlimited()?;
    let Input { value, bytes } = input;
    if value.tenants.as_ref().is_some_and(Vec::is_empty) {
        let text = "expected at least one tenant, or `null` for all tenants";
        return Err(Problem::invalid("tenants", text));
    }
    let created = |view: KeyView, key: Option<String>| Created {
        path: format!("/keys/{}", view.id),
        body: json!(IssuedKey { view, key }),
        tag: None,
    };
    let create = move |work: &Work, id: Uuid| {
        let now = clock::now();
        let request = KeyRequest {
            id,
            name: &value.name,
            scope: value.scope,
            tenants: value.tenants.as_deref().unwrap_or_default(),
            expires: expiry(value.days, now)?,
        };
        let store = &*work.management.store;
        let issued = keys::create(store, &request, now).map_err(|error| match error {
            ManagementError::NoTenant(_) => Problem::invalid("tenants", error.to_string()),
            error => error.into(),
        })?;
        Ok(created(issued.view, Some(issued.secret)))
    };
    let find = move |work: &Work, id: Uuid| {
        let mut keys = work.management.store.operator_keys()?.into_iter();
        let key = keys.find(|it| it.id == id);
        Ok(key.map(|it| created(KeyView::of(&it, clock::now()), None)))
    };
    creation.answer(&operator, &bytes, create, find).await
}

impl Work<'_> {
    fn key(&self, names: &Names) -> Result<OperatorKey, Problem> {
        match names.uuid() {
            Some(id) => Ok(keys::find(&*self.management.store, id)?),
            None => Err(Problem::not_found(format!("there is no operator key `{}`", names.id)).at("id")),
        }
    }
}

/// Shows an operator key without the key itself.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The id of the key")),
    responses((status = 200, description = "The key", body = KeyView)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    operator.check_unlimited()?;
    let key = operator.call(move |work| work.key(&names)).await?;
    answers::json(&KeyView::of(&key, clock::now()))
}

/// Revokes an operator key. Every server refuses it from then on.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The id of the key")),
    responses((status = 204, description = "The key is revoked")))]
pub(super) async fn revoke(operator: Operator, names: Names) -> Answer {
    operator.check_unlimited()?;
    let path = format!("/keys/{}", names.id);
    operator
        .call(move |work| {
            let key = work.key(&names)?;
            Ok(keys::revoke(&*work.management.store, key.id, clock::now())?)
        })
        .await?;
    audit::record(&operator, "revoke", &path);
    answers::done()
}
