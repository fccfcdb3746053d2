//! Bearer tokens and operator keys: generating a secret, and the digest that is stored instead of it.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The prefix of the secrets of tenants. Secret scanners recognise a leaked secret by it.
pub const PREFIX: &str = "scim_";

/// The prefix of operator keys. It differs from [`PREFIX`], so that neither kind is taken for the other.
pub const OPERATOR_PREFIX: &str = "opk_";

/// The prefix of the secrets of webhook endpoints.
pub const WEBHOOK_PREFIX: &str = "whsec_";

/// Returns whether a text contains a secret of this server, by its prefix: a token, a client secret, an operator key, or
/// the secret of a webhook endpoint. Messages hide such a text.
pub fn contains_secret(text: &str) -> bool {
    [PREFIX, OPERATOR_PREFIX, WEBHOOK_PREFIX]
        .iter()
        .any(|it| text.contains(it))
}

/// The time for which a server may use a valid token from a cache. After the command line has revoked a token or deleted a
/// tenant, it waits that long before it reports success, so that no server accepts the token any more.
pub const CACHE_LIFETIME: Duration = Duration::from_secs(1);

/// Generates a secret: the prefix and 256 random bits (RFC 7644 section 7.4, RFC 6750 section 5.2).
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_secret() -> Result<String, getrandom::Error> {
    random_text(PREFIX)
}

/// Generates an operator key: the prefix and 256 random bits.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_operator_key() -> Result<String, getrandom::Error> {
    random_text(OPERATOR_PREFIX)
}

fn random_text(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

/// Returns the SHA-256 digest of a secret, which the directory stores and looks up.
///
/// A fast hash without a salt is enough: a secret has 256 random bits and cannot be guessed from its digest.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Returns the last four characters of a secret, which let an operator recognise it in a list. They say little: 24 of
/// its 256 bits.
pub fn last_four(secret: &str) -> String {
    let start = secret.char_indices().nth_back(3).map_or(0, |(index, _)| index);
    secret[start..].to_owned()
}

/// Returns whether a text has the form of a secret. Other texts are rejected without a query to the store.
pub fn is_well_formed(secret: &str) -> bool {
    has_form(secret, PREFIX)
}

/// Returns whether a text has the form of an operator key. Other texts are rejected without a query to the store.
pub fn is_operator_key(secret: &str) -> bool {
    has_form(secret, OPERATOR_PREFIX)
}

fn has_form(secret: &str, prefix: &str) -> bool {
    // 43 base64url characters encode 256 bits.
    secret.strip_prefix(prefix).is_some_and(|random| {
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
    fn an_operator_key_is_no_token_and_a_token_no_operator_key() {
        let (key, token) = (new_operator_key().unwrap(), new_secret().unwrap());
        assert!(is_operator_key(&key) && !is_well_formed(&key), "{key}");
        assert!(is_well_formed(&token) && !is_operator_key(&token), "{token}");
        assert!(!OPERATOR_PREFIX.contains("scim"));
    }

    #[test]
    fn each_kind_of_secret_is_recognised() {
        for text in ["scim_abc", "scim_secret_abc", "a=opk_abc", "whsec_AbC="] {
            assert!(contains_secret(text), "{text}");
        }
        assert!(!contains_secret("scim-server token list"));
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
    fn the_last_four_characters_recognise_a_secret() {
        for (secret, expected) in [("scim_abcdefg", "defg"), ("abé", "abé"), ("xaébc", "aébc")] {
            assert_eq!(last_four(secret), expected);
        }
    }

    #[test]
    fn other_texts_are_not_secrets() {
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
