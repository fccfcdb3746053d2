//! Secrets such as `password`: their clear text on its way to a hash, and the hash.
//!
//! Neither is part of a document, and neither shows itself in debug output: what logs a request or a
//! write cannot log a secret with it.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{ScimError, invalid};
use crate::value::key;

/// The secrets that a client has sent, by the path of their attribute; `None` is one to forget.
pub type SentSecrets = BTreeMap<String, Option<ClearText>>;

/// The secrets that a write changes, by the path of their attribute; `None` is one to forget.
pub type SecretHashes = BTreeMap<String, Option<SecretHash>>;

/// A secret as the client sent it. It lives as long as the request and is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearText(String);

/// The hash of a secret, as a PHC string: `$argon2id$v=19$m=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub String);

impl ClearText {
    /// Of a text that is a secret.
    pub fn new(text: impl Into<String>) -> ClearText {
        ClearText(text.into())
    }

    /// The bytes to hash, or to compare with a hash: the text prepared as PRECIS wants it for
    /// passwords (OpaqueString, RFC 8265 section 4.2), so that the spellings of one text that keyboards
    /// and clients choose between are one password: spaces are U+0020, and the form is NFC.
    ///
    /// Of the characters that the profile disallows, control characters are refused, which nobody can
    /// type. Others are kept, an emoji's variation selector for one: they are typed, and a password
    /// that works everywhere else must work here.
    ///
    /// # Errors
    /// `invalidValue` for an empty text, and for control characters; the detail names `path` and not
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

/// What [`ClearText::prepare`] made.
#[derive(Clone, PartialEq, Eq)]
pub struct Prepared(String);

impl Prepared {
    /// For the hash function, and nothing else.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// General category Zs, to which Unicode adds no more characters.
fn is_space(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

macro_rules! unseen {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}

unseen!(ClearText);
unseen!(Prepared);
unseen!(SecretHash);

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
    fn spellings_of_one_password_are_one() {
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
    fn what_nobody_can_type_is_refused_without_repeating_it() {
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
    fn nothing_shows_itself() {
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
