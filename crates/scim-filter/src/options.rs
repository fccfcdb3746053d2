//! What a parse may accept, and what it reports beside the tree.

use std::fmt;

/// How much a parse accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// RFC 7644 figure 1 with errata 4690, 7319 and 7322, to the letter.
    Strict,
    /// Strict, and what real clients send beside it: see [`LeniencyKind`].
    #[default]
    Lenient,
}

/// How to parse, and the bounds on what is parsed.
///
/// ```
/// use scim_filter::{Filter, Options};
///
/// let options = Options { max_terms: 2, ..Options::default() };
/// assert!(Filter::parse_with("a pr or b pr", &options).is_ok());
/// assert!(Filter::parse_with("a pr or b pr or c pr", &options).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Lenient by default.
    pub mode: Mode,
    /// Reads a comparison value without quotes as a string: `userName eq alice`.
    /// WSO2 sends it. Off by default, and without effect in strict mode.
    pub bare_words: bool,
    /// Bytes; 128 KiB by default.
    pub max_length: usize,
    /// Levels of parentheses and brackets; 128 by default, and never more than
    /// [`Options::DEPTH_CEILING`], so that no stack overflows.
    pub max_depth: usize,
    /// Tests such as `userName eq "x"` or `title pr`; 5,000 by default.
    pub max_terms: usize,
}

impl Options {
    /// The deepest nesting that any options allow.
    pub const DEPTH_CEILING: usize = 200;

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Options::DEPTH_CEILING)
    }

    /// The RFC to the letter.
    pub fn strict() -> Options {
        Options {
            mode: Mode::Strict,
            ..Options::default()
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            mode: Mode::Lenient,
            bare_words: false,
            max_length: 128 * 1024,
            max_depth: 128,
            max_terms: 5_000,
        }
    }
}

/// A tree, and what its text needed the lenient mode for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The tree.
    pub value: T,
    /// In text order; empty when the strict mode accepts the text too.
    pub leniencies: Vec<Leniency>,
}

/// One place where a text departs from the RFC's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leniency {
    /// What was accepted.
    pub kind: LeniencyKind,
    /// Byte offset in the text.
    pub offset: usize,
}

/// What the lenient mode accepts beyond the RFC's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeniencyKind {
    /// Blanks, tabs or line ends where figure 1 has none or one blank, or no blank
    /// beside a quote, parenthesis or bracket: `value eq"x"`, `( a pr )`.
    Whitespace,
    /// `'x'` for `"x"`
    SingleQuotes,
    /// `True`, `NULL`
    LiteralCase,
    /// `$ref`: a name with `$` (RFC 7643 section 2.1, erratum 8924)
    DollarName,
    /// `emails[type eq "work"].value eq "x"`, which Microsoft Entra sends for
    /// `emails[type eq "work" and value eq "x"]`
    SubAttributeOfValuePath,
    /// `userName eq alice`, only with [`Options::bare_words`]
    BareWord,
}

impl fmt::Display for Leniency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            LeniencyKind::Whitespace => "unusual white space",
            LeniencyKind::SingleQuotes => "single quotes",
            LeniencyKind::LiteralCase => "a literal not in lower case",
            LeniencyKind::DollarName => "a name with `$`",
            LeniencyKind::SubAttributeOfValuePath => "a comparison behind a bracket",
            LeniencyKind::BareWord => "a value without quotes",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}
