//! Security event tokens (SETs, RFC 8417): changes as signed statements for receivers that know SCIM events (RFC 9967) or
//! CAEP.
//!
//! The tokens of a change are derived from its journal entry whenever they are needed, and none is stored.

mod content;
mod event_uri;
mod key_ring;
mod outstanding;
pub mod poll;
mod push;
pub mod registration;
mod stream;
mod subject;
mod token;
mod token_id;

pub use event_uri::{EventUri, InvalidEvents};
pub use key_ring::{KeyRing, KeyRingError, PUBLISHED_AFTER, PUBLISHED_BEFORE};
pub use push::PushWorker;
pub use stream::{STREAM_STATES, SecurityEvents, StreamParts};
pub use subject::RevokedSubject;
pub use token::{Token, TokenSettings, TokenSources, status_token, tokens_of, verification_token};
pub use token_id::{InvalidTokenId, StreamEventId, TokenId, TokenKind};
