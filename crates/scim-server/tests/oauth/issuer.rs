//! An issuer with its keys. It signs every claim that a test asks for.
#![allow(dead_code)] // Two test binaries share this file.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key with its id.
pub struct Key {
    pub kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub fn rsa(kid: &str) -> Key {
        Key {
            kid: kid.to_owned(),
            pair: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        }
    }

    pub fn ec(kid: &str) -> Key {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Key {
            kid: kid.to_owned(),
            pair: Pair::Ec(pair),
        }
    }

    pub fn ed(kid: &str) -> Key {
        Key {
            kid: kid.to_owned(),
            pair: Pair::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    /// The algorithm that the key is usually used with.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "use": "sig", "kid": self.kid, "n": encode(public.n), "e": encode(public.e)})
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
                       "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": encode(pair.public_key())})
            }
        }
    }

    /// The public key of an RSA key as DER. Attackers use these bytes as the secret of HS256.
    pub fn der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            _ => panic!("it is no RSA key"),
        }
    }

    /// A signature with the algorithm that the header of `message` names, as far as the key can make it.
    fn signature(&self, message: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A signed JWT of texts that need not be JSON.
    pub fn sign_text(&self, header: &str, claims: &str, algorithm: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.signature(message.as_bytes(), algorithm));
        format!("{message}.{signature}")
    }

    /// A signed JWT with this header.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or_default();
        self.sign_text(&header.to_string(), &claims.to_string(), algorithm)
    }

    /// A signed JWT with the usual header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.kid})
    }
}

/// A JWT "signed" with a shared secret.
pub fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", encode(hmac::sign(&key, message.as_bytes())))
}

/// The SHA-256 of a text, as hexadecimal digits.
pub fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|it| format!("{it:02x}")).collect()
}

/// The same JWT with the other valid signature of ES256: `(r, n - s)` instead of `(r, s)`.
pub fn with_other_signature(jwt: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let mut signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0;
    for (digit, of_order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(of_order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference + 256 * borrow).unwrap();
    }
    format!("{message}.{}", encode(signature))
}

/// A JWK set of keys.
pub fn jwks(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|it| it.jwk()).collect::<Vec<_>>()})
}

/// The directory of Entra in tests.
pub const DIRECTORY: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

/// The claims of Entra's assertion, issued at a time in seconds.
pub fn entra_claims(issued: i64) -> Value {
    json!({
        "aud": "api://11112222-bbbb-3333-cccc-4444dddd5555",
        "iss": entra_issuer(),
        "iat": issued,
        "nbf": issued,
        "exp": issued + 3900,
        "aio": "k2RgYEgqNFhfyd7yTd",
        "appid": "00001111-aaaa-2222-bbbb-3333cccc4444",
        "appidacr": "2",
        "idp": format!("https://sts.windows.net/{DIRECTORY}/"),
        "oid": SUBJECT,
        "rh": "1.AXYA",
        "sub": SUBJECT,
        "tid": DIRECTORY,
        "uti": "CqSTAc3_2kqHLtVbvh0yAA",
        "ver": "2.0",
    })
}

pub fn entra_issuer() -> String {
    format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0")
}

/// The object id of the provisioning service's identity.
pub const SUBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
