//! Comparison keys: equality and order of values.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use icu_normalizer::DecomposingNormalizer;
use proptest::prelude::*;
use scim_model::internal::key;

#[test]
fn r7644_5_01_spellings_of_one_user_name_have_one_key() {
    let equal = [
        ("BJensen", "bjensen"),
        ("STRASSE", "straße"),
        ("ﬀ", "FF"),
        ("ＡＢＣ＠ｘ", "abc@x"),
        ("カ\u{3099}", "ｶﾞ"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("e\u{301}cole", "École"),
        ("\u{1e9e}", "ss"),
        // Canonically equivalent, and U+0345 becomes a letter when folded.
        ("\u{3b1}\u{345}\u{301}", "\u{3b1}\u{301}\u{345}"),
    ];
    for (left, right) in equal {
        assert_eq!(key::fold(left), key::fold(right), "{left} {right}");
    }
    for (left, right) in [("a", "b"), ("o", "ö"), ("i", "ı"), ("1", "²")] {
        assert_ne!(key::fold(left), key::fold(right), "{left} {right}");
    }
}

#[test]
fn r7644_7_8_01_exact_strings_are_compared_in_their_composed_form() {
    assert_eq!(key::exact("e\u{301}"), "\u{e9}");
    assert_ne!(key::exact("E"), key::exact("e"));
    assert_ne!(key::exact("ﬀ"), key::exact("ff"));
}

#[test]
fn numbers_have_one_key_however_they_are_written() {
    for spellings in [
        &["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000"][..],
        &["0", "-0", "0.0", "0e99999999999999999999", "-0.000"],
        &["-2.25", "-225e-2", "-2.250", "-0.0225e2"],
        &["9007199254740993", "9.007199254740993e15"],
        &["1e999", "10e998"],
    ] {
        let keys: Vec<_> = spellings.iter().map(|it| key::number(it)).collect();
        assert!(keys[0].is_some(), "{spellings:?}");
        assert!(keys.iter().all(|it| *it == keys[0]), "{spellings:?} {keys:?}");
    }
}

#[test]
fn numbers_are_ordered_by_value_without_rounding() {
    let ascending = [
        "-1e999",
        "-9007199254740993",
        "-9007199254740992",
        "-10",
        "-9.5",
        "-9",
        "-1.01",
        "-1",
        "-0.11",
        "-0.1",
        "-1e-900",
        "0",
        "1e-900",
        "0.1",
        "0.11",
        "0.2",
        "1",
        "1.01",
        "2",
        "9",
        "9.5",
        "10",
        "11",
        "100",
        "9007199254740992",
        "9007199254740993",
        "1e999",
    ];
    let keys: Vec<_> = ascending.iter().map(|it| key::number(it).unwrap()).collect();
    assert!(keys.is_sorted_by(|left, right| left < right), "{keys:?}");
}

#[test]
fn malformed_and_too_long_numbers_have_no_key() {
    let long = "1".repeat(1_001);
    let large = format!("1{}", "0".repeat(1_000));
    for text in [
        "", "-", "1.", ".5", "1e", "e1", "+1", "1.2.3", "0x1", "NaN", "1 ", "--1", "1e+-1", "٣",
    ] {
        assert_eq!(key::number(text), None, "{text}");
    }
    for text in [
        &long,
        &large,
        "1e1001",
        "1e-1002",
        "1e99999999999999999999",
        "-1e2147483647",
        "1e-2147483648",
    ] {
        assert_eq!(key::number(text), None, "{text}");
    }
    assert!(key::number(&"1".repeat(1_000)).is_some());
    // Leading and trailing zeros are not counted.
    assert_eq!(
        key::number(&format!("1.{}", "0".repeat(100_000))),
        key::number("1")
    );
}

#[test]
fn r7643_2_3_5_02_date_times_are_instants() {
    let cases = [
        ("2024-03-10T12:00:00Z", "2024-03-10T12:00:00.000Z"),
        ("2024-03-10T07:00:00-05:00", "2024-03-10T12:00:00.000Z"),
        ("2024-03-10T12:00:00", "2024-03-10T12:00:00.000Z"),
        ("2024-03-10T12:00:00.5Z", "2024-03-10T12:00:00.500Z"),
        (
            "2024-03-10T12:00:00.500999999999999999Z",
            "2024-03-10T12:00:00.500Z",
        ),
        ("2024-03-10T12:00:00.1", "2024-03-10T12:00:00.100Z"),
        ("2024-02-29T24:00:00Z", "2024-03-01T00:00:00.000Z"),
        ("2023-12-31T24:00:00.000", "2024-01-01T00:00:00.000Z"),
        ("2024-01-01T01:30:00+14:00", "2023-12-31T11:30:00.000Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ];
    for (text, expected) in cases {
        assert_eq!(key::date_time(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn r7643_2_3_5_01_a_malformed_date_time_has_no_key() {
    for text in [
        "",
        "yesterday",
        "2024-03-10",
        "12:00:00",
        "2024-03-10T12:00Z",
        "2024-03-10 12:00:00Z",
        "2024-03-10t12:00:00z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "24-03-10T12:00:00Z",
        "2024-03-10T25:00:00Z",
        "2024-03-10T12:60:00Z",
        "2024-03-10T12:00:60Z",
        "2016-12-31T23:59:60Z",
        "2024-03-10T24:00:01Z",
        "2024-03-10T24:00:00.001Z",
        "2024-03-10T12:00:00.Z",
        "2024-03-10T12:00:00+14:01",
        "2024-03-10T12:00:00+1:00",
        "2024-03-10T12:00:00+01:60",
        "2024-03-10T12:00:00+0100",
        "2024-03-10T12:00:00ZZ",
        "-0001-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T24:00:00Z",
        "2024-3-10T12:00:00Z",
        "2024-03-10T12:00:00é",
        "２０２４-03-10T12:00:00Z",
        "2024-03-10T1é:00:0",
        "2024-03-10T+1:00:00Z",
    ] {
        assert_eq!(key::date_time(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn folding_twice_is_folding_once(text in any::<String>()) {
        let folded = key::fold(&text).into_owned();
        prop_assert_eq!(&*key::fold(&folded), &*folded);
    }

    #[test]
    fn canonically_equivalent_strings_have_one_key(text in "[a-zäöüéΑ-ωᾀ-ῼ\u{300}-\u{345}ẞßǰＡ-ｚｦ-ﾟ가-힣]{0,8}") {
        let decomposed = DecomposingNormalizer::new_nfd().normalize(&text);
        prop_assert_eq!(key::exact(&decomposed), key::exact(&text));
        let folded = key::fold(&text).into_owned();
        prop_assert_eq!(key::fold(&decomposed), &*folded);
        prop_assert_eq!(&*key::fold(&folded), &*folded);
    }

    #[test]
    fn number_keys_are_ordered_as_the_numbers_are(left in decimal(), right in decimal()) {
        let (left, right) = (Decimal::from(left), Decimal::from(right));
        let keys = key::number(&left.lexeme()).cmp(&key::number(&right.lexeme()));
        prop_assert_eq!(keys, left.value().cmp(&right.value()), "{} {}", left.lexeme(), right.lexeme());
    }

    #[test]
    fn integer_keys_are_ordered_as_the_integers_are(left in any::<i128>(), right in any::<i128>()) {
        let key = |it: i128| key::number(&it.to_string()).unwrap();
        prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
        prop_assert_eq!(key(left).cmp(&key(left.saturating_add(1))), left.cmp(&left.saturating_add(1)));
    }

    #[test]
    fn date_time_keys_are_ordered_as_the_instants_are(left in instant(), right in instant()) {
        let key = |it: &DateTime<FixedOffset>| key::date_time(&it.to_rfc3339_opts(SecondsFormat::Millis, false)).unwrap();
        prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
        prop_assert_eq!(Some(key(&left)), key::instant(left.to_utc()));
        let utc: DateTime<Utc> = key(&left).parse().unwrap();
        prop_assert_eq!(utc, left);
    }

    #[test]
    fn no_text_makes_a_key_panic(text in any::<String>(), like in "[-+0-9.eEtTzZ: é]{0,40}") {
        for text in [text, like] {
            key::number(&text);
            key::date_time(&text);
            key::fold(&text);
            key::exact(&text);
        }
    }
}

/// Mantissa, exponent, and whether it is written with the exponent or in full.
fn decimal() -> impl Strategy<Value = (i64, i32, bool)> {
    let mantissa = prop_oneof![-20..20_i64, -1_000_000_000..1_000_000_000_i64];
    (mantissa, -12..=12_i32, any::<bool>())
}

struct Decimal {
    mantissa: i64,
    exponent: i32,
    in_full: bool,
}

impl From<(i64, i32, bool)> for Decimal {
    fn from((mantissa, exponent, in_full): (i64, i32, bool)) -> Decimal {
        Decimal {
            mantissa,
            exponent,
            in_full,
        }
    }
}

impl Decimal {
    /// In units of 10^-12.
    fn value(&self) -> i128 {
        i128::from(self.mantissa) * 10_i128.pow(u32::try_from(self.exponent + 12).unwrap())
    }

    fn lexeme(&self) -> String {
        if !self.in_full {
            return format!("{}e{}", self.mantissa, self.exponent);
        }
        let value = self.value();
        let (whole, fraction) = (value.abs() / 10_i128.pow(12), value.abs() % 10_i128.pow(12));
        let sign = if value.cmp(&0) == Ordering::Less { "-" } else { "" };
        format!("{sign}{whole}.{fraction:012}")
    }
}

/// Instants of the years 0001 to 9998 in any zone.
fn instant() -> impl Strategy<Value = DateTime<FixedOffset>> {
    let millisecond = prop_oneof![
        -62_135_596_800_000..253_370_764_800_000_i64,
        1_700_000_000_000..1_700_000_100_000_i64
    ];
    (millisecond, -14 * 60..=14 * 60).prop_map(|(millisecond, minutes)| {
        let zone = FixedOffset::east_opt(minutes * 60).unwrap();
        DateTime::from_timestamp_millis(millisecond)
            .unwrap()
            .with_timezone(&zone)
    })
}
