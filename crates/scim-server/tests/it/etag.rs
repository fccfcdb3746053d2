//! Versions: entity tags and preconditions.

use serde_json::{Value, json};

use crate::harness::{Choice, Client, Created, ENTERPRISE, GROUP, Reply, Server, USER, on_each, patch_op};

/// 7644-3.14-02, 7644-3.14-03, 7643-3.1-21, 7643-3.1-23, 9110-8.8.3-01, 9110-8.8.3-02
#[test]
fn every_answer_with_a_resource_carries_its_version() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let body = json!({ "schemas": [USER], "userName": "bjensen", "title": "a" });
    let title = json!([{ "op": "replace", "path": "title", "value": "b" }]);
    let replies = [
        acme.get(&user.path),
        acme.put(&user.path, body),
        acme.patch(&user.path, title),
        acme.request("HEAD", &user.path).send(),
    ];
    let tags: Vec<&str> = replies.iter().map(|it| it.header("etag").unwrap()).collect();
    assert_eq!(tags, [r#"W/"1""#, r#"W/"2""#, r#"W/"3""#, r#"W/"3""#]);
    for reply in &replies[..3] {
        assert_eq!(reply.json()["meta"]["version"].as_str(), reply.header("etag"));
    }
}

/// 7644-3.14-05, 7644-3.12-11, 9110-13.1.1-01, 9110-13.1.1-02, 9110-13.1.1-03, 7644-3.6-05, A-44
#[test]
fn a_write_with_a_stale_version_is_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let body = json!({ "schemas": [USER], "userName": "bjensen", "title": "a" });
    let operations = crate::harness::patch_op(json!([{ "op": "replace", "path": "title", "value": "b" }]));
    for stale in [r#"W/"7""#, r#""x""#, r#"W/"01""#] {
        let with = |method| acme.request(method, &user.path).header("if-match", stale);
        with("PUT").json(&body).send().expect_error(412, None);
        with("PATCH").json(&operations).send().expect_error(412, None);
        with("DELETE").send().expect_error(412, None);
        with("GET").send().expect_error(412, None);
    }
    assert_eq!(acme.get(&user.path).json(), user.json);
    for (current, version) in [
        (r#"W/"1""#, "2"),
        (r#""2""#, "3"),
        (r#""x", W/"3""#, "4"),
        ("*", "5"),
    ] {
        let mut body = body.clone();
        body["title"] = json!(version);
        let reply = acme
            .request("PUT", &user.path)
            .header("if-match", current)
            .json(&body)
            .send()
            .expect(200);
        assert_eq!(reply.header("etag"), Some(format!("W/\"{version}\"").as_str()));
    }
    acme.request("DELETE", &user.path)
        .header("if-match", "*")
        .send()
        .expect(204);
}

/// 7644-3.14-05, 9110-13.1.1-01, 9110-13.1.2-01: also where the server does not read the group
#[test]
fn a_change_of_members_with_a_stale_version_is_refused() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let (one, two) = (acme.create_user("one"), acme.create_user("two"));
        let group = acme.create_group("Tour Guides", &[&one]);
        let add = json!({ "op": "add", "path": "members", "value": [{ "value": two.id }] });
        let remove = json!({ "op": "remove", "path": format!("members[value eq \"{}\"]", one.id) });
        let patch = |header: &str, tag: &str, operation: &Value| {
            let request = acme.request("PATCH", &group.path).header(header, tag);
            request.json(&patch_op(json!([operation]))).send()
        };
        acme.patch(&group.path, json!([add])).expect(204);
        for operation in [&add, &remove, &json!({ "op": "remove", "path": "members" })] {
            for stale in ["W/\"1\"", "\"1\"", "W/\"3\"", "\"x\", W/\"1\"", "\"x\""] {
                patch("if-match", stale, operation).expect_error(412, None);
            }
            for seen in ["*", "W/\"2\"", "\"x\", W/\"2\""] {
                patch("if-none-match", seen, operation).expect_error(412, None);
            }
        }
        let unchanged = acme.get(&group.path).expect(200).json();
        assert_eq!(unchanged["members"].as_array().map(Vec::len), Some(2));
        assert_eq!(unchanged["meta"]["version"], "W/\"2\"");

        let reply = patch("if-match", "W/\"2\"", &remove).expect(204);
        assert_eq!(reply.header("etag"), Some("W/\"3\""));
        let reply = patch(
            "if-match",
            "\"x\", W/\"3\"",
            &json!({ "op": "remove", "path": "members" }),
        );
        assert_eq!(reply.expect(204).header("etag"), Some("W/\"4\""));
        let reply = patch("if-match", "*", &add).expect(204);
        assert_eq!(reply.header("etag"), Some("W/\"5\""));
        let reply = patch("if-none-match", "W/\"4\"", &remove).expect(204);
        assert_eq!(reply.header("etag"), Some("W/\"5\""), "the user was no member");
    });
}

