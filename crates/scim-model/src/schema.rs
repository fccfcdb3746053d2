//! Schemas and resource types as data (RFC 7643 sections 2, 6 and 7), and the way from an
//! attribute path to an attribute.

use std::fmt;
use std::sync::Arc;

use scim_filter::AttrPath;
use serde::{Deserialize, Serialize};

/// URN of the User schema.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the Group schema.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the Enterprise User extension.
pub const ENTERPRISE_USER_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A schema document (RFC 7643 section 7).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Schema {
    /// The URN.
    pub id: Arc<str>,
    /// Human-readable name.
    pub name: String,
    /// Human-readable description.
    #[serde(default)]
    pub description: String,
    /// Attributes in the order of the document.
    pub attributes: Vec<Arc<Attribute>>,
}

/// Everything that RFC 7643 section 7 says of one attribute; absent characteristics have the
/// defaults of section 2.2.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Canonical spelling of the name.
    pub name: String,
    /// Data type.
    #[serde(rename = "type", default)]
    pub type_: AttributeType,
    /// Whether the JSON value is an array.
    #[serde(default)]
    pub multi_valued: bool,
    /// Human-readable description.
    #[serde(default)]
    pub description: String,
    /// Whether a value must be present after create and replace.
    #[serde(default)]
    pub required: bool,
    /// Suggested values; others are accepted too (7643-2.3.1-03).
    #[serde(default)]
    pub canonical_values: Vec<String>,
    /// Whether comparisons distinguish case.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may write it, and when.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is part of an answer.
    #[serde(default)]
    pub returned: Returned,
    /// Scope in which values are unique.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// Resource types, `external` or `uri`; for references only.
    #[serde(default)]
    pub reference_types: Vec<String>,
    /// For complex attributes only.
    #[serde(default)]
    pub sub_attributes: Vec<Arc<Attribute>>,
}

/// Data types of RFC 7643 section 2.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum AttributeType {
    #[default]
    String,
    Boolean,
    Decimal,
    Integer,
    DateTime,
    Reference,
    Binary,
    Complex,
}

/// `mutability` of RFC 7643 section 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum Mutability {
    ReadOnly,
    #[default]
    ReadWrite,
    Immutable,
    WriteOnly,
}

/// `returned` of RFC 7643 section 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum Returned {
    Always,
    Never,
    #[default]
    Default,
    Request,
}

/// `uniqueness` of RFC 7643 section 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum Uniqueness {
    #[default]
    None,
    Server,
    Global,
}

/// A resource type: endpoint, core schema, extensions (RFC 7643 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Name and id, for example `User`; also `meta.resourceType`.
    pub name: Arc<str>,
    /// Path below the base URL, for example `/Users`.
    pub endpoint: Arc<str>,
    /// Human-readable description.
    pub description: String,
    /// `schemas` (every type), `id`, `externalId`, `meta`: RFC 7643 section 3.1.
    pub common: Arc<Schema>,
    /// The core schema.
    pub schema: Arc<Schema>,
    /// Extensions, each with whether it is required.
    pub extensions: Vec<(Arc<Schema>, bool)>,
}

/// An attribute or sub-attribute of a resource type, found in its schemas.
///
/// Displays as the full path, `urn:…:User:manager.value` for extensions and `name.familyName` for
/// the core schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    /// URN of the extension whose object holds the attribute; `None` for core and common ones.
    pub extension: Option<Arc<str>>,
    /// The attribute.
    pub attribute: Arc<Attribute>,
    /// The sub-attribute, if one is named.
    pub sub: Option<Arc<Attribute>>,
}

impl AttributePath {
    /// The attribute that holds the value: the sub-attribute if there is one.
    pub fn leaf(&self) -> &Attribute {
        self.sub.as_deref().unwrap_or(&self.attribute)
    }

    /// Names of the JSON members from the resource's root, for example `["name", "familyName"]`.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let extension = self.extension.as_deref().into_iter();
        let sub = self.sub.as_deref().map(|sub| sub.name.as_str());
        extension.chain([self.attribute.name.as_str()]).chain(sub)
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.extension {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.attribute.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{}", sub.name),
            None => Ok(()),
        }
    }
}

/// Finds an attribute by name in any case.
pub fn attribute_named<'a>(attributes: &'a [Arc<Attribute>], name: &str) -> Option<&'a Arc<Attribute>> {
    attributes.iter().find(|it| it.name.eq_ignore_ascii_case(name))
}

impl ResourceType {
    /// The schema (core, common or extension) of a URN in any case.
    pub fn schema_of(&self, urn: &str) -> Option<&Arc<Schema>> {
        let extensions = self.extensions.iter().map(|(schema, _)| schema);
        [&self.schema].into_iter().chain(extensions).find(|it| it.id.eq_ignore_ascii_case(urn))
    }

    /// The extension of a URN in any case.
    pub fn extension_of(&self, urn: &str) -> Option<&Arc<Schema>> {
        let mut extensions = self.extensions.iter().map(|(schema, _)| schema);
        extensions.find(|it| it.id.eq_ignore_ascii_case(urn))
    }

    /// The attribute that a path names; names in any case, extension attributes by their URN only
    /// . `None` when the type has no such attribute or sub-attribute.
    pub fn resolve(&self, path: &AttrPath) -> Option<AttributePath> {
        let (extension, attribute) = match &path.urn {
            None => (None, self.core_attribute(&path.name)?),
            Some(urn) if self.schema.id.eq_ignore_ascii_case(urn) => (None, self.core_attribute(&path.name)?),
            Some(urn) => {
                let schema = self.extension_of(urn)?;
                (Some(schema.id.clone()), attribute_named(&schema.attributes, &path.name)?)
            }
        };
        let sub = match &path.sub {
            None => None,
            Some(name) => Some(attribute_named(&attribute.sub_attributes, name)?.clone()),
        };
        Some(AttributePath { extension, attribute: attribute.clone(), sub })
    }

    /// A common or core attribute by name in any case.
    pub fn core_attribute(&self, name: &str) -> Option<&Arc<Attribute>> {
        attribute_named(&self.common.attributes, name).or_else(|| attribute_named(&self.schema.attributes, name))
    }
}

/// All schemas and resource types that a server knows.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    /// Every schema, the meta-schemas included.
    pub schemas: Vec<Arc<Schema>>,
    /// Every resource type.
    pub resource_types: Vec<Arc<ResourceType>>,
}

impl SchemaRegistry {
    /// A resource type by name, case-exact.
    pub fn resource_type(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.resource_types.iter().find(|it| &*it.name == name)
    }
}
