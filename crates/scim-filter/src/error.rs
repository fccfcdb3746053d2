//! The error of a text that is not a filter or path.

use std::fmt;

/// The reason why a text is not a filter or path, or exceeds a limit of the [`Options`](crate::Options).
///
/// Its `Display` is one line:
///
/// ```
/// let error = scim_filter::Filter::parse("userName = \"bjensen\"").unwrap_err();
/// assert_eq!(error.offset(), 9);
/// assert_eq!(
///     error.to_string(),
///     "expected an operator such as `eq` at column 10, found `=`: write `eq`"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(Box<Explanation>);

/// Boxed, so that the results of successful parses stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Explanation {
    kind: Kind,
    offset: usize,
    column: usize,
    expected: String,
    found: String,
    hint: Option<&'static str>,
    in_value_filter: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Syntax,
    TooLong(usize),
    TooDeep(usize),
    TooManyTerms(usize),
}

impl ParseError {
    /// Returns the position of the error in bytes from the start of the text.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// Returns the position of the error in characters; the first character is column 1.
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// Returns a description of the text that could follow there: ``an operator such as `eq` ``.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// Returns the word or character at the position, cut after 40 characters and safe to print; empty at the
    /// end of the text.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// Returns the advice for a known mistake.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint
    }

    /// Whether the text exceeds a limit of the [`Options`](crate::Options).
    pub fn is_limit(&self) -> bool {
        self.0.kind != Kind::Syntax
    }

    /// Whether the error of a [`PatchPath`](crate::PatchPath) is inside closed brackets. RFC 7644 section 3.12
    /// defines `invalidFilter` for these errors, and `invalidPath` for the other errors of a path.
    pub fn is_in_value_filter(&self) -> bool {
        self.0.in_value_filter
    }

    /// Sets whether the error is inside a path's closed brackets.
    pub(crate) fn set_in_value_filter(&mut self, is_in: bool) {
        self.0.in_value_filter = is_in;
    }

    pub(crate) fn syntax(
        text: &str,
        offset: usize,
        expected: impl Into<String>,
        hint: Option<&'static str>,
    ) -> ParseError {
        let found = word(text, offset);
        let is_odd = |it: char| it.is_whitespace() && !it.is_ascii();
        let hint = if found.contains(is_odd) {
            Some(ODD_BLANK)
        } else {
            hint
        };
        ParseError(Box::new(Explanation {
            kind: Kind::Syntax,
            offset,
            column: column(text, offset),
            expected: expected.into(),
            found: shown(found),
            hint,
            in_value_filter: false,
        }))
    }

    pub(crate) fn limit(text: &str, offset: usize, kind: Kind) -> ParseError {
        ParseError(Box::new(Explanation {
            kind,
            offset,
            column: column(text, offset),
            expected: "a shorter or simpler text".to_owned(),
            found: String::new(),
            hint: None,
            in_value_filter: false,
        }))
    }
}

fn column(text: &str, offset: usize) -> usize {
    text[..offset].chars().count() + 1
}

const LONGEST_FOUND: usize = 40;

/// Text that is copied from a web page often contains blanks other than U+0020.
const ODD_BLANK: &str = "write plain blanks";

/// Returns the word or delimiter at `offset`.
pub(crate) fn word(text: &str, offset: usize) -> &str {
    let rest = &text[offset..];
    let delimiter = |c: char| is_blank(c) || matches!(c, '(' | ')' | '[' | ']' | '"' | '\'');
    let end = match rest.chars().next() {
        None => 0,
        Some(first) if delimiter(first) => first.len_utf8(),
        Some(_) => rest.find(delimiter).unwrap_or(rest.len()),
    };
    &rest[..end]
}

/// The grammar's `blank`.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Returns the start of a word, safe to print on one line between backticks.
fn shown(word: &str) -> String {
    let mut shown = String::new();
    for c in word.chars().take(LONGEST_FOUND) {
        match c {
            '`' => shown.extend(c.escape_unicode()),
            // A client's text must not start a new line in a log, change its colours, be invisible, or reverse the
            // text around it.
            _ if c.is_control() || is_format(c) || (c.is_whitespace() && c != ' ') => {
                shown.extend(c.escape_default());
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// Whether `c` is in Unicode's general category Cf: invisible characters that order, join or tag others.
fn is_format(c: char) -> bool {
    pest::unicode::FORMAT(c)
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Syntax => {
                write!(
                    f,
                    "expected {} at column {}, found ",
                    self.0.expected, self.0.column
                )?;
                match self.0.found.as_str() {
                    "" => f.write_str("the end")?,
                    " " => f.write_str("a blank")?,
                    found => write!(f, "`{found}`")?,
                }
                match self.0.hint {
                    Some(hint) => write!(f, ": {hint}"),
                    None => Ok(()),
                }
            }
            Kind::TooLong(max) => write!(f, "longer than {max} bytes"),
            Kind::TooDeep(max) => {
                write!(f, "nested deeper than {max} levels at column {}", self.0.column)
            }
            Kind::TooManyTerms(max) => {
                write!(f, "more than {max} comparisons at column {}", self.0.column)
            }
        }
    }
}

impl std::error::Error for ParseError {}
