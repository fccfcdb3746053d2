//! The port to idempotency keys, with which a server recognises a repeated creation.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;

/// The idempotency keys of operators. A store keeps digests of keys and requests, and the id of what a request
/// creates. It keeps no responses, because they may contain secrets.
pub trait IdempotencyKeys: Send + Sync {
    /// Claims a key for a request, unless it is claimed.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError>;

    /// Gives a claim up, so that the key can be claimed again. Another claim of the key stays.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn release_claim(&self, claim: &Claim) -> Result<(), StoreError>;

    /// Remembers that the request of a claim has been carried out. Another claim of the key stays as it is.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn finish_claim(&self, claim: &Claim) -> Result<(), StoreError>;

    /// Deletes at most `most` claims that were made before a time, and returns their number.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn delete_claims(&self, before: DateTime<Utc>, most: u32) -> Result<usize, StoreError>;
}

/// The claim of a request to an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A digest of the operator key and the idempotency key.
    pub key: [u8; 32],
    /// A digest of the request.
    pub request: [u8; 32],
    /// The id of the object that the request creates.
    pub object: Uuid,
    /// The time of the claim.
    pub at: DateTime<Utc>,
}

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The key belongs to this claim now.
    Now,
    /// The key belongs to an earlier claim, whose request has not been carried out as far as the store knows.
    Before(Claim),
    /// The key belongs to an earlier claim, whose request has been carried out.
    Done(Claim),
}
