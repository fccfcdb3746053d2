//! The configuration file: TOML without tables, with the line of each setting.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// A setting as the file states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i128),
    /// `true` or `false`.
    Boolean(bool),
    /// An array of strings.
    List(Vec<String>),
    /// A value of a kind that no setting accepts, with the name of the kind.
    Other(&'static str),
}

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The mistake and the remedy, without text of the file that may be secret.
    pub text: String,
}

/// Reads a configuration file. Entries are in the order of the file, and reading continues after a mistake.
pub fn parse(text: &str) -> (Vec<Entry>, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines(text);
    let mut problems: Vec<Problem> = errors.iter().map(|it| lines.problem(it)).collect();
    problems.sort_by_key(|it| it.line);
    // One mistake can cause several errors in its line; the first error describes it.
    problems.dedup_by_key(|it| it.line);
    let mut entries: Vec<Entry> = table
        .get_ref()
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: lines.number(key.span()),
            value: value_of(value),
        })
        .filter(|it| problems.iter().all(|problem| problem.line != it.line))
        .collect();
    entries.sort_by_key(|it| it.line);
    (entries, problems)
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn number(&self, span: Range<usize>) -> usize {
        let before = &self.0.as_bytes()[..span.start.min(self.0.len())];
        before.iter().filter(|it| **it == b'\n').count() + 1
    }

    /// Uses only the message, because the whole error quotes the line, which may contain a secret.
    fn problem(&self, error: &Error) -> Problem {
        Problem {
            line: self.number(error.span().unwrap_or_default()),
            text: format!("invalid TOML: {}", error.message().trim_end().replace('\n', ": ")),
        }
    }
}

fn value_of(value: &Spanned<DeValue>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("an integer that is too large"), Value::Integer),
        DeValue::Array(values) => {
            let texts = values.iter().map(|it| it.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map_or(
                Value::Other("an array of values that are not strings"),
                Value::List,
            )
        }
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_line_and_value() {
        let text = "# a comment\nlisten = \"127.0.0.1:1\"\n\nmax-scans = 0x10\nallow-plain-http = true\n\
                    egress-allow = [\n  \"a\",\n  \"b\",\n]\nx = 1.5\n[database]\nurl = \"a\"\n";
        let (entries, problems) = parse(text);
        assert_eq!(problems, []);
        let found: Vec<(&str, usize, &Value)> =
            entries.iter().map(|it| (&*it.key, it.line, &it.value)).collect();
        assert_eq!(
            found,
            [
                ("listen", 2, &Value::Text("127.0.0.1:1".to_owned())),
                ("max-scans", 4, &Value::Integer(16)),
                ("allow-plain-http", 5, &Value::Boolean(true)),
                (
                    "egress-allow",
                    6,
                    &Value::List(vec!["a".to_owned(), "b".to_owned()])
                ),
                ("x", 10, &Value::Other("a number with a fraction")),
                ("database", 11, &Value::Other("a table")),
            ]
        );
    }

    #[test]
    fn every_line_with_a_mistake_is_named_and_none_is_quoted() {
        let text = "listen = secret1\nmax-scans = 1\nmax-scans = 2\nbase-url \"secret2\"\n";
        let (entries, problems) = parse(text);
        let lines: Vec<usize> = problems.iter().map(|it| it.line).collect();
        assert_eq!(lines, [1, 3, 4], "{problems:?}");
        assert!(
            problems.iter().all(|it| !it.text.contains("secret")),
            "{problems:?}"
        );
        assert!(problems.iter().all(|it| !it.text.contains('\n')), "{problems:?}");
        assert!(
            entries.iter().any(|it| it.key == "max-scans" && it.line == 2),
            "{entries:?}"
        );
    }
}
