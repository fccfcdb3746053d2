//! What a path names: the way from the text of `path` to an attribute, a sub-attribute, or some of
//! the values of one (RFC 7644 sections 3.5.2 and 3.10).

use std::sync::Arc;

use scim_filter::{AttrPath, Options, PatchPath, ValFilter};
use scim_model::condition::ElementCondition;
use scim_model::{Attribute, AttributePath, ResourceType, Schema, ScimError, ScimType};

use crate::error::{invalid_path, quoted};
use crate::quirks::Tolerances;

/// What an operation works on.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// All attributes of an extension: the path is its URN.
    Extension(Arc<Schema>),
    /// The `schemas` attribute, which follows from the data.
    Schemas,
    /// An attribute, or a sub-attribute of one.
    Attribute(AttributePath),
    /// The values of an attribute that fulfil a filter, or a sub-attribute of each.
    Values {
        /// The attribute.
        attribute: AttributePath,
        /// As it was written, for the values that a client expects to be created from it.
        filter: ValFilter,
        /// The same, resolved.
        condition: ElementCondition,
        /// The sub-attribute behind the bracket.
        sub: Option<Arc<Attribute>>,
    },
}

impl Target {
    /// # Errors
    /// `invalidPath` for a path that cannot be read or names nothing; `invalidFilter` when only the
    /// filter in its brackets is wrong.
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
        let options = if tolerances.is_lenient() {
            Options::default()
        } else {
            Options::strict()
        };
        let parsed = PatchPath::parse_with(path, &options).map_err(|error| {
            let scim_type = if error.is_in_value_filter() {
                ScimType::InvalidFilter
            } else {
                ScimType::InvalidPath
            };
            ScimError::new(scim_type, format!("path {}: {error}", quoted(path)))
        })?;
        tolerances.path_syntax(&parsed.leniencies);
        match parsed.value {
            PatchPath::Attr(attr_path) => {
                let found = find_attribute(resource_type, &attr_path, path, tolerances)?;
                if found.extension.is_none() && found.attribute.name == "schemas" {
                    return Ok(Target::Schemas);
                }
                Ok(Target::Attribute(found))
            }
            PatchPath::Value { value_path, sub } => {
                let attribute = find_attribute(resource_type, &value_path.path, path, tolerances)?;
                let condition = ElementCondition::resolve(&value_path.filter, &attribute)?;
                tolerances.boolean_text_in_filter(&value_path.filter, &attribute.attribute);
                let sub = match sub {
                    None => None,
                    Some(name) => {
                        Some(attribute.attribute.sub_attribute(&name).cloned().ok_or_else(|| {
                            invalid_path(format!(
                                "path {}: `{attribute}` has no sub-attribute `{name}`",
                                quoted(path)
                            ))
                        })?)
                    }
                };
                Ok(Target::Values {
                    attribute,
                    filter: value_path.filter,
                    condition,
                    sub,
                })
            }
        }
    }

    /// Whether the path says more than which attribute.
    pub(crate) fn is_more_than_a_name(&self) -> bool {
        match self {
            Target::Attribute(found) => found.sub.is_some(),
            Target::Values { .. } => true,
            Target::Extension(_) | Target::Schemas => false,
        }
    }
}

fn find_attribute(
    resource_type: &ResourceType,
    attr_path: &AttrPath,
    path: &str,
    tolerances: &mut Tolerances,
) -> Result<AttributePath, ScimError> {
    resource_type
        .resolve(attr_path)
        .or_else(|| tolerances.unqualified_reference(resource_type, attr_path))
        .ok_or_else(|| {
            invalid_path(format!(
                "path {} names no attribute of {}",
                quoted(path),
                resource_type.name
            ))
        })
}
