//! The handlers of `/tenants`.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging};
use super::preconditions::{IfMatch, tag};
use super::resource::Answer;
use crate::clock;
use crate::management::ManagementError;
use crate::management::tenants::{self, TenantDetails, TenantView};

/// The name of a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantName {
    /// 1 to 64 letters, digits, `-`, `_` or `.`
    pub(super) name: String,
}

/// Lists the tenants in order of name.
#[utoipa::path(get, path = "/tenants", tag = "tenants", params(
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of tenants", body = Items<TenantView>)))]
pub(super) async fn list(operator: Operator, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| Ok(paging.page(work.tenants()?, |it| it.name.clone(), |it| TenantView::of(&it))))
        .await?;
    answers::json(&page)
}

/// Creates a tenant, with its connection `default`.
#[utoipa::path(post, path = "/tenants", tag = "tenants", request_body = TenantName,
    responses((status = 201, description = "The tenant", body = TenantView)))]
pub(super) async fn create(operator: Operator, creation: Creation, input: Input<TenantName>) -> Answer {
    operator.check_unlimited()?;
    let Input { value, bytes } = input;
    let name = value.name.clone();
    let created = |view: &TenantView| Created {
        path: format!("/tenants/{}", view.name),
        body: json!(view),
        tag: Some(tag(view)),
    };
    let create = move |work: &Work, _| {
        let view = tenants::create(&*work.management.store, &value.name, clock::now())?;
        Ok(created(&view))
    };
    // The name identifies the tenant.
    let find = move |work: &Work, _| {
        let found = work.tenants()?.into_iter().find(|it| it.name == name);
        Ok(found.map(|it| created(&TenantView::of(&it))))
    };
    creation.answer(&operator, &bytes, create, find).await
}

/// Shows a tenant with the number of the things that it owns.
#[utoipa::path(get, path = "/tenants/{tenant}", tag = "tenants",
    params(("tenant" = String, Path, description = "The name of the tenant")),
    responses((status = 200, description = "The tenant", body = TenantDetails)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let details = operator
        .call(move |work| {
            work.tenant(&names.tenant)?;
            Ok(work.management.tenant_details(&names.tenant, clock::now())?)
        })
        .await?;
    let tag = tag(&details.tenant);
    answers::json_with_tag(&details, tag)
}

/// Renames a tenant. Its tokens, connections and resources stay.
#[utoipa::path(patch, path = "/tenants/{tenant}", tag = "tenants", request_body = TenantName, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the tenant as it was read"),
), responses((status = 200, description = "The tenant with its new name", body = TenantView)))]
pub(super) async fn rename(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<TenantName>,
) -> Answer {
    let path = names.of_tenant("");
    let view = operator
        .call(move |work| {
            let tenant = work.tenant(&names.tenant)?;
            condition.check(&tag(&TenantView::of(&tenant)))?;
            let store = &*work.management.store;
            Ok(tenants::rename(store, &tenant.name, &input.value.name)?)
        })
        .await?;
    audit::record(&operator, &format!("rename to {}", view.name), &path);
    let tag = tag(&view);
    answers::json_with_tag(&view, tag)
}

/// Deletes a tenant with everything it owns. All access ends within a second; the data is deleted in the background.
#[utoipa::path(delete, path = "/tenants/{tenant}", tag = "tenants", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the tenant as it was read"),
), responses((status = 204, description = "The tenant is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = names.of_tenant("");
    operator
        .call(move |work| {
            let tenant = work.tenant(&names.tenant)?;
            condition.check(&tag(&TenantView::of(&tenant)))?;
            match work.management.store.hide_tenant(&tenant.name)? {
                true => Ok(()),
                false => Err(ManagementError::NoTenant(tenant.name).into()),
            }
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
