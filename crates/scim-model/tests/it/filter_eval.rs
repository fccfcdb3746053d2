//! 159 filters over 30 resources with the ids that match, from `fixtures/filter-eval.json`. The first lines of the
//! file explain its format.

use serde_json::Value;

#[allow(dead_code)] // Its `main`.
#[path = "../../examples/model_vectors.rs"]
mod model_vectors;

#[test]
fn every_filter_selects_the_expected_resources() {
    let text = include_str!("../fixtures/filter-eval.json");
    let mut document: Value = serde_json::from_str(text).unwrap();
    let expected = document["vectors"].clone();
    for vector in document["vectors"].as_array_mut().unwrap() {
        vector["filter"] = vector["filter"]
            .as_str()
            .unwrap()
            .replace("{{", "")
            .replace("}}", "")
            .into();
    }
    let answers = model_vectors::eval(&document).unwrap();
    let wrong: Vec<String> = expected
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| {
            let answer = &answers[vector["id"].as_str().unwrap()];
            let also = vector["also"].as_array().into_iter().flatten();
            !also.chain([&vector["expect"]]).any(|it| is_same(it, answer))
        })
        .map(|vector| format!("{vector} {}", answers[vector["id"].as_str().unwrap()]))
        .collect();
    assert!(wrong.is_empty(), "tests/fixtures/filter-eval.json: {wrong:#?}");
    assert_eq!(expected.as_array().map(Vec::len), Some(159));
}

fn is_same(expected: &Value, answer: &Value) -> bool {
    match (expected, answer) {
        (Value::Array(expected), Value::Array(answer)) => {
            expected.len() == answer.len() && expected.iter().all(|it| answer.contains(it))
        }
        (expected, answer) => expected["error"].is_string() && expected["error"] == answer["error"],
    }
}
