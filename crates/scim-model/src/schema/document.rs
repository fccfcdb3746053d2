//! An operator's own schemas and resource types: documents in the RFC's representation
//! (RFC 7643 sections 6 and 7), checked before anything is served by them.
//!
//! A document whose `schemas` names `urn:ietf:params:scim:schemas:core:2.0:Schema`, or that has
//! `attributes`, is a schema; one that names `…:ResourceType`, or has an `endpoint`, is a resource
//! type. A file holds one document, or an array of them.
//!
//! * A schema is an extension or a core schema by the resource types that name it. Alone it is
//!   published at `/Schemas` and has no other effect.
//! * A resource type named `User` or `Group` takes the place of the built-in one. It keeps endpoint
//!   and core schema, and has **exactly** the `schemaExtensions` it lists: to keep the Enterprise
//!   User extension, list it.
//! * Any other resource type is served at its endpoint beside them.
//! * Characteristics that the type of an attribute does not have are refused where they would mean
//!   something: `caseExact` may be true for strings, references and binary values only.
//! * `uniqueness` is enforced within a tenant. `global` counts as `server`, and is published so: no
//!   server knows what others hold. A secret cannot be unique, for only its hash is kept.
//! * `referenceTypes` are `external`, `uri`, or names of resource types that are served.
//! * Characteristics left out have the defaults of RFC 7643 section 2.2. `"indexed": true` on an
//!   attribute asks the store for an index; it is not published.
//! * A `writeOnly` attribute is stored and never returned, filtered or sorted by. With
//!   `"secret": true`, which takes a single string, it is treated as `password`: its values are
//!   hashed or dropped, and never stored as they are.
//! * `schemas`, `id`, `externalId` and `meta` are what RFC 7643 section 3.1 says: a core schema that
//!   lists them changes nothing, an extension that lists them is refused.
//!
//! Taking a document away leaves stored data untouched; what no schema describes is not shown.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::shortened;
use crate::json;
use crate::schema::registry::SchemaRegistry;
use crate::schema::{
    Attribute, AttributeType, GROUP_URN, Mutability, RESOURCE_TYPE_URN, ResourceType, Returned, SCHEMA_URN,
    Schema, USER_URN, Uniqueness, attribute_named, is_attribute_name,
};

/// What is wrong with an operator's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Name of the file.
    pub file: String,
    /// Path of the attribute within the document, for example `settings.colour`.
    pub attribute: Option<String>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// One line, whatever stands in the document.
impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", one_line(&self.file))?;
        if let Some(attribute) = &self.attribute {
            write!(f, "attribute `{}`: ", shortened(attribute))?;
        }
        f.write_str(&one_line(&self.reason))
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl std::error::Error for SchemaError {}

impl SchemaRegistry {
    /// User and Group, with Enterprise User as an optional extension of User.
    pub fn builtin() -> SchemaRegistry {
        BUILTIN.clone()
    }

    /// The built-in schemas and types together with an operator's documents, each a file's name and
    /// its text. The order of the files means nothing.
    ///
    /// # Errors
    /// The first document that breaks a rule of [this module](self), with file and attribute.
    pub fn load(files: &[(String, String)]) -> Result<SchemaRegistry, SchemaError> {
        extend(&BUILTIN, files)
    }
}

static BUILTIN: LazyLock<SchemaRegistry> = LazyLock::new(|| {
    let schema = |text| Arc::new(builtin(text));
    let common = schema(include_str!("common.json"));
    let user = schema(include_str!("user.json"));
    let group = schema(include_str!("group.json"));
    let enterprise_user = schema(include_str!("enterprise-user.json"));
    let resource_types = vec![
        Arc::new(ResourceType {
            name: "User".into(),
            endpoint: "/Users".into(),
            description: user.description.clone(),
            common: common.clone(),
            schema: user.clone(),
            extensions: vec![(enterprise_user.clone(), false)],
        }),
        Arc::new(ResourceType {
            name: "Group".into(),
            endpoint: "/Groups".into(),
            description: group.description.clone(),
            common,
            schema: group.clone(),
            extensions: Vec::new(),
        }),
    ];
    let schemas = vec![
        user,
        group,
        enterprise_user,
        schema(include_str!("service-provider-config.json")),
        schema(include_str!("resource-type.json")),
        schema(include_str!("schema.json")),
    ];
    SchemaRegistry {
        schemas,
        resource_types,
    }
});

