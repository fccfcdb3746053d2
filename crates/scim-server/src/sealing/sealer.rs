//! The cipher: XChaCha20-Poly1305 with random nonces.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::key::SealingKey;

/// The length of the nonce, which is large enough that random nonces do not repeat.
const NONCE_LENGTH: usize = 24;

/// A list of keys. The first key seals and all keys open, so that a new key can be put in front while values that the
/// old one has sealed are in use.
#[derive(Clone)]
pub struct Sealer {
    keys: Vec<XChaCha20Poly1305>,
}

/// A value could not be sealed: there is no key, or the operating system provides no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key, or there are no random bytes")]
pub struct SealError;

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "Sealer({} keys)", self.keys.len())
    }
}

impl Sealer {
    /// Creates a sealer.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SealingKey>) -> Sealer {
        let keys = keys.into_iter();
        Sealer {
            keys: keys.map(|it| XChaCha20Poly1305::new(it.bytes().into())).collect(),
        }
    }

    /// Returns the nonce and the sealed bytes.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, context: &[u8], bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let payload = Payload {
            msg: bytes,
            aad: context,
        };
        let key = self.keys.first().ok_or(SealError)?;
        let sealed = key
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| SealError)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Returns the bytes of a sealed value; `None` if no key opens it in this context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH)?;
        let open = |key: &XChaCha20Poly1305| {
            let payload = Payload {
                msg: sealed,
                aad: context,
            };
            key.decrypt(XNonce::from_slice(nonce), payload).ok()
        };
        self.keys.iter().find_map(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_seals_and_all_keys_open() {
        let (old, new) = (SealingKey::new([1; 32]), SealingKey::new([2; 32]));
        let sealed = Sealer::new([&old]).seal(b"a", b"text").expect("there is a key");
        let both = Sealer::new([&new, &old]);
        assert_eq!(both.open(b"a", &sealed).as_deref(), Some(&b"text"[..]));
        let sealed = both.seal(b"a", b"text").expect("there is a key");
        assert_eq!(Sealer::new([&old]).open(b"a", &sealed), None);
        assert_eq!(
            Sealer::new([&new]).open(b"a", &sealed).as_deref(),
            Some(&b"text"[..])
        );
    }

    #[test]
    fn a_value_opens_in_its_context_only_and_unchanged_only() {
        let sealer = Sealer::new([&SealingKey::new([1; 32])]);
        let sealed = sealer.seal(b"a", b"text").expect("there is a key");
        assert_eq!(sealer.open(b"b", &sealed), None);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(sealer.open(b"a", &changed), None);
        }
        assert_eq!(sealer.open(b"a", &sealed[..10]), None);
        assert_eq!(Sealer::new([]).seal(b"a", b"text"), Err(SealError));
    }
}
