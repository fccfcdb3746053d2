//! From pest's pairs to the tree: one function for each rule of the grammar.
//!
//! The grammar guarantees which pairs a rule contains, so nothing can fail here.

use std::mem;

use pest::iterators::{Pair, Pairs};

use crate::ast::{AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath};
use crate::grammar::Rule;
use crate::options::{Leniency, LeniencyKind};

/// Builds a tree, and records the leniencies and the first test beyond the limit.
pub(crate) struct Builder {
    /// The leniencies that the text needed, in text order.
    pub(crate) leniencies: Vec<Leniency>,
    /// The offset where the attribute path of the first test beyond the limit ends.
    pub(crate) too_many: Option<usize>,
    tests_left: usize,
}

impl Builder {
    pub(crate) fn new(max_tests: usize) -> Builder {
        Builder {
            leniencies: Vec::new(),
            too_many: None,
            tests_left: max_tests,
        }
    }

    pub(crate) fn only_filter(&mut self, mut pairs: Pairs<'_, Rule>) -> Filter {
        let filter = self.expect(&mut pairs);
        let filter = self.filter(filter);
        self.next(&mut pairs);
        filter
    }

    pub(crate) fn only_path(&mut self, mut pairs: Pairs<'_, Rule>) -> PatchPath {
        let path = self.expect(&mut pairs);
        let path = self.attr_path(path);
        let filter = self.expect(&mut pairs);
        if filter.as_rule() != Rule::valFilter {
            return PatchPath::Attr(path);
        }
        let filter = self.val_filter(filter);
        let mut sub = None;
        if let Some(pair) = self.next(&mut pairs)
            && pair.as_rule() == Rule::subAttr
        {
            sub = Some(self.sub_attr(pair).to_owned());
            self.next(&mut pairs);
        }
        PatchPath::Value {
            value_path: ValuePath { path, filter },
            sub,
        }
    }

    pub(crate) fn only_attr_path(&mut self, mut pairs: Pairs<'_, Rule>) -> AttrPath {
        let path = self.expect(&mut pairs);
        let path = self.attr_path(path);
        self.next(&mut pairs);
        path
    }

    fn filter(&mut self, pair: Pair<'_, Rule>) -> Filter {
        self.log_exp(pair, Builder::term, Filter::and, Filter::or)
    }

    fn term(&mut self, pair: Pair<'_, Rule>, rest: &mut Pairs<'_, Rule>) -> Filter {
        match pair.as_rule() {
            Rule::group => self.group(pair),
            Rule::not => Filter::Not(Box::new(self.not(pair))),
            _ => self.attr_test(pair, rest),
        }
    }

    fn not(&mut self, pair: Pair<'_, Rule>) -> Filter {
        let group = self.expect(&mut pair.into_inner());
        self.group(group)
    }

    fn group(&mut self, pair: Pair<'_, Rule>) -> Filter {
        let mut pairs = pair.into_inner();
        let filter = self.expect(&mut pairs);
        let filter = self.filter(filter);
        self.next(&mut pairs);
        filter
    }

    /// An `attrExp` or a `valuePath`, whose other parts follow the attribute path.
    fn attr_test(&mut self, path: Pair<'_, Rule>, rest: &mut Pairs<'_, Rule>) -> Filter {
        let path_end = path.as_span().end();
        let path = self.attr_path(path);
        let part = self.expect(rest);
        if part.as_rule() != Rule::valFilter {
            return Filter::Attr(self.test(path, path_end, &part, rest));
        }
        let mut filter = self.val_filter(part);
        if rest.peek().is_some_and(|it| it.as_rule() == Rule::subAttrTest) {
            let test = self.expect(rest);
            filter = ValFilter::and(vec![filter, ValFilter::Attr(self.sub_attr_test(test))]);
        }
        Filter::ValuePath(ValuePath { path, filter })
    }

    fn sub_attr_test(&mut self, pair: Pair<'_, Rule>) -> AttrExp {
        self.note(LeniencyKind::SubAttributeOfValuePath, pair.as_span().start());
        let mut pairs = pair.into_inner();
        let name = self.expect(&mut pairs);
        let name_end = name.as_span().end();
        let path = AttrPath::from_text(self.sub_attr(name), None, None);
        let operator = self.expect(&mut pairs);
        self.test(path, name_end, &operator, &mut pairs)
    }

    fn val_filter(&mut self, pair: Pair<'_, Rule>) -> ValFilter {
        self.log_exp(pair, Builder::val_term, ValFilter::and, ValFilter::or)
    }

    fn val_term(&mut self, pair: Pair<'_, Rule>, rest: &mut Pairs<'_, Rule>) -> ValFilter {
        match pair.as_rule() {
            Rule::valGroup => self.val_group(pair),
            Rule::valNot => ValFilter::Not(Box::new(self.val_not(pair))),
            _ => ValFilter::Attr(self.attr_exp(pair, rest)),
        }
    }

    fn val_not(&mut self, pair: Pair<'_, Rule>) -> ValFilter {
        let group = self.expect(&mut pair.into_inner());
        self.val_group(group)
    }

    fn val_group(&mut self, pair: Pair<'_, Rule>) -> ValFilter {
        let mut pairs = pair.into_inner();
        let filter = self.expect(&mut pairs);
        let filter = self.val_filter(filter);
        self.next(&mut pairs);
        filter
    }

    fn attr_exp(&mut self, path: Pair<'_, Rule>, rest: &mut Pairs<'_, Rule>) -> AttrExp {
        let path_end = path.as_span().end();
        let path = self.attr_path(path);
        let operator = self.expect(rest);
        self.test(path, path_end, &operator, rest)
    }