/// Parses a schema that is compiled in.
pub(crate) fn builtin(text: &str) -> Schema {
    let value = json::parse(text.as_bytes()).expect("the built-in schemas are JSON");
    let document = value.as_object().expect("the built-in schemas are objects");
    schema("built-in", document, Nesting::Allowed).expect("the built-in schemas obey the rules")
}

pub(crate) fn extend(
    builtin: &SchemaRegistry,
    files: &[(String, String)],
) -> Result<SchemaRegistry, SchemaError> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort();
    let mut schemas: Vec<(&str, Schema)> = Vec::new();
    let mut type_documents: Vec<(&str, Map<String, Value>)> = Vec::new();
    for (file, text) in files {
        for document in documents(file, text)? {
            if is_resource_type(file, &document)? {
                type_documents.push((file, document));
                continue;
            }
            let schema = schema(file, &document, Nesting::Refused)?;
            let taken = builtin.schema(&schema.id).is_some()
                || schemas
                    .iter()
                    .any(|(_, other)| other.id.eq_ignore_ascii_case(&schema.id));
            if taken {
                return Err(wrong(
                    file,
                    format!("there is another schema with the id `{}`", schema.id),
                ));
            }
            schemas.push((file, schema));
        }
    }
    check_ambiguous_urns(builtin, &schemas)?;
    check_common_attributes(&mut schemas, &type_documents)?;

    let mut registry = builtin.clone();
    let schemas: Vec<_> = schemas
        .into_iter()
        .map(|(file, schema)| (file, Arc::new(schema)))
        .collect();
    registry
        .schemas
        .extend(schemas.iter().map(|(_, schema)| schema.clone()));
    let mut named = Vec::new();
    for (file, document) in type_documents {
        let resource_type = Arc::new(resource_type(file, &document, &registry)?);
        if named.contains(&resource_type.name.to_ascii_lowercase()) {
            return Err(wrong(
                file,
                format!(
                    "there is another resource type with the name `{}`",
                    resource_type.name
                ),
            ));
        }
        named.push(resource_type.name.to_ascii_lowercase());
        match registry
            .resource_types
            .iter_mut()
            .find(|it| it.name.eq_ignore_ascii_case(&resource_type.name))
        {
            Some(replaced) => {
                check_replacement(file, replaced, &resource_type)?;
                *replaced = resource_type;
            }
            None => {
                check_new_type(file, &registry, &resource_type)?;
                registry.resource_types.push(resource_type);
            }
        }
    }
    for (file, schema) in &schemas {
        check_reference_types(file, "", &schema.attributes, &registry)?;
    }
    Ok(registry)
}

fn wrong(file: &str, reason: impl Into<String>) -> SchemaError {
    SchemaError {
        file: file.to_owned(),
        attribute: None,
        reason: reason.into(),
    }
}

fn wrong_attribute(file: &str, attribute: &str, reason: impl Into<String>) -> SchemaError {
    SchemaError {
        file: file.to_owned(),
        attribute: Some(attribute.to_owned()),
        reason: reason.into(),
    }
}

fn documents(file: &str, text: &str) -> Result<Vec<Map<String, Value>>, SchemaError> {
    let value = json::parse(text.as_bytes())
        .map_err(|error| wrong(file, error.detail.replacen("the body", "the file", 1)))?;
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    let object = |value| match value {
        Value::Object(object) => Ok(object),
        _ => Err(wrong(file, "expected a JSON object: a schema or a resource type")),
    };
    values.into_iter().map(object).collect()
}

