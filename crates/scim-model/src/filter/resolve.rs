//! From syntax to meaning: a filter meets the schemas.

use std::sync::Arc;

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter, ValuePath};

use super::condition::{Condition, ElementCondition, Operand, Test};
use crate::error::{ScimError, ScimType};
use crate::schema::{Attribute, AttributePath, AttributeType, ResourceType, attribute_named};
use crate::value::Policy;
use crate::value::key::{self, Key};

/// Where a filter is resolved.
pub(super) struct Scope<'a> {
    pub(super) resource_type: &'a ResourceType,
    /// All types that the query covers; what at least one of them knows is no error.
    pub(super) all: &'a [&'a ResourceType],
    pub(super) policy: Policy,
}

impl Scope<'_> {
    pub(super) fn condition(&self, filter: &Filter) -> Result<Condition, ScimError> {
        Ok(self.narrow(self.filter(filter)?))
    }

    /// A test of `meta.resourceType` has its answer here: it narrows a query over several types
    /// (7644-3.4.2.1-01) before any of them is searched.
    fn narrow(&self, condition: Condition) -> Condition {
        match condition {
            Condition::Attribute(path, test) if is_meta(&path, "resourceType") => {
                Condition::Always(test.holds(&Key::Text((&*self.resource_type.name).into())))
            }
            Condition::And(operands) => all(operands.into_iter().map(|it| self.narrow(it)).collect()),
            Condition::Or(operands) => any(operands.into_iter().map(|it| self.narrow(it)).collect()),
            Condition::Not(operand) => self.narrow(*operand).negated(),
            other => other,
        }
    }

    fn filter(&self, filter: &Filter) -> Result<Condition, ScimError> {
        match filter {
            Filter::Attr(AttrExp::Present(path)) => match self.find(path, ResourceType::resolve)? {
                Some(path) => present(path),
                None => Ok(Condition::Always(false)),
            },
            Filter::Attr(AttrExp::Compare(path, operator, value)) => self.comparison(path, *operator, value),
            Filter::ValuePath(value_path) => self.value_path(value_path),
            Filter::And(operands) => Ok(all(collect(operands, |it| self.filter(it))?)),
            Filter::Or(operands) => Ok(any(collect(operands, |it| self.filter(it))?)),
            Filter::Not(operand) => Ok(self.filter(operand)?.negated()),
        }
    }

    fn comparison(
        &self,
        path: &AttrPath,
        operator: CompareOp,
        value: &CompValue,
    ) -> Result<Condition, ScimError> {
        let found = self.find(path, |resource_type, path| {
            let lenient = || {
                self.policy
                    .lenient
                    .then(|| unqualified_reference(resource_type, path, operator))?
            };
            resource_type.resolve(path).or_else(lenient)
        })?;
        match found {
            Some(path) => compare(path, operator, value),
            // There it has no value: only null equals that, and all else differs.
            None => Ok(Condition::Always(match operator {
                CompareOp::Eq => *value == CompValue::Null,
                CompareOp::Ne => *value != CompValue::Null,
                _ => false,
            })),
        }
    }

    fn value_path(&self, value_path: &ValuePath) -> Result<Condition, ScimError> {
        let ValuePath { path, filter } = value_path;
        let Some(path) = self.find(path, ResourceType::resolve)? else {
            return Ok(Condition::Always(false));
        };
        if path.attribute.multi_valued {
            let condition: ElementCondition = element(filter, &path)?;
            return match condition.answer() {
                Some(true) => present(path),
                Some(false) => Ok(Condition::Always(false)),
                None => Ok(Condition::Element(path, condition)),
            };
        }
        // A single complex attribute is its own only value; without one nothing matches.
        let condition = element::<Condition>(filter, &path)?;
        Ok(all(vec![present(path)?, condition]))
    }

    /// `None` when another type of the query has such an attribute, but not this one
    /// (7644-3.4.2.1-03).
    fn find(
        &self,
        path: &AttrPath,
        find_in: impl Fn(&ResourceType, &AttrPath) -> Option<AttributePath>,
    ) -> Result<Option<AttributePath>, ScimError> {
        if let Some(found) = find_in(self.resource_type, path) {
            return Ok(Some(found));
        }
        if self.all.iter().any(|it| find_in(it, path).is_some()) {
            return Ok(None);
        }
        let names: Vec<&str> = self.all.iter().map(|it| &*it.name).collect();
        Err(invalid(format!(
            "`{path}` is not an attribute of {}",
            names.join(" or ")
        )))
    }
}

