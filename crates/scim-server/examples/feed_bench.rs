//! `cargo xtask bench feed`: the time of a page of the feed at the start, in the middle and at the end of a long journal.
#![allow(
    clippy::print_stdout,
    reason = "a command-line program prints to the terminal"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use scim_model::change::{Actor, ChangePosition};
use scim_model::store::{
    ChangeFeed, Directory, FeedStart, FeedTenants, NewResource, ResourceStore, TenantId,
};
use scim_model::{Document, SchemaRegistry, SecretHashes};
use scim_server::delivery::event::EventId;
use scim_server::delivery::feed::{After, Feed, FeedRequest, MAX_LIMIT};
use scim_server::delivery::filter::{EventFilter, TypePattern};
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Parser)]
struct Options {
    /// An empty database.
    #[arg(long)]
    database_url: String,
    /// The number of journal entries; one in a thousand belongs to a small tenant.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
}

/// The pages whose shortest time counts. The machine may be busy with other work.
const PAGES: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let store = Arc::new(DieselStore::open(
        &options.database_url,
        &StoreOptions::default(),
    )?);
    let [large, small] = [create_tenant(&store, "large")?, create_tenant(&store, "small")?];
    fill(&options, large, small)?;
    let feed = Feed::new(store.clone());
    let all = FeedTenants::All;
    let of_small = FeedTenants::Only(vec![small]);
    let both = FeedTenants::Only(vec![large, small]);
    println!(
        "| {} entries, a page of 1,000 | start | middle | end | events/s |",
        options.entries
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    let deactivated = EventFilter {
        types: TypePattern::list("user.deactivated")?,
        ..EventFilter::default()
    };
    for (name, tenants, filter) in [
        ("all tenants", &all, EventFilter::default()),
        ("two tenants", &both, EventFilter::default()),
        ("the small tenant", &of_small, EventFilter::default()),
        (
            "all tenants, no event of 10,000 passes the filter",
            &all,
            deactivated,
        ),
    ] {
        let places = places(&*store, tenants)?;
        let mut times = Vec::new();
        let mut events = 0;
        for after in places {
            let request = FeedRequest {
                filter: filter.clone(),
                limit: MAX_LIMIT,
                ..FeedRequest::new(tenants.clone(), after)
            };
            let (time, number) = fastest(&feed, &request)?;
            times.push(time);
            events = events.max(number);
        }
        let slowest = times.iter().max().copied().unwrap_or_default().as_secs_f64();
        let times: Vec<String> = times
            .iter()
            .map(|it| format!("{:.1} ms", it.as_secs_f64() * 1e3))
            .collect();
        println!(
            "| {name} | {} | {:.0} |",
            times.join(" | "),
            events as f64 / slowest
        );
    }
    Ok(())
}

/// The start, the middle, and 1,000 entries before the end of a feed.
fn places(store: &dyn ChangeFeed, tenants: &FeedTenants) -> Result<[After; 3], Box<dyn Error>> {
    let mut positions: Vec<ChangePosition> = Vec::new();
    let mut start = FeedStart::Oldest;
    loop {
        let read = store.entries(tenants, start, 1_000)?;
        positions.extend(read.entries.iter().map(|it| it.change.position));
        match read.last {
            Some(last) => start = FeedStart::After(last),
            None => break,
        }
    }
    let at = |index: usize| {
        let position = positions[index];
        After::Event(EventId { position, number: 0 })
    };
    let end = positions.len().saturating_sub(1_001).max(positions.len() / 2);
    Ok([After::Oldest, at(positions.len() / 2), at(end)])
}

/// The shortest time of a page with its JSON text, and its number of events.
fn fastest(feed: &Feed, request: &FeedRequest) -> Result<(Duration, usize), Box<dyn Error>> {
    let mut fastest = Duration::MAX;
    let mut events = 0;
    for _ in 0..PAGES {
        let began = Instant::now();
        let page = feed.page(request)?;
        let bytes: usize = page.events.iter().map(|it| it.body().len()).sum();
        std::hint::black_box(bytes);
        fastest = fastest.min(began.elapsed());
        events = page.events.len();
    }
    Ok((fastest, events))
}

fn create_tenant(store: &DieselStore, name: &str) -> Result<TenantId, Box<dyn Error>> {
    let tenant = store.create_tenant(name, Utc::now())?;
    let registry = SchemaRegistry::builtin();
    let Value::Object(document) = json!({"userName": "bjensen", "externalId": "4711"}) else {
        unreachable!("the literal is an object")
    };
    let new = NewResource {
        resource_type: registry.resource_type("User").ok_or("no users")?.clone(),
        id: Uuid::now_v7(),
        now: Utc::now(),
        actor: Actor::System,
        document: Document::from_values(document),
        members: Vec::new(),
        secrets: SecretHashes::new(),
    };
    store.create(tenant, &new)?;
    Ok(tenant)
}

/// Adds entries for updates of the users, in SQL: a million writes would take an hour.
fn fill(options: &Options, large: TenantId, small: TenantId) -> Result<(), Box<dyn Error>> {
    let statement = format!(
        "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, actor, request_id, write_id, names)
         WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {})
         SELECT CASE WHEN i % 1000 = 0 THEN {} ELSE {} END, c.at + i, c.kind, c.id, i, 'update',
                '{{\"title\":{{\"old\":\"Tour Guide\",\"new\":\"Guide\"}}}}', c.actor, c.request_id, c.write_id, c.names
         FROM s CROSS JOIN (SELECT * FROM changes WHERE sequence = 1) AS c",
        options.entries, small.0, large.0
    );
    match options.database_url.strip_prefix("sqlite:") {
        Some(path) => {
            SqliteConnection::establish(path)?
                .batch_execute(&format!("PRAGMA busy_timeout = 5000; {statement}"))?;
        }
        None => {
            let mut conn = PgConnection::establish(&options.database_url)?;
            conn.batch_execute(&statement)?;
            conn.batch_execute("VACUUM ANALYZE")?;
        }
    }
    Ok(())
}