fn is_resource_type(file: &str, document: &Map<String, Value>) -> Result<bool, SchemaError> {
    let urns = match member(document, "schemas") {
        Some(Value::Array(urns)) => urns.as_slice(),
        Some(_) => return Err(wrong(file, "`schemas` must be an array of URNs")),
        None => &[],
    };
    let names = |urn: &str| {
        urns.iter()
            .filter_map(Value::as_str)
            .any(|it| it.eq_ignore_ascii_case(urn))
    };
    if names(SCHEMA_URN) || (urns.is_empty() && member(document, "attributes").is_some()) {
        return Ok(false);
    }
    if names(RESOURCE_TYPE_URN) || (urns.is_empty() && member(document, "endpoint").is_some()) {
        return Ok(true);
    }
    Err(wrong(
        file,
        format!("`schemas` must name `{SCHEMA_URN}` or `{RESOURCE_TYPE_URN}`"),
    ))
}

/// Whether a complex attribute may have complex sub-attributes: in the schema of schemas alone
/// (RFC 7643 section 7).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Allowed,
    Refused,
}

fn schema(file: &str, document: &Map<String, Value>, nesting: Nesting) -> Result<Schema, SchemaError> {
    let known = [
        "schemas",
        "id",
        "externalId",
        "meta",
        "name",
        "description",
        "attributes",
    ];
    check_members(file, None, document, &known)?;
    let id = required_string(file, document, "id")?;
    if nesting == Nesting::Refused {
        check_urn(file, id)?;
        check_length(file, None, "`id`", id)?;
    }
    let name = match optional_string(file, None, document, "name")? {
        Some(name) => name,
        None => id.rsplit(':').next().unwrap_or(id),
    };
    let description = optional_string(file, None, document, "description")?.unwrap_or_default();
    let attributes = match member(document, "attributes") {
        Some(Value::Array(attributes)) if !attributes.is_empty() => attributes,
        _ => {
            return Err(wrong(
                file,
                "`attributes` must be an array with at least one attribute",
            ));
        }
    };
    Ok(Schema {
        id: id.into(),
        name: name.to_owned(),
        description: description.to_owned(),
        attributes: self::attributes(file, &Parent::Schema, attributes, nesting)?,
    })
}

/// Where an attribute stands.
enum Parent<'a> {
    Schema,
    /// In a complex attribute of this path.
    Attribute {
        path: &'a str,
        multi_valued: bool,
    },
}

impl Parent<'_> {
    fn path_of(&self, name: &str) -> String {
        match self {
            Parent::Schema => name.to_owned(),
            Parent::Attribute { path, .. } => format!("{path}.{name}"),
        }
    }

    /// Of what has no name: `attributes[2]`, `badge.subAttributes[0]`.
    fn position_of(&self, index: usize) -> String {
        match self {
            Parent::Schema => format!("attributes[{index}]"),
            Parent::Attribute { path, .. } => format!("{path}.subAttributes[{index}]"),
        }
    }

    fn is_schema(&self) -> bool {
        matches!(self, Parent::Schema)
    }
}

fn attributes(
    file: &str,
    parent: &Parent<'_>,
    values: &[Value],
    nesting: Nesting,
) -> Result<Vec<Arc<Attribute>>, SchemaError> {
    let mut attributes: Vec<Arc<Attribute>> = Vec::with_capacity(values.len());
    let mut names = HashSet::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let attribute = attribute(file, parent, index, value, nesting)?;
        if !names.insert(attribute.name.to_ascii_lowercase()) {
            return Err(wrong_attribute(
                file,
                &parent.path_of(&attribute.name),
                "the name occurs twice",
            ));
        }
        attributes.push(Arc::new(attribute));
    }
    Ok(attributes)
}

