//! From text to tree; the only file that knows pest.

use std::mem;
use std::str::FromStr;

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use crate::ast::{AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath};
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
            error.in_value_filter = explain::within_closed_brackets(text, error.offset);
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
    walk: impl FnOnce(&mut Walk<'t>, Pairs<'t, Rule>) -> Result<T, ParseError>,
) -> Result<Parsed<T>, ParseError> {
    if text.len() > options.max_length {
        return Err(ParseError::limit(text, 0, Kind::TooLong(options.max_length)));
    }
    check_depth(text, options.max_depth.min(Options::DEPTH_CEILING))?;
    let pairs = match Grammar::parse(rule, text) {
        Ok(pairs) => pairs,
        Err(error) => {
            return Err(explain::explain(text, options, rule.into(), offset_of(&error)));
        }
    };
    let mut state = Walk {
        text,
        options,
        start: rule.into(),
        end: 0,
        terms: 0,
        leniencies: Vec::new(),
    };
    let value = walk(&mut state, pairs)?;
    if !text[state.end..].bytes().all(is_blank) {
        return state.refuse();
    }
    state.blanks("")?;
    Ok(Parsed {
        value,
        leniencies: state.leniencies,
    })
}

fn offset_of(error: &pest::error::Error<Rule>) -> usize {
    match error.location {
        pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
    }
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

/// Nesting is counted before the recursive parser sees the text. Where a quote does not
/// start a string the grammar stops, so that counting the rest wrongly does no harm.
fn check_depth(text: &str, max: usize) -> Result<(), ParseError> {
    let bytes = text.as_bytes();
    // Nearly always there are too few of them to nest too deep.
    if bytes.iter().filter(|it| matches!(it, b'(' | b'[')).count() <= max {
        return Ok(());
    }
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => {
                depth += 1;
                if depth > max {
                    return Err(ParseError::limit(text, at, Kind::TooDeep(max)));
                }
            }
            b')' | b']' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at + 1, quote),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Turns the flat run of pairs into a tree, and sees to what the strict mode forbids.
/// It reads on from `end`; what the grammar has matched it need not doubt.
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
struct Group<'t, T> {
    pairs: Pairs<'t, Rule>,
    negated: bool,
    alternatives: Vec<T>,
    conjuncts: Vec<T>,
    last: Option<T>,
}

