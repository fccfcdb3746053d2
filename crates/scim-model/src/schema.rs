//! Schemas and resource types as data (RFC 7643 sections 2, 6 and 7), and the resolution of an attribute
//! path to an attribute.
//!
//! A [`SchemaRegistry`](crate::SchemaRegistry) holds the schemas and resource types of a server.

mod document;
pub(crate) mod error;
mod load;
mod reader;
pub(crate) mod registry;
mod rules;

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
/// URN of the schema of `ServiceProviderConfig`.
#[doc(hidden)]
pub const SERVICE_PROVIDER_CONFIG_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// URN of the schema of resource types.
#[doc(hidden)]
pub const RESOURCE_TYPE_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// URN of the schema of schemas.
#[doc(hidden)]
pub const SCHEMA_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// A schema document (RFC 7643 section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: Arc<str>,
    /// Human-readable name.
    pub name: String,
    /// Human-readable description.
    pub description: String,
    /// Attributes in the order of the document.
    pub attributes: Vec<Arc<Attribute>>,
}

/// An attribute with the characteristics of RFC 7643 section 7; absent ones have the defaults of section 2.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// Canonical spelling of the name.
    pub name: String,
    /// Data type.
    pub type_: AttributeType,
    /// Whether the JSON value is an array.
    pub multi_valued: bool,
    /// Human-readable description.
    pub description: String,
    /// Whether a value must be present after create and replace.
    pub required: bool,
    /// Suggested values; others are accepted too (7643-2.3.1-03). An empty list is published; a missing list is not.
    pub canonical_values: Option<Vec<String>>,
    /// Whether comparisons distinguish case.
    pub case_exact: bool,
    /// Whether clients may write it, and when.
    pub mutability: Mutability,
    /// When it is part of a response.
    pub returned: Returned,
    /// Scope in which values are unique.
    pub uniqueness: Uniqueness,
    /// Whether stores keep an index for filters and sorting on it. Not in the RFC: it is read from an
    /// operator's schema document and not published.
    pub indexed: bool,
    /// Whether values are hashed or dropped, and in no document. Not in the RFC, and not published.
    pub secret: bool,
    /// The value that filters and sorting use while a boolean is unassigned: true for `active`. Responses show
    /// only values that clients have set. A replacement that leaves the attribute out keeps its value, because
    /// it must neither disable nor enable an account. Not in the RFC, and not published.
    pub default: Option<bool>,
    /// A format that the text of the RFC requires beyond the type. Not published.
    pub format: Option<Format>,
    /// Resource types, `external` or `uri`; for references only.
    pub reference_types: Vec<String>,
    /// For complex attributes only.
    pub sub_attributes: Vec<Arc<Attribute>>,
}

impl Attribute {
    /// Whether it is a secret, like `password`: its values are validated and kept out of the document, so that no
    /// clear text is ever stored.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// The sub-attribute of a name in any case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Arc<Attribute>> {
        attribute_named(&self.sub_attributes, name)
    }

    /// Whether it is a complex attribute that refers to another resource, like `manager`: it has `value`, and a
    /// `$ref` to a resource type. `$ref` is not stored but added to a response, and so is the name of the resource,
    /// see [`Attribute::shows_name`].
    pub fn is_shown_reference(&self) -> bool {
        let is_to_resource = |it: &Arc<Attribute>| {
            it.reference_types
                .iter()
                .any(|to| !matches!(to.as_str(), "external" | "uri"))
        };
        !self.multi_valued
            && self.sub_attribute("value").is_some()
            && self.sub_attribute("$ref").is_some_and(is_to_resource)
    }

    /// Whether clients can never read it. Such an attribute cannot be searched for and is in no normal form
    ///
    pub fn is_never_read(&self) -> bool {
        self.returned == Returned::Never || self.mutability == Mutability::WriteOnly
    }

    /// Whether its values, or parts of them, are never returned. The journal then records that it changed, and
    /// no value.
    pub fn hides_values(&self) -> bool {
        let is_never = |it: &Attribute| it.returned == Returned::Never;
        is_never(self) || self.sub_attributes.iter().any(|it| is_never(it))
    }

    /// Whether the attribute is a set of references to resources: two elements are the same when their
    /// `value` is the same, whatever their other sub-attributes are.
    pub fn is_reference_set(&self) -> bool {
        let refers_to_resources = |it: &Arc<Attribute>| {
            it.reference_types
                .iter()
                .any(|to| !matches!(to.as_str(), "external" | "uri"))
        };
        self.multi_valued
            && self.sub_attribute("value").is_some()
            && self.sub_attribute("$ref").is_some_and(refers_to_resources)
    }

    /// Whether it has several values, and each is simple: clients also call them `value`, as in complex attributes.
    pub fn has_simple_values(&self) -> bool {
        self.multi_valued && self.type_ != AttributeType::Complex
    }

    /// Whether a reference shows the name of its resource, in a readOnly `displayName`.
    pub fn shows_name(&self) -> bool {
        self.sub_attribute("displayName")
            .is_some_and(|it| it.mutability == Mutability::ReadOnly)
    }
}