fn attribute(
    file: &str,
    parent: &Parent<'_>,
    index: usize,
    value: &Value,
    nesting: Nesting,
) -> Result<Attribute, SchemaError> {
    let Value::Object(document) = value else {
        let reason = "an attribute must be a JSON object";
        return Err(wrong_attribute(file, &parent.position_of(index), reason));
    };
    let name = match member(document, "name") {
        Some(Value::String(name)) => name,
        Some(_) => {
            let reason = "`name` must be a string";
            return Err(wrong_attribute(file, &parent.position_of(index), reason));
        }
        None => {
            let reason = "an attribute has no `name`";
            return Err(wrong_attribute(file, &parent.position_of(index), reason));
        }
    };
    let path = parent.path_of(name);
    // RFC 7643 section 2.4 gives `$ref` to complex values; a resource has none of its own.
    if !is_attribute_name(name) || (parent.is_schema() && name.starts_with('$')) {
        let reason = "a name starts with a letter, or with `$` for a sub-attribute such as `$ref`, and goes on with letters, digits, `-`, `_` and `$`";
        return Err(wrong_attribute(file, &path, reason));
    }
    let mut known = vec![
        "name",
        "type",
        "multiValued",
        "description",
        "required",
        "canonicalValues",
        "caseExact",
        "mutability",
        "returned",
        "uniqueness",
        "referenceTypes",
        "subAttributes",
        "indexed",
        "secret",
    ];
    if nesting == Nesting::Allowed {
        known.extend(["default", "format"]);
    }
    check_members(file, Some(&path), document, &known)?;

    check_length(file, Some(&path), "`name`", name)?;
    let type_: AttributeType = match member(document, "type") {
        // `type` itself is not caseExact (RFC 7643 section 8.7.2).
        Some(Value::String(text)) => data_type(text).ok_or_else(|| {
            let known = "string, boolean, decimal, integer, dateTime, reference, binary and complex";
            let reason = format!("unknown type `{}`; there are {known}", shortened(text));
            wrong_attribute(file, &path, reason)
        })?,
        Some(_) => return Err(wrong_attribute(file, &path, "`type` must be a string")),
        None => AttributeType::default(),
    };
    let mutability: Mutability = keyword(file, &path, document, "mutability")?;
    let mut returned: Returned = keyword(file, &path, document, "returned")?;
    if mutability == Mutability::WriteOnly {
        if member(document, "returned").is_some() && returned != Returned::Never {
            return Err(wrong_attribute(
                file,
                &path,
                "a writeOnly attribute is never returned: `returned` must be `never`",
            ));
        }
        returned = Returned::Never;
    }
    let uniqueness = match keyword(file, &path, document, "uniqueness")? {
        // What one server can promise.
        Uniqueness::Global => Uniqueness::Server,
        other => other,
    };
    let multi_valued = flag(file, &path, document, "multiValued")?;
    let can_be_unique = matches!(
        type_,
        AttributeType::String | AttributeType::Reference | AttributeType::Integer
    ) && !multi_valued
        && parent.is_schema();
    if uniqueness != Uniqueness::None && !can_be_unique {
        let reason = "`uniqueness` must be `none`, unless the attribute is a single string, reference or integer and no sub-attribute";
        return Err(wrong_attribute(file, &path, reason));
    }
    let canonical_values = strings(file, &path, document, "canonicalValues")?;
    if !canonical_values.is_empty() && type_ != AttributeType::String {
        return Err(wrong_attribute(
            file,
            &path,
            "only strings have `canonicalValues`",
        ));
    }
    let mut reference_types = strings(file, &path, document, "referenceTypes")?;
    if type_ != AttributeType::Reference && !reference_types.is_empty() {
        let reason = "only references have `referenceTypes`: names of resource types, `external` or `uri`";
        return Err(wrong_attribute(file, &path, reason));
    }
    if type_ == AttributeType::Reference && reference_types.is_empty() {
        // RFC 7643 section 7 does not require them; without them any URI will do.
        reference_types.push("uri".to_owned());
    }
    let indexed = flag(file, &path, document, "indexed")?;
    if indexed && type_ == AttributeType::Complex {
        return Err(wrong_attribute(
            file,
            &path,
            "a complex attribute cannot be `indexed`; its sub-attributes can",
        ));
    }
    if indexed && returned == Returned::Never {
        return Err(wrong_attribute(
            file,
            &path,
            "an attribute that is never returned cannot be `indexed`",
        ));
    }
    let secret = flag(file, &path, document, "secret")?;
    // What else there may be would be stored with the document around it.
    let can_be_secret = type_ == AttributeType::String
        && mutability == Mutability::WriteOnly
        && !multi_valued
        && parent.is_schema();
    if secret && !can_be_secret {
        let reason = "only a single `writeOnly` string that is no sub-attribute can be `secret`";
        return Err(wrong_attribute(file, &path, reason));
    }
    if secret && uniqueness != Uniqueness::None {
        let reason = "a secret cannot be unique: only its hash is kept, so `uniqueness` must be `none`";
        return Err(wrong_attribute(file, &path, reason));
    }
    let case_exact = flag(file, &path, document, "caseExact")?;
    let has_case = matches!(
        type_,
        AttributeType::String | AttributeType::Reference | AttributeType::Binary
    );
    // RFC 7643 section 2.3: the others have no case; `false` says just that.
    if case_exact && !has_case {
        let reason = "only strings, references and binary values can be `caseExact`";
        return Err(wrong_attribute(file, &path, reason));
    }
    if let Parent::Attribute {
        multi_valued: true, ..
    } = parent
    {
        check_predefined(file, &path, name, type_, multi_valued)?;
    }
    let sub_attributes = match member(document, "subAttributes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => {
            let parent = Parent::Attribute {
                path: &path,
                multi_valued,
            };
            attributes(file, &parent, values, nesting)?
        }
        Some(_) => return Err(wrong_attribute(file, &path, "`subAttributes` must be an array")),
    };
    if (type_ == AttributeType::Complex) == sub_attributes.is_empty() {
        return Err(wrong_attribute(
            file,
            &path,
            "complex attributes, and no others, have `subAttributes`",
        ));
    }
    if type_ == AttributeType::Complex && !parent.is_schema() && nesting == Nesting::Refused {
        return Err(wrong_attribute(
            file,
            &path,
            "a complex attribute cannot stand in a complex attribute",
        ));
    }
    // What is exact by its nature is published so (RFC 7643 sections 2.3.6 and 2.3.7, errata 6000
    // and 6001).
    let exact_by_type = matches!(type_, AttributeType::Reference | AttributeType::Binary);
    Ok(Attribute {
        name: name.clone(),
        type_,
        multi_valued,
        description: optional_string(file, Some(&path), document, "description")?
            .unwrap_or_default()
            .to_owned(),
        required: flag(file, &path, document, "required")?,
        canonical_values,
        case_exact: case_exact || exact_by_type,
        mutability,
        returned,
        uniqueness,
        reference_types,
        sub_attributes,
        indexed,
        secret,
        default: member(document, "default").and_then(Value::as_bool),
        format: keyword(file, &path, document, "format")?,
    })
}

