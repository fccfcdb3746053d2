//! Property tests: the laws on random documents and requests. The fuzz target checks the same laws.

use proptest::prelude::*;
use scim_model::schema::{ENTERPRISE_USER_URN, GROUP_URN};
use serde_json::{Map, Value, json};

use crate::{laws, registry};

const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec!["a", "A", "b", "work", "home", "True", "false", ""])
            .prop_map(Value::from),
        "\\PC{0,3}".prop_map(Value::from),
    ]
}

/// Any JSON that a client may send as a value.
fn value() -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        4 => text(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i8>().prop_map(Value::from),
    ];
    let names = vec![
        "value",
        "type",
        "primary",
        "display",
        "givenName",
        "familyName",
        "$ref",
        "plate",
        "seats",
        "vin",
        "weight",
        "locality",
        "VALUE",
    ];
    simple.prop_recursive(2, 8, 3, move |inner| {
        let member = (proptest::sample::select(names.clone()), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..3).prop_map(Value::Array),
            proptest::collection::vec(member, 0..4).prop_map(|members| {
                let mut seen = std::collections::HashSet::new();
                let members = members
                    .into_iter()
                    .filter(|(name, _)| seen.insert(name.to_lowercase()));
                Value::Object(members.map(|(name, it)| (name.to_owned(), it)).collect())
            }),
        ]
    })
}

fn element() -> impl Strategy<Value = Value> {
    (
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(value, type_, primary)| {
            let mut element = Map::new();
            element.extend(value.map(|it| ("value".to_owned(), it)));
            element.extend(type_.map(|it| ("type".to_owned(), it)));
            element.extend(primary.map(|it| ("primary".to_owned(), it.into())));
            Value::Object(element)
        })
}

/// A value that usually has the type of the attribute.
fn suited(name: &str) -> BoxedStrategy<Value> {
    match name {
        "emails" | "roles" | "zones" => prop_oneof![
            3 => proptest::collection::vec(element(), 0..4).prop_map(Value::Array),
            2 => element(),
            1 => value(),
        ]
        .boxed(),
        "tags" => prop_oneof![
            proptest::collection::vec(text(), 0..3).prop_map(Value::Array),
            text()
        ]
        .boxed(),
        "name" => prop_oneof![
            text().prop_map(|it| json!({"givenName": it})),
            text().prop_map(|it| json!({"familyName": it, "middleName": null})),
            value(),
        ]
        .boxed(),
        _ => prop_oneof![3 => text(), 1 => value()].boxed(),
    }
}

fn filter() -> impl Strategy<Value = String> {
    let operand = proptest::sample::select(vec![
        "\"a\"", "\"b\"", "\"work\"", "true", "\"True\"", "null", "5", "'a'",
    ]);
    let name = proptest::sample::select(vec![
        "value", "type", "primary", "weight", "nope", "VALUE", "plate",
    ]);
    let operator = proptest::sample::select(vec!["eq", "ne", "co", "sw", "gt", "Eq"]);
    let test = (name.clone(), operator, operand)
        .prop_map(|(name, operator, operand)| format!("{name} {operator} {operand}"));
    let test = prop_oneof![3 => test, 1 => name.prop_map(|it| format!("{it} pr"))];
    (test.clone(), test, 0..5).prop_map(|(a, b, join)| match join {
        0 => format!("{a} and {b}"),
        1 => format!("{a} or {b}"),
        2 => format!("not ({a})"),
        _ => a,
    })
}

fn user_path() -> impl Strategy<Value = (String, &'static str)> {
    let attribute = proptest::sample::select(vec![
        ("emails", "emails"),
        ("EMAILS", "emails"),
        ("roles", "roles"),
        ("name", "name"),
        ("title", "title"),
        ("userName", "userName"),
        ("active", "active"),
        ("password", "password"),
        ("id", "id"),
        ("groups", "groups"),
        ("schemas", "schemas"),
        ("nope", "nope"),
        ("manager", "manager"),
        ("addresses", "emails"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            "manager",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "title",
        ),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "x"),
        (
            "urn:example:params:scim:schemas:extension:badge:2.0:User:tags",
            "tags",
        ),
        (
            "urn:example:params:scim:schemas:extension:badge:2.0:User:zones",
            "zones",
        ),
        (
            "urn:example:params:scim:schemas:extension:badge:2.0:User:vehicle",
            "x",
        ),
        (
            "urn:example:params:scim:schemas:extension:badge:2.0:User:serial",
            "title",
        ),
        (
            "urn:example:params:scim:schemas:extension:badge:2.0:User:level",
            "level",
        ),
    ]);
    let sub = proptest::sample::select(vec![
        "",
        "",
        "",
        ".value",
        ".type",
        ".primary",
        ".givenName",
        ".plate",
        ".nope",
    ]);
    (attribute, proptest::option::weighted(0.4, filter()), sub).prop_map(|((path, name), filter, sub)| {
        let is_whole = filter.is_none() && sub.is_empty();
        let filter = filter.map_or(String::new(), |it| format!("[{it}]"));
        (
            format!("{path}{filter}{sub}"),
            if is_whole { name } else { "value" },
        )
    })
}

fn op() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["add", "remove", "replace", "Add"])
}

fn operation(op: &str, path: Option<String>, value: Option<Value>) -> Value {
    let mut operation = Map::from_iter([("op".to_owned(), json!(op))]);
    operation.extend(path.map(|it| ("path".to_owned(), it.into())));
    operation.extend(value.map(|it| ("value".to_owned(), it)));
    Value::Object(operation)
}

