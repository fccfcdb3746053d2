//! A serde deserializer for schema documents.
//!
//! It differs from the one of `serde_json` in two ways: member names match in any case (RFC 7643 section
//! 2.1), and an error names the member and the attribute that it is in, in words for an administrator.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::error::shortened;
use crate::schema::error::Problem;

/// The author of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    Us,
    Operator,
}

/// Reads a document into the struct that describes it.
pub(super) fn read<'a, T: Deserialize<'a>>(
    document: &'a Map<String, Value>,
    author: Author,
) -> Result<T, Problem> {
    let reader = Reader {
        author,
        source: Source::Document(document),
    };
    T::deserialize(reader).map_err(|error| match error.path() {
        Some(path) => Problem::in_attribute(&path, error.reason),
        None => Problem::in_document(error.reason),
    })
}

/// A member by its name in any case.
pub(super) fn member<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut members = document.iter();
    members
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Members that only the built-in schemas may have. No message offers them.
const BUILT_IN_ONLY: [&str; 2] = ["default", "format"];

#[derive(Debug)]
struct ReadError {
    /// The path of the attribute, from the inside out: names, or `attributes[2]` for one without a name.
    attribute: Vec<String>,
    /// A sentence, or its end after the name of a member, as in "must be a string".
    reason: String,
    lacks_member: bool,
}

impl ReadError {
    fn sentence(reason: String) -> ReadError {
        ReadError {
            attribute: Vec::new(),
            reason,
            lacks_member: false,
        }
    }

    /// The value of a member whose name [`ReadError::of_member`] adds.
    fn of_value(reason: String) -> ReadError {
        ReadError {
            lacks_member: true,
            ..ReadError::sentence(reason)
        }
    }

    fn of_member(mut self, name: &str) -> ReadError {
        if self.lacks_member {
            self.reason = format!("`{name}` {}", self.reason);
            self.lacks_member = false;
        }
        self
    }

    /// Path of the attribute, such as `badge.number` or `badge.subAttributes[1]`.
    fn path(&self) -> Option<String> {
        let path: Vec<&str> = self.attribute.iter().rev().map(String::as_str).collect();
        (!path.is_empty()).then(|| path.join("."))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ReadError {}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(reason: T) -> ReadError {
        ReadError::sentence(reason.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        ReadError::of_value(format!("must be {expected}"))
    }

    fn missing_field(field: &'static str) -> ReadError {
        ReadError::sentence(format!("`{field}` is missing"))
    }

    /// Refuses an unknown member, because a misspelt characteristic would silently have its default.
    fn unknown_field(field: &str, known: &'static [&'static str]) -> ReadError {
        let known: Vec<&str> = known
            .iter()
            .copied()
            .filter(|it| !BUILT_IN_ONLY.contains(it))
            .collect();
        ReadError::sentence(format!(
            "unknown member `{}`; the known members are {}",
            shortened(field),
            known.join(", ")
        ))
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    author: Author,
    source: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Document(&'a Map<String, Value>),
    /// The value of the member of this name, or an element of it.
    Value(&'a str, &'a Value),
}

impl<'a> Reader<'a> {
    fn value(self) -> Option<&'a Value> {
        match self.source {
            Source::Document(_) => None,
            Source::Value(_, value) => Some(value),
        }
    }

    fn must_be<T>(self, expected: &str) -> Result<T, ReadError> {
        Err(ReadError::of_value(format!("must be {expected}")))
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Some(Value::Bool(it)) => visitor.visit_bool(*it),
            _ => self.must_be("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Some(Value::String(it)) => visitor.visit_borrowed_str(it),
            _ => self.must_be("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Some(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.source {
            Source::Value(member, Value::Array(values)) => visitor.visit_seq(Elements {
                author: self.author,
                member,
                rest: values.iter(),
                index: 0,
            }),
            _ => self.must_be("an array"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let members = match self.source {
            Source::Document(members) | Source::Value(_, Value::Object(members)) => members,
            Source::Value(..) => {
                let expected: &dyn Expected = &visitor;
                return Err(ReadError::sentence(expected.to_string()));
            }
        };
        // Checked before unknown members, because a misspelt `name` is one.
        if fields.first() == Some(&"name") && member(members, "name").is_none() {
            return Err(ReadError::sentence("an attribute has no `name`".to_owned()));
        }
        visitor.visit_map(Members {
            author: self.author,
            fields,
            rest: members.iter(),
            current: None,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        keywords: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let text = self.value().and_then(Value::as_str);
        if let Some(keyword) = keywords.iter().find(|it| Some(**it) == text) {
            let keyword: StrDeserializer<'_, ReadError> = (*keyword).into_deserializer();
            return visitor.visit_enum(keyword);
        }
        let found = text.map_or_else(
            || self.value().map(Value::to_string).unwrap_or_default(),
            str::to_owned,
        );
        Err(ReadError::of_value(format!(
            "has the unknown value `{}`; the values are {}",
            shortened(&found),
            listed(keywords)
        )))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let expected: &dyn Expected = &visitor;
        self.must_be(&expected.to_string())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map identifier
    }
}

/// Joins words as in "a, b and c".
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

struct Members<'a> {
    author: Author,
    fields: &'static [&'static str],
    rest: serde_json::map::Iter<'a>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        let mut fields = self.fields.iter().copied();
        let name = fields.find(|it| it.eq_ignore_ascii_case(name)).unwrap_or(name);
        if self.author == Author::Operator && BUILT_IN_ONLY.contains(&name) {
            return Err(serde::de::Error::unknown_field(name, self.fields));
        }
        self.current = Some((name, value));
        let name: StrDeserializer<'_, ReadError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let (name, value) = self.current.take().expect("serde asks for a key first");
        let reader = Reader {
            author: self.author,
            source: Source::Value(name, value),
        };
        seed.deserialize(reader).map_err(|error| error.of_member(name))
    }
}

struct Elements<'a> {
    author: Author,
    member: &'a str,
    rest: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let element = seed.deserialize(Reader {
            author: self.author,
            source: Source::Value(self.member, value),
        });
        element.map(Some).map_err(|mut error| {
            if ["attributes", "subAttributes"].contains(&self.member) {
                let name = value.as_object().and_then(|it| member(it, "name")?.as_str());
                error.attribute.push(match name {
                    Some(name) => name.to_owned(),
                    None => format!("{}[{index}]", self.member),
                });
            }
            error
        })
    }
}
