//! From text to tree; the only file that knows the grammar.

use std::borrow::Cow;
use std::mem;
use std::str::FromStr;

use pest::Parser;

use crate::ast::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath, is_json_number,
};
use crate::error::{Kind, ParseError};
use crate::explain;
use crate::options::{Leniency, LeniencyKind, Mode, Options, Parsed};

impl Filter {
    /// Parses a filter such as `userName eq "bjensen" and active eq true`, leniently.
    ///
    /// # Errors
    /// Where the text is no filter, or beyond the bounds of [`Options::default`].
    pub fn parse(text: &str) -> Result<Filter, ParseError> {
        Filter::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses a filter and reports the leniencies it needed.
    ///
    /// # Errors
    /// Where the text is no filter in this mode, or beyond the bounds.
    pub fn parse_with(text: &str, options: &Options) -> Result<Parsed<Filter>, ParseError> {
        parse(text, options, Rule::FILTER, Walk::expression)
    }
}

impl PatchPath {
    /// Parses the path of a PATCH operation such as `emails[type eq "work"].value`,
    /// leniently.
    ///
    /// # Errors
    /// Where the text is no path, or beyond the bounds of [`Options::default`].
    pub fn parse(text: &str) -> Result<PatchPath, ParseError> {
        PatchPath::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses a PATCH path and reports the leniencies it needed.
    ///
    /// # Errors
    /// Where the text is no path in this mode, or beyond the bounds.
    pub fn parse_with(text: &str, options: &Options) -> Result<Parsed<PatchPath>, ParseError> {
        parse(text, options, Rule::PATH, Walk::patch_path).map_err(|mut error| {
            error.set_in_value_filter(explain::within_closed_brackets(text, error.offset()));
            error
        })
    }
}

impl AttrPath {
    /// Parses an attribute path such as `name.familyName`, as `sortBy`, `attributes` and
    /// `excludedAttributes` carry them (RFC 7644 section 3.10), leniently.
    ///
    /// # Errors
    /// Where the text is no attribute path, or beyond the bounds of [`Options::default`].
    pub fn parse(text: &str) -> Result<AttrPath, ParseError> {
        AttrPath::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses an attribute path and reports the leniencies it needed.
    ///
    /// # Errors
    /// Where the text is no attribute path in this mode, or beyond the bounds.
    pub fn parse_with(text: &str, options: &Options) -> Result<Parsed<AttrPath>, ParseError> {
        parse(text, options, Rule::attribute, Walk::whole_attr_path)
    }
}

impl FromStr for Filter {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Filter, ParseError> {
        Filter::parse(text)
    }
}

impl FromStr for PatchPath {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<PatchPath, ParseError> {
        PatchPath::parse(text)
    }
}

impl FromStr for AttrPath {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<AttrPath, ParseError> {
        AttrPath::parse(text)
    }
}

#[derive(pest_derive::Parser)]
#[grammar = "scim_filter.pest"]
struct Grammar;

fn parse<'t, T>(
    text: &'t str,
    options: &'t Options,
    rule: Rule,
    walk: impl FnOnce(&mut Walk<'t>) -> Result<T, ParseError>,
) -> Result<Parsed<T>, ParseError> {
    if text.len() > options.max_length {
        return Err(ParseError::limit(text, 0, Kind::TooLong(options.max_length)));
    }
    check_depth(text, options, rule.into())?;
    let mut state = Walk {
        text,
        options,
        start: rule.into(),
        end: 0,
        terms: 0,
        leniencies: Vec::new(),
    };
    if Grammar::parse(rule, &with_blanks_alone(text)).is_err() {
        return state.refuse();
    }
    let value = walk(&mut state)?;
    state.blanks("")?;
    if state.end < text.len() {
        return state.refuse();
    }
    Ok(Parsed {
        value,
        leniencies: state.leniencies,
    })
}

impl From<Rule> for explain::Start {
    fn from(rule: Rule) -> explain::Start {
        match rule {
            Rule::PATH => explain::Start::Path,
            Rule::attribute => explain::Start::Attribute,
            _ => explain::Start::Filter,
        }
    }
}

/// The grammar's only blank is the commonest one, for speed; the others become it here.
fn with_blanks_alone(text: &str) -> Cow<'_, str> {
    // To the end, as the compiler then looks at many bytes at once.
    let others = text.bytes().fold(false, |found, it| found | is_other_blank(it));
    if others {
        let replaced = text.replace(|it| u8::try_from(it).is_ok_and(is_other_blank), " ");
        return Cow::Owned(replaced);
    }
    Cow::Borrowed(text)
}

/// pest recurses with each opening sign, so there are not too many of them, or the explanation,
/// which reads without recursion, has found the nesting within bounds and no name with a quote
/// or parenthesis in it, which the grammar alone might take for another nesting.
fn check_depth(text: &str, options: &Options, start: explain::Start) -> Result<(), ParseError> {
    let max = options.depth();
    // Nearly always the text is too short, or has too few of them, to nest too deep.
    if text.len() <= max || text.bytes().filter(|it| matches!(it, b'(' | b'[')).count() <= max {
        return Ok(());
    }
    explain::mistake(text, options, start)
}

/// Reads the tree out of a text that the grammar has matched, which it need not doubt, and sees
/// to what the strict mode forbids.
struct Walk<'t> {
    text: &'t str,
    options: &'t Options,
    start: explain::Start,
    /// How far the text has been read.
    end: usize,
    terms: usize,
    leniencies: Vec<Leniency>,
}

/// What `Filter` and `ValFilter` have in common.
trait Tree: Sized {
    fn test(test: AttrExp) -> Self;
    fn value_path(value_path: ValuePath) -> Self;
    fn and(operands: Vec<Self>) -> Self;
    fn or(operands: Vec<Self>) -> Self;
    fn not(inner: Self) -> Self;
}

impl Tree for Filter {
    fn test(test: AttrExp) -> Filter {
        Filter::Attr(test)
    }
    fn value_path(value_path: ValuePath) -> Filter {
        Filter::ValuePath(value_path)
    }
    fn and(operands: Vec<Filter>) -> Filter {
        Filter::and(operands)
    }
    fn or(operands: Vec<Filter>) -> Filter {
        Filter::or(operands)
    }
    fn not(inner: Filter) -> Filter {
        Filter::Not(Box::new(inner))
    }
}

impl Tree for ValFilter {
    fn test(test: AttrExp) -> ValFilter {
        ValFilter::Attr(test)
    }
    fn value_path(_: ValuePath) -> ValFilter {
        unreachable!("the grammar has no brackets in a valFilter")
    }
    fn and(operands: Vec<ValFilter>) -> ValFilter {
        ValFilter::and(operands)
    }
    fn or(operands: Vec<ValFilter>) -> ValFilter {
        ValFilter::or(operands)
    }
    fn not(inner: ValFilter) -> ValFilter {
        ValFilter::Not(Box::new(inner))
    }
}

/// A run of terms, as far as it has been read.
struct Group<T> {
    negated: bool,
    alternatives: Vec<T>,
    conjuncts: Vec<T>,
}

impl<T: Tree> Group<T> {
    fn new(negated: bool) -> Group<T> {
        Group {
            negated,
            alternatives: Vec::new(),
            conjuncts: Vec::new(),
        }
    }

