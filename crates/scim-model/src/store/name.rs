//! The rules for the names that operators choose.

/// The most characters of a label.
const MAX_LABEL: usize = 128;

/// The most characters of the name of a tenant or a connection.
const MAX_NAME: usize = 64;

/// Checks the name of a tenant or a connection, which people type and logs show: 1 to 64 ASCII letters, digits, `-`, `_`
/// and `.`.
///
/// # Errors
/// `Name`.
pub fn check_name(text: &str) -> Result<(), InvalidName> {
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    match (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_allowed) {
        true => Ok(()),
        false => Err(InvalidName::Name),
    }
}

/// Checks the name of a credential, which lists show: at most 128 characters, without control characters and without
/// characters that change the direction or the lines of the text around them. It may be empty.
///
/// # Errors
/// `Label`.
pub fn check_label(text: &str) -> Result<(), InvalidName> {
    let is_hidden = |it: char| it.is_control() || is_formatting(it);
    match text.chars().count() <= MAX_LABEL && text.trim() == text && !text.chars().any(is_hidden) {
        true => Ok(()),
        false => Err(InvalidName::Label),
    }
}

/// The characters of bidirectional formatting (Unicode Standard Annex 9), the separators of lines and paragraphs, and the
/// byte order mark.
fn is_formatting(it: char) -> bool {
    matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The rule that a name breaks. The message does not repeat the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The name of a tenant or a connection.
    #[error("expected 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
    /// The name of a credential.
    #[error(
        "expected at most 128 characters, without control characters, direction marks and blanks at either end"
    )]
    Label,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_letters_digits_and_three_other_characters() {
        let longest = "a".repeat(64);
        for valid in ["a", "Acme-1_x.y", &longest] {
            assert_eq!(check_name(valid), Ok(()), "{valid}");
        }
        let too_long = "a".repeat(65);
        for invalid in ["", "a b", "ä", "a/b", "a\n", &too_long] {
            assert_eq!(check_name(invalid), Err(InvalidName::Name), "{invalid}");
        }
    }

    #[test]
    fn labels_are_short_and_visible() {
        let longest = "ä".repeat(128);
        for valid in ["", "Entra, 2027", "Łódź – ✓", "سكيم", &longest] {
            assert_eq!(check_label(valid), Ok(()), "{valid}");
        }
        let too_long = "a".repeat(129);
        for invalid in [
            "a\nb",
            "\u{1b}[2J",
            "a\0",
            "\u{7f}",
            "\u{85}",
            "a\u{202e}b",
            "\u{2066}a",
            "a\u{200f}",
            "a\u{61c}",
            "a\u{2028}b",
            "\u{feff}a",
            " a",
            "a ",
            " ",
            &too_long,
        ] {
            assert_eq!(check_label(invalid), Err(InvalidName::Label), "{invalid:?}");
        }
    }
}
