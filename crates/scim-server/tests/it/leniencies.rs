//! Departures from the RFCs that clients need, end to end, in both modes.

use scim_server::service::Settings;
use serde_json::{Value, json};

use crate::harness::{Choice, GROUP, Server, USER, encode};

/// A schema of this server that the type does not have is no unknown attribute.
#[test]
fn a_key_with_the_schema_of_another_type_is_refused() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let group = acme.create_group("Guides", &[]);
        let dotted = format!("{ENTERPRISE}.department");
        let keys = [
            (ENTERPRISE.to_owned(), json!({ "department": "x" })),
            (ENTERPRISE.to_lowercase(), json!({ "department": "x" })),
            (format!("{ENTERPRISE}:department"), json!("x")),
            (dotted, json!("x")),
            (format!("{USER}:title"), json!("x")),
        ];
        for (key, value) in keys {
            let body = json!({ "schemas": [GROUP], "displayName": "Others", &key: value });
            acme.post("/Groups", body.clone())
                .expect_error(400, Some("invalidSyntax"));
            acme.put(&group.path, body)
                .expect_error(400, Some("invalidSyntax"));
            let operations = json!([{ "op": "add", "value": { &key: value } }]);
            acme.patch(&group.path, operations)
                .expect_error(400, Some("invalidPath"));
        }
        assert_eq!(acme.get("/Groups").json()["totalResults"], 1);
        // Nothing is lost with an empty value, or with an attribute that no schema has.
        if is_lenient {
            let body =
                json!({ "schemas": [GROUP], "displayName": "Guides", ENTERPRISE: {}, "urn:example:x": 1 });
            acme.put(&group.path, body).expect(200);
        }
    }
}

/// A key with a URN is understood or refused in every kind of write, also in an object under a URN. A name without one is
/// an attribute there, known or unknown.
#[test]
fn keys_in_an_object_under_a_urn_are_understood_or_refused() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let manager = acme.create_user("boss");
        let understood = [
            json!({ ENTERPRISE: { "department": "D", "manager.value": manager.id } }),
            json!({ ENTERPRISE: { "department": "D", format!("{ENTERPRISE}:manager"): { "value": manager.id } } }),
            json!({ ENTERPRISE: { ENTERPRISE: { "department": "D", "manager": { "value": manager.id } } } }),
            json!({ USER: { ENTERPRISE: { "department": "D", "manager.value": manager.id } } }),
            json!({ ENTERPRISE: { "department": "D", "manager": { "value": manager.id }, "nope": 1, "manager.nope": 1 } }),
            json!({ USER: { ENTERPRISE: { "department": "D", "manager": { "value": manager.id } }, "nope": 1, "name.nope": 1 } }),
            json!({ USER: { USER: { "name.givenName": "g" }, ENTERPRISE: { "department": "D", "manager": manager.id } } }),
        ];
        let refused = [
            json!({ ENTERPRISE: { "department": "D", format!("{ENTERPRISE}:nope"): 1 } }),
            json!({ ENTERPRISE: { GROUP: { "displayName": "x" } } }),
            json!({ USER: { GROUP: { "displayName": "x" } } }),
        ];
        let attempts = understood.map(|it| (it, is_lenient)).into_iter();
        for (index, (extra, accepted)) in attempts.chain(refused.map(|it| (it, false))).enumerate() {
            let body = |name: &str| {
                let mut body = json!({ "schemas": [USER, ENTERPRISE], "userName": name });
                let extra = extra.as_object().unwrap().clone();
                body.as_object_mut().unwrap().extend(extra);
                body
            };
            let post = acme.post("/Users", body(&format!("created{index}")));
            let put = acme.put(&user.path, body("bjensen"));
            let add = acme.patch(&user.path, json!([{ "op": "add", "value": extra }]));
            if !accepted {
                post.expect_error(400, Some("invalidSyntax"));
                put.expect_error(400, Some("invalidSyntax"));
                add.expect_error(400, Some("invalidPath"));
                continue;
            }
            for (reply, status) in [(post, 201), (put, 200), (add, 200)] {
                let shown = &reply.expect(status).json()[ENTERPRISE];
                assert_eq!(shown["department"], "D", "{extra}");
                assert_eq!(shown["manager"]["value"], json!(manager.id), "{extra}");
            }
        }
    }
}

