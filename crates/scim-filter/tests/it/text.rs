//! The canonical text of trees, and the words of operators, numbers and leniencies.

use scim_filter::{
    AttrExp, AttrPath, CompValue, CompareOp, Filter, Leniency, LeniencyKind, Number, PatchPath, ValFilter,
    ValuePath,
};

fn present(name: &str) -> Filter {
    Filter::Attr(AttrExp::Present(AttrPath::new(name, None)))
}

fn value_present(name: &str) -> ValFilter {
    ValFilter::Attr(AttrExp::Present(AttrPath::new(name, None)))
}

#[test]
fn only_an_or_inside_an_and_needs_parentheses() {
    let either = Filter::or(vec![present("a"), present("b")]);
    let both = Filter::and(vec![either.clone(), present("c")]);
    assert_eq!(both.to_string(), "(a pr or b pr) and c pr");
    assert_eq!(
        Filter::or(vec![both.clone(), present("d")]).to_string(),
        "(a pr or b pr) and c pr or d pr"
    );
    assert_eq!(
        Filter::Not(Box::new(both)).to_string(),
        "not ((a pr or b pr) and c pr)"
    );
}

#[test]
fn a_value_filter_prints_like_a_filter() {
    let either = ValFilter::or(vec![value_present("a"), value_present("b")]);
    let both = ValFilter::and(vec![either, ValFilter::Not(Box::new(value_present("c")))]);
    let either = ValFilter::or(vec![both, value_present("d")]);
    let path = AttrPath::new("emails", None);
    let value_path = ValuePath { path, filter: either };
    let text = "emails[(a pr or b pr) and not (c pr) or d pr]";
    assert_eq!(value_path.to_string(), text);
    assert_eq!(Filter::parse(text), Ok(Filter::ValuePath(value_path.clone())));
    let path = PatchPath::Value {
        value_path,
        sub: Some("value".to_owned()),
    };
    assert_eq!(path.to_string(), format!("{text}.value"));
}

#[test]
fn operands_are_flattened_in_order() {
    let names = |filter: &Filter| filter.to_string();
    let all = |names: &str| Filter::and(names.chars().map(|it| present(&it.to_string())).collect());
    let any = |names: &str| Filter::or(names.chars().map(|it| present(&it.to_string())).collect());
    assert_eq!(
        names(&Filter::and(vec![
            present("a"),
            all("bcd"),
            present("e"),
            all("fg")
        ])),
        "a pr and b pr and c pr and d pr and e pr and f pr and g pr"
    );
    assert_eq!(
        names(&Filter::or(vec![any("ab"), any("cde"), present("f")])),
        "a pr or b pr or c pr or d pr or e pr or f pr"
    );
    // A disjunction of conjunctions stays as it is.
    assert_eq!(
        Filter::or(vec![all("ab"), present("c")]),
        Filter::parse("a pr and b pr or c pr").unwrap()
    );
    let value = |name: &str| value_present(name);
    let nested = ValFilter::and(vec![
        value("a"),
        ValFilter::and(vec![value("b"), value("c"), value("d")]),
        value("e"),
    ]);
    assert_eq!(nested.to_string(), "a pr and b pr and c pr and d pr and e pr");
    let nested = ValFilter::or(vec![
        value("a"),
        ValFilter::or(vec![value("b"), value("c")]),
        ValFilter::and(vec![value("d"), value("e")]),
    ]);
    assert_eq!(nested.to_string(), "a pr or b pr or c pr or d pr and e pr");
    let ValFilter::Or(operands) = nested else {
        panic!("two or more operands of `or` are an `Or`")
    };
    assert_eq!(operands.len(), 4);
    assert_eq!(ValFilter::or(vec![value("a")]), value("a"));
    assert_eq!(ValFilter::and(vec![value("a")]), value("a"));
}

#[test]
#[should_panic(expected = "need an operand")]
fn a_conjunction_without_operands_panics() {
    let _ = Filter::and(Vec::new());
}