fn user_operation() -> impl Strategy<Value = Value> {
    let with_path = user_path().prop_flat_map(|(path, name)| {
        (op(), Just(path), proptest::option::weighted(0.9, suited(name))).prop_map(|(op, path, value)| {
            let value = value.filter(|_| op != "remove" || path.len() % 5 == 0);
            operation(op, Some(path), value)
        })
    });
    let without_path = (
        op(),
        proptest::collection::vec(
            user_path().prop_flat_map(|(path, name)| (Just(path), suited(name))),
            0..4,
        ),
    )
        .prop_map(|(op, members)| operation(op, None, Some(Value::Object(Map::from_iter(members)))));
    prop_oneof![4 => with_path, 1 => without_path]
}

fn user() -> impl Strategy<Value = Value> {
    let elements = || proptest::collection::vec(element(), 0..5).prop_map(Value::Array);
    (
        elements(),
        elements(),
        suited("tags"),
        proptest::option::of(text()),
    )
        .prop_map(|(emails, zones, tags, serial)| {
            let mut user = json!({
                "userName": "u", "emails": emails, "name": {"givenName": "a"}, "active": true,
                ENTERPRISE_USER_URN: {"department": "d"},
                BADGE: {"tags": tags, "zones": zones, "vehicle": {"plate": "p", "vin": "v"}},
            });
            if let Some(serial) = serial {
                user[BADGE]["serial"] = serial;
            }
            user
        })
}

/// One of a few ids, so that operations often concern the same member.
fn member_id() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => (0..5u8).prop_map(|it| format!("0000000{it}-0000-4000-8000-00000000000a")),
        3 => (0..5u8).prop_map(|it| format!("0000000{it}-0000-4000-8000-00000000000A")),
        1 => proptest::sample::select(vec!["", "nobody", "00000001-0000-4000-8000"]).prop_map(str::to_owned),
    ]
}

fn member() -> impl Strategy<Value = Value> {
    (member_id(), 0..8u8).prop_map(|(id, form)| match form {
        0 => json!(id),
        1 => json!({"$ref": format!("https://scim.example/v2/Users/{id}")}),
        2 => json!({"value": id, "$ref": null, "display": "x"}),
        3 => json!({"VALUE": id, "type": "User"}),
        4 => Value::Null,
        _ => json!({"value": id}),
    })
}

fn group_operation() -> impl Strategy<Value = Value> {
    let members = || {
        prop_oneof![
            4 => proptest::collection::vec(member(), 0..4).prop_map(Value::Array),
            2 => member(),
            1 => proptest::collection::vec(member(), 0..3).prop_map(|it| json!({"members": it})),
            1 => value(),
        ]
    };
    let ids = (member_id(), member_id(), 0..6u8).prop_map(|(a, b, form)| match form {
        0 => format!("members[value eq \"{a}\" or value eq \"{b}\"]"),
        1 => format!("members[value eq \"{a}\" and type eq \"User\"]"),
        2 => format!("members[value eq \"{a}\"].value"),
        3 => format!("members[not (value eq \"{a}\")]"),
        _ => format!("Members[value eq \"{a}\"]"),
    });
    prop_oneof![
        4 => (op(), members()).prop_map(|(op, it)| operation(op, Some("members".to_owned()), Some(it))),
        1 => Just(operation("remove", Some("members".to_owned()), None)),
        4 => (op(), ids, proptest::option::of(prop_oneof![Just(json!({})), value()]))
            .prop_map(|(op, path, value)| operation(op, Some(path), value)),
        2 => (op(), members(), text()).prop_map(|(op, it, name)| {
            operation(op, None, Some(json!({"members": it, "displayName": name, "id": "x"})))
        }),
        1 => (op(), text()).prop_map(|(op, it)| operation(op, Some("displayName".to_owned()), Some(it))),
        1 => (op(), value()).prop_map(|(op, it)| operation(op, Some("members.value".to_owned()), Some(it))),
    ]
}

fn group() -> impl Strategy<Value = Value> {
    proptest::collection::hash_set(0..5u8, 0..5).prop_map(|members| {
        let members: Vec<Value> = members
            .into_iter()
            .map(|it| json!({"value": format!("0000000{it}-0000-4000-8000-00000000000a")}))
            .collect();
        json!({"schemas": [GROUP_URN], "displayName": "g", "members": members})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn patches_of_users_keep_the_laws(user in user(), operations in proptest::collection::vec(user_operation(), 1..5)) {
        let registry = registry();
        laws::request(registry.resource_type("User").unwrap(), user, &laws::message(operations));
    }

    #[test]
    fn patches_of_groups_keep_the_laws(group in group(), operations in proptest::collection::vec(group_operation(), 1..5)) {
        let registry = registry();
        laws::request(registry.resource_type("Group").unwrap(), group, &laws::message(operations));
    }

    #[test]
    fn any_message_is_applied_or_refused(message in value(), user in user()) {
        let registry = registry();
        laws::request(registry.resource_type("User").unwrap(), user.clone(), &message);
        laws::request(registry.resource_type("User").unwrap(), user, &laws::message(vec![message]));
    }

    #[test]
    fn any_bytes_are_applied_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        laws::bytes(&bytes);
    }
}

#[test]
fn the_corpus_of_the_fuzzer_keeps_the_laws() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/patch");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        laws::bytes(&std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 8);
}
