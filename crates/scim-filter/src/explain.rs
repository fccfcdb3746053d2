//! What is wrong with a text that the grammar refuses, in an administrator's words.
//!
//! pest answers a position and rule names. Here the text is read once more, token by
//! token, for the first thing out of place in the mode at hand. Only refused texts come
//! here, and the grammar alone decides which these are.

use crate::ast::{CompareOp, is_json_number};
use crate::error::{Kind, ParseError};
use crate::options::{Leniency, LeniencyKind, Mode, Options};
use crate::parser::unicode_escape;

/// What the text should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Filter,
    Path,
    Attribute,
}

/// Explains a refused text.
pub(crate) fn explain(text: &str, options: &Options, start: Start) -> ParseError {
    match mistake(text, options, start) {
        Err(error) => error,
        Ok(()) => ParseError::syntax(text, text.len(), "a filter or path of RFC 7644", None),
    }
}

/// Explains what only the strict mode refuses.
pub(crate) fn strictly(text: &str, leniency: Leniency) -> ParseError {
    let (expected, hint) = match leniency.kind {
        LeniencyKind::Whitespace => (SINGLE_BLANK, None),
        LeniencyKind::SingleQuotes => (VALUE, Some(DOUBLE_QUOTES)),
        LeniencyKind::LiteralCase => (VALUE, Some(LOWER_CASE)),
        LeniencyKind::DollarName => (NAME, Some("a name has no `$`")),
        LeniencyKind::SubAttributeOfValuePath => (AFTER_TERM, Some(INTO_BRACKETS)),
        LeniencyKind::BareWord => (VALUE, Some(UNQUOTED)),
    };
    ParseError::syntax(text, leniency.offset, expected, hint)
}

/// Explains a word where a value should stand.
pub(crate) fn bad_value(text: &str, offset: usize) -> ParseError {
    let hint = match text[offset..].chars().next() {
        None | Some('(' | ')' | '[' | ']') => None,
        Some('-' | '0'..='9') => Some(LIKE_JSON),
        Some('\'' | '\u{2018}'..='\u{201F}') => Some(DOUBLE_QUOTES),
        Some(_) => Some(UNQUOTED),
    };
    ParseError::syntax(text, offset, VALUE, hint)
}

/// Explains a control character or half a surrogate pair in a string.
pub(crate) fn bad_character(text: &str, offset: usize) -> ParseError {
    match text.as_bytes().get(offset) {
        Some(b'\\') => ParseError::syntax(text, offset, ESCAPE, Some("half a surrogate pair is none")),
        _ => ParseError::syntax(text, offset, CHARACTER, Some("escape control characters")),
    }
}

/// Whether `offset` lies within brackets that are closed behind it, behind the beginning of a
/// filter: `emails[0]` and `emails[]` hold none, so there the path itself is wrong.
pub(crate) fn within_closed_brackets(text: &str, offset: usize) -> bool {
    let mut quote = None;
    let mut open = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            _ if at == offset && open.is_none() => return false,
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(closing), _) if byte == closing => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') if at < offset => open = Some(at),
            (None, b']') if at >= offset => {
                return open.is_some_and(|open| !text[open + 1..offset].trim().is_empty());
            }
            (None, b']') => open = None,
            _ => {}
        }
    }
    false
}

const NAME: &str = "an attribute name";
const TERM: &str = "an attribute name, `not (` or `(`";
const OPERATOR: &str = "an operator such as `eq`";
const BLANK_AND_OPERATOR: &str = "a blank and an operator such as `eq`";
const VALUE: &str = "a value such as `\"x\"`, `1` or `true`";
const BLANK_AND_VALUE: &str = "a blank and a value";
const AFTER_TERM: &str = "`and`, `or` or the end";
const AFTER_TERM_IN_GROUP: &str = "`and`, `or` or `)`";
const AFTER_TERM_IN_BRACKETS: &str = "`and`, `or` or `]`";
const CHARACTER: &str = "a character or a closing quote";
const ESCAPE: &str = "an escape such as `\\\"` or `\\u00e9`";
const SINGLE_BLANK: &str = "single blanks, and only between words";

const UNQUOTED: &str = "put strings into double quotes";
const DOUBLE_QUOTES: &str = "write straight double quotes";
const LIKE_JSON: &str = "write numbers as in JSON, and strings in double quotes";
const LOWER_CASE: &str = "write `true`, `false` or `null` in lower case";
const INTO_BRACKETS: &str = "put the comparison into the brackets";

