//! Requests of the tests of upgrades, and their answers in a form that can be stored and compared.

use serde_json::{Value, json};

use crate::harness::{HttpClient, patch_op};

/// The answers to GET requests: path, status, ETag and, with 200, the body.
pub fn answers(client: &HttpClient, paths: &[String]) -> Vec<Value> {
    paths.iter().map(|it| answer(client, it)).collect()
}

/// The answer to a GET request, with `BASE` in place of the base URL.
pub fn answer(client: &HttpClient, path: &str) -> Value {
    let (status, etag, body) = client.send_if_match("GET", path, None, &Value::Null);
    let body = match status {
        200 => body.to_string().replace(client.base_url(), "BASE"),
        // The text of errors may change.
        _ => "null".to_owned(),
    };
    let body: Value = serde_json::from_str(&body).unwrap();
    json!({ "path": path, "status": status, "etag": etag, "body": body })
}

/// Creates a resource, and returns its id.
pub fn create(client: &HttpClient, endpoint: &str, body: Value) -> String {
    client.create(endpoint, &body)
}

/// Changes a resource.
#[track_caller]
pub fn patch(client: &HttpClient, path: &str, operations: Value) {
    let (status, body) = client.send("PATCH", path, Some(&patch_op(operations)));
    assert!([200, 204].contains(&status), "{status}: {body}");
}

/// The tokens of a stream, which its receiver has not acknowledged.
#[track_caller]
pub fn poll(operator: &HttpClient, stream: &str) -> Value {
    let path = format!("/set-streams/{stream}/poll");
    let (status, _, polled) =
        operator.exchange("POST", &path, &[], Some(&json!({ "returnImmediately": true })));
    assert_eq!(status, 200, "{polled}");
    polled["sets"].clone()
}

/// Some members of an object.
pub fn pick(value: &Value, names: &[&str]) -> Value {
    let members = names.iter().map(|it| ((*it).to_owned(), value[it].clone()));
    Value::Object(members.collect())
}

/// The difference between a recorded value and the present one, if there is one: members that the recorded value does
/// not have are permitted.
pub fn difference(recorded: &Value, now: &Value) -> Option<String> {
    match (recorded, now) {
        (Value::Object(recorded), Value::Object(now)) => recorded.iter().find_map(|(name, value)| {
            let inner = difference(value, now.get(name).unwrap_or(&Value::Null));
            inner.map(|it| format!("{name}: {it}"))
        }),
        (Value::Array(recorded), Value::Array(now)) if recorded.len() == now.len() => {
            let mut pairs = recorded.iter().zip(now);
            pairs.find_map(|(recorded, now)| difference(recorded, now))
        }
        _ => (recorded != now).then(|| format!("{recorded} is {now} now")),
    }
}
