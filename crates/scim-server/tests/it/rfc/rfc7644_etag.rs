//! RFC 7644 section 3.14 and RFC 9110 sections 8.8 and 13: versions and preconditions.

use serde_json::json;

use super::client::*;
use super::tenants::{read_only_token, tenant};

fn a_user() -> (Client, String, String) {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    (client, format!("/Users/{}", made.id()), made.etag())
}

/// 7644-3.14-02, 7644-3.14-03, 9110-8.8.3.1-01
#[test]
fn every_response_with_a_resource_has_its_etag() {
    let client = tenant();
    let member = client.user("m");
    let operation = json!([{"op": "replace", "path": "displayName", "value": "h"}]);
    for (endpoint, body, changed) in [
        ("/Users", user("a"), user_with("a", &json!({"title": "t"}))),
        ("/Groups", group("g", &[&member]), group("g", &[])),
    ] {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        let read = client.get(&path).expect(200);
        assert_eq!(read.etag(), made.etag());
        let put = client.put(&path, &changed).expect(200);
        let patched = client
            .patch(&format!("{path}?excludedAttributes=name"), &operation)
            .expect(200);
        let after = client.get(&path).expect(200);
        assert_eq!(after.etag(), patched.etag());
        assert_eq!(
            client.send("HEAD", &path, &[], None).expect(200).etag(),
            patched.etag()
        );
        let tags = [&made, &put, &patched].map(Answer::etag);
        assert!(tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
        let list = client.get(endpoint).expect(200);
        let listed = list.resources().iter().find(|it| it["id"] == after.body["id"]);
        assert_eq!(listed.expect("it is listed")["meta"]["version"], after.etag());
        for answer in [made, read, put, patched, after] {
            assert_eq!(answer.body["meta"]["version"], answer.etag(), "{endpoint}");
        }
    }
}

/// 7644-3.14-02
#[test]
fn every_change_has_a_new_etag() {
    let (client, path, tag) = a_user();
    assert_eq!(client.get(&path).expect(200).etag(), tag);
    let put = client
        .put(&path, &user_with("a", &json!({"title": "t"})))
        .expect(200)
        .etag();
    assert_ne!(put, tag);
    let patched = client
        .patch(&path, &json!([{"op": "replace", "path": "title", "value": "u"}]))
        .expect(200)
        .etag();
    assert_ne!(patched, put);
    let group = client.group("g", &[]);
    let operation = json!([{"op": "replace", "path": "displayName", "value": "h"}]);
    client
        .patch(&format!("/Groups/{group}"), &operation)
        .expect_success()
        .etag();
}

/// 7644-3.14-04, 9110-15.4.5-01
#[test]
fn a_304_has_the_headers_of_the_200_and_no_content() {
    let client = tenant();
    let user_path = format!("/Users/{}", client.user("a"));
    let group_path = format!("/Groups/{}", client.group("g", &[]));
    for path in [&user_path, &group_path] {
        let whole = client.get(path).expect(200);
        for method in ["GET", "HEAD"] {
            let tag = whole.etag();
            let answer = client
                .send(method, path, &[("If-None-Match", &tag)], None)
                .expect(304);
            for name in ["ETag", "Content-Location", "Cache-Control", "Vary"] {
                assert_eq!(answer.header(name), whole.header(name), "{method} {path} {name}");
            }
            assert!(answer.bytes.is_empty() && answer.header("Content-Type").is_none());
        }
    }
}

/// 7644-3.14-04, 9110-15.4.5-01, 9110-13.1.2-01, 9110-8.8.3.2-01
#[test]
fn a_known_version_is_304() {
    let (client, path, tag) = a_user();
    let strong = tag.trim_start_matches("W/").to_owned();
    for known in [tag.clone(), strong, format!("\"x\", {tag}"), "*".into()] {
        for path in [path.clone(), format!("{path}?attributes=userName")] {
            let answer = client
                .send("GET", &path, &[("If-None-Match", &known)], None)
                .expect(304);
            assert_eq!(answer.etag(), tag, "{known}");
            assert!(answer.bytes.is_empty());
        }
        client
            .send("HEAD", &path, &[("If-None-Match", &known)], None)
            .expect(304);
    }
    client
        .send("GET", &path, &[("If-None-Match", "W/\"999\"")], None)
        .expect(200);
    client.put(&path, &user("b")).expect(200);
    client
        .send("GET", &path, &[("If-None-Match", &tag)], None)
        .expect(200);
}

/// 7644-3.14-05, 9110-13.1.1-01, 9110-13.1.1-03, 7644-3.12-11
#[test]
fn if_match_guards_changes_of_a_user() {
    let (client, path, tag) = a_user();
    let body = user_with("a", &json!({"title": "t"})).to_string();
    let patch = json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "t"}]})
        .to_string();
    for stale in ["W/\"999\"", "\"999\"", "W/\"\""] {
        let stale = [("If-Match", stale)];
        client
            .send("PUT", &path, &stale, Some(body.as_bytes()))
            .expect_error(412, "");
        client
            .send("PATCH", &path, &stale, Some(patch.as_bytes()))
            .expect_error(412, "");
        client.send("DELETE", &path, &stale, None).expect_error(412, "");
    }
    let unchanged = client.get(&path).expect(200);
    assert_eq!(unchanged.etag(), tag);
    assert!(unchanged.body.get("title").is_none());
    // In RFC 9110 a weak tag never matches here, but the examples of RFC 7644 need it to.
    let put = client
        .send("PUT", &path, &[("If-Match", &tag)], Some(body.as_bytes()))
        .expect(200);
    client
        .send("PATCH", &path, &[("If-Match", &tag)], Some(patch.as_bytes()))
        .expect_error(412, "");
    client
        .send(
            "PATCH",
            &path,
            &[("If-Match", &put.etag())],
            Some(patch.as_bytes()),
        )
        .expect(200);
    client
        .send("GET", &path, &[("If-Match", "W/\"999\"")], None)
        .expect_error(412, "");
}

