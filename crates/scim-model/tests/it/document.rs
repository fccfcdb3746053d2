//! Bodies of POST and PUT against their schema: requirements 7643-2.*, 3.*, 4.*, 7644-3.3 and 3.5.1.

use scim_model::document::MAX_DOCUMENT;
use scim_model::{
    ClearText, Document, ErrorKind, Policy, SchemaRegistry, ScimError, Sent, SentSecrets, Tolerance,
};
use serde_json::{Value, json};

const LENIENT: Policy = Policy { lenient: true };
const STRICT: Policy = Policy { lenient: false };
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const ID: &str = "0190f7a0-0000-7000-8000-00000000000a";
const OTHER_ID: &str = "0190f7a0-0000-7000-8000-00000000000b";

fn create(type_name: &str, body: Value, policy: Policy) -> Result<Sent, ScimError> {
    let registry = SchemaRegistry::builtin();
    Document::for_create(registry.resource_type(type_name).unwrap(), body, policy)
}

fn replace(type_name: &str, current: Value, body: Value) -> Result<Sent, ScimError> {
    let registry = SchemaRegistry::builtin();
    Document::for_replace(
        registry.resource_type(type_name).unwrap(),
        &document(current),
        body,
        LENIENT,
    )
}

fn document(value: Value) -> Document {
    Document::from_values(value.as_object().unwrap().clone())
}

