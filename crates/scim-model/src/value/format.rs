//! Sizes and formats of strings, references and binary values (RFC 7643 sections 2.3.6, 2.3.7 and 4.1).

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{ScimError, invalid};
use crate::schema::{Attribute, AttributeType, Format, Uniqueness};
use crate::value::policy::Policy;
use crate::value::text;

/// The most bytes of a string or reference.
const MAX_STRING: usize = 8 * 1024;
/// The most bytes of a value that has to be unique.
const MAX_UNIQUE: usize = 1024;
/// The most bytes of the base64 text of a binary value.
const MAX_BINARY: usize = 64 * 1024;

pub(super) fn check_text(
    attribute: &Attribute,
    path: &dyn fmt::Display,
    text: &str,
    policy: Policy,
) -> Result<(), ScimError> {
    let limit = match attribute.type_ {
        AttributeType::Binary => MAX_BINARY,
        _ if attribute.uniqueness != Uniqueness::None => MAX_UNIQUE,
        _ => MAX_STRING,
    };
    if text.len() > limit {
        return Err(invalid(
            path,
            format_args!("must not be longer than {limit} bytes"),
        ));
    }
    match attribute.type_ {
        AttributeType::Binary if BASE64.decode(text).is_err() => {
            return Err(invalid(path, "must be base64 (RFC 4648 section 4)"));
        }
        AttributeType::Reference => check_uri(path, text, policy)?,
        _ => {}
    }
    if attribute.format == Some(Format::UserName) {
        check_user_name(path, text)?;
    }
    match attribute.format {
        // Identity providers send the values that they have, so only a strict policy checks them.
        Some(Format::Country) if !policy.lenient && !is_country_code(text) => Err(invalid(
            path,
            "must be a two-letter country code of ISO 3166-1, such as `US`",
        )),
        Some(Format::Certificate) if !policy.lenient && !is_der_sequence(text) => {
            Err(invalid(path, "must be one DER certificate in base64"))
        }
        Some(Format::UserName) if !policy.lenient => check_identifier(path, text),
        _ => Ok(()),
    }
}

/// Refuses user names that look like others, or that show nothing, under every policy: an administrator who
/// reads a name must see all of it.
fn check_user_name(path: &dyn fmt::Display, text: &str) -> Result<(), ScimError> {
    if let Some(found) = text.chars().find(|it| text::is_invisible(*it)) {
        return Err(invalid(
            path,
            format_args!(
                "must not have the character U+{:04X}: characters without a visible form or an assigned meaning are refused",
                u32::from(found)
            ),
        ));
    }
    // The rules of required attributes refuse an empty text.
    if text.trim().is_empty() && !text.is_empty() {
        return Err(invalid(path, "must not be blank"));
    }
    if text.trim().len() < text.len() {
        return Err(invalid(path, "must not begin or end with a blank"));
    }
    Ok(())
}

fn check_identifier(path: &dyn fmt::Display, text: &str) -> Result<(), ScimError> {
    match text::disallowed(text) {
        None => Ok(()),
        Some(found) => Err(invalid(
            path,
            format_args!(
                "must not have the character U+{:04X}: letters, digits and visible ASCII characters are allowed (RFC 8265 section 3.3)",
                u32::from(found)
            ),
        )),
    }
}

/// Checks for the characters of RFC 3986. The lenient policy also accepts letters of other scripts, which some
/// clients do not escape.
fn check_uri(path: &dyn fmt::Display, text: &str, policy: Policy) -> Result<(), ScimError> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
            || (policy.lenient && c.is_alphanumeric())
    };
    let escapes_are_whole = || {
        text.match_indices('%').all(|(at, _)| {
            text.as_bytes()
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        })
    };
    if text.chars().all(allowed) && (policy.lenient || escapes_are_whole()) {
        return Ok(());
    }
    Err(invalid(
        path,
        "must be a URI, absolute or relative, without spaces (RFC 3986)",
    ))
}

/// Base64 with or without padding (7643-2.3.6-02).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether the octets are exactly one DER SEQUENCE, as every certificate is.
fn is_der_sequence(base64: &str) -> bool {
    let Ok(octets) = BASE64.decode(base64) else {
        return false;
    };
    let [0x30, length, rest @ ..] = octets.as_slice() else {
        return false;
    };
    let (length, content) = match usize::from(*length) {
        short @ 0..0x80 => (short, rest),
        long => {
            let Some((digits, content)) = rest
                .split_at_checked(long & 0x7f)
                .filter(|(it, _)| (1..=4).contains(&it.len()))
            else {
                return false;
            };
            (
                digits
                    .iter()
                    .fold(0, |length, &digit| length << 8 | usize::from(digit)),
                content,
            )
        }
    };
    length == content.len()
}
