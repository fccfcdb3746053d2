//! PATCH as clients send it: the answer and the stored result.

use std::thread;

use scim_server::service::Leniency;
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{Choice, Created, ENTERPRISE, GROUP, HttpServer, Server, USER, on_each, patch_op};

fn member(user: &Created) -> Value {
    json!({ "value": user.id })
}

/// 7644-3.5.2-18, 7644-3.5.2-19, A-22, quirk 47
#[test]
fn a_patch_returns_users_but_groups_only_on_request() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[]);
    let reply = acme
        .patch(
            &user.path,
            json!([{ "op": "replace", "value": { "title": "Guide" } }]),
        )
        .expect(200);
    assert_eq!(reply.json(), acme.get(&user.path).json());
    let add = json!([{ "op": "add", "path": "members", "value": [member(&user)] }]);
    let reply = acme.patch(&group.path, add.clone()).expect(204);
    assert_eq!(
        (reply.text.as_str(), reply.header("etag")),
        ("", Some(r#"W/"2""#))
    );
    assert_eq!(reply.header("content-type"), None);
    let reply = acme
        .patch(&format!("{}?attributes=displayName", group.path), add.clone())
        .expect(200);
    assert_eq!(reply.json()["displayName"], json!("Tour Guides"));
    assert_eq!(reply.json().get("members"), None);
    let reply = acme
        .patch(&format!("{}?excludedAttributes=meta", group.path), add.clone())
        .expect(200);
    assert_eq!(reply.json()["members"][0]["value"], json!(user.id));
    let mut choice = Choice::default();
    choice.settings.client.patch_shows_groups = true;
    let server = Server::start_with(choice);
    let acme = server.tenant("acme");
    let group = acme.create_group("Tour Guides", &[]);
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Guides" }]);
    assert_eq!(
        acme.patch(&group.path, rename).expect(200).json()["members"],
        json!([])
    );
}

/// 7644-3.5.2-16, 7644-3.5.2-17, 5789-2-01
#[test]
fn a_patch_that_fails_changes_nothing() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[&user]);
    let operations = json!([
        { "op": "replace", "path": "displayName", "value": "Guides" },
        { "op": "remove", "path": "members" },
        { "op": "add", "path": "nosuch", "value": "x" },
    ]);
    acme.patch(&group.path, operations)
        .expect_error(400, Some("invalidPath"));
    let operations = json!([
        { "op": "remove", "path": "members" },
        { "op": "add", "path": "members", "value": [{ "value": "0190a0a0-0000-7000-8000-000000000000" }] },
    ]);
    acme.patch(&group.path, operations)
        .expect_error(400, Some("invalidValue"));
    assert_eq!(acme.get(&group.path).json(), group.json);
}

/// 7644-3.5.2.1-07, 7644-3.5.2.1-08, 7644-3.5.2.2-07, A-39, A-65
#[test]
fn a_no_op_keeps_the_version() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let (user, stranger) = (acme.create_user("a"), acme.create_user("b"));
    let group = acme.create_group("Tour Guides", &[&user]);
    let operations = [
        json!({ "op": "add", "path": "members", "value": [member(&user)] }),
        json!({ "op": "remove", "path": format!("members[value eq \"{}\"]", stranger.id) }),
        json!({ "op": "Remove", "path": "members", "value": [member(&stranger)] }),
        json!({ "op": "replace", "path": "members", "value": [member(&user)] }),
        json!({ "op": "replace", "path": "displayName", "value": "Tour Guides" }),
    ];
    for operation in operations {
        let reply = acme.patch(&group.path, json!([operation])).expect(204);
        assert_eq!(reply.header("etag"), Some(group.etag.as_str()), "{operation}");
    }
    assert_eq!(acme.get(&group.path).json(), group.json);
}

