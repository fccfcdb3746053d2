//! Client ids, client secrets and access tokens: random texts of letters, digits, `-` and `_`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::{Choice, ConstantTimeEq as _};

use crate::token;

/// The prefixes. Secret scanners recognise a leaked secret by them, and none of the texts looks like the id of a resource.
const CLIENT_ID: &str = "client_";
const CLIENT_SECRET: &str = "scim_secret_";
const ACCESS_TOKEN: &str = "scim_at_";

/// The hash of a secret that a client presents. It cannot be compared with `==`, whose duration reveals how much of a
/// guess is right.
pub(super) struct PresentedSecret([u8; 32]);

impl PresentedSecret {
    pub(super) fn new(secret: &str) -> PresentedSecret {
        PresentedSecret(token::digest(secret))
    }

    /// Compares the hash with a stored one. Only a comparison in constant time returns a `Choice`.
    pub(super) fn matches(&self, stored: &[u8; 32]) -> Choice {
        self.0.ct_eq(stored)
    }
}

/// Generates a client id with 128 random bits.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_client_id() -> Result<String, getrandom::Error> {
    random::<16>(CLIENT_ID)
}

/// Generates a client secret with 256 random bits.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_client_secret() -> Result<String, getrandom::Error> {
    random::<32>(CLIENT_SECRET)
}

/// Generates an access token with 256 random bits. It is opaque and not a JWT, so that it can be revoked at once.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_access_token() -> Result<String, getrandom::Error> {
    random::<32>(ACCESS_TOKEN)
}

/// Returns whether a text has the form of an access token.
pub fn is_access_token(text: &str) -> bool {
    text.strip_prefix(ACCESS_TOKEN).is_some_and(|random| {
        // 43 base64url characters encode 256 bits.
        let is_base64url = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
        random.len() == 43 && random.bytes().all(is_base64url)
    })
}

fn random<const N: usize>(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0; N];
    getrandom::fill(&mut random)?;
    Ok(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-18
    ///
    /// The types allow no other comparison: a presented hash is private to this file and has no `==`.
    #[test]
    fn cred_18_a_secret_matches_its_whole_hash_only() {
        let presented = PresentedSecret::new("scim_secret_a");
        let stored = token::digest("scim_secret_a");
        assert!(bool::from(presented.matches(&stored)));
        for index in 0..32 {
            let mut other = stored;
            other[index] ^= 1;
            assert!(!bool::from(presented.matches(&other)), "{index}");
        }
        assert!(!bool::from(presented.matches(&[0; 32])));
        assert!(!bool::from(PresentedSecret::new("").matches(&stored)));
    }

    /// cred-11, cred-38, cred-42
    #[test]
    fn cred_38_secrets_are_short_and_never_the_same() {
        for new in [new_client_id, new_client_secret, new_access_token] {
            let (one, other) = (new().unwrap(), new().unwrap());
            assert_ne!(one, other);
            assert!(one.len() <= 64, "{one}");
            // cred-11: both readings of the encoding in HTTP Basic agree on these characters.
            assert!(
                one.bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)),
                "{one}"
            );
        }
    }

    /// cred-35
    #[test]
    fn cred_35_an_access_token_is_opaque_and_no_bearer_token_of_a_connection() {
        let token = new_access_token().unwrap();
        assert!(is_access_token(&token) && !token::is_well_formed(&token));
        assert!(!token.contains('.'));
        assert!(!is_access_token(&token::new_secret().unwrap()));
        for text in [
            "",
            "scim_at_",
            &token[..50],
            &format!("{token}a"),
            &token.replace("scim_at_", "scim_au_"),
        ] {
            assert!(!is_access_token(text), "{text}");
        }
    }
}
