//! The outcome of a token request: the reason for a refusal, or the facts of a used assertion.

use chrono::{DateTime, Utc};
use scim_model::store::{Client, StoreError};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::OAuthError;
use super::fault::Fault;

/// The seconds after which a client may try again when the store or the keys of an issuer cannot be reached.
const RETRY_SECONDS: u64 = 5;

/// The reason for a refusal: the error for the client, and the text for the log.
pub(super) struct Refused {
    pub(super) error: OAuthError,
    pub(super) reason: String,
    /// The client, if it is known.
    pub(super) client: Option<Box<Client>>,
    /// Whether it counts as a failed attempt.
    pub(super) is_failure: bool,
    /// The failed check of an assertion, for an operator who tries an assertion.
    pub(super) fault: Option<Box<Fault>>,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        let reason = match &error {
            StoreError::Unavailable(source) => format!("the store is unavailable: {source}"),
            other => other.to_string(),
        };
        Refused::later(reason)
    }
}

impl Refused {
    /// A refusal after which the same request may succeed later.
    pub(super) fn later(reason: String) -> Refused {
        Refused {
            error: OAuthError::unavailable(RETRY_SECONDS),
            reason,
            client: None,
            is_failure: false,
            fault: None,
        }
    }

    /// Returns the check that failed, with the problem.
    pub(super) fn failed_check(self) -> (&'static str, String) {
        match self.fault {
            Some(fault) => (fault.check, fault.problem),
            None => ("request", self.reason),
        }
    }
}

/// The facts of a used assertion.
pub(super) struct UsedAssertion {
    pub(super) issuer: String,
    pub(super) kid: Option<String>,
    /// The identifier of the assertion, or its signed text if it has no identifier. The signature is left out,
    /// because anybody can turn an ES256 signature into another valid one for the same text.
    pub(super) id: String,
    pub(super) remember_until: DateTime<Utc>,
}

impl UsedAssertion {
    /// Returns the digest that the store remembers. It differs between clients.
    pub(super) fn digest(&self, client: Uuid) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(client.as_bytes());
        hash.chain_update(self.id.as_bytes()).finalize().into()
    }

    /// Returns the parts that identify the assertion in the log. The signature covers them.
    pub(super) fn for_log(&self) -> String {
        let short = short_hash(&self.id);
        let kid = self.kid.as_deref().unwrap_or("-");
        format!(" iss={} kid={kid:?} assertion={short}", self.issuer)
    }
}

/// Returns a hash that identifies a text in the log.
pub(super) fn short_hash(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let short = u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    format!("{short:016x}")
}
