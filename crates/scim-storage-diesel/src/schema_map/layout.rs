//! How the resources of a type lie in the tables: which attribute has a column, which has rows in
//! `attribute_value`, and what a document becomes.

use std::collections::BTreeSet;
use std::sync::Arc;

use scim_model::schema::{Attribute, AttributePath, AttributeType, ResourceType, Uniqueness};
use scim_model::{Document, key};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::schema_map::index_key::index_key;

/// Changes when a rule in this file, in [`crate::schema_map::index_key`] or in [`scim_model::key`] does: what is
/// stored is then computed anew.
const RULES: u32 = 2;

/// A column of `resource` that holds the index key of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Unique,
    External,
    Display,
    Family,
    Active,
}

/// The resources of one type.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Number of the type.
    pub(crate) kind: i64,
    pub(crate) resource_type: Arc<ResourceType>,
    /// The attribute in `unique_key`.
    pub(crate) unique: Option<AttributePath>,
    /// The attributes in `attribute_value`.
    pub(crate) indexed: Vec<(i64, AttributePath)>,
    /// The attributes in `unique_value`.
    pub(crate) more_unique: Vec<(i64, AttributePath)>,
}

/// What stands in columns beside a document, mostly for an index.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) active: Option<bool>,
    pub(crate) unique_key: Option<String>,
    pub(crate) external_key: Option<String>,
    pub(crate) display_key: Option<String>,
    pub(crate) family_key: Option<String>,
    pub(crate) label: Option<String>,
}

/// What a document becomes.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(crate) keys: Keys,
    pub(crate) document: String,
    pub(crate) normal: String,
    pub(crate) values: BTreeSet<(i64, String)>,
    pub(crate) unique_values: BTreeSet<(i64, String)>,
}

impl Layout {
    /// `number_of` gives an attribute's number in `attribute_path`.
    pub(crate) fn new<E>(
        kind: i64,
        resource_type: &Arc<ResourceType>,
        unique_group_names: bool,
        mut number_of: impl FnMut(&AttributePath) -> Result<i64, E>,
    ) -> Result<Layout, E> {
        let mut unique_paths = unique_paths(resource_type);
        if unique_group_names && resource_type.has_members() {
            unique_paths.extend(paths(resource_type).filter(|it| names(it) == (None, "displayName", None)));
        }
        let fits = |it: &AttributePath| {
            it.extension.is_none()
                && it.sub.is_none()
                && !it.attribute.multi_valued
                && is_text(it.leaf())
                && !is_unseen(it)
        };
        let unique = unique_paths
            .iter()
            .position(fits)
            .map(|at| unique_paths.remove(at));
        let mut numbered = |paths: Vec<AttributePath>| {
            paths
                .into_iter()
                .map(|it| Ok((number_of(&it)?, it)))
                .collect::<Result<Vec<_>, E>>()
        };
        let mut layout = Layout {
            kind,
            resource_type: resource_type.clone(),
            unique,
            indexed: Vec::new(),
            more_unique: numbered(unique_paths)?,
        };
        let indexed = paths(resource_type)
            .filter(|it| is_indexed(it) && layout.column(it).is_none() && !is_membership(resource_type, it));
        layout.indexed = numbered(indexed.collect())?;
        Ok(layout)
    }

    /// The column that holds the attribute's index key.
    pub(crate) fn column(&self, path: &AttributePath) -> Option<Column> {
        let is_multi_valued =
            path.attribute.multi_valued || path.sub.as_ref().is_some_and(|it| it.multi_valued);
        if is_multi_valued || path.leaf().type_ == AttributeType::Complex {
            return None;
        }
        match (names(path), path.leaf().type_ == AttributeType::Boolean) {
            ((None, "active", None), true) => Some(Column::Active),
            (_, true) => None,
            ((None, "externalId", None), _) => Some(Column::External),
            ((None, "displayName", None), _) => Some(Column::Display),
            ((None, "name", Some("familyName")), _) => Some(Column::Family),
            (names_, _) if self.unique.as_ref().is_some_and(|it| names(it) == names_) => Some(Column::Unique),
            _ => None,
        }
    }

    /// The attribute's number in `attribute_value`.
    pub(crate) fn indexed_path(&self, path: &AttributePath) -> Option<i64> {
        let found = self.indexed.iter().find(|(_, it)| names(it) == names(path));
        found.map(|(number, _)| *number)
    }

    /// What is stored of a document.
    pub(crate) fn derive(&self, document: &Document) -> Derived {
        let normal = document.normal_form(&self.resource_type);
        let single = |column: Column| {
            let path = [
                ("externalId", None),
                ("displayName", None),
                ("name", Some("familyName")),
            ];
            path.into_iter().find_map(|(name, sub)| {
                let attribute = self.resource_type.core_attribute(name)?.clone();
                let sub = match sub {
                    Some(sub) => Some(attribute.sub_attribute(sub)?.clone()),
                    None => None,
                };
                let path = AttributePath {
                    extension: None,
                    attribute,
                    sub,
                };
                (self.column(&path) == Some(column))
                    .then(|| first_key(&path, &normal))
                    .flatten()
            })
        };
        let active = normal.get("active").and_then(Value::as_bool);
        let all = |paths: &[(i64, AttributePath)]| {
            let keys_of = |path| {
                if is_unseen(path) {
                    unseen_key(path, document).into_iter().collect()
                } else {
                    keys(path, &normal)
                }
            };
            let keys = paths
                .iter()
                .flat_map(|(number, path)| keys_of(path).into_iter().map(|it| (*number, it)));
            keys.collect::<BTreeSet<_>>()
        };
        Derived {
            keys: Keys {
                active,
                unique_key: self.unique.as_ref().and_then(|it| first_key(it, &normal)),
                external_key: single(Column::External),
                display_key: single(Column::Display),
                family_key: single(Column::Family),
                label: label(&self.resource_type, document),
            },
            values: all(&self.indexed),
            unique_values: all(&self.more_unique),
            document: document.to_stored_json(&self.resource_type),
            normal: serde_json::to_string(&normal).expect("normal forms are JSON"),
        }
    }

