//! Warnings about tokens that expire soon: an expired token stops the provisioning of a tenant silently.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{Directory, StoreError};
use uuid::Uuid;

/// The time before the expiry of a token from which on it is warned about.
const NOTICE: TimeDelta = TimeDelta::days(30);

/// The time between two warnings about the same token.
const REPEAT: TimeDelta = TimeDelta::days(1);

/// Watches the expiry of tokens.
#[derive(Default)]
pub struct ExpiryWatch {
    number: Arc<AtomicU64>,
    /// The time of the last warning about each token.
    warned: HashMap<Uuid, DateTime<Utc>>,
}

impl ExpiryWatch {
    /// Returns the number of valid tokens that expire within 30 days, as of the last check.
    pub fn number(&self) -> impl Fn() -> u64 + Send + Sync + 'static + use<> {
        let number = self.number.clone();
        move || number.load(Ordering::Relaxed)
    }

    /// Counts the tokens that expire soon, and logs a warning about each of them once a day.
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
        let tokens = directory.expiring_tokens(now, now + NOTICE)?;
        self.number.store(tokens.len() as u64, Ordering::Relaxed);
        self.warned.retain(|id, _| tokens.iter().any(|it| it.id == *id));
        let mut warnings = Vec::new();
        for token in tokens {
            let Some(expires) = token.expires else { continue };
            if self.warned.get(&token.id).is_some_and(|it| now - *it < REPEAT) {
                continue;
            }
            self.warned.insert(token.id, now);
            warnings.push(format!(
                "the token {} of the tenant {} and its connection {} expires on {}: replace it with \
                 `scim-server token rotate {}`",
                token.id,
                token.tenant_name,
                token.connection.name,
                expires.format("%Y-%m-%d"),
                token.id
            ));
        }
        Ok(warnings)
    }
}
