//! Schemas and resource types in the representation of RFC 7643 sections 6 and 7, as serde reads them.

use serde::de::{Error as _, IgnoredAny, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::shortened;
use crate::json;
use crate::schema::error::Problem;
use crate::schema::reader::{Author, listed, member, read};
use crate::schema::{AttributeType, Format, Mutability, RESOURCE_TYPE_URN, Returned, SCHEMA_URN, Uniqueness};

/// One document of a file.
pub(super) enum Document {
    Schema(SchemaDocument),
    ResourceType(ResourceTypeDocument),
}

/// Reads the documents of a file, which holds one, or an array of them.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Problem> {
    let value = json::parse(text.as_bytes())
        .map_err(|error| Problem::in_document(error.detail.replacen("the body", "the file", 1)))?;
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    values.iter().map(document).collect()
}

fn document(value: &Value) -> Result<Document, Problem> {
    let Value::Object(document) = value else {
        let reason = "expected a JSON object: a schema or a resource type";
        return Err(Problem::in_document(reason));
    };
    if is_resource_type(document)? {
        read(document, Author::Operator).map(Document::ResourceType)
    } else {
        read(document, Author::Operator).map(Document::Schema)
    }
}

/// Decides by `schemas`, or without it by a member that only one kind of document has.
fn is_resource_type(document: &Map<String, Value>) -> Result<bool, Problem> {
    let urns = match member(document, "schemas") {
        Some(Value::Array(urns)) => urns.as_slice(),
        Some(_) => return Err(Problem::in_document("`schemas` must be an array of URNs")),
        None => &[],
    };
    let names = |urn: &str| {
        let mut urns = urns.iter().filter_map(Value::as_str);
        urns.any(|it| it.eq_ignore_ascii_case(urn))
    };
    let is_bare_with = |name| urns.is_empty() && member(document, name).is_some();
    if names(SCHEMA_URN) || is_bare_with("attributes") {
        return Ok(false);
    }
    if names(RESOURCE_TYPE_URN) || is_bare_with("endpoint") {
        return Ok(true);
    }
    Err(Problem::in_document(format!(
        "`schemas` must name `{SCHEMA_URN}` or `{RESOURCE_TYPE_URN}`"
    )))
}

/// A schema (RFC 7643 section 7).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaDocument {
    #[serde(rename = "schemas")]
    _schemas: Option<IgnoredAny>,
    pub(super) id: Option<String>,
    #[serde(rename = "externalId")]
    _external_id: Option<IgnoredAny>,
    #[serde(rename = "meta")]
    _meta: Option<IgnoredAny>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) attributes: Vec<AttributeDocument>,
}

/// An attribute or sub-attribute of a schema; `default`, `format`, `indexed` and `secret` are not in the RFC.
#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an attribute must be a JSON object"
)]
pub(super) struct AttributeDocument {
    pub(super) name: String,
    #[serde(rename = "type", default, deserialize_with = "data_type")]
    pub(super) type_: AttributeType,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) multi_valued: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) required: bool,
    #[serde(default, deserialize_with = "optional_strings")]
    pub(super) canonical_values: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) case_exact: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) mutability: Mutability,
    pub(super) returned: Option<Returned>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) uniqueness: Uniqueness,
    #[serde(default, deserialize_with = "strings")]
    pub(super) reference_types: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) sub_attributes: Vec<AttributeDocument>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) indexed: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) secret: bool,
    pub(super) default: Option<bool>,
    pub(super) format: Option<Format>,
}

/// A resource type (RFC 7643 section 6).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResourceTypeDocument {
    #[serde(rename = "schemas")]
    _schemas: Option<IgnoredAny>,
    pub(super) id: Option<String>,
    #[serde(rename = "externalId")]
    _external_id: Option<IgnoredAny>,
    #[serde(rename = "meta")]
    _meta: Option<IgnoredAny>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) schema: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) schema_extensions: Vec<ExtensionDocument>,
}

/// An extension of a resource type.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "each of `schemaExtensions` must be an object with `schema` and `required`"
)]
pub(super) struct ExtensionDocument {
    pub(super) schema: Option<String>,
    pub(super) required: Option<bool>,
}

/// Reads `null` as an absent member (RFC 7643 section 2.5).
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

fn strings<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    optional_strings(value).map(Option::unwrap_or_default)
}

fn optional_strings<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Vec<String>>, D::Error> {
    Option::deserialize(value).map_err(|_| D::Error::invalid_type(Unexpected::Seq, &"an array of strings"))
}

/// Reads the value of `type` in any case, because the attribute is not caseExact (RFC 7643 section 8.7.2).
fn data_type<'de, D: Deserializer<'de>>(value: D) -> Result<AttributeType, D::Error> {
    let types = [
        ("string", AttributeType::String),
        ("boolean", AttributeType::Boolean),
        ("decimal", AttributeType::Decimal),
        ("integer", AttributeType::Integer),
        ("dateTime", AttributeType::DateTime),
        ("reference", AttributeType::Reference),
        ("binary", AttributeType::Binary),
        ("complex", AttributeType::Complex),
    ];
    let text = String::deserialize(value)?;
    let known = types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text));
    known.map(|(_, type_)| *type_).ok_or_else(|| {
        let names = listed(&types.map(|(name, _)| name));
        D::Error::custom(format!(
            "unknown type `{}`; the types are {names}",
            shortened(&text)
        ))
    })
}
