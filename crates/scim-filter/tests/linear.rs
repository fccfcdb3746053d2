//! The number of rule calls grows linearly with the length of the text: no level or term makes the parser read text
//! again.
//!
//! pest counts its calls when it has a limit. The limit applies to the whole process, so this test is
//! a separate binary.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::num::NonZeroUsize;

use scim_filter::{AttrPath, Filter, Options, PatchPath};

/// The most calls that the grammar may need for a byte.
const CALLS_PER_BYTE: usize = 60;

#[test]
fn calls_of_the_grammar_are_linear_in_the_length() {
    let shapes: [fn(usize) -> String; 22] = [
        |n| vec!["a pr"; n].join(" and "),
        |n| vec!["a pr"; n].join(" or "),
        |n| vec![r#"id eq "2819c223""#; n].join(" or "),
        |n| "not(a pr)and ".repeat(n) + "b pr",
        |n| "(a pr) or ".repeat(n) + "a[b eq 'x",
        |n| "a[not (b pr) and c eq 'x'].d eq 1 or ".repeat(n),
        |n| " ".repeat(n) + "x",
        |n| "a pr".to_owned() + &" ".repeat(n) + "x",
        |n| "a\tpr\tand\t".repeat(n),
        |n| "a eq \"".to_owned() + &"x".repeat(n),
        |n| "a eq \"".to_owned() + &"\\u00e9".repeat(n) + "\"",
        |n| "a eq '".to_owned() + &"\\'".repeat(n),
        |n| "a".repeat(n) + " xx",
        |n| "a.".repeat(n) + " pr",
        |n| "urn:".repeat(n) + " pr",
        |n| "urn:".to_owned() + &"a_b:".repeat(n) + "c pr",
        |n| "urn:".to_owned() + &"%20".repeat(n) + " pr",
        |n| "urn:".to_owned() + &"#".repeat(n) + ":x pr",
        |n| "urn:a#".to_owned() + &"b:".repeat(n) + "x pr",
        |n| "a eq ".to_owned() + &"1".repeat(n) + "x",
        |n| "a eq ".to_owned() + &"x".repeat(n),
        |n| "$".repeat(n),
    ];
    pest::set_call_limit(NonZeroUsize::new(10));
    assert!(Filter::parse("a pr").is_err(), "the limit is in force");
    for strict in [false, true] {
        let options = Options {
            max_length: usize::MAX,
            max_terms: usize::MAX,
            bare_words: true,
            ..if strict {
                Options::strict()
            } else {
                Options::default()
            }
        };
        for (index, shape) in shapes.iter().enumerate() {
            for n in [100, 1_000] {
                check(&shape(n), &options, index);
            }
        }
        // Nested as deep as possible: each level is read once.
        for open in ["(", "not (", "not(", "a pr and ("] {
            let depth = Options::default().max_depth;
            check(&(open.repeat(depth) + "a pr" + &")".repeat(depth)), &options, 100);
            check(&open.repeat(depth), &options, 101);
            let value_filter = "a[".to_owned() + &open.repeat(depth - 1) + "a pr";
            check(&value_filter, &options, 102);
        }
    }
}

/// Asserts that the results are the same under a limit of calls that is linear in the length.
fn check(text: &str, options: &Options, shape: usize) {
    let parse = || {
        (
            Filter::parse_with(text, options),
            PatchPath::parse_with(text, options),
            AttrPath::parse_with(text, options),
        )
    };
    pest::set_call_limit(None);
    let unlimited = parse();
    pest::set_call_limit(NonZeroUsize::new(CALLS_PER_BYTE * text.len() + 100));
    assert!(parse() == unlimited, "shape {shape}, {} bytes", text.len());
}
