//! A product that keeps a table of the active users of its tenants: an example to copy.
//!
//! The table follows the feed of events. A webhook only says that it is time to read the feed, so one that is late, lost
//! or doubled changes nothing. `docs/EVENTS.md` explains the steps.
//!
//! ```text
//! export FEED_KEY=$(scim-server key create --name product --scope events --json | jq -r .key)
//! export SCIM_TOKENS=acme=$(scim-server token create --tenant acme --scope scim.read --json | jq -r .token)
//! export WEBHOOK_SECRET=$(scim-server webhook create --url http://127.0.0.1:9000/scim-events --types 'user.*' \
//!   --egress-allow 127.0.0.1 --json | jq -r .secret)
//! cargo run -p scim-server --example consumer
//! ```

mod webhooks;

use std::error::Error;
use std::io::{self, BufReader};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use clap::Parser;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// Each setting is a flag and an environment variable: `--feed-url` and `FEED_URL`.
#[derive(Parser)]
struct Settings {
    /// The feed
    #[arg(long, env, default_value = "http://127.0.0.1:8081/api/v1/events")]
    feed_url: String,
    /// An operator key with the scope `events`
    #[arg(long, env, hide_env_values = true)]
    feed_key: String,
    /// The base URL of SCIM
    #[arg(long, env, default_value = "http://127.0.0.1:8080/scim/v2")]
    scim_url: String,
    /// The tenants, each with a token of the scope `scim.read`: `acme=TOKEN,globex=TOKEN`
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', required = true, value_parser = tenant_and_token)]
    scim_tokens: Vec<(String, String)>,
    /// The address at which webhooks arrive
    #[arg(long, env, default_value = "127.0.0.1:9000")]
    webhook_listen: String,
    /// The secret of the webhook endpoint
    #[arg(long, env, hide_env_values = true)]
    webhook_secret: String,
    /// The seconds after which the feed is read without a webhook
    #[arg(long, env, default_value_t = 30)]
    poll_seconds: u64,
}

fn tenant_and_token(text: &str) -> Result<(String, String), &'static str> {
    let (tenant, token) = text.split_once('=').ok_or("expected TENANT=TOKEN")?;
    Ok((tenant.to_owned(), token.to_owned()))
}

