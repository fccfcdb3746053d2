//! An assertion before its signature is verified: its form, its header, and its claims as text.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::key_set::MAX_KID_LENGTH;
use super::strict_json;
use crate::jose::{Algorithm, decoded};

/// The longest assertion. An assertion of Entra has about 2 KiB.
pub const MAX_LENGTH: usize = 8 * 1024;

/// A JWT in compact form whose signature is not verified yet.
#[derive(Clone, Debug)]
pub struct Assertion<'a> {
    /// The algorithm that the header names.
    pub algorithm: Algorithm,
    /// The id of the key that the header names. It is only compared with keys in memory.
    pub kid: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// Header and claims in the form that is signed.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Assertion<'a> {
    /// Reads an assertion (RFC 7515 section 7.1).
    ///
    /// # Errors
    /// The text is too long or not a JWT of three parts, its header is not acceptable, or its claims are not a JSON
    /// object.
    pub fn parse(text: &'a str) -> Result<Assertion<'a>, Fault> {
        let form = |problem: &str| Fault::unsigned("form", problem);
        if text.len() > MAX_LENGTH {
            return Err(form("the assertion is longer than 8 KiB"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err(form(
                "the assertion does not have three parts: it must be a signed JWT in compact form",
            ));
        };
        let part = |name: &str, text: &str| {
            let bytes = decoded(text).ok_or_else(|| form(&format!("the {name} is not base64url")))?;
            strict_json::object(&bytes).map_err(|it| form(&format!("the {name} is not valid: {it}")))
        };
        let header = part("header", header)?;
        let claims = part("claims", claims)?;
        if signature.is_empty() || decoded(signature).is_none() {
            return Err(form("the signature is not base64url"));
        }
        Ok(Assertion {
            algorithm: algorithm(&header)?,
            kid: kid(&header)?,
            claims,
            message: &text[..text.len() - signature.len() - 1],
            signature,
        })
    }

    /// Returns a claim if it is a string. The value cannot be trusted before the signature is verified.
    pub fn unverified(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}

/// Returns the algorithm of a header, and refuses headers that change the meaning of the assertion. Parameters that
/// supply a key, such as `jwk` and `jku`, have no effect.
fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, Fault> {
    if header.contains_key("crit") {
        return Err(Fault::unsigned(
            "crit",
            "the header has extensions that must be understood",
        ));
    }
    let is_jwt = |it: &Value| it.as_str().is_none_or(|it| it.eq_ignore_ascii_case("JWT"));
    if header.get("cty").is_some_and(is_jwt) {
        return Err(Fault::unsigned("cty", "the assertion contains another JWT"));
    }
    // A token for another purpose, such as `at+jwt` or `secevent+jwt`, must not pass as an assertion (RFC 8725 section 3.12).
    let is_assertion = |it: &str| {
        ["JWT", "client-authentication+jwt"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(it))
    };
    if let Some(typ) = header.get("typ")
        && !typ.as_str().is_some_and(is_assertion)
    {
        return Err(Fault::unsigned("typ", format!("the type is {typ}, not `JWT`")));
    }
    let name = header.get("alg").and_then(Value::as_str);
    let name = name.ok_or_else(|| Fault::unsigned("alg", "the header names no algorithm"))?;
    Algorithm::named(name)
        .ok_or_else(|| Fault::unsigned("alg", format!("the algorithm `{name}` is not accepted")))
}

fn kid(header: &Map<String, Value>) -> Result<Option<String>, Fault> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID_LENGTH => Ok(Some(kid.clone())),
        Some(_) => Err(Fault::unsigned(
            "kid",
            "the id of the key is not a string of at most 256 characters",
        )),
    }
}
