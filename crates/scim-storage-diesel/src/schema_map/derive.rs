//! Everything that is stored of a document: its text, its normal form and its index keys.

use std::collections::BTreeSet;

use diesel::Queryable;
use scim_model::Document;
use scim_model::change::ResourceNames;
use scim_model::internal::key;
use scim_model::schema::{AttributePath, ResourceType};
use serde_json::{Map, Value};

use super::index_key::index_key;
use super::layout::{Column, Layout, is_never_read};
use crate::columns::Columns;

/// The columns that are derived from a document, mostly for indexes.
#[derive(Clone, Debug, Default, Queryable)]
pub(crate) struct Keys {
    pub(crate) active: Option<bool>,
    pub(crate) unique_key: Option<String>,
    pub(crate) external_key: Option<String>,
    pub(crate) display_key: Option<String>,
    pub(crate) family_key: Option<String>,
    /// The name that references to the resource show.
    pub(crate) label: Option<String>,
}

type Text = Option<String>;

impl Columns for Keys {
    type SqlType = <(Option<bool>, Text, Text, Text, Text, Text) as Columns>::SqlType;
}

/// The number of an attribute in `attribute_path`, and an index key.
pub(crate) type IndexRows = BTreeSet<(i64, String)>;

/// Everything that is stored of a document.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(crate) keys: Keys,
    /// The names for the journal.
    pub(crate) names: ResourceNames,
    pub(crate) document: String,
    pub(crate) normal: String,
    /// The rows of `attribute_value`.
    pub(crate) values: IndexRows,
    /// The rows of `unique_value`.
    pub(crate) unique_values: IndexRows,
}

impl Layout {
    pub(crate) fn derive(&self, document: &Document) -> Derived {
        let normal = document.normal_form(&self.resource_type);
        let rows = |paths: &[(i64, AttributePath)]| {
            let keys_of = |path: &AttributePath| match is_never_read(path) {
                true => hidden_key(path, document).into_iter().collect(),
                false => keys(path, &normal),
            };
            paths
                .iter()
                .flat_map(|(number, path)| keys_of(path).into_iter().map(|it| (*number, it)))
                .collect()
        };
        Derived {
            keys: self.keys(document, &normal),
            names: ResourceNames::of_values(&self.resource_type, document.values()),
            values: rows(&self.indexed),
            unique_values: rows(&self.more_unique),
            document: document.to_stored_json(&self.resource_type),
            normal: serde_json::to_string(&normal).expect("normal forms are JSON"),
        }
    }

    fn keys(&self, document: &Document, normal: &Map<String, Value>) -> Keys {
        let mut keys = Keys {
            unique_key: self.unique.as_ref().and_then(|it| first_key(it, normal)),
            label: label(&self.resource_type, document),
            ..Keys::default()
        };
        for (column, path) in &self.columns {
            let key = first_key(path, normal);
            match column {
                Column::Active => keys.active = key.map(|it| it == "true"),
                Column::External => keys.external_key = key,
                Column::Display => keys.display_key = key,
                Column::Family => keys.family_key = key,
                Column::Unique => keys.unique_key = key,
            }
        }
        keys
    }
}

/// The name that references to the resource show: its `displayName`, unless the attribute is never returned.
fn label(resource_type: &ResourceType, document: &Document) -> Option<String> {
    let attribute = resource_type.core_attribute("displayName")?;
    let text = document.values().get(&attribute.name)?.as_str()?;
    (!text.is_empty() && !attribute.is_never_read()).then(|| text.to_owned())
}

/// The key of a single value that is in no normal form, to keep it unique.
fn hidden_key(path: &AttributePath, document: &Document) -> Option<String> {
    let holder = match &path.extension {
        None => document.values(),
        Some(urn) => document.values().get(&**urn)?.as_object()?,
    };
    let value = Value::from(key::of(&path.attribute, holder.get(&path.attribute.name)?)?);
    index_key_of(&value)
}

fn first_key(path: &AttributePath, normal: &Map<String, Value>) -> Option<String> {
    keys(path, normal).into_iter().next()
}

/// The index keys of all values of an attribute.
fn keys(path: &AttributePath, normal: &Map<String, Value>) -> Vec<String> {
    let mut members = path.members();
    let Some(first) = members.next().and_then(|it| normal.get(it)) else {
        return Vec::new();
    };
    let mut values: Vec<&Value> = each(first).iter().collect();
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