    /// `term` and what follows.
    fn and(&mut self, term: T) {
        self.conjuncts.push(term);
    }

    /// `term` or what follows.
    fn or(&mut self, term: T) {
        let term = self.conjunction(term);
        self.alternatives.push(term);
    }

    fn close(mut self, last: T) -> T {
        let last = self.conjunction(last);
        if self.alternatives.is_empty() {
            return last;
        }
        self.alternatives.push(last);
        T::or(self.alternatives)
    }

    fn conjunction(&mut self, last: T) -> T {
        if self.conjuncts.is_empty() {
            return last;
        }
        self.conjuncts.push(last);
        T::and(mem::take(&mut self.conjuncts))
    }
}

impl<'t> Walk<'t> {
    /// `term ((and | or) term)*`, up to the end or a bracket. Groups wait on a stack of
    /// their own, not on the thread's.
    fn expression<T: Tree>(&mut self) -> Result<T, ParseError> {
        let mut outer = Vec::new();
        let mut group = Group::new(false);
        self.blanks("")?;
        loop {
            if let Some(negated) = self.opening()? {
                outer.push(mem::replace(&mut group, Group::new(negated)));
                self.blanks("")?;
                continue;
            }
            let mut term = self.test()?;
            while self.byte_behind_blanks() == b')'
                && let Some(waiting) = outer.pop()
            {
                self.closing()?;
                let negated = group.negated;
                term = mem::replace(&mut group, waiting).close(term);
                if negated {
                    term = T::not(term);
                }
            }
            if matches!(self.byte_behind_blanks(), b']' | NOTHING) && outer.is_empty() {
                return Ok(group.close(term));
            }
            if self.log_op()? == b'a' {
                group.and(term);
            } else {
                group.or(term);
            }
        }
    }

