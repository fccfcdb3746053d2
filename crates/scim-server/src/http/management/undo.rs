//! The handler of `/tenants/{tenant}/undo`.

use scim_model::store::ChangeSelection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::{self, Names};
use super::audit;
use super::input::Input;
use super::operator::Operator;
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::management::Timestamp;
use crate::management::undo::{Undo, UndoneResource};

/// The most resources that one request restores.
const LARGEST_LIMIT: u32 = 1000;

/// The changes to undo: those that meet all conditions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UndoRequest {
    /// The name of the connection that made the changes, also of a deleted one.
    connection: Option<String>,
    /// The id of the credential that made the changes.
    credential: Option<Uuid>,
    /// The id of the request that made the changes.
    request: Option<String>,
    /// The earliest time of the changes.
    from: Option<Timestamp>,
    /// The latest time of the changes.
    to: Option<Timestamp>,
    /// Whether the answer only says what would be done.
    #[serde(default = "yes")]
    #[schema(default = true)]
    dry_run: bool,
    /// The most resources to restore with this request.
    #[serde(default = "usual_limit")]
    #[schema(default = 100, minimum = 1, maximum = 1000)]
    limit: u32,
    /// The value of `next` of the answer before.
    after: Option<String>,
}

fn yes() -> bool {
    true
}

fn usual_limit() -> u32 {
    100
}

/// A part of an undo.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UndoAnswer {
    /// Whether nothing was done.
    dry_run: bool,
    /// The number of all resources that the chosen changes concern.
    resources: usize,
    /// The effects on the resources of this part, or those that they would have.
    items: Vec<UndoneResource>,
    /// The value of `after` for the next part; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Undoes changes, or says what undoing them would do. Values that were changed later by others are left alone. An undo of
/// many resources takes several requests, each with the `next` of the one before; repeating it is harmless.
#[utoipa::path(post, path = "/tenants/{tenant}/undo", tag = "resources", request_body = UndoRequest,
    params(("tenant" = String, Path, description = "The name of the tenant")),
    responses((status = 200, description = "The effect on each resource", body = UndoAnswer)))]
pub(super) async fn undo(operator: Operator, names: Names, input: Input<UndoRequest>) -> Answer {
    let request = input.value;
    if !(1..=LARGEST_LIMIT).contains(&request.limit) {
        return Err(Problem::invalid("limit", "expected a number from 1 to 1000"));
    }
    let is_trial = request.dry_run;
    let (actor, path) = (operator.actor(), names.of_tenant("/undo"));
    let answer = operator
        .call(move |work| {
            let tenant = work.tenant(&names.tenant)?;
            let selection = ChangeSelection {
                connection: None,
                credential: request.credential,
                request: request.request,
                from: request.from.map(|it| it.0),
                to: request.to.map(|it| it.0),
            };
            let management = work.management;
            let undo = Undo::new(
                &*management.store,
                &management.registry,
                tenant,
                request.connection.as_deref(),
                selection,
                actor,
            )?;
            let resources = undo.resources()?;
            let start = match &request.after {
                Some(after) => resources.partition_point(|it| undo.key(it) <= *after),
                None => 0,
            };
            let end = resources.len().min(start + request.limit as usize);
            let mut items = Vec::with_capacity(end - start);
            for resource in &resources[start..end] {
                items.push(undo.resource(resource, is_trial, clock::now())?);
            }
            let next = resources[..end].last().filter(|_| end < resources.len());
            Ok(UndoAnswer {
                dry_run: is_trial,
                resources: resources.len(),
                items,
                next: next.map(|it| undo.key(it)),
            })
        })
        .await?;
    if !is_trial {
        audit::record(
            &operator,
            &format!("undo {} resources", answer.items.len()),
            &path,
        );
    }
    answers::json(&answer)
}
