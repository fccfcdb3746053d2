//! Departures from the RFCs that clients need, end to end, in both modes.

use scim_server::service::Settings;
use serde_json::{Value, json};

use crate::harness::{Choice, GROUP, Server};

/// A lenient server and a strict one, each with whether it is lenient.
fn in_both_modes() -> [(Server, bool); 2] {
    [true, false].map(|lenient| {
        let mut settings = Settings::default();
        settings.policy.lenient = lenient;
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
    for (server, _) in in_both_modes() {
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
            json!([{ "value": null }]),
            json!([{ "id": user.id }]),
            json!([{ "value": { "value": user.id } }]),
            json!([{ "value": user.id }, {}]),
            json!({ "members": [] }),
        ] {
            remove(value).expect_error(400, Some("invalidValue"));
        }
        assert_eq!(
            acme.get(&group.path).json()["members"][0]["value"],
            json!(user.id)
        );
    }
}
