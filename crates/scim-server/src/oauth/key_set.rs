//! JWK sets (RFC 7517): the usable keys of an issuer or a client.

use serde_json::{Map, Value, json};

use super::strict_json;
use crate::jose::{Algorithm, PublicKey};

/// The most keys of a set.
const MAX_KEYS: usize = 100;

/// The most keys that are tried for an assertion without `kid`, or with a `kid` that several keys share.
const MAX_TRIES: usize = 8;

/// The longest `kid`.
pub(super) const MAX_KID_LENGTH: usize = 256;

/// The keys of a set that can verify signatures. Others are left out: an issuer may publish keys for other purposes.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    kid: Option<String>,
    /// The only algorithm that the key is used with.
    algorithm: Algorithm,
    public: PublicKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{} {:?}", self.algorithm.name(), self.kid)
    }
}

/// The members of a JWK that are public (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
const PUBLIC_MEMBERS: [&str; 14] = [
    "kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "n", "e", "crv", "x", "y",
];

/// The members of a JWK that must stay secret: those of private keys, and `k` of a symmetric key.
const SECRET_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// Refuses the text of a JWK set with secret keys. The problem names the member and never its value.
///
/// # Errors
/// The problem in words.
pub fn refuse_secret_keys(text: &str) -> Result<(), String> {
    let set = strict_json::object(text.as_bytes()).map_err(|it| format!("the key set is not valid: {it}"))?;
    let keys = set.get("keys").and_then(Value::as_array);
    let objects = keys.into_iter().flatten().filter_map(Value::as_object);
    for object in objects.chain([&set]) {
        if let Some(member) = SECRET_MEMBERS.into_iter().find(|it| object.contains_key(*it)) {
            return Err(format!(
                "a key has the member `{member}`, which must stay secret: use a set of public keys"
            ));
        }
        if object.get("kty").is_some_and(|it| it == "oct") {
            return Err("a key is symmetric (`kty` is `oct`): use a set of public keys".to_owned());
        }
    }
    Ok(())
}

/// Returns the public members of the keys in a JWK set, for lists. A stored set can be older than
/// [`refuse_secret_keys`].
pub fn public_part(text: &str) -> Value {
    let set = strict_json::object(text.as_bytes()).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    let public = keys
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|key| {
            let members = key
                .iter()
                .filter(|(name, _)| PUBLIC_MEMBERS.contains(&name.as_str()));
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        });
    json!({ "keys": public.collect::<Vec<_>>() })
}

impl KeySet {
    /// Parses a JWK set.
    ///
    /// # Errors
    /// The problem in words: the text is not a set, or the set has more than 100 keys.
    pub fn parse(text: &[u8]) -> Result<KeySet, String> {
        let set = strict_json::object(text).map_err(|it| format!("the key set is not valid: {it}"))?;
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err("the key set is not valid: it has no array `keys`".to_owned());
        };
        if keys.len() > MAX_KEYS {
            return Err(format!("the key set has more than {MAX_KEYS} keys"));
        }
        let keys = keys.iter().filter_map(|it| usable(it.as_object()?)).collect();
        Ok(KeySet { keys })
    }

    /// Returns the number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns whether the set has no usable key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns whether a key has this `kid` and algorithm, or for an assertion without `kid`, the algorithm.
    pub fn has(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        self.candidates(kid, algorithm).next().is_some()
    }

    /// Returns whether one of the keys made a signature.
    pub(super) fn verifies(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &str,
    ) -> bool {
        self.candidates(kid, algorithm)
            .any(|key| key.public.verifies(algorithm, message, signature))
    }

    fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        let is_wanted = move |key: &&Key| {
            key.algorithm == algorithm && kid.is_none_or(|it| key.kid.as_deref() == Some(it))
        };
        self.keys.iter().filter(is_wanted).take(MAX_TRIES)
    }
}

/// Returns a key if it can verify signatures (RFC 7517 sections 4 and 5).
fn usable(jwk: &Map<String, Value>) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("use") && text("use") != Some("sig") {
        return None;
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.as_array()?.iter().any(|it| it == "verify")
    {
        return None;
    }
    let kid = match jwk.get("kid") {
        Some(kid) => Some(kid.as_str()?.to_owned()),
        None => None,
    };
    if kid.as_ref().is_some_and(|it| it.len() > MAX_KID_LENGTH) {
        return None;
    }
    let (public, usual, possible): (_, _, &[Algorithm]) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (
            PublicKey::rsa(text("n")?, text("e")?),
            Algorithm::Rs256,
            &[Algorithm::Rs256, Algorithm::Ps256],
        ),
        ("EC", Some("P-256")) => (
            PublicKey::p256(text("x")?, text("y")?),
            Algorithm::Es256,
            &[Algorithm::Es256],
        ),
        ("OKP", Some("Ed25519")) => (
            PublicKey::ed25519(text("x")?),
            Algorithm::EdDsa,
            &[Algorithm::EdDsa],
        ),
        _ => return None,
    };
    let algorithm = match jwk.get("alg") {
        Some(name) => Algorithm::named(name.as_str()?)?,
        None => usual,
    };
    possible.contains(&algorithm).then_some(Key {
        kid,
        algorithm,
        public: public?,
    })
}
