//! Resolution of filters against the schemas: from syntax to meaning.

use std::sync::Arc;

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter, ValuePath};

use super::condition::{Condition, ElementCondition, Operand, Test};
use super::operand::{invalid, is_meta, test};
use super::tree::{Tree, all, any};
use crate::error::{ScimError, ScimType};
use crate::notation::find_attribute;
use crate::schema::{Attribute, AttributePath, AttributeType, ResourceType, attribute_named};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::key::Key;
use crate::value::policy::Policy;

impl Condition {
    /// Resolves a filter for one resource type. Errors depend on the filter and the schemas, never on data.
    ///
    /// A test that always has the same result becomes [`Condition::Always`]: tests of `meta.resourceType`, and `pr`
    /// of `id`, `meta` and `schemas`.
    ///
    /// # Errors
    /// `invalidFilter`, naming the attribute, when the type has no such attribute, when clients can never read
    /// the attribute, or when its data type does not allow the operator or the operand.
    pub fn resolve(
        filter: &Filter,
        resource_type: &ResourceType,
        policy: Policy,
    ) -> Result<Condition, ScimError> {
        Condition::resolve_with(filter, resource_type, &Tolerances::new(policy))
    }

    /// Resolves a filter for one resource type, and records the tolerances that it needs.
    ///
    /// # Errors
    /// The errors of [`Condition::resolve`].
    pub fn resolve_with(
        filter: &Filter,
        resource_type: &ResourceType,
        tolerances: &Tolerances,
    ) -> Result<Condition, ScimError> {
        Scope {
            resource_type,
            all: &[resource_type],
            tolerances,
        }
        .condition(filter)
    }

    /// Resolves a filter for each type of a query over several. An attribute that a type lacks has no value
    /// there (RFC 7644 section 3.4.2.1, A-19).
    ///
    /// # Errors
    /// The errors of [`Condition::resolve`], but an attribute is unknown only if no type has it.
    pub fn resolve_for_all(
        filter: &Filter,
        resource_types: &[Arc<ResourceType>],
        tolerances: &Tolerances,
    ) -> Result<Vec<Condition>, ScimError> {
        let all: Vec<&ResourceType> = resource_types.iter().map(|it| &**it).collect();
        all.iter()
            .map(|resource_type| {
                Scope {
                    resource_type,
                    all: &all,
                    tolerances,
                }
                .condition(filter)
            })
            .collect()
    }
}

impl ElementCondition {
    /// Resolves the value filter of a PATCH path for the values of `attribute` (RFC 7644 section 3.5.2).
    ///
    /// # Errors
    /// `invalidFilter` as for [`Condition::resolve`], and when the attribute is simple and
    /// single-valued.
    pub fn resolve(
        filter: &ValFilter,
        attribute: &AttributePath,
        tolerances: &Tolerances,
    ) -> Result<ElementCondition, ScimError> {
        element(filter, attribute, tolerances)
    }
}

/// The types for which a filter is resolved.
struct Scope<'a> {
    resource_type: &'a ResourceType,
    /// All types that the query covers. An attribute that one of them has is not an error.
    all: &'a [&'a ResourceType],
    tolerances: &'a Tolerances,
}

impl Scope<'_> {
    fn condition(&self, filter: &Filter) -> Result<Condition, ScimError> {
        Ok(self.narrow(self.filter(filter)?))
    }

    /// Decides tests of `meta.resourceType`, so that they exclude types from a query over several (7644-3.4.2.1-01)
    /// before any is searched.
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
            Filter::Attr(AttrExp::Present(path)) => {
                match self.find(path, |it, path| find_attribute(it, path, self.tolerances))? {
                    Some(path) => present(path),
                    None => Ok(Condition::Always(false)),
                }
            }
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
                unqualified_reference(resource_type, path, operator)
                    .filter(|_| self.tolerances.allow(Tolerance::UnqualifiedReference))
            };
            find_attribute(resource_type, path, self.tolerances).or_else(lenient)
        })?;
        match found {
            Some(path) => compare(path, operator, value, self.tolerances),
            // The attribute has no value in this type: it equals null and differs from any value.
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
            let condition: ElementCondition = element(filter, &path, self.tolerances)?;
            return match condition.answer() {
                Some(true) => present(path),
                Some(false) => Ok(Condition::Always(false)),
                None => Ok(Condition::Element(path, condition)),
            };
        }
        // A single complex attribute has at most one value. Without it nothing matches.
        let condition = element::<Condition>(filter, &path, self.tolerances)?;
        Ok(all(vec![present(path)?, condition]))
    }

    /// Finds an attribute; `None` when only another type of the query has it (7644-3.4.2.1-03).
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
        let problem = format!("is not an attribute of {}", names.join(" or "));
        Err(invalid(path, problem))
    }
}

/// Finds a reference without the URN of its extension, under the lenient policy: Entra checks a reference with
/// `manager eq "2819c223"`. An equality may omit the URN if exactly one extension has the reference; all other
/// attributes of extensions need the URN.
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

/// Resolves the filter in brackets, over the sub-attributes of `parent`.
fn element<T: Tree>(
    filter: &ValFilter,
    parent: &AttributePath,
    tolerances: &Tolerances,
) -> Result<T, ScimError> {
    if parent.sub.is_some()
        || !(parent.attribute.multi_valued || parent.attribute.type_ == AttributeType::Complex)
    {
        return Err(invalid(
            parent,
            "has no sub-attributes for a value filter to test",
        ));
    }
    element_filter(filter, parent, tolerances)
}