/// RFC 7643 section 2.4: these sub-attributes of multi-valued attributes mean the same everywhere.
fn check_predefined(
    file: &str,
    path: &str,
    name: &str,
    type_: AttributeType,
    multi_valued: bool,
) -> Result<(), SchemaError> {
    let predefined = [
        ("primary", AttributeType::Boolean, "boolean"),
        ("type", AttributeType::String, "string"),
        ("display", AttributeType::String, "string"),
        ("$ref", AttributeType::Reference, "reference"),
    ];
    match predefined.iter().find(|(it, ..)| it.eq_ignore_ascii_case(name)) {
        Some((name, wanted, word)) if *wanted != type_ || multi_valued => {
            let reason = format!(
                "`{name}` of a multi-valued attribute must be a single {word} (RFC 7643 section 2.4)"
            );
            Err(wrong_attribute(file, path, reason))
        }
        _ => Ok(()),
    }
}

/// A reference to a type that is not served could never be followed.
fn check_reference_types(
    file: &str,
    parent: &str,
    attributes: &[Arc<Attribute>],
    registry: &SchemaRegistry,
) -> Result<(), SchemaError> {
    for attribute in attributes {
        let path = format!("{parent}{}", attribute.name);
        let is_known =
            |it: &&String| matches!(it.as_str(), "external" | "uri") || registry.resource_type(it).is_some();
        if let Some(unknown) = attribute.reference_types.iter().find(|it| !is_known(it)) {
            let types: Vec<&str> = registry.resource_types.iter().map(|it| &*it.name).collect();
            let reason = format!(
                "`referenceTypes` has `{}`; there are external, uri and the resource types {}",
                shortened(unknown),
                types.join(", ")
            );
            return Err(wrong_attribute(file, &path, reason));
        }
        check_reference_types(file, &format!("{path}."), &attribute.sub_attributes, registry)?;
    }
    Ok(())
}

