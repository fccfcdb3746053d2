//! From text to tree; the only file that knows pest.

use std::str::FromStr;

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use crate::ast::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath,
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
        parse(text, options, Rule::filter, |walk, pairs| {
            walk.expression(pairs, "")
        })
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
        parse(text, options, Rule::path, |walk, pairs| {
            walk.patch_path(pairs)
        })
        .map_err(|mut error| {
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
        parse(text, options, Rule::attribute, |walk, pairs| {
            let path = next(pairs);
            walk.attr_path(&path, "")
        })
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
    options: &Options,
    rule: Rule,
    walk: impl FnOnce(&mut Walk<'t, '_>, &mut Pairs<'t, Rule>) -> Result<T, ParseError>,
) -> Result<Parsed<T>, ParseError> {
    if text.len() > options.max_length {
        return Err(ParseError::limit(
            text,
            0,
            Kind::TooLong(options.max_length),
        ));
    }
    check_depth(text, options.max_depth.min(Options::DEPTH_CEILING))?;
    let mut pairs = match Grammar::parse(rule, text) {
        Ok(pairs) => pairs,
        Err(error) => {
            return Err(explain::explain(
                text,
                options,
                rule.into(),
                offset_of(&error),
            ));
        }
    };
    let mut state = Walk {
        text,
        options,
        end: 0,
        terms: 0,
        leniencies: Vec::new(),
    };
    let value = walk(&mut state, &mut pairs)?;
    state.gap(text.len(), "")?;
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
            Rule::path => explain::Start::Path,
            Rule::attribute => explain::Start::Attribute,
            _ => explain::Start::Filter,
        }
    }
}

