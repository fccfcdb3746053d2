//! The characters of user names: the IdentifierClass of PRECIS (RFC 8264 section 4.2), on which the profiles
//! for user names are based (RFC 8265 section 3).

use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory, HangulSyllableType,
    NoncharacterCodePoint,
};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::value::key;

/// Finds the first character that a user name must not have, after the mapping of fullwidth and halfwidth
/// characters. The bidi rule of RFC 5893 is not checked.
pub(crate) fn disallowed(text: &str) -> Option<char> {
    let mapped = key::map_width(text);
    let mut before = None;
    let mut characters = mapped.chars().peekable();
    while let Some(c) = characters.next() {
        if !is_allowed(c, before, characters.peek().copied(), &mapped) {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

/// Returns whether readers cannot see a character, or cannot know its meaning: a Default_Ignorable_Code_Point (Unicode
/// chapter 5.21), or a character of the general category Control, Format, Private Use, Unassigned, Line Separator or
/// Paragraph Separator (chapter 4.5). The Braille pattern without dots, which looks like a blank, has none of these
/// properties.
pub(crate) fn is_invisible(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    c == '\u{2800}'
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(
            category,
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        )
}

/// Applies the rules in the order of RFC 8264 section 8.
fn is_allowed(c: char, before: Option<char>, after: Option<char>, text: &str) -> bool {
    match c {
        '\u{df}' | '\u{3c2}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' | '\u{3007}' => true,
        '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}' => false,
        '!'..='~' => true,
        // RFC 5892 appendix A: characters that depend on their neighbours.
        '\u{b7}' => before == Some('l') && after == Some('l'),
        '\u{375}' => after.is_some_and(|it| matches!(it, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}')),
        '\u{5f3}' | '\u{5f4}' => before.is_some_and(|it| matches!(it, '\u{591}'..='\u{5f4}')),
        '\u{30fb}' => text.chars().any(is_japanese),
        '\u{660}'..='\u{669}' => !text.contains(|it| matches!(it, '\u{6f0}'..='\u{6f9}')),
        '\u{6f0}'..='\u{6f9}' => !text.contains(|it| matches!(it, '\u{660}'..='\u{669}')),
        '\u{200c}' | '\u{200d}' => before.is_some_and(is_virama),
        _ => is_letter_or_digit(c),
    }
}

fn is_letter_or_digit(c: char) -> bool {
    let is_old_hangul_jamo = || {
        matches!(
            CodePointMapData::<HangulSyllableType>::new().get(c),
            HangulSyllableType::LeadingJamo
                | HangulSyllableType::VowelJamo
                | HangulSyllableType::TrailingJamo
        )
    };
    let is_ignorable = || {
        CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
            || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
    };
    let has_compatible_other = || {
        let mut own = [0; 4];
        let own = c.encode_utf8(&mut own);
        NFKC.normalize(own) != *own
    };
    let is_letter_or_digit_category = matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::LowercaseLetter
            | GeneralCategory::UppercaseLetter
            | GeneralCategory::OtherLetter
            | GeneralCategory::ModifierLetter
            | GeneralCategory::DecimalNumber
            | GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
    );
    is_letter_or_digit_category && !is_old_hangul_jamo() && !is_ignorable() && !has_compatible_other()
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// Hiragana, Katakana and Han, by their main blocks.
fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();

#[cfg(test)]
mod tests {
    use super::disallowed;

    /// 7644-5-01: A-49
    #[test]
    fn user_names_are_letters_digits_and_visible_ascii() {
        for name in [
            "bjensen",
            "BJensen@example.com",
            "!~\"\\",
            "stra\u{df}e",
            "\u{3c3}\u{3c2}",
            "\u{e9}",
            "e\u{301}",
            "\u{ff21}\u{ff22}",
            "\u{ff76}",
            "\u{5d0}\u{5d1}",
            "\u{928}\u{94d}\u{200d}",
            "l\u{b7}l",
            "\u{30a2}\u{30fb}",
            "\u{661}\u{662}",
            "\u{20000}",
        ] {
            assert_eq!(disallowed(name), None, "{name:?}");
        }
        for (name, found) in [
            ("a b", ' '),
            ("a\u{a0}", '\u{a0}'),
            ("\u{3000}a", ' '),
            ("a\u{7}", '\u{7}'),
            ("henry\u{2163}", '\u{2163}'),
            ("\u{265a}", '\u{265a}'),
            ("\u{1f600}", '\u{1f600}'),
            ("\u{fb01}", '\u{fb01}'),
            ("\u{2460}", '\u{2460}'),
            ("\u{2013}", '\u{2013}'),
            ("\u{e000}", '\u{e000}'),
            ("\u{fdd0}", '\u{fdd0}'),
            ("\u{10ffff}", '\u{10ffff}'),
            ("\u{378}", '\u{378}'),
            ("a\u{200b}", '\u{200b}'),
            ("a\u{200d}", '\u{200d}'),
            ("a\u{ad}", '\u{ad}'),
            ("a\u{fe0f}", '\u{fe0f}'),
            ("\u{3164}", '\u{3164}'),
            ("\u{1100}", '\u{1100}'),
            ("a\u{b7}b", '\u{b7}'),
            ("\u{661}\u{6f1}", '\u{661}'),
            ("\u{640}", '\u{640}'),
            ("\u{20dd}", '\u{20dd}'),
        ] {
            assert_eq!(disallowed(name), Some(found), "{name:?}");
        }
    }
}