    /// `(` or `not (`; whether it negates.
    fn opening(&mut self) -> Result<Option<bool>, ParseError> {
        if self.byte() == b'(' {
            self.end += 1;
            return Ok(Some(false));
        }
        let rest = &self.text.as_bytes()[self.end..];
        let is_not = rest
            .get(.."not".len())
            .is_some_and(|it| it.eq_ignore_ascii_case(b"not"))
            && rest["not".len()..].iter().find(|it| !is_blank(**it)) == Some(&b'(');
        if !is_not {
            return Ok(None);
        }
        self.end += "not".len();
        // Erratum 7319 has a blank before the parenthesis, figure 1 none.
        if self.byte() != b'(' {
            self.blanks(" ")?;
        }
        self.end += 1;
        Ok(Some(true))
    }

    fn closing(&mut self) -> Result<(), ParseError> {
        self.blanks("")?;
        self.end += 1;
        Ok(())
    }

    /// `and` or `or` with the blanks around it; answers its first letter.
    fn log_op(&mut self) -> Result<u8, ParseError> {
        let before = self.text.as_bytes()[self.end - 1];
        if !is_blank(self.byte()) && !matches!(before, b'"' | b'\'' | b')' | b']') {
            return self.refuse();
        }
        self.blanks(" ")?;
        let letter = self.byte().to_ascii_lowercase();
        self.end += if letter == b'a' { "and".len() } else { "or".len() };
        if !is_blank(self.byte()) && self.byte() != b'(' {
            return self.refuse();
        }
        self.blanks(" ")?;
        Ok(letter)
    }

    /// What starts with an attribute path: a test of it, or a value path.
    fn test<T: Tree>(&mut self) -> Result<T, ParseError> {
        let path = self.attr_path()?;
        if self.byte_behind_blanks() != b'[' {
            return self.attr_exp(path).map(T::test);
        }
        let mut filter = self.brackets()?;
        if self.byte() == b'.' {
            self.lenient(LeniencyKind::SubAttributeOfValuePath, self.end)?;
            let sub = self.sub_attr()?;
            filter = ValFilter::and(vec![filter, ValFilter::Attr(self.attr_exp(sub)?)]);
        }
        Ok(T::value_path(ValuePath { path, filter }))
    }

    fn brackets(&mut self) -> Result<ValFilter, ParseError> {
        self.blanks("")?;
        self.end += 1;
        let filter = self.expression()?;
        self.closing()?;
        Ok(filter)
    }

    /// The operator and value behind `path`.
    fn attr_exp(&mut self, path: AttrPath) -> Result<AttrExp, ParseError> {
        self.terms += 1;
        if self.terms > self.options.max_terms {
            let kind = Kind::TooManyTerms(self.options.max_terms);
            return Err(ParseError::limit(self.text, self.end, kind));
        }
        self.blanks(" ")?;
        let rest = &self.text[self.end..];
        self.end += 2;
        let Some(op) = rest.get(..2).and_then(CompareOp::from_word) else {
            return Ok(AttrExp::Present(path));
        };
        if !is_blank(self.byte()) && !matches!(self.byte(), b'"' | b'\'') {
            return self.refuse();
        }
        self.blanks(" ")?;
        Ok(AttrExp::Compare(path, op, self.comp_value()?))
    }