/// 7644-3.14-04, 9110-13.1.2-01, 9110-13.1.2-02, 9110-15.4.5-01, A-51
#[test]
fn an_unchanged_resource_answers_304() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    for seen in [r#"W/"1""#, r#""1""#, r#""x", W/"1""#, "*"] {
        for path in [user.path.clone(), format!("{}?attributes=userName", user.path)] {
            let reply = acme
                .request("GET", &path)
                .header("if-none-match", seen)
                .send()
                .expect(304);
            assert_eq!(
                (reply.text.as_str(), reply.header("etag")),
                ("", Some(r#"W/"1""#))
            );
            assert_eq!(
                reply.header("content-location"),
                user.json["meta"]["location"].as_str()
            );
        }
    }
    acme.request("GET", &user.path)
        .header("if-none-match", r#"W/"2""#)
        .send()
        .expect(200);
    let body = json!({ "schemas": [USER], "userName": "bjensen" });
    for seen in ["*", r#"W/"1""#] {
        let put = acme
            .request("PUT", &user.path)
            .header("if-none-match", seen)
            .json(&body)
            .send();
        put.expect_error(412, None);
        acme.request("DELETE", &user.path)
            .header("if-none-match", seen)
            .send()
            .expect_error(412, None);
    }
    acme.request("PUT", &user.path)
        .header("if-none-match", r#"W/"7""#)
        .json(&body)
        .send()
        .expect(200);
}

/// A user's tag covers the groups that it shows; a 304 never hides a changed group.
#[test]
fn a_changed_group_changes_the_tags_of_its_users() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Tour Guides", &[&user]);
    let fetch = |seen: &str| {
        acme.request("GET", &user.path)
            .header("if-none-match", seen)
            .send()
    };
    let reply = fetch(&user.etag).expect(200);
    let tag = reply.header("etag").unwrap().to_owned();
    assert_eq!(reply.json()["meta"]["version"], json!(tag));
    fetch(&tag).expect(304);
    acme.patch(
        &group.path,
        json!([{ "op": "replace", "path": "displayName", "value": "Guides" }]),
    )
    .expect(204);
    fetch(&tag).expect(200);
    let title = crate::harness::patch_op(json!([{ "op": "replace", "path": "title", "value": "b" }]));
    acme.request("PATCH", &user.path)
        .header("if-match", &tag)
        .json(&title)
        .send()
        .expect(200);
}

/// 7644-3.14-04, A-26: the manager's name is part of a user's representation, although it is stored with the manager.
#[test]
fn a_304_never_hides_a_renamed_manager() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let boss = acme.create("/Users", json!({ "userName": "boss", "displayName": "Boss" }));
        let user = managed(&acme, "a", &boss.id);
        assert!(is_hashed(&user.etag, 1), "{}", user.etag);
        if_none_match(&acme, &user.path, &user.etag).expect(304);
        // The version alone does not identify the representation.
        if_none_match(&acme, &user.path, "W/\"1\"").expect(200);

        acme.patch(
            &boss.path,
            json!([{ "op": "replace", "path": "displayName", "value": "Chief" }]),
        )
        .expect(200);
        let renamed = if_none_match(&acme, &user.path, &user.etag).expect(200);
        assert_eq!(renamed.json()[ENTERPRISE]["manager"]["displayName"], "Chief");
        let tag = renamed.header("etag").unwrap();
        assert!(is_hashed(tag, 1) && tag != user.etag, "{tag}");
        if_none_match(&acme, &user.path, tag).expect(304);

        acme.delete(&boss.path).expect(204);
        let left = if_none_match(&acme, &user.path, tag).expect(200);
        assert_eq!(left.json()[ENTERPRISE]["manager"], json!({ "value": boss.id }));
        assert_eq!(left.header("etag"), Some("W/\"1\""));
        if_none_match(&acme, &user.path, "W/\"1\"").expect(304);
        if_none_match(&acme, &user.path, &user.etag).expect(200);
    });
}

