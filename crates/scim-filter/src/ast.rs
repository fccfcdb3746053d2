//! The tree of a filter or path, with the rule names of RFC 7644 figure 1.
//!
//! Parsed trees are at most [`Options::DEPTH_CEILING`](crate::Options::DEPTH_CEILING) levels deep. Printing,
//! comparing and dropping a tree recurse once for each level, so a tree built by hand should have at most a few
//! thousand levels.

use std::fmt;
use std::iter;
use std::ops::Deref;

/// `FILTER` (RFC 7644 section 3.4.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// `userName eq "x"`, `title pr`
    Attr(AttrExp),
    /// `emails[type eq "work"]`: one value must match the whole value filter.
    ValuePath(ValuePath),
    /// At least two operands, none of them an `And` itself.
    And(Operands<Filter>),
    /// At least two operands, none of them an `Or` itself.
    Or(Operands<Filter>),
    /// `not (…)`
    Not(Box<Filter>),
}

/// `valFilter`: the filter in brackets. It contains no value paths (errata 4690 and 7322).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValFilter {
    /// `type eq "work"`
    Attr(AttrExp),
    /// At least two operands, none of them an `And` itself.
    And(Operands<ValFilter>),
    /// At least two operands, none of them an `Or` itself.
    Or(Operands<ValFilter>),
    /// `not (…)`
    Not(Box<ValFilter>),
}

/// `attrExp`: a test of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttrExp {
    /// `attrPath SP "pr"`
    Present(AttrPath),
    /// `attrPath SP compareOp SP compValue`
    Compare(AttrPath, CompareOp, CompValue),
}

/// `valuePath`: `attrPath "[" valFilter "]"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValuePath {
    /// The multi-valued (or single complex) attribute.
    pub path: AttrPath,
    /// The filter that one value must match.
    pub filter: ValFilter,
}

/// `attrPath`: `[URI ":"] ATTRNAME *1subAttr` (RFC 7644 section 3.10), in its original spelling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AttrPath {
    text: Box<str>,
    /// The offset of the ATTRNAME: after the colon, or 0.
    name: usize,
    /// The offset of the sub-attribute's name, or 0 without a sub-attribute.
    sub: usize,
}

/// `PATH` of a PATCH operation (RFC 7644 section 3.5.2 figure 7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PatchPath {
    /// `name.familyName`
    Attr(AttrPath),
    /// `emails[type eq "work"]` and `emails[type eq "work"].value`
    Value {
        /// The attribute and its value filter.
        value_path: ValuePath,
        /// The sub-attribute after the bracket.
        sub: Option<String>,
    },
}

/// `compareOp`: a comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum CompareOp {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl CompareOp {
    /// All nine operators, in the order of RFC 7644 table 3.
    pub const ALL: [CompareOp; 9] = [
        CompareOp::Eq,
        CompareOp::Ne,
        CompareOp::Co,
        CompareOp::Sw,
        CompareOp::Ew,
        CompareOp::Gt,
        CompareOp::Ge,
        CompareOp::Lt,
        CompareOp::Le,
    ];

    /// Returns the RFC's word in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            CompareOp::Eq => "eq",
            CompareOp::Ne => "ne",
            CompareOp::Co => "co",
            CompareOp::Sw => "sw",
            CompareOp::Ew => "ew",
            CompareOp::Gt => "gt",
            CompareOp::Ge => "ge",
            CompareOp::Lt => "lt",
            CompareOp::Le => "le",
        }
    }

    /// Returns the operator for a word in any letter case.
    pub fn from_word(word: &str) -> Option<CompareOp> {
        let letters: [u8; 2] = word.as_bytes().try_into().ok()?;
        match &letters.map(|it| it.to_ascii_lowercase()) {
            b"eq" => Some(CompareOp::Eq),
            b"ne" => Some(CompareOp::Ne),
            b"co" => Some(CompareOp::Co),
            b"sw" => Some(CompareOp::Sw),
            b"ew" => Some(CompareOp::Ew),
            b"gt" => Some(CompareOp::Gt),
            b"ge" => Some(CompareOp::Ge),
            b"lt" => Some(CompareOp::Lt),
            b"le" => Some(CompareOp::Le),
            _ => None,
        }
    }
}

/// `compValue`: a JSON literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompValue {
    /// `true`, `false`
    Bool(bool),
    /// `null`
    Null,
    /// A JSON number in its original digits.
    Number(Number),
    /// A JSON string, unescaped.
    String(String),
}

/// A JSON number in its original digits, so that no precision is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(pub(crate) String);

impl Number {
    /// Returns the text, for example `1.50` or `1e3`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Two or more operands of `and` or `or`, in source order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operands<T>(Vec<T>);

impl<T> Deref for Operands<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl Filter {
    /// Returns `a and b and …`. Nested conjunctions are flattened; a single operand is returned unchanged.
    ///
    /// # Panics
    /// Panics without operands.
    pub fn and(operands: Vec<Filter>) -> Filter {
        flatten(
            operands,
            |it| matches!(it, Filter::And(_)),
            Filter::And,
            |it, flat| match it {
                Filter::And(inner) => append(flat, inner.0),
                other => flat.push(other),
            },
        )
    }

