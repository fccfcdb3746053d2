//! The reasons of failures, for the log only.

use std::fmt::Write as _;

use scim_model::ErrorKind;
use scim_model::store::StoreError;

use super::Failure;
use crate::service;

impl Failure {
    /// Returns the message for the log, which the client must not see, with its level.
    pub fn log_message(&self) -> Option<(log::Level, String)> {
        match self {
            Failure::Service(service::Error::Store(StoreError::Unavailable(source))) => {
                Some((log::Level::Error, with_sources(&**source)))
            }
            Failure::Internal(text) => Some((log::Level::Error, text.clone())),
            Failure::Overdue => Some((
                log::Level::Warn,
                "503: the database did not answer in time".to_owned(),
            )),
            Failure::Scim(error) | Failure::Service(service::Error::Scim(error))
                if error.kind == ErrorKind::Internal =>
            {
                Some((log::Level::Error, error.detail.clone()))
            }
            Failure::Service(error) => {
                let reason = match error {
                    service::Error::Overloaded => {
                        "503: too many requests wait for the database or a password hash"
                    }
                    service::Error::Contended => "503: other requests changed the resource in each attempt",
                    service::Error::Store(StoreError::Busy) => {
                        "503: the database is busy: a lock, a connection or a place in its queue was not free in time"
                    }
                    service::Error::Store(StoreError::TooManyScans { attribute }) => {
                        let text = format!("503: too many scans are running; this one is for `{attribute}`");
                        return Some((log::Level::Warn, text));
                    }
                    _ => return None,
                };
                Some((log::Level::Warn, reason.to_owned()))
            }
            _ => None,
        }
    }
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
