//! Rules for an operator's documents; see [`SchemaRegistry::load`].

use std::sync::Arc;

use crate::error::shortened;
use crate::schema::document::{AttributeDocument, ResourceTypeDocument, SchemaDocument};
use crate::schema::error::Problem;
use crate::schema::registry::SchemaRegistry;
use crate::schema::{
    Attribute, AttributeType, GROUP_URN, Mutability, ResourceType, Returned, Schema, USER_URN, Uniqueness,
    attribute_named, is_attribute_name,
};

/// The most bytes of a name, which is part of every resource, of URLs and of indexes.
const MAX_NAME: usize = 200;

/// An attribute of a document, and its parent.
pub(super) struct Candidate<'a> {
    pub(super) attribute: &'a AttributeDocument,
    /// The complex attribute that it is a sub-attribute of.
    pub(super) parent: Option<&'a AttributeDocument>,
}

impl Candidate<'_> {
    fn is(&self, types: &[AttributeType]) -> bool {
        types.contains(&self.attribute.type_)
    }

    fn is_complex(&self) -> bool {
        self.is(&[AttributeType::Complex])
    }

    fn is_unique(&self) -> bool {
        self.attribute.uniqueness != Uniqueness::None
    }

    fn is_write_only(&self) -> bool {
        self.attribute.mutability == Mutability::WriteOnly
    }

    fn is_never_returned(&self) -> bool {
        self.is_write_only() || self.attribute.returned == Some(Returned::Never)
    }

    /// Whether a resource has at most one value of it, outside any other value.
    fn is_single_and_top_level(&self) -> bool {
        self.parent.is_none() && !self.attribute.multi_valued
    }

    /// Whether the name is well formed. `$` starts the names of sub-attributes alone, such as `$ref` (RFC 7643
    /// section 2.4).
    fn has_valid_name(&self) -> bool {
        let name = &self.attribute.name;
        is_attribute_name(name) && (self.parent.is_some() || !name.starts_with('$'))
    }
}

