//! The choice of events by type and resource.

use std::fmt;
use std::str::FromStr;

use scim_model::SchemaRegistry;
use scim_model::change::EventKind;
use uuid::Uuid;

use super::event::{Event, EventType, family};

/// Conditions that an event has to meet. The default is met by every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The type is one of these; empty means any type.
    pub types: Vec<TypePattern>,
    /// The resource type is one of these names, compared without regard to case; empty means any resource type.
    pub resource_types: Vec<String>,
    /// The id of the resource.
    pub resource: Option<Uuid>,
}

impl EventFilter {
    /// Returns whether every event meets the conditions.
    pub fn is_empty(&self) -> bool {
        *self == EventFilter::default()
    }

    /// Returns whether an event meets the conditions.
    pub fn matches(&self, event: &Event) -> bool {
        let has_type = |name: &String| name.eq_ignore_ascii_case(&event.resource_type);
        self.matches_type(&event.event_type)
            && (self.resource_types.is_empty() || self.resource_types.iter().any(has_type))
            && self.resource.is_none_or(|it| it == event.resource_id)
    }

    /// Returns whether an event of this type can meet the conditions.
    pub fn matches_type(&self, event_type: &EventType) -> bool {
        self.types.is_empty() || self.types.iter().any(|it| it.matches(event_type))
    }
}

/// A type of events, or `group.*` for all that begin with the same word. `Display` writes the text that `FromStr` reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypePattern(String);

impl TypePattern {
    /// Returns whether the pattern names the type.
    pub fn matches(&self, event_type: &EventType) -> bool {
        let text = event_type.as_str();
        match self.0.strip_suffix(".*") {
            Some(family) => text.split('.').next() == Some(family),
            None => text == self.0,
        }
    }

    /// Checks that a type is one that a server with these resource types can have, so that no reader waits for events
    /// that never come.
    ///
    /// # Errors
    /// Names the type.
    pub fn check(&self, registry: &SchemaRegistry) -> Result<(), InvalidType> {
        let own = ["feed", "webhook"];
        let first = self.0.split('.').next().unwrap_or_default();
        let mut families = registry.resource_types.iter().map(|it| family(&it.name));
        match own.contains(&first) || families.any(|it| it == first) {
            true => Ok(()),
            false => Err(InvalidType::of(&self.0)),
        }
    }

    /// Returns the types of events about resources that a server with these resource types has.
    pub fn served(registry: &SchemaRegistry) -> Vec<String> {
        let of_type = |name: &str| {
            let kinds = EventKind::ALL.into_iter().filter(|it| it.applies_to(name));
            let types = kinds.map(|it| EventType::of_resource(name, it).to_string());
            types.collect::<Vec<_>>()
        };
        let types = registry.resource_types.iter();
        types.flat_map(|it| of_type(&it.name)).collect()
    }

    /// Reads a list whose elements are separated by commas.
    ///
    /// # Errors
    /// Names the first element that is not a type.
    pub fn list(text: &str) -> Result<Vec<TypePattern>, InvalidType> {
        text.split(',').map(str::parse).collect()
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for TypePattern {
    type Err = InvalidType;

    fn from_str(text: &str) -> Result<TypePattern, InvalidType> {
        let text = text.trim();
        let invalid = || InvalidType::of(text);
        let (family, last) = text.split_once('.').ok_or_else(invalid)?;
        let is_word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
        let is_known = !family.is_empty() && family.bytes().all(is_word) && is_last_word(family, last);
        is_known.then(|| TypePattern(text.to_owned())).ok_or_else(invalid)
    }
}

/// Characters of an invalid type that its error repeats.
const LONGEST_SHOWN: usize = 100;

fn is_last_word(family: &str, word: &str) -> bool {
    let applies_to = |resource_type: &str| {
        let kinds = EventKind::ALL.into_iter();
        kinds
            .filter(|it| it.applies_to(resource_type))
            .any(|it| it.as_str() == word)
    };
    match (family, word) {
        (_, "*") => true,
        ("feed", _) => ["gap", "held", "released"].contains(&word),
        ("webhook", _) => word == "test",
        ("user", _) => applies_to("User"),
        ("group", _) => applies_to("Group"),
        // The name of another resource type.
        _ => applies_to(family),
    }
}

/// The text is not a type of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a type of events: expected a type such as `user.deactivated`, or `group.*`")]
pub struct InvalidType(String);

impl InvalidType {
    fn of(text: &str) -> InvalidType {
        InvalidType(text.chars().take(LONGEST_SHOWN).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// evt-02
    #[test]
    fn a_pattern_is_a_type_or_its_first_word() {
        for (pattern, resource_type, kind, expected) in [
            ("user.created", "User", EventKind::Created, true),
            ("user.created", "User", EventKind::Deleted, false),
            ("user.*", "User", EventKind::Deactivated, true),
            ("user.*", "UserProfile", EventKind::Created, false),
            ("group.*", "Group", EventKind::MemberAdded, true),
            ("group.*", "User", EventKind::Created, false),
            (" device.updated ", "Device", EventKind::Updated, true),
        ] {
            let types = TypePattern::list(pattern).expect("it is a pattern");
            let filter = EventFilter {
                types,
                ..EventFilter::default()
            };
            let event_type = EventType::of_resource(resource_type, kind);
            assert_eq!(
                filter.matches_type(&event_type),
                expected,
                "{pattern} {event_type}"
            );
        }
        assert!(EventFilter::default().matches_type(&EventType::FEED_GAP));
    }

    #[test]
    fn a_type_of_a_resource_type_that_is_not_served_is_named() {
        let registry = SchemaRegistry::builtin();
        let check = |text: &str| text.parse::<TypePattern>().expect(text).check(&registry);
        for text in ["user.restored", "group.*", "feed.gap", "webhook.test"] {
            assert_eq!(check(text), Ok(()));
        }
        for text in ["device.created", "users.*", "feeds.created"] {
            assert_eq!(check(text), Err(InvalidType(text.to_owned())));
        }
        let served = TypePattern::served(&registry);
        for text in ["user.deactivated", "group.member_added"] {
            assert!(served.iter().any(|it| it == text), "{served:?}");
        }
        for text in &served {
            assert_eq!(check(text), Ok(()));
        }
    }

    #[test]
    fn an_unknown_type_is_named() {
        for text in [
            "",
            "user",
            "user.",
            ".created",
            "*",
            "user.member_added",
            "group.deactivated",
            "device.renamed",
            "feed.created",
            "webhook.gap",
            "User.created",
            "user.created.now",
            "user.crea*",
            "us er.created",
        ] {
            let error = text.parse::<TypePattern>().expect_err(text);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("`{text}` is not a type of events"))
            );
        }
        let list = TypePattern::list("user.created,user.gone,group.*");
        assert_eq!(list, Err(InvalidType("user.gone".to_owned())));
        for text in [
            "feed.gap",
            "feed.held",
            "feed.released",
            "webhook.test",
            "user.restored",
            "group.member_removed",
        ] {
            assert_eq!(text.parse::<TypePattern>().expect(text).to_string(), text);
        }
    }
}
