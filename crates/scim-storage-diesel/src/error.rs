//! Failures of the database, and the errors of the port that they become.

use diesel::result::{DatabaseErrorKind, Error};
use scim_model::store::StoreError;

/// Why the work in a transaction failed; the transaction is then rolled back.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The error that the caller gets.
    Store(StoreError),
    /// The error of the database.
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
            Failure::Database(error) if is_lock_timeout(&error) || is_tenant_missing(&error) => {
                StoreError::Busy
            }
            Failure::Database(error) => unavailable(error),
        }
    }
}

impl Failure {
    /// Whether the database ended a statement for a reason that diesel has no error code for.
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

/// Whether the database gave up waiting for another transaction, so that a later attempt may succeed.
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

/// Whether the tenant was deleted during the request; the next request finds that its token is gone.
fn is_tenant_missing(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)
    )
}

/// Whether two transactions conflicted, so that the same work can be tried again (40001, 40P01).
pub(crate) fn is_serialization_failure(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => information.message() == "deadlock detected",
        _ => false,
    }
}

/// Whether the connection is lost, so that another one may succeed.
pub(crate) fn is_broken_connection(error: &Error) -> bool {
    match error {
        // A PostgreSQL server that has become a standby accepts no writes, so its connections are useless.
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
