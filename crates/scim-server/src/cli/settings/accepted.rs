//! The values that a setting accepts, as its parser says.

use std::any::TypeId;
use std::error::Error as _;
use std::slice;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error};

use crate::config::file::Value;

/// The values of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// `true` or `false`.
    Switch,
    /// One of these words, each with its meaning.
    Words(Vec<(String, String)>),
    /// An integer between two others, which are accepted too.
    Number(i128, i128),
    /// A text, or an integer.
    TextOrInteger,
    /// A text.
    Text,
    /// One or several texts.
    Texts,
}

impl Accepted {
    pub(super) fn of(argument: &Arg) -> Accepted {
        if is_switch(argument) {
            return Accepted::Switch;
        }
        if argument.get_value_delimiter().is_some() || matches!(argument.get_action(), ArgAction::Append) {
            return Accepted::Texts;
        }
        let words = argument.get_possible_values();
        if !words.is_empty() {
            let meaning = |it: &clap::builder::PossibleValue| it.get_help().map(ToString::to_string);
            let words = words
                .iter()
                .map(|it| (it.get_name().to_owned(), meaning(it).unwrap_or_default()));
            return Accepted::Words(words.collect());
        }
        if let Some((least, most)) = is_integer(argument).then(|| range(argument)).flatten() {
            return Accepted::Number(least, most);
        }
        let mut defaults = argument.get_default_values().iter();
        match defaults.next().and_then(|it| it.to_str()?.parse::<u64>().ok()) {
            Some(_) => Accepted::TextOrInteger,
            None => Accepted::Text,
        }
    }

    /// Converts a value of the file to arguments of the flag.
    ///
    /// # Errors
    /// Says which values are accepted.
    pub fn arguments(&self, value: &Value) -> Result<Vec<String>, String> {
        match (self, value) {
            (Accepted::Switch, Value::Boolean(value)) => Ok(vec![value.to_string()]),
            (Accepted::Number(..) | Accepted::TextOrInteger, Value::Integer(number)) => {
                Ok(vec![number.to_string()])
            }
            (Accepted::Texts, Value::List(texts)) => Ok(texts.clone()),
            (
                Accepted::Words(_) | Accepted::Text | Accepted::TextOrInteger | Accepted::Texts,
                Value::Text(text),
            ) => Ok(vec![text.clone()]),
            (_, value) => {
                let found = match value {
                    Value::Text(_) => "a string",
                    Value::Integer(_) => "an integer",
                    Value::Boolean(_) => "`true` or `false`",
                    Value::List(_) => "an array",
                    Value::Other(kind) => kind,
                };
                Err(format!("expected {}, and found {found}", self.description()))
            }
        }
    }

    /// Describes the values.
    pub fn description(&self) -> String {
        match self {
            Accepted::Switch => "`true` or `false`".to_owned(),
            Accepted::Words(words) => {
                let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                format!("one of {}", words.join(", "))
            }
            Accepted::Number(least, most) => format!("an integer from {least} to {most}"),
            Accepted::TextOrInteger => "a string or an integer".to_owned(),
            Accepted::Text => "a string".to_owned(),
            Accepted::Texts => "a string or an array of strings".to_owned(),
        }
    }

    /// Returns values of the flag as JSON.
    pub fn in_json(&self, values: &[String]) -> serde_json::Value {
        let text = values.join(",");
        let number = || text.parse::<i64>().map(Into::into);
        match self {
            Accepted::Switch => (text == "true").into(),
            Accepted::Number(..) | Accepted::TextOrInteger => {
                number().unwrap_or_else(|_| text.clone().into())
            }
            Accepted::Texts if values.len() != 1 => values.into(),
            Accepted::Words(_) | Accepted::Text | Accepted::Texts => text.into(),
        }
    }

    /// Returns values of the flag as TOML, which writes these kinds of values as JSON does.
    pub fn in_toml(&self, values: &[String]) -> String {
        self.in_json(values).to_string()
    }

    /// Returns the message about a value, from the reason that the parser has given.
    pub(super) fn problem(&self, reason: String) -> String {
        match self {
            Accepted::Switch | Accepted::Words(_) | Accepted::Number(..) => {
                format!("expected {}", self.description())
            }
            Accepted::TextOrInteger | Accepted::Text | Accepted::Texts => reason,
        }
    }
}

/// Parses values as if they followed the flag.
///
/// # Errors
/// The reason of the parser.
pub(super) fn parse(argument: &Arg, values: &[String]) -> Result<(), String> {
    let name = argument.get_long().unwrap_or_default();
    let flags = values.iter().map(|value| format!("--{name}={value}"));
    let argument = argument.clone().env(Resettable::Reset).global(false);
    let command = Command::new("scim-server").no_binary_name(true).arg(argument);
    let parsed = command.try_get_matches_from(flags);
    parsed.map(|_| ()).map_err(|error| reason(&error))
}

fn reason(error: &Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        return format!("`{value}` is not accepted");
    }
    // An error about a secret consists of one text, which begins with the name of the flag.
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split_once("': ")
        .map_or(line, |(_, reason)| reason)
        .to_owned()
}

/// Whether an argument is `true` or `false`.
pub(super) fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue)
        || argument.get_value_parser().type_id() == TypeId::of::<bool>()
}

pub(super) fn is_integer(argument: &Arg) -> bool {
    let id = argument.get_value_parser().type_id();
    [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
    ]
    .iter()
    .any(|it| id == *it)
}

/// Asks the parser for the range of integers that it accepts: nothing but the error about another number says it.
fn range(argument: &Arg) -> Option<(i128, i128)> {
    let numbers = [i64::MAX.to_string(), u64::MAX.to_string(), (-1).to_string()];
    let mut errors = numbers
        .iter()
        .filter_map(|it| parse(argument, slice::from_ref(it)).err());
    errors.find_map(|error| {
        let (least, most) = error.rsplit_once(" is not in ")?.1.split_once("..")?;
        let (most, excluded) = match most.strip_prefix('=') {
            Some(most) => (most, 0),
            None => (most, 1),
        };
        Some((least.parse().ok()?, most.parse::<i128>().ok()? - excluded))
    })
}
