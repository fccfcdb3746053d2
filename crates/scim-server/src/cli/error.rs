//! The errors of commands.

use std::error::Error;
use std::io;

use scim_model::store::StoreError;

use super::exit::Exit;
use crate::management::ManagementError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// An argument is invalid.
    #[error("{0}")]
    Usage(String),
    /// The command cannot be carried out. The text is for the person at the keyboard.
    #[error("{0}")]
    Refused(String),
    /// No tenant has the name, or the tenant has been deleted.
    #[error("{0}")]
    NoTenant(String),
    /// The journal cannot be read after the position without missing changes.
    #[error("{0}")]
    PositionLost(String),
    /// The token endpoint would refuse the assertion. The text names the check.
    #[error("{0}")]
    AssertionRefused(String),
    /// A server cannot be reached or is not ready, or `doctor` has found errors.
    #[error("{0}")]
    NotHealthy(String),
    /// Another process holds a lock on the database.
    #[error("the database is busy: another process holds a lock on it; try again")]
    Busy,
    /// The database failed.
    #[error("the database failed")]
    Store(#[source] StoreError),
    /// Reading or printing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        match error {
            StoreError::Busy => CommandError::Busy,
            error => CommandError::Store(error),
        }
    }
}

impl From<ManagementError> for CommandError {
    fn from(error: ManagementError) -> CommandError {
        match error {
            ManagementError::NoTenant(_) => CommandError::NoTenant(error.to_string()),
            ManagementError::NotFound { detail, .. } => CommandError::Refused(detail),
            ManagementError::Refused(text) => CommandError::Refused(text),
            ManagementError::Dropped { .. } => CommandError::PositionLost(error.to_string()),
            ManagementError::Invalid { field, detail } => CommandError::Usage(format!("{field}: {detail}")),
            ManagementError::Store(error) => error.into(),
            ManagementError::Random(error) => error.into(),
        }
    }
}

impl CommandError {
    /// Returns the exit code that tells scripts what kind of error this is.
    pub fn exit(&self) -> Exit {
        match self {
            CommandError::Usage(_) => Exit::Usage,
            CommandError::Refused(_) => Exit::Refused,
            CommandError::NoTenant(_) => Exit::NoTenant,
            CommandError::PositionLost(_) => Exit::PositionLost,
            CommandError::AssertionRefused(_) => Exit::AssertionRefused,
            CommandError::Busy => Exit::DatabaseBusy,
            CommandError::Store(_) => Exit::DatabaseUnavailable,
            CommandError::NotHealthy(_) | CommandError::Io(_) | CommandError::Random(_) => Exit::Failed,
        }
    }
}

/// Returns an error with its causes, in one line.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Some errors of libraries repeat their cause.
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    // The messages of libpq have several lines.
    text.trim_end().replace('\n', " ")
}