impl<'t, T: Tree> Group<'t, T> {
    fn new(pairs: Pairs<'t, Rule>, negated: bool) -> Group<'t, T> {
        Group {
            pairs,
            negated,
            alternatives: Vec::new(),
            conjuncts: Vec::new(),
            last: None,
        }
    }

    fn finish(mut self) -> T {
        let last = self.last.expect("the grammar has a term in every group");
        let last = conjunction(&mut self.conjuncts, last);
        if self.alternatives.is_empty() {
            return last;
        }
        self.alternatives.push(last);
        T::or(self.alternatives)
    }
}

impl<'t> Walk<'t> {
    /// `term ((and | or) term)*`, up to the end of `pairs`. Groups wait on a stack of
    /// their own, not on the thread's.
    fn expression<T: Tree>(&mut self, pairs: Pairs<'t, Rule>) -> Result<T, ParseError> {
        // The usual filter, and the usual value filter, is a single test.
        if pairs.len() == 1
            && let Some(pair) = pairs.peek()
            && matches!(pair.as_rule(), Rule::test | Rule::valTest)
        {
            self.blanks("")?;
            return self.test(pair);
        }
        let mut outer = Vec::new();
        let mut group = Group::new(pairs, false);
        loop {
            let Some(pair) = group.pairs.next() else {
                let negated = group.negated;
                let inner = group.finish();
                let Some(waiting) = outer.pop() else {
                    return Ok(inner);
                };
                group = waiting;
                group.last = Some(if negated { T::not(inner) } else { inner });
                self.closing()?;
                continue;
            };
            match group.last.take() {
                Some(term) if self.log_op()? == b'a' => group.conjuncts.push(term),
                Some(term) => {
                    let term = conjunction(&mut group.conjuncts, term);
                    group.alternatives.push(term);
                }
                None => self.blanks("")?,
            }
            let negated = matches!(pair.as_rule(), Rule::not | Rule::valNot);
            if negated {
                self.end += "not".len();
                // Erratum 7319 has a blank before the parenthesis, figure 1 none.
                if self.byte() != b'(' {
                    self.blanks(" ")?;
                }
            }
            if self.byte() == b'(' {
                self.end += 1;
                outer.push(mem::replace(&mut group, Group::new(pair.into_inner(), negated)));
            } else {
                group.last = Some(self.test(pair)?);
            }
        }
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
    fn test<T: Tree>(&mut self, pair: Pair<'t, Rule>) -> Result<T, ParseError> {
        let end = self.before_blanks(pair.as_span().end());
        let path = self.attr_path(end)?;
        let next = self.text[self.end..].bytes().find(|it| !is_blank(*it));
        if next != Some(b'[') {
            return self.attr_exp(path, end, || pair.into_inner().next()).map(T::test);
        }
        let mut inner = pair.into_inner();
        let mut filter = self.brackets(inner.next().expect("a value path has brackets"))?;
        if self.end < end {
            self.lenient(LeniencyKind::SubAttributeOfValuePath, self.end)?;
            let sub = AttrPath {
                urn: None,
                name: self.sub_attr(end)?,
                sub: None,
            };
            let test = self.attr_exp(sub, end, || inner.next())?;
            filter = ValFilter::and(vec![filter, ValFilter::Attr(test)]);
        }
        Ok(T::value_path(ValuePath { path, filter }))
    }

    fn brackets(&mut self, brackets: Pair<'t, Rule>) -> Result<ValFilter, ParseError> {
        self.blanks("")?;
        self.end += 1;
        let filter = self.expression(brackets.into_inner())?;
        self.closing()?;
        Ok(filter)
    }

    /// The operator and value up to `end`. A value without quotes has a pair of its own.
    fn attr_exp(
        &mut self,
        path: AttrPath,
        end: usize,
        bare_word: impl FnOnce() -> Option<Pair<'t, Rule>>,
    ) -> Result<AttrExp, ParseError> {
        self.terms += 1;
        if self.terms > self.options.max_terms {
            let kind = Kind::TooManyTerms(self.options.max_terms);
            return Err(ParseError::limit(self.text, self.end, kind));
        }
        self.blanks(" ")?;
        let Some(op) = CompareOp::from_word(self.take(self.end + 2)) else {
            return Ok(AttrExp::Present(path));
        };
        if !is_blank(self.byte()) && !matches!(self.byte(), b'"' | b'\'') {
            return self.refuse();
        }
        self.blanks(" ")?;
        let at = self.end;
        let text = self.take(end);
        let value = match text.as_bytes()[0] {
            b'"' => self.string(text, at)?,
            b'\'' => {
                self.lenient(LeniencyKind::SingleQuotes, at)?;
                self.string(text, at)?
            }
            _ if bare_word().is_some() => {
                if !self.options.bare_words || self.options.mode == Mode::Strict {
                    return Err(explain::bad_value(self.text, at));
                }
                self.lenient(LeniencyKind::BareWord, at)?;
                CompValue::String(text.to_owned())
            }
            b'-' | b'0'..=b'9' => CompValue::Number(Number(text.to_owned())),
            first => {
                if text.bytes().any(|it| it.is_ascii_uppercase()) {
                    self.lenient(LeniencyKind::LiteralCase, at)?;
                }
                match first.to_ascii_lowercase() {
                    b't' => CompValue::Bool(true),
                    b'f' => CompValue::Bool(false),
                    _ => CompValue::Null,
                }
            }
        };
        Ok(AttrExp::Compare(path, op, value))
    }

    /// A string at `at`, without its quotes and escapes (RFC 8259 section 7).
    fn string(&self, quoted: &str, at: usize) -> Result<CompValue, ParseError> {
        let text = &quoted[1..quoted.len() - 1];
        if !text.bytes().any(|it| it < b' ' || it == b'\\') {
            return Ok(CompValue::String(text.to_owned()));
        }
        match unescape(text) {
            Ok(plain) => Ok(CompValue::String(plain)),
            Err(inner) => Err(explain::bad_character(self.text, at + 1 + inner)),
        }
    }

    /// The attribute path that starts here and lies before `limit`.
    fn attr_path(&mut self, limit: usize) -> Result<AttrPath, ParseError> {
        let start = self.end;
        let text = self.take_word(limit);
        // The URN is everything left of the last colon; dots before it belong to a version.
        let (urn, local) = match text.bytes().rposition(|it| it == b':') {
            Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
            None => (None, text),
        };
        let is_uri = |it| explain::not_of_a_uri(it).is_none();
        let (name, sub) = match local.bytes().position(|it| it == b'.') {
            Some(dot) => (&local[..dot], Some(&local[dot + 1..])),
            None => (local, None),
        };
        if !urn.is_none_or(is_uri) || !is_attr_name(name) || !sub.is_none_or(is_attr_name) {
            self.end = start;
            return self.refuse();
        }
        self.dollar(local)?;
        Ok(AttrPath {
            urn: urn.map(str::to_owned),
            name: name.to_owned(),
            sub: sub.map(str::to_owned),
        })
    }

    /// The name behind the dot that stands here.
    fn sub_attr(&mut self, limit: usize) -> Result<String, ParseError> {
        self.end += 1;
        let start = self.end;
        let name = self.take_word(limit);
        if !is_attr_name(name) {
            self.end = start;
            return self.refuse();
        }
        self.dollar(name)?;
        Ok(name.to_owned())
    }

    fn take_word(&mut self, limit: usize) -> &'t str {
        let rest = &self.text.as_bytes()[self.end..limit];
        let length = rest
            .iter()
            .position(|it| *it <= b' ' || *it == b'[')
            .unwrap_or(rest.len());
        self.take(self.end + length)
    }

