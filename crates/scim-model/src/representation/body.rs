//! The JSON text of an answer. The members of large groups are written only while the answer is sent.
//!
//! A group of 100,000 members is 18 MB of JSON, and the ids and names that it is made of a third of that.

use std::sync::Arc;
use std::vec::IntoIter;

use uuid::Uuid;

use crate::json::write_string;
use crate::schema::registry::SchemaRegistry;
use crate::store::Reference;

/// JSON text, some of it not written yet.
#[derive(Debug, Default)]
pub struct Body {
    before: Vec<Part>,
    text: String,
}

#[derive(Debug)]
enum Part {
    Text(String),
    References {
        rest: IntoIter<Reference>,
        shows: Shows,
        endpoints: Arc<Endpoints>,
        separator: &'static str,
    },
}

/// Which sub-attributes of `members` or `groups` are part of the answer.
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
const SHORT: usize = 256;
/// Approximate size of a piece in bytes.
const PIECE: usize = 64 * 1024;

impl Body {
    /// Whether the whole text is written.
    pub fn is_whole(&self) -> bool {
        self.before.is_empty()
    }

    /// The end of the text, to append to.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        if self.is_whole() {
            return self.text;
        }
        self.into_pieces().collect()
    }

    /// The text, piece by piece.
    pub fn into_pieces(mut self) -> Pieces {
        self.before.push(Part::Text(self.text));
        Pieces(self.before.into_iter().collect())
    }

    /// Appends references, separated by commas.
    pub(crate) fn references(
        &mut self,
        references: Vec<Reference>,
        shows: Shows,
        endpoints: impl FnOnce() -> Arc<Endpoints>,
    ) {
        if references.is_empty() {
            return;
        }
        let endpoints = endpoints();
        if references.len() <= SHORT {
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
        self.before.push(Part::References {
            rest: references.into_iter(),
            shows,
            endpoints,
            separator: "",
        });
    }
}

/// Pieces of a text in order, none of them empty.
#[derive(Debug)]
pub struct Pieces(std::collections::VecDeque<Part>);

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while piece.len() < PIECE {
            let Some(part) = self.0.front_mut() else { break };
            let (rest, shows, endpoints, separator) = match part {
                Part::Text(text) => {
                    if piece.is_empty() {
                        piece = std::mem::take(text);
                    } else {
                        piece.push_str(text);
                    }
                    self.0.pop_front();
                    continue;
                }
                Part::References {
                    rest,
                    shows,
                    endpoints,
                    separator,
                } => (rest, shows, endpoints, separator),
            };
            piece.reserve(PIECE + 1024 - piece.len());
            while piece.len() < PIECE {
                let Some(reference) = rest.next() else { break };
                piece.push_str(separator);
                write_reference(
                    &mut piece,
                    &reference,
                    *shows,
                    endpoints,
                    &reference.resource_type,
                );
                *separator = ",";
            }
            if rest.len() == 0 {
                self.0.pop_front();
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}

/// Writes a reference whose `type` is said to be `type_`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn body(number: usize) -> Body {
        let reference = |number: usize| Reference {
            id: Uuid::from_u128(number as u128),
            resource_type: "User".into(),
            display: Some(format!("\"{number}\"")),
        };
        let shows = Shows {
            value: true,
            uri: true,
            type_: true,
            display: true,
        };
        let endpoints = || Arc::new(Endpoints::new(&SchemaRegistry::builtin(), "https://example.com"));
        let mut body = Body::default();
        for _ in 0..2 {
            body.text().push('[');
            body.references((0..number).map(reference).collect(), shows, endpoints);
            body.text().push(']');
        }
        body
    }

    #[test]
    fn long_lists_are_the_same_text_as_short_ones() {
        for number in [0, 1, SHORT, SHORT + 1, 1_000, 3_000] {
            let pieces: Vec<String> = body(number).into_pieces().collect();
            let is_short = number <= SHORT;
            let fits = |it: &String| !it.is_empty() && (is_short || it.len() < PIECE + 1024);
            assert!(pieces.iter().all(fits), "{number}");
            assert_eq!(pieces.len() == 1, is_short, "{number}");
            assert_eq!(body(number).is_whole(), is_short);
            let text = pieces.concat();
            assert_eq!(text, body(number).into_text());
            for list in serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>() {
                let list = list.expect("it is JSON");
                assert_eq!(list.as_array().map(Vec::len), Some(number));
                if let Some(last) = list.get(number.wrapping_sub(1)) {
                    let id = Uuid::from_u128(number as u128 - 1);
                    assert_eq!(last["value"], id.to_string());
                    assert_eq!(last["$ref"], format!("https://example.com/Users/{id}"));
                    assert_eq!(last["display"], format!("\"{}\"", number - 1));
                }
            }
        }
    }
}
