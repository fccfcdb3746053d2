//! The JSON text of a response. Some of it is written only while the response is sent: the members of large groups,
//! and the last resources of a page that is too large for the memory.
//!
//! A group of 100,000 members is 18 MB of JSON; its ids and names alone are a third of that.

use std::sync::Arc;
use std::vec::IntoIter;

use uuid::Uuid;

use crate::json::write_string;
use crate::schema::registry::SchemaRegistry;
use crate::store::{Reference, ResourceKey, RestOfMembers};

/// JSON text, some of it not written yet.
#[derive(Debug, Default)]
pub struct Body {
    before: Vec<Part>,
    text: String,
}

/// A part of the text.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    References(References),
    /// Resources of a list that are still to be read.
    Resources(Vec<ResourceKey>),
    /// The end of a list with such resources, with the number of those that were written.
    EndOfList,
}

/// References that are still to be written, separated by commas.
#[derive(Debug)]
pub(super) struct References {
    pub(super) references: IntoIter<Reference>,
    /// The members after those, which are still to be read.
    pub(super) rest: Option<RestOfMembers>,
    shows: Shows,
    endpoints: Arc<Endpoints>,
    separator: &'static str,
}

impl References {
    /// Writes the next reference. Returns whether there was one.
    pub(super) fn write_next(&mut self, text: &mut String) -> bool {
        let Some(reference) = self.references.next() else {
            return false;
        };
        text.push_str(self.separator);
        write_reference(
            text,
            &reference,
            self.shows,
            &self.endpoints,
            &reference.resource_type,
        );
        self.separator = ",";
        true
    }
}

/// Which sub-attributes of `members` or `groups` are part of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shows {
    pub(crate) value: bool,
    pub(crate) uri: bool,
    pub(crate) type_: bool,
    pub(crate) display: bool,
}

/// For each resource type, its name and the URI of its resources up to the id.
#[derive(Debug)]
pub(crate) struct Endpoints(Vec<(Arc<str>, String)>);

impl Endpoints {
    pub(crate) fn new(registry: &SchemaRegistry, base_url: &str) -> Endpoints {
        let types = registry.resource_types.iter();
        Endpoints(
            types
                .map(|it| (it.name.clone(), format!("{base_url}{}/", it.endpoint)))
                .collect(),
        )
    }

    fn before_id(&self, resource_type: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| **name == *resource_type);
        found.map_or("", |(_, uri)| uri)
    }
}

/// Lists up to this length are written at once.
pub(super) const SHORT: usize = 256;

impl Body {
    /// Whether the whole text is written.
    pub fn is_whole(&self) -> bool {
        self.before.is_empty()
    }

    /// The end of the text, to append to.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    pub(super) fn into_parts(mut self) -> Vec<Part> {
        self.before.push(Part::Text(self.text));
        self.before
    }

    /// Appends the resources of a list that are still to be read, and the end of the list.
    pub(crate) fn rest_of_list(&mut self, keys: Vec<ResourceKey>) {
        self.before.push(Part::Text(std::mem::take(&mut self.text)));
        self.before.extend([Part::Resources(keys), Part::EndOfList]);
    }

    /// Appends references, separated by commas; `rest` are those that are still to be read.
    pub(crate) fn references(
        &mut self,
        references: Vec<Reference>,
        rest: Option<RestOfMembers>,
        shows: Shows,
        endpoints: impl FnOnce() -> Arc<Endpoints>,
    ) {
        if references.is_empty() {
            return;
        }
        let endpoints = endpoints();
        if references.len() <= SHORT && rest.is_none() {
            let mut separator = "";
            for reference in &references {
                self.text.push_str(separator);
                write_reference(
                    &mut self.text,
                    reference,
                    shows,
                    &endpoints,
                    &reference.resource_type,
                );
                separator = ",";
            }
            return;
        }
        self.before.push(Part::Text(std::mem::take(&mut self.text)));
        self.before.push(Part::References(References {
            references: references.into_iter(),
            rest,
            shows,
            endpoints,
            separator: "",
        }));
    }
}

/// Writes a reference, with `type_` as its `type`.
pub(crate) fn write_reference(
    text: &mut String,
    reference: &Reference,
    shows: Shows,
    endpoints: &Endpoints,
    type_: &str,
) {
    text.push('{');
    let mut separator = "";
    let mut name = |text: &mut String, name: &str| {
        text.push_str(separator);
        text.push_str(name);
        separator = ",";
    };
    if shows.value {
        name(text, "\"value\":\"");
        write_id(text, reference.id);
        text.push('"');
    }
    if shows.uri {
        name(text, "\"$ref\":\"");
        text.push_str(endpoints.before_id(&reference.resource_type));
        write_id(text, reference.id);
        text.push('"');
    }
    if shows.type_ {
        name(text, "\"type\":");
        write_string(text, type_);
    }
    if let (true, Some(display)) = (shows.display, &reference.display) {
        name(text, "\"display\":");
        write_string(text, display);
    }
    text.push('}');
}

pub(crate) fn write_id(text: &mut String, id: Uuid) {
    text.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}
