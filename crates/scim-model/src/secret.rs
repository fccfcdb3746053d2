//! Secrets such as `password`: the clear text until it is hashed, and the hash.
//!
//! Neither is part of a document, and neither appears in debug output, so that code which logs a request or a
//! write cannot log a secret.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{ScimError, invalid};
use crate::value::key;

/// The secrets that a client has sent, by the path of their attribute; `None` removes the secret.
pub type SentSecrets = BTreeMap<String, Option<ClearText>>;

/// The secrets that a write changes, by the path of their attribute; `None` removes the secret.
pub type SecretHashes = BTreeMap<String, Option<SecretHash>>;

/// A secret as the client sent it. It exists during the request and is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearText(String);

/// The hash of a secret, as a PHC string: `$argon2id$v=19$m=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub String);

impl ClearText {
    /// Wraps the text of a secret.
    pub fn new(text: impl Into<String>) -> ClearText {
        ClearText(text.into())
    }

    /// Prepares the bytes that are hashed, or compared with a hash, by the PRECIS profile for passwords
    /// (OpaqueString, RFC 8265 section 4.2): spaces become U+0020, and the form is NFC. The spellings of one
    /// text that different keyboards and clients produce are then one password.
    ///
    /// The profile disallows some characters. Control characters are refused, because they cannot be typed.
    /// Others are kept, such as the variation selector of an emoji: users type them, and a password that works
    /// everywhere else must work here.
    ///
    /// # Errors
    /// `invalidValue` for an empty text, and for control characters; the detail names `path` and does not repeat
    /// the text.
    pub fn prepare(&self, path: &str) -> Result<Prepared, ScimError> {
        if self.0.is_empty() {
            return Err(invalid(&path, "must not be empty"));
        }
        if self.0.contains(char::is_control) {
            return Err(invalid(&path, "must not have control characters"));
        }
        let spaced: String = self
            .0
            .chars()
            .map(|c| if is_space(c) { ' ' } else { c })
            .collect();
        Ok(Prepared(key::exact(&spaced).into_owned()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The result of [`ClearText::prepare`].
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared(String);

impl Prepared {
    /// The bytes, for the hash function alone.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The general category Zs. Unicode adds no more characters to it.
fn is_space(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

macro_rules! opaque_debug {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}

opaque_debug!(ClearText);
opaque_debug!(Prepared);
opaque_debug!(SecretHash);

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> Result<String, String> {
        match ClearText::new(text).prepare("password") {
            Ok(prepared) => Ok(String::from_utf8(prepared.expose().to_vec()).unwrap()),
            Err(error) => Err(error.detail),
        }
    }

    /// 7643-4.1.1-17: the examples of RFC 8265 section 4.3 are among them
    #[test]
    fn spellings_of_one_password_are_equal() {
        for (text, expected) in [
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
            ("\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}"),
            ("\u{3c0}\u{df}a\u{30a}", "\u{3c0}\u{df}\u{e5}"),
            ("Jack of \u{2666}s", "Jack of \u{2666}s"),
            ("foo\u{1680}bar", "foo bar"),
            ("a\u{a0}b\u{2003}c\u{202f}d\u{205f}e\u{3000}", "a b c d e "),
            ("\u{2002}", " "),
            // No compatibility mapping and no case mapping.
            ("\u{ff21}\u{fb01}", "\u{ff21}\u{fb01}"),
            // Canonical, but no space of General_Category Zs.
            ("a\u{200b}b", "a\u{200b}b"),
        ] {
            assert_eq!(prepared(text), Ok(expected.to_owned()), "{text:?}");
        }
    }

    /// 7643-4.1.1-17, 7643-9.2-01
    #[test]
    fn control_characters_are_refused_without_repeating_the_text() {
        assert_eq!(prepared(""), Err("`password` must not be empty".to_owned()));
        for text in ["hunter2\u{7}", "hunter2\n", "hunter2\u{85}", "\u{7f}hunter2"] {
            assert_eq!(
                prepared(text),
                Err("`password` must not have control characters".to_owned()),
                "{text:?}"
            );
        }
    }

    /// 7643-9.2-01
    #[test]
    fn debug_output_shows_no_secret() {
        let text = ClearText::new("hunter2");
        let prepared = text.prepare("password").unwrap();
        let sent: SentSecrets = [("password".to_owned(), Some(text.clone()))].into();
        let shown = format!(
            "{text:?} {prepared:?} {sent:?} {:#?}",
            SecretHash("hunter2".to_owned())
        );
        assert!(
            shown.contains("ClearText(…)") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
