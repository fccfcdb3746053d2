//! The command line: its grammar, and one file for each command.

pub mod arguments;
pub mod backup;
pub mod client;
pub mod client_args;
mod client_keys;
mod client_list;
mod client_set;
pub mod completions;
pub mod config;
pub mod connection;
mod deleted;
pub mod doctor;
pub mod environment;
mod error;
pub mod events;
pub mod exit;
pub mod export;
pub mod federation;
pub mod health;
mod hex;
pub mod hints;
pub mod history;
pub mod import;
pub mod journal;
pub mod key;
pub mod manual;
pub mod migrate;
pub mod move_to;
mod names;
mod nearest;
pub mod oauth_args;
pub mod originator;
pub mod progress;
pub mod secrets;
pub mod serve;
pub mod set_stream;
pub mod settings;
pub mod start;
pub mod stop;
pub mod tenant;
pub mod token;
mod transfer;
pub mod undo;
mod unshown;
pub mod webhook;
pub mod welcome;

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_model::store::{Directory, Tenant};
use serde_json::{Value, json};

pub use self::error::{CommandError, with_sources};
use self::hints::Hints;
use crate::clock;
use crate::management::{ManagementError, tenants};
use crate::token::CACHE_LIFETIME;

/// The streams of a command, and its time.
pub struct Terminal<'a> {
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
    /// Questions, which are kept out of the results that a program may read.
    pub questions: &'a mut dyn Write,
    /// Results.
    pub output: &'a mut dyn Write,
    /// Commands that a message recommends.
    pub hints: &'a Hints,
    /// The time of creation and revocation.
    pub now: DateTime<Utc>,
}

/// Runs a command with the standard streams and the current time.
pub fn with_terminal<T>(hints: &Hints, work: impl FnOnce(&mut Terminal) -> T) -> T {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut questions = io::stderr();
    work(&mut Terminal {
        input: &mut input,
        questions: &mut questions,
        output: &mut output,
        hints,
        now: clock::now(),
    })
}

impl Terminal<'_> {
    fn print(&mut self, value: &Value) -> Result<(), CommandError> {
        Ok(writeln!(self.output, "{value}")?)
    }

    /// Prints a list as `{"items": […]}`.
    fn print_items(&mut self, items: impl Iterator<Item = Value>) -> Result<(), CommandError> {
        self.print(&json!({ "items": items.collect::<Vec<_>>() }))
    }
}

/// Finds a tenant by its name.
///
/// # Errors
/// `NoTenant`.
fn find_tenant(directory: &dyn Directory, name: &str) -> Result<Tenant, CommandError> {
    Ok(tenants::find(directory, name)?)
}

fn no_tenant(name: &str) -> CommandError {
    ManagementError::NoTenant(name.to_owned()).into()
}

/// Waits until no server accepts a revoked token from its cache any more.
fn wait_for_caches() {
    thread::sleep(CACHE_LIFETIME + Duration::from_millis(100));
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
