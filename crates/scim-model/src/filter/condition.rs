//! Resolved filters: known attributes, typed operands, comparison keys.
//!
//! [`Condition::resolve`] is the one step from syntax to meaning. A condition has no unknown attributes, no `ne`,
//! no `null` and no differences in case. It can be evaluated on a normal form
//! ([`Document::normal_form`](crate::Document::normal_form)) or turned into SQL, with the same result.

use crate::schema::AttributePath;

/// A resolved filter (RFC 7644 section 3.4.2.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Matches everything or nothing, for example where a query over several types tests an attribute that
    /// this type lacks (7644-3.4.2.1-03).
    Always(bool),
    /// At least one value of the attribute passes the test.
    Attribute(AttributePath, Test),
    /// At least one value of a complex attribute satisfies the whole condition.
    Element(AttributePath, ElementCondition),
    /// Every operand holds.
    And(Vec<Condition>),
    /// At least one operand holds.
    Or(Vec<Condition>),
    /// The operand does not hold. `a ne v` is `Not(a eq v)`; `a eq null` is `Not(a ge "")` for text,
    /// because `""` is not null, and `Not(a pr)` for other types.
    Not(Box<Condition>),
}

impl Condition {
    /// The attributes that are tested, in order and with repetitions. For a value filter they are the
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

/// A condition on one value of a multi-valued attribute. The paths are its sub-attributes; for a simple
/// attribute (`tags[value eq "blue"]`) they are the path of the attribute, which means the value itself.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementCondition {
    /// Matches everything or nothing.
    Always(bool),
    /// The sub-attribute passes the test.
    Attribute(AttributePath, Test),
    /// Every operand holds.
    And(Vec<ElementCondition>),
    /// At least one operand holds.
    Or(Vec<ElementCondition>),
    /// The operand does not hold.
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

/// A test of one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The value is assigned and not empty: not `""`, and a complex value has at least one member.
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
    /// The operand for a boolean attribute.
    Bool(bool),
    /// The comparison key for an attribute of any other type. A string is folded unless the attribute is `caseExact`; a
    /// dateTime is the instant in UTC as text, and a number is text that sorts like the number, so that keys compare
    /// byte by byte. [`Document::normal_form`](crate::Document::normal_form) has the same keys.
    Key(String),
}
