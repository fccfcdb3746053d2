//! The keys that seal values.

use std::fmt;
use std::str::FromStr;

/// A key that seals values. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey([u8; 32]);

/// The reason why a text is not a key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, such as `openssl rand -hex 32` prints")]
pub struct InvalidSealingKey;

impl SealingKey {
    /// Creates a key from 32 bytes, which have to be random.
    pub fn new(bytes: [u8; 32]) -> SealingKey {
        SealingKey(bytes)
    }

    /// Makes a random key.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> Result<SealingKey, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(SealingKey(key))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hexadecimal digits that [`FromStr`] reads.
    pub(super) fn to_digits(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for SealingKey {
    type Err = InvalidSealingKey;

    /// Reads 64 hexadecimal digits, and ignores blanks and line breaks around them.
    fn from_str(text: &str) -> Result<SealingKey, InvalidSealingKey> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(InvalidSealingKey);
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidSealingKey)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidSealingKey)?;
        }
        Ok(SealingKey(key))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("SealingKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits() {
        let parse = str::parse::<SealingKey>;
        let digits = "0f".repeat(32);
        assert_eq!(parse(&digits), Ok(SealingKey::new([15; 32])));
        assert_eq!(parse(&format!(" {digits}\n")), Ok(SealingKey::new([15; 32])));
        assert_eq!(SealingKey::new([15; 32]).to_digits(), digits);
        assert!(parse("0f").is_err());
        assert!(parse(&"é".repeat(32)).is_err());
        assert!(parse(&"+1".repeat(32)).is_err());
    }

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", SealingKey::new([0xab; 32]));
        assert_eq!(shown, "SealingKey(…)");
    }
}