/// An error of a PATCH names its operation, and the key of another schema is no exception.
#[test]
fn an_error_of_a_key_names_the_operation() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let group = acme.create_group("Guides", &[]);
    let operations = json!([
        { "op": "replace", "path": "displayName", "value": "x" },
        { "op": "add", "value": { ENTERPRISE: { "department": "x" } } },
    ]);
    let error = acme
        .patch(&group.path, operations)
        .expect_error(400, Some("invalidPath"));
    let error = error.json();
    let detail = error["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(&format!("operation 2: `{ENTERPRISE}`")),
        "{detail}"
    );
}

/// The URN of a schema as the `path` means the attributes of a resource, whose keys count as without `path`.
#[test]
fn a_key_of_another_schema_is_refused_under_a_urn_as_the_path() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[]);
        let keys = |urn: &str, name: &str| {
            [
                json!({ format!("{urn}:{name}"): "x" }),
                json!({ format!("{urn}.{name}"): "x" }),
                json!({ urn: { name: "x" } }),
            ]
        };
        let of_user = [USER, ENTERPRISE].map(|urn| (&user.path, urn, keys(GROUP, "displayName")));
        let of_group = [(&group.path, GROUP, keys(USER, "title"))];
        for (resource, path, values) in of_user.into_iter().chain(of_group) {
            for value in values {
                let operations = json!([{ "op": "add", "path": path, "value": value }]);
                let error = acme
                    .patch(resource, operations)
                    .expect_error(400, Some("invalidPath"))
                    .json();
                let key = value.as_object().unwrap().keys().next().unwrap();
                let detail = error["detail"].as_str().unwrap();
                assert!(detail.starts_with("operation 1"), "{detail}");
                assert!(!is_lenient || detail.contains(&format!("`{key}`")), "{detail}");
            }
        }
    }
}

/// No sub-attribute has the URN of a schema in its name, so a value would be lost.
#[test]
fn a_key_with_a_schema_inside_a_value_is_refused() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let manager = format!("{ENTERPRISE}:manager");
        let values = [
            ("name", json!({ format!("{USER}:name.givenName"): "G" })),
            (
                "emails",
                json!([{ "value": "a@b.c", format!("{USER}:emails.type"): "work" }]),
            ),
            (
                &manager,
                json!({ "value": user.id, format!("{ENTERPRISE}:manager.displayName"): "x" }),
            ),
            (
                "name",
                json!({ "familyName": "F", GROUP: { "displayName": "x" } }),
            ),
        ];
        for (index, (name, value)) in values.into_iter().enumerate() {
            let body = |user_name: &str| json!({ "schemas": [USER], "userName": user_name, name: value });
            let key = |it: &Value| it.as_object().unwrap().keys().next_back().unwrap().clone();
            let key = value.get(0).map_or_else(|| key(&value), key);
            let replies = [
                (
                    acme.post("/Users", body(&format!("created{index}"))),
                    "invalidSyntax",
                ),
                (acme.put(&user.path, body("bjensen")), "invalidSyntax"),
                (
                    acme.patch(&user.path, json!([{ "op": "add", "value": { name: value } }])),
                    "invalidPath",
                ),
                (
                    acme.patch(&user.path, json!([{ "op": "add", "path": name, "value": value }])),
                    "invalidPath",
                ),
            ];
            for (reply, scim_type) in replies {
                let error = reply.expect_error(400, Some(scim_type)).json();
                let detail = error["detail"].as_str().unwrap();
                assert!(detail.contains(&key), "{detail}");
            }
        }
        // Nothing is lost with an empty value or with a name that no schema has.
        if is_lenient {
            let value = json!({ "givenName": "G", format!("{USER}:name.familyName"): null, "nope": 1 });
            let shown = acme.patch(
                &user.path,
                json!([{ "op": "add", "path": "name", "value": value }]),
            );
            assert_eq!(shown.expect(200).json()["name"], json!({ "givenName": "G" }));
        }
    }
}

/// A lenient server and a strict one, each with whether it is lenient.
fn in_both_modes() -> [(Server, bool); 2] {
    [true, false].map(|lenient| {
        let mut settings = Settings::default();
        settings.client.leniency = crate::harness::leniency(lenient);
        let server = Server::start_with(Choice {
            settings,
            ..Choice::default()
        });
        (server, lenient)
    })
}

