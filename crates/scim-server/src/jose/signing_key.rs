//! Keys that sign tokens of this server.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::{Algorithm, encoded};

/// An algorithm with which this server signs. `Display` writes the name in headers and keys, and `FromStr` reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, and keys of 2048 bits. Every receiver knows it.
    #[default]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl SigningAlgorithm {
    /// All algorithms.
    pub const ALL: [SigningAlgorithm; 2] = [SigningAlgorithm::Rs256, SigningAlgorithm::Es256];

    /// Returns the name in headers and keys.
    pub fn name(self) -> &'static str {
        match self {
            SigningAlgorithm::Rs256 => Algorithm::Rs256.name(),
            SigningAlgorithm::Es256 => Algorithm::Es256.name(),
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SigningAlgorithm, &'static str> {
        let known = SigningAlgorithm::ALL.into_iter().find(|it| it.name() == text);
        known.ok_or("expected `RS256` or `ES256`")
    }
}

/// A private key. `Debug` does not show it.
pub struct SigningKey {
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
}

/// A key could not be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library could not make or use a key")]
pub struct SigningError;

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "SigningKey({})", self.algorithm())
    }
}

impl SigningKey {
    /// Makes a random key.
    ///
    /// # Errors
    /// The library has no random bytes.
    pub fn random(algorithm: SigningAlgorithm) -> Result<SigningKey, SigningError> {
        let pair = match algorithm {
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|it| Pair::Rsa(Box::new(it)))
            }
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(|it| Pair::P256(Box::new(it)))
            }
        };
        let pair = pair.map_err(|_| SigningError)?;
        Ok(SigningKey { pair })
    }

    /// Reads a key in PKCS #8 form; `None` if it is not one of the algorithm.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, der: &[u8]) -> Option<SigningKey> {
        let pair = match algorithm {
            SigningAlgorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).ok()?)),
            SigningAlgorithm::Es256 => Pair::P256(Box::new(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?,
            )),
        };
        Some(SigningKey { pair })
    }

    /// Returns the key in PKCS #8 form, which [`SigningKey::from_pkcs8`] reads. It is secret.
    ///
    /// # Errors
    /// The library failed.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, SigningError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der = pair.as_der().map_err(|_| SigningError)?;
                Ok(der.as_ref().to_vec())
            }
            Pair::P256(pair) => Ok(pair.to_pkcs8v1().map_err(|_| SigningError)?.as_ref().to_vec()),
        }
    }

    /// Returns the algorithm of the key.
    pub fn algorithm(&self) -> SigningAlgorithm {
        match self.pair {
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
            Pair::P256(_) => SigningAlgorithm::Es256,
        }
    }

    /// Returns the public members as an entry of a JWK set (RFC 7517 section 4).
    pub fn public_jwk(&self, kid: &str) -> Value {
        let algorithm = self.algorithm().name();
        match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": algorithm, "n": encoded(n), "e": encoded(e)})
            }
            Pair::P256(pair) => {
                // The point in uncompressed form: 4, and two coordinates of 32 bytes.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": algorithm,
                    "x": encoded(x), "y": encoded(y)})
            }
        }
    }

    /// Returns a signed token in compact form (RFC 7515 section 7.1). `typ` is the type in its header, and `claims` is
    /// the JSON text of the claims.
    ///
    /// # Errors
    /// The library failed.
    pub fn sign(&self, kid: &str, typ: &str, claims: &str) -> Result<String, SigningError> {
        let header = json!({"typ": typ, "alg": self.algorithm().name(), "kid": kid});
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .map_err(|_| SigningError)?;
                signature
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&random, message.as_bytes()).map_err(|_| SigningError)?;
                signature.as_ref().to_vec()
            }
        };
        Ok(format!("{message}.{}", encoded(signature)))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    /// evt-72, evt-74, evt-113
    #[test]
    fn the_jose_library_verifies_tokens_with_the_public_key() {
        for (algorithm, of_library) in [
            (SigningAlgorithm::Rs256, jsonwebtoken::Algorithm::RS256),
            (SigningAlgorithm::Es256, jsonwebtoken::Algorithm::ES256),
        ] {
            let key = SigningKey::random(algorithm).expect("there are random bytes");
            let stored = key.to_pkcs8().expect("it can be written");
            let key = SigningKey::from_pkcs8(algorithm, &stored).expect("it can be read");
            let token = key
                .sign("k1", "secevent+jwt", r#"{"iss":"a","jti":"b"}"#)
                .expect("it can sign");
            let jwk: Jwk = serde_json::from_value(key.public_jwk("k1")).expect("it is a key");
            let mut validation = Validation::new(of_library);
            validation.required_spec_claims.clear();
            let verify = |jwk: &Jwk| {
                let key = DecodingKey::from_jwk(jwk).expect("it is a key");
                jsonwebtoken::decode::<Value>(&token, &key, &validation)
            };
            let decoded = verify(&jwk).expect("the signature is valid");
            assert_eq!(decoded.claims, json!({"iss": "a", "jti": "b"}));
            assert_eq!(decoded.header.typ.as_deref(), Some("secevent+jwt"));
            assert_eq!(decoded.header.kid.as_deref(), Some("k1"));
            let other = SigningKey::random(algorithm).expect("there are random bytes");
            let other: Jwk = serde_json::from_value(other.public_jwk("k1")).expect("it is a key");
            verify(&other).expect_err("it is another key");
        }
    }

    /// evt-113, evt-115
    #[test]
    fn private_parts_are_never_shown() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::random(algorithm).expect("there are random bytes");
            let jwk = key.public_jwk("k1");
            let names: Vec<_> = jwk
                .as_object()
                .expect("it is an object")
                .keys()
                .cloned()
                .collect();
            let expected = match algorithm {
                SigningAlgorithm::Rs256 => vec!["kty", "kid", "use", "alg", "n", "e"],
                SigningAlgorithm::Es256 => vec!["kty", "crv", "kid", "use", "alg", "x", "y"],
            };
            assert_eq!(names, expected);
            assert_eq!(format!("{key:?}"), format!("SigningKey({algorithm})"));
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        let rsa = SigningKey::random(SigningAlgorithm::Rs256).expect("there are random bytes");
        let der = rsa.to_pkcs8().expect("it can be written");
        assert!(SigningKey::from_pkcs8(SigningAlgorithm::Es256, &der).is_none());
        let bits = crate::jose::decoded(rsa.public_jwk("k1")["n"].as_str().expect("it is text"))
            .expect("it is base64url")
            .len()
            * 8;
        assert_eq!(bits, 2048);
    }
}
