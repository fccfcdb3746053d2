//! Groups and their members.

use serde_json::{Value, json};

use crate::harness::{BASE, Choice, Created, ENTERPRISE, GROUP, Server, USER, encode, on_each};

/// A-24, 7643-2.3.7-06, 7644-3.3.1-01
#[test]
fn a_group_shows_its_members() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create(
        "/Users",
        json!({ "userName": "bjensen", "displayName": "Babs Jensen" }),
    );
    let nested = acme.create_group("Nested", &[]);
    assert_eq!(nested.json["members"], json!([]));
    let group = acme.create_group("Tour Guides", &[&user, &nested]);
    let members = json!([
        { "value": user.id, "$ref": format!("{BASE}/Users/{}", user.id), "type": "User", "display": "Babs Jensen" },
        { "value": nested.id, "$ref": format!("{BASE}/Groups/{}", nested.id), "type": "Group", "display": "Nested" },
    ]);
    assert_eq!(group.json["members"], members);
    assert_eq!(group.json["meta"]["resourceType"], json!("Group"));
    assert_eq!(acme.get(&group.path).json()["members"], members);
    let without = acme
        .get(&format!("{}?excludedAttributes=members", group.path))
        .json();
    assert_eq!(without.get("members"), None);
}

/// A `userName` is no display name: an administrator who shows groups to others must not publish sign-in names.
#[test]
fn a_reference_shows_the_display_name_and_nothing_else() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let boss = acme.create_user("boss");
        let manager = format!("{ENTERPRISE}:manager");
        let user = acme.create(
            "/Users",
            json!({ "userName": "bjensen", ENTERPRISE: { "manager": { "value": boss.id } } }),
        );
        let group = acme.create_group("Guides", &[&boss]);
        let shown = || {
            let user = acme.get(&user.path).json()[ENTERPRISE]["manager"]["displayName"].clone();
            (
                user,
                acme.get(&group.path).json()["members"][0]["display"].clone(),
            )
        };
        let found = |filter: &str| {
            let total = |endpoint: &str, filter: String| {
                acme.get(&format!("{endpoint}?filter={}", encode(&filter)))
                    .expect(200)
                    .json()["totalResults"]
                    .clone()
            };
            (
                total("/Users", format!("{manager}.displayName {filter}")),
                total("/Groups", format!("members.display {filter}")),
            )
        };
        assert_eq!(shown(), (json!(null), json!(null)));
        assert_eq!(found("eq \"boss\""), (json!(0), json!(0)));
        assert_eq!(found("pr"), (json!(0), json!(0)));
        acme.patch(
            &boss.path,
            json!([{ "op": "add", "path": "displayName", "value": "The Boss" }]),
        )
        .expect(200);
        assert_eq!(shown(), (json!("The Boss"), json!("The Boss")));
        assert_eq!(found("eq \"the boss\""), (json!(1), json!(1)));
        acme.patch(&boss.path, json!([{ "op": "remove", "path": "displayName" }]))
            .expect(200);
        assert_eq!(shown(), (json!(null), json!(null)));
        assert_eq!(found("pr"), (json!(0), json!(0)));
    });
}

/// The members are serialized while the answer is sent; the client must not notice.
#[test]
fn a_large_group_is_sent_whole() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let users: Vec<_> = (0..1_500)
        .map(|it| {
            let name = format!("user{it:04}");
            acme.create("/Users", json!({ "userName": name, "displayName": name }))
        })
        .collect();
    let group = acme.create_group("Everybody", &users.iter().collect::<Vec<_>>());
    let member = |user: &Created| {
        let uri = format!("{BASE}/Users/{}", user.id);
        json!({ "value": user.id, "$ref": uri, "type": "User", "display": user.json["userName"] })
    };
    let members = Value::Array(users.iter().map(member).collect());
    assert_eq!(group.json["members"], members);
    let shown = acme.get(&group.path).expect(200).json();
    assert_eq!(shown, group.json);
    acme.create_group("Nobody", &[]);
    let listed = acme.get("/Groups").expect(200).resources();
    assert_eq!((&listed[0], &listed[1]["members"]), (&shown, &json!([])));
    let values = acme
        .get(&format!("{}?attributes=members.value", group.path))
        .json();
    assert_eq!(values["members"][1_499], json!({ "value": users[1_499].id }));
}

/// A-29, by POST, PUT and PATCH alike
#[test]
fn the_type_of_a_member_must_match() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[]);
    let wrong = json!([{ "value": user.id, "type": "Group" }]);
    let body = json!({ "schemas": [GROUP], "displayName": "Tour Guides", "members": wrong });
    acme.put(&group.path, body)
        .expect_error(400, Some("invalidValue"));
    for operation in [
        json!({ "op": "add", "path": "members", "value": wrong }),
        json!({ "op": "replace", "value": { "members": wrong } }),
    ] {
        acme.patch(&group.path, json!([operation]))
            .expect_error(400, Some("invalidValue"));
    }
    let right = json!([{ "value": user.id, "type": "User" }]);
    let add = json!([{ "op": "add", "path": "members", "value": right }]);
    acme.patch(&group.path, add).expect(204);
}