/// PingFederate sends `"type": "value"`.
#[test]
fn a_member_type_that_names_no_resource_type_is_ignored() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let member = |word: &str| json!([{ "value": user.id, "type": word }]);
        let group = |name: &str, word: &str| {
            acme.post(
                "/Groups",
                json!({ "schemas": [GROUP], "displayName": name, "members": member(word) }),
            )
        };
        let kept = acme.create_group("Guides", &[]);
        for word in ["value", "direct", "indirect", "", "urn:x:User", "Device", "users"] {
            let put = json!({ "schemas": [GROUP], "displayName": "Guides", "members": member(word) });
            let add = json!([{ "op": "add", "path": "members", "value": member(word) }]);
            let replace = json!([{ "op": "replace", "value": { "members": member(word) } }]);
            if is_lenient {
                let created = group(&format!("group {word}"), word).expect(201).json();
                assert_eq!(created["members"][0]["type"], "User", "{word}");
                acme.put(&kept.path, put).expect(200);
                acme.patch(&kept.path, add).expect(204);
                acme.patch(&kept.path, replace).expect(204);
                assert_eq!(acme.get(&kept.path).json()["members"][0]["value"], json!(user.id));
            } else {
                group(&format!("group {word}"), word).expect_error(400, Some("invalidValue"));
                acme.put(&kept.path, put).expect_error(400, Some("invalidValue"));
                acme.patch(&kept.path, add)
                    .expect_error(400, Some("invalidValue"));
            }
        }
        // The name of another served type contradicts the member.
        for word in ["Group", "group"] {
            group("other", word).expect_error(400, Some("invalidValue"));
        }
        group("right", "user").expect(201);
    }
}

/// The same for a member that the group has, whatever selects it, and for one that a filter creates.
#[test]
fn a_path_to_the_type_of_a_member_ignores_the_same_words() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let other = acme.create_user("adams");
        let group = acme.create_group("Guides", &[&user]);
        let by_id = format!("members[value eq \"{}\"]", user.id);
        let write = |path: &str, value: Value| {
            acme.patch(
                &group.path,
                json!([{ "op": "replace", "path": path, "value": value }]),
            )
        };
        let paths = [
            format!("{by_id}.type"),
            "members.type".to_owned(),
            "members[type eq \"User\"].type".to_owned(),
        ];
        for word in ["direct", "value", "", "Device"] {
            let mut replies: Vec<_> = paths.iter().map(|it| write(it, json!(word))).collect();
            replies.push(write(&by_id, json!({ "type": word })));
            replies.push(acme.patch(
                &group.path,
                json!([{ "op": "add", "value": { format!("{by_id}.type"): word } }]),
            ));
            for reply in replies {
                match is_lenient {
                    true => _ = reply.expect(204),
                    false => _ = reply.expect(400),
                }
            }
        }
        for path in &paths {
            write(path, json!("Group")).expect_error(400, Some("mutability"));
            write(path, json!("user")).expect(204);
        }
        write(&by_id, json!({ "type": "group" })).expect_error(400, Some("mutability"));
        let shown = acme.get(&group.path).json()["members"].clone();
        assert_eq!((&shown[0]["type"], &shown[1]), (&json!("User"), &json!(null)));
        assert_eq!(acme.get(&group.path).json()["meta"]["version"], "W/\"1\"");
        if is_lenient {
            let path = format!("members[value eq \"{}\"].type", other.id);
            write(&path, json!("Group")).expect_error(400, Some("invalidValue"));
            write(&path, json!("direct")).expect(204);
            assert_eq!(
                acme.get(&group.path).json()["members"].as_array().unwrap().len(),
                2
            );
        }
    }
}

/// `value` decides when it is given: a `$ref` beside an empty one names nobody, in every kind of write.
#[test]
fn an_empty_manager_is_none_whatever_its_uri() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let boss = acme.create_user("boss");
    let uri = boss.json["meta"]["location"].clone();
    let body = |name: &str, manager: Value| {
        json!({ "schemas": [USER, ENTERPRISE], "userName": name,
            ENTERPRISE: { "department": "D", "manager": manager } })
    };
    for (index, uri) in [uri, json!("../Users/"), json!("")].into_iter().enumerate() {
        let empty = json!({ "value": "", "$ref": uri });
        let user = acme.create(
            "/Users",
            body(&format!("user{index}"), json!({ "value": boss.id })),
        );
        let replies = [
            acme.patch(
                &user.path,
                json!([{ "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": empty }]),
            )
            .expect(200),
            acme.put(&user.path, body(&format!("user{index}"), empty.clone()))
                .expect(200),
            acme.post("/Users", body(&format!("created{index}"), empty.clone()))
                .expect(201),
        ];
        for reply in replies {
            assert_eq!(reply.json()[ENTERPRISE], json!({ "department": "D" }), "{empty}");
        }
    }
}

