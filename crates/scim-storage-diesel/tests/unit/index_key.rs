//! The shortening and the order of index keys.

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
