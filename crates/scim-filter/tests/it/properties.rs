//! The laws, checked with random trees and texts. The fuzz targets check the same laws.

use crate::laws;
use proptest::prelude::*;
use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, Number, PatchPath, ValFilter, ValuePath};

fn attr_path() -> impl Strategy<Value = AttrPath> {
    let urn = proptest::option::of("[uU]rn:[a-z0-9]{1,3}(:[a-zA-Z0-9._-]{1,4}){0,3}");
    (
        urn,
        "\\$?[a-zA-Z][a-zA-Z0-9_-]{0,5}",
        proptest::option::of("[a-zA-Z][a-zA-Z0-9_-]{0,3}|\\$ref"),
    )
        .prop_map(|(urn, name, sub)| AttrPath::of(urn.as_deref(), &name, sub.as_deref()))
}

fn comp_value() -> impl Strategy<Value = CompValue> {
    prop_oneof![
        any::<bool>().prop_map(CompValue::Bool),
        Just(CompValue::Null),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|it| CompValue::Number(it.parse::<Number>().expect("it is a number"))),
        any::<String>().prop_map(CompValue::String),
        "[a-z\"'\\\\ ()\\[\\]\u{0}-\u{1f}]{0,8}".prop_map(CompValue::String),
    ]
}

fn attr_exp() -> impl Strategy<Value = AttrExp> {
    let op = proptest::sample::select(CompareOp::ALL.to_vec());
    prop_oneof![
        attr_path().prop_map(AttrExp::Present),
        (attr_path(), op, comp_value()).prop_map(|(path, op, value)| AttrExp::Compare(path, op, value)),
    ]
}

fn val_filter() -> impl Strategy<Value = ValFilter> {
    attr_exp()
        .prop_map(ValFilter::Attr)
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(ValFilter::and),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(ValFilter::or),
                inner.prop_map(|it| ValFilter::Not(Box::new(it))),
            ]
        })
}

fn value_path() -> impl Strategy<Value = ValuePath> {
    (attr_path(), val_filter()).prop_map(|(path, filter)| ValuePath { path, filter })
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        attr_exp().prop_map(Filter::Attr),
        value_path().prop_map(Filter::ValuePath)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..5).prop_map(Filter::and),
            proptest::collection::vec(inner.clone(), 1..5).prop_map(Filter::or),
            inner.prop_map(|it| Filter::Not(Box::new(it))),
        ]
    })
}

fn patch_path() -> impl Strategy<Value = PatchPath> {
    prop_oneof![
        attr_path().prop_map(PatchPath::Attr),
        (value_path(), proptest::option::of("[a-zA-Z][a-zA-Z0-9_-]{0,3}"))
            .prop_map(|(value_path, sub)| PatchPath::Value { value_path, sub }),
    ]
}

/// Pieces of filters in any order: nearly right, like the mistakes of clients.
fn near_filter() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "userName",
        "urn:x:2.0:User:",
        "emails",
        ".value",
        ".",
        "$ref",
        " ",
        " ",
        " ",
        "  ",
        "\t",
        "eq",
        "Co",
        "pr",
        "pr",
        "xx",
        "=",
        "==",
        "and",
        " and ",
        " or ",
        "OR",
        "not",
        "not (",
        "(",
        ")",
        "[",
        "]",
        "]",
        "\"x\"",
        "'y'",
        "\"",
        "'",
        "\\",
        "\\u00e9",
        "true",
        "NULL",
        "1",
        "-1.5e3",
        "01",
        "word",
        "é",
        "“",
        "a pr",
        "a eq \"b\"",
        "a[b eq 1]",
        ":",
        "%20",
        "\n",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..14).prop_map(|it| it.concat())
}

// `PROPTEST_CASES` in the environment asks for more than 256 of each.
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_parses_from_its_own_text(filter in filter()) {
        let text = filter.to_string();
        prop_assert_eq!(Filter::parse(&text), Ok(filter.clone()));
        prop_assert_eq!(Filter::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn a_path_parses_from_its_own_text(path in patch_path()) {
        prop_assert_eq!(PatchPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn an_attribute_path_parses_from_its_own_text(path in attr_path()) {
        prop_assert_eq!(AttrPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in any::<String>()) {
        laws::filter_text(&text);
        laws::path_text(&text);
    }

    #[test]
    fn nearly_right_texts_are_filters_or_errors(text in near_filter()) {
        laws::filter_text(&text);
        laws::path_text(&text);
    }
}

/// Replays the inputs that the fuzzers found.
#[test]
fn the_corpus_of_the_fuzzers_keeps_the_laws() {
    for (target, law) in [
        (
            "filter_text",
            (|it| laws::filter_text(&String::from_utf8_lossy(it))) as fn(&[u8]),
        ),
        ("path_text", |it| laws::path_text(&String::from_utf8_lossy(it))),
        ("print_parse", laws::print_parse),
    ] {
        let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let mut kept = 0;
        for file in std::fs::read_dir(&folder).expect("the corpus is kept") {
            law(&std::fs::read(file.unwrap().path()).unwrap());
            kept += 1;
        }
        assert!(kept > 0, "{target}");
    }
}