fn resource_type(
    file: &str,
    document: &Map<String, Value>,
    registry: &SchemaRegistry,
) -> Result<ResourceType, SchemaError> {
    let known = [
        "schemas",
        "id",
        "externalId",
        "meta",
        "name",
        "description",
        "endpoint",
        "schema",
        "schemaExtensions",
    ];
    check_members(file, None, document, &known)?;
    let name = required_string(file, document, "name")?;
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err(wrong(
            file,
            format!(
                "the name `{}` may hold letters, digits, `-` and `_`",
                shortened(name)
            ),
        ));
    }
    if RESERVED_NAMES.iter().any(|it| it.eq_ignore_ascii_case(name)) {
        return Err(wrong(file, format!("the name `{name}` is reserved")));
    }
    if optional_string(file, None, document, "id")?.is_some_and(|id| id != name) {
        return Err(wrong(
            file,
            format!("`id` must be the name, `{name}`, or be left out"),
        ));
    }
    let endpoint = required_string(file, document, "endpoint")?;
    check_length(file, None, "`name`", name)?;
    check_length(file, None, "`endpoint`", endpoint)?;
    check_endpoint(file, endpoint)?;
    let schema = known_schema(file, registry, required_string(file, document, "schema")?)?;
    let mut extensions: Vec<(Arc<Schema>, bool)> = Vec::new();
    let listed = match member(document, "schemaExtensions") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(_) => return Err(wrong(file, "`schemaExtensions` must be an array")),
    };
    for extension in listed {
        let Value::Object(extension) = extension else {
            return Err(wrong(
                file,
                "each of `schemaExtensions` must be an object with `schema` and `required`",
            ));
        };
        check_members(file, None, extension, &["schema", "required"])?;
        let extension_schema = known_schema(file, registry, required_string(file, extension, "schema")?)?;
        let Some(Value::Bool(required)) = member(extension, "required") else {
            return Err(wrong(
                file,
                format!(
                    "the extension `{}` must say in `required` whether it is: true or false",
                    extension_schema.id
                ),
            ));
        };
        if [USER_URN, GROUP_URN].contains(&&*extension_schema.id) {
            let reason = format!(
                "the schema `{}` is a core schema and no extension",
                extension_schema.id
            );
            return Err(wrong(file, reason));
        }
        if extension_schema.id == schema.id || extensions.iter().any(|(it, _)| it.id == extension_schema.id) {
            return Err(wrong(
                file,
                format!("the schema `{}` is named twice", extension_schema.id),
            ));
        }
        extensions.push((extension_schema, *required));
    }
    let common = registry.resource_types[0].common.clone();
    Ok(ResourceType {
        name: name.into(),
        endpoint: endpoint.into(),
        description: optional_string(file, None, document, "description")?
            .unwrap_or(&schema.description)
            .to_owned(),
        common,
        schema,
        extensions,
    })
}

fn known_schema(file: &str, registry: &SchemaRegistry, urn: &str) -> Result<Arc<Schema>, SchemaError> {
    let schema = registry.schema(urn).filter(|it| !is_meta_schema(&it.id));
    schema.cloned().ok_or_else(|| {
        wrong(
            file,
            format!("there is no schema `{}` for resources", shortened(urn)),
        )
    })
}

fn is_meta_schema(urn: &str) -> bool {
    [
        SCHEMA_URN,
        RESOURCE_TYPE_URN,
        crate::schema::SERVICE_PROVIDER_CONFIG_URN,
    ]
    .contains(&urn)
}

/// Paths that mean something else (RFC 7644 section 3.2).
const RESERVED_ENDPOINTS: [&str; 5] = [
    "/Me",
    "/Bulk",
    "/Schemas",
    "/ResourceTypes",
    "/ServiceProviderConfig",
];

/// Names in `meta.resourceType` of discovery, and what `referenceTypes` has besides names of types
/// (RFC 7643 section 7).
const RESERVED_NAMES: [&str; 5] = [
    "ServiceProviderConfig",
    "ResourceType",
    "Schema",
    "external",
    "uri",
];

