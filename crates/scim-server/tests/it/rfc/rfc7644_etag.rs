//! RFC 7644 section 3.14 and RFC 9110 sections 8.8 and 13: versions and preconditions.

use serde_json::json;

use super::client::*;
use super::tenants::tenant;

fn a_user() -> (Client, String, String) {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    (client, format!("/Users/{}", made.id()), made.etag())
}

/// 7644-3.14-02
#[test]
fn every_resource_comes_with_its_tag() {
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

/// 7644-3.14-04, 9110-15.4.5-01, 9110-13.1.2-01, 9110-8.8.3.2-01
#[test]
fn what_is_known_is_not_sent_again() {
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
fn a_change_can_be_bound_to_a_version() {
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
    // RFC 9110 would never let a weak tag match here, SCIM's own examples need it.
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

/// 7644-3.14-05
#[test]
fn one_of_two_changes_of_one_version_wins() {
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
fn if_match_takes_lists_and_the_star() {
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
    let unknown = "/Users/0190b3a2-0000-7000-8000-000000000000";
    client
        .send("PUT", unknown, &[("If-Match", "*")], Some(body.as_bytes()))
        .expect_error(404, "");
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
}

/// 9110-13.1.3-01, 9110-13.1.4-01
#[test]
fn dates_are_no_conditions() {
    let (client, path, _) = a_user();
    let late = "Fri, 31 Dec 2100 00:00:00 GMT";
    let early = "Fri, 31 Dec 1999 00:00:00 GMT";
    let read = client
        .send("GET", &path, &[("If-Modified-Since", late)], None)
        .expect(200);
    assert!(read.header("Last-Modified").is_none());
    client
        .send(
            "PUT",
            &path,
            &[("If-Unmodified-Since", early)],
            Some(user("a").to_string().as_bytes()),
        )
        .expect(200);
    client
        .send("GET", &path, &[("If-Modified-Since", "nonsense")], None)
        .expect(200);
}

/// 9110-13.2.1-01
#[test]
fn conditions_come_after_all_other_checks() {
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
}

/// 9110-13.2.2-01
#[test]
fn if_match_comes_before_if_none_match() {
    let (client, path, tag) = a_user();
    let both = [("If-Match", "W/\"999\""), ("If-None-Match", tag.as_str())];
    client
        .send("PUT", &path, &both, Some(user("a").to_string().as_bytes()))
        .expect_error(412, "");
    // For a GET the first alone would be 412, the second alone 304.
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
fn a_tag_covers_the_groups_that_are_shown() {
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
    // The user itself has not changed, so a change bound to it goes through.
    client
        .send(
            "PUT",
            &path,
            &[("If-Match", &joined.etag())],
            Some(user("a").to_string().as_bytes()),
        )
        .expect(200);
}
