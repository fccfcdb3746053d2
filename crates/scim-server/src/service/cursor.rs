//! Cursors (RFC 9865): a position in a result, sealed so that nobody can read or make one.
//!
//! A cursor is bound to tenant, endpoint, filter and order by the seal itself, so the server keeps
//! nothing, and a cursor that was altered, made up, made by another key or for another query is the
//! same error (section 5.2).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use scim_model::store::{Position, TenantId};
use scim_model::{ScimError, ScimType};

/// A key that seals and opens cursors.
pub struct CursorKey(XChaCha20Poly1305);

/// Sealed positions are longer than this only if their sort key is; more is not even decoded.
const MAX_LENGTH: usize = 64 * 1024;

/// Long enough to be drawn at random for each cursor without ever repeating.
const NONCE_LENGTH: usize = 24;

impl CursorKey {
    /// Servers that share a key accept each other's cursors.
    pub fn new(key: &[u8; 32]) -> CursorKey {
        CursorKey(XChaCha20Poly1305::new(key.into()))
    }

    /// A cursor: letters, digits, `-` and `_` only.
    ///
    /// `query` is all that the position depends on, see [`binding`].
    ///
    /// # Errors
    /// `500` when the system has no random bytes to give.
    pub fn seal(&self, query: &[u8], position: &Position) -> Result<String, ScimError> {
        let failed = || ScimError::status(500, "no cursor could be made");
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|_| failed())?;
        let payload = Payload {
            msg: &to_bytes(position),
            aad: query,
        };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| failed())?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// The position of a cursor.
    ///
    /// # Errors
    /// `invalidCursor`, in the same words whatever the reason.
    pub fn open(&self, query: &[u8], cursor: &str) -> Result<Position, ScimError> {
        self.try_open(query, cursor)
            .ok_or_else(|| ScimError::new(ScimType::InvalidCursor, "`cursor` is not one of this query"))
    }

    fn try_open(&self, query: &[u8], cursor: &str) -> Option<Position> {
        if cursor.len() > MAX_LENGTH {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH)?;
        let payload = Payload {
            msg: sealed,
            aad: query,
        };
        from_bytes(&self.0.decrypt(XNonce::from_slice(nonce), payload).ok()?)
    }
}

/// What a position depends on, without ambiguity: each part is preceded by its length.
pub fn binding(tenant: TenantId, endpoint: &str, filter: Option<&str>, order: &[&str]) -> Vec<u8> {
    let mut bytes = tenant.0.to_be_bytes().to_vec();
    for part in [endpoint, filter.unwrap_or_default()].iter().chain(order) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// Target, direction, row, then the key if there is one.
fn to_bytes(position: &Position) -> Vec<u8> {
    let mut bytes = position.target.to_be_bytes().to_vec();
    bytes.push(u8::from(position.backwards) | u8::from(position.key.is_some()) << 1);
    bytes.extend(position.row.to_be_bytes());
    bytes.extend(position.key.as_deref().unwrap_or_default().as_bytes());
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Position> {
    let (target, rest) = bytes.split_first_chunk::<2>()?;
    let (flags, rest) = rest.split_first()?;
    let (row, key) = rest.split_first_chunk::<8>()?;
    let key = std::str::from_utf8(key).ok()?;
    Some(Position {
        target: u16::from_be_bytes(*target),
        key: (flags & 2 != 0).then(|| key.to_owned()),
        row: i64::from_be_bytes(*row),
        backwards: flags & 1 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            target: 1,
            key: Some("bjensen".into()),
            row: -7,
            backwards: true,
        }
    }

    fn query() -> Vec<u8> {
        binding(
            TenantId(1),
            "/Users",
            Some("title pr"),
            &["userName", "ascending"],
        )
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        let key = CursorKey::new(&[7; 32]);
        for position in [
            position(),
            Position {
                key: None,
                backwards: false,
                ..position()
            },
        ] {
            let cursor = key.seal(&query(), &position).unwrap();
            assert_eq!(key.open(&query(), &cursor), Ok(position));
        }
    }

    #[test]
    fn a_cursor_is_made_of_unreserved_characters_and_shows_nothing() {
        let cursor = CursorKey::new(&[7; 32]).seal(&query(), &position()).unwrap();
        assert!(
            cursor
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_'),
            "{cursor}"
        );
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!bytes.windows(7).any(|it| it == b"bjensen"));
    }

    #[test]
    fn any_other_cursor_is_the_same_error() {
        let key = CursorKey::new(&[7; 32]);
        let cursor = key.seal(&query(), &position()).unwrap();
        let error = key.open(&query(), "").unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidCursor));
        for i in 0..cursor.len() {
            let other = if cursor.as_bytes()[i] == b'A' { "B" } else { "A" };
            let mut altered = cursor.clone();
            altered.replace_range(i..=i, other);
            assert_eq!(key.open(&query(), &altered), Err(error.clone()), "{altered}");
        }
        assert_eq!(
            CursorKey::new(&[8; 32]).open(&query(), &cursor),
            Err(error.clone())
        );
        for other in [
            binding(
                TenantId(2),
                "/Users",
                Some("title pr"),
                &["userName", "ascending"],
            ),
            binding(
                TenantId(1),
                "/Groups",
                Some("title pr"),
                &["userName", "ascending"],
            ),
            binding(TenantId(1), "/Users", None, &["userName", "ascending"]),
            binding(
                TenantId(1),
                "/Users",
                Some("title pr"),
                &["userName", "descending"],
            ),
        ] {
            assert_eq!(key.open(&other, &cursor), Err(error.clone()));
        }
    }
}
