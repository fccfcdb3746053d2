//! `attributes`, `excludedAttributes` and `returned`.

use scim_model::internal::Projection;
use scim_model::{AttributePath, Policy, ResourceType, SchemaRegistry, Tolerance, Tolerances};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const OWN: &str = "urn:example:params:scim:schemas:extension:own:1.0:User";

const LENIENT: Policy = Policy { lenient: true };
const STRICT: Policy = Policy { lenient: false };

fn registry() -> SchemaRegistry {
    let schema = json!({"id": OWN, "attributes": [
        {"name": "asked", "returned": "request"}, {"name": "always", "returned": "always"},
        {"name": "never", "returned": "never"}, {"name": "plain"},
        {"name": "mixed", "type": "complex", "subAttributes": [{"name": "asked", "returned": "request"},
            {"name": "always", "returned": "always"}, {"name": "never", "returned": "never"}, {"name": "plain"}]},
        {"name": "tags", "multiValued": true},
        {"name": "house", "type": "complex", "subAttributes": [{"name": "lines", "multiValued": true}, {"name": "town"}]}]});
    let user = json!({"name": "User", "endpoint": "/Users", "schema": USER, "schemaExtensions": [
        {"schema": ENTERPRISE, "required": false}, {"schema": OWN, "required": false}]});
    let files = [
        ("a".to_owned(), schema.to_string()),
        ("b".to_owned(), user.to_string()),
    ];
    SchemaRegistry::load(&files).unwrap()
}

fn resource() -> Value {
    json!({"schemas": [USER, ENTERPRISE], "id": "1", "externalId": "e", "userName": "u",
        "name": {"familyName": "f", "givenName": "g"}, "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
        ENTERPRISE: {"department": "d", "manager": {"value": "m", "displayName": "Boss"}},
        "password": "secret", "unknown": 1, "meta": {"resourceType": "User", "version": "W/\"1\""}})
}

fn names(text: Option<&str>) -> Option<Vec<String>> {
    text.map(Projection::query_list)
}

fn projected(attributes: Option<&str>, excluded: Option<&str>, resource: &Value) -> Value {
    let registry = registry();
    let projection =
        Projection::new(names(attributes).as_deref(), names(excluded).as_deref(), LENIENT).unwrap();
    apply(&projection, registry.resource_type("User").unwrap(), resource)
}

fn apply(projection: &Projection, resource_type: &ResourceType, resource: &Value) -> Value {
    let mut members = resource.as_object().unwrap().clone();
    projection.apply(resource_type, &mut members);
    Value::Object(members)
}

/// [`resource`] with `schemas`, `id` and these members.
fn only(rest: Value) -> Value {
    let mut expected = json!({"schemas": [USER, ENTERPRISE], "id": "1"});
    expected
        .as_object_mut()
        .unwrap()
        .extend(rest.as_object().unwrap().clone());
    expected
}

