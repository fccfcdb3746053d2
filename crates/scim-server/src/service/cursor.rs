//! Cursors (RFC 9865): encrypted positions in a result, which clients can neither read nor forge.
//!
//! The authenticated encryption binds a cursor to its tenant, endpoint, filter, order and attributes, so the server
//! keeps no state. A cursor that was altered, invented, or created with another key or for another query leads to the
//! same error in all cases (section 5.2). A cursor is reported as expired only if it belongs to the query.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use scim_model::store::{Position, TenantId};
use scim_model::{ScimError, ScimType};

use crate::sealing::{Sealer, SealingKey as CursorKey};

/// The keys of cursors. The first key encrypts and all keys decrypt, so that a new key can become the first one while
/// clients still use cursors of the old one.
pub struct CursorKeys {
    sealer: Sealer,
    /// `None` when cursors never expire.
    lifetime: Option<Duration>,
}

/// The maximum length of a cursor. A longer text is rejected without decoding it; only a very long sort key leads to a
/// longer cursor.
const MAX_LENGTH: usize = 64 * 1024;

impl CursorKeys {
    /// Creates the keys. Servers that share a key accept each other's cursors; without a key, this value gets a random
    /// one.
    pub fn new(keys: &[CursorKey], lifetime: Option<Duration>) -> CursorKeys {
        let random = match keys {
            // Without random bytes, `seal` fails.
            [] => CursorKey::random().ok(),
            _ => None,
        };
        CursorKeys {
            sealer: Sealer::new(keys.iter().chain(&random)),
            lifetime,
        }
    }