/// The first thing out of place, or an opening sign too deep. Takes no stack for nesting.
pub(crate) fn mistake(text: &str, options: &Options, start: Start) -> Result<(), ParseError> {
    let is_filter = start == Start::Filter;
    let mut reader = Reader {
        text,
        at: 0,
        options,
        is_filter,
        open: Vec::new(),
    };
    match start {
        Start::Filter => reader.filter(),
        Start::Path => reader.path(),
        Start::Attribute => {
            reader.blanks(Blanks::None)?;
            reader.attr_path(NAME)?;
            reader.end("the end")
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    options: &'t Options,
    is_filter: bool,
    /// The parentheses and brackets that are open, as bytes.
    open: Vec<u8>,
}

/// The blanks that a place strictly has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blanks {
    None,
    One,
    /// One before a parenthesis, or none.
    Maybe,
}

type Step = Result<(), ParseError>;

impl<'t> Reader<'t> {
    fn filter(&mut self) -> Step {
        self.blanks(Blanks::None)?;
        loop {
            self.term()?;
            self.closings()?;
            if !self.log_op()? {
                return Ok(());
            }
        }
    }

    fn path(&mut self) -> Step {
        self.blanks(Blanks::None)?;
        self.attr_path(NAME)?;
        if self.next_but_blanks() != Some(b'[') {
            return self.end("`[` or the end");
        }
        self.blanks(Blanks::None)?;
        self.opening()?;
        loop {
            self.term()?;
            self.closings()?;
            if self.open.is_empty() {
                break;
            }
            self.log_op()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.name("a sub-attribute")?;
        }
        self.end("a sub-attribute or the end")
    }

    /// One test, with the parentheses and the bracket that open before it.
    fn term(&mut self) -> Step {
        loop {
            self.blanks(Blanks::None)?;
            let word = self.word();
            if self.peek() == Some(b'(') {
                self.opening()?;
            } else if word.eq_ignore_ascii_case("not") && self.opens_behind(word) {
                self.at += word.len();
                self.blanks(Blanks::Maybe)?;
                self.opening()?;
            } else {
                self.attr_path(TERM)?;
                if self.next_but_blanks() != Some(b'[') {
                    return self.attr_exp(word);
                }
                if self.open.contains(&b'[') {
                    return self.fail(OPERATOR, Some("brackets do not stand in brackets"));
                }
                self.blanks(Blanks::None)?;
                self.opening()?;
            }
        }
    }

    fn attr_exp(&mut self, path: &str) -> Step {
        if self.peek().is_some() && !self.peek().is_some_and(is_blank) {
            return self.fail(BLANK_AND_OPERATOR, operator_hint(path, self.rest()));
        }
        self.blanks(Blanks::One)?;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            self.at += word.len();
            return Ok(());
        }
        if CompareOp::from_word(word).is_none() {
            let hint = if self.text.matches(']').count() > self.text.matches('[').count() {
                Some("a `[` is missing")
            } else {
                operator_hint(path, self.rest())
            };
            return self.fail(OPERATOR, hint);
        }
        self.at += word.len();
        if matches!(self.peek(), Some(b'"' | b'\'')) && self.options.mode == Mode::Lenient {
            return self.value();
        }
        if self.peek().is_some() && !self.peek().is_some_and(is_blank) {
            return self.fail(BLANK_AND_VALUE, None);
        }
        self.blanks(Blanks::One)?;
        self.value()
    }

    fn value(&mut self) -> Step {
        let strict = self.options.mode == Mode::Strict;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'\'') if strict => return Err(bad_value(self.text, self.at)),
            Some(b'\'') => return self.string(),
            _ => {}
        }
        let word = self.word();
        let literal = ["true", "false", "null"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(word));
        if literal && strict && word.bytes().any(|it| it.is_ascii_uppercase()) {
            return self.fail(VALUE, Some(LOWER_CASE));
        }
        let bare = self.options.bare_words && !strict && is_bare_word(word);
        if !literal && !is_json_number(word) && !bare {
            return Err(bad_value(self.text, self.at));
        }
        self.at += word.len();
        Ok(())
    }

    fn string(&mut self) -> Step {
        let quote = self.text.as_bytes()[self.at];
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            match self.peek() {
                None => return self.fail("a closing quote", Some("a string is not closed")),
                Some(byte) if byte == quote => break,
                Some(0..b' ') => return Err(bad_character(self.text, self.at)),
                Some(b'\\') => {
                    let length = match bytes.get(self.at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'\'') if quote == b'\'' => 2,
                        Some(b'u') if is_hex(bytes.get(self.at + 2..self.at + 6)) => {
                            match unicode_escape(self.rest()) {
                                Some((_, length)) => length,
                                None => return Err(bad_character(self.text, self.at)),
                            }
                        }
                        None => 1,
                        Some(_) => return self.fail(ESCAPE, None),
                    };
                    self.at += length;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// The parentheses and brackets that close behind a test.
    fn closings(&mut self) -> Step {
        loop {
            let next = self.next_but_blanks();
            let closes = match next {
                Some(b')') => self.open.last() == Some(&b'('),
                Some(b']') => self.open.last() == Some(&b'['),
                _ => false,
            };
            if !closes {
                return Ok(());
            }
            self.blanks(Blanks::None)?;
            self.at += 1;
            self.open.pop();
            if next == Some(b']') && self.peek() == Some(b'.') && self.is_filter {
                if self.options.mode == Mode::Strict {
                    return self.fail(AFTER_TERM, Some(INTO_BRACKETS));
                }
                self.at += 1;
                self.name("a sub-attribute")?;
                self.attr_exp("")?;
            }
        }
    }

    /// `and` or `or`; whether there is one, or else the end.
    fn log_op(&mut self) -> Result<bool, ParseError> {
        let expected = match self.open.last() {
            Some(b'(') => AFTER_TERM_IN_GROUP,
            Some(_) => AFTER_TERM_IN_BRACKETS,
            None => AFTER_TERM,
        };
        let hint = match (self.next_but_blanks(), self.open.last()) {
            // Those that close something are behind us.
            (Some(b')'), _) => Some("a `(` is missing"),
            (Some(b']'), _) => Some("a `[` is missing"),
            (_, Some(b'(')) if !self.rest().contains(')') => Some("a `(` is not closed"),
            (_, Some(b'[')) if !self.rest().contains(']') => Some("a `[` is not closed"),
            _ => None,
        };
        if self.rest().is_empty() && self.open.is_empty() {
            return Ok(false);
        }
        let delimited = self.text[..self.at].ends_with(['"', '\'', ')', ']']);
        let lenient = self.options.mode == Mode::Lenient;
        if self.peek().is_some_and(is_blank) {
            self.blanks(Blanks::One)?;
        } else if !(delimited && lenient) {
            return self.fail(expected, hint);
        }
        let word = self.word();
        if word.is_empty() && self.rest().is_empty() {
            if self.open.is_empty() && lenient {
                return Ok(false);
            }
            return self.fail(expected, hint);
        }
        if !word.eq_ignore_ascii_case("and") && !word.eq_ignore_ascii_case("or") {
            let hint = match word {
                "&&" | "&" => Some("write `and`"),
                "||" | "|" => Some("write `or`"),
                _ => hint,
            };
            return self.fail(expected, hint);
        }
        self.at += word.len();
        if self.peek() == Some(b'(') && lenient {
            return Ok(true);
        }
        if self.peek().is_some() && !self.peek().is_some_and(is_blank) {
            return self.fail("a blank", None);
        }
        self.blanks(Blanks::One)?;
        Ok(true)
    }

    /// `[URI ":"] ATTRNAME *1subAttr`
    fn attr_path(&mut self, expected: &'static str) -> Step {
        let word = self.word();
        let name = match word.rfind(':') {
            Some(colon) => {
                if let Some(inner) = not_of_a_uri(&word[..colon]) {
                    self.at += inner;
                    return self.fail(NAME, None);
                }
                self.at += colon + 1;
                &word[colon + 1..]
            }
            None => word,
        };
        let expected = if name.len() < word.len() { NAME } else { expected };
        self.name(expected)?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.name("a sub-attribute")?;
        }
        Ok(())
    }

    fn name(&mut self, expected: &'static str) -> Step {
        let lenient = self.options.mode == Mode::Lenient;
        let rest = self.rest().as_bytes();
        let first = usize::from(lenient && rest.first() == Some(&b'$'));
        if !rest.get(first).is_some_and(u8::is_ascii_alphabetic) {
            let hint = match rest.first() {
                Some(b'"' | b'\'') => Some("attribute names have no quotes"),
                Some(b'$') => Some("a name has no `$`"),
                _ => None,
            };
            return self.fail(expected, hint);
        }
        let of_a_name =
            |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_') || (lenient && *it == b'$');
        self.at += rest.iter().position(|it| !of_a_name(it)).unwrap_or(rest.len());
        if self.peek() == Some(b'$') {
            return self.fail(NAME, Some("a name has no `$`"));
        }
        Ok(())
    }

    fn end(&mut self, expected: &'static str) -> Step {
        let at = self.at;
        if self.next_but_blanks().is_none() && self.options.mode == Mode::Lenient {
            return Ok(());
        }
        if at < self.text.len() {
            return self.fail(expected, None);
        }
        Ok(())
    }

    /// Reads blanks, and fails strictly where one too many or too few stands.
    fn blanks(&mut self, strictly: Blanks) -> Step {
        let start = self.at;
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        if self.options.mode == Mode::Lenient {
            return Ok(());
        }
        let found = &self.text[start..self.at];
        let right = match strictly {
            Blanks::None => found.is_empty(),
            Blanks::One => found == " " || (found.is_empty() && self.rest().is_empty()),
            Blanks::Maybe => found.is_empty() || found == " ",
        };
        if right {
            return Ok(());
        }
        self.at = start + usize::from(strictly != Blanks::None && found.starts_with(' '));
        self.fail(SINGLE_BLANK, None)
    }

    fn opening(&mut self) -> Step {
        let max = self.options.depth();
        if self.open.len() >= max {
            return Err(ParseError::limit(self.text, self.at, Kind::TooDeep(max)));
        }
        self.open.push(self.text.as_bytes()[self.at]);
        self.at += 1;
        Ok(())
    }

    fn opens_behind(&self, word: &str) -> bool {
        self.rest()[word.len()..]
            .trim_start_matches(|it| u8::try_from(it).is_ok_and(is_blank))
            .starts_with('(')
    }

    fn next_but_blanks(&self) -> Option<u8> {
        self.rest().bytes().find(|it| !is_blank(*it))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// What stands up to the next blank, quote, parenthesis or bracket.
    fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|it| is_blank(it) || matches!(it, b'"' | b'\'' | b'(' | b')' | b'[' | b']'));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn fail<T>(&self, expected: &'static str, hint: Option<&'static str>) -> Result<T, ParseError> {
        Err(ParseError::syntax(self.text, self.at, expected, hint))
    }
}

