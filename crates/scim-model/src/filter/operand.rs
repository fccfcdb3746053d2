//! Operands: the test for an operator and a value, by the type of the attribute.

use std::fmt;

use scim_filter::{CompValue, CompareOp};

use super::condition::{Operand, Test};
use crate::error::{ScimError, ScimType};
use crate::schema::{AttributePath, AttributeType};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::canonical::{boolean_text, number_text};
use crate::value::key;

/// The test for an operator and an operand other than null. The type of the attribute decides which operators
/// and operands are allowed.
pub(super) fn test(
    path: &AttributePath,
    operator: CompareOp,
    value: &CompValue,
    tolerances: &Tolerances,
) -> Result<Test, ScimError> {
    let attribute = path.leaf();
    // No value has this character, and PostgreSQL refuses to compare with it.
    if matches!(value, CompValue::String(text) if text.contains('\0')) {
        return Err(wrong_operand(path, "text without the character U+0000"));
    }
    match attribute.type_ {
        AttributeType::Boolean => match (operator, value) {
            (CompareOp::Eq, CompValue::Bool(operand)) => Ok(Test::Eq(Operand::Bool(*operand))),
            // Entra: `roles[primary eq "True"]`.
            (CompareOp::Eq, CompValue::String(text)) => {
                let operand = boolean_text(text).ok_or_else(|| wrong_operand(path, "true or false"))?;
                tolerances.allow(Tolerance::BooleanText);
                Ok(Test::Eq(Operand::Bool(operand)))
            }
            (CompareOp::Eq, _) => Err(wrong_operand(path, "true or false")),
            _ => Err(wrong_operator(path, operator, "a boolean")),
        },
        AttributeType::String | AttributeType::Reference => match value {
            CompValue::String(text) => Ok(text_test(operator, comparison_text(path, text))),
            // WSO2 leaves out the quotes: `userName eq 90210077431` (trace `wso2-outbound/unquoted-number`).
            CompValue::Number(_) | CompValue::Bool(_) if tolerances.allow(Tolerance::NumberForText) => {
                Ok(text_test(operator, comparison_text(path, &value.to_string())))
            }
            _ => Err(wrong_operand(path, "a string")),
        },
        AttributeType::Binary => match (operator, value) {
            (CompareOp::Eq, CompValue::String(text)) => Ok(text_test(operator, comparison_text(path, text))),
            (CompareOp::Eq, _) => Err(wrong_operand(path, "a string")),
            _ => Err(wrong_operator(path, operator, "binary")),
        },
        AttributeType::DateTime => {
            let key = match value {
                CompValue::String(text) => key::date_time(text),
                _ => None,
            };
            match operator {
                CompareOp::Co | CompareOp::Sw | CompareOp::Ew => {
                    Err(wrong_operator(path, operator, "a dateTime"))
                }
                _ => Ok(text_test(
                    operator,
                    key.ok_or_else(|| {
                        wrong_operand(path, "a dateTime, for example \"2024-02-29T23:30:00Z\"")
                    })?,
                )),
            }
        }
        AttributeType::Integer | AttributeType::Decimal => match (operator, value) {
            (CompareOp::Co | CompareOp::Sw | CompareOp::Ew, _) => {
                Err(wrong_operator(path, operator, "a number"))
            }
            (_, CompValue::Number(number)) => match key::number(number.as_str()) {
                Some(key) => Ok(text_test(operator, key)),
                None => Err(wrong_operand(path, "a number of at most 1,000 digits")),
            },
            (_, CompValue::String(text)) => {
                let key = number_text(attribute.type_, text)
                    .and_then(|it| key::number(it.as_str()))
                    .filter(|_| tolerances.allow(Tolerance::NumberText));
                let key = key.ok_or_else(|| wrong_operand(path, "a number"))?;
                Ok(text_test(operator, key))
            }
            _ => Err(wrong_operand(path, "a number")),
        },
        AttributeType::Complex => Err(wrong_operator(path, operator, "complex")),
    }
}

/// The test for a text operand. `ne` does not get here, because it is resolved as a negated `eq`.
fn text_test(operator: CompareOp, key: String) -> Test {
    match operator {
        CompareOp::Eq | CompareOp::Ne => Test::Eq(Operand::Key(key)),
        // Every text contains the empty one.
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew if key.is_empty() => Test::Ge(key),
        CompareOp::Co => Test::Co(key),
        CompareOp::Sw => Test::Sw(key),
        CompareOp::Ew => Test::Ew(key),
        CompareOp::Gt => Test::Gt(key),
        CompareOp::Ge => Test::Ge(key),
        CompareOp::Lt => Test::Lt(key),
        CompareOp::Le => Test::Le(key),
    }
}

/// The text to compare with. `meta.version` is stored as `W/"5"`, but a client that sees a user's groups or
/// manager sees a hash of them too: `W/"5.0123abcd"`.
fn comparison_text(path: &AttributePath, operand: &str) -> String {
    if is_meta(path, "version")
        && let Some((version, hash)) = operand.strip_suffix('"').and_then(|it| it.split_once('.'))
        && let Some(digits) = version.strip_prefix("W/\"")
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return format!("{version}\"");
    }
    key::text(path.leaf(), operand).into_owned()
}

pub(super) fn is_meta(path: &AttributePath, sub: &str) -> bool {
    path.extension.is_none()
        && path.attribute.name == "meta"
        && path.sub.as_ref().is_some_and(|it| it.name == sub)
}

fn wrong_operator(path: &AttributePath, operator: CompareOp, type_: &str) -> ScimError {
    invalid(
        path,
        format_args!("is {type_}, which `{operator}` cannot compare"),
    )
}

fn wrong_operand(path: &AttributePath, expected: &str) -> ScimError {
    invalid(path, format_args!("can only be compared with {expected}"))
}

/// An `invalidFilter` error of one attribute.
pub(super) fn invalid(path: impl fmt::Display, problem: impl fmt::Display) -> ScimError {
    ScimError::at(ScimType::InvalidFilter, path, problem)
}
