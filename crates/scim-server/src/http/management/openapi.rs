//! The description of the management API as an OpenAPI document, generated from the handlers and their types.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder};

use super::operator::Operator;
use super::problem::{PROBLEM_JSON, ProblemBody};
use super::resource::{Answer, PREFIX};
use super::{
    clients, connections, events, federations, history, keys, resources, set_streams, tenants, tokens, undo,
    webhooks,
};

/// The name of the authentication scheme of operators.
const SCHEME: &str = "operatorKey";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "scim-server management API",
        description = "Tenants, their connections and credentials, operator keys, the feed of events, webhooks, and \
                       streams of security event tokens. Errors are \
                       `application/problem+json` (RFC 9457).",
    ),
    paths(
        show,
        tenants::list,
        tenants::create,
        tenants::show,
        tenants::rename,
        tenants::delete,
        connections::list,
        connections::create,
        connections::show,
        connections::change,
        connections::delete,
        connections::pause,
        connections::resume,
        tokens::list,
        tokens::create,
        tokens::show,
        tokens::rotate,
        tokens::revoke,
        clients::list,
        clients::create,
        clients::show,
        clients::change,
        clients::delete,
        clients::list_secrets,
        clients::add_secret,
        clients::delete_secret,
        federations::list,
        federations::create,
        federations::show,
        federations::change,
        federations::check,
        federations::delete,
        resources::list_users,
        resources::show_user,
        history::of_user,
        resources::list_groups,
        resources::show_group,
        history::of_group,
        undo::undo,
        events::read,
        webhooks::list,
        webhooks::create,
        webhooks::show,
        webhooks::change,
        webhooks::delete,
        webhooks::history::deliveries,
        webhooks::history::dead_letters,
        webhooks::test,
        webhooks::replay,
        webhooks::rotate_secret,
        webhooks::disable,
        webhooks::enable,
        set_streams::list,
        set_streams::create,
        set_streams::show,
        set_streams::set,
        set_streams::deliveries,
        set_streams::delete,
        set_streams::enable,
        set_streams::pause,
        set_streams::disable,
        set_streams::verify,
        set_streams::poll,
        keys::list,
        keys::create,
        keys::show,
        keys::revoke,
    ),
    components(schemas(ProblemBody))
)]
struct ManagementApi;

/// Returns the text of the OpenAPI document.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(generate)
}

fn generate() -> String {
    let mut api = ManagementApi::openapi();
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    api.info.license = None;
    api.info.contact = None;
    api.servers = Some(vec![utoipa::openapi::Server::new(PREFIX)]);
    let components = api.components.get_or_insert_default();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An operator key: `opk_…`"))
        .build();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    api.security = Some(vec![SecurityRequirement::new::<_, _, &str>(SCHEME, [])]);
    for (path, item) in &mut api.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_problem(operation);
        }
        if !WITHOUT_KEY.contains(&path.as_str())
            && let Some(operation) = &mut item.post
        {
            add_idempotency_key(operation);
        }
    }
    api.to_json().unwrap_or_default()
}

/// The POST requests that change nothing, or whose repetition is harmless by their own protocol.
const WITHOUT_KEY: [&str; 2] = [
    "/tenants/{tenant}/connections/{connection}/federations/{id}/check",
    "/set-streams/{id}/poll",
];

/// Describes the header that makes the repetition of a request harmless.
fn add_idempotency_key(operation: &mut Operation) {
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "1 to 255 visible ASCII characters. Within 24 hours, a request with the same key is not carried out again",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    operation.parameters.get_or_insert_default().push(header);
}

/// Describes the unsuccessful answers of an operation.
fn add_problem(operation: &mut Operation) {
    let schema = RefOr::Ref(Ref::from_schema_name("ProblemBody"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem = ResponseBuilder::new()
        .description("The reason why the operation is not carried out")
        .content(PROBLEM_JSON, content)
        .build();
    let responses = &mut operation.responses.responses;
    responses.insert("default".to_owned(), RefOr::T(problem));
}

/// Shows this document.
#[utoipa::path(get, path = "/openapi.json", tag = "description",
    responses((status = 200, description = "The OpenAPI document", body = Object)))]
pub(super) async fn show(_: Operator) -> Answer {
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(document()))
}