fn element_filter<T: Tree>(
    filter: &ValFilter,
    parent: &AttributePath,
    tolerances: &Tolerances,
) -> Result<T, ScimError> {
    let resolve = |it: &ValFilter| element_filter(it, parent, tolerances);
    match filter {
        ValFilter::Attr(AttrExp::Present(path)) => present(sub_attribute(path, parent, tolerances)?),
        ValFilter::Attr(AttrExp::Compare(path, operator, value)) => compare(
            sub_attribute(path, parent, tolerances)?,
            *operator,
            value,
            tolerances,
        ),
        ValFilter::And(operands) => Ok(all(collect(operands, resolve)?)),
        ValFilter::Or(operands) => Ok(any(collect(operands, resolve)?)),
        ValFilter::Not(operand) => Ok(resolve(operand)?.negated()),
    }
}

/// Finds a sub-attribute. The values of a simple multi-valued attribute are called `value`, and their path is
/// the parent's.
fn sub_attribute(
    path: &AttrPath,
    parent: &AttributePath,
    tolerances: &Tolerances,
) -> Result<AttributePath, ScimError> {
    let unknown = || invalid(path, format_args!("is not a sub-attribute of `{parent}`"));
    if path.urn().is_some() {
        return Err(unknown());
    }
    if parent.attribute.type_ != AttributeType::Complex {
        return if path.name().eq_ignore_ascii_case("value") && path.sub().is_none() {
            Ok(parent.clone())
        } else {
            Err(unknown())
        };
    }
    let sub = attribute_named(&parent.attribute.sub_attributes, path.name()).ok_or_else(unknown)?;
    if let Some(value) = path.sub() {
        let is_value = sub.has_simple_values() && value.eq_ignore_ascii_case("value");
        if !is_value || !tolerances.allow(Tolerance::ValueOfSimple) {
            return Err(unknown());
        }
    }
    Ok(AttributePath {
        sub: Some(sub.clone()),
        ..parent.clone()
    })
}

fn present<T: Tree>(path: AttributePath) -> Result<T, ScimError> {
    refuse_never_returned(&path)?;
    Ok(if is_always_present(&path) {
        T::always(true)
    } else {
        T::attribute(path, Test::Present)
    })
}

fn compare<T: Tree>(
    path: AttributePath,
    operator: CompareOp,
    value: &CompValue,
    tolerances: &Tolerances,
) -> Result<T, ScimError> {
    refuse_never_returned(&path)?;
    match (operator, value) {
        // also true when the attribute is unassigned. With several values, none may be equal.
        (CompareOp::Ne, value) => Ok(compare::<T>(path, CompareOp::Eq, value, tolerances)?.negated()),
        (CompareOp::Eq, CompValue::Null) if is_always_present(&path) => Ok(T::always(false)),
        (CompareOp::Eq, CompValue::Null) => {
            let assigned = assigned(path.leaf());
            Ok(T::attribute(path, assigned).negated())
        }
        (operator, CompValue::Null) => {
            let detail = format!("`{operator}` cannot compare `{path}` with null");
            Err(ScimError {
                path: Some(path.to_string()),
                ..ScimError::new(ScimType::InvalidFilter, detail)
            })
        }
        (operator, value) => {
            let path = with_value(path)?;
            match test(&path, operator, value, tolerances)? {
                // RFC 7643 section 2.4: primary is false where it is absent.
                Test::Eq(Operand::Bool(false)) if is_primary(&path) => Ok(T::not_primary(path)),
                test => Ok(T::attribute(path, test)),
            }
        }
    }
}

/// The test for a value that is not null. `""` is one, although it is not "present" (RFC 7643 section 2.5, A-07).
fn assigned(attribute: &Attribute) -> Test {
    match attribute.type_ {
        AttributeType::String | AttributeType::Reference | AttributeType::Binary => Test::Ge(String::new()),
        _ => Test::Present,
    }
}

/// A complex attribute without a sub-attribute means its `value`.
pub(super) fn with_value(path: AttributePath) -> Result<AttributePath, ScimError> {
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
            let problem = format!("is complex: name a sub-attribute, for example `{path}.{example}`");
            Err(invalid(path, problem))
        }
    }
}

/// `id`, `meta` and `schemas` are part of every resource (RFC 7643 section 3.1).
fn is_always_present(path: &AttributePath) -> bool {
    path.extension.is_none() && ["id", "meta", "schemas"].contains(&path.attribute.name.as_str())
}

fn is_primary(path: &AttributePath) -> bool {
    path.attribute.multi_valued
        && path
            .sub
            .as_ref()
            .is_some_and(|it| it.name.eq_ignore_ascii_case("primary"))
}

/// Refuses an attribute that is never returned, because filters would reveal its value letter by letter.
pub(super) fn refuse_never_returned(path: &AttributePath) -> Result<(), ScimError> {
    if path.attribute.is_never_read() || path.sub.as_deref().is_some_and(Attribute::is_never_read) {
        return Err(invalid(path, "is never returned and cannot be filtered by"));
    }
    Ok(())
}

/// Resolves every operand, so that an error does not depend on the other operands.
fn collect<F, T>(operands: &[F], resolve: impl Fn(&F) -> Result<T, ScimError>) -> Result<Vec<T>, ScimError> {
    operands.iter().map(resolve).collect()
}
