//! The token in the `Authorization` header of a request.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::Refusal;

/// The text that a request presents as its token.
pub struct Presented<'a> {
    /// The text.
    pub secret: &'a str,
    /// Whether the text comes without a scheme.
    pub is_bare: bool,
}

impl Presented<'_> {
    /// A request without the scheme presents no token, so the challenge has no `error` (RFC 6750 section 3.1).
    pub(super) fn refusal(&self) -> Refusal {
        match self.is_bare {
            true => Refusal::NoCredentials,
            false => Refusal::InvalidCredentials,
        }
    }
}

/// Returns the token of the only `Authorization` header. The name of the scheme is case-insensitive (RFC 9110
/// section 11.1).
///
/// # Errors
/// `NoCredentials` without one, and `InvalidCredentials` for several.
pub fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(Refusal::NoCredentials);
    };
    if values.next().is_some() {
        return Err(Refusal::InvalidCredentials);
    }
    let value = value.to_str().unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Presented {
            secret: token.trim_matches(' '),
            is_bare: false,
        }),
        Some(_) => Err(Refusal::NoCredentials),
        None => Ok(Presented {
            secret: value,
            is_bare: true,
        }),
    }
}
