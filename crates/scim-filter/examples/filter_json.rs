//! `filter_json [FILTER]`: finds the matching users among JSON documents. This crate parses the filter, and scim-model
//! evaluates it with regard to types, letter case and multi-valued attributes.
#![allow(clippy::print_stdout)] // The result is printed.

use scim_filter::Filter;
use scim_model::{Condition, Policy, SchemaRegistry, Subject};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).unwrap_or_else(|| {
        r#"emails[type eq "work" and value ew "@example.com"] and not (username eq "BJENSEN")"#.to_owned()
    });
    let users: Vec<Value> = vec![
        json!({"userName": "bjensen", "emails": [{"type": "work", "value": "b@example.com"}]}),
        json!({"userName": "jsmith", "emails": [{"type": "work", "value": "j@example.com"}]}),
        json!({"userName": "mary", "emails": [{"type": "home", "value": "m@example.com"}]}),
    ];
    let registry = SchemaRegistry::builtin();
    let user = registry
        .resource_type("User")
        .ok_or("the built-in types have User")?;

    // Unknown attributes and invalid comparisons are reported here, once and not for each document.
    let condition = Condition::resolve(&Filter::parse(&text)?, user, Policy { lenient: true })
        .map_err(|error| format!("{error:?}"))?;
    for document in users.iter().filter_map(Value::as_object) {
        if condition.matches(&Subject::of_resource(document, user)) {
            println!("{}", document["userName"]);
        }
    }
    Ok(())
}
