//! The tree, its text and what can be asked of it.

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
fn a_comparison_behind_a_bracket_goes_into_it() {
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
fn a_path_has_its_parts() {
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
