//! The operations that build conditions on resources and on single values alike.

use super::condition::{Condition, ElementCondition, Operand, Test};
use crate::schema::AttributePath;

/// A condition on a resource or on a single value.
pub(super) trait Tree: Sized {
    fn always(answer: bool) -> Self;
    fn attribute(path: AttributePath, test: Test) -> Self;
    /// The value is not primary; for a resource, one of its values is not primary.
    fn not_primary(path: AttributePath) -> Self;
    fn and(operands: Vec<Self>) -> Self;
    fn or(operands: Vec<Self>) -> Self;
    fn negated(self) -> Self;
    fn answer(&self) -> Option<bool>;
}

macro_rules! tree {
    ($tree:ident, $not_primary:expr) => {
        impl Tree for $tree {
            fn always(answer: bool) -> Self {
                $tree::Always(answer)
            }

            fn attribute(path: AttributePath, test: Test) -> Self {
                $tree::Attribute(path, test)
            }

            fn not_primary(path: AttributePath) -> Self {
                $not_primary(path)
            }

            fn and(operands: Vec<Self>) -> Self {
                $tree::And(operands)
            }

            fn or(operands: Vec<Self>) -> Self {
                $tree::Or(operands)
            }

            fn negated(self) -> Self {
                match self {
                    $tree::Always(answer) => $tree::Always(!answer),
                    $tree::Not(inner) => *inner,
                    other => $tree::Not(Box::new(other)),
                }
            }

            fn answer(&self) -> Option<bool> {
                match self {
                    $tree::Always(answer) => Some(*answer),
                    _ => None,
                }
            }
        }
    };
}

tree!(ElementCondition, |path| ElementCondition::Attribute(
    path,
    Test::Eq(Operand::Bool(true))
)
.negated());
tree!(Condition, |path: AttributePath| {
    let attribute = AttributePath {
        sub: None,
        ..path.clone()
    };
    Condition::Element(attribute, ElementCondition::not_primary(path))
});

pub(super) fn all<T: Tree>(operands: Vec<T>) -> T {
    combine(operands, true, T::and)
}

pub(super) fn any<T: Tree>(operands: Vec<T>) -> T {
    combine(operands, false, T::or)
}

/// Joins operands, without those that are always `neutral`. An operand that is always the opposite decides the
/// result.
fn combine<T: Tree>(mut operands: Vec<T>, neutral: bool, join: fn(Vec<T>) -> T) -> T {
    if operands.iter().any(|it| it.answer() == Some(!neutral)) {
        return T::always(!neutral);
    }
    operands.retain(|it| it.answer().is_none());
    match operands.len() {
        0 => T::always(neutral),
        1 => operands.remove(0),
        _ => join(operands),
    }
}