/// 7643-4.1.2: `groups` is derived, readOnly, and changes with the group at once
#[test]
fn a_user_shows_its_groups() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[&user]);
    let groups = |name: &str| {
        json!([{
            "value": group.id,
            "$ref": format!("{BASE}/Groups/{}", group.id),
            "display": name,
            "type": "direct",
        }])
    };
    assert_eq!(acme.get(&user.path).json()["groups"], groups("Tour Guides"));
    acme.patch(
        &group.path,
        json!([{ "op": "replace", "path": "displayName", "value": "Guides" }]),
    )
    .expect(204);
    assert_eq!(acme.get(&user.path).json()["groups"], groups("Guides"));
    let replaced = acme.put(&user.path, user.json.clone()).expect(200).json();
    assert_eq!(replaced["groups"], groups("Guides"));
    acme.delete(&group.path).expect(204);
    assert_eq!(acme.get(&user.path).json().get("groups"), None);
}

/// 7643-2.3.7-05, 7644-3.6-02, A-26
#[test]
fn a_deleted_user_leaves_its_groups() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let (a, b) = (acme.create_user("a"), acme.create_user("b"));
    let group = acme.create_group("Tour Guides", &[&a, &b]);
    acme.delete(&a.path).expect(204);
    let after = acme.get(&group.path).json();
    assert_eq!(ids(&after["members"]), [b.id.as_str()]);
    assert_ne!(after["meta"]["version"], group.json["meta"]["version"]);
}

fn ids(members: &Value) -> Vec<&str> {
    members
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["value"].as_str().unwrap())
        .collect()
}

/// A-17, quirk 46
#[test]
fn a_put_without_members_empties_the_group() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let (a, b) = (acme.create_user("a"), acme.create_user("b"));
    let group = acme.create_group("Tour Guides", &[&a]);
    let body = json!({ "schemas": [GROUP], "displayName": "Tour Guides", "members": [{ "value": b.id }] });
    let replaced = acme.put(&group.path, body).expect(200).json();
    assert_eq!(ids(&replaced["members"]), [b.id.as_str()]);
    let replaced = acme
        .put(&group.path, json!({ "schemas": [GROUP], "displayName": "x" }))
        .expect(200)
        .json();
    assert_eq!(replaced["members"], json!([]));
}

/// A-23, A-26, A-29
#[test]
fn members_must_exist_in_the_tenant_and_match_their_type() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let foreign = other.create_user("bjensen");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[&user]);
    let unknown = "0190a0a0-0000-7000-8000-000000000000";
    let wrong = [
        json!({ "value": unknown }),
        json!({ "value": foreign.id }),
        json!({ "value": "bjensen" }),
        json!({ "value": user.id, "type": "Group" }),
    ];
    for member in wrong {
        let body = json!({ "schemas": [GROUP], "displayName": "New", "members": [member] });
        acme.post("/Groups", body.clone())
            .expect_error(400, Some("invalidValue"));
        acme.put(&group.path, body)
            .expect_error(400, Some("invalidValue"));
    }
    for member in [unknown, foreign.id.as_str(), group.id.as_str()] {
        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": member }] }]);
        let reply = acme
            .patch(&group.path, add)
            .expect_error(400, Some("invalidValue"));
        assert!(reply.text.contains("members"), "{}", reply.text);
    }
    assert_eq!(acme.get(&group.path).json(), group.json);
}

/// 7643-2.4-06: `$ref` alone names the member, also with the path of another API version
#[test]
fn a_member_may_be_named_by_its_ref() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[]);
    for reference in [
        format!("{BASE}/Users/{}", user.id),
        format!("https://scim.example.com/Users/{}", user.id),
    ] {
        let add = json!([{ "op": "add", "path": "members", "value": [{ "$ref": reference }] }]);
        acme.patch(&group.path, add).expect(204);
    }
    assert_eq!(ids(&acme.get(&group.path).json()["members"]), [user.id.as_str()]);
}

/// A-28, quirk 48
#[test]
fn group_names_are_unique_unless_configured_otherwise() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_group("Tour Guides", &[]);
    let again = json!({ "schemas": [GROUP], "displayName": "tour guides" });
    acme.post("/Groups", again.clone())
        .expect_error(409, Some("uniqueness"));
    server.tenant("other").create_group("Tour Guides", &[]);
    let relaxed = Server::start_with(Choice {
        unique_group_names: false,
        ..Choice::default()
    });
    let acme = relaxed.tenant("acme");
    acme.create_group("Tour Guides", &[]);
    acme.post("/Groups", again).expect(201);
}

