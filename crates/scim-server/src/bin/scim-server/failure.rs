//! The error that ends the binary, and its exit code.

use std::error::Error;
use std::io;

use scim_server::cli::CommandError;
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_storage_diesel::OpenError;

/// The error that ends the binary, and its exit code.
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: Box<dyn Error>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<Box<dyn Error>>) -> Failure {
        let error = error.into();
        Failure { exit, error }
    }

    /// Adds the command that creates or migrates a database that is missing or out of date.
    pub(crate) fn with_advice(error: OpenError, hints: &Hints) -> Failure {
        match error {
            OpenError::Missing(_) | OpenError::Outdated => {
                let migrate = hints.command("migrate");
                let text = format!("{error}: run `{migrate}`, or start the server");
                Failure::new(Exit::DatabaseUnavailable, text)
            }
            error => error.into(),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Failure {
        Failure::new(error.exit(), error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let exit = match &error {
            OpenError::Url(_) | OpenError::Unescaped | OpenError::Plaintext(_) => Exit::Usage,
            OpenError::HardLinked(_)
            | OpenError::NotUnique(_)
            | OpenError::OthersRun
            | OpenError::Incomplete
            | OpenError::OtherSettings => Exit::Refused,
            OpenError::InUse(_) | OpenError::Busy => Exit::DatabaseBusy,
            OpenError::Missing(_)
            | OpenError::Outdated
            | OpenError::Newer(_)
            | OpenError::Folder(_)
            | OpenError::NoFolder(_)
            | OpenError::File { .. }
            | OpenError::Connection(_)
            | OpenError::Encoding(_)
            | OpenError::Preparation(_) => Exit::DatabaseUnavailable,
        };
        Failure::new(exit, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(Exit::Failed, error)
    }
}