#[test]
fn r7644_3_9_03_only_the_named_attributes_are_returned() {
    let manager = json!({"value": "m", "displayName": "Boss"});
    let cases = [
        ("userName", json!({"userName": "u"})),
        (
            "USERNAME, name.FAMILYNAME",
            json!({"userName": "u", "name": {"familyName": "f"}}),
        ),
        (
            "name.familyName,name.givenName",
            json!({"name": {"familyName": "f", "givenName": "g"}}),
        ),
        (
            "name,name.familyName",
            json!({"name": {"familyName": "f", "givenName": "g"}}),
        ),
        (
            "emails.value",
            json!({"emails": [{"value": "a"}, {"value": "b"}]}),
        ),
        ("emails.type", json!({"emails": [{"type": "work"}]})),
        ("emails.display", json!({})),
        ("meta.version", json!({"meta": {"version": "W/\"1\""}})),
        ("externalId", json!({"externalId": "e"})),
        ("id", json!({})),
        // 7644-3.4.2.5-02, A-62
        (
            &format!("{ENTERPRISE}:manager"),
            json!({ENTERPRISE: {"manager": manager}}),
        ),
        (
            &format!("{ENTERPRISE}:manager.displayName"),
            json!({ENTERPRISE: {"manager": {"displayName": "Boss"}}}),
        ),
        (
            &format!("{}.department", ENTERPRISE.to_uppercase()),
            json!({ENTERPRISE: {"department": "d"}}),
        ),
        (
            ENTERPRISE,
            json!({ENTERPRISE: {"department": "d", "manager": manager}}),
        ),
        (
            &format!("{USER}:name.familyName"),
            json!({"name": {"familyName": "f"}}),
        ),
        (
            &format!("{USER}:meta"),
            json!({"meta": {"resourceType": "User", "version": "W/\"1\""}}),
        ),
        // Unknown and odd names, and attributes that are never returned
        ("department", json!({})),
        ("unknown,name.shoe,urn:x:y", json!({})),
        // Microsoft's Postman collection
        ("emails[type eq \"work\"],emails[a eq 1].value", json!({})),
        (
            &format!("{ENTERPRISE}.manager.displayName"),
            json!({ENTERPRISE: {"manager": {"displayName": "Boss"}}}),
        ),
        ("password", json!({})),
    ];
    for (attributes, expected) in cases {
        assert_eq!(
            projected(Some(attributes), None, &resource()),
            only(expected),
            "{attributes}"
        );
    }
}

#[test]
fn r7644_3_9_04_excluded_attributes_are_left_out() {
    let whole = projected(None, None, &resource());
    let without = |paths: &[&[&str]]| {
        let mut rest = whole.clone();
        for path in paths {
            let (last, parents) = path.split_last().unwrap();
            let holder = parents.iter().fold(&mut rest, |value, name| &mut value[*name]);
            holder.as_object_mut().unwrap().shift_remove(*last).unwrap();
        }
        rest
    };
    let cases: [(&str, &[&[&str]]); 8] = [
        ("name", &[&["name"]]),
        ("name.familyName", &[&["name", "familyName"]]),
        ("name.familyName,name.givenName", &[&["name"]]),
        ("meta.version", &[&["meta", "version"]]),
        // 7644-3.4.2.5-03, A-03: attributes that are always returned stay
        ("id,schemas,userName", &[&["userName"]]),
        (ENTERPRISE, &[&[ENTERPRISE]]),
        (
            &format!("{ENTERPRISE}:manager.value"),
            &[&[ENTERPRISE, "manager", "value"]],
        ),
        ("unknown,members,department", &[]),
    ];
    for (excluded, gone) in cases {
        assert_eq!(
            projected(None, Some(excluded), &resource()),
            without(gone),
            "{excluded}"
        );
    }
}

#[test]
fn secrets_and_undescribed_data_are_never_shown() {
    let whole = projected(None, None, &resource());
    assert!(whole.get("password").is_none() && whole.get("unknown").is_none());
    let mut with_unknown = resource();
    with_unknown[ENTERPRISE]["unknown"] = json!(1);
    with_unknown["name"]["unknown"] = json!(1);
    with_unknown["urn:example:gone"] = json!({"a": 1});
    assert_eq!(projected(None, None, &with_unknown), whole);
    assert_eq!(projected(Some(""), None, &resource()), whole);
    assert_eq!(projected(Some(" , "), Some(""), &resource()), whole);
}