/// A test for a defect, and the reason that is reported for it.
type Rule = (fn(&Candidate<'_>) -> bool, &'static str);

const ATTRIBUTE_RULES: [Rule; 13] = [
    (
        |it| !it.has_valid_name(),
        "a name starts with a letter, or with `$` for a sub-attribute such as `$ref`, and goes on with letters, digits, `-`, `_` and `$`",
    ),
    (
        |it| it.attribute.name.len() > MAX_NAME,
        "`name` must not be longer than 200 bytes",
    ),
    (
        |it| it.is_write_only() && it.attribute.returned.is_some_and(|it| it != Returned::Never),
        "a writeOnly attribute is never returned: `returned` must be `never`",
    ),
    (
        |it| {
            let types = [
                AttributeType::String,
                AttributeType::Reference,
                AttributeType::Integer,
            ];
            it.is_unique() && !(it.is_single_and_top_level() && it.is(&types))
        },
        "`uniqueness` must be `none`, unless the attribute is a single string, reference or integer at the top level",
    ),
    (
        |it| {
            it.attribute
                .canonical_values
                .as_ref()
                .is_some_and(|values| !values.is_empty())
                && !it.is(&[AttributeType::String])
        },
        "only strings have `canonicalValues`",
    ),
    (
        |it| !it.attribute.reference_types.is_empty() && !it.is(&[AttributeType::Reference]),
        "only references have `referenceTypes`: names of resource types, `external` or `uri`",
    ),
    (
        |it| it.attribute.indexed && it.is_complex(),
        "a complex attribute cannot be `indexed`; its sub-attributes can",
    ),
    (
        |it| it.attribute.indexed && it.is_never_returned(),
        "an attribute that is never returned cannot be `indexed`",
    ),
    (
        // A secret anywhere else would be stored with the document around it.
        |it| {
            let can_be_secret =
                it.is(&[AttributeType::String]) && it.is_write_only() && it.is_single_and_top_level();
            it.attribute.secret && !can_be_secret
        },
        "only a single `writeOnly` string at the top level can be `secret`",
    ),
    (
        |it| it.attribute.secret && it.is_unique(),
        "a secret cannot be unique: only its hash is kept, so `uniqueness` must be `none`",
    ),
    (
        // RFC 7643 section 2.3: values of other types have no case.
        |it| {
            let types = [
                AttributeType::String,
                AttributeType::Reference,
                AttributeType::Binary,
            ];
            it.attribute.case_exact && !it.is(&types)
        },
        "only strings, references and binary values can be `caseExact`",
    ),
    (
        |it| it.is_complex() == it.attribute.sub_attributes.is_empty(),
        "complex attributes, and no others, have `subAttributes`",
    ),
    (
        |it| it.is_complex() && it.parent.is_some(),
        "a complex attribute cannot contain a complex attribute",
    ),
];

/// Checks one attribute of an operator's schema, without its sub-attributes.
pub(super) fn check_attribute(path: &str, candidate: &Candidate<'_>) -> Result<(), Problem> {
    if let Some((_, reason)) = ATTRIBUTE_RULES.iter().find(|(is_broken, _)| is_broken(candidate)) {
        return Err(Problem::in_attribute(path, *reason));
    }
    check_predefined(path, candidate)
}

/// RFC 7643 section 2.4: these sub-attributes of multi-valued attributes mean the same everywhere.
fn check_predefined(path: &str, candidate: &Candidate<'_>) -> Result<(), Problem> {
    let predefined = [
        ("primary", AttributeType::Boolean, "boolean"),
        ("type", AttributeType::String, "string"),
        ("display", AttributeType::String, "string"),
        ("$ref", AttributeType::Reference, "reference"),
    ];
    let attribute = candidate.attribute;
    let mut predefined = predefined.iter();
    match predefined.find(|(name, ..)| name.eq_ignore_ascii_case(&attribute.name)) {
        Some((name, type_, word))
            if candidate.parent.is_some_and(|it| it.multi_valued)
                && (*type_ != attribute.type_ || attribute.multi_valued) =>
        {
            let reason = format!(
                "`{name}` of a multi-valued attribute must be a single {word} (RFC 7643 section 2.4)"
            );
            Err(Problem::in_attribute(path, reason))
        }
        _ => Ok(()),
    }
}

/// Checks that references name resource types that are served, because no other can be followed.
pub(super) fn check_reference_types(
    parent: &str,
    attributes: &[Arc<Attribute>],
    registry: &SchemaRegistry,
) -> Result<(), Problem> {
    for attribute in attributes {
        let path = format!("{parent}{}", attribute.name);
        let is_known =
            |it: &&String| matches!(it.as_str(), "external" | "uri") || registry.resource_type(it).is_some();
        if let Some(unknown) = attribute.reference_types.iter().find(|it| !is_known(it)) {
            let types: Vec<&str> = registry.resource_types.iter().map(|it| &*it.name).collect();
            let reason = format!(
                "`referenceTypes` has `{}`; the values are external, uri and the resource types {}",
                shortened(unknown),
                types.join(", ")
            );
            return Err(Problem::in_attribute(&path, reason));
        }
        check_reference_types(&format!("{path}."), &attribute.sub_attributes, registry)?;
    }
    Ok(())
}

/// Checks an operator's schema, without its attributes.
pub(super) fn check_schema(document: &SchemaDocument) -> Result<(), Problem> {
    let id = required("id", document.id.as_deref())?;
    check_urn(id)?;
    check_length("id", id)?;
    if document.attributes.is_empty() {
        let reason = "`attributes` must be an array with at least one attribute";
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

/// The text of a member that a document must have.
pub(super) fn required<'a>(name: &str, text: Option<&'a str>) -> Result<&'a str, Problem> {
    let text = text.filter(|it| !it.is_empty());
    text.ok_or_else(|| Problem::in_document(format!("`{name}` is missing")))
}

fn check_length(member: &str, text: &str) -> Result<(), Problem> {
    if text.len() <= MAX_NAME {
        return Ok(());
    }
    let reason = format!("`{member}` must not be longer than {MAX_NAME} bytes");
    Err(Problem::in_document(reason))
}

/// Checks for `urn:<nid>:<nss>` (RFC 8141), without the characters that end a URN in filters and paths.
fn check_urn(urn: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'*+,;=%@/".contains(&byte);
    let mut parts = urn.splitn(3, ':');
    let is_urn = parts.next().is_some_and(|it| it.eq_ignore_ascii_case("urn"))
        && parts.next().is_some_and(|nid| nid.len() >= 2)
        && parts
            .next()
            .is_some_and(|nss| !nss.is_empty() && !nss.ends_with(':'))
        && urn.bytes().all(allowed);
    if !is_urn {
        let reason = format!(
            "the id `{}` must be a URN, for example `urn:example:params:scim:schemas:extension:hr:1.0:User`",
            shortened(urn)
        );
        return Err(Problem::in_document(reason));
    }
    if urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:api:") {
        let reason = format!("the id `{urn}` is reserved for the messages of SCIM");
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

/// Checks that the URN of no schema reads as an attribute of another: `urn:a:b:c` would be both the schema
/// and the attribute `c` of `urn:a:b`.
pub(super) fn check_ambiguous_urns<'a>(
    schemas: impl Iterator<Item = &'a Schema>,
    own: &Schema,
) -> Result<(), Problem> {
    for other in schemas {
        if let Some((urn, name)) = [(own, other), (other, own)]
            .into_iter()
            .find_map(reads_as_attribute)
        {
            let reason = format!("the id `{urn}` reads as the attribute `{name}` of another schema");
            return Err(Problem::in_document(reason));
        }
    }
    Ok(())
}

fn reads_as_attribute<'a>((schema, attribute): (&'a Schema, &'a Schema)) -> Option<(&'a str, &'a str)> {
    let (urn, name) = attribute.id.rsplit_once(':')?;
    let clashes = schema.id.eq_ignore_ascii_case(urn) && attribute_named(&schema.attributes, name).is_some();
    clashes.then_some((&*attribute.id, name))
}

