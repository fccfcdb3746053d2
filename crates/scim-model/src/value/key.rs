//! Comparison keys: two values are equal, or ordered, exactly as their keys are, byte by byte.
//!
//! Uniqueness, filters, sorting and both databases use the same key, so that they cannot disagree. A key is
//! text; databases compare it with a binary collation.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, Timelike, Utc};
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use serde_json::Value;

use crate::schema::{Attribute, AttributeType};

/// The key of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// The key of a boolean. Booleans have no order.
    Bool(bool),
    /// The key of a value of any other type.
    Text(Cow<'a, str>),
}

/// The key of one value of a simple attribute.
///
/// Returns `None` for `null`, for a complex value, and for a value that is not of the attribute's type.
pub fn of<'a>(attribute: &Attribute, value: &'a Value) -> Option<Key<'a>> {
    match (attribute.type_, value) {
        (AttributeType::Boolean, Value::Bool(it)) => Some(Key::Bool(*it)),
        (AttributeType::Integer | AttributeType::Decimal, Value::Number(it)) => {
            Some(Key::Text(number(it.as_str())?.into()))
        }
        (AttributeType::DateTime, Value::String(it)) => Some(Key::Text(date_time(it)?.into())),
        (AttributeType::String | AttributeType::Reference | AttributeType::Binary, Value::String(it)) => {
            Some(Key::Text(text(attribute, it)))
        }
        _ => None,
    }
}

impl From<Key<'_>> for Value {
    fn from(key: Key<'_>) -> Value {
        match key {
            Key::Bool(it) => Value::Bool(it),
            Key::Text(it) => Value::String(it.into_owned()),
        }
    }
}

/// Whether two values of an attribute have the same keys; for a multi-valued attribute they are the whole
/// arrays. The order of values and sub-attributes does not matter, and a missing `primary` is false (RFC 7643
/// section 2.4).
pub fn same(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    a == b || whole(attribute, a) == whole(attribute, b)
}

/// The keys of a whole value as JSON text, which keeps its parts distinct.
fn whole(attribute: &Attribute, value: &Value) -> String {
    let mut parts: Vec<String> = match value {
        Value::Array(elements) => elements.iter().map(|it| whole(attribute, it)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, it)| *name != "primary" || **it != Value::Bool(false))
            .map(|(name, it)| {
                let sub = attribute.sub_attribute(name);
                let key = sub.map_or_else(|| it.to_string(), |sub| whole(sub, it));
                format!("{}:{key}", Value::from(name.as_str()))
            })
            .collect(),
        simple => {
            return of(attribute, simple)
                .map_or_else(|| simple.to_string(), |it| Value::from(it).to_string());
        }
    };
    parts.sort_unstable();
    let [open, close] = if value.is_array() { ['[', ']'] } else { ['{', '}'] };
    format!("{open}{}{close}", parts.join(","))
}

/// The key of a value of a string, reference or binary attribute. References and binary values are
/// case-exact whatever their schema says (7643-2.3.6-03, 7643-2.3.7-03).
pub fn text<'a>(attribute: &Attribute, value: &'a str) -> Cow<'a, str> {
    match attribute.type_ {
        AttributeType::Binary => binary(value),
        AttributeType::Reference => exact(value),
        _ if attribute.case_exact => exact(value),
        _ => fold(value),
    }
}

/// The key of a string whose attribute has `caseExact` false: width mapping, full case folding and
/// NFC, as in RFC 8265 `UsernameCaseMapped`, without refusing any character.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    // Normalised before folding too, because U+0345 folds to a letter and is reordered as a mark.
    let mapped = map_width(text);
    let composed = NFC.normalize(&mapped);
    let folded = CaseMapper::new().fold_string(&composed);
    Cow::Owned(NFC.normalize(&folded).into_owned())
}

/// The key of a string whose attribute has `caseExact` true: its NFC form (RFC 7644 section 7.8).
pub fn exact(text: &str) -> Cow<'_, str> {
    NFC.normalize(text)
}

/// The key of a binary value: its base64 without padding, so that both legal spellings of the same
/// octets are one (7643-2.3.6-02).
fn binary(base64: &str) -> Cow<'_, str> {
    Cow::Borrowed(base64.trim_end_matches('='))
}

