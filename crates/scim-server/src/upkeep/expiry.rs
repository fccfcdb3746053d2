//! Warnings about tokens and client secrets that expire soon: an expired one stops the provisioning of a tenant silently.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Credentials, Directory, StoreError};
use uuid::Uuid;

/// The time before an expiry from which on it is warned about.
const NOTICE: TimeDelta = TimeDelta::days(30);

/// The time between two warnings about the same token or secret.
const REPEAT: TimeDelta = TimeDelta::days(1);

/// Watches the expiry of tokens and client secrets.
#[derive(Default)]
pub struct ExpiryWatch {
    number: Arc<AtomicU64>,
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

    /// Returns the number of valid tokens and secrets that expire within 30 days, as of the last check.
    pub fn number(&self) -> impl Fn() -> u64 + Send + Sync + 'static + use<> {
        let number = self.number.clone();
        move || number.load(Ordering::Relaxed)
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
        let mut expiring = Vec::new();
        for token in directory.expiring_tokens(now, until)? {
            let Some(expires) = token.expires else { continue };
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
        self.number.store(expiring.len() as u64, Ordering::Relaxed);
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
