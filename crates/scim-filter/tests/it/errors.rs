//! What an administrator reads, and where it points.

use scim_filter::{AttrPath, Filter, Options, PatchPath};

fn message(text: &str) -> String {
    Filter::parse(text).unwrap_err().to_string()
}

#[test]
fn known_mistakes_get_a_hint() {
    let cases = [
        (
            r#"userName == "x""#,
            "expected an operator such as `eq` at column 10, found `==`: write `eq`",
        ),
        (
            r#"userName="x""#,
            "expected a blank and an operator such as `eq` at column 9, found `=`: write `eq`",
        ),
        (
            r#"userName contains "x""#,
            "expected an operator such as `eq` at column 10, found `contains`: write `co`",
        ),
        (
            "userName eq bjensen",
            "expected a value such as `\"x\"`, `1` or `true` at column 13, found `bjensen`: put strings into double quotes",
        ),
        (
            r#"emails[type eq "work""#,
            "expected `and`, `or` or `]` at column 22, found the end: a `[` is not closed",
        ),
        (
            r#"emails type eq "work"]"#,
            "expected an operator such as `eq` at column 8, found `type`: a `[` is missing",
        ),
        (
            "a pr and and b pr",
            "expected an operator such as `eq` at column 14, found `b`: `and` and `or` stand between two comparisons",
        ),
        (
            "a pr && b pr",
            "expected `and`, `or` or the end at column 6, found `&&`: write `and`",
        ),
        (
            "not a pr",
            "expected an operator such as `eq` at column 5, found `a`: `not` is followed by `(`",
        ),
        (
            r#"userName eq "x"#,
            "expected a closing quote at column 15, found the end: a string is not closed",
        ),
        (
            "",
            "expected an attribute name, `not (` or `(` at column 1, found the end",
        ),
        (
            r#"emails[type eq "work" value eq "x"]"#,
            "expected `and`, `or` or `]` at column 23, found `value`",
        ),
        (
            "(a pr b pr)",
            "expected `and`, `or` or `)` at column 7, found `b`",
        ),
        (
            "(a pr and b pr))",
            "expected `and`, `or` or the end at column 16, found `)`: a `(` is missing",
        ),
        (
            "a pr]",
            "expected `and`, `or` or the end at column 5, found `]`: a `[` is missing",
        ),
        (
            "(a pr]",
            "expected `and`, `or` or `)` at column 6, found `]`: a `[` is missing",
        ),
        (
            "a pr and\u{a0}b pr",
            "expected `and`, `or` or the end at column 6, found `and\\u{a0}b`: write plain blanks",
        ),
        (
            "a eq\u{a0}\"x\"",
            "expected an operator such as `eq` at column 3, found `eq\\u{a0}`: write plain blanks",
        ),
        (
            "a eq true\u{3000}and b pr",
            "expected a value such as `\"x\"`, `1` or `true` at column 6, found `true\\u{3000}and`: write plain blanks",
        ),
        (
            r#"userName regex "x""#,
            "expected an operator such as `eq` at column 10, found `regex`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn single_quotes_are_explained_where_they_are_refused() {
    let error = Filter::parse_with("members[value eq 'x']", &Options::strict()).unwrap_err();
    assert_eq!(error.hint(), Some("write straight double quotes"));
    assert_eq!((error.offset(), error.column(), error.found()), (17, 18, "'"));
}

#[test]
fn columns_count_characters_and_offsets_bytes() {
    let error = Filter::parse("name eq \"é\" xor b pr").unwrap_err();
    assert_eq!((error.offset(), error.column()), (13, 13));
    assert_eq!(error.found(), "xor");
    assert_eq!(error.expected(), "`and`, `or` or the end");
}

#[test]
fn a_message_is_one_short_line_whatever_the_text() {
    let text = format!("a eq \u{1b}[31m\u{2028}{}", "y".repeat(500));
    let shown = message(&text);
    assert!(
        shown.len() < 200 && !shown.contains(['\u{1b}', '\n', '\u{2028}']),
        "{shown}"
    );
    assert!(!message("a\neq\r\nFAKE").contains(['\r', '\n']));
}

#[test]
fn a_path_tells_a_bad_filter_from_a_bad_path() {
    for text in [
        r#"emails[type xx "w"]"#,
        "emails[type eq work].value",
        r#"emails[a eq "]" xx]"#,
        "emails[emails[value pr]]",
        "not[a[b eq 1]",
        "emails[ a[b eq 1]",
        "true[a[b eq 1]",
    ] {
        assert!(PatchPath::parse(text).unwrap_err().is_in_value_filter(), "{text}");
    }
    for text in [
        "emails[",
        "emails.",
        "a.b.c",
        r#"emails[type eq "w""#,
        r#"emails[type eq "w"]x"#,
        "emails[0]",
        "emails[].value",
        "",
    ] {
        assert!(
            !PatchPath::parse(text).unwrap_err().is_in_value_filter(),
            "{text}"
        );
    }
}

#[test]
fn an_attribute_path_is_no_filter() {
    for text in [
        "",
        " ",
        "a.b.c",
        "a,b",
        "emails[type eq \"w\"]",
        "urn:a:",
        "a eq \"b\"",
    ] {
        assert!(AttrPath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn marks_that_hide_or_turn_a_message_around_are_escaped() {
    for mark in [
        '\u{202E}',
        '\u{2066}',
        '\u{200B}',
        '\u{FEFF}',
        '\u{AD}',
        '\u{E0041}',
        '\u{600}',
    ] {
        let error = Filter::parse(&format!("userName {mark}eq \"x\"")).unwrap_err();
        assert!(!error.to_string().contains(mark), "{error}");
        assert_eq!(error.found(), format!("{}eq", mark.escape_unicode()), "{error}");
    }
    assert_eq!(Filter::parse("userName é").unwrap_err().found(), "é");
}