    fn test(
        &mut self,
        path: AttrPath,
        path_end: usize,
        operator: &Pair<'_, Rule>,
        rest: &mut Pairs<'_, Rule>,
    ) -> AttrExp {
        match self.tests_left.checked_sub(1) {
            Some(left) => self.tests_left = left,
            None => self.too_many = self.too_many.or(Some(path_end)),
        }
        if operator.as_rule() == Rule::present {
            return AttrExp::Present(path);
        }
        let op = CompareOp::from_word(operator.as_str()).expect("the grammar has the same operators");
        let value = self.expect(rest);
        AttrExp::Compare(path, op, self.comp_value(value))
    }

    fn attr_path(&mut self, pair: Pair<'_, Rule>) -> AttrPath {
        let text = pair.as_str();
        let start = pair.as_span().start();
        let (mut colon, mut dot) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::uri => colon = Some(part.as_span().end() - start - 1),
                _ => dot = Some(part.as_span().start() - start - 1),
            }
        }
        let name = colon.map_or(0, |it| it + 1);
        self.name(&text[name..], start + name);
        AttrPath::from_text(text, colon, dot)
    }

    /// Returns the name after the dot.
    fn sub_attr<'t>(&mut self, pair: Pair<'t, Rule>) -> &'t str {
        let name = self.expect(&mut pair.into_inner());
        self.name(name.as_str(), name.as_span().start());
        name.as_str()
    }

    fn name(&mut self, name: &str, offset: usize) {
        if let Some(dollar) = name.find('$') {
            self.note(LeniencyKind::DollarName, offset + dollar);
        }
    }

    fn comp_value(&mut self, pair: Pair<'_, Rule>) -> CompValue {
        let text = pair.as_str();
        let start = pair.as_span().start();
        match pair.as_rule() {
            Rule::string => CompValue::String(string(pair)),
            Rule::number => CompValue::Number(Number(text.to_owned())),
            Rule::literal => literal(text),
            Rule::otherLiteral => {
                self.note(LeniencyKind::LiteralCase, start);
                literal(text)
            }
            Rule::singleQuoted => {
                self.note(LeniencyKind::SingleQuotes, start);
                CompValue::String(string(pair))
            }
            _ => {
                self.note(LeniencyKind::BareWord, start);
                CompValue::String(text.to_owned())
            }
        }
    }

    /// Joins terms. `and` binds tighter than `or` (RFC 7644 section 3.4.2.2).
    fn log_exp<T>(
        &mut self,
        pair: Pair<'_, Rule>,
        term: fn(&mut Builder, Pair<'_, Rule>, &mut Pairs<'_, Rule>) -> T,
        and: fn(Vec<T>) -> T,
        or: fn(Vec<T>) -> T,
    ) -> T {
        let mut pairs = pair.into_inner();
        let first = self.expect(&mut pairs);
        let first = term(self, first, &mut pairs);
        let Some(mut log_op) = self.next(&mut pairs) else {
            return first;
        };
        let mut conjunction = vec![first];
        let mut disjunction = Vec::new();
        loop {
            if log_op.as_str().starts_with(['o', 'O']) {
                disjunction.push(and(mem::take(&mut conjunction)));
            }
            let operand = self.expect(&mut pairs);
            conjunction.push(term(self, operand, &mut pairs));
            match self.next(&mut pairs) {
                Some(next) => log_op = next,
                None => break,
            }
        }
        let last = and(conjunction);
        if disjunction.is_empty() {
            return last;
        }
        disjunction.push(last);
        or(disjunction)
    }

    /// Returns the next pair that is part of the tree, and records unusual blanks before it.
    #[inline]
    fn next<'t>(&mut self, pairs: &mut Pairs<'t, Rule>) -> Option<Pair<'t, Rule>> {
        loop {
            let pair = pairs.next()?;
            if !matches!(pair.as_rule(), Rule::whitespace | Rule::anyBlanks) {
                return Some(pair);
            }
            self.note(LeniencyKind::Whitespace, pair.as_span().start());
        }
    }

    #[inline]
    fn expect<'t>(&mut self, pairs: &mut Pairs<'t, Rule>) -> Pair<'t, Rule> {
        self.next(pairs).expect("the grammar has one more part here")
    }

    fn note(&mut self, kind: LeniencyKind, offset: usize) {
        self.leniencies.push(Leniency { kind, offset });
    }
}

fn literal(text: &str) -> CompValue {
    match text.as_bytes()[0] {
        b't' | b'T' => CompValue::Bool(true),
        b'f' | b'F' => CompValue::Bool(false),
        _ => CompValue::Null,
    }
}

/// Returns the string without its quotes and escapes.
fn string(pair: Pair<'_, Rule>) -> String {
    let input = pair.get_input();
    let span = pair.as_span();
    let mut plain = span.start() + 1;
    let mut value = String::with_capacity(span.end() - plain - 1);
    // Only escapes have pairs; the characters between them do not.
    for part in pair.into_inner() {
        value.push_str(&input[plain..part.as_span().start()]);
        value.push(escape(part.as_str()));
        plain = part.as_span().end();
    }
    value.push_str(&input[plain..span.end() - 1]);
    value
}

/// RFC 8259 section 7, and `\'` in single quotes.
fn escape(text: &str) -> char {
    match text.as_bytes()[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let units = text[2..]
                .split("\\u")
                .map(|it| u16::from_str_radix(it, 16).expect("four digits"));
            let mut characters = char::decode_utf16(units);
            characters
                .next()
                .and_then(Result::ok)
                .expect("the grammar pairs surrogates")
        }
        itself => char::from(itself),
    }
}
