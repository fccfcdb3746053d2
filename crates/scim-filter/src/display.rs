//! The shortest canonical text of a tree, which parses to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use crate::ast::{AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath};

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Attr(test) => test.fmt(f),
            Filter::ValuePath(value_path) => value_path.fmt(f),
            Filter::And(operands) => join(f, operands, " and ", |it| matches!(it, Filter::Or(_))),
            Filter::Or(operands) => join(f, operands, " or ", |_| false),
            Filter::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}

impl Display for ValFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ValFilter::Attr(test) => test.fmt(f),
            ValFilter::And(operands) => join(f, operands, " and ", |it| matches!(it, ValFilter::Or(_))),
            ValFilter::Or(operands) => join(f, operands, " or ", |_| false),
            ValFilter::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}

/// Only an `or` under an `and` needs parentheses.
fn join<T: Display>(
    f: &mut Formatter<'_>,
    operands: &[T],
    word: &str,
    grouped: fn(&T) -> bool,
) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if grouped(operand) {
            write!(f, "({operand})")?;
        } else {
            operand.fmt(f)?;
        }
    }
    Ok(())
}

impl Display for AttrExp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AttrExp::Present(path) => write!(f, "{path} pr"),
            AttrExp::Compare(path, op, value) => write!(f, "{path} {op} {value}"),
        }
    }
}

impl Display for ValuePath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.path, self.filter)
    }
}

impl Display for PatchPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PatchPath::Attr(path) => path.fmt(f),
            PatchPath::Value {
                value_path,
                sub: None,
            } => value_path.fmt(f),
            PatchPath::Value {
                value_path,
                sub: Some(sub),
            } => write!(f, "{value_path}.{sub}"),
        }
    }
}

impl Display for AttrPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for CompValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CompValue::Bool(true) => f.write_str("true"),
            CompValue::Bool(false) => f.write_str("false"),
            CompValue::Null => f.write_str("null"),
            CompValue::Number(number) => number.fmt(f),
            CompValue::String(text) => json_string(f, text),
        }
    }
}

/// Writes a JSON string. Only the characters that RFC 8259 section 7 requires are escaped.
fn json_string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = text;
    while let Some(at) = plain.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        f.write_str(&plain[..at])?;
        let special = plain.as_bytes()[at];
        match special {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            0x08 => f.write_str("\\b")?,
            0x0C => f.write_str("\\f")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            other => write!(f, "\\u{other:04x}")?,
        }
        plain = &plain[at + 1..];
    }
    f.write_str(plain)?;
    f.write_char('"')
}