/// 7644-3.14-05, 9110-13.1.1-01, 9110-13.1.1-03
#[test]
fn if_match_guards_changes_of_a_group() {
    let client = tenant();
    let (a, b) = (client.user("a"), client.user("b"));
    let made = client.create("/Groups", &group("g", &[&a]));
    let path = format!("/Groups/{}", made.id());
    let member = json!([{"value": b}]);
    let changes = [
        ("PUT", group("h", &[&b])),
        (
            "PATCH",
            patch_message(&json!([{"op": "replace", "path": "displayName", "value": "h"}])),
        ),
        (
            "PATCH",
            patch_message(&json!([{"op": "add", "path": "members", "value": member}])),
        ),
        (
            "PATCH",
            patch_message(&json!([{"op": "replace", "path": "members", "value": member}])),
        ),
        (
            "PATCH",
            patch_message(&json!([{"op": "remove", "path": "members"}])),
        ),
        (
            "PATCH",
            patch_message(&json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}])),
        ),
        // The precondition also applies to a change without effect.
        (
            "PATCH",
            patch_message(&json!([{"op": "add", "path": "members", "value": [{"value": a}]}])),
        ),
        ("PUT", made.body.clone()),
    ];
    for stale in ["W/\"999\"", "\"x\"", "W/\"2\", W/\"3\""] {
        for (method, body) in &changes {
            client
                .send(
                    method,
                    &path,
                    &[("If-Match", stale)],
                    Some(body.to_string().as_bytes()),
                )
                .expect_error(412, "");
        }
        client
            .send("DELETE", &path, &[("If-Match", stale)], None)
            .expect_error(412, "");
    }
    assert_eq!(client.now(&path), made.body);
    let mut tag = made.etag();
    for (method, body) in changes {
        let answer = client
            .send(
                method,
                &path,
                &[("If-Match", &tag)],
                Some(body.to_string().as_bytes()),
            )
            .expect_success();
        tag = answer.etag();
    }
    client
        .send("DELETE", &path, &[("If-Match", &tag)], None)
        .expect(204);
}

fn patch_message(operations: &serde_json::Value) -> serde_json::Value {
    json!({"schemas": [PATCH_OP], "Operations": operations})
}

