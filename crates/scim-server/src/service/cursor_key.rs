//! The keys that seal paging cursors.

use std::fmt;
use std::str::FromStr;

/// A key that seals paging cursors. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct CursorKey([u8; 32]);

/// The reason why a text is not a key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, such as `openssl rand -hex 32` prints")]
pub struct InvalidCursorKey;

impl CursorKey {
    /// Creates a key from 32 bytes, which have to be random.
    pub fn new(bytes: [u8; 32]) -> CursorKey {
        CursorKey(bytes)
    }

    /// Makes a random key.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> Result<CursorKey, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(CursorKey(key))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for CursorKey {
    type Err = InvalidCursorKey;

    /// Reads 64 hexadecimal digits, and ignores blanks and line breaks around them.
    fn from_str(text: &str) -> Result<CursorKey, InvalidCursorKey> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(InvalidCursorKey);
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidCursorKey)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidCursorKey)?;
        }
        Ok(CursorKey(key))
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("CursorKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_key_is_64_digits() {
        let parse = str::parse::<CursorKey>;
        let digits = "0f".repeat(32);
        assert_eq!(parse(&digits), Ok(CursorKey::new([15; 32])));
        assert_eq!(parse(&format!(" {digits}\n")), Ok(CursorKey::new([15; 32])));
        assert!(parse("0f").is_err());
        assert!(parse(&"é".repeat(32)).is_err());
        assert!(parse(&"+1".repeat(32)).is_err());
    }

    #[test]
    fn a_cursor_key_is_never_shown() {
        let shown = format!("{:?}", CursorKey::new([0xab; 32]));
        assert_eq!(shown, "CursorKey(…)");
    }
}