    /// `name` has just been read.
    fn dollar(&mut self, name: &str) -> Result<(), ParseError> {
        match name.bytes().position(|it| it == b'$') {
            Some(inner) => self.lenient(LeniencyKind::DollarName, self.end - name.len() + inner),
            None => Ok(()),
        }
    }

    fn patch_path(&mut self, mut pairs: Pairs<'t, Rule>) -> Result<PatchPath, ParseError> {
        let path = self.leading_attr_path(&mut pairs)?;
        let Some(brackets) = pairs.next() else {
            return Ok(PatchPath::Attr(path));
        };
        let filter = self.brackets(brackets)?;
        let sub = match pairs.next() {
            Some(sub) => Some(self.sub_attr(sub.as_span().end())?),
            None => None,
        };
        Ok(PatchPath::Value {
            value_path: ValuePath { path, filter },
            sub,
        })
    }

    fn whole_attr_path(&mut self, mut pairs: Pairs<'t, Rule>) -> Result<AttrPath, ParseError> {
        self.leading_attr_path(&mut pairs)
    }

    fn leading_attr_path(&mut self, pairs: &mut Pairs<'t, Rule>) -> Result<AttrPath, ParseError> {
        let path = pairs.next().expect("the grammar starts a path with an attrPath");
        self.blanks("")?;
        self.attr_path(path.as_span().end())
    }

    /// Where a term ends whose pair, with the blanks behind it, ends at `end`.
    fn before_blanks(&self, mut end: usize) -> usize {
        let bytes = self.text.as_bytes();
        while is_blank(bytes[end - 1]) {
            end -= 1;
        }
        end
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes()[self.end]
    }

    fn take(&mut self, end: usize) -> &'t str {
        let taken = &self.text[self.end..end];
        self.end = end;
        taken
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
        Err(explain::explain(self.text, self.options, self.start, self.end))
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

/// ATTRNAME, with a `$` for the lenient mode.
fn is_attr_name(text: &str) -> bool {
    let first = text.strip_prefix('$').unwrap_or(text);
    first.starts_with(|it: char| it.is_ascii_alphabetic())
        && first
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'$'))
}

/// The grammar's `ws`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn conjunction<T: Tree>(conjuncts: &mut Vec<T>, last: T) -> T {
    if conjuncts.is_empty() {
        return last;
    }
    conjuncts.push(last);
    T::and(mem::take(conjuncts))
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
fn unicode_escape(text: &str) -> Option<(char, usize)> {
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
