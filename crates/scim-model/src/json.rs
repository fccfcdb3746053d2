//! JSON text to a [`Value`], with the restrictions of SCIM (RFC 8259; A-58).
//!
//! `serde_json` parses the text. The visitor here adds three things: it refuses the second of two members with one
//! name, in any case, because `userName` and `USERNAME` are one attribute; it refuses text that PostgreSQL cannot
//! store; and it does not mistake an object for a number when the object has the member name that `serde_json` uses
//! internally for numbers. Messages are in words for an administrator.

mod raw;
mod write;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{ScimError, ScimType, shortened};

pub(crate) use raw::raw_members;
#[doc(hidden)]
pub use write::{write_object, write_string, write_value};

/// The deepest nesting of objects and arrays that is accepted.
#[doc(hidden)]
pub const MAX_DEPTH: usize = 64;

/// Parses a body. Numbers keep all their digits; a leading byte order mark is skipped.
///
/// # Errors
/// `invalidSyntax` for anything other than one JSON value in UTF-8, for two members of one object whose names
/// differ at most in ASCII case, for U+0000 in a string, which PostgreSQL cannot store, and for nesting
/// of more than 64 levels.
pub fn parse(bytes: &[u8]) -> Result<Value, ScimError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| syntax(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
    let context = Context {
        text,
        refusal: RefCell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let element = Element {
        context: &context,
        depth: 0,
    };
    element
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| match context.refusal.take() {
            Some(refusal) => refusal.into_error(&position(text, &error, 1)),
            None => malformed(text, &error),
        })
}

fn syntax(detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidSyntax, detail)
}

struct Context<'t> {
    text: &'t str,
    /// The reason for an error that did not come from `serde_json`.
    refusal: RefCell<Option<Refusal>>,
}

/// The reason for refusing text that is JSON.
enum Refusal {
    TooDeep,
    NullCharacter,
    /// Two members have one name. The path grows from the inside out, so that only an error pays for it.
    Repeated {
        path: String,
    },
}

impl Refusal {
    fn into_error(self, position: &str) -> ScimError {
        syntax(match self {
            Refusal::TooDeep => format!("the body is nested deeper than {MAX_DEPTH} levels"),
            Refusal::NullCharacter => format!("a string has the character U+0000{position}"),
            Refusal::Repeated { path } => {
                format!("`{}` occurs twice in one object{position}", shortened(&path))
            }
        })
    }
}

