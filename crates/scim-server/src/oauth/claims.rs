//! The claims of an assertion, and the values that a client or a trust expects (RFC 7523 section 3).

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fault::Fault;

/// The values that the claims of an assertion are compared with, character by character.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Whether the assertion is signed by the client itself or by an external issuer.
    pub signer: Signer,
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The accepted audiences. An assertion names one of them.
    pub audiences: Vec<String>,
    /// Further claims, which must be strings.
    pub further: BTreeMap<String, String>,
}

/// The owner of the key that signs an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The client (`private_key_jwt`).
    Client,
    /// An external issuer (workload identity federation).
    Issuer,
}

/// The longest value that identifies an assertion.
const MAX_ID_LENGTH: usize = 256;

/// The time and the permitted deviation of clocks.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    /// The current time.
    pub now: DateTime<Utc>,
    /// The deviation that is permitted in both directions.
    pub skew: TimeDelta,
}

/// Facts of an assertion that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The identifier of the assertion, if it has one: `jti`, or `uti` in assertions of Entra.
    pub id: Option<String>,
    /// The time until which the assertion must be remembered, so that it is not used again.
    pub remember_until: DateTime<Utc>,
}

/// Returns whether the unverified issuer is the expected one. The issuer is compared before a key is looked up.
pub(super) fn check_issuer(claims: &Map<String, Value>, expected: &Expected) -> Result<(), Fault> {
    match claims.get("iss") {
        Some(Value::String(issuer)) if *issuer == expected.issuer => Ok(()),
        Some(issuer) => Err(Fault::unsigned(
            "iss",
            format!("the issuer is {issuer}, expected `{}`", expected.issuer),
        )),
        None => Err(Fault::unsigned("iss", "the claim is missing")),
    }
}

/// Checks the claims of an assertion with the right signature.
pub(super) fn check(
    claims: &Map<String, Value>,
    expected: &Expected,
    at: Instant,
) -> Result<Accepted, Fault> {
    if claims.contains_key("events") {
        return Err(Fault::signed("events", "the assertion is a security event token"));
    }
    check_text(claims, "sub", &expected.subject)?;
    check_audience(claims, expected)?;
    let expires = check_times(claims, expected, at)?;
    check_directory(claims, &expected.issuer)?;
    for (claim, value) in &expected.further {
        check_text(claims, claim, value)?;
    }
    Ok(Accepted {
        id: id(claims, expected)?,
        remember_until: expires + at.skew,
    })
}

/// The name of a claim for a fault. Names of further claims come from the settings, and their number is small.
fn named(claim: &str) -> &'static str {
    ["sub", "azp", "appid", "oid", "tid"]
        .into_iter()
        .find(|it| *it == claim)
        .unwrap_or("a further claim")
}

fn check_text(claims: &Map<String, Value>, claim: &str, expected: &str) -> Result<(), Fault> {
    match claims.get(claim) {
        Some(Value::String(value)) if value == expected => Ok(()),
        Some(value) => Err(Fault::signed(
            named(claim),
            format!("`{claim}` is {value}, expected `{expected}`"),
        )),
        None => Err(Fault::signed(named(claim), format!("`{claim}` is missing"))),
    }
}

/// The audience must be a single value: an assertion for two recipients could be used by one of them at the other.
fn check_audience(claims: &Map<String, Value>, expected: &Expected) -> Result<(), Fault> {
    let audience = match claims.get("aud") {
        Some(Value::String(it)) => Some(it),
        Some(Value::Array(several)) => match several.as_slice() {
            [Value::String(it)] => Some(it),
            _ => None,
        },
        _ => None,
    };
    if audience.is_some_and(|it| expected.audiences.contains(it)) {
        return Ok(());
    }
    let found = claims.get("aud").map_or("missing".to_owned(), Value::to_string);
    let list = expected.audiences.join("`, `");
    Err(Fault::signed(
        "aud",
        format!("the audience is {found}, expected `{list}`"),
    ))
}

/// Returns the time of expiry.
fn check_times(
    claims: &Map<String, Value>,
    expected: &Expected,
    at: Instant,
) -> Result<DateTime<Utc>, Fault> {
    let longest = match expected.signer {
        Signer::Client => TimeDelta::hours(1),
        Signer::Issuer => TimeDelta::hours(24),
    };
    let expires = time(claims, "exp")?.ok_or_else(|| Fault::signed("exp", "the claim is missing"))?;
    if expires + at.skew <= at.now {
        return Err(Fault::signed(
            "exp",
            format!("the assertion expired at {expires}"),
        ));
    }
    if expires > at.now + longest + at.skew {
        return Err(Fault::signed(
            "exp",
            format!("the assertion is valid for too long: until {expires}"),
        ));
    }
    for claim in ["nbf", "iat"] {
        if let Some(begin) = time(claims, claim)?
            && begin > at.now + at.skew
        {
            return Err(Fault::signed(claim, format!("the time {begin} is in the future")));
        }
    }
    Ok(expires)
}

/// Reads a time, which is a number of seconds and may have a fraction (RFC 7519 section 2).
fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<DateTime<Utc>>, Fault> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    // The year 9999 is the last one that the formats of the server can show.
    let seconds = seconds.filter(|it| (0.0..253_402_300_799.0).contains(it));
    let time = seconds.and_then(|it| DateTime::from_timestamp_millis((it * 1000.0) as i64));
    time.map(Some)
        .ok_or_else(|| Fault::signed(claim, format!("{value} is not a time in seconds since 1970")))
}

/// Entra names the directory in the issuer and in `tid`. Both must agree, so that a shared issuer cannot confuse
/// directories.
fn check_directory(claims: &Map<String, Value>, issuer: &str) -> Result<(), Fault> {
    // An id with hyphens has 36 characters.
    let id = |text: &str| Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    let of_issuer = issuer.split('/').find_map(id);
    let (Some(of_issuer), Some(tid)) = (of_issuer, claims.get("tid")) else {
        return Ok(());
    };
    let of_claim = tid.as_str().and_then(id);
    if of_claim == Some(of_issuer) {
        return Ok(());
    }
    Err(Fault::signed(
        "tid",
        format!("the directory is {tid}, and the issuer has `{of_issuer}`"),
    ))
}

/// Returns the identifier of the assertion. Entra's assertions have no `jti`.
fn id(claims: &Map<String, Value>, expected: &Expected) -> Result<Option<String>, Fault> {
    for claim in ["jti", "uti"] {
        match claims.get(claim) {
            Some(Value::String(id)) if !id.is_empty() && id.len() <= MAX_ID_LENGTH => {
                return Ok(Some(id.clone()));
            }
            Some(_) if claim == "jti" => {
                return Err(Fault::signed(
                    "jti",
                    "the identifier is not a string of 1 to 256 characters",
                ));
            }
            _ => {}
        }
        if expected.signer == Signer::Client {
            return Err(Fault::signed("jti", "the claim is missing"));
        }
    }
    Ok(None)
}
