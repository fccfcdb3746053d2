//! The URIs of events: those of RFC 9967 section 7.4 that this server can send, and those of CAEP and SSF.

use std::fmt;

/// The kind of event that a token states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventUri {
    /// A resource was created; the token names its attributes.
    CreateNotice,
    /// A resource was created; the token contains it.
    CreateFull,
    /// A resource changed; the token names the changed attributes.
    PatchNotice,
    /// A resource changed; the token contains the new values as a PATCH request.
    PatchFull,
    /// A resource was deleted.
    Delete,
    /// A user became active again.
    Activate,
    /// A user became inactive.
    Deactivate,
    /// The sessions of a user have to end (CAEP 1.0), because the user is inactive or deleted.
    SessionRevoked,
    /// A test that the receiver asked for (SSF 1.0).
    Verification,
    /// The server paused, disabled or enabled the stream on its own (SSF 1.0).
    StreamUpdated,
}

impl EventUri {
    /// The events that a stream can ask for.
    pub const REQUESTABLE: [EventUri; 8] = [
        EventUri::CreateNotice,
        EventUri::CreateFull,
        EventUri::PatchNotice,
        EventUri::PatchFull,
        EventUri::Delete,
        EventUri::Activate,
        EventUri::Deactivate,
        EventUri::SessionRevoked,
    ];

    /// The URI.
    pub fn as_str(self) -> &'static str {
        match self {
            EventUri::CreateNotice => "urn:ietf:params:scim:event:prov:create:notice",
            EventUri::CreateFull => "urn:ietf:params:scim:event:prov:create:full",
            EventUri::PatchNotice => "urn:ietf:params:scim:event:prov:patch:notice",
            EventUri::PatchFull => "urn:ietf:params:scim:event:prov:patch:full",
            EventUri::Delete => "urn:ietf:params:scim:event:prov:delete",
            EventUri::Activate => "urn:ietf:params:scim:event:prov:activate",
            EventUri::Deactivate => "urn:ietf:params:scim:event:prov:deactivate",
            EventUri::SessionRevoked => "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            EventUri::Verification => "https://schemas.openid.net/secevent/ssf/event-type/verification",
            EventUri::StreamUpdated => "https://schemas.openid.net/secevent/ssf/event-type/stream-updated",
        }
    }

    /// Returns the event with this URI, if a stream can ask for it.
    pub fn requestable(uri: &str) -> Option<EventUri> {
        EventUri::REQUESTABLE.into_iter().find(|it| it.as_str() == uri)
    }

    /// Reads a list of URIs and short names, separated by commas: `notice` and `full` are the events about resources with
    /// names or with values, and `caep` is the end of sessions. The result has each event once, in the order of
    /// [`EventUri::REQUESTABLE`].
    ///
    /// # Errors
    /// Names the first element that is neither.
    pub fn list(text: &str) -> Result<Vec<EventUri>, InvalidEvents> {
        let mut wanted = Vec::new();
        for name in text.split(',').map(str::trim) {
            match name {
                "notice" => wanted.extend(NOTICE),
                "full" => wanted.extend(FULL),
                "caep" => wanted.push(EventUri::SessionRevoked),
                uri => wanted.push(EventUri::requestable(uri).ok_or_else(|| InvalidEvents::new(uri))?),
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        Ok(wanted)
    }
}

impl fmt::Display for EventUri {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

const NOTICE: [EventUri; 5] = [
    EventUri::CreateNotice,
    EventUri::PatchNotice,
    EventUri::Delete,
    EventUri::Activate,
    EventUri::Deactivate,
];

const FULL: [EventUri; 5] = [
    EventUri::CreateFull,
    EventUri::PatchFull,
    EventUri::Delete,
    EventUri::Activate,
    EventUri::Deactivate,
];

/// A name is not one of an event that a stream can ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an event that this server sends: expected `notice`, `full`, `caep`, or the URI of an event"
)]
pub struct InvalidEvents(String);

impl InvalidEvents {
    /// Characters of the name that the error repeats.
    const LONGEST_SHOWN: usize = 100;

    fn new(name: &str) -> InvalidEvents {
        InvalidEvents(name.chars().take(InvalidEvents::LONGEST_SHOWN).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// evt-80
    #[test]
    fn lists_have_short_names_and_uris() {
        use EventUri::{
            Activate, CreateFull, CreateNotice, Deactivate, Delete, PatchFull, PatchNotice, SessionRevoked,
        };
        for (text, expected) in [
            (
                "notice",
                vec![CreateNotice, PatchNotice, Delete, Activate, Deactivate],
            ),
            (
                "caep, full",
                vec![
                    CreateFull,
                    PatchFull,
                    Delete,
                    Activate,
                    Deactivate,
                    SessionRevoked,
                ],
            ),
            ("caep,caep", vec![SessionRevoked]),
            (
                "urn:ietf:params:scim:event:prov:delete,caep",
                vec![Delete, SessionRevoked],
            ),
        ] {
            assert_eq!(EventUri::list(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "notice,",
            "prov",
            "urn:ietf:params:scim:event:prov:put:full",
            "urn:ietf:params:scim:event:feed:add",
            EventUri::Verification.as_str(),
        ] {
            let error = EventUri::list(text).expect_err(text).to_string();
            assert!(
                error.contains("is not an event that this server sends"),
                "{error}"
            );
        }
        for uri in EventUri::REQUESTABLE {
            assert_eq!(EventUri::requestable(uri.as_str()), Some(uri));
        }
    }
}
