//! The exchanges in tests/fixtures/clients.json: requests of identity providers, and their results.

use std::collections::BTreeSet;

use scim_model::{SchemaRegistry, ScimType};
use scim_patch::{MembersPlan, Operation, Outcome, PatchError, Tolerance, apply, plan};
use serde_json::Value;

use crate::{LENIENT, STRICT, document};

fn cases() -> Vec<Value> {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/clients.json")).unwrap();
    fixture["cases"].as_array().unwrap().clone()
}

#[test]
fn every_exchange_of_a_client_has_its_expected_result() {
    let registry = SchemaRegistry::builtin();
    for case in cases() {
        let name = case["resourceType"].as_str().unwrap();
        let resource_type = registry.resource_type(name).unwrap();
        let mut before = document(&case["before"]);
        for step in case["steps"].as_array().unwrap() {
            let context = format!(
                "tests/fixtures/clients.json, trace {}: {}",
                case["trace"], step["request"]
            );
            let applied = |policy| -> Result<(Outcome, MembersPlan), PatchError> {
                let operations = Operation::parse_all(step["request"].clone(), policy)?;
                let plan = plan(resource_type, &operations, policy)?;
                let outcome = apply(resource_type, &before, &operations, policy)?;
                Ok((outcome, plan.members))
            };
            let strict = applied(STRICT);
            let (outcome, members) = match applied(LENIENT) {
                Err(error) => {
                    assert_eq!(keyword(&error), step["error"], "{context}");
                    assert_eq!(keyword(&strict.unwrap_err()), step["error"], "{context}");
                    continue;
                }
                Ok(applied) => applied,
            };
            assert_eq!(
                Value::Object(outcome.document.values().clone()),
                step["after"],
                "{context}"
            );
            assert_eq!(!outcome.changes.is_empty(), step["changed"], "{context}");
            let needed: BTreeSet<&str> = outcome.tolerances.iter().map(|it| it.name()).collect();
            let expected = step["tolerances"].as_array().unwrap().iter();
            assert_eq!(
                needed,
                expected.map(|it| it.as_str().unwrap()).collect(),
                "{context}"
            );
            if let Some(expected) = step.get("plan") {
                let members = match members {
                    MembersPlan::Untouched => "untouched",
                    MembersPlan::Steps(_) => "steps",
                    MembersPlan::NeedsList => "needs_list",
                };
                assert_eq!(members, expected, "{context}");
            }
            match (strict, step.get("strict")) {
                (Err(error), Some(expected)) => assert_eq!(keyword(&error), *expected, "{context}"),
                (Ok((strict, _)), None) => {
                    let differs = step.get("strictDiffers").is_some();
                    assert_eq!(strict.document != outcome.document, differs, "{context}");
                    assert!(strict.tolerances.is_empty(), "{context}");
                }
                (strict, expected) => panic!("{context}: strict {strict:?}, expected {expected:?}"),
            }
            before = outcome.document;
        }
    }
}

/// Tolerances of messages, bodies and filters. The exchanges of `scim-server` show their clients.
const OUTSIDE_OF_OPERATIONS: [Tolerance; 10] = [
    Tolerance::MemberTypeIgnored,
    Tolerance::MissingSchemas,
    Tolerance::EmptySchemas,
    Tolerance::OtherSchemas,
    Tolerance::EmptyOperations,
    Tolerance::NamesInText,
    Tolerance::SingleForArray,
    Tolerance::NullElement,
    // The built-in types have no such attributes, see `own_types.rs`.
    Tolerance::NumberText,
    Tolerance::ValueOfSimple,
];

#[test]
fn every_tolerance_has_a_client() {
    let cases = cases();
    let used: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| case["steps"].as_array().unwrap())
        .flat_map(|step| step["tolerances"].as_array().into_iter().flatten())
        .map(|it| it.as_str().unwrap())
        .collect();
    let of_operations = Tolerance::ALL
        .iter()
        .filter(|it| !OUTSIDE_OF_OPERATIONS.contains(it));
    assert_eq!(
        used,
        of_operations.map(|it| it.name()).collect(),
        "tests/fixtures/clients.json needs a case for each tolerance that is not in OUTSIDE_OF_OPERATIONS"
    );
    // The functions in quirks.rs name traces of the fixture.
    let quirks = include_str!("../../src/quirks.rs");
    let known: BTreeSet<&str> = cases.iter().map(|it| it["trace"].as_str().unwrap()).collect();
    let named: Vec<&str> = quirks
        .split('`')
        .filter(|it| it.contains("--") && !it.contains(' '))
        .collect();
    assert!(named.len() >= 15, "{named:?}");
    for trace in named {
        assert!(
            known.contains(trace),
            "quirks.rs names the trace `{trace}`, which tests/fixtures/clients.json lacks"
        );
    }
}

fn keyword(error: &PatchError) -> &'static str {
    error.error.scim_type().map_or("", ScimType::as_str)
}