    /// Which rules the derived columns and rows of the type follow.
    pub(crate) fn shape(&self) -> String {
        let mut text = format!("{RULES} {:?}", self.unique.as_ref().map(ToString::to_string));
        for path in paths(&self.resource_type) {
            let leaf = path.leaf();
            text.push_str(&format!(
                "\n{path} {:?} {} {} {:?} {:?} {:?} {} {:?}",
                leaf.type_,
                leaf.multi_valued,
                leaf.case_exact,
                leaf.mutability,
                leaf.returned,
                leaf.uniqueness,
                leaf.indexed,
                leaf.default
            ));
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What others see of a resource that they point at: its `displayName`, else a user's `userName`; not
/// what nobody may see.
fn label(resource_type: &ResourceType, document: &Document) -> Option<String> {
    let names: &[&str] = if resource_type.has_groups() {
        &["displayName", "userName"]
    } else {
        &["displayName"]
    };
    names.iter().find_map(|name| {
        let attribute = resource_type.core_attribute(name)?;
        let text = document.0.get(&attribute.name)?.as_str()?;
        (!text.is_empty() && !attribute.is_never_read()).then(|| text.to_owned())
    })
}

/// Every attribute and sub-attribute of a type, but those of RFC 7643 section 3.1 that every type has.
fn paths(resource_type: &ResourceType) -> impl Iterator<Item = AttributePath> {
    let parts = resource_type
        .parts()
        .filter(|(_, schema)| !Arc::ptr_eq(schema, &resource_type.common));
    let attributes = parts.flat_map(|(extension, schema)| {
        let extension = extension.cloned();
        schema.attributes.iter().map(move |it| (extension.clone(), it))
    });
    attributes.flat_map(|(extension, attribute)| {
        let subs = attribute.sub_attributes.iter().cloned().map(Some);
        [None]
            .into_iter()
            .chain(subs)
            .map(move |sub| AttributePath {
                extension: extension.clone(),
                attribute: attribute.clone(),
                sub,
            })
            .collect::<Vec<_>>()
    })
}

/// What is announced is enforced, also of what is never returned; a secret is in no document, and its
/// schema may not call it unique.
fn unique_paths(resource_type: &ResourceType) -> Vec<AttributePath> {
    let unique = |it: &AttributePath| it.leaf().uniqueness != Uniqueness::None && is_text(it.leaf());
    paths(resource_type).filter(unique).collect()
}

/// The values of multi-valued attributes are always indexed (`emails.value`, a custom `tags`), others
/// on request.
fn is_indexed(path: &AttributePath) -> bool {
    let is_value = match &path.sub {
        Some(sub) => sub.name == "value",
        None => true,
    };
    path.leaf().type_ != AttributeType::Complex
        && !is_unseen(path)
        && (path.leaf().indexed || (path.attribute.multi_valued && is_value))
}

/// Whether it is `members` or `groups` that are rows of `membership`; other types have attributes of
/// these names like any other.
pub(crate) fn is_membership(resource_type: &ResourceType, path: &AttributePath) -> bool {
    path.extension.is_none()
        && match path.attribute.name.as_str() {
            "members" => resource_type.has_members(),
            "groups" => resource_type.has_groups(),
            _ => false,
        }
}

fn is_unseen(path: &AttributePath) -> bool {
    path.attribute.is_never_read() || path.sub.as_deref().is_some_and(Attribute::is_never_read)
}

/// The key of a single value that is in no normal form, to keep it unique.
fn unseen_key(path: &AttributePath, document: &Document) -> Option<String> {
    let holder = match &path.extension {
        None => &document.0,
        Some(urn) => document.0.get(&**urn)?.as_object()?,
    };
    let value = Value::from(key::of(&path.attribute, holder.get(&path.attribute.name)?)?);
    index_key_of(&value)
}

fn is_text(attribute: &Attribute) -> bool {
    !matches!(attribute.type_, AttributeType::Boolean | AttributeType::Complex)
}

fn names(path: &AttributePath) -> (Option<&str>, &str, Option<&str>) {
    let sub = path.sub.as_ref().map(|it| it.name.as_str());
    (path.extension.as_deref(), path.attribute.name.as_str(), sub)
}

fn first_key(path: &AttributePath, normal: &Map<String, Value>) -> Option<String> {
    keys(path, normal).into_iter().next()
}

/// The index keys of all values of an attribute.
fn keys(path: &AttributePath, normal: &Map<String, Value>) -> Vec<String> {
    let mut values: Vec<&Value> = Vec::new();
    let mut members = path.members();
    let Some(first) = members.next().and_then(|it| normal.get(it)) else {
        return Vec::new();
    };
    values.extend(each(first));
    for name in members {
        values = values
            .into_iter()
            .filter_map(|it| it.get(name))
            .flat_map(each)
            .collect();
    }
    values.into_iter().filter_map(index_key_of).collect()
}

fn index_key_of(value: &Value) -> Option<String> {
    match value {
        Value::String(key) => Some(index_key(key).into_owned()),
        Value::Bool(key) => Some(key.to_string()),
        _ => None,
    }
}

fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        single => std::slice::from_ref(single),
    }
}

/// The key of an instant in milliseconds, as the columns `created` and `modified` have it.
pub(crate) fn milliseconds(instant_key: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(instant_key).ok()?;
    Some(time.timestamp_millis())
}
