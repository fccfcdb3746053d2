//! The vectors in tests/fixtures/patch.json, under both policies. The head of the file explains its format.

use scim_model::{Policy, ScimType};
use scim_patch::{Operation, apply};
use serde_json::{Map, Value};

use crate::{LENIENT, STRICT, body, document, registry};

#[test]
fn every_vector_has_its_expected_result() {
    let mut text = include_str!("../fixtures/patch.json").to_owned();
    for (number, name) in ["self", "m1", "m2", "m3", "m4"].iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-00000000000{number}");
        text = text.replace(&format!("{{{{{name}}}}}"), &id);
    }
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let registry = registry();
    let mut failures = Vec::new();
    let mut count = 0;
    for vector in fixture["vectors"].as_array().unwrap() {
        for (mode, policy) in [("strict", STRICT), ("entra", LENIENT)] {
            if vector["mode"] != "both" && vector["mode"] != mode {
                continue;
            }
            count += 1;
            let resource_type = registry
                .resource_type(vector["resourceType"].as_str().unwrap())
                .unwrap();
            let answer = answer(resource_type, vector, policy);
            let also = vector["also"].as_array().into_iter().flatten();
            if ![&vector["expect"]]
                .into_iter()
                .chain(also)
                .any(|it| agrees(it, &answer))
            {
                failures.push(format!("{} {mode}: {answer:?}", vector["id"]));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "tests/fixtures/patch.json:\n{}",
        failures.join("\n")
    );
    assert_eq!(count, 308);
}

/// Returns the resource after the PATCH and whether it changed, or the keyword of the error.
fn answer(
    resource_type: &scim_model::ResourceType,
    vector: &Value,
    policy: Policy,
) -> Result<(Value, bool), &'static str> {
    let mut before = vector["before"].clone();
    for derived in ["schemas", "id", "meta", "groups"] {
        before.as_object_mut().unwrap().shift_remove(derived);
    }
    let before = document(&before);
    let text = before.to_stored_json(resource_type);
    let message = match vector.get("body") {
        Some(body) => body.clone(),
        None => body(&vector["operations"]),
    };
    let outcome = Operation::parse_all(message, policy)
        .and_then(|operations| apply(resource_type, &before, &operations, policy));
    match outcome {
        Ok(outcome) => {
            let mut after = outcome.document.values().clone();
            after.insert(
                "schemas".to_owned(),
                outcome.document.schemas(resource_type).into(),
            );
            Ok((Value::Object(after), !outcome.changes.is_empty()))
        }
        Err(error) => {
            assert_eq!(before.to_stored_json(resource_type), text);
            Err(error.error.scim_type().map_or("", ScimType::as_str))
        }
    }
}

fn agrees(expected: &Value, answer: &Result<(Value, bool), &'static str>) -> bool {
    match answer {
        Ok((after, changed)) => {
            expected
                .get("after")
                .is_some_and(|it| comparable(it) == comparable(after))
                && expected.get("changed").is_none_or(|it| it == changed)
        }
        Err(keyword) => expected["error"]["scimType"] == *keyword,
    }
}

/// Normalizes a resource as the head of the fixture says: names in lower case, arrays in one order, no empty values.
fn comparable(resource: &Value) -> Value {
    let mut members = resource.as_object().unwrap().clone();
    for derived in ["id", "meta", "groups", "password"] {
        members.shift_remove(derived);
    }
    reduced(&Value::Object(members), "").unwrap_or_default()
}

fn reduced(value: &Value, under: &str) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let mut kept: Vec<(String, Value)> = members
                .iter()
                .map(|(name, value)| (name.to_lowercase(), value))
                .filter(|(name, value)| {
                    let shown = match under {
                        "members" => name == "display" || name == "type",
                        "manager" => name == "displayname",
                        _ => false,
                    };
                    !shown && name != "$ref" && !(name == "primary" && **value == false)
                })
                .filter_map(|(name, value)| {
                    let value = reduced(value, &name)?;
                    Some((name, value))
                })
                .collect();
            kept.sort_by(|a, b| a.0.cmp(&b.0));
            (!kept.is_empty()).then(|| Value::Object(Map::from_iter(kept)))
        }
        Value::Array(elements) => {
            let mut kept: Vec<Value> = elements.iter().filter_map(|it| reduced(it, under)).collect();
            kept.sort_by_key(ToString::to_string);
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        simple => Some(simple.clone()),
    }
}