    /// Returns the cursor of a position. It consists of letters, digits, `-` and `_`.
    ///
    /// `query` encodes everything that the position depends on, see [`binding`].
    ///
    /// # Errors
    /// `500` when there is no key or the operating system provides no random bytes.
    pub fn seal(&self, query: &[u8], position: &Position, now: DateTime<Utc>) -> Result<String, ScimError> {
        let sealed = self.sealer.seal(query, &to_bytes(position, now));
        let sealed = sealed.map_err(|_| ScimError::internal("the paging cursor could not be created"))?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Returns the position of a cursor.
    ///
    /// # Errors
    /// `invalidCursor` with the same message for every cause; `expiredCursor` for a cursor of this query that has
    /// expired.
    pub fn open(&self, query: &[u8], cursor: &str, now: DateTime<Utc>) -> Result<Position, ScimError> {
        let (position, made) = self.try_open(query, cursor).ok_or_else(|| {
            ScimError::new(ScimType::InvalidCursor, "`cursor` does not belong to this query")
        })?;
        let age = now.signed_duration_since(made).to_std().unwrap_or_default();
        if self.lifetime.is_some_and(|it| age > it) {
            let detail = "`cursor` has expired: start again without one";
            return Err(ScimError::new(ScimType::ExpiredCursor, detail));
        }
        Ok(position)
    }

    fn try_open(&self, query: &[u8], cursor: &str) -> Option<(Position, DateTime<Utc>)> {
        if cursor.len() > MAX_LENGTH {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        from_bytes(&self.sealer.open(query, &bytes)?)
    }
}

/// Encodes everything that a position depends on. Each part is preceded by its length, so the encoding is unambiguous.
pub fn binding<'a>(
    tenant: TenantId,
    endpoint: &'a str,
    query: impl IntoIterator<Item = Option<&'a str>>,
) -> Vec<u8> {
    let mut bytes = tenant.0.to_be_bytes().to_vec();
    for part in [Some(endpoint)].into_iter().chain(query) {
        // `u64::MAX` marks a missing part, because no text has this length.
        bytes.extend(part.map_or(u64::MAX, |it| it.len() as u64).to_be_bytes());
        bytes.extend(part.unwrap_or_default().as_bytes());
    }
    bytes
}

/// Encodes the time of creation in milliseconds, the target, the flags, the row, and the key if there is one.
fn to_bytes(position: &Position, now: DateTime<Utc>) -> Vec<u8> {
    let mut bytes = now.timestamp_millis().to_be_bytes().to_vec();
    bytes.extend(position.target.to_be_bytes());
    bytes.push(u8::from(position.backwards) | u8::from(position.key.is_some()) << 1);
    bytes.extend(position.row.to_be_bytes());
    bytes.extend(position.key.as_deref().unwrap_or_default().as_bytes());
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<(Position, DateTime<Utc>)> {
    let (made, rest) = bytes.split_first_chunk::<8>()?;
    let (target, rest) = rest.split_first_chunk::<2>()?;
    let (flags, rest) = rest.split_first()?;
    let (row, key) = rest.split_first_chunk::<8>()?;
    let key = std::str::from_utf8(key).ok()?;
    let position = Position {
        target: u16::from_be_bytes(*target),
        key: (flags & 2 != 0).then(|| key.to_owned()),
        row: i64::from_be_bytes(*row),
        backwards: flags & 1 != 0,
    };
    Some((
        position,
        DateTime::from_timestamp_millis(i64::from_be_bytes(*made))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn keys(keys: &[u8]) -> CursorKeys {
        let keys: Vec<CursorKey> = keys.iter().map(|it| CursorKey::new([*it; 32])).collect();
        CursorKeys::new(&keys, Some(HOUR))
    }

    #[test]
    fn without_a_key_each_value_makes_its_own() {
        let (one, other) = (keys(&[]), keys(&[]));
        let cursor = one.seal(b"query", &position(), noon()).unwrap();
        assert!(one.open(b"query", &cursor, noon()).is_ok());
        for stranger in [other, keys(&[0])] {
            assert!(stranger.open(b"query", &cursor, noon()).is_err());
        }
    }

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_268_800, 0).unwrap()
    }

    fn position() -> Position {
        Position {
            target: 1,
            key: Some("bjensen".into()),
            row: -7,
            backwards: true,
        }
    }

    const QUERY: [Option<&str>; 4] = [Some("title pr"), Some("userName"), None, Some("title")];

    fn query() -> Vec<u8> {
        binding(TenantId(1), "/Users", QUERY)
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        let keys = keys(&[7]);
        for position in [
            position(),
            Position {
                key: None,
                backwards: false,
                ..position()
            },
        ] {
            let cursor = keys.seal(&query(), &position, noon()).unwrap();
            assert_eq!(keys.open(&query(), &cursor, noon()), Ok(position));
        }
    }

    #[test]
    fn a_cursor_has_a_limited_length() {
        let keys = keys(&[7]);
        let cursor_of = |length: usize| {
            let position = Position {
                key: Some("k".repeat(length)),
                ..position()
            };
            let cursor = keys.seal(&query(), &position, noon()).unwrap();
            (cursor.len(), keys.open(&query(), &cursor, noon()) == Ok(position))
        };
        // A nonce of 24 bytes, 19 bytes of position and an authentication tag of 16; four letters encode three bytes.
        let longest = 64 * 1024 / 4 * 3 - 24 - 19 - 16;
        assert_eq!(cursor_of(3_000), (4_079, true));
        assert_eq!(cursor_of(longest), (64 * 1024, true));
        assert_eq!(cursor_of(longest + 1), (64 * 1024 + 2, false));
    }

    #[test]
    fn a_cursor_is_made_of_unreserved_characters_and_shows_nothing() {
        let cursor = keys(&[7]).seal(&query(), &position(), noon()).unwrap();
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
        let seven = keys(&[7]);
        let cursor = seven.seal(&query(), &position(), noon()).unwrap();
        // The cursor has expired, but only its own query reports that.
        let later = noon() + 2 * HOUR;
        let error = seven.open(&query(), "", later).unwrap_err();
        assert_eq!(error.scim_type(), Some(ScimType::InvalidCursor));
        for i in 0..cursor.len() {
            let other = if cursor.as_bytes()[i] == b'A' { "B" } else { "A" };
            let mut altered = cursor.clone();
            altered.replace_range(i..=i, other);
            assert_eq!(
                seven.open(&query(), &altered, later),
                Err(error.clone()),
                "{altered}"
            );
        }
        assert_eq!(keys(&[8, 9]).open(&query(), &cursor, later), Err(error.clone()));
        let others = [
            binding(TenantId(2), "/Users", QUERY),
            binding(TenantId(1), "/Groups", QUERY),
            binding(TenantId(1), "/Users", QUERY.into_iter().chain([None])),
        ];
        let changed = (0..QUERY.len()).flat_map(|at| {
            ["", "x", "title prx"].map(|part| {
                let mut query = QUERY;
                query[at] = Some(part);
                binding(TenantId(1), "/Users", query)
            })
        });
        for other in others.into_iter().chain(changed) {
            assert_eq!(seven.open(&other, &cursor, later), Err(error.clone()));
        }
    }

    #[test]
    fn keys_can_be_rotated_while_cursors_are_in_use() {
        let (old, both, new) = (keys(&[7]), keys(&[8, 7]), keys(&[8]));
        let before = old.seal(&query(), &position(), noon()).unwrap();
        let during = both.seal(&query(), &position(), noon()).unwrap();
        assert!(both.open(&query(), &before, noon()).is_ok());
        assert!(new.open(&query(), &during, noon()).is_ok());
        assert!(new.open(&query(), &before, noon()).is_err());
    }

    #[test]
    fn a_cursor_ends_after_its_lifetime() {
        let limited = keys(&[7]);
        let cursor = limited.seal(&query(), &position(), noon()).unwrap();
        assert!(limited.open(&query(), &cursor, noon() + HOUR).is_ok());
        let late = limited.open(&query(), &cursor, noon() + HOUR + Duration::from_millis(1));
        assert_eq!(late.unwrap_err().scim_type(), Some(ScimType::ExpiredCursor));
        // Another server's clock may be behind.
        assert!(limited.open(&query(), &cursor, noon() - HOUR).is_ok());
        let unlimited = CursorKeys::new(&[CursorKey::new([7; 32])], None);
        assert!(unlimited.open(&query(), &cursor, noon() + 9_999 * HOUR).is_ok());
    }
}
