//! Algorithms, keys and signatures of JOSE: the only user of the JOSE library.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, crypto};

/// A signature algorithm (RFC 7518 section 3.1). Neither `none` nor an algorithm with a shared secret is in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, which every issuer offers.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// Ed25519.
    EdDsa,
}

/// The algorithms that are accepted unless the settings of a client or trust list others.
pub const USUAL_ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

impl Algorithm {
    /// Returns the algorithm with this name, which is case-sensitive.
    pub fn named(name: &str) -> Option<Algorithm> {
        let all = [
            Algorithm::Rs256,
            Algorithm::Es256,
            Algorithm::Ps256,
            Algorithm::EdDsa,
        ];
        all.into_iter().find(|it| it.name() == name)
    }

    /// Returns the name in headers and keys.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::Ps256 => "PS256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// The public part of a key.
#[derive(Clone)]
pub(super) struct PublicKey(DecodingKey);

/// The smallest and largest size of an RSA key. The upper limit bounds the time of a verification.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl PublicKey {
    /// Reads the modulus and the exponent of an RSA key. Returns `None` for a key that is not usable.
    pub(super) fn rsa(modulus: &str, exponent: &str) -> Option<PublicKey> {
        let (modulus, exponent) = (integer(modulus)?, integer(exponent)?);
        let first = modulus.first()?;
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        let is_odd = exponent.last()? & 1 == 1;
        (RSA_BITS.contains(&bits) && is_odd && exponent.len() <= 4 && exponent != [1])
            .then(|| PublicKey(DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
    }

    /// Reads the coordinates of a key on P-256.
    pub(super) fn p256(x: &str, y: &str) -> Option<PublicKey> {
        let is_coordinate = |text: &str| decoded(text).is_some_and(|it| it.len() == 32);
        let key = (is_coordinate(x) && is_coordinate(y)).then(|| DecodingKey::from_ec_components(x, y).ok());
        key.flatten().map(PublicKey)
    }

    /// Reads the public key of Ed25519.
    pub(super) fn ed25519(x: &str) -> Option<PublicKey> {
        let has_length = decoded(x).is_some_and(|it| it.len() == 32);
        let key = has_length.then(|| DecodingKey::from_ed_components(x).ok());
        key.flatten().map(PublicKey)
    }

    /// Returns whether `signature` (in base64url) is a signature of `message` by this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.0, algorithm.of_library()).unwrap_or(false)
    }
}

/// Decodes base64url without padding.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes a positive integer without its leading zeros, which some issuers write.
fn integer(text: &str) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let start = bytes.iter().position(|it| *it != 0)?;
    Some(bytes[start..].to_vec())
}
