//! What a path names: the way from the text of `path` to an attribute, a sub-attribute, or some of
//! the values of one (RFC 7644 sections 3.5.2 and 3.10).

use std::sync::Arc;

use scim_filter::{AttrPath, Options, PatchPath, ValFilter};
use scim_model::condition::ElementCondition;
use scim_model::{Attribute, AttributePath, Policy, ResourceType, Schema, ScimError, ScimType};

use crate::error::invalid_path;
use crate::quirks;

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
        policy: Policy,
    ) -> Result<Target, ScimError> {
        if path.trim().is_empty() {
            return Err(invalid_path("the path is empty"));
        }
        if let Some(schema) = resource_type.extension_of(path) {
            return Ok(Target::Extension(schema.clone()));
        }
        let options = if policy.lenient {
            Options::default()
        } else {
            Options::strict()
        };
        let parsed = PatchPath::parse_with(path, &options).map_err(|error| {
            let scim_type = if is_inside_brackets(path, error.offset()) {
                ScimType::InvalidFilter
            } else {
                ScimType::InvalidPath
            };
            ScimError::new(scim_type, format!("path {path:?}: {error}"))
        })?;
        match parsed.value {
            PatchPath::Attr(attr_path) => {
                let found = find_attribute(resource_type, &attr_path, path, policy)?;
                if found.extension.is_none() && found.attribute.name == "schemas" {
                    return Ok(Target::Schemas);
                }
                Ok(Target::Attribute(found))
            }
            PatchPath::Value { value_path, sub } => {
                let attribute = find_attribute(resource_type, &value_path.path, path, policy)?;
                let condition = ElementCondition::resolve(&value_path.filter, &attribute)?;
                let sub = match sub {
                    None => None,
                    Some(name) => {
                        Some(attribute.attribute.sub_attribute(&name).cloned().ok_or_else(|| {
                            invalid_path(format!(
                                "path {path:?}: `{attribute}` has no sub-attribute `{name}`"
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
}

fn find_attribute(
    resource_type: &ResourceType,
    attr_path: &AttrPath,
    path: &str,
    policy: Policy,
) -> Result<AttributePath, ScimError> {
    let lenient = || {
        policy
            .lenient
            .then(|| quirks::unqualified_reference(resource_type, attr_path))
            .flatten()
    };
    resource_type.resolve(attr_path).or_else(lenient).ok_or_else(|| {
        invalid_path(format!(
            "path {path:?} names no attribute of {}",
            resource_type.name
        ))
    })
}

/// Whether an error stands between brackets that are both there.
fn is_inside_brackets(path: &str, offset: usize) -> bool {
    match (path.find('['), path.rfind(']')) {
        (Some(open), Some(close)) => open < offset && offset <= close && close > open + 1,
        _ => false,
    }
}
