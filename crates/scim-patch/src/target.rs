//! The target of an operation: from the text of `path` to an attribute, a sub-attribute, or some of the values of an
//! attribute (RFC 7644 sections 3.5.2 and 3.10).

use std::sync::Arc;

use scim_filter::{AttrPath, LeniencyKind, Options, Parsed, PatchPath, ValFilter};
use scim_model::condition::ElementCondition;
use scim_model::internal::{self, standard_notation};
use scim_model::{Attribute, AttributePath, ResourceType, Schema, ScimError, ScimType};

use crate::error::{invalid_path, quoted};
use crate::tolerance::Tolerances;

/// The part of a resource that an operation concerns.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// All attributes of an extension: the path is its URN.
    Extension(Arc<Schema>),
    /// `schemas`, or the URNs in it that match a filter.
    Schemas { condition: Option<ElementCondition> },
    /// An attribute, or a sub-attribute of one.
    Attribute(AttributePath),
    /// The values of an attribute that match a filter, or a sub-attribute of each.
    Values(Selection),
}

/// The values of an attribute that match a filter, or one sub-attribute of each.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) attribute: AttributePath,
    /// The filter as the client sent it.
    pub(crate) filter: ValFilter,
    /// Whether a value in the filter has no quotes.
    pub(crate) has_bare_word: bool,
    /// The filter, resolved.
    pub(crate) condition: ElementCondition,
    /// The sub-attribute after the closing bracket.
    pub(crate) sub: Option<Arc<Attribute>>,
}

impl Target {
    /// Resolves a path.
    ///
    /// # Errors
    /// `invalidPath` for a path that cannot be parsed or names nothing; `invalidFilter` when only the filter in its
    /// brackets is wrong.
    pub(crate) fn find(
        resource_type: &ResourceType,
        path: &str,
        tolerances: &mut Tolerances,
    ) -> Result<Target, ScimError> {
        if path.trim().is_empty() {
            return Err(invalid_path("the path is empty"));
        }
        if let Some(schema) = resource_type.extension_of(path) {
            return Ok(Target::Extension(schema.clone()));
        }
        let standard = standard_notation(path, &[resource_type], tolerances.current());
        let parsed = parse(&standard, tolerances)?;
        let has_bare_word = parsed
            .leniencies
            .iter()
            .any(|it| it.kind == LeniencyKind::BareWord);
        match parsed.value {
            PatchPath::Attr(attr_path) => {
                let found = find_attribute(resource_type, &attr_path, path, tolerances)?;
                if is_schemas(&found) {
                    return Ok(Target::Schemas { condition: None });
                }
                Ok(Target::Attribute(found))
            }
            PatchPath::Value { value_path, sub } => {
                let attribute = find_attribute(resource_type, &value_path.path, path, tolerances)?;
                let condition =
                    ElementCondition::resolve(&value_path.filter, &attribute, tolerances.current())?;
                let sub = match sub {
                    None => None,
                    Some(name) if tolerances.is_value_of_simple(&attribute, &name) => None,
                    Some(name) => Some(find_sub(&attribute, &name, path)?),
                };
                if is_schemas(&attribute) {
                    let condition = Some(condition);
                    return Ok(Target::Schemas { condition });
                }
                Ok(Target::Values(Selection {
                    attribute,
                    filter: value_path.filter,
                    has_bare_word,
                    condition,
                    sub,
                }))
            }
        }
    }

    /// Returns the attribute that is the target or contains it.
    pub(crate) fn attribute(&self) -> Option<&AttributePath> {
        match self {
            Target::Attribute(found) => Some(found),
            Target::Values(selection) => Some(&selection.attribute),
            Target::Extension(_) | Target::Schemas { .. } => None,
        }
    }

    /// Returns whether the path says more than the name of an attribute or extension.
    pub(crate) fn is_more_than_a_name(&self) -> bool {
        match self {
            Target::Attribute(found) => found.sub.is_some(),
            Target::Values(_) => true,
            Target::Schemas { condition } => condition.is_some(),
            Target::Extension(_) => false,
        }
    }
}

fn is_schemas(found: &AttributePath) -> bool {
    found.extension.is_none() && found.attribute.name == "schemas"
}

fn parse(path: &str, tolerances: &mut Tolerances) -> Result<Parsed<PatchPath>, ScimError> {
    let options = Options {
        bare_words: true, // Without effect in strict mode.
        ..match tolerances.is_lenient() {
            true => Options::default(),
            false => Options::strict(),
        }
    };
    let parsed = PatchPath::parse_with(path, &options).map_err(|error| {
        let scim_type = if error.is_in_value_filter() {
            ScimType::InvalidFilter
        } else {
            ScimType::InvalidPath
        };
        ScimError::new(scim_type, format!("path {}: {error}", quoted(path)))
    })?;
    tolerances.current().record_syntax(&parsed.leniencies);
    Ok(parsed)
}

fn find_sub(attribute: &AttributePath, name: &str, path: &str) -> Result<Arc<Attribute>, ScimError> {
    let sub = attribute.attribute.sub_attribute(name).cloned();
    sub.ok_or_else(|| {
        invalid_path(format!(
            "path {}: `{attribute}` has no sub-attribute `{name}`",
            quoted(path)
        ))
    })
}

fn find_attribute(
    resource_type: &ResourceType,
    attr_path: &AttrPath,
    path: &str,
    tolerances: &mut Tolerances,
) -> Result<AttributePath, ScimError> {
    internal::find_attribute(resource_type, attr_path, tolerances.current())
        .or_else(|| tolerances.unqualified_reference(resource_type, attr_path))
        .ok_or_else(|| {
            invalid_path(format!(
                "path {} names no attribute of {}",
                quoted(path),
                resource_type.name
            ))
        })
}