/// 7644-3.5.2-14, 7644-3.5.2.2-03, 7644-3.5.2.2-04, 7644-3.5.2.3-03, quirks 11 to 15
#[test]
fn members_can_be_added_and_removed_in_every_form() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let (a, b, c) = (
        acme.create("/Users", json!({ "userName": "a", "displayName": "A" })),
        acme.create_user("b"),
        acme.create_user("c"),
    );
    let group = acme.create_group("Tour Guides", &[]);
    let names = |users: &[&Created]| users.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    let steps = [
        (
            json!([{ "op": "Add", "path": "members", "value": [member(&a), member(&b)] }]),
            names(&[&a, &b]),
        ),
        (
            json!([{ "op": "add", "value": { "members": [member(&c)] } }]),
            names(&[&a, &b, &c]),
        ),
        (
            json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", b.id) }]),
            names(&[&a, &c]),
        ),
        (
            json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": a.id }] }]),
            names(&[&c]),
        ),
        (
            json!([{ "op": "replace", "path": "members", "value": [member(&b), member(&a)] }]),
            names(&[&b, &a]),
        ),
        (
            json!([
                { "op": "remove", "path": "members" },
                { "op": "add", "path": "members", "value": [member(&c)] },
                { "op": "replace", "path": "displayName", "value": "Guides" },
            ]),
            names(&[&c]),
        ),
        (
            json!([{ "op": "remove", "path": format!("members[value eq \"{}\" or value eq \"{}\"]", a.id, c.id) }]),
            names(&[]),
        ),
        (
            json!([{ "op": "add", "path": "members", "value": [member(&a)] }]),
            names(&[&a]),
        ),
        (
            json!([{ "op": "replace", "value": { "id": group.id, "displayName": "Renamed" } }]),
            names(&[&a]),
        ),
        (
            json!([{ "op": "remove", "path": "members[display eq \"A\"]" }]),
            names(&[]),
        ),
    ];
    for (operations, expected) in steps {
        acme.patch(&group.path, operations.clone()).expect(204);
        let mut found: Vec<String> = acme.get(&group.path).json()["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["value"].as_str().unwrap().to_owned())
            .collect();
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{operations}");
    }
    assert_eq!(acme.get(&group.path).json()["displayName"], json!("Renamed"));
}

/// 7644-3.5.2-13, A-02, quirk 66
#[test]
fn schemas_lists_an_extension_while_it_has_data() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let path = format!("{ENTERPRISE}:employeeNumber");
    let with = acme
        .patch(
            &user.path,
            json!([{ "op": "add", "path": path, "value": "701984" }]),
        )
        .expect(200);
    assert_eq!(with.json()["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(
        acme.user_names(&format!("schemas eq \"{ENTERPRISE}\"")),
        ["bjensen"]
    );
    let without = acme
        .patch(&user.path, json!([{ "op": "remove", "path": path }]))
        .expect(200);
    assert_eq!(without.json()["schemas"], json!([USER]));
}

/// 7644-3.5.2-03, 7644-3.5.2-04, 7644-3.5.2-05, 7644-3.1-04, 5789-2-02, A-77
#[test]
fn an_invalid_patch_message_is_refused() {
    let mut choice = Choice::default();
    choice.settings.client.leniency = Leniency::Strict;
    let server = Server::start_with(choice);
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let one = json!([{ "op": "replace", "path": "title", "value": "x" }]);
    let wrong = [
        json!({ "schemas": [USER], "userName": "x" }),
        json!({ "Operations": one }),
        json!({ "schemas": [USER], "Operations": one }),
        patch_op(json!([])),
        patch_op(json!({})),
        patch_op(json!([{ "path": "title", "value": "x" }])),
        patch_op(json!([{ "op": "move", "path": "title", "value": "x" }])),
    ];
    for body in wrong {
        acme.request("PATCH", &user.path)
            .json(&body)
            .send()
            .expect_error(400, Some("invalidSyntax"));
    }
    let lower = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "operations": one });
    acme.request("PATCH", &user.path).json(&lower).send().expect(200);
}

