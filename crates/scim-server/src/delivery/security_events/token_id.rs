//! The identities of tokens, which are their claims `jti`.

use std::fmt;
use std::str::FromStr;

use scim_model::change::ChangePosition;
use uuid::Uuid;

/// The identity of a token. `Display` writes the claim `jti`, and `FromStr` reads it. It says where the content of the
/// token is, so that a token that is sent again has the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenId {
    /// A token about a change: `<stream>.1042-1735689600123.patch`.
    Change {
        /// The stream.
        stream: Uuid,
        /// The position of the change.
        position: ChangePosition,
        /// The statement of the token.
        kind: TokenKind,
    },
    /// A token about the stream itself: `<stream>.<id>`.
    Stream {
        /// The stream.
        stream: Uuid,
        /// The event.
        event: StreamEventId,
    },
}

/// The identity of an event about a stream.
pub type StreamEventId = Uuid;

/// The statement that a token makes about a change. One change has at most one token of each kind in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// The resource was created.
    Create,
    /// The resource was changed.
    Patch,
    /// The resource was deleted.
    Delete,
    /// The user became active.
    Activate,
    /// The user became inactive.
    Deactivate,
    /// The sessions of the user have to end.
    SessionRevoked,
}

impl TokenKind {
    const ALL: [TokenKind; 6] = [
        TokenKind::Create,
        TokenKind::Patch,
        TokenKind::Delete,
        TokenKind::Activate,
        TokenKind::Deactivate,
        TokenKind::SessionRevoked,
    ];

    fn as_str(self) -> &'static str {
        match self {
            TokenKind::Create => "create",
            TokenKind::Patch => "patch",
            TokenKind::Delete => "delete",
            TokenKind::Activate => "activate",
            TokenKind::Deactivate => "deactivate",
            TokenKind::SessionRevoked => "session-revoked",
        }
    }
}

impl TokenId {
    /// The stream of the token.
    pub fn stream(&self) -> Uuid {
        match self {
            TokenId::Change { stream, .. } | TokenId::Stream { stream, .. } => *stream,
        }
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            TokenId::Change {
                stream,
                position,
                kind,
            } => write!(out, "{}.{position}.{}", stream.simple(), kind.as_str()),
            TokenId::Stream { stream, event } => write!(out, "{}.{}", stream.simple(), event.simple()),
        }
    }
}

/// The text is not the identity of a token of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the `jti` of a token of this server")]
pub struct InvalidTokenId;

impl FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<TokenId, InvalidTokenId> {
        let (stream, rest) = text.split_once('.').ok_or(InvalidTokenId)?;
        let stream = Uuid::try_parse(stream).map_err(|_| InvalidTokenId)?;
        let id = match rest.split_once('.') {
            None => TokenId::Stream {
                stream,
                event: Uuid::try_parse(rest).map_err(|_| InvalidTokenId)?,
            },
            Some((position, kind)) => TokenId::Change {
                stream,
                position: position.parse().map_err(|_| InvalidTokenId)?,
                kind: TokenKind::ALL
                    .into_iter()
                    .find(|it| it.as_str() == kind)
                    .ok_or(InvalidTokenId)?,
            },
        };
        // Only one spelling is an identity: ids have several, and positions can have leading zeros.
        (id.to_string() == text).then_some(id).ok_or(InvalidTokenId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evt_70_identities_are_read_as_they_are_written() {
        let stream = Uuid::from_u128(7);
        let position = "1042-1735689600123".parse().expect("it is a position");
        for (id, text) in [
            (
                TokenId::Change {
                    stream,
                    position,
                    kind: TokenKind::SessionRevoked,
                },
                "00000000000000000000000000000007.1042-1735689600123.session-revoked",
            ),
            (
                TokenId::Stream {
                    stream,
                    event: Uuid::from_u128(8),
                },
                "00000000000000000000000000000007.00000000000000000000000000000008",
            ),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(id.stream(), stream);
        }
        for text in [
            "",
            "7.1042-1735689600123.patch",
            "00000000000000000000000000000007",
            "00000000000000000000000000000007.1042-1735689600123",
            "00000000000000000000000000000007.1042-1735689600123.put",
            "00000000000000000000000000000007.01042-1735689600123.patch",
            "00000000-0000-0000-0000-000000000007.1042-1735689600123.patch",
        ] {
            assert_eq!(text.parse::<TokenId>(), Err(InvalidTokenId), "{text}");
        }
    }
}
