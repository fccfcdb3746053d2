//! The handlers of `/tenants/{tenant}/connections/{connection}/tokens`.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::Token;
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
use crate::clock;
use crate::management::tokens::{
    self, LONGEST_OVERLAP, LONGEST_TOKEN_DAYS, OVERLAP, PreparedToken, TOKEN_DAYS, TokenView,
};
use crate::management::{Access, ManagementError, Timestamp};

/// A token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewToken {
    /// A name that tells the token from others, such as its purpose.
    #[serde(default)]
    name: String,
    /// The operations that the token allows.
    #[serde(default)]
    scope: Access,
    /// The days after which the token expires, up to 36500; `null` is never.
    #[serde(default = "usual_days")]
    #[schema(default = 365, minimum = 1, maximum = 36500)]
    days: Option<u32>,
}

/// The new token of a rotation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokenRotation {
    /// The time for which the old token stays valid, in seconds, up to 366 days.
    #[serde(default = "usual_overlap")]
    #[schema(default = 604800, maximum = 31622400)]
    overlap_seconds: u32,
    /// The days after which the new token expires, up to 36500; `null` is never.
    #[serde(default = "usual_days")]
    #[schema(default = 365, minimum = 1, maximum = 36500)]
    days: Option<u32>,
}

#[allow(clippy::unnecessary_wraps)] // The type of the member.
fn usual_days() -> Option<u32> {
    Some(TOKEN_DAYS)
}

fn usual_overlap() -> u32 {
    u32::try_from(OVERLAP.num_seconds()).unwrap_or(u32::MAX)
}

/// A token that was created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedToken {
    #[serde(flatten)]
    view: TokenView,
    /// The token itself. It is shown in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The token that this one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<ReplacedToken>,
}

/// A token that was replaced.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplacedToken {
    /// The id of the old token.
    id: Uuid,
    /// The end of the old token.
    expires: Timestamp,
}

/// Returns the time of expiry.
pub(super) fn expiry(days: Option<u32>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Problem> {
    match days {
        None => Ok(None),
        Some(days) if (1..=LONGEST_TOKEN_DAYS).contains(&days) => {
            Ok(Some(now + TimeDelta::days(i64::from(days))))
        }
        Some(_) => {
            let text = format!("expected a number from 1 to {LONGEST_TOKEN_DAYS}, or `null` for no expiry");
            Err(Problem::invalid("days", text))
        }
    }
}

impl Work<'_> {
    /// Returns the tokens of a connection that the key may see.
    fn tokens(&self, names: &Names) -> Result<Vec<Token>, Problem> {
        let (tenant, connection) = self.connection(names)?;
        let mut tokens = self.management.store.tokens(Some(tenant.id))?;
        tokens.retain(|it| it.connection.id == connection.id);
        Ok(tokens)
    }

    fn token(&self, names: &Names) -> Result<Token, Problem> {
        let found = self
            .tokens(names)?
            .into_iter()
            .find(|it| Some(it.id) == names.uuid());
        found
            .ok_or_else(|| Problem::not_found(format!("the connection has no token `{}`", names.id)).at("id"))
    }
}

/// Lists the tokens of a connection in order of creation, without their secrets.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/tokens", tag = "tokens", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of tokens", body = Items<TokenView>)))]
pub(super) async fn list(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let now = clock::now();
            let key = |it: &Token| by_creation(it.created, it.id);
            Ok(paging.page(work.tokens(&names)?, key, |it| TokenView::of(&it, now)))
        })
        .await?;
    answers::json(&page)
}

/// Creates a bearer token. The answer shows it once.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/tokens", tag = "tokens",
    request_body = NewToken, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
), responses((status = 201, description = "The token", body = IssuedToken)))]
pub(super) async fn create(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<NewToken>,
) -> Answer {
    let Input { value, bytes } = input;
    let of = names.clone();
    let create = move |work: &Work, id| {
        let (tenant, connection) = work.connection(&names)?;
        let now = clock::now();
        let expires = expiry(value.days, now)?;
        let new = PreparedToken::random(id, &value.name, value.scope, now, expires)?;
        new.store(&*work.management.store, &connection)?;
        let view = new.view(&tenant.name, &connection);
        Ok(issued(&names, view, Some(new.secret), None))
    };
    creation.answer(&operator, &bytes, create, again(of)).await
}

fn issued(names: &Names, view: TokenView, token: Option<String>, replaced: Option<ReplacedToken>) -> Created {
    Created {
        path: names.of_connection(&format!("/tokens/{}", view.id)),
        body: json!(IssuedToken {
            view,
            token,
            replaced
        }),
        tag: None,
    }
}

/// Finds a token that an earlier request has created.
fn again(names: Names) -> impl Fn(&Work, Uuid) -> Result<Option<Created>, Problem> {
    move |work, id| {
        let token = work.tokens(&names)?.into_iter().find(|it| it.id == id);
        Ok(token.map(|it| issued(&names, TokenView::of(&it, clock::now()), None, None)))
    }
}

/// Shows a token without its secret.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}/tokens/{id}", tag = "tokens", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the token"),
), responses((status = 200, description = "The token", body = TokenView)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let token = operator.call(move |work| work.token(&names)).await?;
    answers::json(&TokenView::of(&token, clock::now()))
}

/// Creates a token like another one, which stays valid for some time. The answer shows the new token once.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/tokens/{id}/rotate", tag = "tokens",
    request_body = TokenRotation, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the token"),
), responses((status = 201, description = "The new token", body = IssuedToken)))]
pub(super) async fn rotate(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<TokenRotation>,
) -> Answer {
    let Input { value, bytes } = input;
    let of = names.clone();
    let create = move |work: &Work, id| {
        let old = work.token(&names)?;
        let overlap = TimeDelta::seconds(i64::from(value.overlap_seconds));
        if overlap > LONGEST_OVERLAP {
            let text = format!("expected at most {}", LONGEST_OVERLAP.num_seconds());
            return Err(Problem::invalid("overlapSeconds", text));
        }
        let now = clock::now();
        let expires = expiry(value.days, now)?;
        let rotation = tokens::rotate(&*work.management.store, old, id, now + overlap, expires, now)?;
        let replaced = ReplacedToken {
            id: rotation.old.id,
            expires: rotation.old_expires.into(),
        };
        let view = rotation
            .new
            .view(&rotation.old.tenant_name, &rotation.old.connection);
        Ok(issued(&names, view, Some(rotation.new.secret), Some(replaced)))
    };
    creation.answer(&operator, &bytes, create, again(of)).await
}

/// Revokes a token. Servers refuse it within a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/connections/{connection}/tokens/{id}", tag = "tokens", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("id" = String, Path, description = "The id of the token"),
), responses((status = 204, description = "The token is revoked")))]
pub(super) async fn revoke(operator: Operator, names: Names) -> Answer {
    let path = names.of_connection(&format!("/tokens/{}", names.id));
    operator
        .call(move |work| {
            let token = work.token(&names)?;
            let revoked: Result<(), ManagementError> =
                tokens::revoke(&*work.management.store, token.id, clock::now());
            Ok(revoked?)
        })
        .await?;
    audit::record(&operator, "revoke", &path);
    answers::done()
}