/// 7644-3.14-04, 7643-2.4-05: a group shows the names of its members, so a renamed member is a change of the group.
#[test]
fn a_304_never_hides_a_renamed_member() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let inner = acme.create_group("Inner", &[]);
        let group = acme.create_group("Tour Guides", &[&user, &inner]);
        let replace = |of: &Created, attribute: &str, value: &str| {
            let reply = acme.patch(
                &of.path,
                json!([{ "op": "replace", "path": attribute, "value": value }]),
            );
            assert!([200, 204].contains(&reply.status), "{}", reply.text);
        };
        let displays = |group: &Value| {
            let members = group["members"].as_array().unwrap().iter();
            members.map(|it| it["display"].clone()).collect::<Vec<_>>()
        };
        // A group shows no user names.
        replace(&user, "userName", "babs");
        if_none_match(&acme, &group.path, &group.etag).expect(304);
        let mut tag = group.etag.clone();
        for (renamed, attribute, name, expected) in [
            (&user, "displayName", "Babs", ["Babs", "Inner"]),
            (&user, "displayName", "Babs Jensen", ["Babs Jensen", "Inner"]),
            (&inner, "displayName", "Outer", ["Babs Jensen", "Outer"]),
        ] {
            if_none_match(&acme, &group.path, &tag).expect(304);
            replace(renamed, attribute, name);
            let reply = if_none_match(&acme, &group.path, &tag).expect(200);
            assert_eq!(displays(&reply.json()), expected);
            assert_ne!(reply.header("etag"), Some(tag.as_str()));
            let stale = acme
                .request("DELETE", &group.path)
                .header("if-match", &tag)
                .send();
            stale.expect_error(412, None);
            tag = reply.header("etag").unwrap().to_owned();
            assert_eq!(reply.json()["meta"]["version"], json!(tag));
        }
        // Neither of these is part of the group's representation.
        replace(&user, "title", "Guide");
        replace(&user, "userName", "barbara");
        if_none_match(&acme, &group.path, &tag).expect(304);
    });
}

/// 7644-3.14-04: a user whose last group is deleted has another representation.
#[test]
fn a_304_never_hides_the_loss_of_the_last_group() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Tour Guides", &[&user]);
        let shown = acme.get(&user.path).expect(200);
        let tag = shown.header("etag").unwrap();
        assert!(is_hashed(tag, 1), "{tag}");
        acme.delete(&group.path).expect(204);
        let left = if_none_match(&acme, &user.path, tag).expect(200);
        assert_eq!(left.json().get("groups"), None);
        assert_eq!(left.header("etag"), Some("W/\"1\""));
    });
}

/// 7643-3.1-21, 7644-3.14-03: a representation has the same tag in every answer.
#[test]
fn every_answer_shows_the_same_tag_of_a_managed_user() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let boss = acme.create("/Users", json!({ "userName": "boss", "displayName": "Boss" }));
        let user = managed(&acme, "a", &boss.id);
        let without_groups = user.etag.clone();
        acme.create_group("Tour Guides", &[&user]);
        let shown = acme.get(&user.path).expect(200);
        let tag = shown.header("etag").unwrap().to_owned();
        assert!(is_hashed(&tag, 1) && tag != without_groups, "{tag}");

        let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": "userName eq \"a\"" });
        let idle = json!([{ "op": "replace", "path": "userName", "value": "a" }]);
        let answers = [
            acme.get(&user.path).json(),
            acme.get(&format!("{}?excludedAttributes=title", user.path))
                .json(),
            acme.get(&format!("{}?attributes=meta,groups,{ENTERPRISE}", user.path))
                .json(),
            acme.get("/Users?filter=userName%20eq%20%22a%22").resources()[0].clone(),
            acme.get("/Users").resources()[1].clone(),
            acme.post("/Users/.search", search.clone()).resources()[0].clone(),
            acme.post("/.search", search).resources()[0].clone(),
            acme.patch(&user.path, idle).expect(200).json(),
        ];
        for answer in &answers {
            assert_eq!(answer["meta"]["version"], json!(tag), "{answer}");
        }
        let head = acme.request("HEAD", &user.path).send();
        assert_eq!(head.header("etag"), Some(tag.as_str()));

        let body = json!({ "schemas": [USER, ENTERPRISE], "userName": "a", "title": "t",
            ENTERPRISE: { "manager": { "value": boss.id } } });
        let put = acme.put(&user.path, body).expect(200);
        let tag = put.header("etag").unwrap();
        assert!(is_hashed(tag, 2), "{tag}");
        for answer in [put.json(), acme.get(&user.path).json()] {
            assert_eq!(answer["meta"]["version"], json!(tag));
        }
        // The filter compares the version and ignores the hash.
        for filter in ["W/\\\"2\\\"".to_owned(), tag.replace('"', "\\\"")] {
            let filter = format!("meta.version eq \"{filter}\"");
            assert_eq!(acme.user_names(&filter), ["a"], "{filter}");
        }
    });
}