/// 7643-7-18 to 7643-7-21, A-63
#[test]
fn returned_decides() {
    let values = json!({"asked": "a", "always": "b", "never": "c", "plain": "d"});
    let mut extension = values.clone();
    extension["mixed"] = values;
    let resource = json!({"schemas": [USER], "id": "1", OWN: extension});
    let shown = |attributes: Option<&str>, excluded: Option<&str>| {
        projected(attributes, excluded, &resource)[OWN].clone()
    };

    let always = json!({"always": "b"});
    let default = json!({"always": "b", "plain": "d"});
    assert_eq!(
        shown(None, None),
        json!({"always": "b", "plain": "d", "mixed": default})
    );
    let always = json!({"always": "b", "mixed": always});
    assert_eq!(shown(Some("userName"), None), always);
    assert_eq!(shown(None, Some(OWN)), always);
    assert_eq!(
        shown(Some(&format!("{OWN}:asked")), None),
        json!({"asked": "a", "always": "b", "mixed": {"always": "b"}})
    );
    assert_eq!(shown(Some(&format!("{OWN}:never")), None), always);
    let whole = json!({"asked": "a", "always": "b", "plain": "d"});
    assert_eq!(
        shown(Some(&format!("{OWN}:mixed")), None),
        json!({"always": "b", "mixed": whole})
    );
    let part = json!({"always": "b", "plain": "d"});
    assert_eq!(
        shown(Some(&format!("{OWN}:mixed.plain")), None),
        json!({"always": "b", "mixed": part})
    );
    assert_eq!(
        shown(Some(OWN), None),
        json!({"asked": "a", "always": "b", "plain": "d", "mixed": whole})
    );

    // A sent attribute is part of the response to a write.
    let registry = registry();
    let user = registry.resource_type("User").unwrap();
    let schema = user.extension_of(OWN).unwrap();
    let path = |attribute: usize, sub: Option<usize>| AttributePath {
        extension: Some(schema.id.clone()),
        attribute: schema.attributes[attribute].clone(),
        sub: sub.map(|it| schema.attributes[attribute].sub_attributes[it].clone()),
    };
    let sent = Projection::default().with_sent(vec![path(0, None), path(4, Some(0))]);
    assert!(!sent.is_default());
    assert_eq!(
        apply(&sent, user, &resource)[OWN],
        json!({"asked": "a", "always": "b", "plain": "d", "mixed": whole})
    );
    // Another attribute of the same extension is not.
    let sub_only = Projection::default().with_sent(vec![path(4, Some(0))]);
    assert_eq!(
        apply(&sub_only, user, &resource)[OWN],
        json!({"always": "b", "plain": "d", "mixed": whole})
    );
    // Unless the same request excludes it (7644-3.9-04).
    for (excluded, expected) in [
        ("asked", json!({"always": "b", "plain": "d", "mixed": whole})),
        (
            "mixed.asked",
            json!({"asked": "a", "always": "b", "plain": "d", "mixed": part}),
        ),
    ] {
        let excluded = vec![format!("{OWN}:{excluded}")];
        let projection = Projection::new(None, Some(&excluded), LENIENT).unwrap();
        let sent = projection.with_sent(vec![path(0, None), path(4, Some(0))]);
        assert_eq!(apply(&sent, user, &resource)[OWN], expected, "{excluded:?}");
    }
}

#[test]
fn a_43_both_parameters_are_refused() {
    let list = vec!["userName".to_owned()];
    let error = Projection::new(Some(&list), Some(&list), LENIENT).unwrap_err();
    assert_eq!(error.scim_type().unwrap().as_str(), "invalidValue");
    assert!(Projection::new(Some(&list), Some(&[]), LENIENT).is_ok());
}

#[test]
fn a_62_malformed_names_are_refused() {
    let accepted_by = |policy, name: &str| Projection::new(Some(&[name.to_owned()]), None, policy).is_ok();
    let accepted = |name: &str| accepted_by(STRICT, name) && accepted_by(LENIENT, name);
    for name in [
        "userName",
        "members.$ref",
        "cost-center",
        ENTERPRISE,
        "urn:a:b:1.0:User:manager.value",
        "noSuchThing",
    ] {
        assert!(accepted(name), "{name}");
    }
    for name in [
        "emails[type eq \"work\"",
        "emails[type eq \"work\"]value",
        "emails[type eq \"work\"].a.b",
        "[type eq \"work\"]",
        "a b",
        "1x",
        "a.b.c",
        "urn:a:b.c.d.e",
        "a.",
        ".a",
        "é",
        "a/b",
        "urn:a b:c",
    ] {
        assert!(
            !accepted_by(LENIENT, name) && !accepted_by(STRICT, name),
            "{name}"
        );
    }
    // Not a notation of the RFC, but Microsoft's Postman collection has it.
    let postman = "emails[type eq \"work\"]";
    assert!(accepted_by(LENIENT, postman) && !accepted_by(STRICT, postman));
}

