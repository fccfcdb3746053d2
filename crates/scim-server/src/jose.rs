//! Algorithms, keys and signatures of JOSE: the only user of the JOSE library, and the only place with private keys.

mod issuer;
mod public_key;
mod signing_key;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

pub use issuer::Issuer;
pub(crate) use public_key::PublicKey;
pub use signing_key::{SigningAlgorithm, SigningError, SigningKey};

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
}

/// Decodes base64url without padding.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes as base64url without padding.
fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