/// A user body with `userName` and the members of `more`.
fn user(more: Value) -> Value {
    let mut body = json!({"schemas": [USER], "userName": "bjensen"});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

/// The stored values of [`user`] without `userName` and `active`.
fn stored(more: Value, policy: Policy) -> Value {
    let sent = create("User", user(more), policy).unwrap();
    let mut members = sent.document.into_values();
    assert_eq!(members.shift_remove("userName"), Some("bjensen".into()));
    members.shift_remove("active");
    Value::Object(members)
}

/// The `scimType` and the detail of an error.
fn error(result: Result<Sent, ScimError>) -> (&'static str, String) {
    let error = result.unwrap_err();
    (error.scim_type().unwrap().as_str(), error.detail)
}

fn refused(more: Value, policy: Policy, keyword: &str, path: &str) {
    let what = more.to_string();
    let error = create("User", user(more), policy).unwrap_err();
    assert_eq!(error.scim_type().unwrap().as_str(), keyword, "{what}: {error}");
    assert_eq!(error.path.as_deref(), Some(path), "{what}: {error}");
    assert!(error.detail.starts_with(&format!("`{path}` ")), "{what}: {error}");
}

#[test]
fn r7643_1_1_01_only_required_attributes_must_be_sent() {
    let sent = create("User", user(json!({})), STRICT).unwrap();
    assert_eq!(sent.document, document(json!({"userName": "bjensen"})));
    assert_eq!(sent.members, None);
    let sent = create("Group", json!({"schemas": [GROUP], "displayName": "g"}), STRICT).unwrap();
    assert_eq!(sent.document, document(json!({"displayName": "g"})));
}

#[test]
fn r7643_2_1_01_names_in_any_case_become_canonical() {
    let body = json!({"SCHEMAS": [USER.to_uppercase()], "USERNAME": "a", "EMAILS": [{"VALUE": "x@y"}],
        ENTERPRISE.to_lowercase(): {"DEPARTMENT": "d"}});
    let sent = create("User", body, STRICT).unwrap();
    let expected = json!({"userName": "a", "emails": [{"value": "x@y"}],
        ENTERPRISE: {"department": "d"}});
    assert_eq!(sent.document, document(expected));
}

#[test]
fn r7643_2_3_values_of_another_type_are_refused() {
    let cases = [
        (json!({"title": 5}), "title"),
        (json!({"title": {"x": 1}}), "title"),
        (json!({"title": ["x"]}), "title"),
        (json!({"title": []}), "title"),
        (json!({"active": "yes"}), "active"),
        (json!({"active": 1}), "active"),
        (json!({"name": "x"}), "name"),
        (json!({"name": ["x"]}), "name"),
        (json!({"name": {"givenName": {"a": 1}}}), "name.givenName"),
        (json!({"emails": {}}), "emails"),
        (json!({"emails": 5}), "emails"),
        (json!({"emails": [5]}), "emails"),
        (json!({"emails": [["x"]]}), "emails"),
        (json!({"emails": [{"value": 5}]}), "emails.value"),
        (json!({"emails": [{"primary": "maybe"}]}), "emails.primary"),
        (json!({"externalId": 5}), "externalId"),
        (json!({"password": 5}), "password"),
        (json!({ENTERPRISE: "x"}), ENTERPRISE),
        (
            json!({ENTERPRISE: {"manager": 5}}),
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        ),
        (
            json!({ENTERPRISE: {"manager": {"value": 5}}}),
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        ),
    ];
    // Errors spell attributes like the schema.
    refused(
        json!({ENTERPRISE.to_uppercase(): {"DEPARTMENT": 5}}),
        STRICT,
        "invalidValue",
        &format!("{ENTERPRISE}:department"),
    );
    for (more, path) in cases {
        refused(more.clone(), LENIENT, "invalidValue", path);
        refused(more, STRICT, "invalidValue", path);
    }
}

#[test]
fn deviations_of_clients_are_accepted_leniently_and_refused_strictly() {
    let cases = [
        // A-33
        (
            json!({"emails": [{"value": "a", "primary": "True"}]}),
            json!({"emails": [{"value": "a", "primary": true}]}),
        ),
        // A-34, OneLogin
        (
            json!({"emails": {"value": "a", "type": "work"}}),
            json!({"emails": [{"value": "a", "type": "work"}]}),
        ),
        (
            json!({"emails": ["a", "b"]}),
            json!({"emails": [{"value": "a"}, {"value": "b"}]}),
        ),
        // A-37, Entra
        (
            json!({ENTERPRISE: {"manager": "271"}}),
            json!({ENTERPRISE: {"manager": {"value": "271"}}}),
        ),
        (json!({ENTERPRISE: {"manager": ""}}), json!({})),
    ];
    for (more, expected) in cases {
        assert_eq!(stored(more.clone(), LENIENT), expected);
        assert!(create("User", user(more.clone()), STRICT).is_err(), "{more}");
    }
    let sent = create("User", user(json!({"active": "False"})), LENIENT).unwrap();
    assert_eq!(sent.document.values()["active"], json!(false));
}

#[test]
fn a_11_unknown_attributes_are_ignored_or_refused() {
    let cases = [
        (json!({"custom": {"a": 1}}), "custom"),
        (json!({"employeeNumber": "5"}), "employeeNumber"),
        (
            json!({"emails": [{"value": "a", "displayName": "x"}]}),
            "emails.displayName",
        ),
        (json!({"urn:example:unknown": {"a": 1}}), "urn:example:unknown"),
        (
            json!({ENTERPRISE: {"shoe": 5}}),
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:shoe",
        ),
        (json!({"name.givenName": "x"}), "name.givenName"),
    ];
    for (more, path) in cases {
        refused(more.clone(), STRICT, "invalidSyntax", path);
        let mut kept = stored(more, LENIENT);
        if let Some(emails) = kept.as_object_mut().unwrap().shift_remove("emails") {
            assert_eq!(emails, json!([{"value": "a"}]));
        }
        assert_eq!(kept, json!({}));
    }
}

#[test]
fn a_01_schemas_names_the_core_schema() {
    // body's `schemas`, strict, lenient
    let cases = [
        (Some(json!([USER])), true, true),
        (
            Some(json!([ENTERPRISE, USER, USER, "urn:example:unknown"])),
            true,
            true,
        ),
        (None, false, true),
        (
            Some(json!([
                "urn:scim:schemas:core:2.0",
                "urn:scim:schemas:extension:enterprise:2.0"
            ])),
            false,
            true,
        ),
        (Some(json!(["urn:scim:schemas:core:1.0"])), false, true),
        // WSO2 sends an empty list; `null` is the same (RFC 7643 section 2.5).
        (Some(json!([])), false, true),
        (Some(json!(null)), false, true),
        (Some(json!(USER)), false, false),
        (Some(json!({})), false, false),
        (Some(json!([USER, 5])), false, false),
        (Some(json!([ENTERPRISE])), false, false),
        (Some(json!([GROUP])), false, false),
    ];
    for (schemas, strict, lenient) in cases {
        let mut body = json!({"userName": "a"});
        if let Some(schemas) = &schemas {
            body["schemas"] = schemas.clone();
        }
        for (policy, accepted) in [(STRICT, strict), (LENIENT, lenient)] {
            match create("User", body.clone(), policy) {
                Ok(_) => assert!(accepted, "{schemas:?}"),
                Err(error) => {
                    assert!(!accepted, "{schemas:?}");
                    assert_eq!(error.scim_type().unwrap().as_str(), "invalidSyntax");
                    assert!(error.detail.contains(USER), "{}", error.detail);
                }
            }
        }
    }
    for body in [json!([]), json!("x"), json!(null), json!(5)] {
        assert_eq!(error(create("User", body, LENIENT)).0, "invalidSyntax");
    }
}

#[test]
fn r7643_2_5_null_and_empty_are_unassigned() {
    let nulls = json!({"roles": [null, {"value": "r"}, null]});
    assert_eq!(stored(nulls.clone(), LENIENT), json!({"roles": [{"value": "r"}]}));
    refused(nulls, STRICT, "invalidValue", "roles");
    let more = json!({"title": null, "emails": [], "name": {}, "roles": [{}, {"value": null}],
        "nickName": null, "addresses": null, "externalId": null, ENTERPRISE: {"manager": null, "department": null},
        "phoneNumbers": [{"value": "1", "type": null}]});
    assert_eq!(stored(more, STRICT), json!({"phoneNumbers": [{"value": "1"}]}));
    // A-07: an empty string is kept as it came.
    let more = json!({"displayName": "", "name": {"familyName": " ", "middleName": ""}, "profileUrl": ""});
    assert_eq!(stored(more.clone(), STRICT), more);
}

#[test]
fn r7643_2_4_03_two_primaries_are_refused() {
    let two = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    refused(two, LENIENT, "invalidValue", "emails.primary");
    // This also applies to a document that was assembled from several parts, as in a PATCH.
    let registry = SchemaRegistry::builtin();
    let user_type = registry.resource_type("User").unwrap();
    let emails = json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}]);
    let patched = document(json!({"userName": "bjensen", "emails": emails}));
    let before = document(json!({"userName": "bjensen"}));
    for error in [
        patched.check(user_type),
        patched.check_patched(user_type, &before),
    ] {
        assert_eq!(
            error.unwrap_err().detail,
            "`emails.primary` must be true for one value at most"
        );
    }
    let one = json!({"emails": [{"value": "a", "primary": false}, {"value": "b", "primary": true}]});
    assert_eq!(stored(one.clone(), STRICT), one);
}

