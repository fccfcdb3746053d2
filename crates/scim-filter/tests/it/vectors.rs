//! The vectors of tests/fixtures/filter-parse.json: the meaning of texts in both modes. The head of the file
//! explains the notation.

#[path = "../../examples/ast_json/mod.rs"]
mod ast_json;

use ast_json::Outcome;
use scim_filter::{Options, ParseError};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let file: Value =
        serde_json::from_str(include_str!("../fixtures/filter-parse.json")).expect("the fixture is JSON");
    file["vectors"].as_array().expect("it has vectors").clone()
}

fn parse(vector: &Value, options: &Options) -> Result<Outcome, ParseError> {
    ast_json::parse(vector["kind"].as_str().unwrap(), &input(vector), options)
}

fn input(vector: &Value) -> String {
    if let Some(text) = vector["input"].as_str() {
        return text.to_owned();
    }
    let generator = &vector["gen"];
    let part = |key: &str| generator[key].as_str().unwrap();
    let n = usize::try_from(generator["n"].as_u64().unwrap()).unwrap();
    if generator["join"].is_string() {
        let items: Vec<String> = (0..n)
            .map(|it| part("item").replace("{i}", &it.to_string()))
            .collect();
        return items.join(part("join"));
    }
    let body = match part("body").rsplit_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()),
        None => part("body").to_owned(),
    };
    part("prefix").repeat(n) + &body + &part("suffix").repeat(n)
}

#[test]
fn every_vector_parses_as_it_says() {
    for vector in vectors() {
        for (mode, options) in [("strict", Options::strict()), ("lenient", Options::default())] {
            check(&vector, mode, parse(&vector, &options));
        }
    }
}

fn check(vector: &Value, mode: &str, outcome: Result<Outcome, ParseError>) {
    let id = format!("tests/fixtures/filter-parse.json, vector {}", vector["id"]);
    let expected = &vector[mode];
    let either = vector["either"] == true || expected == "invalid-or-ast";
    match outcome {
        Err(error) => {
            assert!(either || expected == "invalid", "{id} {mode}: refused: {error}");
        }
        Ok(Outcome {
            ast: tree,
            display: text,
            leniencies,
        }) => {
            let lenient_only = vector["strict"] == "invalid";
            assert_eq!(
                leniencies.is_empty(),
                !lenient_only,
                "{id} {mode}: {leniencies:?}"
            );
            if expected == "invalid-or-ast" {
                return;
            }
            if let Some(n) = expected["or-chain"].as_u64() {
                assert_eq!(
                    tree["or"].as_array().map(Vec::len),
                    usize::try_from(n).ok(),
                    "{id}"
                );
                return;
            }
            let right = if either { &vector["lenient"] } else { expected };
            assert_eq!(&tree, right, "{id} {mode}");
            if let Some(canonical) = vector["canonical"].as_str() {
                assert_eq!(text, canonical, "{id} {mode}");
            }
        }
    }
}

/// `errorAtByte` is the end of the longest viable prefix; a parser that sees tokens may
/// report the start of the token in which it lies.
#[test]
fn errors_point_at_the_token_that_is_wrong() {
    let mut checked = 0;
    for vector in vectors() {
        let Some(end) = vector["errorAtByte"].as_u64() else {
            continue;
        };
        let end = usize::try_from(end).unwrap();
        let error = parse(&vector, &Options::strict()).unwrap_err();
        let text = input(&vector);
        let id = &vector["id"];
        assert!(error.offset() <= end, "{id}: {error}");
        let token = &text[error.offset()..end];
        let one = token.starts_with('"') || !token.contains([' ', '(', ')', '[', ']']);
        assert!(
            one,
            "{id}: more than a token lies between {} and {end}: {error}",
            error.offset()
        );
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}