#[test]
fn strings_escape_only_characters_that_json_forbids() {
    let text = "a\u{8}b\u{c}c\nd\re\tf\u{1}g\u{1f}h\"i\\j/k\u{7f}l\u{e9}m'n";
    let value = CompValue::String(text.to_owned());
    let printed = r#""a\bb\fc\nd\re\tf\u0001g\u001fh\"i\\j/k"#.to_owned() + "\u{7f}l\u{e9}m'n\"";
    assert_eq!(value.to_string(), printed);
    let filter = Filter::parse(&format!("a eq {printed}")).unwrap();
    let Filter::Attr(AttrExp::Compare(_, CompareOp::Eq, read)) = filter else {
        panic!("it is a comparison")
    };
    assert_eq!(read, value);
    for (value, printed) in [
        (CompValue::Bool(true), "true"),
        (CompValue::Bool(false), "false"),
        (CompValue::Null, "null"),
        (CompValue::String(String::new()), r#""""#),
        (CompValue::Number("-0.50".parse().unwrap()), "-0.50"),
    ] {
        assert_eq!(value.to_string(), printed);
    }
}

#[test]
fn escapes_are_replaced_by_their_characters() {
    let cases = [
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0041\u00e9\u20AC\uffff", "A\u{e9}\u{20ac}\u{ffff}"),
        (r"\ud7ff\ue000", "\u{d7ff}\u{e000}"),
        (r"\ud800\udc00\uDBFF\uDFFF", "\u{10000}\u{10ffff}"),
        (r"x\u0041y\u0042", "xAyB"),
    ];
    for (written, meant) in cases {
        for quote in ['"', '\''] {
            let filter = Filter::parse(&format!("a eq {quote}{written}{quote}")).unwrap();
            let Filter::Attr(AttrExp::Compare(_, _, CompValue::String(value))) = filter else {
                panic!("it compares with a string")
            };
            assert_eq!(value, meant, "{written}");
        }
    }
    for written in [
        r"\ud800",
        r"\udbff",
        r"\udc00",
        r"\udfff",
        r"\ud800x",
        r"\ud800\u0041",
        r"\ud800\ud800",
        r"\ud800\ue000",
        r"\udc00\ud800",
        r"\x",
        r"\u12",
        r"\u12g4",
        r"\U0041",
        r"\'",
    ] {
        assert!(
            Filter::parse(&format!("a eq \"{written}\"")).is_err(),
            "{written}"
        );
    }
}

#[test]
fn operators_are_read_in_any_letter_case() {
    let words: [_; CompareOp::ALL.len()] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
    for (op, word) in CompareOp::ALL.into_iter().zip(words) {
        assert_eq!((op.as_str(), op.to_string().as_str()), (word, word));
        for written in [
            word.to_owned(),
            word.to_uppercase(),
            word[..1].to_uppercase() + &word[1..],
        ] {
            assert_eq!(CompareOp::from_word(&written), Some(op), "{written}");
        }
    }
    for word in ["", "e", "eqq", "pr", "in", "\u{e9}", "e q"] {
        assert_eq!(CompareOp::from_word(word), None, "{word}");
    }
}

#[test]
fn numbers_are_those_of_json() {
    for text in ["0", "-0", "10", "-1.50", "0.0", "1e3", "1E+3", "1e-30", "-2.5e07"] {
        let number: Number = text.parse().unwrap();
        assert_eq!((number.as_str(), number.to_string().as_str()), (text, text));
        let filter = Filter::parse(&format!("a eq {text}")).unwrap();
        assert_eq!(filter.to_string(), format!("a eq {text}"));
    }
    for text in [
        "", "-", "+1", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "1e+-1", "0x10", "1,5", "1 ", " 1",
        "1.2.3", "1e2e3", "--1", "NaN", "\u{bd}", "1a", "a1",
    ] {
        let error = text.parse::<Number>().unwrap_err();
        assert_eq!(
            (error.offset(), error.expected()),
            (0, "a number such as `1` or `-2.5e3`")
        );
        // A blank after the number is not a mistake.
        if text.trim() == text {
            assert!(Filter::parse(&format!("a eq {text}")).is_err(), "{text:?}");
        }
    }
}

#[test]
fn a_leniency_prints_its_kind_and_position() {
    let cases = [
        (LeniencyKind::Whitespace, "unusual white space at byte 3"),
        (LeniencyKind::SingleQuotes, "single quotes at byte 3"),
        (LeniencyKind::LiteralCase, "a literal not in lower case at byte 3"),
        (LeniencyKind::DollarName, "a name with `$` at byte 3"),
        (
            LeniencyKind::SubAttributeOfValuePath,
            "a comparison after a bracket at byte 3",
        ),
        (LeniencyKind::BareWord, "a value without quotes at byte 3"),
    ];
    for (kind, text) in cases {
        assert_eq!(Leniency { kind, offset: 3 }.to_string(), text);
    }
}

#[test]
fn a_path_shows_its_parts_when_debugged() {
    let path = AttrPath::of(Some("urn:a"), "name", Some("givenName"));
    assert_eq!(
        format!("{path:?}"),
        r#"AttrPath { urn: Some("urn:a"), name: "name", sub: Some("givenName") }"#
    );
    assert_eq!(path.to_string(), "urn:a:name.givenName");
}
