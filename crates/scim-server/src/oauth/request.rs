//! Token requests: the form parameters in the body, and the credentials in the header (RFC 6749 section 2.3.1).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use url::form_urlencoded;

use super::assertion::{self, Assertion};
use super::error::{ErrorCode, OAuthError};

/// The largest body of a request.
pub const MAX_BODY: usize = 16 * 1024;

/// The most parameters of a request.
const MAX_PARAMETERS: usize = 32;

const MAX_CLIENT_ID: usize = 128;
const MAX_SECRET: usize = 256;

/// The only value of `client_assertion_type`.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A well-formed request for a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The id of the client; an assertion can name the client instead.
    pub client_id: Option<String>,
    /// The proof of the client's identity.
    pub proof: Proof,
    /// The requested scope.
    pub scope: Option<String>,
}

/// The proof of a client's identity.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// The request has no proof.
    None,
    /// A secret, and whether it came in the header.
    Secret(String, SecretPlace),
    /// A signed JWT.
    Assertion(String),
    /// The header has an unknown scheme, or is malformed.
    UnknownScheme,
    /// The parameter `client_assertion_type` has an unknown value.
    UnknownAssertionType,
}

/// The place of a secret in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// The header `Authorization`, with or without the same secret in the body.
    Header,
    /// The body.
    Body,
}

/// Hides secrets.
impl fmt::Debug for TokenRequest {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("TokenRequest")
    }
}

fn malformed(description: impl Into<String>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

impl TokenRequest {
    /// Reads a request. `authorization` are the values of that header. Unknown parameters are ignored, and a parameter
    /// without a value counts as absent.
    ///
    /// # Errors
    /// `InvalidRequest` for a malformed request, and `UnsupportedGrantType`.
    pub fn parse(body: &[u8], authorization: &[&[u8]]) -> Result<TokenRequest, OAuthError> {
        let form = Form::parse(body)?;
        match form.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(_) => {
                let text = "the only supported grant is client_credentials";
                return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, text));
            }
            None => return Err(malformed("grant_type is missing")),
        }
        let header = match authorization {
            [] => Header::None,
            [value] => Header::parse(value),
            _ => return Err(malformed("there are several Authorization headers")),
        };
        let (client_id, proof) = form.proof(header)?;
        Ok(TokenRequest {
            client_id,
            proof,
            scope: form.scope.clone(),
        })
    }
}

impl TokenRequest {
    /// Returns the client that the request names, by the parameter or else by the subject of its assertion. The name
    /// is not verified. A text that is longer than a client id cannot be one.
    pub(super) fn named_client(&self) -> Option<Cow<'_, str>> {
        if let Some(client_id) = &self.client_id {
            return Some(Cow::Borrowed(client_id));
        }
        let Proof::Assertion(text) = &self.proof else {
            return None;
        };
        let assertion = Assertion::parse(text).ok()?;
        let subject = assertion.unverified("sub")?;
        (subject.len() <= MAX_CLIENT_ID).then(|| Cow::Owned(subject.to_owned()))
    }
}

/// The parameters that the endpoint knows.
#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
    assertion_type: Option<String>,
    assertion: Option<String>,
}

impl Form {
    fn parse(body: &[u8]) -> Result<Form, OAuthError> {
        if body.len() > MAX_BODY {
            return Err(malformed("the body is larger than 16 KiB"));
        }
        if std::str::from_utf8(body).is_err() {
            return Err(malformed("the body is not UTF-8"));
        }
        let mut form = Form::default();
        let mut seen = Vec::new();
        for (number, (name, value)) in form_urlencoded::parse(body).enumerate() {
            if number >= MAX_PARAMETERS {
                return Err(malformed("there are more than 32 parameters"));
            }
            let (place, name, most) = match &*name {
                "grant_type" => (&mut form.grant_type, "grant_type", MAX_SECRET),
                "client_id" => (&mut form.client_id, "client_id", MAX_CLIENT_ID),
                "client_secret" => (&mut form.client_secret, "client_secret", MAX_SECRET),
                "scope" => (&mut form.scope, "scope", MAX_SECRET),
                "client_assertion_type" => (&mut form.assertion_type, "client_assertion_type", MAX_SECRET),
                "client_assertion" => (&mut form.assertion, "client_assertion", assertion::MAX_LENGTH),
                _ => continue,
            };
            if seen.contains(&name) {
                return Err(malformed(format!("{name} occurs twice")));
            }
            seen.push(name);
            if value.len() > most {
                return Err(malformed(format!("{name} is too long")));
            }
            *place = Some(value.into_owned()).filter(|it| !it.is_empty());
        }
        Ok(form)
    }

    /// Returns the client and its proof. A request uses one method, except that Entra may send the same secret in
    /// header and body.
    fn proof(&self, header: Header) -> Result<(Option<String>, Proof), OAuthError> {
        let several = || malformed("the client uses several methods of authentication");
        let (header_id, header_secret) = match header {
            Header::Basic { id, secret } => (Some(id), Some(secret)),
            Header::None => (None, None),
            Header::Unknown => return Ok((self.client_id.clone(), Proof::UnknownScheme)),
        };
        let is_other = |body: &Option<String>, header: &Option<String>| {
            header.is_some() && body.is_some() && body != header
        };
        if is_other(&self.client_id, &header_id) || is_other(&self.client_secret, &header_secret) {
            return Err(several());
        }
        let client_id = header_id.or_else(|| self.client_id.clone());
        if self.assertion.is_some() || self.assertion_type.is_some() {
            let (Some(assertion), Some(assertion_type)) = (&self.assertion, &self.assertion_type) else {
                return Err(malformed(
                    "client_assertion and client_assertion_type must be sent together",
                ));
            };
            if header_secret.is_some() || self.client_secret.is_some() {
                return Err(several());
            }
            let proof = match assertion_type == ASSERTION_TYPE {
                true => Proof::Assertion(assertion.clone()),
                false => Proof::UnknownAssertionType,
            };
            return Ok((client_id, proof));
        }
        let proof = match (header_secret, &self.client_secret) {
            (Some(secret), _) => Proof::Secret(secret, SecretPlace::Header),
            (None, Some(secret)) => Proof::Secret(secret.clone(), SecretPlace::Body),
            (None, None) => Proof::None,
        };
        Ok((client_id, proof))
    }
}

/// The credentials in the header `Authorization`.
enum Header {
    None,
    Basic {
        id: String,
        secret: String,
    },
    /// Another scheme, or credentials that are malformed.
    Unknown,
}

impl Header {
    fn parse(value: &[u8]) -> Header {
        basic(value).unwrap_or(Header::Unknown)
    }
}

/// Reads id and secret, which are form-encoded within Base64.
fn basic(value: &[u8]) -> Option<Header> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || rest.len() > 2 * (MAX_CLIENT_ID + MAX_SECRET) {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let (id, secret) = (form_decoded(id)?, form_decoded(secret)?);
    (id.len() <= MAX_CLIENT_ID && secret.len() <= MAX_SECRET).then_some(Header::Basic { id, secret })
}

fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text)
        .decode_utf8()
        .map(Cow::into_owned);
    decoded.ok()
}