fn check_endpoint(file: &str, endpoint: &str) -> Result<(), SchemaError> {
    let segment = endpoint.strip_prefix('/').unwrap_or_default();
    let starts_well = segment.starts_with(|c: char| c.is_ascii_alphanumeric());
    let goes_on_well = segment
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !starts_well || !goes_on_well {
        let reason = format!(
            "the endpoint `{}` must be `/` and one name of letters, digits, `-` and `_`",
            shortened(endpoint)
        );
        return Err(wrong(file, reason));
    }
    if RESERVED_ENDPOINTS
        .iter()
        .any(|it| it.eq_ignore_ascii_case(endpoint))
    {
        return Err(wrong(file, format!("the endpoint `{endpoint}` is reserved")));
    }
    Ok(())
}

fn check_replacement(file: &str, builtin: &ResourceType, own: &ResourceType) -> Result<(), SchemaError> {
    if own.name != builtin.name || own.endpoint != builtin.endpoint || own.schema.id != builtin.schema.id {
        let reason = format!(
            "`{}` must keep the name, the endpoint `{}` and the schema `{}`",
            builtin.name, builtin.endpoint, builtin.schema.id
        );
        return Err(wrong(file, reason));
    }
    Ok(())
}

fn check_new_type(file: &str, registry: &SchemaRegistry, own: &ResourceType) -> Result<(), SchemaError> {
    // Members and groups are told apart by these schemas: one type each.
    if [USER_URN, GROUP_URN].contains(&&*own.schema.id) {
        return Err(wrong(
            file,
            format!(
                "the schema `{}` belongs to a built-in resource type",
                own.schema.id
            ),
        ));
    }
    if registry
        .resource_types
        .iter()
        .any(|it| it.endpoint.eq_ignore_ascii_case(&own.endpoint))
    {
        return Err(wrong(
            file,
            format!("there is another resource type at `{}`", own.endpoint),
        ));
    }
    Ok(())
}

/// The URN of one schema must not read as an attribute of another: `urn:a:b:c` would be both the
/// schema and the attribute `c` of `urn:a:b`.
fn check_ambiguous_urns(builtin: &SchemaRegistry, schemas: &[(&str, Schema)]) -> Result<(), SchemaError> {
    let all = || {
        builtin
            .schemas
            .iter()
            .map(|it| &**it)
            .chain(schemas.iter().map(|(_, it)| it))
    };
    for (file, own) in schemas {
        for other in all() {
            if let Some((urn, name)) = [(own, other), (other, own)]
                .into_iter()
                .find_map(reads_as_attribute)
            {
                let reason = format!("the id `{urn}` reads as the attribute `{name}` of another schema");
                return Err(wrong(file, reason));
            }
        }
    }
    Ok(())
}

fn reads_as_attribute<'a>((schema, attribute): (&'a Schema, &'a Schema)) -> Option<(&'a str, &'a str)> {
    let (urn, name) = attribute.id.rsplit_once(':')?;
    let clashes = schema.id.eq_ignore_ascii_case(urn) && attribute_named(&schema.attributes, name).is_some();
    clashes.then_some((&*attribute.id, name))
}

const COMMON: [&str; 4] = ["schemas", "id", "externalId", "meta"];

/// RFC 7643 section 3.1: the characteristics of common attributes stand there, whatever a core
/// schema says; section 3.3: extensions do not redefine them.
fn check_common_attributes(
    schemas: &mut [(&str, Schema)],
    type_documents: &[(&str, Map<String, Value>)],
) -> Result<(), SchemaError> {
    let is_common = |name: &str| COMMON.iter().any(|it| it.eq_ignore_ascii_case(name));
    for (file, schema) in schemas {
        let is_core = type_documents.iter().any(|(_, document)| {
            member(document, "schema")
                .and_then(Value::as_str)
                .is_some_and(|urn| urn.eq_ignore_ascii_case(&schema.id))
        });
        if is_core {
            schema.attributes.retain(|it| !is_common(&it.name));
        } else if let Some(redefined) = schema.attributes.iter().find(|it| is_common(&it.name)) {
            let reason = "the name is reserved: every resource has this attribute (RFC 7643 section 3.1)";
            return Err(wrong_attribute(file, &redefined.name, reason));
        }
    }
    Ok(())
}

