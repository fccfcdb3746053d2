//! Helpers that read schemas and resources.

use serde_json::Value;

use crate::rfc::client::*;

pub(super) fn attribute<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["attributes"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == name))
        .expect(name)
}

pub(super) fn sub_attribute<'a>(attribute: &'a Value, name: &str) -> &'a Value {
    attribute["subAttributes"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == name))
        .expect(name)
}

/// All attributes and sub-attributes of all published schemas, by `urn:…:User:name.givenName`.
pub(super) fn all_attributes(client: &Client) -> Vec<(String, Value)> {
    fn walk(prefix: &str, separator: char, list: &Value, found: &mut Vec<(String, Value)>) {
        for attribute in list.as_array().into_iter().flatten() {
            let path = format!("{prefix}{separator}{}", attribute["name"].as_str().unwrap_or("?"));
            walk(&path, '.', &attribute["subAttributes"], found);
            found.push((path, attribute.clone()));
        }
    }
    let mut found = Vec::new();
    for schema in client.get("/Schemas").expect(200).resources() {
        walk(
            schema["id"].as_str().unwrap_or("?"),
            ':',
            &schema["attributes"],
            &mut found,
        );
    }
    assert!(found.len() > 100);
    found
}

/// Every `$ref` of a group and of a user.
pub(super) fn references(client: &Client, group: &str, user: &str) -> Vec<String> {
    let group = client.now(&format!("/Groups/{group}"));
    let user = client.now(&format!("/Users/{user}"));
    let lists = [&group["members"], &user["groups"]];
    let values = lists
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .chain([&user[ENTERPRISE]["manager"]]);
    values
        .filter_map(|it| it["$ref"].as_str())
        .map(str::to_owned)
        .collect()
}

pub(super) fn member_ids(group: &Value) -> Vec<String> {
    group["members"]
        .as_array()
        .expect("members")
        .iter()
        .filter_map(|it| it["value"].as_str())
        .map(str::to_owned)
        .collect()
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, it)| {
            if [8, 13, 18, 23].contains(&at) {
                it == b'-'
            } else {
                matches!(it, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}