/// WSO2 sends `"schemas": []` in every body.
#[test]
fn an_empty_list_of_schemas_counts_as_absent() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        for (index, schemas) in [json!([]), json!(null)].into_iter().enumerate() {
            let name = format!("user{index}");
            let replies = [
                acme.post("/Users", json!({ "schemas": schemas, "userName": name })),
                acme.put(&user.path, json!({ "schemas": schemas, "userName": "bjensen" })),
                acme.request("PATCH", &user.path)
                    .json(&json!({ "schemas": schemas, "Operations": [{ "op": "add", "path": "title", "value": "t" }] }))
                    .send(),
                acme.post("/Users/.search", json!({ "schemas": schemas, "count": 1 })),
                acme.post("/.search", json!({ "schemas": schemas, "count": 1 })),
            ];
            for reply in replies {
                if is_lenient {
                    assert!(reply.status < 300, "{}", reply.text);
                } else {
                    reply.expect_error(400, Some("invalidSyntax"));
                }
            }
        }
    }
}

/// A request that reports success must not leave members in the group that the client wanted to remove.
#[test]
fn a_remove_that_names_no_member_is_refused() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[&user]);
        let remove = |value: Value| {
            acme.patch(
                &group.path,
                json!([{ "op": "remove", "path": "members", "value": value }]),
            )
        };
        for value in [
            json!({}),
            json!(""),
            json!(5),
            json!(true),
            json!([{}]),
            json!([null]),
            json!([{ "value": "" }]),
            json!(" "),
            json!([{ "value": " " }]),
            json!([{ "value": null }]),
            json!([{ "id": user.id }]),
            json!([{ "value": { "value": user.id } }]),
            json!([{ "value": user.id }, {}]),
            json!({ "members": [] }),
            json!([{ "display": "x" }]),
            json!([{ "type": "User" }]),
            json!([{ "value": null, "type": "User" }]),
            json!({ "members": [{ "type": "User" }] }),
            json!([{ "$ref": "x" }]),
            json!([{ "$ref": "../Users/" }]),
            json!([{ "value": user.id }, { "display": "x" }]),
        ] {
            remove(value).expect_error(400, Some("invalidValue"));
        }
        let uri = acme.get(&group.path).json()["members"][0]["$ref"].clone();
        for text in [
            format!(" {}", user.id),
            format!("{} ", user.id),
            format!("urn:uuid:{}", user.id),
            format!("{{{}}}", user.id),
            user.id.replace('-', ""),
            format!("Users/{}", user.id),
            uri.as_str().unwrap().to_owned(),
            "bjensen".to_owned(),
            "nope".to_owned(),
        ] {
            for value in [
                json!(text),
                json!([text]),
                json!([{ "value": text }]),
                json!([{ "value": text, "$ref": uri }]),
                json!({ "members": [{ "value": text }] }),
                json!([{ "value": user.id }, { "value": text }]),
            ] {
                remove(value).expect_error(400, Some("invalidValue"));
            }
            let add = json!([{ "op": "add", "path": "members", "value": [{ "value": text, "$ref": uri }] }]);
            acme.patch(&group.path, add)
                .expect_error(400, Some("invalidValue"));
        }
        let members = || acme.get(&group.path).json()["members"].clone();
        assert_eq!(members()[0]["value"], json!(user.id));
        if is_lenient {
            remove(json!([])).expect(204);
            // The id of a resource that is no member: the result is the one that the client wants.
            remove(json!([{ "value": group.id }])).expect(204);
            remove(json!(group.id)).expect(204);
            assert_eq!(members()[0]["value"], json!(user.id));
            // As in an `add`, the URI of a member names it.
            remove(json!([{ "$ref": members()[0]["$ref"] }])).expect(204);
            assert_eq!(members(), json!([]));
        }
    }
}