/// 7644-3.14-04, A-51: the state of other resources is part of a tag only where the answer shows it.
#[test]
fn hidden_attributes_do_not_change_the_tag() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let boss = acme.create("/Users", json!({ "userName": "boss", "displayName": "Boss" }));
        let user = managed(&acme, "a", &boss.id);
        let rename = |name: &str| {
            let operations = json!([{ "op": "replace", "path": "displayName", "value": name }]);
            acme.patch(&boss.path, operations).expect(200);
        };
        let manager = format!("{ENTERPRISE}:manager");
        for hidden in [
            "attributes=userName".to_owned(),
            "attributes=groups".to_owned(),
            format!("attributes={manager}.value"),
            format!("excludedAttributes={ENTERPRISE},groups"),
            format!("excludedAttributes={manager}"),
            format!("excludedAttributes={manager}.displayName,{manager}.$ref"),
        ] {
            let path = format!("{}?{hidden}", user.path);
            let tag = acme.get(&path).expect(200).header("etag").unwrap().to_owned();
            assert_eq!(tag, "W/\"1\"", "{hidden}");
            rename(&hidden.chars().rev().collect::<String>());
            let reply = if_none_match(&acme, &path, &tag).expect(304);
            assert_eq!(reply.header("etag"), Some(tag.as_str()), "{hidden}");
        }
        for shown in [
            format!("attributes={manager}"),
            format!("attributes={manager}.displayName"),
            "excludedAttributes=groups".to_owned(),
            format!("excludedAttributes={manager}.value"),
            format!("excludedAttributes={manager}.$ref"),
        ] {
            let path = format!("{}?{shown}", user.path);
            let tag = acme.get(&path).expect(200).header("etag").unwrap().to_owned();
            assert!(is_hashed(&tag, 1), "{shown}: {tag}");
            if_none_match(&acme, &path, &tag).expect(304);
            rename(&shown);
            if_none_match(&acme, &path, &tag).expect(200);
        }
        // The tag of the whole representation also covers a part that shows nothing of other resources.
        let whole = acme
            .get(&user.path)
            .expect(200)
            .header("etag")
            .unwrap()
            .to_owned();
        if_none_match(&acme, &format!("{}?attributes=userName", user.path), &whole).expect(304);
    });
}

/// 7644-3.14-05: the version is that of the resource itself; a renamed manager does not change it.
#[test]
fn if_match_compares_the_version_alone() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let boss = acme.create("/Users", json!({ "userName": "boss", "displayName": "Boss" }));
        let user = managed(&acme, "a", &boss.id);
        acme.delete(&boss.path).expect(204);
        let set = |tag: &str, title: &str| {
            let operations = patch_op(json!([{ "op": "replace", "path": "title", "value": title }]));
            let request = acme.request("PATCH", &user.path).header("if-match", tag);
            request.json(&operations).send()
        };
        set(&user.etag, "t").expect(200);
        set(&user.etag, "u").expect_error(412, None);
        acme.request("DELETE", &user.path)
            .header("if-match", "W/\"2.0123456789abcdef\"")
            .send()
            .expect(204);
    });
}

