//! Error messages, their positions and hints.

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
            "expected an operator such as `eq` at column 14, found `b`: `and` and `or` must be between two comparisons",
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
fn an_error_of_a_path_distinguishes_the_filter_from_the_path() {
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
fn a_filter_is_not_an_attribute_path() {
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
fn characters_that_hide_or_reverse_text_are_escaped() {
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

#[test]
fn operators_of_other_languages_get_a_hint() {
    let cases = [
        ("=", Some("write `eq`")),
        ("==", Some("write `eq`")),
        ("===", Some("write `eq`")),
        ("=1", Some("write `eq`")),
        ("==1", Some("write `eq`")),
        ("is", Some("write `eq`")),
        ("EQUALS", Some("write `eq`")),
        ("!=", Some("write `ne`")),
        ("!==", Some("write `ne`")),
        ("<>", Some("write `ne`")),
        ("neq", Some("write `ne`")),
        (">", Some("write `gt`")),
        ("<", Some("write `lt`")),
        (">=", Some("write `ge`")),
        ("gte", Some("write `ge`")),
        ("<=", Some("write `le`")),
        ("lte", Some("write `le`")),
        ("contains", Some("write `co`")),
        ("like", Some("write `co`")),
        ("~", Some("write `co`")),
        ("=~", Some("write `co`")),
        ("startsWith", Some("write `sw`")),
        ("endsWith", Some("write `ew`")),
        ("exists", Some("write `pr`")),
        ("present", Some("write `pr`")),
        ("in", None),
        ("!", None),
        ("eqq", None),
    ];
    for (word, hint) in cases {
        for value in [" 1", " \"x\"", ""] {
            let error = Filter::parse(&format!("b pr and a {word}{value}")).unwrap_err();
            assert_eq!((error.offset(), error.hint()), (11, hint), "{word}{value}");
            assert_eq!(error.expected(), "an operator such as `eq`", "{word}{value}");
        }
    }
}

#[test]
fn words_between_comparisons_get_a_hint() {
    for (word, hint) in [
        ("&&", Some("write `and`")),
        ("&", Some("write `and`")),
        ("||", Some("write `or`")),
        ("|", Some("write `or`")),
        ("xor", None),
        ("an", None),
        ("andy", None),
    ] {
        let error = Filter::parse(&format!("a pr {word} b pr")).unwrap_err();
        assert_eq!((error.offset(), error.hint()), (5, hint), "{word}");
        assert_eq!(error.expected(), "`and`, `or` or the end", "{word}");
    }
    for text in ["and a pr", "a pr or OR b pr", "a pr and (or b pr)"] {
        let hint = Filter::parse(text).unwrap_err().hint().map(str::to_owned);
        assert_eq!(
            hint.as_deref(),
            Some("`and` and `or` must be between two comparisons"),
            "{text}"
        );
    }
}

#[test]
fn brackets_and_parentheses_that_do_not_match_get_a_hint() {
    for (text, offset, hint) in [
        ("(a pr", 5, Some("a `(` is not closed")),
        ("((a pr) and b pr", 16, Some("a `(` is not closed")),
        ("a pr and (b pr or c pr", 22, Some("a `(` is not closed")),
        ("a[(b pr", 7, Some("a `(` is not closed")),
        ("a[b pr", 6, Some("a `[` is not closed")),
        ("a[b pr xx", 7, Some("a `[` is not closed")),
        ("a[b pr xx]", 7, None),
        ("(a pr xx)", 6, None),
        ("a pr)", 4, Some("a `(` is missing")),
        ("a pr and b pr)", 13, Some("a `(` is missing")),
        ("a[b pr)]", 6, Some("a `(` is missing")),
        ("(a pr] and b[c pr]", 5, Some("a `[` is missing")),
        ("a pr ]", 5, Some("a `[` is missing")),
        (r#"a eq "]" and b xx 1"#, 15, None),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.offset(), error.hint()), (offset, hint), "{text}: {error}");
    }
}

#[test]
fn invalid_values_get_a_hint() {
    let quotes = Some("put strings into double quotes");
    let number = Some("write numbers as in JSON, and strings in double quotes");
    let straight = Some("write straight double quotes");
    for (value, hint) in [
        ("alice", quotes),
        ("trueish", quotes),
        ("\u{e9}", quotes),
        ("{}", quotes),
        ("01", number),
        ("1.", number),
        ("-x", number),
        ("9lives", number),
        ("\u{2018}x\u{2019}", straight),
        ("\u{201c}x\u{201d}", straight),
        ("\u{201f}", straight),
        ("(1)", None),
        ("[1]", None),
        (")", None),
        ("]", None),
        ("", None),
    ] {
        let error = Filter::parse(&format!("a eq {value}")).unwrap_err();
        assert_eq!((error.offset(), error.hint()), (5, hint), "{value}: {error}");
        assert_eq!(
            error.expected(),
            "a value such as `\"x\"`, `1` or `true`",
            "{value}"
        );
    }
}

#[test]
fn invalid_strings_get_a_hint() {
    let control = Some("escape control characters");
    let unclosed = Some("a string is not closed");
    for (value, offset, hint) in [
        ("\"x\ty\"", 7, control),
        ("'x\ny'", 7, control),
        ("\"\u{1f}\"", 6, control),
        ("\"x", 7, unclosed),
        ("'x\"", 8, unclosed),
        ("\"x\\\"", 9, unclosed),
        ("\"xy\\q\"", 8, None),
        ("\"\\u00g0\"", 6, None),
        ("\"\\ud8g0\"", 6, None),
        ("\"\\x1234\"", 6, None),
    ] {
        let error = Filter::parse(&format!("a eq {value}")).unwrap_err();
        assert_eq!(
            (error.offset(), error.hint()),
            (offset, hint),
            "{value:?}: {error}"
        );
    }
    for value in [r"\ud800", r"x\udbffy", r"\udc00\ud800", r"\uDFFF"] {
        let error = Filter::parse(&format!("a eq \"{value}\"")).unwrap_err();
        let at = 6 + value.find('\\').unwrap();
        assert_eq!(error.offset(), at, "{value}: {error}");
        assert!(error.hint().is_some_and(|it| it.contains("surrogate")), "{error}");
    }
}

#[test]
fn errors_point_at_invalid_names() {
    let quotes = Some("attribute names have no quotes");
    for (text, offset, hint) in [
        ("\"a\" pr", 0, quotes),
        ("'a' pr", 0, quotes),
        ("a pr and \"b\" pr", 9, quotes),
        ("-a pr", 0, None),
        ("1a pr", 0, None),
        ("a. pr", 2, None),
        ("a.-b pr", 2, None),
        ("a.b.c pr", 3, None),
        ("a/b pr", 1, None),
        ("urn: pr", 3, None),
        ("urn:a:9x pr", 6, None),
        ("urn:a:x.9 pr", 8, None),
        ("urn:a:%zz:x pr", 6, None),
        ("a[b pr].c", 9, None),
        ("a[.b pr]", 2, None),
        ("a[b[c pr]]", 3, Some("")),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(error.offset(), offset, "{text}: {error}");
        match hint {
            // Some hint: its words are not fixed here.
            Some("") => assert!(error.hint().is_some(), "{text}: {error}"),
            hint => assert_eq!(error.hint(), hint, "{text}: {error}"),
        }
    }
}

#[test]
fn the_strict_mode_points_at_each_leniency() {
    for (text, offset, hint) in [
        (" a pr", 0, None),
        ("a pr ", 4, None),
        ("a  pr", 2, None),
        ("a\tpr", 1, None),
        ("a pr  and b pr", 5, None),
        ("a pr and  b pr", 9, None),
        ("a pr and(b pr)", 8, None),
        ("not  (a pr)", 4, None),
        ("( a pr)", 1, None),
        ("(a pr )", 5, None),
        ("a eq  1", 5, None),
        ("a eq\"x\"", 4, None),
        ("a [b pr]", 1, None),
        ("a[ b pr]", 2, None),
        ("a[b pr ]", 6, None),
        ("a eq 'x'", 5, Some("write straight double quotes")),
        (
            "a eq True",
            5,
            Some("write `true`, `false` or `null` in lower case"),
        ),
        (
            "a eq NULL",
            5,
            Some("write `true`, `false` or `null` in lower case"),
        ),
        ("$a pr", 0, Some("a name has no `$`")),
        ("a$b pr", 1, Some("a name has no `$`")),
        ("a.$ref pr", 2, Some("a name has no `$`")),
        ("a[b pr].c eq 1", 7, Some("put the comparison into the brackets")),
    ] {
        assert!(Filter::parse(text).is_ok(), "{text}");
        let error = Filter::parse_with(text, &Options::strict()).unwrap_err();
        assert_eq!((error.offset(), error.hint()), (offset, hint), "{text}: {error}");
        assert!(!error.is_limit(), "{text}");
    }
    for text in ["not(a pr)", "not (a pr)", "a Eq 1 AND b PR or c pr", "a[b pr]"] {
        assert!(Filter::parse_with(text, &Options::strict()).is_ok(), "{text}");
    }
}

#[test]
fn found_text_is_cut_and_escaped() {
    let forty = "x".repeat(40);
    assert_eq!(Filter::parse(&format!("a {forty}")).unwrap_err().found(), forty);
    assert_eq!(Filter::parse(&format!("a {forty}y")).unwrap_err().found(), forty);
    let found = |text: &str| Filter::parse(text).unwrap_err().found().to_owned();
    assert_eq!(found("a b`c"), "b\\u{60}c");
    assert_eq!(found("a b\u{7}c"), "b\\u{7}c");
    assert_eq!(found("a eq (1)"), "(");
    assert_eq!(found("a b(c"), "b");
    assert_eq!(found("a b\"c"), "b");
    assert_eq!(found("a b\tc"), "b");
    let error = Filter::parse("a eq \"x\u{b}\"").unwrap_err();
    assert!(!error.to_string().contains('\u{b}'), "{error}");
}

#[test]
fn errors_of_paths_name_what_could_follow() {
    let error = |text: &str| PatchPath::parse(text).unwrap_err();
    for (text, offset) in [
        ("", 0),
        ("a.", 2),
        ("a b", 2),
        ("a/b", 1),
        ("a[b pr]c", 7),
        ("a[b pr].", 8),
        ("a[b pr].c.d", 9),
        ("a[b pr][c pr]", 7),
        ("a[b pr].9", 8),
    ] {
        assert_eq!(error(text).offset(), offset, "{text}: {}", error(text));
    }
    assert_eq!(error("").expected(), "an attribute name");
    assert_eq!(error("a.").expected(), "a sub-attribute");
    assert_eq!(error("a[b pr].").expected(), "a sub-attribute");
    assert_eq!(error("a[b pr]c").expected(), "a sub-attribute or the end");
    // After a blank, no sub-attribute can follow.
    let after_blank = error("a[b pr] c");
    assert_eq!((after_blank.offset(), after_blank.expected()), (8, "the end"));
    assert_eq!(error("a b").expected(), "`[` or the end");
    assert_eq!(AttrPath::parse("a b").unwrap_err().expected(), "the end");
    for text in ["a ", " a", "a[b pr] ", "$a"] {
        assert!(PatchPath::parse(text).is_ok(), "{text}");
        assert!(PatchPath::parse_with(text, &Options::strict()).is_err(), "{text}");
    }
    for text in ["a ", " a", "a.$b"] {
        let parsed = AttrPath::parse_with(text, &Options::default()).unwrap();
        assert_eq!(parsed.leniencies.len(), 1, "{text}");
        assert!(AttrPath::parse_with(text, &Options::strict()).is_err(), "{text}");
    }
}

#[test]
fn an_error_of_a_filter_is_never_that_of_a_path() {
    let error = Filter::parse("emails[type xx \"w\"]").unwrap_err();
    assert!(!error.is_in_value_filter());
    let error = PatchPath::parse("a[b eq \"x]\" xx].c").unwrap_err();
    assert!(error.is_in_value_filter(), "{error}");
    let error = PatchPath::parse(r#"a[b eq "x\"]" xx].c"#).unwrap_err();
    assert!(error.is_in_value_filter(), "{error}");
    let error = PatchPath::parse("a[b pr]c]").unwrap_err();
    assert!(
        !error.is_in_value_filter(),
        "the brackets are closed before it: {error}"
    );
    let error = PatchPath::parse(r#"a[b eq 'x' xx"]""#).unwrap_err();
    assert!(
        !error.is_in_value_filter(),
        "the bracket closes only in a string: {error}"
    );
}
