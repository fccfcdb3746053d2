//! Errors of the grammar in an administrator's words.
//!
//! pest reports how far it got and which rules could have continued there. The rules determine the expected words,
//! and known mistakes of clients get a hint.

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::brackets::brackets;
use crate::error::{ParseError, word};
use crate::grammar::Rule;

/// Explains an error of the grammar.
pub(crate) fn syntax_error(text: &str, is_filter: bool, error: &Error<Rule>) -> ParseError {
    let offset = match error.location {
        InputLocation::Pos(offset) | InputLocation::Span((offset, _)) => offset,
    };
    let rules = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        ErrorVariant::CustomError { .. } => &[],
    };
    let (place, offset) = match Place::of(rules, text, offset) {
        place if is_after_stray_blank(place, text, offset) => (Place::Blanks, offset - 1),
        Place::AfterBlank => (Place::AfterTest, offset),
        place => (place, offset),
    };
    let expected = match place {
        Place::AfterTest => one_of(rules, is_filter),
        place => place.expected().to_owned(),
    };
    ParseError::syntax(
        text,
        offset,
        expected,
        hint(place, rules, is_filter, text, offset),
    )
}

/// Whether strict mode took the blank before `offset` for one before an operator, `and` or `or`, but none follows.
fn is_after_stray_blank(place: Place, text: &str, offset: usize) -> bool {
    let (before, rest) = text.split_at(offset);
    match place {
        Place::AfterBlank => rest.is_empty() || rest.starts_with([')', ']']),
        Place::Operator => rest.starts_with('[') && count(before, b'[') == count(before, b']'),
        _ => false,
    }
}

/// The place of an error in the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Blanks,
    Operator,
    BeforeOperator,
    Value,
    Escape,
    InString,
    EndOfString,
    Test,
    Name,
    SubName,
    AfterTest,
    AfterBlank,
    Blank,
}

impl Place {
    /// The place where one of `rules` should have matched.
    fn of(rules: &[Rule], text: &str, offset: usize) -> Place {
        let next = text[offset..].chars().next();
        let any = |wanted: &[Rule]| wanted.iter().any(|it| rules.contains(it));
        if any(&[Rule::whitespace, Rule::anyBlanks]) && matches!(next, Some(' ' | '\t'..='\r')) {
            // Lenient mode would have accepted it.
            return Place::Blanks;
        }
        if any(&[Rule::stringEnd, Rule::singleQuotedEnd, Rule::escape]) {
            return match next {
                None => Place::EndOfString,
                Some('\\') => Place::Escape,
                Some(_) => Place::InString,
            };
        }
        let places = PLACES.iter().find(|(wanted, _)| any(wanted));
        places.map_or(Place::Test, |(_, place)| *place)
    }

    fn expected(self) -> &'static str {
        match self {
            Place::Blanks => "single blanks, and only between words",
            Place::Operator => "an operator such as `eq`",
            Place::BeforeOperator => "a blank and an operator such as `eq`",
            Place::Value => "a value such as `\"x\"`, `1` or `true`",
            Place::Escape => "an escape such as `\\\"` or `\\u00e9`",
            Place::InString => "a character or a closing quote",
            Place::EndOfString => "a closing quote",
            Place::Test => "an attribute name, `not (` or `(`",
            Place::Name => "an attribute name",
            Place::SubName => "a sub-attribute",
            Place::AfterTest | Place::AfterBlank => "`and`, `or` or the end",
            Place::Blank => "a blank",
        }
    }
}

/// The rules that identify a place, checked in this order, because the rules for optional blanks and brackets fail in
/// several places.
const PLACES: &[(&[Rule], Place)] = &[
    (&[Rule::present, Rule::compareOp], Place::Operator),
    (&[Rule::string], Place::Value),
    (
        &[
            Rule::strictFilter,
            Rule::lenientFilter,
            Rule::bareWordFilter,
            Rule::filter,
            Rule::valFilter,
            Rule::not,
            Rule::valNot,
        ],
        Place::Test,
    ),
    (
        &[
            Rule::strictPath,
            Rule::lenientPath,
            Rule::bareWordPath,
            Rule::strictAttrPath,
            Rule::lenientAttrPath,
            Rule::attrPath,
            Rule::attrName,
        ],
        Place::Name,
    ),
    (&[Rule::subName], Place::SubName),
    (&[Rule::groupEnd, Rule::valueEnd, Rule::EOI], Place::AfterTest),
    (&[Rule::logOp], Place::AfterBlank),
    (&[Rule::anyBlanks], Place::Blank),
    (&[Rule::whitespace], Place::BeforeOperator),
];

