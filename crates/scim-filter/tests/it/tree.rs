//! The tree, its text and its accessors.

use scim_filter::{AttrPath, CompareOp, Filter, Leniency, LeniencyKind, Options, PatchPath};

/// A text, and its canonical text.
fn check(text: &str, canonical: &str) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(filter.to_string(), canonical);
    assert_eq!(Filter::parse(canonical).unwrap(), filter);
}

#[test]
fn and_binds_tighter_than_or() {
    check(
        r#"a pr OR b eq "x" And not(c pr)"#,
        r#"a pr or b eq "x" and not (c pr)"#,
    );
    check("(a pr or b pr) and c pr", "(a pr or b pr) and c pr");
    check("a pr and (b pr and (c pr))", "a pr and b pr and c pr");
}

#[test]
fn a_comparison_after_a_bracket_moves_into_it() {
    check(
        r#"emails[type eq "work"].value eq "x""#,
        r#"emails[type eq "work" and value eq "x"]"#,
    );
    check(
        r#"emails[type eq "work" or primary eq true].value sw 'x' and b pr"#,
        r#"emails[(type eq "work" or primary eq true) and value sw "x"] and b pr"#,
    );
}

#[test]
fn strings_and_numbers_keep_their_value() {
    check(r#"a eq "\u0041\ud83d\ude00\/""#, "a eq \"A\u{1F600}/\"");
    check(r#"a eq 'it\'s "x"'"#, r#"a eq "it's \"x\"""#);
    check(
        "a eq 12345678901234567890.50e-3",
        "a eq 12345678901234567890.50e-3",
    );
}

#[test]
fn leniencies_are_reported_in_text_order() {
    let text = r#" a[$ref eq 'x'].b Eq TRUE  or c pr"#;
    let found = Filter::parse_with(text, &Options::default()).unwrap().leniencies;
    let leniency = |kind, offset| Leniency { kind, offset };
    let expected = [
        leniency(LeniencyKind::Whitespace, 0),
        leniency(LeniencyKind::DollarName, 3),
        leniency(LeniencyKind::SingleQuotes, 11),
        leniency(LeniencyKind::SubAttributeOfValuePath, 15),
        leniency(LeniencyKind::LiteralCase, 21),
        leniency(LeniencyKind::Whitespace, 26),
    ];
    assert_eq!(found, expected);
    assert!(
        Filter::parse_with("not(a pr) and b Pr", &Options::default())
            .unwrap()
            .leniencies
            .is_empty()
    );
}

#[test]
fn bare_words_are_strings_only_when_asked_for() {
    let options = Options {
        bare_words: true,
        ..Options::default()
    };
    for json in ["{}", r#"{"a":1}"#, "[]", "true}"] {
        let text = format!("userName eq {json}");
        assert!(Filter::parse_with(&text, &options).is_err(), "{text}");
    }
    let parsed = Filter::parse_with(
        "userName Eq user2@example.com and id eq 2819c223 and a eq 1",
        &options,
    )
    .unwrap();
    assert_eq!(
        parsed.value.to_string(),
        r#"userName eq "user2@example.com" and id eq "2819c223" and a eq 1"#
    );
    assert_eq!(parsed.leniencies.len(), 2);
    assert_eq!(
        parsed.leniencies[0],
        Leniency {
            kind: LeniencyKind::BareWord,
            offset: 12
        }
    );
    let inner = Filter::parse_with("emails[type eq work].value eq x@y", &options).unwrap();
    assert_eq!(
        inner.value.to_string(),
        r#"emails[type eq "work" and value eq "x@y"]"#
    );
    assert!(Filter::parse("userName eq alice").is_err());
    let strict = Options {
        bare_words: true,
        ..Options::strict()
    };
    assert!(Filter::parse_with("userName eq alice", &strict).is_err());
    for text in ["a eq “x”", "a eq x\"y", "a eq (x)", "a eq two words"] {
        assert!(Filter::parse_with(text, &options).is_err(), "{text}");
    }
}

#[test]
fn names_compare_without_case() {
    let path = |text: &str| AttrPath::parse(text).unwrap();
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert!(path("name.familyName").same(&path("NAME.FamilyName")));
    assert!(!path("name.familyName").same(&path("name")));
    assert!(
        path(&format!("{urn}:manager.value")).same(&path(&format!("{}:Manager.Value", urn.to_uppercase())))
    );
    assert!(!path(&format!("{urn}:manager")).same(&path("manager")));
    assert_ne!(path("a"), path("A"), "== is exact");
}

#[test]
fn all_attributes_of_a_filter_can_be_listed() {
    let filter = Filter::parse(r#"a pr and not (b.c eq 1 or emails[type eq "x" and d pr]) or e pr"#).unwrap();
    let names: Vec<String> = filter.attributes().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b.c", "emails", "e"]);
}

#[test]
fn operators_are_the_nine_of_the_rfc() {
    for op in CompareOp::ALL {
        let text = format!("a {} 1", op.as_str().to_uppercase());
        check(&text, &format!("a {op} 1"));
    }
}

#[test]
fn paths_print_what_they_parse() {
    for text in [
        "emails",
        "name.familyName",
        "members.$ref",
        r#"emails[type eq "work"]"#,
        r#"urn:a:1.0:B:c[d pr].e"#,
    ] {
        assert_eq!(PatchPath::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn a_tree_can_be_built_by_hand() {
    let work = Filter::parse(r#"emails[type eq "work"]"#).unwrap();
    let built = Filter::and(vec![Filter::or(vec![work.clone(), work.clone()]), work.clone()]);
    assert_eq!(Filter::parse(&built.to_string()).unwrap(), built);
    assert_eq!(Filter::or(vec![work.clone()]), work);
}

#[test]
fn a_prefix_is_a_uri() {
    for text in ["a:b pr", "User:userName pr", "urn:a:%zz:x pr", "urn:a#b#c:x pr"] {
        assert!(Filter::parse_with(text, &Options::strict()).is_err(), "{text}");
    }
    for text in ["urn:a:%20:x pr", "urn:a?b#c:x pr", "https://example.com/a:x pr"] {
        assert!(Filter::parse_with(text, &Options::strict()).is_ok(), "{text}");
    }
}

#[test]
fn a_path_is_split_into_its_parts() {
    let parts = |text: &str| {
        let path = AttrPath::parse(text).unwrap();
        assert_eq!(path.as_str(), text);
        assert_eq!(path, AttrPath::of(path.urn(), path.name(), path.sub()));
        let own = |it: &str| it.to_owned();
        (path.urn().map(own), own(path.name()), path.sub().map(own))
    };
    let some = |it: &str| Some(it.to_owned());
    assert_eq!(parts("title"), (None, "title".to_owned(), None));
    assert_eq!(
        parts("name.familyName"),
        (None, "name".to_owned(), some("familyName"))
    );
    assert_eq!(
        parts("urn:a:1.0:B:c"),
        (some("urn:a:1.0:B"), "c".to_owned(), None)
    );
    assert_eq!(
        parts("urn:a:1.0:B:c.$d"),
        (some("urn:a:1.0:B"), "c".to_owned(), some("$d"))
    );
}

#[test]
fn tabs_and_line_ends_are_blanks_between_words_and_nowhere_else() {
    check("\ta\teq\n\"x\"\r\nand\x0b(b\x0cpr)\n", r#"a eq "x" and b pr"#);
    check("a\t[\tb\tpr\t]\t", "a[b pr]");
    for text in ["a eq \"x\ty\"", "a eq 'x\ny'", "a\t. b pr", "urn:x:\ta pr", "\t"] {
        assert!(Filter::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn sub_attributes_of_a_value_filter_can_be_listed() {
    let filter = Filter::parse("a[b pr and not (c eq 1 or d pr) or e.f pr]").unwrap();
    let Filter::ValuePath(value_path) = filter else {
        panic!("it is a value path")
    };
    let names: Vec<String> = value_path.filter.attributes().map(ToString::to_string).collect();
    assert_eq!(names, ["b", "c", "d", "e.f"]);
}

/// RFC 3986, without the characters that are delimiters in filters.
#[test]
fn a_prefix_consists_of_the_characters_of_a_uri() {
    let strictly = |text: &str| Filter::parse_with(text, &Options::strict());
    for urn in [
        "urn:a",
        "u:",
        "u::",
        "u:a:b",
        "a+b-c.1:x",
        "u:%20",
        "u:%aF%0a",
        "u:a%7Eb",
        "u:*+,-./0189",
        "u:;?@AZaz",
        "u:_$%41&!=~",
        "u:#",
        "u:#a",
        "u:a#b:c",
        "u:a:b#",
        "u:a$",
        "u:a:$",
    ] {
        let text = format!("{urn}:x pr");
        let filter = strictly(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let path = filter.value.attributes().next().unwrap();
        assert_eq!((path.urn(), path.name()), (Some(urn), "x"), "{text}");
        let lenient = Filter::parse_with(&text, &Options::default()).unwrap();
        assert_eq!(lenient.leniencies, [], "{text}");
    }
    for urn in [
        "u",
        "1:a",
        "+:a",
        "_a:b",
        "a_b:c",
        "a#b:c",
        "a/b:c",
        "u:%",
        "u:%2",
        "u:%2g",
        "u:%g2",
        "u:%:20",
        "u:a#b#c",
        "u:a#b:c#d",
        "u:a<b",
        "u:a>b",
        "u:a^b",
        "u:a`b",
        "u:a{b",
        "u:a|b",
        "u:a}b",
        "u:a\\b",
        "u:a'b",
        "u:a\"b",
        "u:a(b",
        "u:a)b",
        "u:a]b",
        "u:\u{e9}",
        "u:a b",
        "u:a\u{7f}b",
    ] {
        let text = format!("{urn}:x pr");
        assert!(strictly(&text).is_err(), "{text}");
        assert!(Filter::parse(&text).is_err(), "{text}");
        assert!(AttrPath::parse(&format!("{urn}:x")).is_err(), "{text}");
    }
}

#[test]
fn bare_words_exclude_delimiters_and_quotes() {
    let options = Options {
        bare_words: true,
        ..Options::default()
    };
    let parse = |word: &str| Filter::parse_with(&format!("a eq {word}"), &options);
    for word in [
        "x",
        "!#$%&*+,-./:;<=>?@AZ^_`az|~",
        "9lives",
        "01",
        "-",
        "trueish",
        "nulls",
        "\u{e9}",
        "\u{a1}",
        "\u{2017}",
        "\u{201a}",
        "\u{201b}",
        "\u{201e}",
        "\u{10ffff}",
        "and",
        "o'brien",
        "rock'n'roll",
        "o''b",
        "5'x",
        "true'x",
        "DOMAIN\\ida",
        "a\\\\b",
        "x\\'y",
        "eqs'x",
    ] {
        let parsed = parse(word).unwrap_or_else(|error| panic!("{word}: {error}"));
        let escaped = word.replace('\\', "\\\\");
        let quoted = Filter::parse(&format!("a eq \"{escaped}\"")).unwrap();
        assert_eq!(parsed.value, quoted, "{word}");
        assert_eq!(parsed.leniencies.len(), 1, "{word}");
    }
    for word in [
        "\\x",
        "x\\",
        "x'",
        "5'",
        "'x'y",
        "eq'x",
        "EQ'x'",
        "x{y",
        "x}y",
        "x\u{7f}",
        "x\u{a0}y",
        "\u{2018}",
        "\u{2019}",
        "x\u{201c}",
        "\u{201d}x",
        "x\u{0}",
        "x(y",
        "x)y",
        "x[y",
        "x]y",
        "x\"y",
        "'",
        "",
    ] {
        assert!(parse(word).is_err(), "{word:?}");
    }
    for word in ["True", "1", "-1.5e3", "null"] {
        assert_ne!(
            parse(word).unwrap().value.to_string(),
            format!("a eq \"{word}\""),
            "{word}"
        );
    }
}

#[test]
fn names_consist_of_name_characters() {
    for name in [
        "a", "Z9", "a-b_c", "$ref", "a$b", "a$", "eq", "and", "not", "pr", "true", "notes", "orders",
    ] {
        let path = AttrPath::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((path.urn(), path.name(), path.sub()), (None, name, None));
        let filter = Filter::parse(&format!("{name} pr and x.{name} eq 1")).unwrap();
        let names: Vec<&AttrPath> = filter.attributes().collect();
        assert_eq!((names[0].name(), names[1].sub()), (name, Some(name)));
    }
    for name in [
        "$", "$$a", "$1", "9a", "-a", "_a", "a.", ".a", "a..b", "a/b", "a*", "\u{e9}", "a\u{e9}", "a:b",
    ] {
        assert!(AttrPath::parse(name).is_err(), "{name}");
        assert!(Filter::parse(&format!("{name} pr")).is_err(), "{name}");
    }
    assert_eq!(AttrPath::new("a", Some("b")), AttrPath::parse("a.b").unwrap());
    assert_eq!(
        AttrPath::of(Some("urn:a"), "b", None),
        AttrPath::parse("urn:a:b").unwrap()
    );
}

#[test]
fn a_missing_or_additional_blank_is_reported_where_it_is() {
    let whitespace = |text: &str| -> Vec<usize> {
        let parsed = Filter::parse_with(text, &Options::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
        for it in &parsed.leniencies {
            assert_eq!(it.kind, LeniencyKind::Whitespace, "{text}");
        }
        parsed.leniencies.iter().map(|it| it.offset).collect()
    };
    assert_eq!(whitespace("a pr and b pr"), [0_usize; 0]);
    assert_eq!(whitespace("a  pr"), [2]);
    assert_eq!(whitespace("a\tpr"), [1]);
    assert_eq!(whitespace("a \tpr\n"), [2, 5]);
    assert_eq!(whitespace("a eq\"x\"and b pr"), [4, 7]);
    assert_eq!(whitespace("(a pr)and(b pr)or c pr"), [6, 9, 15]);
    assert_eq!(whitespace("not  ( a pr )"), [4, 6, 11]);
    assert_eq!(whitespace("not\t(a pr)"), [3]);
    assert_eq!(whitespace(" a [ b pr ] "), [0, 2, 4, 9, 11]);
    assert_eq!(whitespace("a[b pr]or c eq 1  or\td pr"), [7, 17, 20]);
}
