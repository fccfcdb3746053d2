//! The settings of endpoints in requests.

use std::collections::BTreeMap;

use scim_model::store::TenantId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::events::served_types;
use super::super::input::nullable;
use super::super::operator::Work;
use super::super::problem::Problem;
use super::super::target::check_target;
use crate::delivery::filter::TypePattern;
use crate::delivery::webhooks::registration::{EndpointChange, Header, NewEndpoint};
use crate::management::webhooks::{EndpointState, View};

/// An endpoint to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// The URL that gets the messages.
    url: String,
    /// The names of the tenants whose events the endpoint gets; `null` for all.
    tenants: Option<Vec<String>>,
    /// The types of events, such as `user.deactivated` or `group.*`; empty for all.
    #[serde(default)]
    types: Vec<String>,
    /// The content of messages.
    #[serde(default)]
    view: View,
    /// Headers that the requests have in addition, for example `Authorization`. They are stored sealed.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl NewWebhook {
    /// Returns the endpoint, and a warning about its URL.
    pub(super) fn checked(&self, work: &Work, id: Uuid) -> Result<(NewEndpoint, Option<String>), Problem> {
        let url = self.url.trim();
        let warning = check_target(work, "url", url)?;
        let new = NewEndpoint {
            id,
            url: url.to_owned(),
            tenants: tenants(work, self.tenants.as_deref())?,
            types: types(work, &self.types)?,
            full: self.view == View::Full,
            headers: headers(&self.headers)?,
        };
        Ok((new, warning))
    }
}

/// A change of an endpoint. The members that are missing stay as they are, and a list replaces the whole list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookPatch {
    /// The URL that gets the messages. Another URL does not keep the headers: the change has to have them again, or
    /// `null`.
    url: Option<String>,
    /// The names of the tenants whose events the endpoint gets; `null` for all.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    tenants: Option<Option<Vec<String>>>,
    /// The types of events; empty for all.
    types: Option<Vec<String>>,
    /// The content of messages.
    view: Option<View>,
    /// Headers that the requests have in addition; `null` for none. Their values are never shown.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Option<Option<BTreeMap<String, String>>>,
    /// Whether messages are sent. An endpoint that is enabled continues where it stopped.
    state: Option<EndpointState>,
}

impl WebhookPatch {
    /// Returns the change, and a warning about its URL.
    pub(super) fn checked(&self, work: &Work) -> Result<(EndpointChange, Option<String>), Problem> {
        let url = self.url.as_deref().map(str::trim);
        let warning = url.map(|it| check_target(work, "url", it)).transpose()?;
        let chosen = self.tenants.as_ref().map(|it| tenants(work, it.as_deref()));
        let new_headers = self.headers.as_ref().map(|it| match it {
            Some(list) => headers(list),
            None => Ok(Vec::new()),
        });
        let change = EndpointChange {
            url: url.map(str::to_owned),
            tenants: chosen.transpose()?,
            types: self.types.as_deref().map(|it| types(work, it)).transpose()?,
            full: self.view.map(|it| it == View::Full),
            headers: new_headers.transpose()?,
            disabled: self.state.map(|it| it == EndpointState::Disabled),
        };
        Ok((change, warning.flatten()))
    }
}

/// Returns the tenants of an endpoint; `None` for all.
fn tenants(work: &Work, names: Option<&[String]>) -> Result<Option<Vec<TenantId>>, Problem> {
    let Some(names) = names else {
        return match &work.key.tenants {
            None => Ok(None),
            Some(_) => Err(Problem::invalid(
                "tenants",
                "the operator key is limited to tenants: name those of the endpoint",
            )),
        };
    };
    if names.is_empty() {
        return Err(Problem::invalid(
            "tenants",
            "expected at least one tenant, or `null` for all",
        ));
    }
    let found = names.iter().map(|name| {
        let tenant = work.tenant(name).map(|it| it.id);
        tenant.map_err(|error| Problem::invalid("tenants", error.to_string()))
    });
    found.collect::<Result<_, _>>().map(Some)
}

fn types(work: &Work, texts: &[String]) -> Result<Vec<TypePattern>, Problem> {
    let parsed = texts.iter().map(|it| it.parse::<TypePattern>());
    served_types(parsed.collect(), &work.management.registry)
}

fn headers(headers: &BTreeMap<String, String>) -> Result<Vec<Header>, Problem> {
    let parsed = headers.iter().map(|(name, value)| {
        let header = format!("{name}: {value}").parse::<Header>();
        header.map_err(|problem| Problem::invalid("headers", problem))
    });
    parsed.collect()
}
