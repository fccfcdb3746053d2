//! The handlers of `/tenants/{tenant}/users/{id}/history`, and of the same path of groups.

use chrono::{DateTime, Utc};
use scim_model::change::Change;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answers::{self, Names};
use super::input::Parameters;
use super::operator::Operator;
use super::paging::{Items, Paging};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::management::history::{self, DifferenceView, StateView};

/// The parameters.
const PARAMETERS: [&str; 5] = ["at", "from", "to", "limit", "after"];

/// A part of a history.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum HistoryView {
    /// The state at a time.
    State(StateView),
    /// The difference between two times.
    Difference(DifferenceView),
    /// Changes in the form of the journal, the newest first.
    Changes(Items<Value>),
}

/// The part that a request asks for, with its parameters.
enum Wanted {
    State(DateTime<Utc>),
    Difference(DateTime<Utc>, DateTime<Utc>),
    Changes(Paging),
}

/// Shows the changes of a user, the newest first; with `at` the user as it was at a time; with `from` and `to` the
/// difference between two times. Deleted users keep their history as long as the journal does.
#[utoipa::path(get, path = "/tenants/{tenant}/users/{id}/history", tag = "resources", operation_id = "history_of_user",
    params(
        ("tenant" = String, Path, description = "The name of the tenant"),
        ("id" = String, Path, description = "The id of the user"),
        ("at" = Option<String>, Query, description = "A time in RFC 3339"),
        ("from" = Option<String>, Query, description = "The earlier time of a difference, in RFC 3339"),
        ("to" = Option<String>, Query, description = "The later time of a difference, in RFC 3339"),
        ("limit" = Option<u32>, Query, description = "The most changes on the page, up to 1000"),
        ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
    ), responses((status = 200, description = "Changes in the form of the journal; or a state, or a difference",
                  body = HistoryView)))]
pub(super) async fn of_user(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    show(operator, names, parameters).await
}

/// Shows the changes of a group, or its state at a time, or a difference, as for users.
#[utoipa::path(get, path = "/tenants/{tenant}/groups/{id}/history", tag = "resources", operation_id = "history_of_group",
    params(
        ("tenant" = String, Path, description = "The name of the tenant"),
        ("id" = String, Path, description = "The id of the group"),
        ("at" = Option<String>, Query, description = "A time in RFC 3339"),
        ("from" = Option<String>, Query, description = "The earlier time of a difference, in RFC 3339"),
        ("to" = Option<String>, Query, description = "The later time of a difference, in RFC 3339"),
        ("limit" = Option<u32>, Query, description = "The most changes on the page, up to 1000"),
        ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
    ), responses((status = 200, description = "Changes in the form of the journal; or a state, or a difference",
                  body = HistoryView)))]
pub(super) async fn of_group(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    show(operator, names, parameters).await
}

async fn show(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let wanted = Wanted::of(&parameters)?;
    let Some(id) = names.uuid() else {
        let text = format!("the tenant has no resource `{}`", names.id);
        return Err(Problem::not_found(text).at("id"));
    };
    let body = operator
        .call(move |work| {
            let tenant = work.tenant(&names.tenant)?;
            let (store, registry) = (&*work.management.store, &work.management.registry);
            Ok(match wanted {
                Wanted::State(at) => HistoryView::State(history::state_at(store, &tenant, id, at)?),
                Wanted::Difference(from, to) => {
                    HistoryView::Difference(history::difference(store, registry, &tenant, id, (from, to))?)
                }
                Wanted::Changes(paging) => HistoryView::Changes(paging.read_page(
                    |before, limit| history::changes(store, &tenant, id, before, limit),
                    |it: &Change| it.position.to_string(),
                    |it| it.to_json(&tenant.name),
                )?),
            })
        })
        .await?;
    answers::json(&body)
}

impl Wanted {
    fn of(parameters: &Parameters) -> Result<Wanted, Problem> {
        parameters.check_names(&PARAMETERS)?;
        let [at, from, to] = ["at", "from", "to"].map(|name| time(parameters, name));
        match (at?, from?, to?) {
            (None, None, None) => Ok(Wanted::Changes(Paging::of(parameters)?)),
            (Some(at), None, None) => {
                parameters.check_names(&["at"])?;
                Ok(Wanted::State(at))
            }
            (None, Some(from), to) => {
                parameters.check_names(&["from", "to"])?;
                Ok(Wanted::Difference(from, to.unwrap_or_else(clock::now)))
            }
            (None, None, Some(_)) => Err(Problem::invalid("from", "expected the earlier time next to `to`")),
            (Some(_), ..) => Err(Problem::invalid("at", "expected `at` alone, or `from` and `to`")),
        }
    }
}

fn time(parameters: &Parameters, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    let time = |text: &str| {
        let time = DateTime::parse_from_rfc3339(text).map(|it| it.to_utc());
        time.map_err(|_| Problem::invalid(name, "expected a time such as `2026-11-30T12:00:00Z`"))
    };
    parameters.one(name)?.map(time).transpose()
}
