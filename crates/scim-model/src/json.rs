//! JSON text to a [`Value`], with the refusals that SCIM needs (RFC 8259; A-58).
//!
//! `serde_json` would do, but for three things: it keeps the last of two members of one name, it
//! cannot see that `userName` and `USERNAME` are one attribute, and with numbers of any precision it
//! takes an object with a certain secret member name for a number. This parser has none of them, and
//! says where the text is wrong in the words of an administrator.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::error::{ScimError, ScimType, shortened};

/// Objects and arrays in each other, at most so deep.
pub const MAX_DEPTH: usize = 64;

/// Parses a body. Numbers keep all their digits; a leading byte order mark is
/// skipped.
///
/// # Errors
/// `invalidSyntax` for anything that is not one JSON value in UTF-8, for two members of one object
/// whose names differ in ASCII case at most, for U+0000 in a string, which PostgreSQL cannot store,
/// and for nesting beyond [`MAX_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<Value, ScimError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refused(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.skip_space();
    let value = parser.value().map_err(Wrong::into_error)?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.unexpected("the end").into_error());
    }
    Ok(value)
}

/// Appends a value as JSON text without white space.
pub fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(number.as_str()),
        Value::String(string) => write_string(text, string),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, value);
            }
            text.push(']');
        }
        Value::Object(members) => write_object(text, members),
    }
}

/// Appends an object as JSON text without white space.
pub fn write_object(text: &mut String, members: &Map<String, Value>) {
    text.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, name);
        text.push(':');
        write_value(text, value);
    }
    text.push('}');
}

