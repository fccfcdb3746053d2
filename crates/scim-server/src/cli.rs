//! The command line: its grammar, and one file for each command.

pub mod arguments;
pub mod journal;
pub mod serve;
pub mod tenant;
pub mod token;
pub mod welcome;

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_model::store::{Directory, StoreError, Tenant};
use serde_json::Value;

use crate::token::CACHE_LIFETIME;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command cannot be carried out. The text is for the person at the keyboard.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Reading or printing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The streams of a command, and its time.
pub struct Terminal<'a> {
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
    /// Questions, which are kept out of the results that a program may read.
    pub questions: &'a mut dyn Write,
    /// Results.
    pub output: &'a mut dyn Write,
    /// The time of creation and revocation.
    pub now: DateTime<Utc>,
}

impl Terminal<'_> {
    fn print(&mut self, value: &Value) -> Result<(), CommandError> {
        Ok(writeln!(self.output, "{value}")?)
    }
}

/// Finds a tenant by its name.
///
/// # Errors
/// `Refused` when no tenant has the name.
fn find_tenant(directory: &dyn Directory, name: &str) -> Result<Tenant, CommandError> {
    let tenant = directory.tenants()?.into_iter().find(|it| it.name == name);
    tenant.ok_or_else(|| CommandError::Refused(format!("there is no tenant `{name}`")))
}

/// Waits until no server accepts a revoked token from its cache any more.
fn wait_for_caches() {
    thread::sleep(CACHE_LIFETIME + Duration::from_millis(100));
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
