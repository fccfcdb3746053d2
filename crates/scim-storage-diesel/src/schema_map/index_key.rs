//! Comparison keys as databases index them: whole when short, else a beginning and a hash.
//!
//! PostgreSQL refuses index entries beyond 2,704 bytes. Among index keys, equality is that of the
//! whole keys; order and beginnings are told right for operands up to [`EXACT`] bytes. Filters look at
//! the whole key where that does not suffice. Sorting does not: keys that are equal for that long come
//! in the order of their hashes, the same on both databases.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Keys up to this many bytes are kept whole; longer ones keep at least three bytes less.
const WHOLE: usize = 900;

/// An operand of at most so many bytes is compared with a shortened key as with the whole one.
pub(crate) const EXACT: usize = WHOLE - 4;

/// A column that is longer than this, in bytes, holds a shortened key.
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
    let mut shortened = key[..end].to_owned();
    for byte in Sha256::digest(key.as_bytes()) {
        shortened.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(shortened)
}

/// The least text that is greater than all that start with `prefix`, byte by byte; `None` when
/// there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match u32::from(last) + 1 {
            // UTF-8 sorts by code point, and surrogates are none.
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
mod tests {
    use super::*;

    #[test]
    fn long_keys_stay_distinct_and_short_enough() {
        let long = "ä".repeat(3_000);
        let other = format!("{long}b");
        assert_ne!(index_key(&long), index_key(&other));
        assert!(index_key(&long).len() > WHOLE && index_key(&long).len() <= WHOLE + 64);
        assert_eq!(index_key(&long[..WHOLE]), long[..WHOLE]);
    }

    #[test]
    fn order_with_short_operands_is_kept() {
        let long = "b".repeat(2_000);
        let operand = "b".repeat(EXACT);
        assert!(*index_key(&long) > *operand && *index_key(&long) < *"c" && *index_key(&long) > *"a");
    }

    #[test]
    fn after_a_prefix_comes_the_next_code_point() {
        let cases = [
            ("a", Some("b")),
            ("a\u{7f}", Some("a\u{80}")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ];
        for (prefix, expected) in cases {
            assert_eq!(after_prefix(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
