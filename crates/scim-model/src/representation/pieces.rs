//! The pieces of a response. Some of them have to be read from the store first, after the pieces before them were
//! sent.

use std::collections::VecDeque;

use super::body::{Body, Part};
use crate::store::{Reference, ResourceKey, RestOfMembers};

/// Approximate size of a piece in bytes.
pub(super) const PIECE: usize = 64 * 1024;

/// Approximate size of a reference in memory.
const REFERENCE: usize = 128;

/// The pieces of a text in order.
#[derive(Debug)]
pub struct Pieces {
    parts: VecDeque<Part>,
    /// The number of resources of the list that were written.
    listed: usize,
}

/// A piece of a text.
#[derive(Debug)]
pub enum Piece {
    /// Text, which is not empty.
    Text(String),
    /// The next piece consists of members that are still to be read. It comes again until they are added with
    /// [`Pieces::add_members`].
    Members(RestOfMembers),
    /// The next piece consists of resources that are still to be read. It comes again until they are added with
    /// [`Pieces::add_resources`].
    Resources(Vec<ResourceKey>),
}

impl Piece {
    /// Returns the text of a piece that does not have to be read.
    pub fn into_text(self) -> Option<String> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Members(_) | Piece::Resources(_) => None,
        }
    }
}

impl Body {
    /// The text, up to the first part that has to be read.
    pub fn into_text(self) -> String {
        self.into_pieces().map_while(Piece::into_text).collect()
    }

    /// The text, piece by piece.
    pub fn into_pieces(self) -> Pieces {
        Pieces::new(self.into_parts())
    }
}

impl Pieces {
    fn new(parts: Vec<Part>) -> Pieces {
        Pieces {
            parts: parts.into(),
            listed: 0,
        }
    }

    /// Sets the number of resources of the list that are part of the text.
    #[must_use]
    pub fn with_listed(mut self, listed: usize) -> Pieces {
        self.listed = listed;
        self
    }

    /// The approximate number of bytes that the pieces take in memory.
    pub fn memory(&self) -> usize {
        let size = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::References(it) => it.references.len() * REFERENCE,
            Part::Resources(keys) => size_of_val(&**keys),
            Part::EndOfList => 0,
        };
        self.parts.iter().map(size).sum()
    }

    /// Adds the next members of the group whose members are the next piece, and those that are still to be read.
    pub fn add_members(&mut self, members: Vec<Reference>, rest: Option<RestOfMembers>) {
        if let Some(Part::References(it)) = self.parts.front_mut() {
            it.references = members.into_iter();
            it.rest = rest;
        }
    }

    /// Adds resources to the list whose resources are the next piece: those of the first `keys` keys that exist.
    pub fn add_resources(&mut self, keys: usize, resources: Vec<Body>) {
        let Some(Part::Resources(rest)) = self.parts.front_mut() else {
            return;
        };
        rest.drain(..keys.min(rest.len()));
        if rest.is_empty() {
            self.parts.pop_front();
        }
        let mut added = Vec::new();
        for resource in resources {
            if self.listed > 0 {
                added.push(Part::Text(",".to_owned()));
            }
            self.listed += 1;
            added.extend(resource.into_parts());
        }
        for part in added.into_iter().rev() {
            self.parts.push_front(part);
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let mut piece = String::new();
        while piece.len() < PIECE {
            match self.parts.front_mut() {
                Some(Part::Text(text)) => {
                    if piece.is_empty() {
                        piece = std::mem::take(text);
                    } else {
                        piece.push_str(text);
                    }
                }
                Some(Part::EndOfList) => piece.push_str(&format!("],\"itemsPerPage\":{}}}", self.listed)),
                Some(Part::References(it)) => {
                    piece.reserve(PIECE + 1024 - piece.len());
                    while piece.len() < PIECE && it.write_next(&mut piece) {}
                    match it.rest {
                        _ if it.references.len() > 0 => break,
                        Some(rest) if piece.is_empty() => return Some(Piece::Members(rest)),
                        Some(_) => break,
                        None => {}
                    }
                }
                Some(Part::Resources(keys)) if piece.is_empty() => {
                    return Some(Piece::Resources(keys.clone()));
                }
                Some(Part::Resources(_)) | None => break,
            }
            self.parts.pop_front();
        }
        (!piece.is_empty()).then_some(Piece::Text(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::representation::body::{Endpoints, SHORT, Shows};
    use crate::schema::registry::SchemaRegistry;

    fn list(head: &str, rest: &[u128]) -> Pieces {
        let mut body = Body::default();
        body.text().push('[');
        body.text().push_str(head);
        body.rest_of_list(rest.iter().map(|it| key(*it)).collect());
        body.into_pieces().with_listed(usize::from(!head.is_empty()))
    }

    fn key(id: u128) -> ResourceKey {
        ResourceKey {
            resource_type: Arc::from("User"),
            id: Uuid::from_u128(id),
        }
    }

    fn resource(text: &str) -> Body {
        let mut body = Body::default();
        body.text().push_str(text);
        body
    }

    /// Reads the rest of a list, two resources at a time. Resources with odd ids do not exist.
    fn read(mut pieces: Pieces) -> String {
        let mut text = String::new();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Text(it) => text.push_str(&it),
                Piece::Resources(keys) => {
                    let some = keys.iter().take(2).map(|it| it.id.as_u128());
                    let existing = some.filter(|it| it % 2 == 0);
                    pieces.add_resources(2, existing.map(|it| resource(&it.to_string())).collect());
                }
                Piece::Members(_) => panic!("there are no members"),
            }
        }
        text
    }

    #[test]
    fn the_rest_of_a_list_is_written_with_the_number_of_resources_that_still_exist() {
        for (head, rest, expected) in [
            ("0", vec![2, 4, 6], r#"[0,2,4,6],"itemsPerPage":4}"#),
            ("", vec![2, 4, 6], r#"[2,4,6],"itemsPerPage":3}"#),
            ("", vec![1, 2, 4], r#"[2,4],"itemsPerPage":2}"#),
            ("", vec![1, 3, 5], r#"[],"itemsPerPage":0}"#),
            ("0", vec![1, 3, 5, 8], r#"[0,8],"itemsPerPage":2}"#),
        ] {
            assert_eq!(read(list(head, &rest)), expected);
        }
    }

    #[test]
    fn a_piece_that_has_to_be_read_comes_again_until_it_was_added() {
        let mut pieces = list("", &[2]);
        assert!(matches!(pieces.next(), Some(Piece::Text(text)) if text == "["));
        for _ in 0..2 {
            assert!(matches!(pieces.next(), Some(Piece::Resources(keys)) if keys == [key(2)]));
        }
        assert!(pieces.memory() < 100);
        pieces.add_resources(1, vec![resource(&"x".repeat(1_000))]);
        assert!(pieces.memory() >= 1_000);
    }

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
            body.references((0..number).map(reference).collect(), None, shows, endpoints);
            body.text().push(']');
        }
        body
    }

    #[test]
    fn long_lists_are_the_same_text_as_short_ones() {
        for number in [0, 1, SHORT, SHORT + 1, 1_000, 3_000] {
            let pieces: Vec<String> = body(number).into_pieces().map_while(Piece::into_text).collect();
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
