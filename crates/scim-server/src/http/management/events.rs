//! The handler of `/events`: the feed as pages, and the choice between pages and a stream.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse};
use scim_model::SchemaRegistry;
use scim_model::store::FeedTenants;
use serde::Serialize;
use utoipa::ToSchema;

use super::feed::{SHUTDOWN_CHECK, page, waiter};
use super::input::Parameters;
use super::operator::{Operator, Work};
use super::problem::Problem;
use super::resource::Answer;
use super::stream;
use crate::delivery::event::Event;
use crate::delivery::feed::{After, DEFAULT_LIMIT, FeedPage, FeedRequest, MAX_LIMIT};
use crate::delivery::filter::{EventFilter, InvalidType, TypePattern};

/// The longest time for which an empty answer is held.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The header of a client that opens a stream again.
const LAST_EVENT_ID: &str = "Last-Event-ID";

const PARAMETERS: [&str; 8] = [
    "after",
    "limit",
    "tenant",
    "types",
    "resourceType",
    "resource",
    "include",
    "wait",
];

/// A page of the feed.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)] // It describes the text that `text` writes.
pub(super) struct EventsPage {
    /// The events, oldest first.
    events: Vec<EventBody>,
    /// The value of `after` for the next page. It moves also when no event passed the filter.
    next: String,
    /// Whether there may be later events now.
    more: bool,
    /// The oldest value of `after` that misses nothing.
    oldest: String,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)] // It describes the text of an event.
pub(super) struct EventBody {
    /// The id, which tells readers that they got an event before.
    id: String,
    /// The type, such as `user.deactivated`.
    #[serde(rename = "type")]
    event_type: String,
    /// The time of the change.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The tenant, the resource, its version, the changed attributes and the originator, and with `include=resource` the
    /// resource after the change.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Reads the feed: the events of all tenants that the key may see, or of some, in one order. With
/// `Accept: text/event-stream` the same events arrive as they happen.
#[utoipa::path(get, path = "/events", tag = "events", params(
    ("after" = Option<String>, Query, description = "The id of an event, `next` of a page, or `now`; without it, the \
      feed begins with the oldest event that has been kept"),
    ("limit" = Option<u32>, Query, description = "The most events on the page: 100 by default, at most 1000; without \
      effect on a stream"),
    ("tenant" = Option<Vec<String>>, Query, description = "The name of a tenant; can be given several times"),
    ("types" = Option<String>, Query, description = "Types such as `user.deactivated` or `group.*`, separated by commas"),
    ("resourceType" = Option<Vec<String>>, Query, description = "The name of a resource type; can be given several times"),
    ("resource" = Option<String>, Query, description = "The id of a resource"),
    ("include" = Option<String>, Query, description = "`resource` adds the resource in the state right after the change"),
    ("wait" = Option<u32>, Query, description = "The seconds for which an empty answer is held, at most 30; without \
      effect on a stream"),
    ("Last-Event-ID" = Option<String>, Header, description = "For a stream: the id after which it continues; it wins \
      over `after`"),
), responses((status = 200, description = "A page, or a stream", content(
    (EventsPage = "application/json"), (String = "text/event-stream"),
))))]
pub(super) async fn read(operator: Operator, request: HttpRequest, parameters: Parameters) -> Answer {
    parameters.check_names(&PARAMETERS)?;
    let wants_stream = *request.method() == Method::GET && accepts_stream(request.headers());
    let wait = parameters.number("wait")?.unwrap_or(0);
    let filter = filter(&parameters, &operator.http.management.registry)?;
    let limit = limit(&parameters)?;
    let with_resources = with_resources(&parameters)?;
    let mut after = match parameters.one("after")? {
        Some(text) => place("after", text)?,
        None => After::Oldest,
    };
    let mut place_is_in = "after";
    if let Some(id) = request.headers().get(LAST_EVENT_ID).filter(|_| wants_stream) {
        after = last_event(id)?;
        place_is_in = LAST_EVENT_ID;
    }
    let names: Vec<String> = parameters.all("tenant").map(str::to_owned).collect();
    let tenants = operator.call(move |work| chosen_tenants(work, &names)).await?;
    let wanted = FeedRequest {
        filter,
        limit,
        with_resources,
        ..FeedRequest::new(tenants, after)
    };
    if wants_stream {
        let answer = stream::open(operator, wanted).await;
        return answer.map_err(|problem| match problem.is_gone() {
            true => problem.at(place_is_in),
            false => problem,
        });
    }
    let wait = Duration::from_secs(wait).min(LONGEST_WAIT);
    let page = page_within(&operator, wanted, wait).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(text(&page)))
}

/// Returns the JSON of a page. The text of an event is the same in each page, in a stream and in a webhook.
fn text(page: &FeedPage) -> String {
    let events: Vec<String> = page.events.iter().map(Event::body).collect();
    format!(
        r#"{{"events":[{}],"next":"{}","more":{},"oldest":"{}"}}"#,
        events.join(","),
        page.next,
        page.more,
        page.oldest
    )
}

/// Returns whether a client asks for a stream.
fn accepts_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("text/event-stream"));
        let quality = |it: &str| it.strip_prefix("q=").and_then(|it| it.parse::<f32>().ok());
        is_named && !parts.filter_map(quality).any(|it| it <= 0.0)
    })
}