/// The grammar's `ws`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Where `uri` is none of RFC 3986, or has a sign that delimits in filters.
pub(crate) fn not_of_a_uri(uri: &str) -> Option<usize> {
    if !uri.starts_with(|it: char| it.is_ascii_alphabetic()) {
        return Some(0);
    }
    let Some(scheme) = uri.find(':') else {
        return Some(0);
    };
    let fragment = uri.find('#').unwrap_or(uri.len());
    uri.bytes().enumerate().position(|(at, it)| {
        if it == b'%' && !is_hex(uri.as_bytes().get(at + 1..at + 3)) {
            return true;
        }
        if it == b'#' && at > fragment {
            return true;
        }
        let of_scheme = it.is_ascii_alphanumeric() || matches!(it, b'+' | b'-' | b'.');
        let of_rest =
            matches!(it, b'*'..=b';' | b'?'..=b'Z' | b'_' | b'#'..=b'&' | b'!' | b'=' | b'~' | b'a'..=b'z');
        !(of_scheme || (at >= scheme && of_rest))
    })
}

fn is_bare_word(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|it| {
            it > ' '
                && !matches!(
                    it,
                    '\\' | '{' | '}' | '\u{7F}'
                        ..='\u{A0}' | '\u{2018}' | '\u{2019}' | '\u{201C}' | '\u{201D}'
                )
        })
}

fn is_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
}

/// For those who know another language's operators.
fn operator_hint(path: &str, found: &str) -> Option<&'static str> {
    if path.eq_ignore_ascii_case("not") {
        return Some("`not` is followed by `(`");
    }
    if path.eq_ignore_ascii_case("and") || path.eq_ignore_ascii_case("or") {
        return Some("`and` and `or` stand between two comparisons");
    }
    let end = found.find(|it: char| it.is_whitespace() || matches!(it, '"' | '\''));
    let word = found[..end.unwrap_or(found.len())].to_ascii_lowercase();
    match word.as_str() {
        "=" | "==" | "===" | "is" | "equals" => Some("write `eq`"),
        "!=" | "<>" | "!==" | "neq" => Some("write `ne`"),
        ">" => Some("write `gt`"),
        "<" => Some("write `lt`"),
        ">=" | "gte" => Some("write `ge`"),
        "<=" | "lte" => Some("write `le`"),
        "contains" | "like" | "~" | "=~" => Some("write `co`"),
        "startswith" => Some("write `sw`"),
        "endswith" => Some("write `ew`"),
        "exists" | "present" => Some("write `pr`"),
        _ if word.starts_with("==") || word.starts_with('=') => Some("write `eq`"),
        _ => None,
    }
}
