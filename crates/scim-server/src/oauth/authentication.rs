//! Authentication of a client at the token endpoint.
//!
//! An unknown client and a wrong secret get the same response, after the same work.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{Client, ClientMethod, Credentials, Federation, KeySource};
use uuid::Uuid;

use super::assertion::Assertion;
use super::claims::{Expected, Instant, Signer};
use super::error::{ErrorCode, OAuthError};
use super::fault::Fault;
use super::key_cache::{KeyCache, KeyError};
use super::key_set::KeySet;
use super::outcome::{Refused, UsedAssertion};
use super::request::{ASSERTION_TYPE, Proof, SecretPlace, TokenRequest};
use super::secret::PresentedSecret;
use super::settings::OAuthSettings;
use super::verification::{self, Refusal};
use crate::jose::{Algorithm, USUAL_ALGORITHMS};

/// The sources of clients and keys.
pub(super) struct Sources<'a> {
    pub(super) store: &'a dyn Credentials,
    pub(super) keys: &'a KeyCache,
    pub(super) settings: &'a OAuthSettings,
}

/// A client that proved its identity. It may be disabled.
pub(super) struct Authenticated {
    pub(super) client: Client,
    /// The secret that the client used.
    pub(super) secret: Option<Uuid>,
    /// The assertion that the client used.
    pub(super) assertion: Option<UsedAssertion>,
    /// The name of the method, for the log.
    pub(super) method: &'static str,
}

impl Authenticated {
    /// Returns the digest of a single-use assertion, and the time until which it is remembered.
    pub(super) fn single_use(&self) -> Option<([u8; 32], DateTime<Utc>)> {
        let is_single_use = match &self.client.method {
            ClientMethod::Client { .. } => true,
            ClientMethod::Federation(trust) => trust.single_use,
        };
        let assertion = self.assertion.as_ref().filter(|_| is_single_use)?;
        Some((assertion.digest(self.client.id), assertion.remember_until))
    }
}

/// Finds the client of a request, and checks its proof.
pub(super) fn authenticate(
    sources: &Sources,
    request: &TokenRequest,
    now: DateTime<Utc>,
) -> Result<Authenticated, Refused> {
    match (&request.proof, &request.client_id) {
        (Proof::Secret(secret, place), Some(client_id)) => {
            let client = sources.store.client(client_id)?;
            by_secret(client, secret, *place, now)
        }
        (Proof::Assertion(text), client_id) => by_assertion(sources, text, client_id.as_deref(), now),
        (Proof::Secret(..), None) => Err(failure("the request names no client", None)),
        (Proof::None, client_id) => Err(failure(
            "the request proves no identity",
            client_for_log(sources, client_id.as_deref()),
        )),
        (Proof::UnknownScheme, client_id) => Err(failure(
            "the header Authorization is malformed, or has an unknown scheme",
            client_for_log(sources, client_id.as_deref()),
        )),
        (Proof::UnknownAssertionType, client_id) => {
            let reason = format!("client_assertion_type must be {ASSERTION_TYPE}");
            // The reason reveals nothing about clients and their credentials, so the response may contain it.
            Err(Refused {
                error: OAuthError::new(ErrorCode::InvalidClient, reason.clone()),
                ..failure(&reason, client_for_log(sources, client_id.as_deref()))
            })
        }
    }
}

/// Returns the client that a refused request names, if it exists and can be read.
pub(super) fn client_for_log(sources: &Sources, client_id: Option<&str>) -> Option<Client> {
    sources.store.client(client_id?).ok().flatten()
}

fn failure(reason: &str, client: Option<Client>) -> Refused {
    Refused {
        error: OAuthError::invalid_client(),
        reason: reason.to_owned(),
        client: client.map(Box::new),
        is_failure: true,
        fault: None,
    }
}

fn by_secret(
    client: Option<Client>,
    secret: &str,
    place: SecretPlace,
    now: DateTime<Utc>,
) -> Result<Authenticated, Refused> {
    let presented = PresentedSecret::new(secret);
    // Every secret is compared. An unknown client is treated as one with a secret that nothing matches.
    let mut found = None;
    let is_equal = |stored: &[u8; 32]| bool::from(presented.matches(stored));
    match &client {
        Some(client) => {
            for it in &client.secrets {
                if is_equal(&it.sha256) {
                    found = Some((it.id, it.expires));
                }
            }
        }
        None => drop(std::hint::black_box(is_equal(&[0; 32]))),
    }
    let (client, (id, expires)) = match (client, found) {
        (Some(client), Some(found)) => (client, found),
        (Some(client), None) => return Err(failure("wrong secret", Some(client))),
        (None, _) => return Err(failure("unknown client", None)),
    };
    if expires <= now {
        let reason = format!("the secret expired on {}", expires.format("%Y-%m-%d"));
        return Err(Refused {
            error: OAuthError::new(ErrorCode::InvalidClient, reason.clone()),
            reason,
            client: Some(Box::new(client)),
            is_failure: false,
            fault: None,
        });
    }
    Ok(Authenticated {
        client,
        secret: Some(id),
        assertion: None,
        method: match place {
            SecretPlace::Header => "client_secret_basic",
            SecretPlace::Body => "client_secret_post",
        },
    })
}