#[test]
fn a_projection_says_whether_an_attribute_is_needed() {
    let registry = registry();
    let group = registry.resource_type("Group").unwrap();
    let wants = |attributes: Option<&str>, excluded: Option<&str>| {
        let projection =
            Projection::new(names(attributes).as_deref(), names(excluded).as_deref(), LENIENT).unwrap();
        projection.wants(group, "members")
    };
    assert!(wants(None, None));
    assert!(!wants(None, Some("members")));
    assert!(!wants(
        None,
        Some("urn:ietf:params:scim:schemas:core:2.0:Group:MEMBERS")
    ));
    assert!(wants(None, Some("members.display")));
    assert!(!wants(Some("displayName"), None));
    assert!(wants(Some("members.value"), None));
}

/// 7643-7-18, 7644-3.4.2.5-03: a sub-attribute that is always returned is part of every response that can have its
/// parent.
#[test]
fn sub_attributes_that_are_always_returned() {
    const DEVICE: &str = "urn:example:params:scim:schemas:core:1.0:Device";
    let subs = json!([{"name": "always", "returned": "always"}, {"name": "plain"},
        {"name": "asked", "returned": "request"}, {"name": "never", "returned": "never"}]);
    let complex = |name: &str, multi_valued: bool, returned: &str| json!({"name": name, "type": "complex", "multiValued": multi_valued, "returned": returned, "subAttributes": subs});
    let attributes = json!([{"name": "serial"}, complex("single", false, "default"), complex("many", true, "default"),
        complex("waiting", false, "request"), complex("hidden", false, "never"), complex("fixed", false, "always")]);
    let files = [
        json!({"id": DEVICE, "attributes": attributes}),
        json!({"id": OWN, "attributes": attributes}),
        json!({"name": "Device", "endpoint": "/Devices", "schema": DEVICE,
            "schemaExtensions": [{"schema": OWN, "required": false}]}),
    ];
    let files = files.map(|it| ("file".to_owned(), it.to_string()));
    let registry = SchemaRegistry::load(&files).unwrap();
    let device = registry.resource_type("Device").unwrap();
    let value = json!({"always": 1, "plain": 2, "asked": 3, "never": 4});
    let values = json!({"serial": "s", "single": value, "many": [value, {"plain": 5}], "waiting": value,
        "hidden": value, "fixed": value});
    let mut resource = values.clone();
    resource[OWN] = values;

    // The values of the core schema, after a check that those of the extension are equal.
    let shown = |attributes: Option<&str>, excluded: Option<&str>| {
        let both = |list: Option<&str>| {
            let list = list?
                .split(',')
                .flat_map(|it| [it.to_owned(), format!("{OWN}:{it}")]);
            Some(list.collect::<Vec<_>>())
        };
        let projection =
            Projection::new(both(attributes).as_deref(), both(excluded).as_deref(), STRICT).unwrap();
        let mut core = apply(&projection, device, &resource);
        let extension = core.as_object_mut().unwrap().shift_remove(OWN).unwrap();
        assert_eq!(core, extension, "{attributes:?} {excluded:?}");
        core
    };
    let always = json!({"always": 1});
    let default = json!({"always": 1, "plain": 2});
    let least = json!({"single": always, "many": [always], "fixed": default});
    let with = |more: Value| {
        let mut expected = least.clone();
        expected
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        expected
    };
    let everything =
        json!({"serial": "s", "single": default, "many": [default, {"plain": 5}], "fixed": default});
    assert_eq!(shown(None, None), everything);
    for (attributes, more) in [
        ("serial", json!({"serial": "s"})),
        ("hidden", json!({})),
        ("single.asked", json!({"single": {"always": 1, "asked": 3}})),
        ("single.never", json!({})),
        ("many.plain", json!({"many": [default, {"plain": 5}]})),
        (
            "many",
            json!({"many": [{"always": 1, "plain": 2, "asked": 3}, {"plain": 5}]}),
        ),
        ("waiting.asked", json!({"waiting": {"always": 1, "asked": 3}})),
        ("fixed.asked", json!({"fixed": {"always": 1, "asked": 3}})),
    ] {
        assert_eq!(shown(Some(attributes), None), with(more), "{attributes}");
    }
    for (excluded, expected) in [
        ("single,serial,many", least.clone()),
        (
            "single.always,single.plain,serial,many.always,many.plain,fixed.always",
            least.clone(),
        ),
        (
            "fixed,serial,single",
            with(json!({"many": [default, {"plain": 5}]})),
        ),
        (
            "fixed.plain,serial,single,many",
            with(json!({"fixed": {"always": 1}})),
        ),
    ] {
        assert_eq!(shown(None, Some(excluded)), expected, "{excluded}");
    }
}

