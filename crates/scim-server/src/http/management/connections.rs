//! The handlers of `/tenants/{tenant}/connections`.

use std::collections::BTreeMap;

use scim_model::store::{Claim, Connection, ConnectionChange, ConnectionState, Tenant};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::action::{Acted, Action};
use super::answers::{self, Names};
use super::audit;
use super::creation::{Created, Creation};
use super::input::{Input, NoInput, Parameters};
use super::operator::{Operator, Work};
use super::paging::{Items, Paging};
use super::preconditions::{IfMatch, tag};
use super::problem::Problem;
use super::resource::Answer;
use crate::clock;
use crate::management::connections::{self, ConnectionDetails, ConnectionRequest, ConnectionView, State};

/// A connection to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewConnection {
    /// 1 to 64 letters, digits, `-`, `_` or `.`
    name: String,
    /// The kind of client, which decides about the settings that have no value of their own.
    #[serde(default = "generic")]
    #[schema(default = "generic")]
    preset: String,
    /// Settings with a value of their own.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

fn generic() -> String {
    Connection::GENERIC.to_owned()
}

/// A change of a connection. The members that are missing stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConnectionPatch {
    /// The new preset.
    preset: Option<String>,
    /// New values of settings; with `null`, the value of the preset or of the server applies again.
    #[serde(default)]
    settings: BTreeMap<String, Option<String>>,
    /// The new state.
    state: Option<State>,
}

impl Work<'_> {
    /// Finds a connection that the key may see.
    pub(super) fn connection(&self, names: &Names) -> Result<(Tenant, Connection), Problem> {
        self.tenant(&names.tenant)?;
        Ok(connections::find(
            &*self.management.store,
            &names.tenant,
            &names.connection,
        )?)
    }
}

/// Lists the connections of a tenant in order of name.
#[utoipa::path(get, path = "/tenants/{tenant}/connections", tag = "connections", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("limit" = Option<u32>, Query, description = "The most items on the page, up to 1000"),
    ("after" = Option<String>, Query, description = "The value of `next` of the page before"),
), responses((status = 200, description = "A page of connections", body = Items<ConnectionView>)))]
pub(super) async fn list(operator: Operator, names: Names, parameters: Parameters) -> Answer {
    let paging = Paging::of(&parameters)?;
    let page = operator
        .call(move |work| {
            let tenant = work.tenant(&names.tenant)?;
            let connections = work.management.store.connections(tenant.id)?;
            Ok(paging.page(
                connections,
                |it| it.name.clone(),
                |it| ConnectionView::of(&it, &tenant),
            ))
        })
        .await?;
    answers::json(&page)
}

/// Creates a connection: an identity provider, or a script, that provisions the tenant.
#[utoipa::path(post, path = "/tenants/{tenant}/connections", tag = "connections", request_body = NewConnection,
    params(("tenant" = String, Path, description = "The name of the tenant")),
    responses((status = 201, description = "The connection", body = ConnectionView)))]
pub(super) async fn create(
    operator: Operator,
    names: Names,
    creation: Creation,
    input: Input<NewConnection>,
) -> Answer {
    let Input { value, bytes } = input;
    let created = |connection: &Connection, tenant: &Tenant| {
        let view = ConnectionView::of(connection, tenant);
        Created {
            path: format!("/tenants/{}/connections/{}", tenant.name, connection.name),
            body: json!(view),
            tag: Some(tag(&view)),
        }
    };
    let of = names.clone();
    let create = move |work: &Work, id| {
        work.tenant(&names.tenant)?;
        let request = ConnectionRequest {
            id,
            name: &value.name,
            preset: &value.preset,
            settings: &value.settings,
        };
        let store = &*work.management.store;
        let (tenant, connection) = connections::create(store, &names.tenant, &request, clock::now())?;
        Ok(created(&connection, &tenant))
    };
    let find = move |work: &Work, id| {
        let tenant = work.tenant(&of.tenant)?;
        let mut connections = work.management.store.connections(tenant.id)?.into_iter();
        let connection = connections.find(|it| it.id.0 == id);
        Ok(connection.map(|it| created(&it, &tenant)))
    };
    creation.answer(&operator, &bytes, create, find).await
}