/// `urn:<nid>:<nss>` (RFC 8141), without the characters that end a URN in filters and paths.
fn check_urn(file: &str, urn: &str) -> Result<(), SchemaError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'*+,;=%@/".contains(&byte);
    let mut parts = urn.splitn(3, ':');
    let is_urn = parts.next().is_some_and(|it| it.eq_ignore_ascii_case("urn"))
        && parts.next().is_some_and(|nid| nid.len() >= 2)
        && parts
            .next()
            .is_some_and(|nss| !nss.is_empty() && !nss.ends_with(':'))
        && urn.bytes().all(allowed);
    if !is_urn {
        return Err(wrong(
            file,
            format!(
                "the id `{}` must be a URN, for example `urn:example:params:scim:schemas:extension:hr:1.0:User`",
                shortened(urn)
            ),
        ));
    }
    if urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:api:") {
        return Err(wrong(
            file,
            format!("the id `{urn}` is reserved for the messages of SCIM"),
        ));
    }
    Ok(())
}

fn data_type(text: &str) -> Option<AttributeType> {
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
    types
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, type_)| type_)
}

/// A member by its name in any case (RFC 7643 section 2.1).
fn member<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let any_case = || {
        document
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    document.get(name).or_else(any_case)
}

/// Names stand in every resource, URL and index.
const MAX_NAME: usize = 200;

fn check_length(file: &str, attribute: Option<&str>, what: &str, name: &str) -> Result<(), SchemaError> {
    if name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(SchemaError {
        file: file.to_owned(),
        attribute: attribute.map(str::to_owned),
        reason: format!("{what} must not be longer than {MAX_NAME} bytes"),
    })
}

/// A misspelt characteristic would silently have its default.
fn check_members(
    file: &str,
    attribute: Option<&str>,
    document: &Map<String, Value>,
    known: &[&str],
) -> Result<(), SchemaError> {
    match document
        .keys()
        .find(|name| !known.iter().any(|it| it.eq_ignore_ascii_case(name)))
    {
        None => Ok(()),
        Some(unknown) => Err(SchemaError {
            file: file.to_owned(),
            attribute: attribute.map(str::to_owned),
            reason: format!(
                "unknown member `{}`; there are {}",
                shortened(unknown),
                known.join(", ")
            ),
        }),
    }
}

fn required_string<'a>(
    file: &str,
    document: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a str, SchemaError> {
    match optional_string(file, None, document, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(wrong(file, format!("`{name}` is missing"))),
    }
}

fn optional_string<'a>(
    file: &str,
    attribute: Option<&str>,
    document: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, SchemaError> {
    match member(document, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SchemaError {
            file: file.to_owned(),
            attribute: attribute.map(str::to_owned),
            reason: format!("`{name}` must be a string"),
        }),
    }
}

fn flag(file: &str, path: &str, document: &Map<String, Value>, name: &str) -> Result<bool, SchemaError> {
    match member(document, name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(wrong_attribute(
            file,
            path,
            format!("`{name}` must be true or false"),
        )),
    }
}

fn keyword<T: DeserializeOwned + Default>(
    file: &str,
    path: &str,
    document: &Map<String, Value>,
    name: &str,
) -> Result<T, SchemaError> {
    match member(document, name) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| {
            let known = match name {
                "mutability" => "readOnly, readWrite, immutable and writeOnly",
                "returned" => "always, never, default and request",
                _ => "none, server and global",
            };
            let value = plain(value);
            let reason = format!("`{name}` has the unknown value `{value}`; there are {known}");
            wrong_attribute(file, path, reason)
        }),
    }
}

fn plain(value: &Value) -> String {
    shortened(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn strings(
    file: &str,
    path: &str,
    document: &Map<String, Value>,
    name: &str,
) -> Result<Vec<String>, SchemaError> {
    let refused = || wrong_attribute(file, path, format!("`{name}` must be an array of strings"));
    match member(document, name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => values
            .iter()
            .map(|it| it.as_str().map(str::to_owned).ok_or_else(refused))
            .collect(),
        Some(_) => Err(refused()),
    }
}