/// Lists what may follow a complete test or path.
fn one_of(rules: &[Rule], is_filter: bool) -> String {
    let mut words = Vec::new();
    if in_filter(rules, is_filter) {
        words.extend(["`and`", "`or`"]);
    } else if rules.contains(&Rule::subAttr) {
        words.push("a sub-attribute");
    }
    let ends = [
        (Rule::valueStart, "`[`"),
        (Rule::groupEnd, "`)`"),
        (Rule::valueEnd, "`]`"),
        (Rule::EOI, "the end"),
    ];
    words.extend(
        ends.iter()
            .filter(|(rule, _)| rules.contains(rule))
            .map(|(_, word)| *word),
    );
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Whether `and` or `or` can follow: after each test, but not after the path of a PATCH operation.
fn in_filter(rules: &[Rule], is_filter: bool) -> bool {
    is_filter
        || [Rule::logOp, Rule::groupEnd, Rule::valueEnd]
            .iter()
            .any(|it| rules.contains(it))
}

/// Operators and keywords of other languages, and the RFC's word for each.
const FOREIGN_WORDS: &[(Place, &[&str], &str)] = &[
    (Place::Operator, &["=", "==", "===", "is", "equals"], "write `eq`"),
    (Place::Operator, &["!=", "!==", "<>", "neq"], "write `ne`"),
    (Place::Operator, &[">"], "write `gt`"),
    (Place::Operator, &["<"], "write `lt`"),
    (Place::Operator, &[">=", "gte"], "write `ge`"),
    (Place::Operator, &["<=", "lte"], "write `le`"),
    (Place::Operator, &["contains", "like", "~", "=~"], "write `co`"),
    (Place::Operator, &["startswith"], "write `sw`"),
    (Place::Operator, &["endswith"], "write `ew`"),
    (Place::Operator, &["exists", "present"], "write `pr`"),
    (Place::AfterTest, &["&&", "&"], "write `and`"),
    (Place::AfterTest, &["||", "|"], "write `or`"),
    (
        Place::Value,
        &["true", "false", "null"],
        "write `true`, `false` or `null` in lower case",
    ),
];

fn hint(place: Place, rules: &[Rule], is_filter: bool, text: &str, offset: usize) -> Option<&'static str> {
    let (before, rest) = text.split_at(offset);
    if place == Place::Operator
        && let Some(hint) = keyword_as_name(before)
    {
        return Some(hint);
    }
    foreign_word(place, word(text, offset)).or_else(|| match (place, rest.chars().next()) {
        (Place::Operator, _) if count(text, b']') > count(text, b'[') => Some("a `[` is missing"),
        (Place::Operator | Place::BeforeOperator, Some('[')) => {
            Some("a value filter cannot contain another one")
        }
        (Place::Test | Place::Name | Place::SubName | Place::BeforeOperator, Some('$')) => {
            Some("a name has no `$`")
        }
        (Place::Test | Place::Name | Place::SubName, Some('"' | '\'')) => {
            Some("attribute names have no quotes")
        }
        (Place::Value, None | Some('(' | ')' | '[' | ']')) => None,
        (Place::Value, Some('-' | '0'..='9')) => {
            Some("write numbers as in JSON, and strings in double quotes")
        }
        (Place::Value, Some('\'' | '\u{2018}'..='\u{201F}')) => Some("write straight double quotes"),
        (Place::Value, Some(_)) => Some("put strings into double quotes"),
        (Place::InString, _) => Some("escape control characters"),
        (Place::EndOfString, _) => Some("a string is not closed"),
        (Place::Escape, _) if is_surrogate(rest) => Some("unpaired surrogate escape"),
        (Place::AfterTest, Some('.')) if rules.contains(&Rule::subAttrTest) => {
            Some("put the comparison into the brackets")
        }
        (Place::AfterTest, Some(')')) if in_filter(rules, is_filter) => Some("a `(` is missing"),
        (Place::AfterTest, Some(']')) if in_filter(rules, is_filter) => Some("a `[` is missing"),
        (Place::AfterTest, _) if rules.contains(&Rule::groupEnd) && !rest.contains(')') => {
            Some("a `(` is not closed")
        }
        (Place::AfterTest, _) if rules.contains(&Rule::valueEnd) && !rest.contains(']') => {
            Some("a `[` is not closed")
        }
        _ => None,
    })
}

/// Returns the hint for a keyword that was read as an attribute name, before the missing operator.
fn keyword_as_name(before: &str) -> Option<&'static str> {
    let name = before.trim_end().rsplit(['(', '[']).next()?;
    let name = name.split_whitespace().next_back()?.to_ascii_lowercase();
    match name.as_str() {
        "not" => Some("`not` is followed by `(`"),
        "and" | "or" => Some("`and` and `or` must be between two comparisons"),
        _ => None,
    }
}

fn foreign_word(place: Place, found: &str) -> Option<&'static str> {
    let place = match place {
        Place::BeforeOperator => Place::Operator,
        place => place,
    };
    // `=1` and `&&b` need no blank in other languages.
    let signs = found.trim_start_matches(['=', '!', '<', '>', '~', '&', '|']);
    let word = match found.len() - signs.len() {
        0 => found.to_ascii_lowercase(),
        length => found[..length].to_owned(),
    };
    let mut known = FOREIGN_WORDS.iter();
    let (.., hint) = known.find(|(at, words, _)| *at == place && words.contains(&word.as_str()))?;
    Some(hint)
}

fn is_surrogate(escape: &str) -> bool {
    let escape = escape.as_bytes();
    matches!(
        escape,
        [
            b'\\',
            b'u',
            b'd' | b'D',
            b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F',
            ..,
        ]
    ) && escape
        .get(4..6)
        .is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
}

/// Counts the occurrences of a bracket outside of strings.
fn count(text: &str, bracket: u8) -> usize {
    brackets(text).filter(|(_, it)| *it == bracket).count()
}
