//! The JSON of a resource as a client reads it, with its entity tag.
//!
//! If the response shows the whole stored text, the text is copied without being parsed, and `id`, `meta`, `members`
//! and `groups` are written around it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::error::ScimError;
use crate::json::{self, raw_members, write_string, write_value};
use crate::representation::body::{Body, Endpoints, Shows, write_id, write_reference};
use crate::representation::etag::Derived;
use crate::representation::location::write_location;
use crate::representation::projection::{Projection, Selection};
use crate::representation::reference::{find_reference, show_reference};
use crate::schema::registry::SchemaRegistry;
use crate::schema::{AttributePath, ENTERPRISE_USER_URN, GROUP_URN, ResourceType, Returned, USER_URN};
use crate::store::{Reference, RestOfMembers, Stored};

/// Writes the resources of one request. The projection is resolved once for each type.
pub struct Presenter<'a> {
    registry: &'a SchemaRegistry,
    base_url: &'a str,
    projection: &'a Projection,
    views: Vec<View>,
    /// Created when the first reference is written.
    endpoints: OnceCell<Arc<Endpoints>>,
}

/// The part of the resources of one type that is shown.
struct View {
    resource_type: Arc<ResourceType>,
    /// Whether a stored text with built-in schemas only can be copied.
    copies: bool,
    /// `None` shows everything.
    selection: Option<Selection>,
    /// Attributes that show the URI or the name of the resource that they refer to, such as `manager`.
    shown_references: Vec<AttributePath>,
}

