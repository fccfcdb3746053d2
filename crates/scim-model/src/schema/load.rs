//! The built-in schemas and resource types, and those of an operator that are added to them.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::error::shortened;
use crate::json;
use crate::schema::document::{
    AttributeDocument, Document, ExtensionDocument, ResourceTypeDocument, SchemaDocument, documents,
};
use crate::schema::error::{Problem, SchemaError};
use crate::schema::reader::{Author, read};
use crate::schema::registry::SchemaRegistry;
use crate::schema::rules::{self, Candidate};
use crate::schema::{
    Attribute, AttributeType, Mutability, RESOURCE_TYPE_URN, ResourceType, Returned, SCHEMA_URN,
    SERVICE_PROVIDER_CONFIG_URN, Schema, Uniqueness,
};

impl SchemaRegistry {
    /// Returns User and Group, with Enterprise User as an optional extension of User.
    pub fn builtin() -> SchemaRegistry {
        BUILTIN.clone()
    }

    /// Adds an operator's documents, each a file's name and its text, to the built-in schemas and resource types. The
    /// order of the files does not matter.
    ///
    /// A document in the representation of RFC 7643 is a schema if its `schemas` names
    /// `urn:ietf:params:scim:schemas:core:2.0:Schema`, or if it has `attributes`; it is a resource type if it
    /// names `…:ResourceType`, or has an `endpoint`. A file holds one document, or an array of them.
    ///
    /// * The resource types that name a schema make it a core schema or an extension. Without them it is
    ///   published at `/Schemas` and has no other effect.
    /// * A resource type named `User` or `Group` replaces the built-in one. It keeps endpoint and core
    ///   schema, and has **exactly** the `schemaExtensions` it lists: to keep the Enterprise User extension,
    ///   list it.
    /// * Any other resource type is served at its own endpoint.
    /// * A characteristic that the type of an attribute does not have is refused: `caseExact` may be true for
    ///   strings, references and binary values only.
    /// * `uniqueness` is enforced within a tenant. `global` counts as `server`, and is published as `server`, because
    ///   no server knows the values on other servers. A secret cannot be unique, because only its hash is kept.
    /// * `referenceTypes` are `external`, `uri`, or names of resource types that are served.
    /// * Characteristics that are left out have the defaults of RFC 7643 section 2.2. `"indexed": true` on an
    ///   attribute asks the store for an index; it is not published.
    /// * A `writeOnly` attribute is stored, and never returned, filtered or sorted by. With `"secret": true`,
    ///   which only a single string can have, it is treated as `password`: its values are hashed or dropped,
    ///   and never stored in clear text.
    /// * `schemas`, `id`, `externalId` and `meta` are defined by RFC 7643 section 3.1: a core schema that
    ///   lists them does not change them, and an extension that lists them is refused.
    ///
    /// Removing a document leaves stored data untouched; data that no schema describes is not shown.
    ///
    /// # Errors
    /// The first document that breaks a rule, with file and attribute.
    pub fn load(files: &[(String, String)]) -> Result<SchemaRegistry, SchemaError> {
        let mut files: Vec<_> = files.iter().collect();
        files.sort();
        let (mut schemas, mut types) = (Vec::new(), Vec::new());
        for (file, text) in files {
            for document in documents(text).map_err(|it| it.in_file(file))? {
                match document {
                    Document::Schema(document) => schemas.push((file.as_str(), document)),
                    Document::ResourceType(document) => types.push((file.as_str(), document)),
                }
            }
        }
        let mut registry = BUILTIN.clone();
        let own = add_schemas(&mut registry, &schemas, &types)?;
        add_resource_types(&mut registry, &types)?;
        for (file, schema) in own {
            rules::check_reference_types("", &schema.attributes, &registry).map_err(|it| it.in_file(file))?;
        }
        Ok(registry)
    }
}

