//! Bytes as text.

use std::fmt::Write as _;

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string accepts every text");
        text
    })
}

/// The 32 bytes of a SHA-256, unless the text is not 64 hexadecimal digits.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_64_hexadecimal_digits() {
        assert_eq!(sha256(&"0f".repeat(32)), Some([15; 32]));
        assert_eq!(sha256(&hex(&[171; 32])), Some([171; 32]));
        for wrong in [
            "",
            "0f",
            &"0g".repeat(32),
            &"é".repeat(32),
            &"0f".repeat(33),
            &format!("{}0", "0f".repeat(32)),
        ] {
            assert_eq!(sha256(wrong), None, "{wrong}");
        }
    }
}