impl<'a> Presenter<'a> {
    /// See [`represent`].
    pub fn new(registry: &'a SchemaRegistry, base_url: &'a str, projection: &'a Projection) -> Presenter<'a> {
        Presenter {
            registry,
            base_url,
            projection,
            views: Vec::new(),
            endpoints: OnceCell::new(),
        }
    }

    /// The ids of resources whose names are part of the representation, for
    /// [`crate::store::ResourceStore::references`]. Found in the text, without parsing it.
    pub fn reference_ids(&mut self, stored: &Stored) -> Vec<Uuid> {
        let Some(view) = self.view(&stored.resource_type) else {
            return Vec::new();
        };
        let found = self.views[view].shown_references.iter().flat_map(|path| {
            let member = format!("\"{}\":{{", path.attribute.name);
            // The core schema and extensions may have attributes of the same name: an extra id does no harm.
            let places = stored.document.match_indices(&member).map(|(at, _)| at);
            let ids = places.filter_map(|at| {
                // An id has no escaped characters.
                let (_, id) = stored.document[at..].split_once("\"value\":\"")?;
                Uuid::try_parse(id.get(..36)?).ok()
            });
            ids.collect::<Vec<_>>()
        });
        found.collect()
    }

    /// Whether the representation of such a resource shows its groups.
    pub fn shows_groups(&mut self, stored: &Stored) -> bool {
        self.view(&stored.resource_type)
            .is_some_and(|it| self.views[it].shows_groups())
    }

    /// Appends the JSON text of a resource, and returns its entity tag: the version, followed by a hash of the data
    /// of other resources that is shown, `W/"3"` or `W/"3.0123456789abcdef"`.
    ///
    /// # Errors
    /// The stored document is not JSON.
    pub fn write(
        &mut self,
        body: &mut Body,
        mut stored: Stored,
        references: &[Reference],
    ) -> Result<String, ScimError> {
        let Some(view) = self.view(&stored.resource_type) else {
            let detail = format!("there is no resource type `{}` any more", stored.resource_type);
            return Err(ScimError::internal(detail));
        };
        let view = &self.views[view];
        let mut derived = Derived::default();
        let text = body.text();
        text.reserve(stored.document.len() + 400);
        match stored_parts(&stored.document)
            .filter(|(schemas, _)| view.copies && are_built_in(&view.resource_type, schemas))
        {
            Some((schemas, attributes)) => {
                text.push_str("{\"schemas\":[");
                text.push_str(schemas);
                text.push(']');
                write_id_member(text, stored.id);
                self.copy(text, view, attributes, references, &mut derived);
            }
            None => self.write_selected(text, view, &stored, references, &mut derived)?,
        }
        self.write_members(body, view, stored.members.take(), stored.rest_of_members);
        let text = body.text();
        self.write_groups(text, view, &stored, &mut derived);
        let etag = derived.etag(stored.version);
        self.write_meta(text, view, &stored, &etag);
        text.push('}');
        Ok(etag)
    }

    fn view(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.views.iter().position(|it| &*it.resource_type.name == name) {
            return Some(index);
        }
        let resource_type = self.registry.resource_type(name)?.clone();
        let copies = returns_all(&resource_type) && self.projection.keeps_stored(&resource_type);
        let selection = if copies && self.projection.is_default() {
            None
        } else {
            Some(self.projection.selection(&resource_type))
        };
        let is_shown = |path: &AttributePath| {
            let (extension, name) = (path.extension.as_deref(), &path.attribute.name);
            let keeps = |it: &Selection, sub| it.keeps(extension, name, sub);
            selection
                .as_ref()
                .is_none_or(|it| keeps(it, "$ref") || keeps(it, "displayName"))
        };
        let shown_references = resource_type.shown_references().filter(is_shown).collect();
        self.views.push(View {
            resource_type,
            copies,
            selection,
            shown_references,
        });
        Some(self.views.len() - 1)
    }

    /// Copies the attributes of a stored text, and adds URI and name to the references whose resources were found.
    fn copy(
        &self,
        text: &mut String,
        view: &View,
        attributes: &str,
        references: &[Reference],
        derived: &mut Derived,
    ) {
        let mut rest = attributes;
        if !references.is_empty() {
            for path in &view.shown_references {
                let start = format!("\"{}\":{{\"value\":\"", path.attribute.name);
                let Some(at) = rest.find(&start).map(|at| at + start.len()) else {
                    continue;
                };
                let Some(id) = rest[at..].split('"').next() else {
                    continue;
                };
                let Some(reference) = find_reference(path, id, references) else {
                    continue;
                };
                derived.add(&path.attribute.name, reference);
                let end = at + id.len() + 1;
                text.push_str(&rest[..end]);
                rest = &rest[end..];
                text.push_str(",\"$ref\":");
                self.write_uri(text, reference);
                if let Some(display) = &reference.display {
                    text.push_str(",\"displayName\":");
                    write_string(text, display);
                }
            }
        }
        text.push_str(rest);
    }

    /// Writes `schemas`, `id` and the attributes that are shown. Attributes that are shown or left out as a
    /// whole are not parsed.
    fn write_selected(
        &self,
        text: &mut String,
        view: &View,
        stored: &Stored,
        references: &[Reference],
        derived: &mut Derived,
    ) -> Result<(), ScimError> {
        let not_json = || ScimError::internal("a stored document is not JSON");
        let selection = match &view.selection {
            Some(selection) => Cow::Borrowed(selection),
            None => Cow::Owned(self.projection.selection(&view.resource_type)),
        };
        let mut has_schemas = false;
        for member in raw_members(&stored.document) {
            let (name, value) = member.ok_or_else(not_json)?;
            if name == "schemas" {
                has_schemas = true;
                write_schemas(text, &view.resource_type, value);
                write_id_member(text, stored.id);
                continue;
            }
            match selection.shows_whole(name) {
                Some(false) => {}
                Some(true) => {
                    let _ = write!(text, ",\"{name}\":{value}");
                }
                None => {
                    let mut value = json::parse(value.as_bytes())?;
                    self.show_references(&mut value, name, view, references, derived);
                    if let Some(value) = selection.take(name, value) {
                        let _ = write!(text, ",\"{name}\":");
                        write_value(text, &value);
                    }
                }
            }
        }
        if has_schemas { Ok(()) } else { Err(not_json()) }
    }

    /// Adds URI and name to the references in one member of a resource.
    fn show_references(
        &self,
        member: &mut Value,
        name: &str,
        view: &View,
        references: &[Reference],
        derived: &mut Derived,
    ) {
        for path in &view.shown_references {
            let value = match &path.extension {
                None if path.attribute.name == name => Some(&mut *member),
                Some(urn) if **urn == *name => member.get_mut(&path.attribute.name),
                _ => None,
            };
            let Some(value) = value.and_then(Value::as_object_mut) else {
                continue;
            };
            if let Some(shown) = show_reference(value, path, self.registry, self.base_url, references) {
                derived.add(&path.attribute.name, shown);
            }
        }
    }

    /// The entity tag belongs to the members that the group had when its version was read. Members that are read later
    /// may be fewer, when some have left the group since: then the group has another version, and a write with this
    /// entity tag in `If-Match` fails.
    fn write_members(
        &self,
        body: &mut Body,
        view: &View,
        members: Option<Vec<Reference>>,
        rest: Option<RestOfMembers>,
    ) {
        let Some(members) = members else { return };
        if !view.resource_type.has_members() || !view.shows("members") {
            return;
        }
        body.text().push_str(",\"members\":[");
        body.references(members, rest, view.shows_of("members"), || {
            self.endpoints().clone()
        });
        body.text().push(']');
    }

    fn write_groups(&self, text: &mut String, view: &View, stored: &Stored, derived: &mut Derived) {
        let groups = stored.groups.as_deref().unwrap_or_default();
        if groups.is_empty() || !view.shows_groups() {
            return;
        }
        let shows = view.shows_of("groups");
        text.push_str(",\"groups\":[");
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            derived.add("groups", group);
            write_reference(text, group, shows, self.endpoints(), "direct");
        }
        text.push(']');
    }

