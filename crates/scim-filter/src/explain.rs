//! What is wrong with a text that the grammar refuses, in an administrator's words.

use crate::error::ParseError;
use crate::options::{Leniency, LeniencyKind, Options};

/// What the text should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Filter,
    Path,
    Attribute,
}

pub(crate) fn explain(text: &str, _options: &Options, _start: Start, offset: usize) -> ParseError {
    ParseError::syntax(text, offset, "something else", None)
}

pub(crate) fn strictly(text: &str, leniency: Leniency) -> ParseError {
    let (expected, hint) = match leniency.kind {
        LeniencyKind::Whitespace => ("one blank between words and none elsewhere", None),
        LeniencyKind::SingleQuotes => ("a value", Some("strings take double quotes")),
        LeniencyKind::LiteralCase => ("a value", Some("`true`, `false` and `null` are lower case")),
        LeniencyKind::DollarName => ("an attribute name without `$`", None),
        LeniencyKind::SubAttributeOfValuePath => (
            "the end of the value path",
            Some("put the comparison into the brackets"),
        ),
        LeniencyKind::BareWord => ("a value", Some(UNQUOTED)),
    };
    ParseError::syntax(text, leniency.offset, expected, hint)
}

const UNQUOTED: &str = "put the value into double quotes";

pub(crate) fn bad_value(text: &str, offset: usize, _options: &Options) -> ParseError {
    ParseError::syntax(text, offset, "a value", Some(UNQUOTED))
}

pub(crate) fn bad_character(text: &str, offset: usize) -> ParseError {
    ParseError::syntax(
        text,
        offset,
        "a character",
        Some("half of a surrogate pair is none"),
    )
}

/// Whether `offset` lies in brackets that are closed behind it.
pub(crate) fn within_closed_brackets(text: &str, offset: usize) -> bool {
    text.find('[').is_some_and(|opening| opening < offset) && text[offset..].contains(']')
}