/// 7644-3.5.2-10: in a value without a path, the id that the resource has is no change
#[test]
fn a_strict_patch_may_repeat_the_id() {
    for lenient in [true, false] {
        let mut choice = Choice::default();
        choice.settings.client.leniency = crate::harness::leniency(lenient);
        let server = Server::start_with(choice);
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Tour Guides", &[&user]);
        let attribute = "displayName";
        for resource in [&user, &group] {
            let replace = |id: &str, value: &str| {
                let operation = json!({ "op": "replace", "value": { "id": id, attribute: value } });
                acme.patch(&resource.path, json!([operation]))
            };
            let repeated = replace(&resource.id, "a");
            assert!([200, 204].contains(&repeated.status), "{}", repeated.text);
            let other = replace("0190a0a0-0000-7000-8000-000000000000", "b");
            // A lenient server ignores the id that a client sends (A-13).
            let expected = if lenient { "b" } else { "a" };
            if !lenient {
                other.expect_error(400, Some("mutability"));
            }
            let shown = acme.get(&resource.path).json();
            assert_eq!(
                (&shown["id"], &shown[attribute]),
                (&json!(resource.id), &json!(expected))
            );
        }
    }
}

/// A group may have very many members, so a change of members alone does not read the group. The stored document is
/// damaged here, so a request that reads it fails.
#[test]
fn a_change_of_members_does_not_read_the_group() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        let user = client.create("/Users", &json!({ "schemas": [USER], "userName": "bjensen" }));
        let group = client.create("/Groups", &json!({ "schemas": [GROUP], "displayName": "Guides" }));
        let path = format!("/Groups/{group}");
        shell.sql("UPDATE resource SET document = 'damaged' WHERE kind = 2");
        let patch = |operation: Value| client.send("PATCH", &path, Some(&patch_op(json!([operation])))).0;
        for operation in [
            json!({ "op": "add", "path": "members", "value": [{ "value": user }] }),
            json!({ "op": "remove", "path": format!("members[value eq \"{user}\"]") }),
            json!({ "op": "replace", "path": "members", "value": [{ "value": user }] }),
        ] {
            assert_eq!(patch(operation.clone()), 204, "{operation}");
        }
        let rename = json!({ "op": "replace", "path": "displayName", "value": "x" });
        assert_eq!(patch(rename), 500, "the group has to be read for this");
        let replacement = json!({ "schemas": [GROUP], "displayName": "x" });
        assert_eq!(client.send("PUT", &path, Some(&replacement)).0, 500);
        assert_eq!(shell.number("SELECT count(*) FROM membership"), 1);
    });
}

/// 7644-3.5.2-21
#[test]
fn a_patch_of_an_unknown_resource_answers_404() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let operations = json!([{ "op": "replace", "path": "title", "value": "x" }]);
    acme.patch("/Users/0190a0a0-0000-7000-8000-000000000000", operations.clone())
        .expect_error(404, None);
    let add = json!([{ "op": "add", "path": "members", "value": [] }]);
    acme.patch("/Groups/0190a0a0-0000-7000-8000-000000000000", add)
        .expect_error(404, None);
    let group = acme.create_group("Tour Guides", &[]);
    acme.patch(&group.path.replace("Groups", "Users"), operations)
        .expect_error(404, None);
}

/// 7643-2.4-09, 7644-3.5.2.1-07: the same address may be a work address and a home address.
#[test]
fn the_same_value_with_another_type_is_added() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let work = json!({ "value": "b@example.com", "type": "work", "primary": true });
        let home = json!({ "value": "b@example.com", "type": "home", "display": "Babs" });
        for email in [&work, &home, &work] {
            let add = json!([{ "op": "add", "path": "emails", "value": [email] }]);
            acme.patch(&user.path, add).expect(200);
        }
        assert_eq!(acme.get(&user.path).json()["emails"], json!([work, home]));
    });
}