/// 7643-1.1-01, 7643-4.2
#[test]
fn a_group_needs_only_a_name() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_group("Tour Guides", &[]);
    for body in [
        json!({ "schemas": [GROUP] }),
        json!({ "schemas": [GROUP], "displayName": "" }),
    ] {
        acme.post("/Groups", body).expect_error(400, Some("invalidValue"));
    }
}

/// 7643-4.2: members are found by filter
#[test]
fn groups_are_found_by_their_members() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let (a, b) = (acme.create_user("a"), acme.create_user("b"));
    acme.create_group("A", &[&a]);
    acme.create_group("AB", &[&a, &b]);
    let found = |filter: String| {
        acme.list(
            &format!("/Groups?filter={}", crate::harness::encode(&filter)),
            "displayName",
        )
    };
    assert_eq!(found(format!("members.value eq \"{}\"", b.id)), ["AB"]);
    assert_eq!(found(format!("members eq \"{}\"", a.id)), ["A", "AB"]);
    assert_eq!(
        found(format!("members[value eq \"{}\" and type eq \"Group\"]", a.id)),
        Vec::<Value>::new()
    );
    assert_eq!(acme.user_names(r#"groups.display eq "ab""#), ["a", "b"]);
}

/// An id is known at the endpoint of its type only.
#[test]
fn a_resource_is_not_reached_through_the_endpoint_of_another_type() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let (user, other) = (acme.create_user("bjensen"), acme.create_user("smith"));
        let group = acme.create_group("Tour Guides", &[&user]);
        let user_as_group = format!("/Groups/{}", user.id);
        let group_as_user = format!("/Users/{}", group.id);
        let member = json!([{ "value": other.id }]);
        for operation in [
            json!({ "op": "add", "path": "members", "value": member }),
            json!({ "op": "replace", "path": "members", "value": member }),
            json!({ "op": "remove", "path": "members" }),
            json!({ "op": "remove", "path": format!("members[value eq \"{}\"]", other.id) }),
            json!({ "op": "replace", "path": "displayName", "value": "x" }),
        ] {
            acme.patch(&user_as_group, json!([operation]))
                .expect_error(404, None);
        }
        let title = json!([{ "op": "replace", "path": "title", "value": "x" }]);
        acme.patch(&group_as_user, title).expect_error(404, None);
        let as_group = json!({ "schemas": [GROUP], "displayName": "x", "members": member });
        acme.put(&user_as_group, as_group).expect_error(404, None);
        let as_user = json!({ "schemas": [USER], "userName": "x" });
        acme.put(&group_as_user, as_user).expect_error(404, None);
        for path in [&user_as_group, &group_as_user] {
            acme.get(path).expect_error(404, None);
            for if_match in [None, Some("*"), Some("W/\"1\""), Some("W/\"7\"")] {
                let mut delete = acme.request("DELETE", path);
                if let Some(tag) = if_match {
                    delete = delete.header("if-match", tag);
                }
                delete.send().expect_error(404, None);
            }
        }
        assert_eq!(acme.get(&group.path).expect(200).json(), group.json);
        let shown = acme.get(&user.path).expect(200).json();
        assert_eq!(shown["meta"]["lastModified"], user.json["meta"]["lastModified"]);
    });
}

/// A-23: groups may contain groups, but not themselves, whichever way members are sent.
#[test]
fn a_group_never_becomes_its_own_member() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Tour Guides", &[&user]);
        let members = json!([{ "value": user.id }, { "value": group.id }]);
        let body = json!({ "schemas": [GROUP], "displayName": "Tour Guides", "members": members });
        let reply = acme
            .put(&group.path, body)
            .expect_error(400, Some("invalidValue"));
        assert!(reply.text.contains("`members`"), "{}", reply.text);
        let rename = json!({ "op": "replace", "path": "displayName", "value": "Guides" });
        let by_ref = json!([{ "$ref": format!("{BASE}/Groups/{}", group.id) }]);
        for operations in [
            json!([{ "op": "add", "path": "members", "value": members }]),
            json!([{ "op": "replace", "path": "members", "value": members }]),
            json!([{ "op": "add", "value": { "members": members } }]),
            json!([{ "op": "add", "path": "members", "value": by_ref }]),
            json!([rename, { "op": "add", "path": "members", "value": members }]),
            json!([rename, { "op": "replace", "path": "members", "value": members }]),
        ] {
            acme.patch(&group.path, operations)
                .expect_error(400, Some("invalidValue"));
        }
        assert_eq!(acme.get(&group.path).json(), group.json);
    });
}