    fn comp_value(&mut self) -> Result<CompValue, ParseError> {
        let at = self.end;
        match self.byte() {
            b'"' => return self.string(),
            b'\'' => {
                self.lenient(LeniencyKind::SingleQuotes, at)?;
                return self.string();
            }
            _ => {}
        }
        let word = self.take_word(|it| is_blank(it) || matches!(it, b')' | b']'));
        let literal = match word.to_ascii_lowercase().as_str() {
            "true" => Some(CompValue::Bool(true)),
            "false" => Some(CompValue::Bool(false)),
            "null" => Some(CompValue::Null),
            _ => None,
        };
        if let Some(value) = literal {
            if word.bytes().any(|it| it.is_ascii_uppercase()) {
                self.lenient(LeniencyKind::LiteralCase, at)?;
            }
            return Ok(value);
        }
        if is_json_number(word) {
            return Ok(CompValue::Number(Number(word.into())));
        }
        if !self.options.bare_words || self.options.mode == Mode::Strict {
            return Err(explain::bad_value(self.text, at));
        }
        self.lenient(LeniencyKind::BareWord, at)?;
        Ok(CompValue::String(word.into()))
    }

    /// The string that starts here, without its quotes and escapes (RFC 8259 section 7).
    fn string(&mut self) -> Result<CompValue, ParseError> {
        let bytes = self.text.as_bytes();
        let quote = self.byte();
        let start = self.end + 1;
        let mut end = start;
        let mut is_plain = true;
        while end < bytes.len() && bytes[end] != quote {
            is_plain &= bytes[end] >= b' ' && bytes[end] != b'\\';
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.end = end + 1;
        let text = &self.text[start..end];
        if is_plain {
            return Ok(CompValue::String(text.into()));
        }
        match unescape(text) {
            Ok(plain) => Ok(CompValue::String(plain)),
            Err(inner) => Err(explain::bad_character(self.text, start + inner)),
        }
    }

    /// The attribute path that starts here.
    fn attr_path(&mut self) -> Result<AttrPath, ParseError> {
        let rest = &self.text.as_bytes()[self.end..];
        // The URN is everything left of the last colon; dots before it belong to a version.
        let mut urn = None;
        let mut dot = None;
        let mut dollar = None;
        let mut is_name = true;
        let mut length = 0;
        for byte in rest {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {}
                b'.' if dot.is_none() => dot = Some(length),
                b'$' => dollar = dollar.or(Some(length)),
                b':' => {
                    urn = Some(length);
                    (dot, dollar, is_name) = (None, None, true);
                }
                b'[' | b' ' | b'\t'..=b'\r' => break,
                _ => is_name = false,
            }
            length += 1;
        }
        let text = &self.text[self.end..self.end + length];
        let is_uri = |it| explain::not_of_a_uri(it).is_none();
        if !is_name
            || !starts_a_name(&rest[urn.map_or(0, |it| it + 1)..])
            || !dot.is_none_or(|it| starts_a_name(&rest[it + 1..]))
            || !urn.is_none_or(|it| is_uri(&text[..it]))
        {
            return self.refuse();
        }
        if let Some(dollar) = dollar {
            self.lenient(LeniencyKind::DollarName, self.end + dollar)?;
        }
        self.end += length;
        Ok(AttrPath::from_text(text, urn, dot))
    }

    /// The dot that stands here, and the name behind it.
    fn sub_attr(&mut self) -> Result<AttrPath, ParseError> {
        self.end += 1;
        let path = self.attr_path()?;
        if path.urn().is_some() || path.sub().is_some() {
            return self.refuse();
        }
        Ok(path)
    }