/// Appends a JSON string, quoted and escaped.
pub fn write_string(text: &mut String, string: &str) {
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        text.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            control => {
                let _ = write!(text, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
    text.push('"');
}

/// The members of an object as texts, the names without quotes and not unescaped, without reading
/// the values. For text that was written by [`write_object`]; `None` where it cannot be.
pub(crate) fn raw_members(object: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let mut rest = object.strip_prefix('{');
    std::iter::from_fn(move || {
        let text = rest?;
        if text.starts_with('}') {
            return None;
        }
        let member = raw_member(text);
        rest = member.map(|(_, _, rest)| rest);
        Some(member.map(|(name, value, _)| (name, value)))
    })
}

/// Name, value, and what follows the comma, or the closing brace.
fn raw_member(text: &str) -> Option<(&str, &str, &str)> {
    let name_end = end_of_string(text)?;
    let value = text[name_end..].strip_prefix(':')?;
    let (value, rest) = value.split_at(end_of_value(value)?);
    let rest = rest
        .strip_prefix(',')
        .or_else(|| rest.starts_with('}').then_some(rest))?;
    Some((&text[1..name_end - 1], value, rest))
}

fn end_of_string(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    bytes.next().filter(|(_, byte)| *byte == b'"')?;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

fn end_of_value(text: &str) -> Option<usize> {
    match text.bytes().next()? {
        b'"' => end_of_string(text),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0);
            loop {
                match text.as_bytes().get(at)? {
                    b'"' => {
                        at += end_of_string(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => text.find([',', '}']),
    }
}

fn refused(detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

/// Why a text is no value.
enum Wrong {
    Syntax(String),
    /// Two members have one name. Its path grows from the inside out, so that only an error pays for it.
    Repeated {
        path: String,
        position: String,
    },
}

impl Wrong {
    /// The path as seen from the object or array around: `emails[1].type`, `urn:…:User:manager`.
    fn within(self, parent: std::fmt::Arguments<'_>) -> Wrong {
        match self {
            Wrong::Repeated { path, position } => {
                let parent = parent.to_string();
                let separator = match (path.starts_with('['), parent.contains(':')) {
                    (true, _) => "",
                    (false, true) => ":",
                    (false, false) => ".",
                };
                let path = format!("{parent}{separator}{path}");
                Wrong::Repeated { path, position }
            }
            syntax => syntax,
        }
    }

    fn into_error(self) -> ScimError {
        refused(match self {
            Wrong::Syntax(detail) => detail,
            Wrong::Repeated { path, position } => {
                format!("`{}` occurs twice in one object{position}", shortened(&path))
            }
        })
    }
}

/// **Invariant.** `at` is a character boundary of `text`.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value, Wrong> {
        match self.peek() {
            Some(b'{') => self.nested(Parser::object),
            Some(b'[') => self.nested(Parser::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested(&mut self, parse: impl Fn(&mut Self) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Wrong::Syntax(format!(
                "the body is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        let value = parse(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Wrong> {
        self.at += 1;
        self.skip_space();
        let mut members = Map::new();
        let mut names = Names::default();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a member name in double quotes"));
            }
            let name = self.string()?;
            if names.has(&members, &name) {
                return Err(Wrong::Repeated {
                    path: name,
                    position: self.position(self.at),
                });
            }
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.skip_space();
            let value = self.value().map_err(|it| it.within(format_args!("{name}")))?;
            names.note(&name, members.len());
            members.insert(name, value);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<Value, Wrong> {
        self.at += 1;
        self.skip_space();
        let mut values = Vec::new();
        if self.eat(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            let index = values.len();
            values.push(self.value().map_err(|it| it.within(format_args!("[{index}]")))?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(values));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
            self.skip_space();
        }
    }

    fn string(&mut self) -> Result<String, Wrong> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let run = self
                .rest()
                .bytes()
                .take_while(|&byte| byte != b'"' && byte != b'\\' && byte >= b' ')
                .count();
            string.push_str(&self.text[self.at..self.at + run]);
            self.at += run;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(self.unexpected("no control character in a string")),
                None => return Err(self.unexpected("`\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        let start = self.at;
        let escaped = self.text.as_bytes().get(start + 1).copied();
        let plain = match escaped {
            Some(b'u') => return self.unicode_escape(),
            Some(c @ (b'"' | b'\\' | b'/')) => c.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("an escape sequence of JSON")),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Wrong> {
        let start = self.at;
        let Some(unit) = self.code_unit() else {
            return Err(self.unexpected("four hexadecimal digits after `\\u`"));
        };
        let code = match unit {
            0 => {
                return Err(Wrong::Syntax(format!(
                    "a string holds U+0000{}",
                    self.position(start)
                )));
            }
            0xd800..0xdc00 => match self.code_unit() {
                Some(low @ 0xdc00..0xe000) => 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                _ => {
                    return Err(Wrong::Syntax(format!(
                        "a string holds half a surrogate pair{}",
                        self.position(start)
                    )));
                }
            },
            _ => unit,
        };
        char::from_u32(code).ok_or_else(|| {
            Wrong::Syntax(format!(
                "a string holds half a surrogate pair{}",
                self.position(start)
            ))
        })
    }

    /// `\uXXXX` at the current position.
    fn code_unit(&mut self) -> Option<u32> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 6)?
            .strip_prefix(b"\\u")?;
        let unit = digits.iter().try_fold(0, |unit, &digit| {
            Some(unit << 4 | char::from(digit).to_digit(16)?)
        })?;
        self.at += 6;
        Some(unit)
    }

    fn number(&mut self) -> Result<Value, Wrong> {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let number = self.text[self.at..self.at + length]
            .parse::<Number>()
            .map_err(|_| self.unexpected("a JSON number"))?;
        self.at += length;
        Ok(Value::Number(number))
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, Wrong> {
        if !self.rest().starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        self.at += self
            .rest()
            .bytes()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        if self.text.trim().is_empty() {
            return Wrong::Syntax("the body is empty, expected JSON".to_owned());
        }
        Wrong::Syntax(format!(
            "the body is not JSON: expected {expected}{}",
            self.position(self.at)
        ))
    }

    fn position(&self, at: usize) -> String {
        let before = &self.text[..at];
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        format!(" at line {line} column {column}")
    }
}

/// The names seen in one object. Few are compared one by one, many through a set, so that an object
/// of a hundred thousand members costs no more than its length.
#[derive(Default)]
struct Names {
    folded: HashSet<String>,
}

const FEW: usize = 24;

impl Names {
    fn has(&mut self, members: &Map<String, Value>, name: &str) -> bool {
        if members.len() < FEW {
            return members.keys().any(|it| it.eq_ignore_ascii_case(name));
        }
        if self.folded.is_empty() {
            self.folded = members.keys().map(|it| it.to_ascii_lowercase()).collect();
        }
        self.folded.contains(&name.to_ascii_lowercase())
    }

    fn note(&mut self, name: &str, count: usize) {
        if count >= FEW {
            self.folded.insert(name.to_ascii_lowercase());
        }
    }
}
