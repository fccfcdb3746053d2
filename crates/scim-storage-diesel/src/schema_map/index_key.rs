//! Comparison keys as databases index them: whole when short, otherwise a prefix and a hash.
//!
//! PostgreSQL refuses index entries beyond 2,704 bytes. Two index keys are equal exactly when the whole keys are. Order
//! and prefixes are exact for operands up to [`EXACT`] bytes; for longer operands, filters examine the whole key. Sorting
//! does not: keys with the same prefix come in the order of their hashes, which is the same on both databases.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Keys up to this many bytes are kept whole; longer ones keep at least three bytes less.
const WHOLE: usize = 900;

/// Comparing a shortened key with an operand of at most this many bytes gives the result of the whole key.
pub(crate) const EXACT: usize = WHOLE - 4;

/// A column value longer than this, in bytes, is a shortened key.
pub(crate) const SHORTENED_ABOVE: i64 = WHOLE as i64;

/// The index key of a comparison key.
pub(crate) fn index_key(key: &str) -> Cow<'_, str> {
    if key.len() <= WHOLE {
        return Cow::Borrowed(key);
    }
    let mut end = WHOLE;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{:x}", &key[..end], Sha256::digest(key)))
}

/// The smallest text that is greater, byte by byte, than all texts with this prefix; `None` when there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match u32::from(last) + 1 {
            // UTF-8 sorts by code point, and surrogates are not code points of a text.
            0xd800 => Some('\u{e000}'),
            code => char::from_u32(code),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
#[path = "../../tests/unit/index_key.rs"]
mod tests;