/// A word that names no resource type does not keep a member in the group.
#[test]
fn a_word_as_the_type_in_the_path_of_a_remove_is_ignored() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[]);
        let ids = || {
            let members = acme.get(&group.path).json()["members"].clone();
            let members = members.as_array().cloned().unwrap_or_default();
            members.iter().map(|it| it["value"].clone()).collect::<Vec<_>>()
        };
        let id = &user.id;
        for (word, is_word) in [("direct", true), ("", true), ("User", false), ("Group", false)] {
            for path in [
                format!("members[type eq \"{word}\" and value eq \"{id}\"]"),
                format!("members[value eq \"{id}\" and type eq \"{word}\"]"),
            ] {
                // Alone, and in a request that needs the list of members.
                for others in [
                    vec![],
                    vec![json!({ "op": "remove", "path": "members[display eq \"x\"]" })],
                ] {
                    acme.patch(
                        &group.path,
                        json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]),
                    )
                    .expect(204);
                    let mut operations = others;
                    operations.push(json!({ "op": "remove", "path": path }));
                    acme.patch(&group.path, json!(operations)).expect(204);
                    let is_removed = word == "User" || is_word && is_lenient;
                    assert_eq!(ids().is_empty(), is_removed, "{operations:?}");
                }
            }
        }
    }
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Syncope and Slack write a dot after the URN of a schema. Wherever such a name may stand, a request is either
/// understood or refused, and never reported as done with the name dropped.
#[test]
fn a_dot_after_a_urn_is_understood_or_refused_everywhere() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let department = format!("{ENTERPRISE}.department");
        let user = acme.create(
            "/Users",
            json!({ "userName": "bjensen", ENTERPRISE: { "department": "A" } }),
        );
        acme.create(
            "/Users",
            json!({ "userName": "adams", ENTERPRISE: { "department": "B" } }),
        );
        let stored = || acme.get(&user.path).json()[ENTERPRISE]["department"].clone();
        // Writes, each with the value that is stored afterwards.
        let writes = [
            (
                json!([{ "op": "replace", "value": { &department: "C" } }]),
                json!("C"),
            ),
            (
                json!([{ "op": "add", "value": { &department: "D" } }]),
                json!("D"),
            ),
            (
                json!([{ "op": "replace", "path": department, "value": "E" }]),
                json!("E"),
            ),
            (
                json!([{ "op": "add", "path": department, "value": "F" }]),
                json!("F"),
            ),
            (json!([{ "op": "remove", "path": department }]), json!(null)),
            (
                json!([{ "op": "add", "value": { ENTERPRISE: { "department": "G" }, format!("{USER}.title"): "t" } }]),
                json!("G"),
            ),
        ];
        for (operations, expected) in writes {
            let reply = acme.patch(&user.path, operations.clone());
            if is_lenient {
                reply.expect(200);
                assert_eq!(stored(), expected, "{operations}");
            } else {
                reply.expect_error(400, Some("invalidPath"));
            }
        }
        let unknown = |name: &str| json!([{ "op": "add", "value": { format!("{ENTERPRISE}{name}"): "x" } }]);
        for name in [".manager.managerId", ".shoeSize", ":shoeSize", "."] {
            acme.patch(&user.path, unknown(name))
                .expect_error(400, Some("invalidPath"));
        }
        let bodies = [
            json!({ &department: "H" }),
            json!({ format!("{ENTERPRISE}:department"): "H" }),
        ];
        for (index, mut body) in bodies.into_iter().enumerate() {
            body["schemas"] = json!([USER, ENTERPRISE]);
            body["userName"] = json!("bjensen");
            let reply = acme.put(&user.path, body.clone());
            if is_lenient {
                reply.expect(200);
                assert_eq!(stored(), "H");
                body["userName"] = json!(format!("created {index}"));
                assert_eq!(
                    acme.post("/Users", body).expect(201).json()[ENTERPRISE]["department"],
                    "H"
                );
            } else {
                reply.expect_error(400, Some("invalidSyntax"));
                acme.post("/Users", body).expect_error(400, Some("invalidSyntax"));
            }
        }
        let by_name = encode("userName eq \"adams\"");
        let with_dot = encode(&format!("{department} eq \"B\""));
        let names = encode(&department);
        let search = |name: &str| {
            let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": "userName eq \"adams\"" });
            body[name] = match name {
                "filter" => json!(format!("{department} eq \"B\"")),
                "sortBy" => json!(department),
                _ => json!([department]),
            };
            ["/Users/.search", "/.search"].map(|path| acme.post(path, body.clone()))
        };
        let replies = [
            acme.get(&format!("/Users?filter={with_dot}")),
            acme.get(&format!("/Users?filter={by_name}&sortBy={names}")),
            acme.get(&format!("/Users?filter={by_name}&attributes={names}")),
            acme.get(&format!("/Users?filter={by_name}&excludedAttributes={names}")),
        ];
        for reply in replies.into_iter().chain(
            ["filter", "sortBy", "attributes", "excludedAttributes"]
                .into_iter()
                .flat_map(search),
        ) {
            if is_lenient {
                assert_eq!(reply.expect(200).json()["totalResults"], 1);
            } else {
                assert_eq!(reply.status, 400, "{}", reply.text);
            }
        }
        for (parameter, shown) in [("attributes", true), ("excludedAttributes", false)] {
            let reply = acme.get(&format!("{}?{parameter}={names}", user.path));
            if is_lenient {
                assert_eq!(
                    reply.expect(200).json()[ENTERPRISE]["department"].is_string(),
                    shown
                );
            } else {
                reply.expect_error(400, Some("invalidValue"));
            }
        }
    }
}

