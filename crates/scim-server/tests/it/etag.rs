//! Versions: entity tags and preconditions.

use serde_json::json;

use crate::harness::{Server, USER};

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
fn a_write_over_another_version_is_refused() {
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

/// 7644-3.14-04, 9110-13.1.2-01, 9110-13.1.2-02, 9110-15.4.5-01, A-51
#[test]
fn what_the_client_has_is_not_sent_again() {
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
fn a_changed_group_is_a_changed_user() {
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

/// 9110-13.2.1-01, 9110-13.2.2-01, 7644-3.14: only what could succeed has preconditions
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
fn other_conditions_and_preferences_are_passed_over() {
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
