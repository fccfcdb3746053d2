//! Signatures of webhooks (Standard Webhooks 1.0, scheme `v1`): HMAC-SHA256 over id, time and body.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::token::WEBHOOK_PREFIX;

/// The number of random bytes in a new secret.
const NEW_SECRET_BYTES: usize = 32;

/// The secret that an endpoint shares with the server. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// The text is not a secret. The error does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `whsec_` and 24 to 64 bytes in base64")]
pub struct InvalidWebhookSecret;

impl WebhookSecret {
    /// Makes a random secret.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> Result<WebhookSecret, getrandom::Error> {
        let mut bytes = vec![0; NEW_SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(WebhookSecret(bytes))
    }

    /// Returns the text that the receiver configures, `whsec_` and the bytes in base64. [`FromStr`] reads it.
    pub fn to_text(&self) -> String {
        format!("{WEBHOOK_PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }
}

impl FromStr for WebhookSecret {
    type Err = InvalidWebhookSecret;

    fn from_str(text: &str) -> Result<WebhookSecret, InvalidWebhookSecret> {
        let encoded = text
            .trim()
            .strip_prefix(WEBHOOK_PREFIX)
            .ok_or(InvalidWebhookSecret)?;
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| InvalidWebhookSecret)?;
        match bytes.len() {
            24..=64 => Ok(WebhookSecret(bytes)),
            _ => Err(InvalidWebhookSecret),
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("WebhookSecret(…)")
    }
}

/// Returns the value of the header `webhook-signature`: one signature for each secret, separated by spaces.
///
/// `seconds` is the time of the attempt in seconds since 1970, as in the header `webhook-timestamp`.
pub fn sign(secrets: &[WebhookSecret], id: &str, seconds: i64, body: &[u8]) -> String {
    let signature = |secret: &WebhookSecret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    };
    let signatures: Vec<String> = secrets.iter().map(signature).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> WebhookSecret {
        text.parse().expect("it is a secret")
    }

    /// evt-07, evt-08
    #[test]
    fn evt_09_the_published_vector_is_signed_as_published() {
        let signature = sign(
            &[secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")],
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            br#"{"email":"test@example.com","username":"test_user"}"#,
        );
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    /// evt-10
    #[test]
    fn evt_10_secrets_are_random_and_have_32_bytes() {
        let [one, other] = [(); 2].map(|()| WebhookSecret::random().expect("there are random bytes"));
        assert_ne!(one, other);
        assert_eq!(one.0.len(), 32);
        assert_eq!(secret(&one.to_text()), one);
        assert_eq!(format!("{one:?}"), "WebhookSecret(…)");
        for text in [
            "",
            "whsec_",
            "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD",
            "whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspobw==",
        ] {
            assert_eq!(text.parse::<WebhookSecret>(), Err(InvalidWebhookSecret), "{text}");
        }
    }

    /// evt-08, evt-33
    ///
    /// The library of the receivers accepts the signatures, with each of the secrets.
    #[test]
    fn evt_11_each_of_several_secrets_verifies_the_header() {
        let secrets = [(); 2].map(|()| WebhookSecret::random().expect("there are random bytes"));
        let seconds = chrono::Utc::now().timestamp();
        let body = br#"{"name":"Zo\u00eb"}"#;
        let signature = sign(&secrets, "7-1735689600000-0", seconds, body);
        assert_eq!(signature.matches("v1,").count(), 2);
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "7-1735689600000-0".to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ] {
            headers.insert(name, value.parse().expect("it is a header"));
        }
        for it in &secrets {
            let receiver = standardwebhooks::Webhook::new(&it.to_text()).expect("it is a secret");
            receiver.verify(body, &headers).expect("the signature is valid");
            receiver
                .verify(br#"{"name":"Zoe"}"#, &headers)
                .expect_err("the body differs");
        }
        let stranger = WebhookSecret::random().expect("there are random bytes").to_text();
        let receiver = standardwebhooks::Webhook::new(&stranger).expect("it is a secret");
        receiver.verify(body, &headers).expect_err("the secret differs");
    }
}