fn place(field: &str, text: &str) -> Result<After, Problem> {
    text.parse().map_err(|_| {
        let text = "expected the id of an event, such as `1042-1735689600123-0`, or `now`";
        Problem::invalid(field, text)
    })
}

/// Reads the id after which a client that comes back continues. `now` is none: the client would miss what has happened
/// since it was here.
fn last_event(id: &HeaderValue) -> Result<After, Problem> {
    let id = id.to_str().ok().and_then(|it| it.parse().ok());
    id.map(After::Event).ok_or_else(|| {
        let text = "expected the id of an event, such as `1042-1735689600123-0`";
        Problem::invalid(LAST_EVENT_ID, text)
    })
}

fn limit(parameters: &Parameters) -> Result<u32, Problem> {
    match parameters.number("limit")? {
        Some(0) => Err(Problem::invalid(
            "limit",
            format!("expected a number from 1 to {MAX_LIMIT}"),
        )),
        Some(limit) => Ok(u32::try_from(limit).unwrap_or(MAX_LIMIT)),
        None => Ok(DEFAULT_LIMIT),
    }
}

fn with_resources(parameters: &Parameters) -> Result<bool, Problem> {
    match parameters.one("include")? {
        None => Ok(false),
        Some("resource") => Ok(true),
        Some(_) => Err(Problem::invalid("include", "expected `resource`")),
    }
}

fn filter(parameters: &Parameters, registry: &SchemaRegistry) -> Result<EventFilter, Problem> {
    let resource = parameters.one("resource")?.map(str::parse).transpose();
    let resource_types = parameters.all("resourceType");
    Ok(EventFilter {
        types: types(parameters, registry)?,
        resource_types: resource_types
            .map(|name| resource_type(name, registry))
            .collect::<Result<_, _>>()?,
        resource: resource.map_err(|_| Problem::invalid("resource", "expected the id of a resource"))?,
    })
}

fn types(parameters: &Parameters, registry: &SchemaRegistry) -> Result<Vec<TypePattern>, Problem> {
    let Some(text) = parameters.one("types")? else {
        return Ok(Vec::new());
    };
    served_types(TypePattern::list(text), registry)
}

/// Returns types of events that this server can have, and names the first other one.
pub(super) fn served_types(
    patterns: Result<Vec<TypePattern>, InvalidType>,
    registry: &SchemaRegistry,
) -> Result<Vec<TypePattern>, Problem> {
    let checked = patterns.and_then(|patterns| {
        patterns.iter().try_for_each(|it| it.check(registry))?;
        Ok(patterns)
    });
    checked.map_err(|error| {
        let served = TypePattern::served(registry).join(", ");
        Problem::invalid("types", format!("{error}; this server has {served}"))
    })
}

fn resource_type(name: &str, registry: &SchemaRegistry) -> Result<String, Problem> {
    let served = registry.resource_types.iter().map(|it| &*it.name);
    match served.clone().find(|it| it.eq_ignore_ascii_case(name)) {
        Some(name) => Ok(name.to_owned()),
        None => {
            let served = served.collect::<Vec<_>>().join(", ");
            Err(Problem::invalid(
                "resourceType",
                format!("expected one of {served}"),
            ))
        }
    }
}

/// Returns the tenants with these names, or all that the key may see.
fn chosen_tenants(work: &Work, names: &[String]) -> Result<FeedTenants, Problem> {
    if names.is_empty() {
        return Ok(match &work.key.tenants {
            None => FeedTenants::All,
            Some(limits) => FeedTenants::Only(limits.iter().map(|it| it.id).collect()),
        });
    }
    let mut chosen = names
        .iter()
        .map(|name| Ok(work.tenant(name)?.id))
        .collect::<Result<Vec<_>, Problem>>()?;
    chosen.sort();
    chosen.dedup();
    Ok(FeedTenants::Only(chosen))
}

/// Reads pages until one has events or the time is over.
async fn page_within(
    operator: &Operator,
    mut request: FeedRequest,
    wait: Duration,
) -> Result<FeedPage, Problem> {
    let end = Instant::now() + wait;
    let mut waiter = waiter(&operator.http.management.webhooks.feed)?;
    let mut has_waited = false;
    loop {
        let page = page(operator, &request).await?;
        let left = || end.saturating_duration_since(Instant::now());
        let is_over = || left().is_zero() || operator.http.http.is_shutting_down();
        if !page.events.is_empty() || is_over() {
            return match has_waited && !operator.is_still_valid().await? {
                true => Err(Problem::unauthenticated(true)),
                false => Ok(page),
            };
        }
        request.after = After::Event(page.next);
        while !page.more && !is_over() {
            has_waited = true;
            let changed = waiter.changed(page.visible_up_to);
            if timeout(left().min(SHUTDOWN_CHECK), changed).await.is_ok() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_asked_for_by_name() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/json, text/event-stream;q=0.5", true),
            ("text/event-stream;q=0", false),
            ("application/json", false),
            ("*/*", false),
            ("text/*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(accepts_stream(&headers), expected, "{accept}");
        }
        assert!(!accepts_stream(&HeaderMap::new()));
    }
}