    /// Returns `a or b or …`. Nested disjunctions are flattened; a single operand is returned unchanged.
    ///
    /// # Panics
    /// Panics without operands.
    pub fn or(operands: Vec<Filter>) -> Filter {
        flatten(
            operands,
            |it| matches!(it, Filter::Or(_)),
            Filter::Or,
            |it, flat| match it {
                Filter::Or(inner) => append(flat, inner.0),
                other => flat.push(other),
            },
        )
    }
}

impl Filter {
    /// Returns the tested attribute paths in text order. A value path yields the path before its bracket;
    /// [`ValFilter::attributes`] yields those inside.
    pub fn attributes(&self) -> impl Iterator<Item = &AttrPath> {
        let mut waiting = vec![self];
        iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Filter::Attr(test) => return Some(test.path()),
                    Filter::ValuePath(value_path) => return Some(&value_path.path),
                    Filter::And(operands) | Filter::Or(operands) => {
                        waiting.extend(operands.iter().rev());
                    }
                    Filter::Not(inner) => waiting.push(inner),
                }
            }
        })
    }
}

impl ValFilter {
    /// Returns the tested sub-attributes in text order.
    pub fn attributes(&self) -> impl Iterator<Item = &AttrPath> {
        let mut waiting = vec![self];
        iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    ValFilter::Attr(test) => return Some(test.path()),
                    ValFilter::And(operands) | ValFilter::Or(operands) => {
                        waiting.extend(operands.iter().rev());
                    }
                    ValFilter::Not(inner) => waiting.push(inner),
                }
            }
        })
    }
}

impl AttrExp {
    /// Returns the tested attribute.
    pub fn path(&self) -> &AttrPath {
        match self {
            AttrExp::Present(path) | AttrExp::Compare(path, ..) => path,
        }
    }
}

impl ValFilter {
    /// Returns `a and b and …`. Nested conjunctions are flattened; a single operand is returned unchanged.
    ///
    /// # Panics
    /// Panics without operands.
    pub fn and(operands: Vec<ValFilter>) -> ValFilter {
        flatten(
            operands,
            |it| matches!(it, ValFilter::And(_)),
            ValFilter::And,
            |it, flat| match it {
                ValFilter::And(inner) => append(flat, inner.0),
                other => flat.push(other),
            },
        )
    }

    /// Returns `a or b or …`. Nested disjunctions are flattened; a single operand is returned unchanged.
    ///
    /// # Panics
    /// Panics without operands.
    pub fn or(operands: Vec<ValFilter>) -> ValFilter {
        flatten(
            operands,
            |it| matches!(it, ValFilter::Or(_)),
            ValFilter::Or,
            |it, flat| match it {
                ValFilter::Or(inner) => append(flat, inner.0),
                other => flat.push(other),
            },
        )
    }
}

/// Appends `inner` to `flat` without copying the longer list, so that a long chain in many parentheses is not
/// copied at each level.
fn append<T>(flat: &mut Vec<T>, mut inner: Vec<T>) {
    if flat.len() < inner.len() {
        inner.splice(0..0, flat.drain(..));
        *flat = inner;
    } else {
        flat.append(&mut inner);
    }
}

fn flatten<T>(
    mut operands: Vec<T>,
    is_nested: fn(&T) -> bool,
    join: fn(Operands<T>) -> T,
    open: fn(T, &mut Vec<T>),
) -> T {
    if operands.iter().any(is_nested) {
        let mut flat = Vec::new();
        for operand in operands {
            open(operand, &mut flat);
        }
        operands = flat;
    }
    match operands.len() {
        0 => panic!("`and` and `or` need an operand"),
        1 => operands.remove(0),
        _ => join(Operands(operands)),
    }
}

impl AttrPath {
    /// Returns a path without a URN, for example `AttrPath::new("name", Some("familyName"))`.
    pub fn new(name: &str, sub: Option<&str>) -> AttrPath {
        AttrPath::of(None, name, sub)
    }

    /// Returns a path of the schema `urn`, or one without a URN. The parts are not checked: only valid names
    /// print a text that parses again.
    pub fn of(urn: Option<&str>, name: &str, sub: Option<&str>) -> AttrPath {
        let mut text = String::new();
        let colon = urn.map(|urn| {
            text = format!("{urn}:");
            urn.len()
        });
        text.push_str(name);
        let dot = sub.map(|sub| {
            let dot = text.len();
            text.push('.');
            text.push_str(sub);
            dot
        });
        AttrPath::from_text(&text, colon, dot)
    }

    /// Returns the path `text`, whose URN and name end at the offsets `colon` and `dot`.
    pub(crate) fn from_text(text: &str, colon: Option<usize>, dot: Option<usize>) -> AttrPath {
        AttrPath {
            text: text.into(),
            name: colon.map_or(0, |it| it + 1),
            sub: dot.map_or(0, |it| it + 1),
        }
    }

    /// Returns the schema URN before the last colon.
    pub fn urn(&self) -> Option<&str> {
        let end = self.name.checked_sub(1)?;
        Some(&self.text[..end])
    }

    /// Returns the attribute name.
    pub fn name(&self) -> &str {
        let end = self.sub.checked_sub(1).unwrap_or(self.text.len());
        &self.text[self.name..end]
    }

    /// Returns the sub-attribute after the dot.
    pub fn sub(&self) -> Option<&str> {
        (self.sub > 0).then(|| &self.text[self.sub..])
    }

    /// Returns the whole path in its original spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both paths name the same attribute. Letter case does not matter in names and URNs (RFC 7644
    /// section 3.10), but `==` compares it.
    pub fn same(&self, other: &AttrPath) -> bool {
        (self.name, self.sub) == (other.name, other.sub) && self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl fmt::Debug for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttrPath")
            .field("urn", &self.urn())
            .field("name", &self.name())
            .field("sub", &self.sub())
            .finish()
    }
}
