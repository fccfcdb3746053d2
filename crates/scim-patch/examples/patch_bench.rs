//! Measures PATCH; `cargo xtask bench patch` prints the table.
//!
//! Members are added to groups of growing size: with the plan, which does not read the list of members, and on the
//! list.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // This is a command-line program.

use std::time::{Duration, Instant};

use scim_model::{Document, Policy, ResourceType, SchemaRegistry};
use scim_patch::{Operation, apply, plan};
use serde_json::{Value, json};

const POLICY: Policy = Policy { lenient: true };

fn main() {
    let registry = SchemaRegistry::builtin();
    let user = registry.resource_type("User").unwrap();
    let group = registry.resource_type("Group").unwrap();
    println!("{:<56} {:>14}", "PATCH", "median");
    let bjensen = document(&json!({
        "userName": "bjensen@example.com",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "active": true,
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}],
    }));
    let deactivate = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    row("deactivate a user", || {
        applied(user, &bjensen, &deactivate);
    });
    let rename =
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@example.com"}]);
    row("replace the work address of a user", || {
        applied(user, &bjensen, &rename);
    });
    for length in [10, 1_000, 100_000] {
        let members: Vec<Value> = (0..length)
            .map(|it| json!({"value": id(it), "type": "User"}))
            .collect();
        let team = document(&json!({"displayName": "team", "members": members}));
        let add = json!([{"op": "add", "path": "members", "value": [{"value": id(length)}]}]);
        row(&format!("add a member to {length}, planned"), || {
            planned(group, &add);
        });
        row(&format!("add a member to {length}, on the list"), || {
            applied(group, &team, &add);
        });
        let many: Value = (0..1_000)
            .map(|it| json!({"op": "add", "path": "members", "value": [{"value": id(length + it)}]}))
            .collect();
        row(
            &format!("add 1,000 members to {length}, one by one, planned"),
            || planned(group, &many),
        );
        row(
            &format!("add 1,000 members to {length}, one by one, on the list"),
            || applied(group, &team, &many),
        );
    }
}

fn applied(resource_type: &ResourceType, document: &Document, operations: &Value) {
    let operations = Operation::parse_all(message(operations), POLICY).unwrap();
    let outcome = apply(resource_type, document, &operations, POLICY).unwrap();
    assert!(!outcome.changes.is_empty());
}

fn planned(resource_type: &ResourceType, operations: &Value) {
    let operations = Operation::parse_all(message(operations), POLICY).unwrap();
    let plan = plan(resource_type, &operations, POLICY).unwrap();
    assert!(plan.rest.is_empty());
}

fn message(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn document(value: &Value) -> Document {
    Document::from_values(value.as_object().unwrap().clone())
}

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Prints the median of the runs that take place within a second, but at least three.
fn row(name: &str, run: impl Fn()) {
    let mut times: Vec<Duration> = Vec::new();
    let start = Instant::now();
    while times.len() < 3 || (start.elapsed() < Duration::from_secs(1) && times.len() < 10_000) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e6;
    println!("{name:<56} {median:>11.1} µs");
}
