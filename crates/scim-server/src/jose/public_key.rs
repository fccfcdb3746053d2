//! Keys that verify signatures.

use jsonwebtoken::{DecodingKey, crypto};

use super::{Algorithm, decoded};

/// The public part of a key.
#[derive(Clone)]
pub(crate) struct PublicKey(DecodingKey);

/// The smallest and largest size of an RSA key. The upper limit bounds the time of a verification.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl PublicKey {
    /// Reads the modulus and the exponent of an RSA key. Returns `None` for a key that is not usable.
    pub(crate) fn rsa(modulus: &str, exponent: &str) -> Option<PublicKey> {
        let (modulus, exponent) = (integer(modulus)?, integer(exponent)?);
        let first = modulus.first()?;
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        let is_odd = exponent.last()? & 1 == 1;
        (RSA_BITS.contains(&bits) && is_odd && exponent.len() <= 4 && exponent != [1])
            .then(|| PublicKey(DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
    }

    /// Reads the coordinates of a key on P-256.
    pub(crate) fn p256(x: &str, y: &str) -> Option<PublicKey> {
        let is_coordinate = |text: &str| decoded(text).is_some_and(|it| it.len() == 32);
        let key = (is_coordinate(x) && is_coordinate(y)).then(|| DecodingKey::from_ec_components(x, y).ok());
        key.flatten().map(PublicKey)
    }

    /// Reads the public key of Ed25519.
    pub(crate) fn ed25519(x: &str) -> Option<PublicKey> {
        let has_length = decoded(x).is_some_and(|it| it.len() == 32);
        let key = has_length.then(|| DecodingKey::from_ed_components(x).ok());
        key.flatten().map(PublicKey)
    }

    /// Returns whether `signature` (in base64url) is a signature of `message` by this key.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.0, of_library(algorithm)).unwrap_or(false)
    }
}

/// Decodes a positive integer without its leading zeros, which some issuers write.
fn integer(text: &str) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let start = bytes.iter().position(|it| *it != 0)?;
    Some(bytes[start..].to_vec())
}

/// The name of the algorithm in the library.
fn of_library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}
