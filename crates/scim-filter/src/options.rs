//! Options of a parse, and the report that comes with the tree.

use std::fmt;

/// The grammar that a parse accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// RFC 7644 figure 1 with errata 4690, 7319 and 7322, to the letter.
    Strict,
    /// The strict grammar, plus the deviations of real clients that [`LeniencyKind`] lists.
    #[default]
    Lenient,
}

/// The mode of a parse, and its limits.
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
    /// The mode; lenient by default.
    pub mode: Mode,
    /// Whether a comparison value without quotes is read as a string: `userName eq alice`, as WSO2 sends it. `'` and
    /// `\` may occur within the word. Off by default, and without effect in strict mode.
    pub bare_words: bool,
    /// The greatest length of a text in bytes; 128 KiB by default.
    pub max_length: usize,
    /// The greatest number of nested parentheses and brackets; 128 by default, and never more than
    /// [`Options::DEPTH_CEILING`], so that the stack cannot overflow.
    pub max_depth: usize,
    /// The greatest number of tests such as `userName eq "x"` or `title pr`; 5,000 by default.
    pub max_terms: usize,
}

impl Options {
    /// The deepest nesting that any options allow. It fits into half of a thread's default stack, in a debug
    /// build too.
    pub const DEPTH_CEILING: usize = 200;

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Options::DEPTH_CEILING)
    }

    /// Returns options that accept exactly the grammar of RFC 7644 figures 1 and 7, with errata 4690,
    /// 7319 and 7322.
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

/// A tree, and the deviations from the RFC's grammar in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The tree.
    pub value: T,
    /// The deviations in text order; empty when strict mode accepts the text too.
    pub leniencies: Vec<Leniency>,
}

/// One place where a text deviates from the RFC's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leniency {
    /// The kind of deviation.
    pub kind: LeniencyKind,
    /// The byte offset in the text.
    pub offset: usize,
}

/// A deviation from the RFC's grammar that lenient mode accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeniencyKind {
    /// Blanks, tabs or line breaks where RFC 7644 figure 1 has a single blank or none, or a missing blank next to a
    /// quote, parenthesis or bracket: `value eq"x"`, `( a pr )`.
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
            LeniencyKind::SubAttributeOfValuePath => "a comparison after a bracket",
            LeniencyKind::BareWord => "a value without quotes",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}
