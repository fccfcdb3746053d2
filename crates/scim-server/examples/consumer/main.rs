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

mod requests;
mod settings;
mod table;
mod webhooks;

use std::error::Error;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use clap::Parser;
use diesel::{Connection, QueryResult, SqliteConnection};

use requests::Event;
use settings::Settings;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    env_logger::init();
    let settings = Settings::parse();
    let mut db = table::open("users.db")?;
    // One place is enough: reading the feed once answers all the webhooks that came before.
    let (wake, wakeups) = sync_channel(1);
    webhooks::receive(&settings, wake)?;
    loop {
        let pause = match catch_up(&settings, &mut db) {
            Ok(()) => settings.poll_seconds,
            Err(error) => {
                log::warn!("{error}; trying again");
                1
            }
        };
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
        let page = match table::position(db, &settings.tenants())? {
            Some(position) => requests::feed(settings, &position)?,
            None => None,
        };
        let Some(page) = page else {
            first_contact(settings, db)?;
            continue;
        };
        db.transaction(|db| {
            for event in &page.events {
                apply(event, db)?;
            }
            table::store_position(db, &settings.tenants(), &page.next)
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
    let start = requests::feed(settings, "now")?.ok_or("the feed has no position")?;
    let users = requests::active_users(settings)?;
    db.transaction(|db| {
        table::replace_users(db, &users)?;
        table::store_position(db, &settings.tenants(), &start.next)
    })?;
    log::info!("the table has {} users", users.len());
    Ok(())
}

/// Changes the table as an event says.
fn apply(event: &Event, db: &mut SqliteConnection) -> QueryResult<()> {
    let user = event.user();
    match event.event_type.as_str() {
        "user.created" if event.data["changes"]["active"]["new"] == false => Ok(()),
        "user.created" | "user.reactivated" | "user.restored" => table::store_user(db, &user),
        "user.renamed" => table::rename_user(db, &user),
        "user.deactivated" | "user.deleted" => table::delete_user(db, &user),
        // Other types do not concern the table, and a later version of the server may have more of them.
        _ => Ok(()),
    }
}