    fn endpoints(&self) -> &Arc<Endpoints> {
        self.endpoints
            .get_or_init(|| Arc::new(Endpoints::new(self.registry, self.base_url)))
    }

    fn write_meta(&self, text: &mut String, view: &View, stored: &Stored, etag: &str) {
        if !view.shows("meta") {
            return;
        }
        let mut separator = ",\"meta\":{\"";
        let mut member = |text: &mut String, name: &str| {
            let shown = view
                .selection
                .as_ref()
                .is_none_or(|it| it.keeps(None, "meta", name));
            if shown {
                text.push_str(separator);
                text.push_str(name);
                text.push_str("\":");
                separator = ",\"";
            }
            shown
        };
        if member(text, "resourceType") {
            write_string(text, &stored.resource_type);
        }
        if member(text, "created") {
            write_instant(text, stored.created);
        }
        if member(text, "lastModified") {
            write_instant(text, stored.last_modified);
        }
        if member(text, "location") {
            text.push('"');
            write_location(text, self.base_url, &view.resource_type.endpoint, stored.id);
            text.push('"');
        }
        if member(text, "version") {
            write_string(text, etag);
        }
        if separator == ",\"" {
            text.push('}');
        }
    }

    fn write_uri(&self, text: &mut String, reference: &Reference) {
        let endpoint = self
            .registry
            .resource_type(&reference.resource_type)
            .map_or("", |it| &it.endpoint);
        text.push('"');
        write_location(text, self.base_url, endpoint, reference.id);
        text.push('"');
    }
}

impl View {
    /// Whether a core or common attribute is part of the response.
    fn shows(&self, attribute: &str) -> bool {
        self.selection
            .as_ref()
            .is_none_or(|it| it.keeps_any(None, attribute))
    }

    fn shows_groups(&self) -> bool {
        self.resource_type.has_groups() && self.shows("groups")
    }

    /// Which sub-attributes of `members` or `groups` are part of the response.
    fn shows_of(&self, attribute: &str) -> Shows {
        let shows = |sub| {
            self.selection
                .as_ref()
                .is_none_or(|it| it.keeps(None, attribute, sub))
        };
        Shows {
            value: shows("value"),
            uri: shows("$ref"),
            type_: shows("type"),
            display: shows("display"),
        }
    }
}

/// Whether everything that is stored of a type with a built-in core schema is returned by default.
///
/// The schemas of other types may have changed since a document was stored, and it may have values that must not
/// be shown. Such documents are read attribute by attribute.
fn returns_all(resource_type: &ResourceType) -> bool {
    let is_shown = |returned, secret| secret || matches!(returned, Returned::Default | Returned::Always);
    [USER_URN, GROUP_URN].contains(&&*resource_type.schema.id)
        && resource_type
            .parts()
            .filter(|(extension, _)| extension.is_none_or(|it| &**it == ENTERPRISE_USER_URN))
            .all(|(_, schema)| {
                schema.attributes.iter().all(|it| {
                    is_shown(it.returned, it.is_secret())
                        && it
                            .sub_attributes
                            .iter()
                            .all(|sub| is_shown(sub.returned, sub.is_secret()))
                })
            })
}

/// The URNs, without brackets, and what follows them without the closing brace.
fn stored_parts(document: &str) -> Option<(&str, &str)> {
    let (schemas, rest) = document.strip_prefix("{\"schemas\":[")?.split_once(']')?;
    Some((schemas, rest.strip_suffix('}')?))
}

/// Writes the start of a resource with the stored schemas that its type still has.
fn write_schemas(text: &mut String, resource_type: &ResourceType, stored: &str) {
    text.push_str("{\"schemas\":[");
    let mut separator = "";
    for quoted in stored.trim_matches(['[', ']']).split(',') {
        if resource_type.schema_of(quoted.trim_matches('"')).is_some() {
            text.push_str(separator);
            text.push_str(quoted);
            separator = ",";
        }
    }
    text.push(']');
}

/// Whether only schemas that are compiled in and that the type still has are among these.
fn are_built_in(resource_type: &ResourceType, schemas: &str) -> bool {
    schemas.split(',').all(|quoted| {
        let urn = quoted.trim_matches('"');
        urn == &*resource_type.schema.id
            || (urn == ENTERPRISE_USER_URN && resource_type.extensions.iter().any(|(it, _)| &*it.id == urn))
    })
}

fn write_id_member(text: &mut String, id: Uuid) {
    text.push_str(",\"id\":\"");
    write_id(text, id);
    text.push('"');
}

/// UTC with milliseconds.
fn write_instant(text: &mut String, time: DateTime<Utc>) {
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let millisecond = time.timestamp_subsec_millis();
    let _ = write!(
        text,
        "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z\""
    );
}
