//! The result of trying an assertion without issuing a token.

use std::collections::BTreeMap;

use serde_json::Value;

use super::assertion::Assertion;

/// The claims that settings are compared with.
const SHOWN: [&str; 10] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "tid", "azp", "appid", "oid",
];

/// The result of trying an assertion without issuing a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The check that failed, with the problem; `None` when the token endpoint would issue a token.
    pub failed: Option<(&'static str, String)>,
    /// Claims of the assertion that settings are compared with, for the operator who corrects the settings. They are
    /// not verified.
    pub claims: BTreeMap<&'static str, Value>,
}

/// Returns the claims of an assertion that settings are compared with, as far as they can be read.
pub(super) fn shown_claims(text: &str) -> BTreeMap<&'static str, Value> {
    let Ok(assertion) = Assertion::parse(text) else {
        return BTreeMap::new();
    };
    let shown = SHOWN
        .into_iter()
        .filter_map(|name| Some((name, assertion.claims.get(name)?.clone())));
    shown.collect()
}