impl Context<'_> {
    fn refuse<T, E: serde::de::Error>(&self, refusal: Refusal) -> Result<T, E> {
        self.refusal.replace(Some(refusal));
        Err(E::custom("refused"))
    }

    /// Extends the path of a refusal by the object or array around it: `emails[1].type`, `urn:…:User:manager`.
    fn extend_path(&self, parent: fmt::Arguments<'_>) {
        if let Some(Refusal::Repeated { path }) = &mut *self.refusal.borrow_mut() {
            let parent = parent.to_string();
            let separator = match (path.starts_with('['), parent.contains(':')) {
                (true, _) => "",
                (false, true) => ":",
                (false, false) => ".",
            };
            *path = format!("{parent}{separator}{path}");
        }
    }

    fn check_string<E: serde::de::Error>(&self, string: &str) -> Result<(), E> {
        if string.contains('\0') {
            return self.refuse(Refusal::NullCharacter);
        }
        Ok(())
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Element<'c, 't> {
    context: &'c Context<'t>,
    /// Objects and arrays around the value.
    depth: usize,
}

impl Element<'_, '_> {
    fn nested<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return self.context.refuse(Refusal::TooDeep);
        }
        Ok(Element {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E: serde::de::Error>(self, string: &str) -> Result<Value, E> {
        self.context.check_string(string)?;
        Ok(Value::String(string.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let nested = self.nested()?;
        let mut values = Vec::new();
        loop {
            match elements.next_element_seed(nested) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Ok(Value::Array(values)),
                Err(error) => {
                    self.context.extend_path(format_args!("[{}]", values.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut name = entries.next_key_seed(Name(self.context))?;
        if matches!(name, Some(Key::Number)) {
            let digits: String = entries.next_value()?;
            return digits
                .parse::<Number>()
                .map(Value::Number)
                .map_err(A::Error::custom);
        }
        let nested = self.nested()?;
        let mut members = Map::new();
        let mut names = Names::default();
        while let Some(Key::Name(current)) = name {
            if names.has(&members, &current) {
                return self.context.refuse(Refusal::Repeated { path: current });
            }
            let value = entries.next_value_seed(nested);
            let value = value.inspect_err(|_| self.context.extend_path(format_args!("{current}")))?;
            names.note(&current, members.len());
            members.insert(current, value);
            name = entries.next_key_seed(Name(self.context))?;
        }
        Ok(Value::Object(members))
    }
}

/// Reads the name of a member.
struct Name<'c, 't>(&'c Context<'t>);

enum Key {
    Name(String),
    /// The map is a number.
    Number,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, '_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    /// `serde_json` hands over a number of arbitrary precision as a map of one entry. Its key is a constant,
    /// while the names of an object are parts of the text, or copies where they have escape sequences.
    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Key, E> {
        if self.0.text.as_bytes().as_ptr_range().contains(&name.as_ptr()) {
            self.visit_str(name)
        } else {
            Ok(Key::Number)
        }
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Key, E> {
        self.0.check_string(name)?;
        Ok(Key::Name(name.to_owned()))
    }
}

/// Problems that `serde_json` reports, and the words for them.
const MALFORMED: [(&str, &str); 17] = [
    ("EOF while parsing a list", "expected `,` or `]`"),
    ("EOF while parsing an object", "expected `,` or `}`"),
    ("EOF while parsing a string", "expected `\"`"),
    ("EOF while parsing a value", "expected a value"),
    ("expected value", "expected a value"),
    ("expected ident", "expected a value"),
    ("expected `:`", "expected `:`"),
    ("expected `,` or `]`", "expected `,` or `]`"),
    ("expected `,` or `}`", "expected `,` or `}`"),
    ("key must be a string", "expected a member name in double quotes"),
    ("trailing comma", "expected a value or a member name after `,`"),
    ("trailing characters", "expected the end"),
    ("invalid number", "expected a JSON number"),
    ("invalid escape", "expected an escape sequence of JSON"),
    ("control character", "expected no control character in a string"),
    (
        "lone leading surrogate",
        "a string has an unpaired surrogate escape",
    ),
    (
        "unexpected end of hex escape",
        "a string has an unpaired surrogate escape",
    ),
];

fn malformed(text: &str, error: &serde_json::Error) -> ScimError {
    if text.trim().is_empty() {
        return syntax("the body is empty, expected JSON".to_owned());
    }
    let reason = error.to_string();
    let known = MALFORMED.iter().find(|(theirs, _)| reason.starts_with(theirs));
    let problem = known.map_or("expected JSON", |(_, ours)| ours);
    let position = position(text, error, 0);
    syntax(format!("the body is not JSON: {problem}{position}"))
}

/// The place of an error, in lines and characters; `after` characters after the place that `serde_json` knows,
/// which is the last one that it has read.
fn position(text: &str, error: &serde_json::Error, after: usize) -> String {
    let (line, column) = if error.is_eof() {
        let last = text.rsplit('\n').next().unwrap_or_default();
        (text.split('\n').count(), last.chars().count() + 1)
    } else {
        // `serde_json` counts columns in bytes.
        let mut lines = text.split('\n');
        let line = lines.nth(error.line().saturating_sub(1)).unwrap_or_default();
        let before = line.as_bytes().get(..error.column()).unwrap_or(line.as_bytes());
        (
            error.line(),
            String::from_utf8_lossy(before).chars().count() + after,
        )
    };
    format!(" at line {line} column {column}")
}

/// The names of the members of an object. Few are compared one by one, and many through a set, so that an
/// object of a hundred thousand members is read in linear time.
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