/// Nesting is counted before the recursive parser sees the text. Where a quote does not
/// start a string the grammar stops, so that counting the rest wrongly does no harm.
fn check_depth(text: &str, max: usize) -> Result<(), ParseError> {
    let bytes = text.as_bytes();
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
struct Walk<'t, 'o> {
    text: &'t str,
    options: &'o Options,
    /// Where the last token ended.
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

impl<'t> Walk<'t, '_> {
    /// `term ((and | or) term)*`, up to the end of `pairs`. `gap` is what strictly
    /// stands before the first term.
    fn expression<T: Tree>(
        &mut self,
        pairs: &mut Pairs<'t, Rule>,
        gap: &str,
    ) -> Result<T, ParseError> {
        let mut alternatives = Vec::new();
        let mut conjuncts = Vec::new();
        let mut term = self.term(pairs, gap)?;
        while let Some(operator) = pairs.next() {
            match operator.as_rule() {
                Rule::and => conjuncts.push(term),
                Rule::or => alternatives.push(conjunction(&mut conjuncts, term)),
                _ => break, // the end of the text
            }
            self.token(&operator, " ")?;
            term = self.term(pairs, " ")?;
        }
        let term = conjunction(&mut conjuncts, term);
        if alternatives.is_empty() {
            return Ok(term);
        }
        alternatives.push(term);
        Ok(T::or(alternatives))
    }

    fn term<T: Tree>(&mut self, pairs: &mut Pairs<'t, Rule>, gap: &str) -> Result<T, ParseError> {
        let first = next(pairs);
        match first.as_rule() {
            Rule::group | Rule::valGroup => {
                self.gap(first.as_span().start(), gap)?;
                self.end = first.as_span().start() + 1;
                self.parenthesised(first)
            }
            Rule::not | Rule::valNot => {
                let start = first.as_span().start();
                self.gap(start, gap)?;
                let word_end = start + "not".len();
                // Erratum 7319 has a blank before the parenthesis, figure 1 none.
                let blanks = self.text[word_end..]
                    .find('(')
                    .expect("the grammar has one here");
                if blanks > 0 {
                    self.end = word_end;
                    self.gap(word_end + blanks, " ")?;
                }
                self.end = word_end + blanks + 1;
                Ok(T::not(self.parenthesised(first)?))
            }
            _ => self.test(&first, pairs, gap),
        }
    }

    fn parenthesised<T: Tree>(&mut self, group: Pair<'t, Rule>) -> Result<T, ParseError> {
        let end = group.as_span().end();
        let inner = self.expression(&mut group.into_inner(), "")?;
        self.gap(end - 1, "")?;
        self.end = end;
        Ok(inner)
    }

    /// What starts with an attribute path: a test of it, or a value path.
    fn test<T: Tree>(
        &mut self,
        path: &Pair<'t, Rule>,
        pairs: &mut Pairs<'t, Rule>,
        gap: &str,
    ) -> Result<T, ParseError> {
        let path = self.attr_path(path, gap)?;
        let second = next(pairs);
        if second.as_rule() != Rule::brackets {
            return self.attr_exp(path, &second, pairs).map(T::test);
        }
        let mut filter = self.brackets(second)?;
        if pairs.peek().is_some_and(|it| it.as_rule() == Rule::subAttr) {
            let sub = next(pairs);
            self.lenient(LeniencyKind::SubAttributeOfValuePath, sub.as_span().start())?;
            let sub = AttrPath {
                urn: None,
                name: self.sub_attr(&sub)?,
                sub: None,
            };
            let operator = next(pairs);
            let test = self.attr_exp(sub, &operator, pairs)?;
            filter = ValFilter::and(vec![filter, ValFilter::Attr(test)]);
        }
        Ok(T::value_path(ValuePath { path, filter }))
    }

    fn attr_exp(
        &mut self,
        path: AttrPath,
        operator: &Pair<'t, Rule>,
        pairs: &mut Pairs<'t, Rule>,
    ) -> Result<AttrExp, ParseError> {
        self.terms += 1;
        if self.terms > self.options.max_terms {
            let at = operator.as_span().start();
            return Err(ParseError::limit(
                self.text,
                at,
                Kind::TooManyTerms(self.options.max_terms),
            ));
        }
        let word = self.token(operator, " ")?;
        if operator.as_rule() == Rule::pr {
            return Ok(AttrExp::Present(path));
        }
        let op = CompareOp::from_word(word).expect("the grammar knows the same operators");
        let value = next(pairs);
        Ok(AttrExp::Compare(path, op, self.comp_value(&value)?))
    }

    fn comp_value(&mut self, value: &Pair<'t, Rule>) -> Result<CompValue, ParseError> {
        let text = self.token(value, " ")?;
        let at = self.end - text.len();
        match value.as_rule() {
            Rule::string => self.unescape(text, at),
            Rule::quoted => {
                self.lenient(LeniencyKind::SingleQuotes, at)?;
                self.unescape(text, at)
            }
            Rule::number => Ok(CompValue::Number(Number(text.to_owned()))),
            Rule::literal => {
                if text.bytes().any(|it| it.is_ascii_uppercase()) {
                    self.lenient(LeniencyKind::LiteralCase, at)?;
                }
                Ok(match text.as_bytes()[0] {
                    b't' | b'T' => CompValue::Bool(true),
                    b'f' | b'F' => CompValue::Bool(false),
                    _ => CompValue::Null,
                })
            }
            _ => {
                if !self.options.bare_words || self.options.mode == Mode::Strict {
                    return Err(explain::bad_value(self.text, at, self.options));
                }
                self.lenient(LeniencyKind::BareWord, at)?;
                Ok(CompValue::String(text.to_owned()))
            }
        }
    }

    /// A string without its quotes and escapes (RFC 8259 section 7).
    fn unescape(&self, quoted: &str, at: usize) -> Result<CompValue, ParseError> {
        let text = &quoted[1..quoted.len() - 1];
        if !text.as_bytes().contains(&b'\\') {
            return Ok(CompValue::String(text.to_owned()));
        }
        unescape(text)
            .map(CompValue::String)
            .map_err(|inner| explain::lone_surrogate(self.text, at + 1 + inner))
    }

    fn brackets(&mut self, brackets: Pair<'t, Rule>) -> Result<ValFilter, ParseError> {
        let span = brackets.as_span();
        let opening = span.start()
            + span
                .as_str()
                .find('[')
                .expect("the grammar starts brackets with one");
        self.gap(opening, "")?;
        self.end = opening + 1;
        self.parenthesised(brackets)
    }

    fn sub_attr(&mut self, sub: &Pair<'t, Rule>) -> Result<String, ParseError> {
        let text = self.token(sub, "")?;
        self.dollar(text)?;
        Ok(text[1..].to_owned())
    }

    /// The URN is everything left of the last colon; the dot behind it is no part of a version.
    fn attr_path(&mut self, path: &Pair<'t, Rule>, gap: &str) -> Result<AttrPath, ParseError> {
        let text = self.token(path, gap)?;
        let (urn, text) = match text.rfind(':') {
            Some(colon) => (Some(text[..colon].to_owned()), &text[colon + 1..]),
            None => (None, text),
        };
        self.dollar(text)?;
        let (name, sub) = match text.split_once('.') {
            Some((name, sub)) => (name, Some(sub.to_owned())),
            None => (text, None),
        };
        Ok(AttrPath {
            urn,
            name: name.to_owned(),
            sub,
        })
    }

    /// `text` is the last token or its end.
    fn dollar(&mut self, text: &str) -> Result<(), ParseError> {
        match text.find('$') {
            Some(inner) => self.lenient(LeniencyKind::DollarName, self.end - text.len() + inner),
            None => Ok(()),
        }
    }

    fn patch_path(&mut self, pairs: &mut Pairs<'t, Rule>) -> Result<PatchPath, ParseError> {
        let first = next(pairs);
        let path = self.attr_path(&first, "")?;
        let second = next(pairs);
        if second.as_rule() != Rule::brackets {
            return Ok(PatchPath::Attr(path));
        }
        let filter = self.brackets(second)?;
        let third = next(pairs);
        let sub = match third.as_rule() {
            Rule::subAttr => Some(self.sub_attr(&third)?),
            _ => None,
        };
        Ok(PatchPath::Value {
            value_path: ValuePath { path, filter },
            sub,
        })
    }

    /// The text of a token, before which strictly `gap` stands.
    fn token(&mut self, token: &Pair<'t, Rule>, gap: &str) -> Result<&'t str, ParseError> {
        let span = token.as_span();
        self.gap(span.start(), gap)?;
        self.end = span.end();
        Ok(&self.text[span.start()..span.end()])
    }

    /// Compares what stands between the last token and `next` with what strictly should.
    fn gap(&mut self, next: usize, strictly: &str) -> Result<(), ParseError> {
        let between = &self.text.as_bytes()[self.end..next];
        if between == strictly.as_bytes() {
            return Ok(());
        }
        let same = between
            .iter()
            .zip(strictly.bytes())
            .take_while(|(a, b)| **a == *b)
            .count();
        self.lenient(LeniencyKind::Whitespace, self.end + same)
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

fn conjunction<T: Tree>(conjuncts: &mut Vec<T>, last: T) -> T {
    if conjuncts.is_empty() {
        return last;
    }
    conjuncts.push(last);
    T::and(std::mem::take(conjuncts))
}

fn next<'t>(pairs: &mut Pairs<'t, Rule>) -> Pair<'t, Rule> {
    pairs.next().expect("the grammar has a token here")
}

/// Resolves the escapes of a string that the grammar has matched; the error is the offset
/// of one half of a surrogate pair.
fn unescape(text: &str) -> Result<String, usize> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let offset = text.len() - rest.len() + at;
        let (c, length) = match rest.as_bytes()[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode_escape(&rest[at..]).ok_or(offset)?,
            other => (char::from(other), 2),
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