static BUILTIN: LazyLock<SchemaRegistry> = LazyLock::new(|| {
    let schema = |text| Arc::new(builtin_schema(text));
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

/// Reads a built-in schema. The schema of schemas nests complex attributes (RFC 7643 section 7), which the rules for
/// an operator's attributes forbid, so these rules do not apply here.
fn builtin_schema(text: &str) -> Schema {
    let document = match json::parse(text.as_bytes()) {
        Ok(Value::Object(document)) => read(&document, Author::Us).expect("the built-in schemas are schemas"),
        _ => unreachable!("the built-in schemas are JSON objects"),
    };
    schema(&document)
}

/// Adds schemas to a registry and returns them with the names of their files.
fn add_schemas<'a>(
    registry: &mut SchemaRegistry,
    documents: &[(&'a str, SchemaDocument)],
    types: &[(&str, ResourceTypeDocument)],
) -> Result<Vec<(&'a str, Arc<Schema>)>, SchemaError> {
    let mut own: Vec<(&str, Schema)> = Vec::with_capacity(documents.len());
    for (file, document) in documents {
        rules::check_schema(document)
            .and_then(|()| check_attributes("", &document.attributes, None))
            .map_err(|it| it.in_file(file))?;
        let schema = schema(document);
        let mut others = own.iter().map(|(_, other)| &other.id);
        if registry.schema(&schema.id).is_some() || others.any(|it| it.eq_ignore_ascii_case(&schema.id)) {
            let reason = format!("there is another schema with the id `{}`", schema.id);
            return Err(Problem::in_document(reason).in_file(file));
        }
        own.push((file, schema));
    }
    for (file, schema) in &own {
        let all = registry.schemas.iter().map(|it| &**it);
        let all = all.chain(own.iter().map(|(_, it)| it));
        rules::check_ambiguous_urns(all, schema).map_err(|it| it.in_file(file))?;
    }
    for (file, schema) in &mut own {
        let mut cores = types.iter().filter_map(|(_, it)| it.schema.as_ref());
        let is_core = cores.any(|urn| urn.eq_ignore_ascii_case(&schema.id));
        rules::check_common_attributes(schema, is_core).map_err(|it| it.in_file(file))?;
    }
    let own: Vec<_> = own
        .into_iter()
        .map(|(file, schema)| (file, Arc::new(schema)))
        .collect();
    registry
        .schemas
        .extend(own.iter().map(|(_, schema)| schema.clone()));
    Ok(own)
}

fn check_attributes(
    prefix: &str,
    attributes: &[AttributeDocument],
    parent: Option<&AttributeDocument>,
) -> Result<(), Problem> {
    let mut names = HashSet::with_capacity(attributes.len());
    for attribute in attributes {
        let path = format!("{prefix}{}", attribute.name);
        rules::check_attribute(&path, &Candidate { attribute, parent })?;
        check_attributes(&format!("{path}."), &attribute.sub_attributes, Some(attribute))?;
        if !names.insert(attribute.name.to_ascii_lowercase()) {
            return Err(Problem::in_attribute(&path, "the name occurs twice"));
        }
    }
    Ok(())
}

fn schema(document: &SchemaDocument) -> Schema {
    let id = document.id.as_deref().unwrap_or_default();
    let last = || id.rsplit(':').next().unwrap_or(id).to_owned();
    Schema {
        id: id.into(),
        name: document.name.clone().unwrap_or_else(last),
        description: document.description.clone().unwrap_or_default(),
        attributes: attributes(&document.attributes),
    }
}

fn attributes(documents: &[AttributeDocument]) -> Vec<Arc<Attribute>> {
    documents.iter().map(|it| Arc::new(attribute(it))).collect()
}

/// The attribute of a document, with the characteristics that follow from others.
fn attribute(document: &AttributeDocument) -> Attribute {
    let is_reference = document.type_ == AttributeType::Reference;
    let mut reference_types = document.reference_types.clone();
    if is_reference && reference_types.is_empty() {
        // RFC 7643 section 7 does not require them. Without them any URI is accepted.
        reference_types.push("uri".to_owned());
    }
    let returned = match document.mutability {
        Mutability::WriteOnly => Returned::Never,
        _ => document.returned.unwrap_or_default(),
    };
    let uniqueness = match document.uniqueness {
        Uniqueness::Global => Uniqueness::Server,
        other => other,
    };
    Attribute {
        name: document.name.clone(),
        type_: document.type_,
        multi_valued: document.multi_valued,
        description: document.description.clone(),
        required: document.required,
        canonical_values: document.canonical_values.clone(),
        // References and binary values are case-exact by their type, and published as such (RFC 7643 sections
        // 2.3.6 and 2.3.7, errata 6000 and 6001).
        case_exact: document.case_exact || is_reference || document.type_ == AttributeType::Binary,
        mutability: document.mutability,
        returned,
        uniqueness,
        reference_types,
        sub_attributes: attributes(&document.sub_attributes),
        indexed: document.indexed,
        secret: document.secret,
        default: document.default,
        format: document.format,
    }
}

fn add_resource_types(
    registry: &mut SchemaRegistry,
    documents: &[(&str, ResourceTypeDocument)],
) -> Result<(), SchemaError> {
    let mut names = HashSet::new();
    for (file, document) in documents {
        let own = resource_type(document, registry).map_err(|it| it.in_file(file))?;
        if !names.insert(own.name.to_ascii_lowercase()) {
            let reason = format!("there is another resource type with the name `{}`", own.name);
            return Err(Problem::in_document(reason).in_file(file));
        }
        let mut types = registry.resource_types.iter();
        match types.position(|it| it.name.eq_ignore_ascii_case(&own.name)) {
            Some(index) => {
                rules::check_replacement(&registry.resource_types[index], &own)
                    .map_err(|it| it.in_file(file))?;
                registry.resource_types[index] = Arc::new(own);
            }
            None => {
                rules::check_new_type(registry, &own).map_err(|it| it.in_file(file))?;
                registry.resource_types.push(Arc::new(own));
            }
        }
    }
    Ok(())
}

fn resource_type(
    document: &ResourceTypeDocument,
    registry: &SchemaRegistry,
) -> Result<ResourceType, Problem> {
    rules::check_resource_type(document)?;
    let schema = resource_schema(registry, document.schema.as_deref())?;
    let mut extensions: Vec<(Arc<Schema>, bool)> = Vec::new();
    for ExtensionDocument {
        schema: urn,
        required,
    } in &document.schema_extensions
    {
        let extension = resource_schema(registry, urn.as_deref())?;
        let Some(required) = *required else {
            let reason = format!(
                "the extension `{}` must have `required`: true or false",
                extension.id
            );
            return Err(Problem::in_document(reason));
        };
        rules::check_extension(&extension, &schema, &extensions)?;
        extensions.push((extension, required));
    }
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    Ok(ResourceType {
        name: text(&document.name),
        endpoint: text(&document.endpoint),
        description: document
            .description
            .as_ref()
            .unwrap_or(&schema.description)
            .clone(),
        common: registry.resource_types[0].common.clone(),
        schema,
        extensions,
    })
}

/// Finds a schema that resources can have, by its URN.
fn resource_schema(registry: &SchemaRegistry, urn: Option<&str>) -> Result<Arc<Schema>, Problem> {
    let urn = rules::required("schema", urn)?;
    let is_meta_schema =
        |urn: &str| [SCHEMA_URN, RESOURCE_TYPE_URN, SERVICE_PROVIDER_CONFIG_URN].contains(&urn);
    let schema = registry.schema(urn).filter(|it| !is_meta_schema(&it.id));
    schema.cloned().ok_or_else(|| {
        let reason = format!("there is no schema `{}` for resources", shortened(urn));
        Problem::in_document(reason)
    })
}