/// Lenient mode only. Entra checks a reference with `manager eq "2819c223"`, without the URN of the
/// extension. So an equality may name a reference of exactly one extension bare; every other
/// extension attribute needs its URN.
fn unqualified_reference(
    resource_type: &ResourceType,
    path: &AttrPath,
    operator: CompareOp,
) -> Option<AttributePath> {
    if operator != CompareOp::Eq || path.urn().is_some() || path.sub().is_some() {
        return None;
    }
    let mut found = resource_type
        .shown_references()
        .filter(|it| it.extension.is_some() && it.attribute.name.eq_ignore_ascii_case(path.name()));
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// What stands in brackets, over the sub-attributes of `parent`.
pub(super) fn element<T: Tree>(filter: &ValFilter, parent: &AttributePath) -> Result<T, ScimError> {
    if parent.sub.is_some()
        || !(parent.attribute.multi_valued || parent.attribute.type_ == AttributeType::Complex)
    {
        return Err(invalid(format!(
            "`{parent}` has no sub-attributes that a value filter could test"
        )));
    }
    element_filter(filter, parent)
}

fn element_filter<T: Tree>(filter: &ValFilter, parent: &AttributePath) -> Result<T, ScimError> {
    match filter {
        ValFilter::Attr(AttrExp::Present(path)) => present(sub_attribute(path, parent)?),
        ValFilter::Attr(AttrExp::Compare(path, operator, value)) => {
            compare(sub_attribute(path, parent)?, *operator, value)
        }
        ValFilter::And(operands) => Ok(all(collect(operands, |it| element_filter(it, parent))?)),
        ValFilter::Or(operands) => Ok(any(collect(operands, |it| element_filter(it, parent))?)),
        ValFilter::Not(operand) => Ok(element_filter::<T>(operand, parent)?.negated()),
    }
}

/// The values of a simple multi-valued attribute are called `value`; there the path stays the
/// parent's own.
fn sub_attribute(path: &AttrPath, parent: &AttributePath) -> Result<AttributePath, ScimError> {
    let unknown = || invalid(format!("`{path}` is not a sub-attribute of `{parent}`"));
    if path.urn().is_some() || path.sub().is_some() {
        return Err(unknown());
    }
    if parent.attribute.type_ != AttributeType::Complex {
        return if path.name().eq_ignore_ascii_case("value") {
            Ok(parent.clone())
        } else {
            Err(unknown())
        };
    }
    let sub = attribute_named(&parent.attribute.sub_attributes, path.name()).ok_or_else(unknown)?;
    Ok(AttributePath {
        sub: Some(sub.clone()),
        ..parent.clone()
    })
}

fn present<T: Tree>(path: AttributePath) -> Result<T, ScimError> {
    refuse_never_returned(&path)?;
    Ok(if is_always_there(&path) {
        T::always(true)
    } else {
        T::attribute(path, Test::Present)
    })
}

fn compare<T: Tree>(path: AttributePath, operator: CompareOp, value: &CompValue) -> Result<T, ScimError> {
    refuse_never_returned(&path)?;
    match (operator, value) {
        // true when absent, and of several values when none is equal.
        (CompareOp::Ne, value) => Ok(compare::<T>(path, CompareOp::Eq, value)?.negated()),
        (CompareOp::Eq, CompValue::Null) if is_always_there(&path) => Ok(T::always(false)),
        (CompareOp::Eq, CompValue::Null) => {
            let assigned = assigned(path.leaf());
            Ok(T::attribute(path, assigned).negated())
        }
        (operator, CompValue::Null) => {
            Err(invalid(format!("`{operator}` cannot compare `{path}` with null")))
        }
        (operator, value) => {
            let path = with_value(path)?;
            match test(&path, operator, value)? {
                // RFC 7643 section 2.4: primary is false where it is absent.
                Test::Eq(Operand::Bool(false)) if is_primary(&path) => Ok(T::not_primary(path)),
                test => Ok(T::attribute(path, test)),
            }
        }
    }
}

/// `""` is not null: it is a value, though not "present" (RFC 7643 section 2.5, A-07).
fn assigned(attribute: &Attribute) -> Test {
    match attribute.type_ {
        AttributeType::String | AttributeType::Reference | AttributeType::Binary => Test::Ge(String::new()),
        _ => Test::Present,
    }
}

/// A bare complex attribute stands for its `value`.
fn with_value(path: AttributePath) -> Result<AttributePath, ScimError> {
    if path.leaf().type_ != AttributeType::Complex {
        return Ok(path);
    }
    match attribute_named(&path.attribute.sub_attributes, "value") {
        Some(value) => Ok(AttributePath {
            sub: Some(value.clone()),
            ..path
        }),
        None => {
            let example = path.attribute.sub_attributes.first().map_or("", |it| &it.name);
            Err(invalid(format!(
                "`{path}` is complex: name a sub-attribute, for example `{path}.{example}`"
            )))
        }
    }
}

/// The test for an operator and an operand other than null; the attribute's type decides which
/// there are.
fn test(path: &AttributePath, operator: CompareOp, value: &CompValue) -> Result<Test, ScimError> {
    let attribute = path.leaf();
    // No value holds it, and PostgreSQL would not even compare with it.
    if matches!(value, CompValue::String(text) if text.contains('\0')) {
        return Err(wrong_operand(path, "text without the character U+0000"));
    }
    match attribute.type_ {
        AttributeType::Boolean => match (operator, value) {
            (CompareOp::Eq, CompValue::Bool(operand)) => Ok(Test::Eq(Operand::Bool(*operand))),
            // Entra: `roles[primary eq "True"]`.
            (CompareOp::Eq, CompValue::String(text)) if text.eq_ignore_ascii_case("true") => {
                Ok(Test::Eq(Operand::Bool(true)))
            }
            (CompareOp::Eq, CompValue::String(text)) if text.eq_ignore_ascii_case("false") => {
                Ok(Test::Eq(Operand::Bool(false)))
            }
            (CompareOp::Eq, _) => Err(wrong_operand(path, "true or false")),
            _ => Err(wrong_operator(path, operator, "a boolean")),
        },
        AttributeType::String | AttributeType::Reference => match value {
            CompValue::String(text) => Ok(text_test(operator, comparison_text(path, text))),
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
            _ => Err(wrong_operand(path, "a number")),
        },
        AttributeType::Complex => Err(wrong_operator(path, operator, "complex")),
    }
}

/// Not for `ne`, which is resolved as a negated `eq`.
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

/// `meta.version` is stored as `W/"5"`; one who sees a user's groups or manager sees a hash of them
/// too, `W/"5.0123abcd"`.
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

/// `id`, `meta` and `schemas` are part of every resource (RFC 7643 section 3.1).
fn is_always_there(path: &AttributePath) -> bool {
    path.extension.is_none() && ["id", "meta", "schemas"].contains(&path.attribute.name.as_str())
}

fn is_meta(path: &AttributePath, sub: &str) -> bool {
    path.extension.is_none()
        && path.attribute.name == "meta"
        && path.sub.as_ref().is_some_and(|it| it.name == sub)
}

fn is_primary(path: &AttributePath) -> bool {
    path.attribute.multi_valued
        && path
            .sub
            .as_ref()
            .is_some_and(|it| it.name.eq_ignore_ascii_case("primary"))
}

/// A filter on a value that is never returned would tell it, letter by letter.
fn refuse_never_returned(path: &AttributePath) -> Result<(), ScimError> {
    if path.attribute.is_never_read() || path.sub.as_deref().is_some_and(Attribute::is_never_read) {
        return Err(invalid(format!(
            "`{path}` is never returned and cannot be filtered by"
        )));
    }
    Ok(())
}

fn wrong_operator(path: &AttributePath, operator: CompareOp, type_: &str) -> ScimError {
    invalid(format!("`{path}` is {type_}, which `{operator}` cannot compare"))
}

fn wrong_operand(path: &AttributePath, expected: &str) -> ScimError {
    invalid(format!("`{path}` can only be compared with {expected}"))
}

fn invalid(detail: String) -> ScimError {
    ScimError::new(ScimType::InvalidFilter, detail)
}

/// What conditions on resources and on single values have in common.
pub(super) trait Tree: Sized {
    fn always(answer: bool) -> Self;
    fn attribute(path: AttributePath, test: Test) -> Self;
    /// The value, or for a whole resource one of the values, is not the primary one.
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

fn all<T: Tree>(operands: Vec<T>) -> T {
    combine(operands, true, T::and)
}

fn any<T: Tree>(operands: Vec<T>) -> T {
    combine(operands, false, T::or)
}

/// Leaves out operands whose answer is `neutral`; one operand with the other answer decides.
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

/// Resolves every operand, so that an error never depends on the others.
fn collect<F, T>(operands: &[F], resolve: impl Fn(&F) -> Result<T, ScimError>) -> Result<Vec<T>, ScimError> {
    operands.iter().map(resolve).collect()
}

/// The attribute that `sortBy` names, for each of the types (RFC 7644 section 3.4.2.3); `None`
/// where a type lacks it.
pub(super) fn sort_paths(
    path: &AttrPath,
    resource_types: &[Arc<ResourceType>],
) -> Result<Vec<Option<AttributePath>>, ScimError> {
    let refuse = |detail: String| ScimError::new(ScimType::InvalidValue, detail);
    let mut paths = Vec::with_capacity(resource_types.len());
    for resource_type in resource_types {
        let Some(found) = resource_type.resolve(path) else {
            paths.push(None);
            continue;
        };
        refuse_never_returned(&found)
            .map_err(|_| refuse(format!("`{path}` is never returned and cannot be sorted by")))?;
        let found = with_value(found).map_err(|it| refuse(it.detail))?;
        let is_derived = found.extension.is_none()
            && (resource_type.has_members() && found.attribute.name == "members"
                || resource_type.has_groups() && found.attribute.name == "groups");
        if is_derived {
            return Err(refuse(format!(
                "`{path}` cannot be sorted by: its values have no order"
            )));
        }
        paths.push(Some(found));
    }
    if paths.iter().all(Option::is_none) {
        let names: Vec<&str> = resource_types.iter().map(|it| &*it.name).collect();
        return Err(refuse(format!(
            "`{path}`, given in `sortBy`, is not an attribute of {}",
            names.join(" or ")
        )));
    }
    Ok(paths)
}
