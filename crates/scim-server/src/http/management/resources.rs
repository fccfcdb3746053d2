//! The handlers of `/tenants/{tenant}/users` and `/groups`: what a tenant holds, as SCIM JSON.

use std::sync::Arc;

use scim_model::change::Actor;
use scim_model::internal::{Projection, SearchRequest, SortOrder};
use scim_model::{ResourceType, ScimError, ScimType, Tolerances};
use serde_json::{Map, Value};

use super::answers::{self, Names};
use super::input::Parameters;
use super::operator::{Operator, Work};
use super::paging::Items;
use super::problem::Problem;
use super::resource::Answer;
use crate::http::error::Failure;
use crate::service::precondition::Preconditions;
use crate::service::{ClientNames, Content, Error, Next, Request, Requester, Service};

/// The parameters of a list.
const PARAMETERS: [&str; 5] = ["filter", "sortBy", "sortOrder", "limit", "after"];

/// Lists the users of a tenant.
#[utoipa::path(get, path = "/tenants/{tenant}/users", tag = "resources", operation_id = "list_users", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("filter" = Option<String>, Query, description = "A filter of SCIM (RFC 7644 section 3.4.2.2)"),
    ("sortBy" = Option<String>, Query, description = "The attribute that decides the order"),
    ("sortOrder" = Option<String>, Query, description = "`ascending` or `descending`"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to `--max-page-size`"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of users as SCIM JSON", body = Items<Value>)))]
pub(super) async fn list_users(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    list(operator, names, &parameters, "User").await
}

/// Lists the groups of a tenant, without their members.
#[utoipa::path(get, path = "/tenants/{tenant}/groups", tag = "resources", operation_id = "list_groups", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("filter" = Option<String>, Query, description = "A filter of SCIM (RFC 7644 section 3.4.2.2)"),
    ("sortBy" = Option<String>, Query, description = "The attribute that decides the order"),
    ("sortOrder" = Option<String>, Query, description = "`ascending` or `descending`"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to `--max-page-size`"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of groups as SCIM JSON", body = Items<Value>)))]
pub(super) async fn list_groups(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    list(operator, names, &parameters, "Group").await
}

/// Shows a user as SCIM JSON.
#[utoipa::path(get, path = "/tenants/{tenant}/users/{id}", tag = "resources", operation_id = "show_user", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("id" = String, Path, description = "The id of the user"),
), responses((status = 200, description = "The user", body = Value)))]
pub(super) async fn show_user(operator: Operator, names: Names) -> Answer {
    show(operator, names, "User").await
}

/// Shows a group with its members as SCIM JSON.
#[utoipa::path(get, path = "/tenants/{tenant}/groups/{id}", tag = "resources", operation_id = "show_group", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("id" = String, Path, description = "The id of the group"),
), responses((status = 200, description = "The group", body = Value)))]
pub(super) async fn show_group(operator: Operator, names: Names) -> Answer {
    show(operator, names, "Group").await
}

async fn list(operator: Operator, names: Names, parameters: &Parameters, type_name: &'static str) -> Answer {
    let search = search_request(parameters)?;
    let reader = Reader::of(&operator, type_name)?;
    let text = operator
        .call(move |work| {
            let requester = reader.requester(work, &names)?;
            let tolerances = Tolerances::new(requester.settings.policy());
            let found = reader
                .service
                .search(&requester, Some(&reader.resource_type), &search, &tolerances);
            Ok(reader.whole(found.map_err(|it| problem(it, &names))?)?)
        })
        .await?;
    let mut list: Map<String, Value> =
        serde_json::from_str(&text).map_err(|it| Problem::internal(it.to_string()))?;
    let items = match list.remove("Resources") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let next = list.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
    answers::json(&Items { items, next })
}

async fn show(operator: Operator, names: Names, type_name: &'static str) -> Answer {
    let reader = Reader::of(&operator, type_name)?;
    let (text, tag) = operator
        .call(move |work| {
            let requester = reader.requester(work, &names)?;
            let request = Request {
                requester: &requester,
                resource_type: &reader.resource_type,
                projection: &Projection::default(),
                preconditions: &Preconditions::default(),
            };
            let shown = reader.service.get(&request, &names.id);
            let shown = shown.map_err(|it| problem(it, &names))?;
            let text = shown.body.map(|it| reader.whole(it)).transpose()?;
            Ok((text.unwrap_or_default(), shown.etag))
        })
        .await?;
    Ok(answers::json_text(text, Some(tag)))
}

/// Reads a cursor list, because the pages of this API have no numbers.
fn search_request(parameters: &Parameters) -> Result<SearchRequest, Problem> {
    parameters.check_names(&PARAMETERS)?;
    let text = |name| Ok::<_, Problem>(parameters.one(name)?.map(str::to_owned));
    let count = match parameters.number("limit")? {
        Some(0) => return Err(Problem::invalid("limit", "expected a number from 1")),
        limit => limit.map(|it| i64::try_from(it).unwrap_or(i64::MAX)),
    };
    let sort_order = match parameters.one("sortOrder")? {
        None => None,
        Some("ascending") => Some(SortOrder::Ascending),
        Some("descending") => Some(SortOrder::Descending),
        Some(_) => {
            return Err(Problem::invalid(
                "sortOrder",
                "expected `ascending` or `descending`",
            ));
        }
    };
    Ok(SearchRequest {
        filter: text("filter")?,
        sort_by: text("sortBy")?,
        sort_order,
        count,
        cursor: Some(text("after")?.unwrap_or_default()),
        excluded_attributes: Some(vec!["members".to_owned()]),
        ..SearchRequest::default()
    })
}

/// Reads resources of one type for an operator.
struct Reader {
    service: Arc<Service>,
    resource_type: Arc<ResourceType>,
    /// The originator of changes, which the service asks for. A reader makes none.
    actor: Actor,
}

impl Reader {
    fn of(operator: &Operator, type_name: &str) -> Result<Reader, Problem> {
        let service = operator.http.http.service.clone();
        let resource_type = service.registry().resource_type(type_name).cloned();
        Ok(Reader {
            resource_type: resource_type.ok_or_else(|| Problem::internal("the type is not served"))?,
            service,
            actor: operator.actor(),
        })
    }

    fn requester(&self, work: &Work, names: &Names) -> Result<Requester, Problem> {
        let tenant = work.tenant(&names.tenant)?;
        Ok(Requester {
            tenant: tenant.id,
            names: ClientNames {
                tenant: tenant.name.into(),
                connection: "".into(),
            },
            actor: self.actor.clone(),
            settings: self.service.default_client_settings().clone(),
        })
    }

    fn whole(&self, mut content: Content) -> Result<String, Failure> {
        let mut text = String::new();
        while let Some(next) = content.next_part() {
            match next {
                Next::Text(part) => text.push_str(&part),
                Next::Unread(unread) => self.service.read_next(&mut content, &unread)?,
            }
        }
        Ok(text)
    }
}

/// Names the parameter that is to blame.
fn problem(error: Error, names: &Names) -> Problem {
    let field = |error: &ScimError| match error.scim_type() {
        Some(ScimType::InvalidFilter) => "filter",
        Some(ScimType::InvalidCursor | ScimType::ExpiredCursor) => "after",
        _ => "sortBy",
    };
    match error {
        Error::Scim(error) => Problem::invalid(field(&error), error.detail),
        Error::NotFound => Problem::not_found(format!("the tenant has no resource `{}`", names.id)).at("id"),
        error => Failure::from(error).into(),
    }
}
