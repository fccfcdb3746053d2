//! Filters and patches with expected results, run over HTTP on both databases.
//!
//! The vectors are the fixtures of scim-model and scim-patch, whose own tests run them in process.

use std::collections::{BTreeMap, BTreeSet};

use scim_server::service::Leniency;
use serde_json::{Map, Value, json};

use crate::harness::{Choice, HttpClient, HttpServer, encode, patch_op};

#[test]
fn filter_vectors_pass() {
    find_what_the_vectors_say(&HttpServer::start());
}

#[test]
fn filter_vectors_pass_on_postgresql() {
    // The tests of the storage crate report when PostgreSQL is missing.
    if let Some(server) = HttpServer::start_on_postgres(Choice::default()) {
        find_what_the_vectors_say(&server);
    }
}

#[test]
fn lenient_patch_vectors_pass() {
    do_what_the_vectors_say(&HttpServer::start(), "entra");
}

#[test]
fn lenient_patch_vectors_pass_on_postgresql() {
    if let Some(server) = HttpServer::start_on_postgres(Choice::default()) {
        do_what_the_vectors_say(&server, "entra");
    }
}

#[test]
fn strict_patch_vectors_pass() {
    do_what_the_vectors_say(&HttpServer::start_with(strict()), "strict");
}

#[test]
fn strict_patch_vectors_pass_on_postgresql() {
    if let Some(server) = HttpServer::start_on_postgres(strict()) {
        do_what_the_vectors_say(&server, "strict");
    }
}

fn strict() -> Choice {
    let mut choice = Choice::default();
    choice.settings.client.leniency = Leniency::Strict;
    choice
}

fn find_what_the_vectors_say(server: &HttpServer) {
    let vectors: Value = serde_json::from_str(include_str!(
        "../../../scim-model/tests/fixtures/filter-eval.json"
    ))
    .expect("the fixture is JSON");
    let client = server.client();
    let ids = create_corpus(&client, &vectors);
    let names: BTreeMap<&str, &str> = ids
        .iter()
        .map(|(name, id)| (id.as_str(), name.as_str()))
        .collect();

    let mut wrong = Vec::new();
    let mut checked = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        if vector["http"] != true {
            continue;
        }
        checked += 1;
        let filter = replaced(vector["filter"].as_str().unwrap(), &ids);
        let endpoint = endpoint(&vector["resourceType"]);
        let path = format!("{endpoint}?count=200&filter={}", encode(&filter));
        let (status, found) = client.send("GET", &path, None);
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "count": 200,
        });
        let by_post = client.send("POST", &format!("{endpoint}/.search"), Some(&search));
        if by_post != (status, found.clone()) {
            wrong.push(format!(
                "{}: POST .search answers otherwise than GET",
                vector["id"]
            ));
        }
        let found_names: Option<BTreeSet<&str>> = (status == 200).then(|| {
            let resources = found["Resources"].as_array().unwrap().iter();
            resources
                .filter_map(|it| names.get(it["id"].as_str().unwrap()).copied())
                .collect()
        });
        let fits = accepted(vector).any(|expected| match (expected, &found_names) {
            (Value::Array(expected), Some(found)) => {
                let expected = expected
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|it| ids.contains_key(*it));
                expected.collect::<BTreeSet<_>>() == *found
            }
            (Value::Object(_), None) => status == 400 && found["scimType"] == "invalidFilter",
            _ => false,
        });
        if !fits {
            wrong.push(format!(
                "{} {filter}: {status} {found_names:?}, wanted {}",
                vector["id"], vector["expect"]
            ));
        }
    }
    assert!(checked > 100, "only {checked} vectors");
    assert!(
        wrong.is_empty(),
        "{} of {checked} vectors of scim-model/tests/fixtures/filter-eval.json\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Creates the resources, those that others refer to first, and returns their ids by their names in the vectors.
fn create_corpus(client: &HttpClient, vectors: &Value) -> BTreeMap<String, String> {
    let skipped = vectors["httpSkip"].as_array().unwrap();
    let mut waiting: Vec<&Value> = vectors["resources"].as_array().unwrap().iter().collect();
    waiting.retain(|it| !skipped.contains(&it["id"]));
    let all: BTreeSet<String> = waiting
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect();
    let mut ids = BTreeMap::new();
    while !waiting.is_empty() {
        let is_ready = |it: &&Value| {
            let own = it["id"].as_str().unwrap();
            let text = it.to_string();
            all.iter().all(|name| {
                name == own || ids.contains_key(name) || !text.contains(&format!("\"value\":\"{name}\""))
            })
        };
        let next = waiting.iter().position(is_ready).unwrap_or(0);
        let resource = waiting.remove(next);
        let name = resource["id"].as_str().unwrap().to_owned();
        let id = client.create(
            &endpoint(&resource["meta"]["resourceType"]),
            &body_of(resource, &ids),
        );
        ids.insert(name, id);
    }
    ids
}

/// The body that creates a resource of the corpus on a server without its extension.
fn body_of(resource: &Value, ids: &BTreeMap<String, String>) -> Value {
    const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";
    let mut body = resource.as_object().unwrap().clone();
    for name in ["id", "meta", BADGE] {
        body.shift_remove(name);
    }
    body["schemas"].as_array_mut().unwrap().retain(|it| it != BADGE);
    let mut text = Value::Object(body).to_string();
    for (name, id) in ids {
        text = text.replace(&format!("\"value\":\"{name}\""), &format!("\"value\":\"{id}\""));
    }
    let mut body: Value = serde_json::from_str(&text).unwrap();
    for member in body
        .get_mut("members")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        member.as_object_mut().unwrap().shift_remove("$ref");
    }
    body
}