/// A schema selects its own attributes and none of those that all resources have.
#[test]
fn a_schema_selects_the_attributes_that_it_defines() {
    let shown = projected(Some(USER), None, &resource());
    assert_eq!(
        (&shown["userName"], &shown["externalId"]),
        (&json!("u"), &Value::Null),
        "{shown}"
    );
    assert_eq!(shown.get(ENTERPRISE), None, "{shown}");
}

/// clients of Entra with custom extensions treat all multi-valued attributes alike.
#[test]
fn simple_values_may_be_named_by_value() {
    let registry = registry();
    let user = registry.resource_type("User").unwrap();
    let own = json!({"tags": ["a"], "house": {"lines": ["1"], "town": "t"}, "plain": "p"});
    let resource = json!({"id": "1", OWN: own});
    let shown = |attributes: Option<&str>, excluded: Option<&str>, policy: Policy| {
        let of_own = |it: &str| format!("{OWN}:{it}");
        let [attributes, excluded] = [attributes, excluded].map(|it| it.map(|it| vec![of_own(it)]));
        let projection = Projection::new(attributes.as_deref(), excluded.as_deref(), policy).ok()?;
        let tolerances = Tolerances::new(policy);
        projection.check_names(&[&**user], &tolerances).unwrap();
        Some((
            apply(&projection, user, &resource)[OWN].clone(),
            tolerances.take(),
        ))
    };
    for (name, alone, without) in [
        (
            "tags.value",
            json!({"tags": ["a"]}),
            json!({"house": {"lines": ["1"], "town": "t"}, "plain": "p"}),
        ),
        (
            "House.Lines.VALUE",
            json!({"house": {"lines": ["1"]}}),
            json!({"tags": ["a"], "house": {"town": "t"}, "plain": "p"}),
        ),
    ] {
        let needed = vec![Tolerance::ValueOfSimple];
        assert_eq!(
            shown(Some(name), None, LENIENT),
            Some((alone, needed.clone())),
            "{name}"
        );
        assert_eq!(
            shown(None, Some(name), LENIENT),
            Some((without, needed)),
            "{name}"
        );
    }
    // The values of `house` are not simple, and a strict policy takes the name for an unknown one.
    assert_eq!(
        shown(Some("house.value"), None, LENIENT),
        Some((json!(null), vec![]))
    );
    for name in ["tags.value", "house.lines.value"] {
        assert_eq!(
            shown(Some(name), None, STRICT),
            Some((json!(null), vec![])),
            "{name}"
        );
    }
    let names = ["house.lines.value".to_owned()];
    assert!(Projection::new(Some(&names), None, LENIENT).is_ok());
    assert!(Projection::new(Some(&names), None, STRICT).is_err());
}