/// Slack and WSO2 write values without quotes, in filters as well as in the paths of a PATCH.
#[test]
fn words_without_quotes_are_strings_wherever_filters_stand() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        for name in ["o'brien", "DOMAIN\\ida", "100234", "7.5", "true"] {
            let user = acme.create(
                "/Users",
                json!({ "userName": name, "emails": [{ "value": "a", "type": "work" }] }),
            );
            let group = acme.create_group(name, &[&user]);
            let reply = acme.get(&format!(
                "/Users?filter={}",
                encode(&format!("userName Eq {name}"))
            ));
            let patch = acme.patch(
                &user.path,
                json!([{ "op": "replace", "path": "emails[value eq a].value", "value": name }]),
            );
            let again = acme.patch(
                &user.path,
                json!([{ "op": "remove", "path": format!("emails[value eq {name}]") }]),
            );
            let remove = acme.patch(
                &group.path,
                json!([{ "op": "remove", "path": format!("members[value eq {}]", user.id) }]),
            );
            if is_lenient {
                assert_eq!(reply.expect(200).json()["totalResults"], 1, "{name}");
                patch.expect(200);
                assert_eq!(again.expect(200).json().get("emails"), None, "{name}");
                remove.expect(204);
                assert_eq!(acme.get(&group.path).json()["members"], json!([]));
            } else {
                for reply in [reply, patch, again, remove] {
                    reply.expect_error(400, Some("invalidFilter"));
                }
            }
        }
    }
}

/// RFC 7643 section 2.5: `null` is a state of an attribute, not one of its values.
#[test]
fn null_among_values_is_refused_in_strict_mode() {
    for (server, is_lenient) in in_both_modes() {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[]);
        let email = json!([null, { "value": "b@example.com" }]);
        let member = json!([{ "value": user.id }, null]);
        let named = |value: &str| json!({ "schemas": [USER], "userName": value, "emails": email });
        let replies = [
            acme.post("/Users", named("adams")),
            acme.put(&user.path, named("bjensen")),
            acme.patch(
                &user.path,
                json!([{ "op": "add", "path": "emails", "value": email }]),
            ),
            acme.patch(
                &user.path,
                json!([{ "op": "replace", "value": { "emails": [null] } }]),
            ),
            acme.post(
                "/Groups",
                json!({ "schemas": [GROUP], "displayName": "Drivers", "members": member }),
            ),
            acme.put(
                &group.path,
                json!({ "schemas": [GROUP], "displayName": "Guides", "members": member }),
            ),
            acme.patch(
                &group.path,
                json!([{ "op": "add", "path": "members", "value": member }]),
            ),
            acme.patch(
                &group.path,
                json!([{ "op": "replace", "value": { "members": member } }]),
            ),
        ];
        for reply in replies {
            if is_lenient {
                assert!(reply.status < 300, "{}", reply.text);
            } else {
                reply.expect_error(400, Some("invalidValue"));
            }
        }
        // RFC 7643 section 7: a readOnly attribute is ignored in a body, whatever its value.
        let body = json!({ "schemas": [USER], "userName": "adams2", "groups": [null] });
        let created = acme.post("/Users", body.clone()).expect(201).json();
        acme.put(&format!("/Users/{}", created["id"].as_str().unwrap()), body)
            .expect(200);
        // As the whole value, `null` is the absence of one.
        acme.patch(
            &user.path,
            json!([{ "op": "replace", "path": "emails", "value": null }]),
        )
        .expect(200);
    }
}