#[test]
fn r7643_2_4_09_a_value_of_one_type_occurs_once() {
    let more = json!({"emails": [{"value": "a", "type": "work"}, {"value": "a", "type": "home"},
        {"value": "a", "type": "work", "primary": true}]});
    let expected =
        json!({"emails": [{"value": "a", "type": "work", "primary": true}, {"value": "a", "type": "home"}]});
    assert_eq!(stored(more, STRICT), expected);
    // Two values that differ are not merged, because neither is complete.
    let more = json!({"emails": [{"value": "a", "type": "work", "display": "A"}, {"value": "b"},
        {"value": "a", "type": "work", "primary": true}, {"value": "a", "type": "work"}, {"value": "b"}]});
    refused(more.clone(), STRICT, "invalidValue", "emails");
    let expected = json!({"emails": [{"value": "a", "type": "work", "display": "A"}, {"value": "b"},
        {"value": "a", "type": "work", "primary": true}]});
    assert_eq!(stored(more, LENIENT), expected);
    // Values without `value` are not compared.
    let more = json!({"addresses": [{"locality": "x"}, {"locality": "y"}]});
    assert_eq!(stored(more.clone(), STRICT), more);
}

#[test]
fn r7643_4_required_attributes_must_have_a_value() {
    for user_name in [None, Some(json!(null)), Some(json!(""))] {
        let mut body = json!({"schemas": [USER]});
        if let Some(value) = user_name {
            body["userName"] = value;
        }
        let (keyword, detail) = error(create("User", body, LENIENT));
        assert_eq!(keyword, "invalidValue");
        assert!(detail.contains("`userName` is required"), "{detail}");
    }
    let (keyword, detail) = error(create(
        "Group",
        json!({"schemas": [GROUP], "displayName": ""}),
        LENIENT,
    ));
    assert_eq!(keyword, "invalidValue");
    assert!(detail.contains("`displayName`"), "{detail}");
}

#[test]
fn read_only_attributes_and_passwords_are_not_stored() {
    // 7644-3.3-01, 7644-3.5.1-07, A-35
    let more = json!({"id": 5, "meta": {"created": "1999"}, "groups": [{"value": "x"}], "password": "s3cret",
        ENTERPRISE: {"manager": {"value": "m", "displayName": "Boss", "$ref": "../Users/x"}}});
    let sent = create("User", user(more), STRICT).unwrap();
    let expected = json!({"userName": "bjensen", ENTERPRISE: {"manager": {"value": "m"}}});
    assert_eq!(sent.document, document(expected));
    let secrets = |value| [("password".to_owned(), value)].into();
    assert_eq!(sent.secrets, secrets(Some(ClearText::new("s3cret"))));
    let cleared = create("User", user(json!({"PassWord": null})), STRICT).unwrap();
    assert_eq!(cleared.secrets, secrets(None));
    let silent = create("User", user(json!({})), STRICT).unwrap();
    assert_eq!(silent.secrets, SentSecrets::new());
}

#[test]
fn r7643_2_3_7_a_manager_may_be_named_by_its_uri_alone() {
    let more = json!({ENTERPRISE: {"manager": {"$ref": "https://example.com/scim/v2/Users/m1/?x=1#y"}}});
    assert_eq!(
        stored(more, STRICT),
        json!({ENTERPRISE: {"manager": {"value": "m1"}}})
    );
}

