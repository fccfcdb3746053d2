//! The changes that a PATCH reports.

use serde_json::{Value, json};

use crate::{LENIENT, patch, registry};

#[test]
fn a_patch_without_effect_reports_no_changes() {
    let registry = registry();
    let before = json!({"userName": "a", "title": "T", "emails": [{"value": "1"}, {"value": "2"}]});
    for operations in [
        json!([{"op": "add", "path": "title", "value": "T"}]),
        json!([{"op": "replace", "path": "emails", "value": [{"value": "2"}, {"value": "1"}]}]),
        json!([{"op": "replace", "path": "title", "value": "U"}, {"op": "replace", "path": "title", "value": "T"}]),
        json!([{"op": "add", "path": "nickName", "value": "N"}, {"op": "remove", "path": "nickName"}]),
        json!([{"op": "remove", "path": "emails[value eq \"2\"]"}, {"op": "add", "path": "emails", "value": {"value": "2"}}]),
        json!([{"op": "replace", "path": "name", "value": {}}]),
    ] {
        let outcome = patch(
            registry.resource_type("User").unwrap(),
            &before,
            &operations,
            LENIENT,
        )
        .unwrap();
        assert!(outcome.changes.is_empty(), "{operations}");
        // The document is the given one, including the order of its attributes.
        assert_eq!(
            Value::Object(outcome.document.into_values()).to_string(),
            before.to_string()
        );
    }
}
