//! Where the values of an attribute are read from: a column, index rows, memberships, another resource or the
//! normal form.

use scim_model::AttributePath;

use crate::schema_map::layout::{Column, Layout, is_membership};

/// The place where filters and sort orders read an attribute of a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The resource's `id`.
    Id,
    /// `meta` or one of its sub-attributes.
    Meta(Meta),
    /// Rows of `membership`: a group's `members` or a user's `groups`.
    Membership {
        /// The sub-attribute identifies the resource at the other end: `value` or `$ref`.
        is_id: bool,
    },
    /// The resource that a reference such as `manager` points at.
    Reference(Shown),
    /// A column of `resource`.
    Column(Column),
    /// Rows of `attribute_value` with this path number.
    IndexRows(i64),
    /// The normal form in `resource_normal`.
    NormalForm,
}

/// `meta` (RFC 7643 section 3.1) or one of its sub-attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Whole,
    Created,
    LastModified,
    Version,
    Location,
    ResourceType,
    Unknown,
}

/// The part of a referenced resource that a response shows in addition to its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Uri,
    Name,
}

impl Source {
    pub(crate) fn of(path: &AttributePath, layout: &Layout) -> Source {
        let sub = path.sub.as_ref().map(|it| it.name.as_str());
        if path.extension.is_none() {
            match (path.attribute.name.as_str(), sub) {
                ("id", _) => return Source::Id,
                ("meta", sub) => return Source::Meta(Meta::of(sub)),
                _ => {}
            }
        }
        if is_membership(&layout.resource_type, path) {
            return Source::Membership {
                is_id: matches!(sub, Some("value" | "$ref")),
            };
        }
        if let Some(shown) = shown_by_reference(path) {
            return Source::Reference(shown);
        }
        if let Some(column) = layout.column(path) {
            return Source::Column(column);
        }
        match layout.indexed_path(path) {
            Some(number) => Source::IndexRows(number),
            None => Source::NormalForm,
        }
    }
}

impl Meta {
    fn of(sub: Option<&str>) -> Meta {
        match sub {
            None => Meta::Whole,
            Some("created") => Meta::Created,
            Some("lastModified") => Meta::LastModified,
            Some("version") => Meta::Version,
            Some("location") => Meta::Location,
            Some("resourceType") => Meta::ResourceType,
            Some(_) => Meta::Unknown,
        }
    }
}

/// The part of a reference that the server reads from the referenced resource, if the path names one.
fn shown_by_reference(path: &AttributePath) -> Option<Shown> {
    let sub = path
        .sub
        .as_ref()
        .filter(|_| path.attribute.is_shown_reference())?;
    match sub.name.as_str() {
        "$ref" => Some(Shown::Uri),
        "displayName" if path.attribute.shows_name() => Some(Shown::Name),
        _ => None,
    }
}
