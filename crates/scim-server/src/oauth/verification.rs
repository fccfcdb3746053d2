//! The checks of an assertion, in order: cheap ones first, then the signature, then the claims.
//!
//! No key is fetched before the client is known and the issuer is the expected one.

use std::sync::Arc;

use super::assertion::Assertion;
use super::claims::{self, Accepted, Expected, Instant};
use super::fault::Fault;
use super::key_cache::KeyError;
use super::key_set::KeySet;
use crate::jose::Algorithm;

/// The reason why an assertion gives no access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The assertion failed a check.
    Fault(Fault),
    /// The keys are not available now. The same assertion may succeed later.
    NoKeys(String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

/// Returns the keys for a `kid` and an algorithm.
pub type FindKeys<'a> = dyn Fn(Option<&str>, Algorithm) -> Result<Arc<KeySet>, KeyError> + 'a;

/// Checks everything about an assertion, except whether it was used before.
///
/// # Errors
/// The first check that failed.
pub fn verify(
    assertion: &Assertion,
    expected: &Expected,
    algorithms: &[Algorithm],
    keys: &FindKeys,
    at: Instant,
) -> Result<Accepted, Refusal> {
    claims::check_issuer(&assertion.claims, expected)?;
    if !algorithms.contains(&assertion.algorithm) {
        let problem = format!("the algorithm {} is not enabled", assertion.algorithm.name());
        return Err(Fault::unsigned("alg", problem).into());
    }
    let kid = assertion.kid.as_deref();
    let keys = keys(kid, assertion.algorithm).map_err(|error| match error {
        KeyError::Unknown => Refusal::Fault(Fault::unsigned(
            "kid",
            "the issuer has no such key for this algorithm",
        )),
        KeyError::Unavailable(reason) => Refusal::NoKeys(reason),
    })?;
    if !keys.verifies(
        kid,
        assertion.algorithm,
        assertion.message.as_bytes(),
        assertion.signature,
    ) {
        return Err(Fault::unsigned("signature", "the signature is wrong").into());
    }
    Ok(claims::check(&assertion.claims, expected, at)?)
}