fn do_what_the_vectors_say(server: &HttpServer, mode: &str) {
    let vectors: Value = serde_json::from_str(include_str!("../../../scim-patch/tests/fixtures/patch.json"))
        .expect("the fixture is JSON");
    let client = server.client();
    let helpers = (1..=4).map(|it| {
        let user = json!({"schemas": [crate::harness::USER], "userName": format!("helper-{it}")});
        (format!("m{it}"), client.create("/Users", &user))
    });
    let mut ids: BTreeMap<String, String> = helpers.collect();

    let mut wrong = Vec::new();
    let mut checked = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        if vector["http"] != true || (vector["mode"] != "both" && vector["mode"] != mode) {
            continue;
        }
        checked += 1;
        let endpoint = endpoint(&vector["resourceType"]);
        let id = client.create(&endpoint, &json_replaced(&vector["before"], &ids));
        let path = format!("{endpoint}/{id}");
        ids.insert("self".to_owned(), id);
        let (_, before) = client.send("GET", &path, None);
        let body = match vector.get("body") {
            Some(body) => body.clone(),
            None => patch_op(vector["operations"].clone()),
        };
        let (status, answer) = client.send("PATCH", &path, Some(&json_replaced(&body, &ids)));
        let (_, after) = client.send("GET", &path, None);
        if let Err(why) = check_patch(vector, &ids, status, &answer, &before, &after) {
            wrong.push(format!("{} {body}: {why}", vector["id"]));
        }
        client.send("DELETE", &path, None);
    }
    assert!(checked > 100, "only {checked} vectors");
    assert!(
        wrong.is_empty(),
        "{} of {checked} vectors of scim-patch/tests/fixtures/patch.json\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn check_patch(
    vector: &Value,
    ids: &BTreeMap<String, String>,
    status: u16,
    answer: &Value,
    before: &Value,
    after: &Value,
) -> Result<(), String> {
    let comparable_after = comparable(after);
    if status != 200 && status != 204 {
        let is_wanted =
            |it: &&Value| it["error"]["status"] == status && it["error"]["scimType"] == answer["scimType"];
        if accepted(vector).find(is_wanted).is_none() {
            return Err(format!("{status} {answer}, wanted {}", vector["expect"]));
        }
        if comparable(before) != comparable_after || before["meta"] != after["meta"] {
            return Err(format!("an error changed the resource to {after}"));
        }
        return Ok(());
    }
    let is_wanted = |it: &&Value| {
        it.get("after")
            .is_some_and(|it| comparable(&json_replaced(it, ids)) == comparable_after)
    };
    if accepted(vector).find(is_wanted).is_none() {
        return Err(format!("{status}, now {after}, wanted {}", vector["expect"]));
    }
    if status == 200 && comparable(answer) != comparable_after {
        return Err(format!("the answer {answer} is not what GET shows"));
    }
    // RFC 7644 section 3.5.2.1, A-65: a no-op keeps version and time.
    let unchanged = comparable(before) == comparable_after;
    if unchanged && before["meta"] != after["meta"] {
        return Err(format!(
            "nothing changed, but {} became {}",
            before["meta"], after["meta"]
        ));
    }
    Ok(())
}

/// The expected answer, and others where the RFC is silent.
fn accepted(vector: &Value) -> impl Iterator<Item = &Value> {
    let also = vector.get("also").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(&vector["expect"]).chain(also)
}

fn endpoint(resource_type: &Value) -> String {
    format!("/{}s", resource_type.as_str().unwrap())
}

fn json_replaced(value: &Value, ids: &BTreeMap<String, String>) -> Value {
    serde_json::from_str(&replaced(&value.to_string(), ids)).unwrap()
}

fn replaced(text: &str, ids: &BTreeMap<String, String>) -> String {
    ids.iter().fold(text.to_owned(), |text, (name, id)| {
        text.replace(&format!("{{{{{name}}}}}"), id)
    })
}

/// A resource without what the server assigns, names in lower case, arrays without order, `null`,
/// `[]`, `{}` and `primary: false` absent.
fn comparable(resource: &Value) -> Value {
    match resource {
        Value::Object(members) => {
            let assigned = ["id", "meta", "groups", "password"];
            let members = members
                .iter()
                .filter(|(name, _)| !assigned.contains(&name.to_lowercase().as_str()));
            comparable_object(members, "")
        }
        other => other.clone(),
    }
}

fn comparable_object<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, within: &str) -> Value {
    let mut kept = Map::new();
    for (name, value) in members {
        let name = name.to_lowercase();
        let derived = name == "$ref"
            || (name == "primary" && *value == Value::Bool(false))
            || (within == "members" && (name == "display" || name == "type"))
            || (within == "manager" && name == "displayname");
        let value = comparable_value(value, &name);
        let is_empty = value.is_null() || value == json!([]) || value == json!({});
        if !derived && !is_empty {
            kept.insert(name, value);
        }
    }
    kept.sort_keys();
    Value::Object(kept)
}

fn comparable_value(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(members) => comparable_object(members.iter(), name),
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(|it| comparable_value(it, name)).collect();
            elements.sort_by_key(ToString::to_string);
            Value::Array(elements)
        }
        other => other.clone(),
    }
}