/// A-57: a key of a value without path may be a path into the members of a group.
#[test]
fn members_come_and_go_by_keys_that_are_paths() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let (a, b) = (acme.create_user("a"), acme.create_user("b"));
        let group = acme.create_group("Tour Guides", &[&a]);
        let by_id = |user: &Created| format!("members[value eq \"{}\"]", user.id);
        let mut value = json!({ "displayName": "Guides" });
        value[by_id(&b)] = json!({});
        acme.patch(&group.path, json!([{ "op": "add", "value": value }]))
            .expect(204);
        let seen = acme.get(&group.path).json();
        assert_eq!(seen["displayName"], json!("Guides"));
        let ids = |seen: &Value| -> Vec<Value> {
            let members = seen["members"].as_array().unwrap().iter();
            members.map(|it| it["value"].clone()).collect()
        };
        assert_eq!(ids(&seen), [json!(a.id), json!(b.id)]);
        let mut value = json!({});
        value[by_id(&a)] = Value::Null;
        acme.patch(&group.path, json!([{ "op": "replace", "value": value }]))
            .expect(204);
        assert_eq!(ids(&acme.get(&group.path).json()), [json!(b.id)]);
    });
}

/// 7644-3.5.2.2-04, A-39
#[test]
fn remove_with_a_filter_on_a_single_complex_value() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let name = json!({ "familyName": "Jensen", "givenName": "Barbara" });
        let body = json!({ "schemas": [USER], "userName": "bjensen", "name": name });
        let user = acme.create("/Users", body);
        let remove = |path: &str| {
            let remove = json!([{ "op": "remove", "path": path }]);
            acme.patch(&user.path, remove).expect(200).json()["name"].clone()
        };
        assert_eq!(remove("name[familyName eq \"Smith\"]"), name);
        assert_eq!(remove("name[familyName eq \"Smith\"].givenName"), name);
        assert_eq!(
            remove("name[familyName eq \"jensen\"].givenName"),
            json!({ "familyName": "Jensen" })
        );
        assert_eq!(remove("name[familyName eq \"jensen\"]"), Value::Null);
    });
}

/// Other servers lose some of several parallel additions to one group; here all are kept.
#[test]
fn parallel_additions_are_all_kept() {
    let server = HttpServer::start();
    let client = server.client();
    let group = client.create(
        "/Groups",
        &json!({ "schemas": [crate::harness::GROUP], "displayName": "All" }),
    );
    let users: Vec<String> = (0..40)
        .map(|i| {
            client.create(
                "/Users",
                &json!({ "schemas": [USER], "userName": format!("user{i}") }),
            )
        })
        .collect();
    thread::scope(|scope| {
        for some in users.chunks(5) {
            let (client, group) = (server.client(), &group);
            scope.spawn(move || {
                for user in some {
                    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": user }] }]);
                    assert_eq!(
                        client
                            .send("PATCH", &format!("/Groups/{group}"), Some(&patch_op(add)))
                            .0,
                        204
                    );
                }
            });
        }
    });
    let (_, body) = client.send("GET", &format!("/Groups/{group}"), None);
    assert_eq!(body["members"].as_array().unwrap().len(), 40);
    assert_eq!(body["meta"]["version"], json!(r#"W/"41""#));
}

/// 7644-3.5.2-16 under contention: each successful write of a user increments its version by one.
#[test]
fn parallel_changes_of_one_user_do_not_lose_each_other() {
    let server = HttpServer::start();
    let client = server.client();
    let user = client.create("/Users", &json!({ "schemas": [USER], "userName": "bjensen" }));
    thread::scope(|scope| {
        for writer in 0..4 {
            let (client, path) = (server.client(), format!("/Users/{user}"));
            scope.spawn(move || {
                for i in 0..10 {
                    let email = json!({ "value": format!("{writer}.{i}@example.com"), "type": "work" });
                    let add = patch_op(json!([{ "op": "add", "path": "emails", "value": [email] }]));
                    assert_eq!(client.send("PATCH", &path, Some(&add)).0, 200);
                }
            });
        }
    });
    let (_, body) = client.send("GET", &format!("/Users/{user}"), None);
    assert_eq!(body["emails"].as_array().unwrap().len(), 40);
    assert_eq!(body["meta"]["version"], json!(r#"W/"41""#));
}