/// Shows a connection with the value of every setting, the level that the value comes from, and its last use.
#[utoipa::path(get, path = "/tenants/{tenant}/connections/{connection}", tag = "connections", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
), responses((status = 200, description = "The connection", body = ConnectionDetails)))]
pub(super) async fn show(operator: Operator, names: Names) -> Answer {
    let details = operator
        .call(move |work| {
            work.tenant(&names.tenant)?;
            let management = work.management;
            Ok(management.connection_details(&names.tenant, &names.connection)?)
        })
        .await?;
    let tag = tag(&details.connection);
    answers::json_with_tag(&details, tag)
}

/// Changes the preset, settings or state of a connection. Servers follow within a second.
#[utoipa::path(patch, path = "/tenants/{tenant}/connections/{connection}", tag = "connections",
    request_body = ConnectionPatch, params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the connection as it was read"),
), responses((status = 200, description = "The connection after the change", body = ConnectionView)))]
pub(super) async fn change(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    input: Input<ConnectionPatch>,
) -> Answer {
    let patch = input.value;
    let change = ConnectionChange {
        preset: patch.preset,
        settings: patch.settings,
        state: patch.state.map(ConnectionState::from),
        expected: None,
    };
    let path = names.of_connection("");
    let view = operator
        .call(move |work| apply(work, &names, &condition, change))
        .await?;
    audit::record(&operator, "change", &path);
    let tag = tag(&view);
    answers::json_with_tag(&view, tag)
}

/// Refuses the credentials of a connection until it is resumed.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/pause", tag = "connections", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the connection as it was read"),
), responses((status = 200, description = "The paused connection", body = ConnectionView)))]
pub(super) async fn pause(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    action: Action,
    _: NoInput,
) -> Answer {
    to_state(operator, names, condition, action, ConnectionState::Paused).await
}

/// Accepts the credentials of a paused connection again.
#[utoipa::path(post, path = "/tenants/{tenant}/connections/{connection}/resume", tag = "connections", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the connection as it was read"),
), responses((status = 200, description = "The active connection", body = ConnectionView)))]
pub(super) async fn resume(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    action: Action,
    _: NoInput,
) -> Answer {
    to_state(operator, names, condition, action, ConnectionState::Active).await
}

async fn to_state(
    operator: Operator,
    names: Names,
    condition: IfMatch,
    action: Action,
    state: ConnectionState,
) -> Answer {
    let verb = match state {
        ConnectionState::Paused => "pause",
        ConnectionState::Active => "resume",
    };
    let audited = (verb, names.of_connection(""));
    let of = names.clone();
    let acted = |view: &ConnectionView| Acted::object(view).with_tag(tag(view));
    let act = move |work: &Work, _: &Claim| {
        let change = ConnectionChange {
            state: Some(state),
            ..ConnectionChange::default()
        };
        Ok(acted(&apply(work, &names, &condition, change)?))
    };
    let again = move |work: &Work, _: &Claim| {
        let (tenant, connection) = work.connection(&of)?;
        Ok(acted(&ConnectionView::of(&connection, &tenant)))
    };
    action.answer(&operator, &[], audited, act, again).await
}

fn apply(
    work: &Work,
    names: &Names,
    condition: &IfMatch,
    mut change: ConnectionChange,
) -> Result<ConnectionView, Problem> {
    let (tenant, connection) = work.connection(names)?;
    condition.check(&tag(&ConnectionView::of(&connection, &tenant)))?;
    if condition.is_given() {
        // It must not change between the check and this change.
        change.expected = Some(Box::new(connection));
    }
    let store = &*work.management.store;
    let (tenant, changed) = connections::change(store, &tenant.name, &names.connection, &change)?;
    Ok(ConnectionView::of(&changed, &tenant))
}

/// Deletes a connection with its credentials. Its users and groups stay.
#[utoipa::path(delete, path = "/tenants/{tenant}/connections/{connection}", tag = "connections", params(
    ("tenant" = String, Path, description = "The name of the tenant"),
    ("connection" = String, Path, description = "The name of the connection"),
    ("If-Match" = Option<String>, Header, description = "The entity tag of the connection as it was read"),
), responses((status = 204, description = "The connection is deleted")))]
pub(super) async fn delete(operator: Operator, names: Names, condition: IfMatch) -> Answer {
    let path = names.of_connection("");
    operator
        .call(move |work| {
            let (tenant, connection) = work.connection(&names)?;
            condition.check(&tag(&ConnectionView::of(&connection, &tenant)))?;
            let store = &*work.management.store;
            Ok(connections::delete(store, &tenant, &connection, clock::now())?)
        })
        .await?;
    audit::record(&operator, "delete", &path);
    answers::done()
}