/// RFC 7643 section 3.1 defines the characteristics of common attributes, and no core schema changes them; section
/// 3.3: extensions do not redefine them.
pub(super) fn check_common_attributes(schema: &mut Schema, is_core: bool) -> Result<(), Problem> {
    let common = ["schemas", "id", "externalId", "meta"];
    let is_common = |name: &str| common.iter().any(|it| it.eq_ignore_ascii_case(name));
    if is_core {
        schema.attributes.retain(|it| !is_common(&it.name));
    } else if let Some(redefined) = schema.attributes.iter().find(|it| is_common(&it.name)) {
        let reason = "the name is reserved: every resource has this attribute (RFC 7643 section 3.1)";
        return Err(Problem::in_attribute(&redefined.name, reason));
    }
    Ok(())
}

/// Values of `meta.resourceType` in discovery documents, and the other values of `referenceTypes` (RFC 7643
/// section 7).
const RESERVED_NAMES: [&str; 5] = [
    "ServiceProviderConfig",
    "ResourceType",
    "Schema",
    "external",
    "uri",
];

/// Paths with another meaning (RFC 7644 section 3.2).
const RESERVED_ENDPOINTS: [&str; 5] = [
    "/Me",
    "/Bulk",
    "/Schemas",
    "/ResourceTypes",
    "/ServiceProviderConfig",
];

/// Checks an operator's resource type, without the schemas that it names.
pub(super) fn check_resource_type(document: &ResourceTypeDocument) -> Result<(), Problem> {
    let name = required("name", document.name.as_deref())?;
    if !name.bytes().all(is_word) {
        let name = shortened(name);
        let reason = format!("the name `{name}` may hold letters, digits, `-` and `_`");
        return Err(Problem::in_document(reason));
    }
    if RESERVED_NAMES.iter().any(|it| it.eq_ignore_ascii_case(name)) {
        let reason = format!("the name `{name}` is reserved");
        return Err(Problem::in_document(reason));
    }
    if document.id.as_ref().is_some_and(|id| id != name) {
        let reason = format!("`id` must be the name, `{name}`, or be left out");
        return Err(Problem::in_document(reason));
    }
    let endpoint = required("endpoint", document.endpoint.as_deref())?;
    check_length("name", name)?;
    check_length("endpoint", endpoint)?;
    check_endpoint(endpoint)
}

fn check_endpoint(endpoint: &str) -> Result<(), Problem> {
    let segment = endpoint.strip_prefix('/').unwrap_or_default();
    let starts_well = segment.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !segment.bytes().all(is_word) {
        let reason = format!(
            "the endpoint `{}` must be `/` and one name of letters, digits, `-` and `_`",
            shortened(endpoint)
        );
        return Err(Problem::in_document(reason));
    }
    if RESERVED_ENDPOINTS
        .iter()
        .any(|it| it.eq_ignore_ascii_case(endpoint))
    {
        let reason = format!("the endpoint `{endpoint}` is reserved");
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Checks an operator's version of a built-in resource type.
pub(super) fn check_replacement(builtin: &ResourceType, own: &ResourceType) -> Result<(), Problem> {
    if own.name != builtin.name || own.endpoint != builtin.endpoint || own.schema.id != builtin.schema.id {
        let reason = format!(
            "`{}` must keep the name, the endpoint `{}` and the schema `{}`",
            builtin.name, builtin.endpoint, builtin.schema.id
        );
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

/// Checks that a resource type can be added to those of the registry.
pub(super) fn check_new_type(registry: &SchemaRegistry, own: &ResourceType) -> Result<(), Problem> {
    // The server recognises users and groups by these schemas, so each has one type.
    if is_builtin_core(&own.schema) {
        let urn = &own.schema.id;
        let reason = format!("the schema `{urn}` belongs to a built-in resource type");
        return Err(Problem::in_document(reason));
    }
    let mut endpoints = registry.resource_types.iter().map(|it| &it.endpoint);
    if endpoints.any(|it| it.eq_ignore_ascii_case(&own.endpoint)) {
        let reason = format!("there is another resource type at `{}`", own.endpoint);
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

/// Checks that a schema can be one more extension of a resource type.
pub(super) fn check_extension(
    extension: &Schema,
    core: &Schema,
    others: &[(Arc<Schema>, bool)],
) -> Result<(), Problem> {
    let urn = &extension.id;
    if is_builtin_core(extension) {
        let reason = format!("the schema `{urn}` is a core schema, not an extension");
        return Err(Problem::in_document(reason));
    }
    if *urn == core.id || others.iter().any(|(it, _)| it.id == *urn) {
        let reason = format!("the schema `{urn}` is named twice");
        return Err(Problem::in_document(reason));
    }
    Ok(())
}

fn is_builtin_core(schema: &Schema) -> bool {
    [USER_URN, GROUP_URN].contains(&&*schema.id)
}