    fn patch_path(&mut self) -> Result<PatchPath, ParseError> {
        let path = self.whole_attr_path()?;
        if self.byte_behind_blanks() != b'[' {
            return Ok(PatchPath::Attr(path));
        }
        let filter = self.brackets()?;
        let sub = match self.byte() {
            b'.' => Some(self.sub_attr()?.name().to_owned()),
            _ => None,
        };
        Ok(PatchPath::Value {
            value_path: ValuePath { path, filter },
            sub,
        })
    }

    fn whole_attr_path(&mut self) -> Result<AttrPath, ParseError> {
        self.blanks("")?;
        self.attr_path()
    }

    /// What stands here, or [`NOTHING`] at the end.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.end).copied().unwrap_or(NOTHING)
    }

    fn byte_behind_blanks(&self) -> u8 {
        let mut rest = self.text.as_bytes()[self.end..].iter();
        rest.find(|it| !is_blank(**it)).copied().unwrap_or(NOTHING)
    }

    fn take_word(&mut self, is_end: impl Fn(u8) -> bool) -> &'t str {
        let rest = &self.text[self.end..];
        let length = rest.bytes().position(is_end).unwrap_or(rest.len());
        self.end += length;
        &rest[..length]
    }

    /// Reads the blanks that stand here, where strictly `expected` stands.
    #[inline]
    fn blanks(&mut self, expected: &str) -> Result<(), ParseError> {
        let rest = &self.text.as_bytes()[self.end..];
        // Nearly always just the expected stands here.
        if rest.starts_with(expected.as_bytes()) && !rest.get(expected.len()).is_some_and(|it| is_blank(*it))
        {
            self.end += expected.len();
            return Ok(());
        }
        self.unexpected_blanks(expected)
    }

    #[cold]
    fn unexpected_blanks(&mut self, expected: &str) -> Result<(), ParseError> {
        let start = self.end;
        let bytes = self.text.as_bytes();
        while bytes.get(self.end).is_some_and(|it| is_blank(*it)) {
            self.end += 1;
        }
        let found = &bytes[start..self.end];
        let same = found
            .iter()
            .zip(expected.bytes())
            .take_while(|(a, b)| **a == *b)
            .count();
        self.lenient(LeniencyKind::Whitespace, start + same)
    }

    /// Fails with what the grammar has left to the walk.
    fn refuse<T>(&self) -> Result<T, ParseError> {
        Err(explain::explain(self.text, self.options, self.start))
    }

    fn lenient(&mut self, kind: LeniencyKind, offset: usize) -> Result<(), ParseError> {
        let leniency = Leniency { kind, offset };
        if self.options.mode == Mode::Strict {
            return Err(explain::strictly(self.text, leniency));
        }
        self.leniencies.push(leniency);
        Ok(())
    }
}

/// Whether ATTRNAME starts so; a `$` before the letter is for the lenient mode.
fn starts_a_name(bytes: &[u8]) -> bool {
    matches!(bytes, [b'$', it, ..] | [it, ..] if it.is_ascii_alphabetic())
}

/// The grammar knows no NUL outside of strings.
const NOTHING: u8 = 0;

fn is_blank(byte: u8) -> bool {
    byte == b' ' || is_other_blank(byte)
}

fn is_other_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r')
}

/// Resolves the escapes of a string that the grammar has matched. The error is the offset
/// of a control character or of half a surrogate pair.
fn unescape(text: &str) -> Result<String, usize> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|it| it < b' ' || it == b'\\') {
        plain.push_str(&rest[..at]);
        let offset = text.len() - rest.len() + at;
        if rest.as_bytes()[at] != b'\\' {
            return Err(offset);
        }
        let (c, length) = match rest.as_bytes()[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode_escape(&rest[at..]).ok_or(offset)?,
            itself => (char::from(itself), 2),
        };
        plain.push(c);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    Ok(plain)
}

/// `\uXXXX` or a surrogate pair of them, and its length in bytes.
pub(crate) fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = unit(0)?;
    match high {
        0xD800..0xDC00 => match unit(6)? {
            low @ 0xDC00..0xE000 => {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                Some((char::from_u32(code)?, 12))
            }
            _ => None,
        },
        _ => Some((char::from_u32(high)?, 6)),
    }
}
