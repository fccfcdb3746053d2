//! Comparison keys: two values are equal, or ordered, exactly as their keys are, byte by byte.
//!
//! One key serves uniqueness, filters, sorting and both databases, so that none of them can
//! disagree. A key is text; databases compare it with a binary collation.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};

/// The key of a string whose attribute has `caseExact` false: width mapping, full case folding and
/// NFC, in the manner of RFC 8265 `UsernameCaseMapped`, refusing nothing.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    let mapped = map_width(text);
    let folded = CaseMapper::new().fold_string(&mapped);
    Cow::Owned(NFC.normalize(&folded).into_owned())
}

/// The key of a string whose attribute has `caseExact` true: its NFC form (RFC 7644 section 7.8).
pub fn exact(text: &str) -> Cow<'_, str> {
    NFC.normalize(text)
}

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfc();
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();

/// Fullwidth and halfwidth characters to their ordinary forms; all of them are U+3000 and
/// U+FF01 to U+FFEE (RFC 8264 section 5.2.1).
fn map_width(text: &str) -> Cow<'_, str> {
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