/// 7644-3.5.2.1-09: an answer without a body has the tag of the group's representation.
#[test]
fn a_204_has_the_tag_that_a_get_would_have() {
    let owned = "urn:example:params:scim:schemas:extension:owned:1.0:Group";
    let extension = json!({ "id": owned, "name": "Owned", "attributes": [
        { "name": "owner", "type": "complex", "subAttributes": [{ "name": "value" },
            { "name": "$ref", "type": "reference", "referenceTypes": ["User"] },
            { "name": "displayName", "mutability": "readOnly" }]}]});
    let group_type = json!({ "name": "Group", "endpoint": "/Groups", "schema": GROUP,
        "schemaExtensions": [{ "schema": owned, "required": false }]});
    let choice = || Choice {
        schemas: vec![
            ("owned.json".to_owned(), extension.to_string()),
            ("group.json".to_owned(), group_type.to_string()),
        ],
        ..Choice::default()
    };
    on_each(choice, |server| {
        let acme = server.tenant("acme");
        let owner = acme.create_user("bjensen");
        let body = json!({ "schemas": [GROUP, owned], "displayName": "g",
            owned: { "owner": { "value": owner.id } } });
        let group = acme.create("/Groups", body);
        assert!(is_hashed(&group.etag, 1), "{}", group.etag);
        let member = json!([{ "op": "add", "path": "members", "value": [{ "value": owner.id }] }]);
        let changed = acme.patch(&group.path, member).expect(204);
        let tag = changed.header("etag").unwrap();
        assert!(is_hashed(tag, 2), "{tag}");
        if_none_match(&acme, &group.path, tag).expect(304);
        let name = json!([{ "op": "replace", "path": "displayName", "value": "Barbara" }]);
        acme.patch(&owner.path, name).expect(200);
        let renamed = if_none_match(&acme, &group.path, tag).expect(200);
        assert_eq!(renamed.json()[owned]["owner"]["displayName"], "Barbara");

        let plain = acme.create_group("h", &[]);
        let name = json!([{ "op": "replace", "path": "displayName", "value": "i" }]);
        let changed = acme.patch(&plain.path, name).expect(204);
        assert_eq!(changed.header("etag"), Some("W/\"2\""));
    });
}

/// 9110-13.2.1-01, 9110-13.2.2-01, 7644-3.14: preconditions are checked only for requests that are valid otherwise
#[test]
fn other_errors_come_before_preconditions() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let unknown = "/Users/0190a0a0-0000-7000-8000-000000000000";
    let body = json!({ "schemas": [USER], "userName": "bjensen" });
    let put = |path: &str, body| {
        acme.request("PUT", path)
            .header("if-match", r#"W/"7""#)
            .json(&body)
            .send()
    };
    put(unknown, body.clone()).expect_error(404, None);
    put(&user.path, json!({ "schemas": [USER] })).expect_error(400, Some("invalidValue"));
    let patch = |operations| {
        let message = crate::harness::patch_op(operations);
        acme.request("PATCH", &user.path)
            .header("if-match", r#"W/"7""#)
            .json(&message)
            .send()
    };
    patch(json!([{ "op": "replace", "path": "emails[" , "value": "x" }]))
        .expect_error(400, Some("invalidPath"));
    let stranger = server.stranger(Some("Bearer nobody"));
    stranger
        .request("PUT", &user.path)
        .header("if-match", r#"W/"7""#)
        .json(&body)
        .send()
        .expect_error(401, None);
    let both = acme
        .request("PUT", &user.path)
        .header("if-match", r#"W/"7""#)
        .header("if-none-match", "*");
    both.json(&body).send().expect_error(412, None);
}

/// 9110-13.1.3-01, 9110-13.1.4-01, A-52, A-76, 6585-3-01, 9967-2.5.1.1-01
#[test]
fn other_conditions_and_preferences_are_ignored() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let past = "Sat, 29 Oct 1994 19:43:31 GMT";
    acme.request("GET", &user.path)
        .header("if-modified-since", past)
        .send()
        .expect(200);
    let body = json!({ "schemas": [USER], "userName": "bjensen" });
    let put = acme
        .request("PUT", &user.path)
        .header("if-unmodified-since", past)
        .header("prefer", "respond-async");
    let reply = put.json(&body).send().expect(200);
    assert_eq!(reply.header("preference-applied"), None);
    let post = acme
        .request("POST", "/Users")
        .header("if-match", r#"W/"7""#)
        .header("if-none-match", "*");
    post.json(&json!({ "schemas": [USER], "userName": "another" }))
        .send()
        .expect(201);
}

fn managed(client: &Client, user_name: &str, manager: &str) -> Created {
    let manager = json!({ "manager": { "value": manager } });
    client.create(
        "/Users",
        json!({ "schemas": [USER, ENTERPRISE], "userName": user_name, ENTERPRISE: manager }),
    )
}

fn if_none_match(client: &Client, path: &str, tag: &str) -> Reply {
    client.request("GET", path).header("if-none-match", tag).send()
}

/// Whether it is the tag of a version with a hash of the state of other resources.
fn is_hashed(tag: &str, version: i64) -> bool {
    let hash = tag
        .strip_prefix(&format!("W/\"{version}."))
        .and_then(|it| it.strip_suffix('"'));
    hash.is_some_and(|it| it.len() == 16 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
