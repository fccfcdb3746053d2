//! The entry points: limits first, then the grammar, then the tree.

use std::str::FromStr;

use pest::Parser;
use pest::iterators::Pairs;

use crate::ast::{AttrPath, Filter, Number, PatchPath};
use crate::brackets;
use crate::error::{Kind, ParseError};
use crate::grammar::{Grammar, Rule};
use crate::hint;
use crate::options::{Mode, Options, Parsed};
use crate::tree::Builder;

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
        parse(text, options, &FILTER, Builder::only_filter)
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
        parse(text, options, &PATH, Builder::only_path).map_err(|mut error| {
            error.set_in_value_filter(brackets::is_in_value_filter(text, error.offset()));
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
        parse(text, options, &ATTR_PATH, Builder::only_attr_path)
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

impl FromStr for Number {
    type Err = ParseError;

    /// Takes a number as JSON writes it (RFC 8259 section 6).
    fn from_str(text: &str) -> Result<Number, ParseError> {
        match Grammar::parse(Rule::onlyNumber, text) {
            Ok(_) => Ok(Number(text.into())),
            Err(_) => Err(ParseError::syntax(
                text,
                0,
                "a number such as `1` or `-2.5e3`",
                None,
            )),
        }
    }
}

/// The start rules of one kind of text. Attribute paths hold no values, so no bare words either.
struct StartRules {
    strict: Rule,
    lenient: Rule,
    bare_words: Rule,
}

const FILTER: StartRules = StartRules {
    strict: Rule::strictFilter,
    lenient: Rule::lenientFilter,
    bare_words: Rule::bareWordFilter,
};
const PATH: StartRules = StartRules {
    strict: Rule::strictPath,
    lenient: Rule::lenientPath,
    bare_words: Rule::bareWordPath,
};
const ATTR_PATH: StartRules = StartRules {
    strict: Rule::strictAttrPath,
    lenient: Rule::lenientAttrPath,
    bare_words: Rule::lenientAttrPath,
};

fn parse<T>(
    text: &str,
    options: &Options,
    rules: &StartRules,
    build: fn(&mut Builder, Pairs<'_, Rule>) -> T,
) -> Result<Parsed<T>, ParseError> {
    if text.len() > options.max_length {
        return Err(ParseError::limit(text, 0, Kind::TooLong(options.max_length)));
    }
    // pest recurses at each parenthesis and bracket.
    if let Some(offset) = brackets::too_deep(text, options.depth()) {
        return Err(ParseError::limit(text, offset, Kind::TooDeep(options.depth())));
    }
    let rule = match options.mode {
        Mode::Strict => rules.strict,
        Mode::Lenient if options.bare_words => rules.bare_words,
        Mode::Lenient => rules.lenient,
    };
    let mut start = Grammar::parse(rule, text).map_err(|error| hint::syntax_error(text, &error))?;
    let start = start.next().expect("a start rule has one pair").into_inner();
    let mut builder = Builder::new(options.max_terms);
    let value = build(&mut builder, start);
    if let Some(offset) = builder.too_many {
        return Err(ParseError::limit(
            text,
            offset,
            Kind::TooManyTerms(options.max_terms),
        ));
    }
    Ok(Parsed {
        value,
        leniencies: builder.leniencies,
    })
}