/// 7644-3.14-05
#[test]
fn one_of_several_changes_of_one_version_succeeds() {
    let (client, path, tag) = a_user();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4)
            .map(|index| {
                let (client, path, tag) = (&client, &path, &tag);
                scope.spawn(move || {
                    let body = user_with("a", &json!({"title": format!("t{index}")})).to_string();
                    client
                        .send("PUT", path, &[("If-Match", tag)], Some(body.as_bytes()))
                        .status
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|it| **it == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|it| **it == 412).count(),
        3,
        "{statuses:?}"
    );
}

/// 9110-13.1.1-02
#[test]
fn if_match_accepts_lists_and_the_asterisk() {
    let (client, path, tag) = a_user();
    let body = user_with("a", &json!({"title": "t"})).to_string();
    client
        .send(
            "PUT",
            &path,
            &[("If-Match", &format!("\"x\", {tag}"))],
            Some(body.as_bytes()),
        )
        .expect(200);
    client
        .send(
            "PUT",
            &path,
            &[("If-Match", "*")],
            Some(user("a").to_string().as_bytes()),
        )
        .expect(200);
    let patch = patch_message(&json!([{"op": "add", "path": "title", "value": "t"}])).to_string();
    let list = format!("\"x\", {}", client.get(&path).expect(200).etag());
    client
        .send("PATCH", &path, &[("If-Match", &list)], Some(patch.as_bytes()))
        .expect(200);
    // The list no longer has the current version.
    for method in ["PATCH", "DELETE"] {
        client
            .send(method, &path, &[("If-Match", &list)], Some(patch.as_bytes()))
            .expect_error(412, "");
    }
    client.send("GET", &path, &[("If-Match", "*")], None).expect(200);
    let unknown = "/Users/0190b3a2-0000-7000-8000-000000000000";
    for method in ["PUT", "PATCH", "DELETE", "GET"] {
        let body = if method == "PATCH" { &patch } else { &body };
        client
            .send(method, unknown, &[("If-Match", "*")], Some(body.as_bytes()))
            .expect_error(404, "");
    }
    client
        .send("DELETE", &path, &[("If-Match", "*")], None)
        .expect(204);
}

/// 9110-13.1.2-02
#[test]
fn if_none_match_guards_changes() {
    let (client, path, tag) = a_user();
    let body = user("b").to_string();
    for known in ["*", tag.as_str()] {
        client
            .send("PUT", &path, &[("If-None-Match", known)], Some(body.as_bytes()))
            .expect_error(412, "");
        let patch =
            json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "t"}]});
        let patch = patch.to_string();
        client
            .send(
                "PATCH",
                &path,
                &[("If-None-Match", known)],
                Some(patch.as_bytes()),
            )
            .expect_error(412, "");
        client
            .send("DELETE", &path, &[("If-None-Match", known)], None)
            .expect_error(412, "");
    }
    assert_eq!(client.now(&path)["userName"], "a");
    for method in ["GET", "HEAD"] {
        client
            .send(method, &path, &[("If-None-Match", "*")], None)
            .expect(304);
    }
    // Tags of other versions do not match, so the PUT succeeds.
    client
        .send(
            "PUT",
            &path,
            &[("If-None-Match", "\"x\", W/\"999\"")],
            Some(body.as_bytes()),
        )
        .expect(200);
}

const EARLY: &str = "Fri, 31 Dec 1999 00:00:00 GMT";
const LATE: &str = "Fri, 31 Dec 2100 00:00:00 GMT";

/// 9110-13.1.3-01
#[test]
fn if_modified_since_is_ignored() {
    let (client, path, tag) = a_user();
    let body = user("a").to_string();
    let patch = patch_message(&json!([{"op": "add", "path": "title", "value": "t"}])).to_string();
    for since in [EARLY, LATE, "nonsense", ""] {
        let since = ("If-Modified-Since", since);
        for path in [&path, "/Users", "/Schemas"] {
            client.send("GET", path, &[since], None).expect(200);
            client.send("HEAD", path, &[since], None).expect(200);
        }
        client
            .send("GET", &path, &[since, ("If-None-Match", &tag)], None)
            .expect(304);
        client
            .send("GET", &path, &[since, ("If-None-Match", "\"x\"")], None)
            .expect(200);
        client
            .send("PUT", &path, &[since], Some(body.as_bytes()))
            .expect(200);
    }
    let since = [("If-Modified-Since", LATE)];
    client
        .send("PATCH", &path, &since, Some(patch.as_bytes()))
        .expect(200);
    client.send("DELETE", &path, &since, None).expect(204);
}