/// The active users, and the position in the feed that they correspond to. For other tenants than before, there is no
/// position.
const TABLES: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS active_users (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS feed_position (tenants TEXT PRIMARY KEY, after TEXT NOT NULL);";

fn main() -> Outcome {
    env_logger::init();
    let settings = Settings::parse();
    let mut db = SqliteConnection::establish("users.db")?;
    db.batch_execute(TABLES)?;
    // One place is enough: reading the feed once answers all the webhooks that came before.
    let (wake, wakeups) = sync_channel(1);
    webhooks::receive(&settings.webhook_listen, &settings.webhook_secret, wake)?;
    loop {
        let mut pause = settings.poll_seconds;
        if let Err(error) = catch_up(&settings, &mut db) {
            log::warn!("{error}; trying again");
            pause = 1;
        }
        // A webhook ends the pause.
        let _ = wakeups.recv_timeout(Duration::from_secs(pause));
    }
}

/// Reads the feed to its end.
///
/// The rows and the position change in one transaction. Wherever the process is killed, it continues with the first event
/// that has had no effect yet.
fn catch_up(settings: &Settings, db: &mut SqliteConnection) -> Outcome {
    loop {
        let page = position(settings, db)?.map(|it| feed(settings, &it));
        let page = match page {
            // There is no position yet, or the feed no longer has all events after it.
            None | Some(Err(ureq::Error::StatusCode(410))) => {
                first_contact(settings, db)?;
                continue;
            }
            Some(page) => page?,
        };
        db.transaction(|db| {
            for event in &page.events {
                apply(event, db)?;
            }
            store_position(settings, &page.next, db)
        })?;
        if !page.more {
            return Ok(());
        }
    }
}

/// Replaces the table by the users that are active now.
///
/// The position is read before the users. A change in between comes again as an event after the position, whether the
/// list of users has it or not.
fn first_contact(settings: &Settings, db: &mut SqliteConnection) -> Outcome {
    let start = feed(settings, "now")?;
    let mut users = Vec::new();
    for (tenant, token) in &settings.scim_tokens {
        let mut cursor = Some(String::new());
        while let Some(after) = cursor {
            let query = [
                ("filter", "active eq true"),
                ("attributes", "userName"),
                ("cursor", &after),
            ];
            let page: Value = get(&format!("{}/Users", settings.scim_url), &query, token)?;
            for user in page["Resources"].as_array().into_iter().flatten() {
                users.push([text(&user["id"]), tenant.clone(), text(&user["userName"])]);
            }
            cursor = page["nextCursor"].as_str().map(str::to_owned);
        }
    }
    db.transaction(|db| {
        run(DELETE_ALL, &[], db)?;
        for [id, tenant, user_name] in &users {
            run(STORE, &[id, tenant, user_name], db)?;
        }
        store_position(settings, &start.next, db)
    })?;
    log::info!("the table has {} users", users.len());
    Ok(())
}

const STORE: &str = "REPLACE INTO active_users (id, tenant, user_name) VALUES (?, ?, ?)";
const RENAME: &str = "UPDATE active_users SET user_name = ? WHERE id = ?";
const DELETE: &str = "DELETE FROM active_users WHERE id = ?";
const DELETE_ALL: &str = "DELETE FROM active_users";

/// Changes the table as an event says.
fn apply(event: &Value, db: &mut SqliteConnection) -> QueryResult<()> {
    let data = &event["data"];
    let [id, tenant, user_name] = ["resourceId", "tenant", "userName"].map(|it| text(&data[it]));
    match event["type"].as_str().unwrap_or_default() {
        "user.created" if data["changes"]["active"]["new"] == false => Ok(()),
        "user.created" | "user.reactivated" | "user.restored" => run(STORE, &[&id, &tenant, &user_name], db),
        // An inactive user has no row.
        "user.renamed" => run(RENAME, &[&user_name, &id], db),
        "user.deactivated" | "user.deleted" => run(DELETE, &[&id], db),
        // Other types do not concern the table, and a later version of the server may have more of them.
        _ => Ok(()),
    }
}

fn position(settings: &Settings, db: &mut SqliteConnection) -> QueryResult<Option<String>> {
    let row = sql::<Text>("SELECT after FROM feed_position WHERE tenants = ");
    let row = row.bind::<Text, _>(tenants(settings));
    row.get_result(db).optional()
}

fn store_position(settings: &Settings, after: &str, db: &mut SqliteConnection) -> QueryResult<()> {
    let row = [&*tenants(settings), after];
    run("DELETE FROM feed_position", &[], db)?;
    run(
        "INSERT INTO feed_position (tenants, after) VALUES (?, ?)",
        &row,
        db,
    )
}

fn run(statement: &str, values: &[&str], db: &mut SqliteConnection) -> QueryResult<()> {
    let mut statement = sql_query(statement).into_boxed();
    for value in values {
        statement = statement.bind::<Text, _>(*value);
    }
    statement.execute(db).map(|_| ())
}

fn tenants(settings: &Settings) -> String {
    let names = settings.scim_tokens.iter().map(|(tenant, _)| tenant.as_str());
    names.collect::<Vec<_>>().join(",")
}

#[derive(Deserialize)]
struct FeedPage {
    events: Vec<Value>,
    next: String,
    more: bool,
}

fn feed(settings: &Settings, after: &str) -> Result<FeedPage, ureq::Error> {
    let mut query = vec![("types", "user.*"), ("after", after)];
    for (tenant, _) in &settings.scim_tokens {
        query.push(("tenant", tenant));
    }
    get(&settings.feed_url, &query, &settings.feed_key)
}

fn get<T: DeserializeOwned>(url: &str, query: &[(&str, &str)], token: &str) -> Result<T, ureq::Error> {
    let request = ureq::get(url).query_pairs(query.iter().copied());
    let request = request
        .header("Authorization", format!("Bearer {token}"))
        .config();
    let request = request.timeout_global(Some(Duration::from_secs(60))).build();
    let body = BufReader::new(request.call()?.into_body().into_reader());
    Ok(serde_json::from_reader(body).map_err(io::Error::from)?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
