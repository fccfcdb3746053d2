//! Shares of the threads for blocking work: a tenant with many requests at a time leaves threads to other tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::rt::time::timeout;
use scim_model::store::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::blocking::MAX_WAIT;
use crate::service::Error;

/// The number of requests of each tenant that may use a thread. Further requests wait, in order of arrival.
#[derive(Debug)]
pub(super) struct TenantShares {
    requests: usize,
    /// A tenant stays here when its requests have ended. It takes less memory than its name.
    by_tenant: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// The right to use a thread, until it is dropped.
#[derive(Debug)]
pub(super) struct TenantShare {
    _permit: OwnedSemaphorePermit,
}

impl TenantShares {
    /// Creates shares, where each worker has this number of threads. A tenant alone may use most of them.
    pub(super) fn of(threads: usize) -> TenantShares {
        TenantShares {
            requests: (threads - threads / 8).max(1),
            by_tenant: Mutex::default(),
        }
    }

    /// Waits until fewer requests of the tenant use a thread.
    ///
    /// # Errors
    /// `Overloaded` after [`MAX_WAIT`].
    pub(super) async fn wait(&self, tenant: TenantId) -> Result<TenantShare, Error> {
        let semaphore = {
            let mut by_tenant = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.requests));
            by_tenant.entry(tenant).or_insert_with(new).clone()
        };
        if let Ok(permit) = semaphore.clone().try_acquire_owned() {
            return Ok(TenantShare { _permit: permit });
        }
        match timeout(MAX_WAIT, semaphore.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(TenantShare { _permit: permit }),
            _ => Err(Error::Overloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requests_beyond_the_share_of_a_tenant_wait_and_those_of_others_do_not() {
        actix_web::rt::System::new().block_on(async {
            let shares = TenantShares::of(8);
            let mut of_a = Vec::new();
            for _ in 0..7 {
                of_a.push(shares.wait(TenantId(1)).await.expect("it is within the share"));
            }
            let soon = Duration::from_millis(20);
            assert!(timeout(soon, shares.wait(TenantId(1))).await.is_err());
            assert!(matches!(timeout(soon, shares.wait(TenantId(2))).await, Ok(Ok(_))));
            of_a.pop();
            assert!(matches!(timeout(soon, shares.wait(TenantId(1))).await, Ok(Ok(_))));
        });
    }
}