/// 9110-13.1.4-01
#[test]
fn if_unmodified_since_is_ignored() {
    let (client, path, tag) = a_user();
    let group = format!("/Groups/{}", client.group("g", &[]));
    let body = user("a").to_string();
    let group_body = self::group("h", &[]).to_string();
    let patch = patch_message(&json!([{"op": "add", "path": "displayName", "value": "t"}])).to_string();
    // No response has a modification date to compare with.
    for answer in [
        client.get(&path),
        client.get(&group),
        client.get("/Users"),
        client.put(&path, &user("a")),
        client.get("/ServiceProviderConfig"),
        client.get("/Schemas"),
    ] {
        assert!(answer.expect(200).header("Last-Modified").is_none());
    }
    // With `If-Match` in the same request, `If-Match` alone decides.
    let stale = ("If-Match", "W/\"999\"");
    for date in [EARLY, LATE] {
        let since = ("If-Unmodified-Since", date);
        client
            .send("PUT", &path, &[since, ("If-Match", &tag)], Some(body.as_bytes()))
            .expect(200);
        for (method, body) in [("PUT", &body), ("PATCH", &patch), ("DELETE", &String::new())] {
            client
                .send(method, &path, &[since, stale], Some(body.as_bytes()))
                .expect_error(412, "");
        }
    }
    // On its own it has no effect either.
    for since in [EARLY, LATE, "nonsense"] {
        let since = [("If-Unmodified-Since", since)];
        for (path, body) in [(&path, &body), (&group, &group_body)] {
            client.send("GET", path, &since, None).expect(200);
            client
                .send("PUT", path, &since, Some(body.as_bytes()))
                .expect(200);
            client
                .send("PATCH", path, &since, Some(patch.as_bytes()))
                .expect_success();
        }
        client
            .send(
                "POST",
                "/Users",
                &since,
                Some(user(since[0].1).to_string().as_bytes()),
            )
            .expect(201);
    }
    let since = [("If-Unmodified-Since", EARLY)];
    for path in [&path, &group] {
        client.send("DELETE", path, &since, None).expect(204);
    }
}

/// 9110-13.2.1-01
#[test]
fn preconditions_come_after_all_other_checks() {
    let (client, path, _) = a_user();
    let stale = ("If-Match", "W/\"999\"");
    let body = user("a").to_string();
    client
        .with_token("wrong")
        .send("PUT", &path, &[stale], Some(body.as_bytes()))
        .expect_error(401, "");
    let unknown = "/Users/0190b3a2-0000-7000-8000-000000000000";
    client
        .send("PUT", unknown, &[stale], Some(body.as_bytes()))
        .expect_error(404, "");
    client
        .send("DELETE", unknown, &[stale], None)
        .expect_error(404, "");
    client
        .send("PUT", &path, &[stale], Some(b"{"))
        .expect_error(400, "invalidSyntax");
    client
        .send("PATCH", &path, &[stale], Some(b"{}"))
        .expect_error(400, "invalidSyntax");
    let target = patch_message(&json!([{"op": "remove"}])).to_string();
    client
        .send("PATCH", &path, &[stale], Some(target.as_bytes()))
        .expect_error(400, "noTarget");
    let text = ("Content-Type", "text/plain");
    for method in ["PUT", "PATCH"] {
        client
            .send(method, &path, &[stale, text], Some(body.as_bytes()))
            .expect_error(415, "");
        read_only_token(&client)
            .send(method, &path, &[stale], Some(body.as_bytes()))
            .expect_error(403, "");
        client
            .send(method, "/Users", &[stale], Some(body.as_bytes()))
            .expect_error(405, "");
    }
    // A precondition that holds does not make an invalid body valid.
    let current = client.get(&path).expect(200).etag();
    client
        .send("PUT", &path, &[("If-Match", &current)], Some(b"{"))
        .expect_error(400, "invalidSyntax");
}

/// 9110-13.2.2-01
#[test]
fn if_match_comes_before_if_none_match() {
    let (client, path, tag) = a_user();
    let both = [("If-Match", "W/\"999\""), ("If-None-Match", tag.as_str())];
    client
        .send("PUT", &path, &both, Some(user("a").to_string().as_bytes()))
        .expect_error(412, "");
    // On a GET, the first alone would give 412 and the second alone 304.
    client.send("GET", &path, &both, None).expect_error(412, "");
    client
        .send(
            "GET",
            &path,
            &[("If-Match", tag.as_str()), ("If-None-Match", tag.as_str())],
            None,
        )
        .expect(304);
}

/// 7644-3.14-02, 7643-3.1-21
#[test]
fn the_etag_of_a_user_covers_its_groups() {
    let (client, path, tag) = a_user();
    let id = path.trim_start_matches("/Users/");
    let group = client.group("g", &[id]);
    let joined = client
        .send("GET", &path, &[("If-None-Match", &tag)], None)
        .expect(200);
    assert_eq!(joined.body["meta"]["version"], joined.etag());
    client
        .send("GET", &path, &[("If-None-Match", &joined.etag())], None)
        .expect(304);
    client
        .patch(
            &format!("/Groups/{group}"),
            &json!([{"op": "replace", "path": "displayName", "value": "h"}]),
        )
        .expect_success();
    let renamed = client
        .send("GET", &path, &[("If-None-Match", &joined.etag())], None)
        .expect(200);
    assert_eq!(renamed.body["groups"][0]["display"], "h");
    // The user itself has not changed, so its tag still matches.
    client
        .send(
            "PUT",
            &path,
            &[("If-Match", &joined.etag())],
            Some(user("a").to_string().as_bytes()),
        )
        .expect(200);
}