/// The key of a number, from the text that it was written with: `1`, `1.0` and `10e-1` have the same key.
/// Nothing is rounded.
///
/// Returns `None` for text that is not a JSON number, for more than 1,000 significant digits, and for a value
/// of 10^1000 or more, or below 10^-1001 and not zero.
pub fn number(lexeme: &str) -> Option<String> {
    let (negative, unsigned) = match lexeme.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, lexeme),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if ![whole, fraction, exponent_digits].into_iter().all(is_digits) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let Some(first) = digits.find(|digit| digit != '0') else {
        return Some(ZERO.to_owned());
    };
    // The number is 0.DIGITS times ten to the power of the scale.
    let digits = digits[first..].trim_end_matches('0');
    let scale = i64::try_from(whole.len()).ok()? - i64::try_from(first).ok()?
        + exponent.parse::<i32>().map(i64::from).ok()?;
    if digits.len() > MAX_DIGITS || scale.abs() > MAX_SCALE {
        return None;
    }
    Some(if negative {
        let complement: String = digits
            .bytes()
            .map(|digit| char::from(b'0' + b'9' - digit))
            .collect();
        format!("-{:04}{complement}~", MAX_SCALE - scale)
    } else {
        format!("1{:04}{digits}", MAX_SCALE + scale)
    })
}

/// The key of zero, which sorts after every negative number (`-`) and before every positive one (`1`).
const ZERO: &str = "0";
const MAX_DIGITS: usize = 1_000;
const MAX_SCALE: i64 = 1_000;

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The key of an xsd:dateTime: the instant in UTC with milliseconds, `2024-03-10T12:00:00.500Z`.
/// Without a zone it is UTC, and finer fractions are cut off. `24:00:00` is midnight of the next day;
/// xsd:dateTime has no leap seconds.
///
/// Returns `None` for text that is not an xsd:dateTime, and for an instant outside the years 0000 to 9999.
pub fn date_time(text: &str) -> Option<String> {
    let (date, time) = text.split_once('T')?;
    let (clock, rest) = time.split_at_checked("HH:MM:SS".len())?;
    let (fraction, zone) = split_fraction(rest)?;
    let [hour, minute, second] = fixed_digits(clock, ':', [2, 2, 2])?;
    let [year, month, day] = fixed_digits(date, '-', [4, 2, 2])?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let is_next_midnight =
        (hour, minute, second) == (24, 0, 0) && fraction.bytes().all(|digit| digit == b'0');
    let local = if is_next_midnight {
        date.succ_opt()?.and_hms_opt(0, 0, 0)?
    } else {
        let milliseconds = format!("{fraction:0<3.3}").parse().ok()?;
        date.and_hms_milli_opt(hour, minute, second, milliseconds)?
    };
    spell(local.checked_sub_signed(offset(zone)?)?)
}

/// The key of an instant, in the form of [`date_time`].
///
/// Returns `None` outside the years 0000 to 9999.
pub fn instant(time: DateTime<Utc>) -> Option<String> {
    spell(time.naive_utc())
}

fn spell(utc: NaiveDateTime) -> Option<String> {
    let year = utc.year();
    if !(0..=9999).contains(&year) {
        return None;
    }
    let (month, day, hour, minute, second) = (utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second());
    let millisecond = utc.nanosecond() / 1_000_000;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
    ))
}

/// Splits the text after the seconds into the digits of the fraction and the zone.
fn split_fraction(rest: &str) -> Option<(&str, &str)> {
    let Some(rest) = rest.strip_prefix('.') else {
        return Some(("", rest));
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

/// The offset of a zone from UTC.
fn offset(zone: &str) -> Option<Duration> {
    let (sign, clock) = match zone.as_bytes().first() {
        None => return Some(Duration::zero()),
        Some(b'Z') if zone.len() == 1 => return Some(Duration::zero()),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return None,
    };
    let [hours, minutes] = fixed_digits(clock, ':', [2, 2])?;
    let is_zone = minutes < 60 && hours * 60 + minutes <= 14 * 60;
    is_zone.then(|| Duration::minutes(sign * i64::from(hours * 60 + minutes)))
}

/// Reads numbers with fixed counts of digits and a separator between them.
fn fixed_digits<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next().filter(|it| it.len() == length && is_digits(it))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfc();
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();

/// Maps fullwidth and halfwidth characters to their ordinary forms (RFC 8264 section 5.2.1). They are U+3000
/// and U+FF01 to U+FFEE.
pub(crate) fn map_width(text: &str) -> Cow<'_, str> {
    let is_width_variant = |c: char| c == '\u{3000}' || ('\u{ff01}'..='\u{ffee}').contains(&c);
    if !text.chars().any(is_width_variant) {
        return Cow::Borrowed(text);
    }
    let mut mapped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_width_variant(c) {
            mapped.push_str(&NFKC.normalize(c.encode_utf8(&mut [0; 4])));
        } else {
            mapped.push(c);
        }
    }
    Cow::Owned(mapped)
}
