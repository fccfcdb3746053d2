//! The checks of an assertion in their order: cheap ones first, then the signature, then the claims.
//!
//! No key is fetched before the client is known and the issuer fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assertion::Assertion;
use super::claims::{self, Accepted, Expected, Instant};
use super::fault::Fault;
use super::jose::Algorithm;
use super::key_cache::KeyError;
use super::key_set::KeySet;

/// The reason why an assertion gives no access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The assertion failed a check.
    Fault(Fault),
    /// The keys cannot be had now. The same assertion may succeed later.
    NoKeys(String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

/// Returns the keys for a `kid` and an algorithm.
pub type FindKeys<'a> = dyn Fn(Option<&str>, Algorithm) -> Result<Arc<KeySet>, KeyError> + 'a;

/// Checks everything but the replay of an assertion.
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
        let problem = format!("the algorithm {} is not switched on", assertion.algorithm.name());
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

/// The result of trying an assertion without issuing a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The check that failed, with the problem; `None` when the assertion would be accepted.
    pub failed: Option<(&'static str, String)>,
    /// Claims of the assertion that settings are compared with, for the operator who corrects the settings.
    pub claims: BTreeMap<&'static str, String>,
}

/// Tries an assertion, and says which check fails.
pub fn attempt(
    text: &str,
    expected: &Expected,
    algorithms: &[Algorithm],
    keys: &FindKeys,
    at: Instant,
) -> Trial {
    let assertion = match Assertion::parse(text) {
        Ok(assertion) => assertion,
        Err(fault) => {
            return Trial {
                failed: Some((fault.check, fault.problem)),
                claims: BTreeMap::new(),
            };
        }
    };
    let shown = [
        "iss", "sub", "aud", "exp", "nbf", "iat", "tid", "azp", "appid", "oid",
    ];
    let claims = shown
        .into_iter()
        .filter_map(|name| Some((name, assertion.claims.get(name)?.to_string())));
    Trial {
        failed: match verify(&assertion, expected, algorithms, keys, at) {
            Ok(_) => None,
            Err(Refusal::Fault(fault)) => Some((fault.check, fault.problem)),
            Err(Refusal::NoKeys(reason)) => Some(("keys", reason)),
        },
        claims: claims.collect(),
    }
}
