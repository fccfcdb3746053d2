//! Warnings about tokens and client secrets that expire soon: an expired one stops the provisioning of a tenant silently.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Credentials, Directory, StoreError};
use uuid::Uuid;

/// The time before an expiry from which on it is warned about.
const NOTICE: TimeDelta = TimeDelta::days(30);

/// The time between two warnings about the same token or secret.
const REPEAT: TimeDelta = TimeDelta::days(1);

/// A token or a client secret that expires soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// The name of the tenant.
    pub tenant: String,
    /// The name of the connection.
    pub connection: String,
    /// `token` or `client_secret`.
    pub kind: &'static str,
    /// The time of the expiry.
    pub expires: DateTime<Utc>,
}

/// Watches the expiry of tokens and client secrets.
#[derive(Default)]
pub struct ExpiryWatch {
    expiring: Arc<Mutex<Vec<Expiring>>>,
    clients: Option<Arc<dyn Credentials>>,
    /// The time of the last warning about each token and secret.
    warned: HashMap<Uuid, DateTime<Utc>>,
}

impl ExpiryWatch {
    /// Watches the secrets of OAuth clients too.
    #[must_use]
    pub fn with_clients(mut self, clients: Arc<dyn Credentials>) -> ExpiryWatch {
        self.clients = Some(clients);
        self
    }

    /// Returns the valid tokens and secrets that expire within 30 days, as of the last check.
    pub fn expiring(&self) -> impl Fn() -> Vec<Expiring> + Send + Sync + 'static + use<> {
        let expiring = self.expiring.clone();
        move || expiring.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts the tokens and secrets that expire soon, and logs a warning about each of them once a day.
    pub(super) fn check(&mut self, directory: &dyn Directory, now: DateTime<Utc>) -> Result<(), StoreError> {
        for warning in self.warnings(directory, now)? {
            log::warn!("{warning}");
        }
        Ok(())
    }

    pub(super) fn warnings(
        &mut self,
        directory: &dyn Directory,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        let until = now + NOTICE;
        let (mut expiring, mut credentials) = (Vec::new(), Vec::new());
        for token in directory.expiring_tokens(now, until)? {
            let Some(expires) = token.expires else { continue };
            credentials.push(Expiring {
                tenant: token.tenant_name.clone(),
                connection: token.connection.name.clone(),
                kind: "token",
                expires,
            });
            expiring.push((
                token.id,
                format!(
                    "the token {} of the tenant {} and its connection {} expires on {}: replace it with \
                     `scim-server token rotate {}`",
                    token.id,
                    token.tenant_name,
                    token.connection.name,
                    expires.format("%Y-%m-%d"),
                    token.id
                ),
            ));
        }
        let secrets = match &self.clients {
            Some(clients) => clients.expiring_secrets(now, until)?,
            None => Vec::new(),
        };
        for secret in secrets {
            credentials.push(Expiring {
                tenant: secret.tenant_name.clone(),
                connection: secret.connection_name.clone(),
                kind: "client_secret",
                expires: secret.expires,
            });
            expiring.push((
                secret.id,
                format!(
                    "a secret of the client {} of the tenant {} and its connection {} expires on {}: add another one \
                     with `scim-server client secret add {}`",
                    secret.client_id,
                    secret.tenant_name,
                    secret.connection_name,
                    secret.expires.format("%Y-%m-%d"),
                    secret.client_id
                ),
            ));
        }
        *self.expiring.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
        self.warned
            .retain(|id, _| expiring.iter().any(|(it, _)| it == id));
        let mut warnings = Vec::new();
        for (id, warning) in expiring {
            if self.warned.get(&id).is_some_and(|it| now - *it < REPEAT) {
                continue;
            }
            self.warned.insert(id, now);
            warnings.push(warning);
        }
        Ok(warnings)
    }
}
