//! Bearer tokens: how a secret is made, and the only form in which it is kept.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What every secret starts with, so that secret scanners recognise one that leaked.
pub const PREFIX: &str = "scim_";

/// A new secret: the prefix and 256 random bits (RFC 7644 section 7.4, RFC 6750 section 5.2).
///
/// # Errors
/// When the system has no random bytes to give.
pub fn new_secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

/// The SHA-256 of a secret, which is what the directory stores and looks up.
///
/// A plain hash is enough: the secrets are random, so there is nothing to guess from it.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Whether a text can be one of our secrets; all others are refused without asking the store.
pub fn is_well_formed(secret: &str) -> bool {
    // 43 letters hold 256 bits.
    secret.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == 43
            && random
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_recognisable_and_never_the_same() {
        let secret = new_secret().unwrap();
        assert!(is_well_formed(&secret), "{secret}");
        assert_ne!(secret, new_secret().unwrap());
    }

    #[test]
    fn secrets_are_43_letters_digits_hyphens_or_underscores() {
        for letters in ["aZ", "09", "-", "_", "a-", "_9"] {
            let random: String = letters.chars().cycle().take(43).collect();
            assert!(is_well_formed(&format!("scim_{random}")), "{letters}");
        }
        for wrong in ['!', '.', '+', '/', '=', ' ', 'é'] {
            let random: String = "a".repeat(42) + &wrong.to_string();
            assert!(!is_well_formed(&format!("scim_{random}")), "{wrong}");
        }
        for length in [0, 42, 44] {
            assert!(
                !is_well_formed(&format!("scim_{}", "a".repeat(length))),
                "{length}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_secrets() {
        for text in [
            "",
            "scim_",
            "scim_short",
            "Bearer",
            &"a".repeat(48),
            &format!("scim_{}", "é".repeat(43)),
        ] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