fn by_assertion(
    sources: &Sources,
    text: &str,
    client_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Authenticated, Refused> {
    let refused = |fault: &Fault, client: Option<Client>| Refused {
        error: OAuthError::new(ErrorCode::InvalidClient, fault.description()),
        // Without the right signature, anybody may have chosen the values.
        reason: match fault.is_signed() {
            true => fault.to_string(),
            false => format!("assertion refused: {}", fault.check),
        },
        client: client.map(Box::new),
        is_failure: true,
        fault: Some(Box::new(fault.clone())),
    };
    let assertion =
        Assertion::parse(text).map_err(|fault| refused(&fault, client_for_log(sources, client_id)))?;
    // A client that signs its assertions itself may leave the parameter `client_id` out, because the client is their
    // subject.
    let named = client_id.or_else(|| assertion.unverified("sub"));
    let unknown = || refused(&Fault::unsigned("client", "unknown client"), None);
    let client = sources
        .store
        .client(named.ok_or_else(unknown)?)?
        .ok_or_else(unknown)?;
    let rules =
        Rules::of(&client, sources).filter(|it| client_id.is_some() || it.expected.signer == Signer::Client);
    let Some(rules) = rules else {
        let fault = Fault::unsigned("client", "the client does not authenticate by assertions");
        return Err(refused(&fault, Some(client)));
    };
    let at = Instant {
        now,
        skew: sources.settings.skew(),
    };
    let find = |kid: Option<&str>, algorithm| rules.find_keys(sources, client.id, kid, algorithm);
    match verification::verify(&assertion, &rules.expected, &rules.algorithms, &find, at) {
        Ok(accepted) => Ok(Authenticated {
            secret: None,
            method: match rules.expected.signer {
                Signer::Client => "private_key_jwt",
                Signer::Issuer => "federation",
            },
            assertion: Some(UsedAssertion {
                issuer: rules.expected.issuer.clone(),
                kid: assertion.kid.clone(),
                id: accepted.id.unwrap_or_else(|| assertion.message.to_owned()),
                remember_until: accepted.remember_until,
            }),
            client,
        }),
        Err(Refusal::Fault(fault)) => Err(refused(&fault, Some(client))),
        Err(Refusal::NoKeys(reason)) => Err(Refused {
            client: Some(Box::new(client)),
            fault: Some(Box::new(Fault::unsigned("keys", reason.clone()))),
            ..Refused::later(format!("the keys cannot be fetched: {reason}"))
        }),
    }
}

/// The rules for the assertions of a client.
struct Rules {
    expected: Expected,
    algorithms: Vec<Algorithm>,
    keys: KeySource,
}

impl Rules {
    /// Returns the rules, or `None` for a client without keys.
    fn of(client: &Client, sources: &Sources) -> Option<Rules> {
        match &client.method {
            ClientMethod::Federation(trust) => Some(Rules::of_trust(trust)),
            ClientMethod::Client { keys } => {
                let settings = &sources.settings;
                let mut audiences = vec![settings.issuer.clone()];
                if !settings.strict_audience {
                    audiences.push(settings.token_endpoint.clone());
                }
                Some(Rules {
                    expected: Expected {
                        signer: Signer::Client,
                        issuer: client.client_id.clone(),
                        subject: client.client_id.clone(),
                        audiences,
                        further: BTreeMap::new(),
                    },
                    algorithms: USUAL_ALGORITHMS.to_vec(),
                    keys: keys.clone()?,
                })
            }
        }
    }

    fn of_trust(trust: &Federation) -> Rules {
        let listed: Vec<Algorithm> = trust
            .algorithms
            .iter()
            .filter_map(|it| Algorithm::named(it))
            .collect();
        Rules {
            expected: Expected {
                signer: Signer::Issuer,
                issuer: trust.issuer.clone(),
                subject: trust.subject.clone(),
                audiences: trust.audiences.clone(),
                further: trust.claims.clone(),
            },
            algorithms: match listed.is_empty() {
                true => USUAL_ALGORITHMS.to_vec(),
                false => listed,
            },
            keys: trust.keys.clone(),
        }
    }

    fn find_keys(
        &self,
        sources: &Sources,
        client: Uuid,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, KeyError> {
        match &self.keys {
            KeySource::Url(url) => sources.keys.find(client, url, kid, algorithm),
            KeySource::Inline(text) => {
                let keys = KeySet::parse(text.as_bytes()).map_err(KeyError::Unavailable)?;
                match keys.has(kid, algorithm) {
                    true => Ok(Arc::new(keys)),
                    false => Err(KeyError::Unknown),
                }
            }
        }
    }
}