/// A format that RFC 7643 section 4.1 requires of an attribute's text. Only a strict policy checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// Two letters of ISO 3166-1.
    Country,
    /// One DER certificate.
    Certificate,
    /// Letters, digits and visible ASCII characters (RFC 8265 section 3.3, A-49).
    UserName,
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
/// [`Display`](fmt::Display) writes the full path: `urn:…:User:manager.value` for extensions and
/// `name.familyName` for the core schema.
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
    /// The attribute whose values the path names: the sub-attribute if there is one.
    pub fn leaf(&self) -> &Attribute {
        self.sub.as_deref().unwrap_or(&self.attribute)
    }

    /// The names of the JSON members from the resource's root, for example `["name", "familyName"]`.
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
#[doc(hidden)]
pub fn attribute_named<'a>(attributes: &'a [Arc<Attribute>], name: &str) -> Option<&'a Arc<Attribute>> {
    attributes.iter().find(|it| it.name.eq_ignore_ascii_case(name))
}

/// Whether an attribute may have this name: a letter, or `$` and a letter, followed by ASCII letters, digits,
/// `-`, `_` and `$`.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$'))
}

impl ResourceType {
    /// Whether the store keeps its `members` as rows, and not in the document: true for types with the Group
    /// schema.
    pub fn has_members(&self) -> bool {
        &*self.schema.id == GROUP_URN
    }

    /// Whether its `groups` are derived from the members of groups: true for types with the User schema.
    pub fn has_groups(&self) -> bool {
        &*self.schema.id == USER_URN
    }

    /// The schemas whose attributes a resource may have, each with the URN of the object that holds their
    /// values: `None` for common and core attributes.
    pub fn parts(&self) -> impl Iterator<Item = (Option<&Arc<str>>, &Arc<Schema>)> {
        let extensions = self
            .extensions
            .iter()
            .map(|(schema, _)| (Some(&schema.id), schema));
        [(None, &self.common), (None, &self.schema)]
            .into_iter()
            .chain(extensions)
    }

    /// The single complex attributes that refer to a resource, like `manager` ([`Attribute::is_shown_reference`]).
    pub fn shown_references(&self) -> impl Iterator<Item = AttributePath> {
        self.parts().flat_map(|(extension, schema)| {
            let shown = schema.attributes.iter().filter(|it| it.is_shown_reference());
            shown.map(move |it| AttributePath {
                extension: extension.cloned(),
                attribute: it.clone(),
                sub: None,
            })
        })
    }

    /// The core schema or an extension, by its URN in any case.
    pub fn schema_of(&self, urn: &str) -> Option<&Arc<Schema>> {
        let extensions = self.extensions.iter().map(|(schema, _)| schema);
        [&self.schema]
            .into_iter()
            .chain(extensions)
            .find(|it| it.id.eq_ignore_ascii_case(urn))
    }

    /// An extension, by its URN in any case.
    pub fn extension_of(&self, urn: &str) -> Option<&Arc<Schema>> {
        let mut extensions = self.extensions.iter().map(|(schema, _)| schema);
        extensions.find(|it| it.id.eq_ignore_ascii_case(urn))
    }

    /// Finds the attribute that a path names. Names match in any case, and attributes of extensions need their
    /// URN. Returns `None` when the type has no such attribute or sub-attribute.
    pub fn resolve(&self, path: &AttrPath) -> Option<AttributePath> {
        let (extension, attribute) = match path.urn() {
            None => (None, self.core_attribute(path.name())?),
            Some(urn) if self.schema.id.eq_ignore_ascii_case(urn) => {
                (None, self.core_attribute(path.name())?)
            }
            Some(urn) => {
                let schema = self.extension_of(urn)?;
                (
                    Some(schema.id.clone()),
                    attribute_named(&schema.attributes, path.name())?,
                )
            }
        };
        let sub = match path.sub() {
            None => None,
            Some(name) => Some(attribute_named(&attribute.sub_attributes, name)?.clone()),
        };
        Some(AttributePath {
            extension,
            attribute: attribute.clone(),
            sub,
        })
    }

    /// A common or core attribute by name in any case.
    pub fn core_attribute(&self, name: &str) -> Option<&Arc<Attribute>> {
        attribute_named(&self.common.attributes, name)
            .or_else(|| attribute_named(&self.schema.attributes, name))
    }
}
