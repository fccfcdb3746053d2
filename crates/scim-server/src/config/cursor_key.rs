//! The keys that seal paging cursors.

/// Reads a key of 64 hexadecimal digits.
///
/// # Errors
/// A text for people; it does not repeat the key.
pub fn parse(text: &str) -> Result<[u8; 32], String> {
    let invalid = || "expected 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
    }
    Ok(key)
}

/// Makes a key for one start of a server.
///
/// # Errors
/// The system has no random bytes.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_key_is_64_digits() {
        assert_eq!(parse(&"0f".repeat(32)), Ok([15; 32]));
        assert!(parse("0f").is_err());
        assert!(parse(&"é".repeat(32)).is_err());
        assert!(parse(&"+1".repeat(32)).is_err());
    }
}
