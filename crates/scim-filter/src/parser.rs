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
    /// Parses a filter such as `userName eq "bjensen" and active eq true` (RFC 7644 section 3.4.2.2) in lenient mode.
    ///
    /// # Errors
    /// Fails when the text is not a filter or exceeds a limit of [`Options::default`].
    pub fn parse(text: &str) -> Result<Filter, ParseError> {
        Filter::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses a filter and reports the deviations from the RFC's grammar that were accepted.
    ///
    /// # Errors
    /// Fails when the text is not a filter in this mode or exceeds a limit.
    pub fn parse_with(text: &str, options: &Options) -> Result<Parsed<Filter>, ParseError> {
        parse(text, options, &FILTER, Builder::only_filter)
    }
}

impl PatchPath {
    /// Parses the path of a PATCH operation such as `emails[type eq "work"].value` (RFC 7644 section 3.5.2) in
    /// lenient mode.
    ///
    /// # Errors
    /// Fails when the text is not a path or exceeds a limit of [`Options::default`].
    pub fn parse(text: &str) -> Result<PatchPath, ParseError> {
        PatchPath::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses a PATCH path and reports the deviations from the RFC's grammar that were accepted.
    ///
    /// # Errors
    /// Fails when the text is not a path in this mode or exceeds a limit.
    pub fn parse_with(text: &str, options: &Options) -> Result<Parsed<PatchPath>, ParseError> {
        parse(text, options, &PATH, Builder::only_path).map_err(|mut error| {
            error.set_in_value_filter(brackets::is_in_value_filter(text, error.offset()));
            error
        })
    }
}

impl AttrPath {
    /// Parses an attribute path such as `name.familyName` (RFC 7644 section 3.10) in lenient mode. The parameters
    /// `sortBy`, `attributes` and `excludedAttributes` contain such paths.
    ///
    /// # Errors
    /// Fails when the text is not an attribute path or exceeds a limit of [`Options::default`].
    pub fn parse(text: &str) -> Result<AttrPath, ParseError> {
        AttrPath::parse_with(text, &Options::default()).map(|it| it.value)
    }

    /// Parses an attribute path and reports the deviations from the RFC's grammar that were accepted.
    ///
    /// # Errors
    /// Fails when the text is not an attribute path in this mode or exceeds a limit.
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

    /// Parses a JSON number (RFC 8259 section 6).
    ///
    /// # Errors
    /// Fails when the text is anything else.
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

/// The start rules of one kind of text. Attribute paths contain no values, so they need no rule with bare words.
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
    let mut start = Grammar::parse(rule, text)
        .map_err(|error| hint::syntax_error(text, rules.strict == Rule::strictFilter, &error))?;
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
