//! What goes wrong inside, and what the port says of it.

use diesel::result::{DatabaseErrorKind, Error};
use scim_model::store::StoreError;

/// Why a piece of work in a transaction ended; the transaction is then rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the caller is told.
    Store(StoreError),
    /// What the database said.
    Database(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Store(error) => error,
            Failure::Database(error) if is_lock_timeout(&error) || is_without_tenant(&error) => {
                StoreError::Busy
            }
            Failure::Database(error) => unavailable(error),
        }
    }
}

impl Failure {
    /// The database has ended a statement, for a reason that it has only words for.
    pub(crate) fn is_statement_error(&self) -> bool {
        matches!(
            self,
            Failure::Database(Error::DatabaseError(DatabaseErrorKind::Unknown, _))
        )
    }
}

pub(crate) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// The database gave up waiting for somebody else; later it may do.
pub(crate) fn is_lock_timeout(error: &Error) -> bool {
    let Error::DatabaseError(_, information) = error else {
        return false;
    };
    let message = information.message();
    // SQLite, then PostgreSQL's lock_timeout (55P03) and statement_timeout (57014).
    message.contains("database is locked")
        || message.contains("database table is locked")
        || message.contains("canceling statement due to")
}

/// The tenant was deleted while the request was on its way: the next one finds that its token is gone.
fn is_without_tenant(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)
    )
}

/// Two transactions met; the same work can be tried again (40001, 40P01).
pub(crate) fn is_worth_a_retry(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => information.message() == "deadlock detected",
        _ => false,
    }
}

/// The connection is gone; another one may do.
pub(crate) fn is_broken_connection(error: &Error) -> bool {
    match error {
        // A server that has become a standby only reads: its connections are of no more use.
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction,
            _,
        ) => true,
        Error::DatabaseError(_, information) => {
            let message = information.message();
            message.contains("server closed the connection")
                || message.contains("terminating connection due to")
                || message.contains("no connection to the server")
        }
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

pub(crate) fn is_unique_violation(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}