/// A URI can replace the `value` of a reference, but no other required sub-attribute.
#[test]
fn r7643_7_a_required_description_of_a_reference_must_be_sent() {
    let device = "urn:example:params:scim:schemas:core:1.0:Device";
    let schema = json!({"id": device, "attributes": [{"name": "owner", "type": "complex", "subAttributes": [
        {"name": "value", "required": true}, {"name": "role", "required": true},
        {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}]});
    let resource_type = json!({"name": "Device", "endpoint": "/Devices", "schema": device});
    let file = ("file".to_owned(), json!([schema, resource_type]).to_string());
    let registry = SchemaRegistry::load(&[file]).unwrap();
    let create = |owner: Value| {
        let body = json!({"schemas": [device], "owner": owner});
        Document::for_create(registry.resource_type("Device").unwrap(), body, STRICT)
    };
    let uri = format!("../Users/{ID}");
    create(json!({"$ref": uri, "role": "user"})).unwrap();
    for owner in [json!({"$ref": uri}), json!({"value": ID, "$ref": uri})] {
        let error = create(owner).unwrap_err();
        assert_eq!(error.path.as_deref(), Some("owner.role"));
    }
}

#[test]
fn values_are_stored_as_they_are_sent() {
    let more = json!({"displayName": "Łukasz 𝒳 日本\n", "locale": "en_US", "userType": "Robot",
        "preferredLanguage": "da, en-gb;q=0.8", "profileUrl": "BAPNQLJSRQGD", "phoneNumbers": [{"value": "+1 (555) 010"}],
        "emails": [{"value": "A@EX.COM", "type": "private"}], "addresses": [{"formatted": "a\nb", "country": "USA"}],
        "x509Certificates": [{"value": "MAA="}, {"value": "MAA"}], "roles": [{"value": "{\"id\":1}"}]});
    assert_eq!(stored(more.clone(), LENIENT), more);
}

#[test]
fn formats_are_checked() {
    let certificate = |value: &str| json!({"x509Certificates": [{"value": value}]});
    for policy in [LENIENT, STRICT] {
        refused(
            json!({"profileUrl": "not a uri"}),
            policy,
            "invalidValue",
            "profileUrl",
        );
        refused(
            json!({"photos": [{"value": "x y"}]}),
            policy,
            "invalidValue",
            "photos.value",
        );
        refused(
            certificate("###"),
            policy,
            "invalidValue",
            "x509Certificates.value",
        );
    }
    // A-36, 7643-4.1.2-19
    refused(
        json!({"addresses": [{"country": "USA"}]}),
        STRICT,
        "invalidValue",
        "addresses.country",
    );
    refused(
        certificate("AAAA"),
        STRICT,
        "invalidValue",
        "x509Certificates.value",
    );
    stored(json!({"addresses": [{"country": "US"}]}), STRICT);
    stored(certificate("MIEBAA=="), LENIENT);
    stored(certificate("MAMCAQE="), STRICT);
    // A length of two bytes: 0x0102, with as many zeros after it, and one too many.
    stored(certificate(&format!("MIIBAg{}==", "A".repeat(344))), STRICT);
    refused(
        certificate(&format!("MIIBAg{}=", "A".repeat(345))),
        STRICT,
        "invalidValue",
        "x509Certificates.value",
    );
    // A-49
    for user_name in ["b jensen", "\u{1f600}", "b\u{1100}"] {
        let body = json!({"schemas": [USER], "userName": user_name});
        assert!(create("User", body.clone(), LENIENT).is_ok(), "{user_name:?}");
        assert_eq!(
            error(create("User", body, STRICT)).0,
            "invalidValue",
            "{user_name:?}"
        );
    }
    for user_name in [
        "bjensen@example.com",
        "\u{e9}mile",
        "\u{ff42}jensen",
        "\u{5f20}\u{4e09}",
    ] {
        let body = json!({"schemas": [USER], "userName": user_name});
        assert!(create("User", body, STRICT).is_ok(), "{user_name:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let long = |length: usize| "x".repeat(length);
    let certificate = |length: usize| json!({"x509Certificates": [{"value": "A".repeat(length)}]});
    stored(certificate(65536), LENIENT);
    refused(
        certificate(65540),
        LENIENT,
        "invalidValue",
        "x509Certificates.value",
    );
    stored(json!({"displayName": long(8192)}), STRICT);
    refused(
        json!({"displayName": long(8193)}),
        LENIENT,
        "invalidValue",
        "displayName",
    );
    refused(
        json!({"emails": [{"value": long(8193)}]}),
        LENIENT,
        "invalidValue",
        "emails.value",
    );
    refused(
        json!({"userName": long(1025)}),
        LENIENT,
        "invalidValue",
        "userName",
    );
    refused(
        json!({"password": long(8193)}),
        LENIENT,
        "invalidValue",
        "password",
    );
    let many: Vec<Value> = (0..150)
        .map(|it| json!({"value": format!("{it}{}", long(8000))}))
        .collect();
    let error = create("User", user(json!({"emails": many})), LENIENT).unwrap_err();
    assert_eq!((error.kind, error.path), (ErrorKind::TooLarge, None));
}

#[test]
fn members_are_ids_in_order_and_once() {
    let group = |members: Value| {
        create(
            "Group",
            json!({"schemas": [GROUP], "displayName": "g", "members": members}),
            LENIENT,
        )
    };
    let sent = group(
        json!([{"value": OTHER_ID, "display": "x", "type": "User"}, {"value": ID, "$ref": null},
        {"$ref": format!("../Users/{OTHER_ID}")}, {"value": ID.to_uppercase()}]),
    )
    .unwrap();
    assert_eq!(
        sent.members
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [OTHER_ID, ID]
    );
    assert_eq!(
        sent.member_types,
        [(OTHER_ID.parse().unwrap(), "User".to_owned())]
    );
    assert_eq!(sent.document, document(json!({"displayName": "g"})));
    assert_eq!(group(json!(null)).unwrap().members, None);
    // A-26, 7643-4.2-05
    for (members, named) in [
        (json!([{"value": "nobody"}]), "nobody"),
        (json!([{"value": ID.replace('-', "")}]), &ID.replace('-', "")),
        (json!([{"display": "x", "type": "User"}]), "members.value"),
    ] {
        let (keyword, detail) = error(group(members));
        assert_eq!(keyword, "invalidValue");
        assert!(detail.contains(named), "{detail}");
    }
}

#[test]
fn r7643_2_3_8_01_the_order_of_members_does_not_matter() {
    let registry = SchemaRegistry::builtin();
    let resource_type = registry.resource_type("User").unwrap();
    let one = json!({"schemas": [USER], "userName": "a", "title": "t", "name": {"givenName": "g", "familyName": "f"},
        ENTERPRISE: {"department": "d", "costCenter": "c"}, "externalId": "e"});
    let other = json!({ENTERPRISE: {"costCenter": "c", "department": "d"}, "externalId": "e",
        "name": {"familyName": "f", "givenName": "g"}, "title": "t", "userName": "a", "schemas": [USER]});
    let text = |body| {
        Document::for_create(resource_type, body, STRICT)
            .unwrap()
            .document
            .to_stored_json(resource_type)
    };
    let expected = format!(
        r#"{{"schemas":["{USER}","{ENTERPRISE}"],"externalId":"e","userName":"a","name":{{"familyName":"f","givenName":"g"}},"title":"t","{ENTERPRISE}":{{"costCenter":"c","department":"d"}}}}"#
    );
    assert_eq!(text(one), expected);
    assert_eq!(text(other), expected);
}

#[test]
fn a_stored_document_can_be_read_again() {
    let registry = SchemaRegistry::builtin();
    let resource_type = registry.resource_type("User").unwrap();
    let body = user(
        json!({"displayName": "\"\\/\u{8}\u{1f}\n\u{2028}é", "emails": [{"value": "a", "primary": false}]}),
    );
    let sent = Document::for_create(resource_type, body, STRICT).unwrap();
    let text = sent.document.to_stored_json(resource_type);
    assert_eq!(Document::from_stored_json(&text).unwrap(), sent.document);
    assert_eq!(sent.document.schemas(resource_type), [USER]);
}

#[test]
fn r7644_3_5_1_a_replacement_clears_what_it_leaves_out() {
    let current = json!({"userName": "old", "active": false, "nickName": "n", "externalId": "e",
        "emails": [{"value": "a"}], ENTERPRISE: {"department": "d"}});
    let sent = replace("User", current.clone(), user(json!({"roles": []}))).unwrap();
    assert_eq!(
        sent.document,
        document(json!({"userName": "bjensen", "active": false}))
    );
    // A-08: unassigned, which means true.
    let sent = replace("User", current, user(json!({"active": null}))).unwrap();
    assert_eq!(sent.document, document(json!({"userName": "bjensen"})));
    let registry = SchemaRegistry::builtin();
    let normal = sent.document.normal_form(registry.resource_type("User").unwrap());
    assert_eq!(normal["active"], json!(true));
    // A-17: members too.
    let sent = replace(
        "Group",
        json!({"displayName": "g"}),
        json!({"schemas": [GROUP], "displayName": "h"}),
    )
    .unwrap();
    assert_eq!(sent.members, Some(vec![]));
    // 7644-3.5.1-08
    let (keyword, detail) = error(replace(
        "User",
        json!({"userName": "old"}),
        json!({"schemas": [USER]}),
    ));
    assert_eq!(keyword, "invalidValue");
    assert!(detail.contains("`userName`"), "{detail}");
}

/// 7643-2.3.7-01
#[test]
fn a_strict_policy_accepts_only_whole_percent_escapes_in_a_uri() {
    for uri in [
        "",
        "https://example.com/a%20b?c=%C3%A9#%2f",
        "%41",
        "../photos/100%25",
        "urn:example:%e2%82%ac",
    ] {
        let more = json!({"profileUrl": uri, "photos": [{"value": format!("x{uri}")}]});
        assert_eq!(stored(more.clone(), STRICT), more);
    }
    for uri in [
        "%", "%4", "a%2", "%zz", "%4g", "%%41", "100%", "a%2/b", "%-1", "é",
    ] {
        let more = json!({"profileUrl": uri});
        refused(more.clone(), STRICT, "invalidValue", "profileUrl");
        assert_eq!(stored(more.clone(), LENIENT), more);
        let more = json!({"photos": [{"value": uri}]});
        refused(more.clone(), STRICT, "invalidValue", "photos.value");
        assert_eq!(stored(more.clone(), LENIENT), more);
    }
    for uri in [
        "a b", "a\u{a0}b", "<x>", "a\"b", "a\\b", "a^b", "{x}", "a|b", "a\n",
    ] {
        for policy in [STRICT, LENIENT] {
            refused(json!({"profileUrl": uri}), policy, "invalidValue", "profileUrl");
        }
    }
}

/// 7643-2.4-09: the `type` is part of a value's identity.
#[test]
fn values_that_differ_in_their_type_are_different_values() {
    let more = json!({"emails": [{"value": "a", "type": "work", "display": "A"}, {"value": "a"},
        {"value": "a", "type": "home"}, {"value": "A", "type": "work"}]});
    for policy in [STRICT, LENIENT] {
        assert_eq!(stored(more.clone(), policy), more);
    }
    // The more complete of two versions of one value takes the place of the first.
    let more = json!({"emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "work"},
        {"value": "a", "type": "home"}, {"value": "a", "type": "work", "display": "A"}]});
    let expected = json!({"emails": [{"value": "a", "type": "work", "display": "A"},
        {"value": "b", "type": "work"}, {"value": "a", "type": "home"}]});
    assert_eq!(stored(more, STRICT), expected);
}

/// A-08
#[test]
fn unassigned_attributes_can_be_filled_with_their_default() {
    let registry = SchemaRegistry::builtin();
    let user_type = registry.resource_type("User").unwrap();
    let filled = |values: Value| {
        let mut document = document(values);
        document.fill_defaults(user_type);
        Value::Object(document.into_values())
    };
    let expected = json!({"userName": "a", "active": true});
    assert_eq!(filled(json!({"userName": "a"})), expected);
    let inactive = json!({"userName": "a", "active": false});
    assert_eq!(filled(inactive.clone()), inactive);
}

#[test]
fn the_size_of_a_document_is_that_of_its_text() {
    let registry = SchemaRegistry::builtin();
    let check = |type_name: &str, name: &str, value: Value| {
        let values = json!({"userName": "a", "displayName": "g", name: value});
        document(values).check(registry.resource_type(type_name).unwrap())
    };
    let text = |length: usize| Value::from("x".repeat(length));
    // `userName` and `displayName` need 25 bytes, and the quotes of a string 2.
    let room = MAX_DOCUMENT - 25 - "nickName".len();
    assert_eq!(check("User", "nickName", text(room - 2)), Ok(()));
    let error = check("User", "nickName", text(room - 1)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    // About one byte of JSON counts as one byte, for values of any kind.
    for (element, length) in [
        (json!(null), 5),
        (json!(true), 5),
        (json!(1234567), 8),
        (json!("abc"), 6),
        (json!([1, 2]), 5),
        (json!({"value": "a", "type": "b"}), 24),
    ] {
        let count = MAX_DOCUMENT / length;
        let list = |count: usize| Value::from(vec![element.clone(); count]);
        assert_eq!(check("User", "roles", list(count * 9 / 10)), Ok(()), "{element}");
        assert!(
            check("User", "roles", list(count * 11 / 10)).is_err(),
            "{element}"
        );
        // Members are rows.
        assert_eq!(check("Group", "members", list(count * 11 / 10)), Ok(()));
    }
}

/// The client cannot repair it, so the error does not blame the request.
#[test]
fn a_damaged_stored_document_is_an_internal_error() {
    for text in ["", "damaged", "[]", r#"{"a":"#] {
        let error = Document::from_stored_json(text).unwrap_err();
        assert_eq!((error.kind, error.path), (ErrorKind::Internal, None), "{text}");
    }
}

/// A-49: a user name that looks like another one, or that shows nothing, is refused under every policy.
#[test]
fn a_user_name_has_no_invisible_characters_and_no_blanks_around_it() {
    let named = |name: &str| json!({"schemas": [USER], "userName": name});
    let refused = [
        (" ", "must not be blank"),
        ("\u{3000}\u{a0}", "must not be blank"),
        (" bjensen", "must not begin or end with a blank"),
        ("bjensen ", "must not begin or end with a blank"),
        ("bjensen\u{a0}", "must not begin or end with a blank"),
        ("\u{2003}bjensen", "must not begin or end with a blank"),
        ("bjensen\u{2028}", "U+2028"),
        ("b\u{2029}jensen", "U+2029"),
        ("\u{2028}", "U+2028"),
        ("\u{3164}", "U+3164"),
        ("\u{3164}\u{3164}", "U+3164"),
        ("b\u{115f}jensen", "U+115F"),
        ("\u{1160}", "U+1160"),
        ("\u{ffa0}", "U+FFA0"),
        ("\u{2800}", "U+2800"),
        ("b\u{2800}jensen", "U+2800"),
        ("b\u{34f}", "U+034F"),
        ("b\u{fe0f}", "U+FE0F"),
        ("b\u{180b}", "U+180B"),
        ("b\u{17b4}", "U+17B4"),
        ("b\njensen", "U+000A"),
        ("bjensen\t", "U+0009"),
        ("b\u{7f}", "U+007F"),
        ("b\u{85}", "U+0085"),
        ("b\u{ad}jensen", "U+00AD"),
        ("b\u{200b}jensen", "U+200B"),
        ("b\u{200d}jensen", "U+200D"),
        ("\u{202e}nesnejb", "U+202E"),
        ("\u{2066}b\u{2069}", "U+2066"),
        ("\u{feff}bjensen", "U+FEFF"),
        ("b\u{e0041}", "U+E0041"),
        ("b\u{e000}", "U+E000"),
        ("b\u{10fffd}", "U+10FFFD"),
        ("b\u{378}", "U+0378"),
        ("b\u{fdd0}", "U+FDD0"),
        ("b\u{10ffff}", "U+10FFFF"),
    ];
    for (name, reason) in refused {
        for policy in [LENIENT, STRICT] {
            let (keyword, detail) = error(create("User", named(name), policy));
            assert_eq!(keyword, "invalidValue", "{name:?}");
            assert!(
                detail.starts_with("`userName`") && detail.contains(reason),
                "{name:?}: {detail}"
            );
        }
    }
    for name in [
        "b jensen",
        "BJensen@example.com",
        "DOMAIN\\b",
        "\u{1f600}",
        "e\u{301}",
        "\u{ff22}",
        "\u{645}",
        "\u{1100}\u{1161}",
        "\u{2801}",
        "b\u{a0}jensen",
    ] {
        assert!(create("User", named(name), LENIENT).is_ok(), "{name:?}");
    }
    // Other attributes keep what they are given.
    let group = json!({"schemas": [GROUP], "displayName": " Tour\u{200b} Guides "});
    assert!(create("Group", group, STRICT).is_ok());
}

/// A-49: a name that was stored before a rule existed can be repeated, and no other such name can be written.
#[test]
fn a_replacement_may_repeat_the_stored_user_name() {
    let registry = SchemaRegistry::builtin();
    let resource_type = registry.resource_type("User").unwrap();
    for policy in [LENIENT, STRICT] {
        let replaced = |stored: &str, name: &str| {
            let current = document(json!({"userName": stored, "active": true}));
            let body = json!({"schemas": [USER], "userName": name, "active": false});
            Document::for_replace(resource_type, &current, body, policy)
        };
        for stored in ["bob ", "bo\u{200b}b", " "] {
            let sent = replaced(stored, stored).unwrap();
            let expected = json!({"userName": stored, "active": false});
            assert_eq!(Value::Object(sent.document.into_values()), expected);
            for other in ["Bob ", "bob  ", "b\u{200b}ob", ""] {
                assert_eq!(error(replaced(stored, other)).0, "invalidValue", "{other:?}");
            }
            assert!(replaced(stored, "bob").is_ok());
        }
        let body = json!({"schemas": [USER], "userName": "bob "});
        assert_eq!(error(create("User", body, policy)).0, "invalidValue");
    }
}

/// AWS's identity sync creates users with `"manager": {"value": ""}`, and Microsoft's validator sends the same in a
/// PUT.
#[test]
fn an_empty_reference_counts_as_no_reference() {
    for manager in [
        json!({"value": ""}),
        json!({"value": "", "displayName": "x"}),
        json!({"value": "", "$ref": ""}),
        // A `$ref` in the same object belongs to the cleared reference, or is a template without the id.
        json!({"value": "", "$ref": "../Users/26118915"}),
        json!({"value": "", "$ref": "../Users/"}),
        json!({"VALUE": ""}),
        json!(""),
    ] {
        let body = json!({"schemas": [USER, ENTERPRISE], "userName": "a",
            ENTERPRISE: {"department": "D", "manager": manager}});
        let sent = create("User", body.clone(), LENIENT).unwrap();
        let expected = json!({"userName": "a", ENTERPRISE: {"department": "D"}});
        assert_eq!(Value::Object(sent.document.into_values()), expected, "{manager}");
        let registry = SchemaRegistry::builtin();
        let user = registry.resource_type("User").unwrap();
        let before = json!({"userName": "a", ENTERPRISE: {"manager": {"value": "26118915"}}});
        let before = Document::from_values(before.as_object().unwrap().clone());
        let sent = Document::for_replace(user, &before, body, LENIENT).unwrap();
        assert_eq!(Value::Object(sent.document.into_values()), expected, "{manager}");
    }
    // Without a `value`, the URI names the manager.
    for value in [json!({}), json!({"value": null})] {
        let mut manager = value;
        manager["$ref"] = json!("../Users/26118915");
        let body = json!({"schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: {"manager": manager}});
        let sent = create("User", body, LENIENT).unwrap();
        assert_eq!(
            sent.document.values()[ENTERPRISE]["manager"],
            json!({"value": "26118915"})
        );
    }
    let strict =
        json!({"schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: {"manager": {"value": ""}}});
    let sent = create("User", strict, STRICT).unwrap();
    assert_eq!(
        sent.document.values()[ENTERPRISE]["manager"],
        json!({"value": ""})
    );
}

#[test]
fn a_body_reports_the_tolerances_that_it_needs() {
    let needed = |body: Value, policy| {
        let sent = create("User", body, policy).unwrap();
        sent.tolerances.iter().map(|it| it.name()).collect::<Vec<_>>()
    };
    let plain = json!({"schemas": [USER], "userName": "a", "active": true});
    for policy in [STRICT, LENIENT] {
        assert_eq!(needed(plain.clone(), policy), [""; 0]);
    }
    let body = json!({"schemas": null, "userName": "a", "active": "True", "shoeSize": 44, "roles": ["b", "c"],
        ENTERPRISE: {"manager": {"value": ""}}});
    let expected = [
        "empty_schemas",
        "boolean_text",
        "unknown_ignored",
        "text_for_complex",
        "empty_reference",
    ];
    assert_eq!(needed(body, LENIENT), expected);
    assert_eq!(needed(json!({"userName": "a"}), LENIENT), ["missing_schemas"]);
    let body = json!({"schemas": ["urn:scim:schemas:core:1.0"], "userName": "a"});
    assert_eq!(needed(body, LENIENT), ["other_schemas"]);
    for (more, expected) in [
        (json!({"emails": {"value": "a@b.c"}}), vec!["single_for_array"]),
        (
            json!({"roles": "admin"}),
            vec!["single_for_array", "text_for_complex"],
        ),
        (json!({"emails": [null]}), vec!["null_element"]),
        (json!({"emails": null, "roles": []}), vec![]),
        (
            json!({ENTERPRISE: {"manager": {"$ref": ""}}}),
            vec!["empty_reference"],
        ),
    ] {
        assert_eq!(needed(user(more.clone()), LENIENT), expected, "{more}");
    }
    let body = json!({"schemas": [GROUP], "displayName": "g", "members": {"value": ID}});
    let sent = create("Group", body, LENIENT).unwrap();
    assert_eq!(sent.tolerances, [Tolerance::SingleForArray]);
}

/// Applivery and Laravel's clients use the URN of the core schema like that of an extension, and ConnId writes an
/// extension attribute as one key. No value under a known URN is lost.
#[test]
fn attributes_are_found_under_any_key_with_their_urn() {
    let stored = |extra: &Value| {
        let mut body = json!({"schemas": [USER, ENTERPRISE], "userName": "a"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let lenient = create("User", body.clone(), LENIENT);
        let strict = create("User", body.clone(), STRICT);
        assert!(strict.is_err() || strict.unwrap().tolerances.is_empty());
        let registry = SchemaRegistry::builtin();
        let before = Document::from_values(
            json!({"userName": "a", "active": true})
                .as_object()
                .unwrap()
                .clone(),
        );
        let replaced = Document::for_replace(registry.resource_type("User").unwrap(), &before, body, LENIENT);
        assert_eq!(replaced.is_ok(), lenient.is_ok());
        lenient.map(|it| {
            let needed: Vec<_> = it.tolerances.iter().map(|it| it.name()).collect();
            (Value::Object(it.document.into_values()), needed.join(" "))
        })
    };
    let check = |extra: Value, expected: Value, needed: &str| {
        let mut all = json!({"userName": "a"});
        all.as_object_mut()
            .unwrap()
            .extend(expected.as_object().unwrap().clone());
        assert_eq!(stored(&extra).unwrap(), (all, needed.to_owned()), "{extra}");
    };
    let key = |urn: &str, rest: &str| format!("{urn}{rest}");
    let department = json!({ENTERPRISE: {"department": "D"}});
    check(
        json!({USER: {"title": "t"}}),
        json!({"title": "t"}),
        "core_urn_container",
    );
    check(
        json!({USER.to_lowercase(): {"title": "t"}}),
        json!({"title": "t"}),
        "core_urn_container",
    );
    check(
        json!({USER: {"title": "t"}, "title": "t"}),
        json!({"title": "t"}),
        "core_urn_container",
    );
    check(
        json!({USER: {ENTERPRISE: {"department": "D"}}}),
        department.clone(),
        "core_urn_container",
    );
    check(json!({USER: null}), json!({}), "");
    check(
        json!({key(USER, ":title"): "t"}),
        json!({"title": "t"}),
        "qualified_key",
    );
    check(
        json!({key(USER, ".title"): "t"}),
        json!({"title": "t"}),
        "dot_after_urn",
    );
    check(
        json!({key(ENTERPRISE, ":department"): "D"}),
        department.clone(),
        "qualified_key",
    );
    check(
        json!({key(ENTERPRISE, ".Department"): "D"}),
        department.clone(),
        "dot_after_urn",
    );
    check(
        json!({key(&ENTERPRISE.to_uppercase(), ".department"): "D"}),
        department.clone(),
        "dot_after_urn",
    );
    check(
        json!({ENTERPRISE: {key(ENTERPRISE, ":department"): "D"}}),
        department.clone(),
        "qualified_key",
    );
    check(
        json!({ENTERPRISE: {"costCenter": "C"}, key(ENTERPRISE, ".department"): "D"}),
        json!({ENTERPRISE: {"costCenter": "C", "department": "D"}}),
        "dot_after_urn",
    );
    check(
        json!({key(ENTERPRISE, ".department"): "D", ENTERPRISE.to_uppercase(): {"costCenter": "C"}}),
        json!({ENTERPRISE: {"costCenter": "C", "department": "D"}}),
        "dot_after_urn",
    );
    check(
        json!({key(ENTERPRISE, ":manager.value"): "7", key(ENTERPRISE, ":manager.displayName"): "x"}),
        json!({ENTERPRISE: {"manager": {"value": "7"}}}),
        "qualified_key",
    );
    check(
        json!({ENTERPRISE: {ENTERPRISE.to_uppercase(): {"department": "D"}}}),
        department.clone(),
        "qualified_key",
    );
    check(
        json!({ENTERPRISE: {"costCenter": "C", "manager.value": "7"}}),
        json!({ENTERPRISE: {"costCenter": "C", "manager": {"value": "7"}}}),
        "path_as_key",
    );
    check(
        json!({USER: {"name.givenName": "g", "NAME.familyName": "f"}, "name": {"formatted": "g f"}}),
        json!({"name": {"formatted": "g f", "familyName": "f", "givenName": "g"}}),
        "core_urn_container path_as_key",
    );
    check(
        json!({USER: {"externalId": "e", "id": "i", "meta": {"version": "v"}}}),
        json!({"externalId": "e"}),
        "core_urn_container",
    );
    for unknown in ["shoeSize", "name.shoeSize", "title.value"] {
        check(
            json!({USER: {unknown: 44}}),
            json!({}),
            "core_urn_container unknown_ignored",
        );
    }
    for unknown in ["shoeSize", "manager.managerId", "department."] {
        check(json!({ENTERPRISE: {unknown: 44}}), json!({}), "unknown_ignored");
    }
    for refused in [
        json!({USER: {"title": "t"}, "title": "u"}),
        json!({USER: "t"}),
        json!({key(ENTERPRISE, ".manager.managerId"): "7"}),
        json!({key(ENTERPRISE, ".shoeSize"): 44}),
        json!({key(ENTERPRISE, ":shoeSize"): 44}),
        json!({key(USER, ":shoeSize"): 44}),
        json!({key(USER, "."): 44}),
        json!({ENTERPRISE: {key(ENTERPRISE, ".shoeSize"): 44}}),
        json!({ENTERPRISE: {"department": "C"}, key(ENTERPRISE, ".department"): "D"}),
    ] {
        assert!(stored(&refused).is_err(), "{refused}");
    }
    check(
        json!({"urn:example:unknown:User": {"title": "t"}}),
        json!({}),
        "unknown_ignored",
    );
}

/// In a PUT, an attribute that the body names under the URN does not count as left out.
#[test]
fn a_replacement_finds_what_a_core_container_names() {
    let registry = SchemaRegistry::builtin();
    let before = Document::from_values(
        json!({"userName": "a", "active": true})
            .as_object()
            .unwrap()
            .clone(),
    );
    let body = json!({"schemas": [USER], USER: {"userName": "a", "active": false}});
    let sent =
        Document::for_replace(registry.resource_type("User").unwrap(), &before, body, LENIENT).unwrap();
    assert_eq!(
        Value::Object(sent.document.into_values()),
        json!({"userName": "a", "active": false})
    );
}

#[test]
fn a_value_can_be_added_to_a_document_for_a_while() {
    let stored = json!({"displayName": "g"});
    let mut group = document(stored.clone());
    group.insert("members", json!([{"value": ID}]));
    assert_eq!(group.values()["members"], json!([{"value": ID}]));
    assert_eq!(group.remove("members"), Some(json!([{"value": ID}])));
    assert_eq!(Value::Object(group.into_values()), stored);
}

/// 7643-4.2-05
#[test]
fn a_member_needs_an_id_unless_nothing_is_assigned() {
    let group = |members: Value| {
        let body = json!({"schemas": [GROUP], "displayName": "g", "members": members});
        create("Group", body, LENIENT)
    };
    let (keyword, detail) = error(group(json!([{"display": "Babs"}])));
    assert_eq!(keyword, "invalidValue");
    assert!(detail.contains("`members.value` is required"), "{detail}");
    for nothing in [json!([{}]), json!([{"value": null}])] {
        assert!(group(nothing).unwrap().members.is_none_or(|it| it.is_empty()));
    }
}
