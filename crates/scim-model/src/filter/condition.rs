//! A filter that has found its schema: known attributes, typed operands, comparison keys.
//!
//! [`Condition::resolve`] is the one step from syntax to meaning. After it there is no unknown
//! attribute, no `ne`, no `null` and no case left to think about, and what remains can be
//! evaluated on a normal form ([`Document::normal_form`](crate::Document::normal_form)) or turned
//! into SQL with the same result.

use crate::schema::AttributePath;

/// A resolved filter (RFC 7644 section 3.4.2.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Matches everything or nothing, for example a test of an attribute that a resource type
    /// lacks in a query over several types (7644-3.4.2.1-03).
    Always(bool),
    /// At least one value of the attribute passes the test.
    Attribute(AttributePath, Test),
    /// At least one value of a complex attribute fulfils the whole condition.
    Element(AttributePath, ElementCondition),
    /// All hold.
    And(Vec<Condition>),
    /// One holds.
    Or(Vec<Condition>),
    /// It does not hold. `a ne v` is `Not(a eq v)`; `a eq null` is `Not(a ge "")` for text,
    /// because `""` is not null, and `Not(a pr)` for other types.
    Not(Box<Condition>),
}

impl Condition {
    /// Every attribute that is tested, in order, with repetitions. For a value filter they are its
    /// sub-attributes.
    pub fn attributes(&self) -> Vec<&AttributePath> {
        let mut found = Vec::new();
        self.visit(&mut |path| found.push(path));
        found
    }

    fn visit<'a>(&'a self, visitor: &mut impl FnMut(&'a AttributePath)) {
        match self {
            Condition::Always(_) => {}
            Condition::Attribute(path, _) => visitor(path),
            Condition::Element(_, condition) => condition.visit(visitor),
            Condition::And(operands) | Condition::Or(operands) => {
                operands.iter().for_each(|it| it.visit(visitor));
            }
            Condition::Not(operand) => operand.visit(visitor),
        }
    }
}

/// A condition on one value of a multi-valued attribute; the paths are sub-attributes of it, or for
/// a simple attribute (`tags[value eq "blue"]`) the attribute's own path, meaning the value itself.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementCondition {
    /// Matches everything or nothing.
    Always(bool),
    /// The sub-attribute passes the test.
    Attribute(AttributePath, Test),
    /// All hold.
    And(Vec<ElementCondition>),
    /// One holds.
    Or(Vec<ElementCondition>),
    /// It does not hold.
    Not(Box<ElementCondition>),
}

impl ElementCondition {
    fn visit<'a>(&'a self, visitor: &mut impl FnMut(&'a AttributePath)) {
        match self {
            ElementCondition::Always(_) => {}
            ElementCondition::Attribute(path, _) => visitor(path),
            ElementCondition::And(operands) | ElementCondition::Or(operands) => {
                operands.iter().for_each(|it| it.visit(visitor));
            }
            ElementCondition::Not(operand) => operand.visit(visitor),
        }
    }
}

/// What is asked of one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is there and not empty: not `""`, and for a complex value at least one member.
    Present,
    /// The value's comparison key is the operand.
    Eq(Operand),
    /// The key contains the text.
    Co(String),
    /// The key starts with the text.
    Sw(String),
    /// The key ends with the text.
    Ew(String),
    /// The key is greater, byte by byte.
    Gt(String),
    /// The key is greater or equal.
    Ge(String),
    /// The key is less.
    Lt(String),
    /// The key is less or equal.
    Le(String),
}

/// The operand of an equality.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// For boolean attributes.
    Bool(bool),
    /// A comparison key (see [`crate::value::key`]) for all other types.
    Key(String),
}
