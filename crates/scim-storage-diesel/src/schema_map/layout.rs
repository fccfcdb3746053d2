//! The layout of a resource type in the tables: which attribute has a column, and which has rows in
//! `attribute_value` or `unique_value`.

use std::collections::HashMap;
use std::sync::Arc;

use scim_model::schema::{Attribute, AttributePath, AttributeType, ResourceType, Uniqueness};
use scim_model::store::{StoreError, TenantId};
use sha2::{Digest, Sha256};

use crate::error::unavailable;
use crate::sql::Dialect;

/// Changes when a rule in this folder or in [`scim_model::internal::key`] does: everything derived from stored documents is
/// then computed again.
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

/// The attributes with a column and an index that has their order, in addition to the unique attribute of a type.
/// Identity providers look resources up by them, and consoles sort by them. A further row in this table needs a
/// migration, a variant of [`Column`], and its value in `Keys` (`derive.rs`) and in `resource/update.rs`. Any other attribute can have index rows instead, if its schema says `"indexed": true`.
const COLUMNS: [(Column, &str, Option<&str>); 4] = [
    (Column::External, "externalId", None),
    (Column::Display, "displayName", None),
    (Column::Family, "name", Some("familyName")),
    (Column::Active, "active", None),
];

impl Column {
    pub(crate) fn name(self) -> &'static str {
        &self.of_resource()["r.".len()..]
    }

    /// The column of the table `r`.
    pub(crate) fn of_resource(self) -> &'static str {
        match self {
            Column::Unique => "r.unique_key",
            Column::External => "r.external_key",
            Column::Display => "r.display_key",
            Column::Family => "r.family_key",
            Column::Active => "r.active",
        }
    }

    /// Whether the column can hold the values of an attribute of a type.
    fn holds(self, type_: AttributeType) -> bool {
        match self {
            Column::Active => type_ == AttributeType::Boolean,
            _ => !matches!(type_, AttributeType::Boolean | AttributeType::Complex),
        }
    }
}

/// The layout of one resource type.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Number of the type.
    pub(crate) kind: i64,
    pub(crate) resource_type: Arc<ResourceType>,
    /// The attribute in `unique_key`.
    pub(crate) unique: Option<AttributePath>,
    /// The attributes in the other columns.
    pub(crate) columns: Vec<(Column, AttributePath)>,
    /// The attributes in `attribute_value`.
    pub(crate) indexed: Vec<(i64, AttributePath)>,
    /// The attributes in `unique_value`.
    pub(crate) more_unique: Vec<(i64, AttributePath)>,
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
                && !is_never_read(it)
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
            columns: columns(resource_type),
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
        let is_path = |it: &AttributePath| names(it) == names(path);
        let column = self.columns.iter().find(|(_, it)| is_path(it));
        let unique = self.unique.as_ref().filter(|it| is_path(it));
        column
            .map(|(column, _)| *column)
            .or(unique.map(|_| Column::Unique))
    }

    /// The attribute's number in `attribute_value`.
    pub(crate) fn indexed_path(&self, path: &AttributePath) -> Option<i64> {
        let found = self.indexed.iter().find(|(_, it)| names(it) == names(path));
        found.map(|(number, _)| *number)
    }

    /// A digest of the rules that the derived columns and rows of the type follow.
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
        format!("{:x}", Sha256::digest(text))
    }
}

/// The scope of a read: a tenant, and the database and layouts of the store.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: TenantId,
    pub(crate) layouts: &'a Layouts,
}

/// The layouts of the types that the store was opened with, and the names of all types that were ever stored.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    layouts: Vec<Arc<Layout>>,
    names: HashMap<i64, Arc<str>>,
}

impl Layouts {
    pub(crate) fn new(layouts: Vec<Arc<Layout>>, names: impl IntoIterator<Item = (i64, String)>) -> Layouts {
        let names = names.into_iter().map(|(kind, name)| (kind, name.into()));
        Layouts {
            layouts,
            names: names.collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Layout> {
        self.layouts.iter().map(|it| &**it)
    }

    /// The layout of a type.
    ///
    /// # Errors
    /// `Unavailable` when the store was opened without the type.
    pub(crate) fn of(&self, resource_type: &ResourceType) -> Result<&Arc<Layout>, StoreError> {
        let name = &resource_type.name;
        let layout = self.layouts.iter().find(|it| it.resource_type.name == *name);
        layout.ok_or_else(|| unavailable(format!("the store was opened without the resource type `{name}`")))
    }

    /// The layout of the type with this name, if the store was opened with it.
    pub(crate) fn named(&self, name: &str) -> Option<&Layout> {
        self.iter().find(|it| &*it.resource_type.name == name)
    }

    /// The name of the type with this number.
    pub(crate) fn name(&self, kind: i64) -> Arc<str> {
        self.names.get(&kind).cloned().unwrap_or_else(|| "".into())
    }
}

/// The attributes of the type that have a column.
fn columns(resource_type: &ResourceType) -> Vec<(Column, AttributePath)> {
    let column = |(column, attribute, sub): (Column, &str, Option<&str>)| {
        let attribute = resource_type.core_attribute(attribute)?.clone();
        let sub = match sub {
            Some(sub) => Some(attribute.sub_attribute(sub)?.clone()),
            None => None,
        };
        let is_multi_valued = attribute.multi_valued || sub.as_ref().is_some_and(|it| it.multi_valued);
        let path = AttributePath {
            extension: None,
            attribute,
            sub,
        };
        (!is_multi_valued && column.holds(path.leaf().type_)).then_some((column, path))
    };
    COLUMNS.into_iter().filter_map(column).collect()
}

/// Every attribute and sub-attribute of a type, except the common attributes of RFC 7643 section 3.1.
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

/// The attributes that their schema calls unique. The server enforces what it announces, even for attributes that are
/// never returned. A secret is in no document, and its schema may not call it unique.
fn unique_paths(resource_type: &ResourceType) -> Vec<AttributePath> {
    let unique = |it: &AttributePath| it.leaf().uniqueness != Uniqueness::None && is_text(it.leaf());
    paths(resource_type).filter(unique).collect()
}

/// The values of multi-valued attributes are always indexed (`emails.value`, a custom `tags`); others when their
/// schema asks for it.
fn is_indexed(path: &AttributePath) -> bool {
    let is_value = match &path.sub {
        Some(sub) => sub.name == "value",
        None => true,
    };
    path.leaf().type_ != AttributeType::Complex
        && !is_never_read(path)
        && (path.leaf().indexed || (path.attribute.multi_valued && is_value))
}

/// Whether the path is `members` or `groups` and its values are rows of `membership`. Custom types can have ordinary
/// attributes of these names.
pub(crate) fn is_membership(resource_type: &ResourceType, path: &AttributePath) -> bool {
    path.extension.is_none()
        && match path.attribute.name.as_str() {
            "members" => resource_type.has_members(),
            "groups" => resource_type.has_groups(),
            _ => false,
        }
}

pub(super) fn is_never_read(path: &AttributePath) -> bool {
    path.attribute.is_never_read() || path.sub.as_deref().is_some_and(Attribute::is_never_read)
}

fn is_text(attribute: &Attribute) -> bool {
    !matches!(attribute.type_, AttributeType::Boolean | AttributeType::Complex)
}

fn names(path: &AttributePath) -> (Option<&str>, &str, Option<&str>) {
    let sub = path.sub.as_ref().map(|it| it.name.as_str());
    (path.extension.as_deref(), path.attribute.name.as_str(), sub)
}
