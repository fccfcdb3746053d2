//! Writing the same attributes in each way that a client has: POST, PUT, PATCH without a path, and
//! PATCH with one.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::rfc::client::*;

/// Writes the attributes of a new user or group in each way, and expects success. Returns the
/// resources as a client reads them afterwards, by the way in which they were written.
#[track_caller]
pub(super) fn stored_each_way(
    client: &Client,
    endpoint: &str,
    attributes: &Value,
) -> Vec<(&'static str, Value)> {
    let mut resources = Vec::new();
    for (way, path, answer) in write_each_way(client, endpoint, attributes) {
        assert!(
            matches!(answer.status, 200 | 201 | 204),
            "{way} {attributes}: {}",
            answer.body
        );
        let path = path.unwrap_or_else(|| format!("{endpoint}/{}", answer.id()));
        resources.push((way, client.now(&path)));
    }
    resources
}

/// Writes the attributes of a new user or group in each way, and expects each to be refused.
#[track_caller]
pub(super) fn refused_each_way(client: &Client, endpoint: &str, attributes: &Value, scim_type: &str) {
    for (way, path, answer) in write_each_way(client, endpoint, attributes) {
        assert_eq!(answer.status, 400, "{way} {attributes}: {}", answer.body);
        assert_eq!(
            answer.body["scimType"], scim_type,
            "{way} {attributes}: {}",
            answer.body
        );
        if let Some(path) = path {
            let meta = &client.now(&path)["meta"];
            assert_eq!(meta["created"], meta["lastModified"], "{way} {attributes}");
        }
    }
}

/// The answers, with the path of the resource where it existed before.
fn write_each_way(
    client: &Client,
    endpoint: &str,
    attributes: &Value,
) -> Vec<(&'static str, Option<String>, Answer)> {
    let new_body = || {
        let mut body = if endpoint == "/Groups" {
            group(&Uuid::now_v7().to_string(), &[])
        } else {
            user(&Uuid::now_v7().to_string())
        };
        for (name, value) in attributes.as_object().expect("attributes") {
            if name.starts_with("urn:") {
                body["schemas"]
                    .as_array_mut()
                    .expect("an array")
                    .push(name.as_str().into());
            }
            body[name] = value.clone();
        }
        body
    };
    let existing = || {
        if endpoint == "/Groups" {
            format!("/Groups/{}", client.group(&Uuid::now_v7().to_string(), &[]))
        } else {
            format!("/Users/{}", client.user(&Uuid::now_v7().to_string()))
        }
    };
    let by_name: Vec<Value> = attributes
        .as_object()
        .expect("attributes")
        .iter()
        .map(|(name, value)| json!({"op": "replace", "path": name, "value": value}))
        .collect();
    let [put, patch, patch_by_name] = [(); 3].map(|()| existing());
    let answers = [
        client.post(endpoint, &new_body()),
        client.put(&put, &new_body()),
        client.patch(&patch, &json!([{"op": "add", "value": attributes}])),
        client.patch(&patch_by_name, &Value::Array(by_name)),
    ];
    let [posted, replaced, added, set] = answers;
    vec![
        ("POST", None, posted),
        ("PUT", Some(put), replaced),
        ("PATCH without a path", Some(patch), added),
        ("PATCH with a path", Some(patch_by_name), set),
    ]
}
