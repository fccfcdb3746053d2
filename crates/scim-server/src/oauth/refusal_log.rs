//! The log entry of a refused token request.
//!
//! Text of the request is shortened, quoted and escaped. Secrets, assertions and tokens are never shown. A secret may have
//! been entered in the wrong field, so an unknown client id, an unknown scope, and every text that looks like a secret are
//! shown as a hash.

use std::fmt;

use scim_model::store::{Client, ClientMethod};

use super::assertion::Assertion;
use super::outcome;
use super::request::{Proof, SecretPlace, TokenRequest};
use super::scope::Scope;
use crate::token;

/// The most characters of a value of the request, and of a reason.
const MAX_VALUE: usize = 100;
const MAX_REASON: usize = 500;

/// The facts about a refused request.
pub(super) struct Entry<'a> {
    /// The request; `None` if its form is wrong.
    pub(super) request: Option<&'a TokenRequest>,
    /// The client, if it is known.
    pub(super) client: Option<&'a Client>,
    pub(super) reason: &'a str,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let proof = self.request.map_or(&Proof::None, |it| &it.proof);
        let assertion = match proof {
            Proof::Assertion(text) => Assertion::parse(text).ok(),
            _ => None,
        };
        let tenant = self.client.map_or("-", |it| &it.tenant_name);
        let named = self.request.and_then(TokenRequest::named_client);
        let client = match (self.client, named) {
            (Some(client), _) => client.client_id.clone(),
            (None, Some(named)) => hidden(&named),
            (None, None) => "-".to_owned(),
        };
        let method = self.method(proof);
        let scope = scope_shown(self.request.and_then(|it| it.scope.as_deref()));
        write!(
            out,
            "tenant={tenant} client={client} method={method} scope={scope}"
        )?;
        if let Proof::Assertion(_) = proof {
            let claim = |name| assertion.as_ref().and_then(|it| it.unverified(name));
            let issuer = shown(claim("iss"));
            let kid = shown(assertion.as_ref().and_then(|it| it.kid.as_deref()));
            let id = claim("jti").or_else(|| claim("uti"));
            let id = id.or_else(|| assertion.as_ref().map(|it| it.message));
            let id = id.map_or("-".to_owned(), outcome::short_hash);
            write!(out, " iss={issuer} kid={kid} assertion={id}")?;
        }
        write!(out, " reason={}", line(self.reason))
    }
}

impl Entry<'_> {
    fn method(&self, proof: &Proof) -> &'static str {
        match (proof, self.client.map(|it| &it.method)) {
            (Proof::Secret(_, SecretPlace::Header), _) => "client_secret_basic",
            (Proof::Secret(_, SecretPlace::Body), _) => "client_secret_post",
            (Proof::Assertion(_), Some(ClientMethod::Federation(_))) => "federation",
            (Proof::Assertion(_), Some(ClientMethod::Client { .. })) => "private_key_jwt",
            (Proof::Assertion(_), None) => "assertion",
            (Proof::UnknownScheme | Proof::UnknownAssertionType, _) => "unknown",
            (Proof::None, _) => "-",
        }
    }
}

/// Returns a hash that is shown instead of a text that may be a secret.
fn hidden(text: &str) -> String {
    format!("unknown:{}", outcome::short_hash(text))
}

/// Returns a scope if the server knows all its names. Any other text may be a secret in a form that cannot be
/// recognised.
fn scope_shown(scope: Option<&str>) -> String {
    match scope {
        Some(text) if Scope::granted(Some(text), false).is_err() => hidden(text),
        known => shown(known),
    }
}

/// Returns a value of the request in quotes, without control characters, or `-`. A text that looks like a secret is
/// shown as a hash.
fn shown(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    if looks_secret(value) {
        return hidden(value);
    }
    let short: String = value.chars().take(MAX_VALUE).collect();
    match short.len() < value.len() {
        true => format!("{short:?}..."),
        false => format!("{short:?}"),
    }
}

/// Returns whether a text contains a secret of this server, or the beginning of a JWT.
fn looks_secret(text: &str) -> bool {
    // The beginning of a JSON object in Base64: `{"`, `{ `, `{` and a new line of either kind.
    let json_in_base64 = ["eyJ", "eyA", "ewo", "ew0"];
    token::contains_secret(text) || json_in_base64.iter().any(|it| text.contains(it))
}

/// Returns a reason without control characters.
fn line(reason: &str) -> String {
    let mut line = String::new();
    for it in reason.chars().take(MAX_REASON) {
        match it {
            '"' | '\'' | '\\' => line.push(it),
            _ => line.extend(it.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::oauth::secret;

    /// cred-41
    #[test]
    fn cred_41_text_of_a_request_stays_in_its_field() {
        assert_eq!(shown(None), "-");
        assert_eq!(
            shown(Some("a\n\u{1b}[1m\u{202e}\" b")),
            r#""a\n\u{1b}[1m\u{202e}\" b""#
        );
        assert_eq!(
            shown(Some(&"x".repeat(101))),
            format!("\"{}\"...", "x".repeat(100))
        );
        assert_eq!(line("sub: `a\r\nb` is \"c\""), "sub: `a\\r\\nb` is \"c\"");
        assert_eq!(line(&"x".repeat(1000)).len(), 500);
    }

    /// cred-41
    #[test]
    fn cred_41_a_secret_in_the_wrong_field_is_not_shown() {
        let secret = secret::new_client_secret().expect("there is randomness");
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        let operator_key = token::new_operator_key().expect("there is randomness");
        let glued = format!("scim {secret}");
        for hidden in [&*secret, jwt, &operator_key, &glued, "hunter2!", &"a".repeat(43)] {
            let header = json!({"alg": "RS256", "kid": hidden}).to_string();
            let claims = json!({"iss": hidden}).to_string();
            let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
            let assertion = format!("{}.{}.c2ln", encode(&header), encode(&claims));
            let is_recognisable = hidden != "hunter2!" && hidden != "a".repeat(43);
            for proof in [Proof::None, Proof::Assertion(assertion)] {
                if matches!(proof, Proof::Assertion(_)) && !is_recognisable {
                    continue;
                }
                let request = TokenRequest {
                    client_id: None,
                    proof,
                    scope: Some(hidden.to_owned()),
                };
                let entry = Entry {
                    request: Some(&request),
                    client: None,
                    reason: "unknown client",
                };
                let text = entry.to_string();
                assert!(!text.contains(hidden), "{text}");
                for word in hidden.split(' ').filter(|it| *it != "scim") {
                    assert!(!text.contains(word), "{text}");
                }
                assert!(text.contains("scope=unknown:"), "{text}");
            }
        }
        assert_eq!(scope_shown(Some("scim scim.read")), "\"scim scim.read\"");
        assert_eq!(scope_shown(Some("scim.readwrite")), "\"scim.readwrite\"");
        assert_eq!(scope_shown(None), "-");
    }

    /// cred-41
    #[test]
    fn cred_41_an_unknown_client_id_is_shown_as_a_hash() {
        let request = TokenRequest {
            client_id: Some("scim_secret_pasted".to_owned()),
            proof: Proof::Secret("scim_secret_other".to_owned(), SecretPlace::Body),
            scope: Some("scim scim.read".to_owned()),
        };
        let entry = Entry {
            request: Some(&request),
            client: None,
            reason: "unknown client",
        };
        let text = entry.to_string();
        assert!(text.starts_with("tenant=- client=unknown:"), "{text}");
        assert!(
            text.ends_with("method=client_secret_post scope=\"scim scim.read\" reason=unknown client"),
            "{text}"
        );
        assert!(!text.contains("scim_secret"), "{text}");
    }
}
